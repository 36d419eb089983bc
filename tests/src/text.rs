//! How much of what was said was written down.

/// Substitutions, deletions and insertions per character that was said. Punctuation and spaces do not
/// count; digits and letters must be written alike.
pub fn character_error_rate(said: &str, written: &str) -> f64 {
    let letters = |text: &str| -> Vec<char> {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (said, written) = (letters(said), letters(written));
    // Levenshtein, one row at a time: errors between the said so far and each start of the written.
    let mut row: Vec<usize> = (0..=written.len()).collect();
    for (count, letter) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = count + 1;
        for (at, other) in written.iter().enumerate() {
            let substituted = diagonal + usize::from(letter != other);
            diagonal = row[at + 1];
            row[at + 1] = substituted.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[written.len()] as f64 / said.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_counts_once() {
        let said = "您好，我要投诉。";
        for (written, errors) in [
            ("您好我要投诉", 0.0),
            ("你好我要投诉", 1.0),
            ("我要投诉", 2.0),
            ("您好啊，我要投诉", 1.0),
            ("", 6.0),
        ] {
            assert!((character_error_rate(said, written) - errors / 6.0).abs() < 1e-9, "{written}");
        }
    }
}
