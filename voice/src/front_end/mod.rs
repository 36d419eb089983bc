//! Text to phonemes: digits to words, hanzi to pinyin, tone sandhi, pinyin to IPA. Pure.

mod hanzi;
mod ipa;
mod sandhi;
mod written;

pub use written::normalise;

/// Longest text spoken in one piece, in characters: about four minutes.
pub const TEXT_CHARS_MAX: usize = 1_000;

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

/// A character that cannot be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what:?} (U+{:04X}), character {at} of the text, cannot be read: write it in words", u32::from(*what))]
pub struct Unreadable {
    /// The character.
    pub what: char,
    /// Its place, from 1.
    pub at: usize,
}

/// Whether all of a text can be spoken; nothing is dropped silently.
///
/// # Errors
/// The first character that cannot.
pub fn check(text: &str) -> Result<(), Unreadable> {
    let readable = |c: char| written::signs::is_known(c) || hanzi::is_readable(c);
    let found = text.chars().zip(1..).find(|(c, _)| !readable(*c));
    found.map_or(Ok(()), |(what, at)| Err(Unreadable { what, at }))
}

/// Pinyin with tone numbers after sandhi, syllables apart by spaces, 5 for the neutral tone.
///
/// # Errors
/// What [`check`] finds.
pub fn pinyin(text: &str) -> Result<String, Unreadable> {
    let mut out = String::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Mark(mark) => out.push(mark),
            Piece::Speech(syllables) => {
                for s in &syllables {
                    out.push_str(if out.is_empty() { "" } else { " " });
                    out += &format!("{}{}", s.base, s.tone);
                }
            }
        }
    }
    Ok(out)
}

/// IPA with tone arrows as Kokoro was trained on (→ first, ↗ second, ↓ third, ↘ fourth tone), one
/// string for each sentence, none longer than `chars_max`: a longer one is divided at a pause,
/// where there is none between words.
///
/// # Errors
/// What [`check`] finds.
pub fn utterances(text: &str, chars_max: usize) -> Result<Vec<String>, Unreadable> {
    let mut done = Vec::new();
    let mut clause = String::new();
    let mut sentence = String::new();
    let join = |sentence: &mut String, clause: &mut String, done: &mut Vec<String>| {
        if !sentence.is_empty() && chars(sentence) + chars(clause) > chars_max {
            done.push(std::mem::take(sentence));
        }
        sentence.push_str(clause.trim_start_matches(|c| sentence.is_empty() && c == ' '));
        clause.clear();
    };
    for piece in pieces(text)? {
        match piece {
            Piece::Speech(syllables) => {
                for word in words(&syllables) {
                    if chars(&clause) + chars(&word) >= chars_max {
                        join(&mut sentence, &mut clause, &mut done);
                    }
                    clause += &word;
                }
            }
            Piece::Mark(mark) => {
                clause.push(mark);
                join(&mut sentence, &mut clause, &mut done);
                if ".!?;".contains(mark) {
                    done.push(std::mem::take(&mut sentence));
                }
            }
        }
    }
    join(&mut sentence, &mut clause, &mut done);
    done.push(sentence);
    done.retain(|sentence| !sentence.is_empty());
    Ok(done)
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// The phonemes of each word, with the blank before it.
fn words(syllables: &[Syllable]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for syllable in syllables {
        if syllable.starts_word || words.is_empty() {
            words.push(" ".to_owned());
        }
        if let Some(word) = words.last_mut() {
            *word += &ipa::of(&syllable.base, syllable.tone);
        }
    }
    words
}

fn pieces(text: &str) -> Result<Vec<Piece>, Unreadable> {
    check(text)?;
    let mut pieces = hanzi::read(&normalise(text));
    for piece in &mut pieces {
        if let Piece::Speech(syllables) = piece {
            sandhi::apply(syllables);
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_phonemes_out() {
        for (text, expected) in [
            ("您好", "ni↗nxau↓"),
            ("市民", "ʂɨ↘mi↗n"),
            ("热线", "ɻɤ↘ɕjɛ↘n"),
            ("再见。", "ʦai↘ʨjɛ↘n."),
            ("二", "ɚ↘"),
        ] {
            let spoken = utterances(text, 500).expect("readable").concat();
            assert_eq!(spoken.replace(' ', ""), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        assert_eq!(check("您好😀"), Err(Unreadable { what: '😀', at: 3 }));
        assert_eq!(pinyin("こ"), Err(Unreadable { what: 'こ', at: 1 }));
        assert_eq!(check("“《办法》”（第2条）·12345％"), Ok(()));
    }

    #[test]
    fn long_sentences_are_divided_within_the_limit() {
        let text = "请您耐心等待".repeat(60);
        let parts = utterances(&text, 100).expect("readable");
        assert!(parts.len() > 10 && parts.iter().all(|part| part.chars().count() <= 100));
        let whole = utterances(&text, 100_000).expect("readable").concat();
        assert_eq!(parts.concat().replace(' ', ""), whole.replace(' ', ""));
    }
}
