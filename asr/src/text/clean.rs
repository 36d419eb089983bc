//! What a recogniser wrote, made fit to be shown: simplified script, no loops, no credits.

/// A phrase repeated this often in a row is a decoding loop, not speech.
const REPEATS_MAX: usize = 4;
/// Longest phrase looked at for repetition, in characters.
const PHRASE_CHARS_MAX: usize = 12;
/// What Whisper writes over noise because its training subtitles ended so. No caller says these.
const CREDITS: [&str; 6] =
    ["请不吝点赞", "明镜与点点", "字幕由", "字幕志愿者", "中文字幕", "Amara.org"];

/// Simplified script, trimmed, loops cut to one round; empty for subtitle credits.
pub fn clean(raw: &str) -> String {
    let text = fast2s::convert(raw.trim());
    if CREDITS.iter().any(|credit| text.contains(credit)) {
        return String::new();
    }
    let text = match find_loop(&text) {
        Some((start, length)) => text.chars().take(start + length).collect(),
        None => text,
    };
    if text.chars().any(char::is_alphanumeric) { text } else { String::new() }
}

/// True when the text repeats a phrase as only a stuck decoder does.
pub fn is_looping(text: &str) -> bool {
    find_loop(text).is_some()
}

/// Start and length, in characters, of the first phrase said more than [`REPEATS_MAX`] times in a
/// row. Digits are exempt: a number may well hold 00000.
fn find_loop(text: &str) -> Option<(usize, usize)> {
    let chars: Vec<char> = text.chars().collect();
    for start in 0..chars.len() {
        for length in 1..=PHRASE_CHARS_MAX {
            let span = length * (REPEATS_MAX + 1);
            let Some(window) = chars.get(start..start + span) else { break };
            let repeats = window.chunks(length).all(|round| round == &window[..length]);
            if repeats && !window[..length].iter().all(|c| c.is_numeric()) {
                return Some((start, length));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traditional_script_becomes_simplified() {
        assert_eq!(clean(" 電話號碼 "), "电话号码");
    }

    #[test]
    fn a_loop_is_cut_and_a_number_is_not() {
        assert_eq!(clean("我要投诉噪音噪音噪音噪音噪音噪音"), "我要投诉噪音");
        assert_eq!(clean("编号1000000007"), "编号1000000007");
        assert!(!is_looping("好好好"));
    }

    #[test]
    fn credits_and_bare_punctuation_are_nothing() {
        assert_eq!(clean("请不吝点赞 订阅 转发"), "");
        assert_eq!(clean("。。。"), "");
    }
}
