//! Character error rate, as `qingting asr eval` counts it.

/// Edits per character of `said`, after dropping punctuation and spaces and reading digits as a
/// telephone number is read.
pub fn cer(said: &str, heard: &str) -> f64 {
    let (said, heard) = (normalise(said), normalise(heard));
    let edits = strsim::generic_levenshtein(&Chars(&said), &Chars(&heard));
    edits as f64 / said.len().max(1) as f64
}

struct Chars<'a>(&'a [char]);

impl<'b> IntoIterator for &'b Chars<'_> {
    type Item = char;
    type IntoIter = std::iter::Copied<std::slice::Iter<'b, char>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().copied()
    }
}

fn normalise(text: &str) -> Vec<char> {
    const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| match c.to_digit(10) {
            Some(digit) => DIGITS[digit as usize],
            None if c == '幺' => '一',
            None => c.to_ascii_lowercase(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_and_the_way_digits_are_written_are_no_errors() {
        assert_eq!(cer("我的电话是一三八，谢谢。", "我的电话是138谢谢"), 0.0);
        assert_eq!(cer("噪音", "早音"), 0.5);
    }
}
