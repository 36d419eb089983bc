//! The caller's words as one text, with the way back to the segments.

use super::Utterance;
use super::sounds::Sounds;
use crate::draft::{Evidence, Field, Tag};
use qingting_common::Pii;
use qingting_common::ids::Party;
use std::ops::Range;
use std::sync::LazyLock;

static CALLS: LazyLock<Sounds> =
    LazyLock::new(|| Sounds::built_in(include_str!("../lexicon/misheard.txt")));

/// Stands between two utterances in [`Transcript::chars`]; no utterance holds one.
pub(crate) const BREAK: char = '\n';

/// The caller's utterances joined. Positions count characters of the joined text.
pub(crate) struct Transcript<'a> {
    /// Width-normalised text: one character for each character said, and [`BREAK`].
    pub(crate) chars: Vec<char>,
    /// `chars` with misheard words put right: for looking words up, never for values.
    pub(crate) words: Vec<char>,
    said: Vec<Said<'a>>,
    asked: Vec<Asked<'a>>,
}

/// An utterance of the seat. It fills no field by itself; the caller's answer to it may.
pub(crate) struct Asked<'a> {
    /// Its words, width-normalised.
    pub(crate) chars: Vec<char>,
    utterance: &'a Utterance<'a>,
    /// Where the caller's next words begin, if he says any.
    answer: usize,
}

struct Said<'a> {
    utterance: &'a Utterance<'a>,
    /// Where it begins in the joined text.
    start: usize,
    raw: Vec<char>,
}

impl Said<'_> {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }
}

impl<'a> Transcript<'a> {
    /// The caller's utterances up to `chars_max` characters, and as much of the seat's.
    pub(crate) fn of_caller(utterances: &'a [Utterance<'a>], chars_max: usize) -> Self {
        let (words, said, asked) = Default::default();
        let mut talk = Self { chars: Vec::new(), words, said, asked };
        let mut room_asked = chars_max;
        for utterance in utterances {
            if utterance.party == Party::Seat {
                let chars = utterance.text.chars().take(room_asked).map(normal);
                talk.ask(utterance, chars.collect());
                room_asked -= talk.asked.last().map_or(0, |asked| asked.chars.len());
            } else if utterance.party == Party::Caller {
                talk.say(utterance, chars_max);
            }
        }
        talk.words = CALLS.repaired(&talk.chars);
        talk
    }

    fn ask(&mut self, utterance: &'a Utterance<'a>, chars: Vec<char>) {
        let answer = self.chars.len() + usize::from(!self.chars.is_empty());
        self.asked.push(Asked { chars, utterance, answer });
    }

    fn say(&mut self, utterance: &'a Utterance<'a>, chars_max: usize) {
        let room = chars_max.saturating_sub(self.chars.len());
        let raw: Vec<char> = utterance.text.chars().take(room).collect();
        if raw.is_empty() {
            return;
        }
        if !self.chars.is_empty() {
            self.chars.push(BREAK);
        }
        let start = self.chars.len();
        self.chars.extend(raw.iter().copied().map(normal));
        self.said.push(Said { utterance, start, raw });
    }

    /// What the seat said, each with the utterance in which the caller answers.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&Asked<'a>, Range<usize>)> {
        let answer = |asked: &Asked<'_>| {
            let said = self.said.partition_point(|said| said.start < asked.answer);
            self.said.get(said).filter(|said| said.start == asked.answer).map(Said::range)
        };
        self.asked.iter().filter_map(move |asked| Some((asked, answer(asked)?)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    /// The text of a range, without breaks.
    pub(crate) fn text(&self, range: Range<usize>) -> String {
        self.chars[range].iter().filter(|c| **c != BREAK).collect()
    }

    /// Where each utterance lies.
    pub(crate) fn utterances(&self) -> impl Iterator<Item = Range<usize>> {
        self.said.iter().map(Said::range)
    }

    /// The range as evidence, one piece for each segment that it touches.
    pub(crate) fn evidence(&self, range: Range<usize>) -> Vec<Evidence> {
        let first = self.said.partition_point(|said| said.range().end <= range.start);
        let touched = self.said[first..].iter().take_while(|said| said.start < range.end);
        touched
            .map(|said| {
                let start = range.start.saturating_sub(said.start);
                let end = (range.end - said.start).min(said.raw.len());
                Evidence {
                    segment: said.utterance.id,
                    start: start as u32,
                    end: end as u32,
                    quote: Pii::new(said.raw[start..end].iter().collect()),
                }
            })
            .filter(|evidence| evidence.start < evidence.end)
            .collect()
    }

    /// A stretch of the seat's words as evidence, beside the caller's answer to them.
    pub(crate) fn evidence_asked(&self, asked: &Asked<'_>, range: Range<usize>) -> Evidence {
        let quote = asked.utterance.text.chars().skip(range.start).take(range.len()).collect();
        Evidence {
            segment: asked.utterance.id,
            start: range.start as u32,
            end: range.end as u32,
            quote: Pii::new(quote),
        }
    }

    /// Where a piece of evidence lies, if it is of this transcript.
    pub(crate) fn range(&self, evidence: &Evidence) -> Option<Range<usize>> {
        let said = self.said.iter().find(|said| said.utterance.id == evidence.segment)?;
        Some(said.start + evidence.start as usize..said.start + evidence.end as usize)
    }

    /// A tag that rests on one range.
    pub(crate) fn tag_at(
        &self,
        field: Field,
        value: impl Into<String>,
        confidence: f32,
        range: Range<usize>,
    ) -> Tag {
        Tag { field, value: value.into(), confidence, evidence: self.evidence(range) }
    }

    /// A tag that rests on these ranges.
    pub(crate) fn tag(
        &self,
        field: Field,
        value: impl Into<String>,
        confidence: f32,
        ranges: &[Range<usize>],
    ) -> Tag {
        let evidence = ranges.iter().flat_map(|range| self.evidence(range.clone())).collect();
        Tag { field, value: value.into(), confidence, evidence }
    }

    /// The recogniser's mean confidence in the segments of the evidence.
    pub(crate) fn heard(&self, evidence: &[Evidence]) -> f32 {
        let confidence = |evidence: &Evidence| {
            let said = self.said.iter().find(|said| said.utterance.id == evidence.segment);
            said.map_or(1.0, |said| said.utterance.confidence)
        };
        let sum: f32 = evidence.iter().map(confidence).filter(|c| c.is_finite()).sum();
        (sum / evidence.len().max(1) as f32).clamp(0.0, 1.0)
    }
}

/// Full width to half width; a control character to a space, so that [`BREAK`] is ours alone.
pub(crate) fn normal(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        c if c.is_control() => ' ',
        c => c,
    }
}

/// Whether the character ends a clause: punctuation or the end of an utterance.
pub(crate) fn ends_clause(c: char) -> bool {
    matches!(c, BREAK | ',' | '.' | '!' | '?' | ';' | ':' | '。' | '、' | '…')
}

#[cfg(test)]
mod tests {
    use super::*;
    use qingting_common::SegmentId;
    use uuid::Uuid;

    #[test]
    fn a_range_over_two_utterances_is_two_pieces_of_evidence() {
        let said = |id, text| Utterance {
            id: SegmentId::new(Uuid::from_u128(id)),
            party: Party::Caller,
            text,
            confidence: 0.5,
        };
        let utterances = [said(1, "幺三八，"), said(2, ""), said(3, "００一三")];
        let talk = Transcript::of_caller(&utterances, 100);
        assert_eq!(talk.chars.iter().collect::<String>(), "幺三八,\n00一三");
        let evidence = talk.evidence(2..7);
        let quotes: Vec<_> =
            evidence.iter().map(|e| (e.start, e.end, e.quote.expose().as_str())).collect();
        assert_eq!(quotes, [(2, 4, "八，"), (0, 2, "００")]);
        assert_eq!(talk.text(2..7), "八,00");
        assert_eq!(talk.heard(&evidence), 0.5);
    }
}
