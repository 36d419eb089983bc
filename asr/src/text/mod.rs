//! From what a recogniser heard to what a seat reads, every character with its time.
//!
//! **A step never loses the time of what it keeps**: a character that is put in the place of others
//! lies within their time. The raw text stays as it was heard; [`display`] makes another beside it:
//! fillers go, spoken numbers become written ones where people would write them so, and punctuation
//! is set. A wrong digit is worse than a Chinese numeral: what may be read in two ways stays.

mod clean;
mod fillers;
mod numbers;
mod punctuation;
mod voiced;

pub use clean::{clean, is_looping};
pub use voiced::voiced;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// A character and its time: milliseconds since the stream's sample 0 (in [`crate::recognizer`]:
/// since the first sample of the audio that was decoded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Char {
    /// The character.
    pub char: char,
    /// Where it begins.
    pub start_ms: u64,
    /// Where it ends; never before `start_ms`, never after the next one's `start_ms`.
    pub end_ms: u64,
}

/// Characters in the order of their times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Text(Vec<Char>);

/// How a text travels.
#[derive(Serialize, Deserialize)]
struct Parts {
    text: String,
    times_ms: Vec<(u64, u64)>,
}

/// Times that do not fit their characters.
#[derive(Debug, thiserror::Error)]
#[error("times that are not in order, or not one for each character")]
pub struct Untimed;

/// What the text is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Speech that may go on: no mark is put at its end.
    Partial,
    /// A finished segment.
    Final,
}

/// Longest time of a character whose end nobody knows: Mandarin is spoken at 4 syllables a second or
/// faster.
const CHAR_MS_MAX: u64 = 250;

/// Most rounds of the steps over one text.
const ROUNDS_MAX: usize = 4;

/// The text that a seat reads; empty only for an empty text. Idempotent.
pub fn display(raw: &Text, stage: Stage) -> Text {
    let mut text = raw.clone();
    // A written number may make a clause long enough for a comma: one round is rarely not enough.
    for _ in 0..ROUNDS_MAX {
        let next = round(&text);
        if next == text {
            break;
        }
        text = next;
    }
    match stage {
        Stage::Partial => text,
        Stage::Final => punctuation::end(&text),
    }
}

fn round(text: &Text) -> Text {
    let text = fillers::remove(&punctuation::widen(text));
    // Marks before numbers: they part what is said from what is said next.
    numbers::write(&punctuation::part(&text))
}

impl Text {
    /// A text whose voiced characters are spread evenly over these stretches, in ms and in order;
    /// without any, all are at 0. Punctuation takes no time.
    pub fn over(text: &str, voiced: &[Range<u64>]) -> Self {
        let sounds = text.chars().filter(|c| c.is_alphanumeric()).count() as u64;
        let total = voiced.iter().map(|stretch| stretch.end - stretch.start).sum();
        let mut said = 0;
        let timed = text.chars().map(|char| {
            let from = portion(total, said, sounds);
            said += u64::from(char.is_alphanumeric());
            let to = portion(total, said, sounds);
            let (start_ms, end_ms) = if from == to {
                let at = place(voiced, to, false);
                (at, at)
            } else {
                (place(voiced, from, true), place(voiced, to, false))
            };
            Char { char, start_ms, end_ms }
        });
        Self(timed.collect())
    }

    /// A text whose times are known.
    ///
    /// # Errors
    /// When the times are not in order.
    pub fn of_chars(chars: Vec<Char>) -> Result<Self, Untimed> {
        let mut end = 0;
        let in_order = chars.iter().all(|char| {
            let is_next = end <= char.start_ms && char.start_ms <= char.end_ms;
            end = char.end_ms;
            is_next
        });
        if in_order { Ok(Self(chars)) } else { Err(Untimed) }
    }

    /// What an engine wrote, each stretch with the moment in ms at which it heard it. A character
    /// lasts until the next one, but no longer than `CHAR_MS_MAX`; those of one stretch share its
    /// time. Moments that go back are held at the one before.
    pub fn timed<'a>(heard: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut chars: Vec<Char> = Vec::new();
        let mut now_ms = 0;
        for (stretch, at_ms) in heard {
            let at_ms = at_ms.max(now_ms);
            now_ms = at_ms;
            // What was heard before is over.
            for char in &mut chars {
                char.start_ms = char.start_ms.min(at_ms);
                char.end_ms = char.end_ms.min(at_ms);
            }
            chars.extend((0..).zip(stretch.chars()).map(|(number, char)| Char {
                char,
                start_ms: at_ms + number * CHAR_MS_MAX,
                end_ms: at_ms + (number + 1) * CHAR_MS_MAX,
            }));
        }
        Self(chars)
    }

    /// The same in simplified script, without loops and credits: see [`clean`].
    #[must_use]
    pub fn cleaned(self) -> Self {
        let blank = self.0.iter().take_while(|char| char.char.is_whitespace()).count();
        // What is kept is the beginning, character by character.
        let cleaned = clean(&self.to_string());
        let timed = cleaned.chars().zip(&self.0[blank..]);
        Self(timed.map(|(char, timed)| Char { char, ..*timed }).collect())
    }

    /// The same with the marks of a text that says the same; as it was if that says something else.
    #[must_use]
    pub fn with_marks_of(self, marked: &str) -> Self {
        let mut timed = self.0.iter().filter(|char| char.char.is_alphanumeric()).peekable();
        let mut chars: Vec<Char> = Vec::new();
        for char in marked.chars() {
            if timed.peek().is_some_and(|said| said.char == char) {
                chars.extend(timed.next());
            } else if char.is_alphanumeric() {
                return self;
            } else {
                let at = chars.last().map_or(0, |before| before.end_ms);
                chars.push(Char { char, start_ms: at, end_ms: at });
            }
        }
        if timed.peek().is_some() { self } else { Self(chars) }
    }

    /// The characters.
    pub fn chars(&self) -> &[Char] {
        &self.0
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same with these characters from one place on, one for one: each has the time of that in
    /// whose place it is put.
    #[must_use]
    pub(crate) fn written_over(mut self, at: usize, chars: &[char]) -> Self {
        for (old, new) in self.0.iter_mut().skip(at).zip(chars) {
            old.char = *new;
        }
        self
    }

    /// What begins before this, in ms; nothing ends later.
    #[must_use]
    pub fn before(mut self, ms: u64) -> Self {
        self.0.retain(|char| char.start_ms < ms);
        self.0.iter_mut().for_each(|char| char.end_ms = char.end_ms.min(ms));
        self
    }

    /// The same, later by this.
    #[must_use]
    pub fn later(mut self, ms: u64) -> Self {
        for char in &mut self.0 {
            char.start_ms = char.start_ms.saturating_add(ms);
            char.end_ms = char.end_ms.saturating_add(ms);
        }
        self
    }

    fn plain(&self) -> Vec<char> {
        self.0.iter().map(|char| char.char).collect()
    }

    /// Carries out edits, which are in order and do not overlap. What replaces characters shares
    /// their time evenly; what is put between two has the moment at which the first ends.
    fn edited(&self, edits: &[Edit]) -> Self {
        let mut chars = Vec::with_capacity(self.0.len());
        let mut at = 0;
        for edit in edits {
            chars.extend_from_slice(&self.0[at..edit.range.start]);
            let time = self.time(&edit.range);
            let count = edit.with.chars().count() as u64;
            chars.extend((0u64..).zip(edit.with.chars()).map(|(i, char)| Char {
                char,
                start_ms: time.start + portion(time.end - time.start, i, count),
                end_ms: time.start + portion(time.end - time.start, i + 1, count),
            }));
            at = edit.range.end;
        }
        chars.extend_from_slice(&self.0[at..]);
        Self(chars)
    }

    fn time(&self, range: &Range<usize>) -> Range<u64> {
        match &self.0[range.clone()] {
            [first, .., last] => first.start_ms..last.end_ms,
            [only] => only.start_ms..only.end_ms,
            [] => {
                let before = range.start.checked_sub(1).map(|at| self.0[at].end_ms);
                let at = before.or(self.0.first().map(|char| char.start_ms)).unwrap_or(0);
                at..at
            }
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|char| fmt::Write::write_char(f, char.char))
    }
}

impl TryFrom<Parts> for Text {
    type Error = Untimed;

    fn try_from(parts: Parts) -> Result<Self, Untimed> {
        if parts.text.chars().count() != parts.times_ms.len() {
            return Err(Untimed);
        }
        let timed = parts.text.chars().zip(parts.times_ms);
        Self::of_chars(
            timed.map(|(char, (start_ms, end_ms))| Char { char, start_ms, end_ms }).collect(),
        )
    }
}

impl From<Text> for Parts {
    fn from(text: Text) -> Self {
        Self {
            text: text.to_string(),
            times_ms: text.0.iter().map(|char| (char.start_ms, char.end_ms)).collect(),
        }
    }
}

/// These characters give way to those.
#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    with: String,
}

impl Edit {
    fn new(range: Range<usize>, with: impl Into<String>) -> Self {
        Self { range, with: with.into() }
    }
}

/// `length * part / whole` that does not overflow; `part` is at most `whole`.
fn portion(length: u64, part: u64, whole: u64) -> u64 {
    let whole = whole.max(1);
    length / whole * part + length % whole * part / whole
}

/// The time at which this much was voiced; where a stretch ends, its end or the next one's start.
fn place(voiced: &[Range<u64>], mut said: u64, is_start: bool) -> u64 {
    for stretch in voiced {
        let length = stretch.end - stretch.start;
        if said < length || (said == length && !is_start) {
            return stretch.start + said;
        }
        said -= length;
    }
    voiced.last().map_or(0, |stretch| stretch.end)
}

/// Whether the characters begin with the word.
fn starts(chars: &[char], word: &str) -> bool {
    let mut chars = chars.iter();
    word.chars().all(|c| chars.next() == Some(&c))
}

/// Whether they end with it.
fn ends(chars: &[char], word: &str) -> bool {
    let length = word.chars().count();
    chars.len() >= length && starts(&chars[chars.len() - length..], word)
}

/// Marks between clauses, as they are said and written.
fn is_mark(c: char) -> bool {
    matches!(c, '，' | '。' | '？' | '！' | '；' | '：' | '、' | ',' | '?' | '!' | ';')
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '〇')
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one stretch of voice is meant")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What people say, what recognisers write, and anything else.
    fn words() -> impl Strategy<Value = String> {
        const PIECES: [&str; 64] = [
            "一",
            "二",
            "两",
            "三",
            "五",
            "八",
            "九",
            "零",
            "幺",
            "十",
            "百",
            "千",
            "万",
            "亿",
            "点",
            "半",
            "分",
            "钟",
            "块",
            "元",
            "毛",
            "号",
            "楼",
            "栋",
            "单元",
            "室",
            "年",
            "月",
            "日",
            "百分之",
            "下午",
            "到",
            "个",
            "多",
            "几",
            "第",
            "嗯",
            "呃",
            "那个",
            "我",
            "这",
            "然后",
            "但是",
            "所以",
            "吗",
            "呢",
            "什么",
            "怎么",
            "不知道",
            "，",
            ",",
            "。",
            "？",
            " ",
            "电话",
            "是",
            "小区",
            "坏了",
            "1",
            "38",
            "3.5",
            "%",
            "OK",
            "一五一十",
        ];
        let piece = prop_oneof![
            8 => proptest::sample::select(&PIECES[..]).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    fn stretches() -> impl Strategy<Value = Vec<Range<u64>>> {
        proptest::collection::vec((0u64..900, 1u64..2_000), 0..5).prop_map(|steps| {
            let mut at = 0;
            let stretch = |(pause, length)| {
                let start = at + pause;
                at = start + length;
                start..at
            };
            steps.into_iter().map(stretch).collect()
        })
    }

    fn assert_timed(text: &Text, within: Range<u64>) -> Result<(), TestCaseError> {
        let mut at = within.start;
        for char in text.chars() {
            prop_assert!(at <= char.start_ms && char.start_ms <= char.end_ms, "{text:?}");
            at = char.end_ms;
        }
        prop_assert!(text.is_empty() || at <= within.end, "{text:?}");
        Ok(())
    }

    proptest! {
        #[test]
        fn times_stay_in_order_and_within_what_was_said(said in words(), voiced in stretches()) {
            let raw = Text::over(&said, &voiced);
            let first = voiced.first().map_or(0, |stretch| stretch.start);
            let last = voiced.last().map_or(0, |stretch| stretch.end);
            assert_timed(&raw, first..last)?;
            for stage in [Stage::Partial, Stage::Final] {
                assert_timed(&display(&raw, stage), first..last)?;
            }
            prop_assert_eq!(raw.to_string(), said);
        }

        #[test]
        fn what_is_written_stays_written(said in words(), voiced in stretches()) {
            let once = display(&Text::over(&said, &voiced), Stage::Final);
            prop_assert_eq!(display(&once, Stage::Final).to_string(), once.to_string());
        }

        #[test]
        fn something_said_is_something_shown(said in words()) {
            let raw = Text::over(&said, &[]);
            prop_assert_eq!(display(&raw, Stage::Partial).is_empty(), raw.is_empty());
        }

        #[test]
        fn a_text_survives_its_way_as_json(said in words(), voiced in stretches()) {
            let text = Text::over(&said, &voiced);
            let json = serde_json::to_string(&text).expect("plain data");
            prop_assert_eq!(serde_json::from_str::<Text>(&json).expect("of our own"), text);
        }
    }

    #[test]
    fn characters_lie_on_the_voice_and_not_on_the_pause() {
        let text = Text::over("停水，了吗", &[100..300, 900..1_100]);
        let times: Vec<_> = text.chars().iter().map(|c| (c.start_ms, c.end_ms)).collect();
        assert_eq!(times, [(100, 200), (200, 300), (300, 300), (900, 1_000), (1_000, 1_100)]);
    }

    #[test]
    fn a_written_number_has_the_time_of_the_spoken_one() {
        let raw = Text::over("住三十二栋", &[0..500]);
        let shown = display(&raw, Stage::Partial);
        assert_eq!(shown.to_string(), "住32栋");
        let times: Vec<_> = shown.chars().iter().map(|c| (c.start_ms, c.end_ms)).collect();
        assert_eq!(times, [(0, 100), (100, 250), (250, 400), (400, 500)]);
    }

    #[test]
    fn what_an_engine_timed_keeps_its_times() {
        let times = |text: &Text| -> Vec<(char, u64, u64)> {
            text.chars().iter().map(|c| (c.char, c.start_ms, c.end_ms)).collect()
        };
        let text = Text::timed([(" ", 0), ("電", 100), ("話", 220), ("ok", 900)]).cleaned();
        let expected = [('电', 100, 220), ('话', 220, 470), ('o', 900, 1_150), ('k', 1_150, 1_400)];
        assert_eq!(times(&text), expected);
        let text = Text::timed([("ab", 100), ("c", 50), ("d", 120)]);
        let expected = [('a', 100, 100), ('b', 100, 100), ('c', 100, 120), ('d', 120, 370)];
        assert_eq!(times(&text), expected);
    }

    #[test]
    fn marks_are_taken_from_a_text_that_says_the_same() {
        let said = Text::timed([("停", 0), ("水", 200), ("了", 900)]);
        let marked = said.clone().with_marks_of("停水，了。");
        assert_eq!(marked.to_string(), "停水，了。");
        assert_eq!((marked.chars()[2].start_ms, marked.chars()[2].end_ms), (450, 450));
        for other in ["停电，了。", "停水，", "停水了吗？"] {
            assert_eq!(said.clone().with_marks_of(other), said);
        }
    }

    #[test]
    fn times_that_do_not_fit_are_refused() {
        for times in ["[[0,1]]", "[[0,5],[4,6]]", "[[3,2],[4,6]]"] {
            let json = format!(r#"{{"text":"停水","times_ms":{times}}}"#);
            assert!(serde_json::from_str::<Text>(&json).is_err(), "{times}");
        }
    }
}
