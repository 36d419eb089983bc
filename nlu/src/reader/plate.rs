//! 车牌号: a province's character, a letter, and five or six more (six on new-energy plates), as GA
//! 36-2018 has them. Letters come as written or as they sound (浙诶 for 浙A), digits spoken or written.
//! What lacks a character is no plate.

use super::lexicon::{before, holds};
use super::number::digit;
use super::reply::takes_back;
use super::transcript::{BREAK, Transcript};
use crate::draft::{Field, Tag};
use std::collections::HashMap;
use std::ops::Range;

/// What a plate may begin with.
const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";
/// Characters behind the letter: 5, and 6 on new-energy plates.
const SERIAL: std::ops::RangeInclusive<usize> = 5..=6;
/// Fewest digits among them.
const DIGITS_MIN: usize = 3;
/// Most letters that are read by their sound: words are full of them.
const SOUNDED_MAX: usize = 2;
/// What may stand between two characters.
const SILENT: &str = " -·.,、嗯呃啊那个";
/// Most of them in a row.
const SILENT_MAX: usize = 4;
/// How far words in front say that a plate follows.
const CUE_CHARS: usize = 14;
const CUES: [&str; 6] = ["车牌", "牌照", "牌号", "车号", "拆牌", "牌是"];
/// How far a correction lies behind the wrong plate.
const CORRECTION_CHARS: usize = 24;
/// What a corrected plate is worth.
const CORRECTED: f32 = 0.4;
/// Most candidates.
const CANDIDATES_MAX: usize = 3;

/// Reads plates.
pub(crate) struct Plates {
    letters: HashMap<char, char>,
}

struct Said {
    plate: String,
    confidence: f32,
    range: Range<usize>,
}

impl Plates {
    pub(crate) fn new() -> Self {
        let mut letters = HashMap::new();
        let lines = include_str!("../lexicon/plate.txt").lines().filter(|l| !l.starts_with('#'));
        for line in lines {
            let mut columns = line.chars().filter(|c| !c.is_whitespace());
            let letter = columns.next().expect("a line begins with its letter");
            letters.extend(columns.map(|sound| (sound, letter)));
        }
        Self { letters }
    }

    /// All plates, the surest first.
    pub(crate) fn read(&self, talk: &Transcript<'_>) -> Vec<Tag> {
        let chars = &talk.chars;
        let mut said: Vec<Said> = Vec::new();
        for at in 0..chars.len() {
            if said.last().is_none_or(|last| last.range.end <= at)
                && let Some(plate) = self.plate(chars, at)
            {
                said.push(plate);
            }
        }
        for later in 1..said.len() {
            let between = said[later - 1].range.end..said[later].range.start;
            if between.len() <= CORRECTION_CHARS && takes_back(&chars[between]) {
                said[later - 1].confidence *= CORRECTED;
            }
        }
        let mut tags: Vec<Tag> = Vec::new();
        for said in said {
            if tags.iter().all(|tag| tag.value != said.plate) {
                tags.push(talk.tag_at(Field::Plate, said.plate, said.confidence, said.range));
            }
        }
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags.truncate(CANDIDATES_MAX);
        tags
    }

    fn plate(&self, chars: &[char], at: usize) -> Option<Said> {
        let province = *chars.get(at)?;
        if !PROVINCES.contains(province) {
            return None;
        }
        let mut next = Next { letters: &self.letters, chars, at: at + 1, sounded: 0 };
        let letter = next.letter()?;
        let mut plate = String::from_iter([province, letter]);
        while plate.chars().count() < 2 + next.serial_chars(&plate)
            && let Some(character) = next.any()
        {
            plate.push(character);
        }
        let end = next.at;
        let serial = plate.chars().count() - 2;
        let digits = plate.chars().filter(char::is_ascii_digit).count();
        let runs_on = chars.get(end).is_some_and(char::is_ascii_alphanumeric);
        if !SERIAL.contains(&serial) || digits < DIGITS_MIN || next.sounded > SOUNDED_MAX || runs_on
        {
            return None;
        }
        let range = at..end;
        let cue = CUES.iter().any(|cue| holds(&chars[before(chars, &range, CUE_CHARS)], cue));
        let confidence = if cue { 0.92 } else { 0.85 } - 0.08 * next.sounded as f32;
        Some(Said { plate, confidence, range })
    }
}

/// The characters of a plate one after the other.
struct Next<'a> {
    letters: &'a HashMap<char, char>,
    chars: &'a [char],
    at: usize,
    /// Letters that were read by their sound so far.
    sounded: usize,
}

impl Next<'_> {
    /// How many characters the plate has behind its letter, as far as it is known: 6 where the first
    /// of them, or the sixth that comes, is a D or F.
    fn serial_chars(&self, plate: &str) -> usize {
        let new_energy = |c: char| matches!(c, 'D' | 'F');
        let mut serial = plate.chars().skip(2);
        let leads = serial.next().is_some_and(new_energy);
        let behind = self.chars.get(self.skip()).copied().map(|c| c.to_ascii_uppercase());
        let ends = serial.count() == SERIAL.start() - 1 && behind.is_some_and(new_energy);
        if leads || ends { *SERIAL.end() } else { *SERIAL.start() }
    }

    /// Skips pauses, also between two utterances.
    fn skip(&self) -> usize {
        let silent = |c: &&char| SILENT.contains(**c) || **c == BREAK;
        let pause = self.chars[self.at..].iter().take_while(silent).count();
        self.at + if pause <= SILENT_MAX { pause } else { 0 }
    }

    fn letter(&mut self) -> Option<char> {
        let at = self.skip();
        let c = *self.chars.get(at)?;
        let letter = match c {
            c if c.is_ascii_alphabetic() => c.to_ascii_uppercase(),
            c => {
                let letter = *self.letters.get(&c)?;
                self.sounded += 1;
                letter
            }
        };
        self.at = at + 1;
        Some(letter)
    }

    fn any(&mut self) -> Option<char> {
        let at = self.skip();
        if let Some(digit) = digit(*self.chars.get(at)?) {
            self.at = at + 1;
            return Some(char::from(b'0' + digit));
        }
        // A sound behind the last digit is more likely the next word.
        let written = self.chars[at].is_ascii_alphabetic();
        let goes_on = self.chars.get(at + 1).is_some_and(|c| digit(*c).is_some());
        (written || goes_on).then(|| self.letter()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plate(text: &str) -> Option<String> {
        let chars: Vec<char> = text.chars().collect();
        let plates = Plates::new();
        (0..chars.len()).find_map(|at| plates.plate(&chars, at)).map(|said| said.plate)
    }

    #[test]
    fn plates_are_read_as_written_and_as_they_sound() {
        let said = [
            ("浙A12345", Some("浙A12345")),
            ("浙诶幺二三四五", Some("浙A12345")),
            ("浙诶D幺二三四五绿牌的", Some("浙AD12345")),
            ("沪AF一二三六八一直占着", Some("沪AF12368")),
            ("豫逼八六二零幺", Some("豫B86201")),
            ("粤B 5X329", Some("粤B5X329")),
            ("粤B12345D", Some("粤B12345D")),
            ("粤B123456789", None),
            ("浙A一二三四", None),
            ("川菜馆A1202号", None),
            ("浙江A座12345", None),
        ];
        for (text, expected) in said {
            assert_eq!(plate(text).as_deref(), expected, "{text}");
        }
    }
}
