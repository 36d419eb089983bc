//! Text to phonemes: digits to words, hanzi to pinyin, tone sandhi, pinyin to IPA. Pure.

mod hanzi;
mod ipa;
mod numbers;
mod sandhi;

pub use numbers::normalise;

/// Longest text spoken in one piece, in characters: about two minutes.
pub const TEXT_CHARS_MAX: usize = 500;

/// One spoken syllable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Syllable {
    /// The character, for the rules that look at it.
    pub(crate) hanzi: char,
    /// Pinyin without tone, `v` for ü; a final `r` is 儿化.
    pub(crate) base: String,
    /// 1–4, 5 for neutral.
    pub(crate) tone: u8,
    /// Whether a word starts here.
    pub(crate) starts_word: bool,
}

/// A stretch of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Syllables without a pause.
    Speech(Vec<Syllable>),
    /// A pause: one of `, . ! ? : ;`.
    Mark(char),
}

/// The sentences of a text, each with its mark. Full stops, question and exclamation marks,
/// semicolons and line ends divide.
pub fn sentences(text: &str) -> Vec<String> {
    let parts = text.split_inclusive(['。', '！', '？', '；', '!', '?', ';', '\n']);
    let parts = parts.map(str::trim).filter(|s| s.chars().any(char::is_alphanumeric));
    parts.map(str::to_owned).collect()
}

/// Pinyin with tone numbers after sandhi, words apart by spaces, 5 for the neutral tone.
pub fn pinyin(text: &str) -> String {
    render(text, " ", |s| format!("{}{}", s.base, s.tone))
}

/// IPA with tone arrows as Kokoro was trained on: → first, ↗ second, ↓ third, ↘ fourth tone.
pub fn phonemes(text: &str) -> String {
    render(text, "", |s| ipa::of(&s.base, s.tone))
}

fn render(text: &str, between: &str, spell: impl Fn(&Syllable) -> String) -> String {
    let mut out = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Mark(mark) => out.push(mark),
            Piece::Speech(syllables) => {
                for (i, s) in syllables.iter().enumerate() {
                    let gap = if s.starts_word || i == 0 { " " } else { between };
                    out.push_str(if out.is_empty() { "" } else { gap });
                    out.push_str(&spell(s));
                }
            }
        }
    }
    out
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = hanzi::read(&normalise(text));
    for piece in &mut pieces {
        if let Piece::Speech(syllables) = piece {
            sandhi::apply(syllables);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_pinyin_out() {
        for (text, expected) in [
            ("您好", "nin2 hao3"),
            ("你好", "ni2 hao3"),
            ("12345", "yao1 er4 san1 si4 wu3"),
            ("银行", "yin2 hang2"),
            ("行走", "xing2 zou3"),
            ("不是", "bu2 shi4"),
            ("不好", "bu4 hao3"),
            ("好不好", "hao3 bu5 hao3"),
            ("一次", "yi2 ci4"),
            ("一天", "yi4 tian1"),
            ("第一", "di4 yi1"),
            ("看一看", "kan4 yi5 kan4"),
            ("女儿", "nv3 er2"),
            ("这儿", "zher4"),
            ("处理", "chu2 li3"),
            ("办事处", "ban4 shi4 chu4"),
            ("还款", "huan2 kuan3"),
            ("你还在吗？", "ni3 hai2 zai4 ma5?"),
            ("便宜，方便", "pian2 yi5, fang1 bian4"),
            ("请您稍等", "qing3 nin2 shao1 deng3"),
            ("满意度", "man3 yi4 du4"),
            ("请问您满意吗", "qing3 wen4 nin2 man3 yi4 ma5"),
        ] {
            assert_eq!(pinyin(text), expected, "{text}");
        }
    }

    #[test]
    fn text_in_phonemes_out() {
        for (text, expected) in [
            ("您好", "ni↗n xau↓"),
            ("市民", "ʂɨ↘mi↗n"),
            ("热线", "ɻɤ↘ɕjɛ↘n"),
            ("再见。", "ʦai↘ʨjɛ↘n."),
            ("二", "ɚ↘"),
        ] {
            assert_eq!(phonemes(text).replace(' ', ""), expected.replace(' ', ""), "{text}");
        }
    }

    #[test]
    fn sentences_keep_their_marks_and_silence_is_dropped() {
        assert_eq!(sentences("您好。请问？\n……\n再见"), ["您好。", "请问？", "再见"]);
    }
}
