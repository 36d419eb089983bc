//! 联系电话: numbers that the caller says, and 本机.
//!
//! Digits come as 幺三八, 一三八, 138 or in groups over several utterances. A number counts when it
//! has the form of a Chinese mobile (11 digits, 1[3-9]), a landline with area code (0…, 11 or 12),
//! or 400/800 (10); seven or eight digits only where the caller calls them his. What the words in
//! front call someone else's number gets little confidence. A number that the seat reads back counts
//! once the caller says yes to it: a person heard it then, not the recogniser alone.

use super::lexicon::{Hit, Lexicon, after, before};
use super::number::{digit, in_number, number};
use super::reply::agreement;
use super::transcript::{BREAK, Transcript};
use crate::draft::{Field, Tag};
use std::ops::Range;

/// Most characters between two groups of one number.
const GAP_CHARS_MAX: usize = 6;
/// What people say between groups.
const GAP_WORDS: [&str; 10] =
    ["然后是", "然后", "后面是", "后边是", "再是", "接着", "完了是", "那个", "这个", "嗯"];
/// How far words in front of a number say whose it is.
const CUE_CHARS: usize = 18;
/// How far words behind it do.
const CUE_AFTER_CHARS: usize = 14;
/// How far behind a wrong number the right one begins.
const CORRECTION_CHARS: usize = 30;
/// Fewest digits that replace the end of a number when nothing but 不对 leads to them.
const TAIL_DIGITS_MIN: usize = 3;
/// What a corrected number is worth.
const CORRECTED: f32 = 0.4;
/// What a number is worth that the seat read back and the caller confirmed, and one that he denied.
const CONFIRMED: f32 = 0.97;
const DENIED: f32 = 0.4;
/// Most candidates.
const CANDIDATES_MAX: usize = 4;
/// Most pieces of evidence of one number.
const EVIDENCE_MAX: usize = 4;
/// Lengths of a number as the ticket takes it.
const DIGITS: std::ops::RangeInclusive<usize> = 3..=20;

/// Digits said in one breath.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) digits: String,
    pub(crate) range: Range<usize>,
}

/// A number of valid form.
struct Said {
    digits: String,
    range: Range<usize>,
    confidence: f32,
}

/// Reads telephone numbers.
pub(crate) struct Phones {
    cues: Lexicon,
}

impl Phones {
    pub(crate) fn new() -> Self {
        Self { cues: Lexicon::built_in(include_str!("../lexicon/phone.txt")) }
    }

    /// All numbers, the surest first. `caller` is the presented number.
    pub(crate) fn read(&self, talk: &Transcript<'_>, caller: Option<&str>) -> Vec<Tag> {
        let cues = self.cues.hits(&talk.words);
        let groups = groups(&talk.chars);
        let mut said = self.numbers(talk, &groups);
        correct(&talk.chars, &cues, &groups, &mut said);
        let read_back = read_back(talk, &mut said);
        let mut tags: Vec<Tag> = merge(said)
            .into_iter()
            .map(|(said, ranges)| talk.tag(Field::Phone, said.digits, said.confidence, &ranges))
            .collect();
        tags.extend(read_back);
        tags.extend(caller.and_then(|caller| presented(talk, &cues, caller)));
        tags.extend(caller.and_then(|caller| self.presented_by_seat(talk, caller)));
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags.truncate(CANDIDATES_MAX);
        tags
    }

    fn numbers(&self, talk: &Transcript<'_>, groups: &[Group]) -> Vec<Said> {
        let mut said = Vec::new();
        let mut first = 0;
        while first < groups.len() {
            let Some((digits, last)) = longest_number(&talk.chars, &groups[first..]) else {
                first += 1;
                continue;
            };
            let range = groups[first].range.start..groups[first + last].range.end;
            if let Some(confidence) = self.whose(talk, &range, &digits) {
                said.push(Said { digits, range, confidence });
            }
            first += last + 1;
        }
        said
    }

    /// 就用您这个来电号码联系您可以吗 — 可以.
    fn presented_by_seat(&self, talk: &Transcript<'_>, caller: &str) -> Option<Tag> {
        let asks = |chars: &[char]| self.cues.hits(chars).iter().any(|hit| hit.value == "caller");
        let (_, answer) = talk.answers().filter(|(asked, _)| asks(&asked.chars)).last()?;
        let digits = presented_digits(caller)?;
        let agrees = agreement(&talk.chars[answer.clone()]) == Some(true);
        agrees.then(|| talk.tag_at(Field::Phone, digits, 0.85, answer))
    }

    /// How likely the number is where the caller wants to be called; none if it may be no number.
    fn whose(&self, talk: &Transcript<'_>, range: &Range<usize>, digits: &str) -> Option<f32> {
        let chars = &talk.chars;
        let front = self.cues.hits(&chars[before(chars, range, CUE_CHARS)]);
        let behind = self.cues.hits(&chars[after(chars, range, CUE_AFTER_CHARS)]);
        let whose = |hit: &&Hit| matches!(hit.value, "own" | "other");
        let nearest = front.iter().filter(whose).max_by_key(|hit| (hit.range.end, hit.range.len()));
        let local = digits.len() < 10;
        match nearest.map(|hit| hit.value) {
            Some("own") => Some(if local { 0.6 } else { 0.95 }),
            _ if local => None,
            Some(_) => Some(0.3),
            None if behind.iter().any(|hit| hit.value == "other") => Some(0.35),
            None => Some(0.8),
        }
    }
}

/// Groups of digits in the text, `三个八` and 一百三十八 spelt out.
pub(crate) fn groups(chars: &[char]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let Some((digits, length)) = digits_at(&chars[at..]) else {
            at += 1;
            continue;
        };
        match groups.last_mut().filter(|group| group.range.end == at) {
            Some(group) => {
                group.digits.push_str(&digits);
                group.range.end = at + length;
            }
            None => groups.push(Group { digits, range: at..at + length }),
        }
        at += length;
    }
    groups
}

fn digits_at(chars: &[char]) -> Option<(String, usize)> {
    let first = digit(*chars.first()?)?;
    if chars.get(1) == Some(&'个')
        && (2..=8).contains(&first)
        && let Some(repeated) = chars.get(2).copied().and_then(digit)
    {
        return Some((repeated.to_string().repeat(usize::from(first)), 3));
    }
    Some(counted(chars).unwrap_or((first.to_string(), 1)))
}

/// 一百三十八: a group that is read as one number.
fn counted(chars: &[char]) -> Option<(String, usize)> {
    let run = chars.iter().take_while(|c| in_number(**c)).count();
    let unit = |c: &char| digit(*c).is_none();
    let last = chars[..run].iter().rposition(unit)?;
    if chars[..run].iter().position(unit) != Some(1) {
        return None;
    }
    let ones = chars[..run].get(last + 1).is_some_and(|c| digit(*c).is_some_and(|d| d > 0));
    let (value, length) = number(&chars[..last + 1 + usize::from(ones)])?;
    Some((value.to_string(), length))
}

/// The number that the first groups make, as many of them as possible, and the last one's index.
fn longest_number(chars: &[char], groups: &[Group]) -> Option<(String, usize)> {
    let mut digits = String::new();
    let mut found = None;
    for (index, group) in groups.iter().enumerate() {
        if index > 0 && !joins(&chars[groups[index - 1].range.end..group.range.start]) {
            break;
        }
        digits.push_str(&group.digits);
        if digits.len() > 2 * *DIGITS.end() {
            break;
        }
        if let Some(number) = form(&digits) {
            found = Some((number, index));
        }
    }
    found
}

/// Whether groups on both sides of this may be of one number.
fn joins(gap: &[char]) -> bool {
    let mut rest: String = gap.iter().collect();
    for word in GAP_WORDS {
        rest = rest.replace(word, "");
    }
    let silent = |c: char| c == BREAK || " -,.。、—啊呃额哦".contains(c);
    gap.len() <= GAP_CHARS_MAX && rest.chars().all(silent)
}

/// The number that the digits are; one that is said twice counts once.
fn form(digits: &str) -> Option<String> {
    let mobile = |d: &str| d.len() == 11 && d.starts_with('1') && d.as_bytes()[1] >= b'3';
    let area = |d: &str| d.starts_with('0') && !d.starts_with("00");
    let landline = |d: &str| match d.len() {
        11 => area(d),
        12 => area(d) && !d.starts_with("01") && !d.starts_with("02"),
        _ => false,
    };
    let service = |d: &str| d.len() == 10 && (d.starts_with("400") || d.starts_with("800"));
    let local = |d: &str| (7..=8).contains(&d.len()) && (b'2'..=b'8').contains(&d.as_bytes()[0]);
    let twice = digits.len() == 22 && digits[..11] == digits[11..];
    let one = if twice { &digits[..11] } else { digits };
    let one = one.strip_prefix("86").filter(|rest| mobile(rest)).unwrap_or(one);
    let known = mobile(one) || landline(one) || service(one) || local(one);
    known.then(|| one.to_owned())
}

/// 不对，是…: the number before gives way. 尾号是…: its end is replaced.
fn correct(chars: &[char], cues: &[Hit], groups: &[Group], said: &mut Vec<Said>) {
    for cue in cues {
        match cue.value {
            "tail" => replace_end(cue, groups, said),
            "wrong" => give_way(cue, said).or_else(|| {
                stands_alone(chars, cue, groups).then(|| replace_end(cue, groups, said)).flatten()
            }),
            _ => None,
        };
    }
}

/// Whether the digits behind 不对 may be the end of a number: 不对是五零一室 is a door.
fn stands_alone(chars: &[char], cue: &Hit, groups: &[Group]) -> bool {
    let tail = groups.iter().find(|group| group.range.start >= cue.range.end);
    let counts = |group: &Group| {
        chars.get(group.range.end).is_some_and(|c| "号栋室单幢层楼块元点月年路个弄组".contains(*c))
    };
    tail.is_some_and(|group| group.digits.len() >= TAIL_DIGITS_MIN && !counts(group))
}

fn replace_end(cue: &Hit, groups: &[Group], said: &mut Vec<Said>) -> Option<()> {
    let beside = |group: &&Group| (0..=2).any(|gap| group.range.start == cue.range.end + gap);
    let tail = groups.iter().find(beside)?;
    let near = |said: &&mut Said| {
        said.range.end <= cue.range.start && cue.range.start - said.range.end <= CORRECTION_CHARS
    };
    let wrong = said.iter_mut().rfind(near)?;
    let kept = wrong.digits.len().saturating_sub(tail.digits.len());
    if (2..=8).contains(&tail.digits.len()) && kept > 0 {
        let digits = format!("{}{}", &wrong.digits[..kept], tail.digits);
        let confidence = wrong.confidence;
        wrong.confidence *= CORRECTED;
        said.push(Said { digits, range: tail.range.clone(), confidence });
    }
    Some(())
}

fn give_way(cue: &Hit, said: &mut [Said]) -> Option<()> {
    let near = |from: usize, to: usize| from <= to && to - from <= CORRECTION_CHARS;
    let right = said.iter().position(|said| near(cue.range.end, said.range.start))?;
    let wrong = said[..right].iter().rposition(|said| said.range.end <= cue.range.start)?;
    if near(said[wrong].range.end, said[right].range.start) {
        said[right].confidence = said[right].confidence.max(said[wrong].confidence);
        said[wrong].confidence *= CORRECTED;
    }
    Some(())
}

/// The same number said again is surer and has more evidence.
fn merge(said: Vec<Said>) -> Vec<(Said, Vec<Range<usize>>)> {
    let mut merged: Vec<(Said, Vec<Range<usize>>)> = Vec::new();
    for said in said {
        match merged.iter_mut().find(|(known, _)| known.digits == said.digits) {
            Some((known, ranges)) => {
                known.confidence = (known.confidence.max(said.confidence) + 0.03).min(0.97);
                ranges.push(said.range);
                ranges.truncate(EVIDENCE_MAX);
            }
            None => {
                let range = said.range.clone();
                merged.push((said, vec![range]));
            }
        }
    }
    merged
}

/// 就是这个号: the number that the trunk presented, with the words as evidence.
fn presented(talk: &Transcript<'_>, cues: &[Hit], caller: &str) -> Option<Tag> {
    let digits = presented_digits(caller)?;
    let denied = |hit: &&Hit| {
        let front = before(&talk.chars, &hit.range, 2);
        !talk.chars[front].contains(&'不')
    };
    let hit = cues.iter().filter(|hit| hit.value == "caller").find(denied)?;
    Some(talk.tag_at(Field::Phone, digits, 0.85, hit.range.clone()))
}

fn presented_digits(caller: &str) -> Option<String> {
    let digits: String = caller.chars().filter(char::is_ascii_digit).collect();
    DIGITS.contains(&digits.len()).then_some(digits)
}

/// Numbers that the seat read back: those that the caller confirmed, with both as evidence. A number
/// that he denied loses its weight unless he says it again.
fn read_back(talk: &Transcript<'_>, said: &mut [Said]) -> Vec<Tag> {
    let mut tags = Vec::new();
    for (asked, answer) in talk.answers() {
        let groups = groups(&asked.chars);
        let number = (0..groups.len()).find_map(|first| {
            let (digits, last) = longest_number(&asked.chars, &groups[first..])?;
            Some((digits, groups[first].range.start..groups[first + last].range.end))
        });
        let Some((digits, range)) = number else { continue };
        match agreement(&talk.chars[answer.clone()]) {
            Some(true) => {
                let mut tag = talk.tag_at(Field::Phone, digits, CONFIRMED, answer);
                tag.evidence.push(talk.evidence_asked(asked, range));
                tags.push(tag);
            }
            Some(false) => {
                let earlier = |said: &&mut Said| said.range.end <= answer.start;
                let denied = said.iter_mut().filter(earlier).filter(|said| said.digits == digits);
                denied.for_each(|said| said.confidence *= DENIED);
            }
            None => {}
        }
    }
    tags
}
