//! The caller's words as one text, with the way back to the segments.

use super::Utterance;
use crate::draft::{Evidence, Field, Tag};
use qingting_common::Pii;
use qingting_common::ids::Party;
use std::ops::Range;

/// Stands between two utterances in [`Transcript::chars`]; no utterance holds one.
pub(crate) const BREAK: char = '\n';

/// The caller's utterances joined. Positions count characters of the joined text.
pub(crate) struct Transcript<'a> {
    /// Width-normalised text: one character for each character said, and [`BREAK`].
    pub(crate) chars: Vec<char>,
    said: Vec<Said<'a>>,
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
    /// The caller's utterances up to `chars_max` characters.
    pub(crate) fn of_caller(utterances: &'a [Utterance<'a>], chars_max: usize) -> Self {
        let mut talk = Self { chars: Vec::new(), said: Vec::new() };
        for utterance in utterances.iter().filter(|said| said.party == Party::Caller) {
            let room = chars_max.saturating_sub(talk.chars.len());
            let raw: Vec<char> = utterance.text.chars().take(room).collect();
            if raw.is_empty() {
                continue;
            }
            if !talk.chars.is_empty() {
                talk.chars.push(BREAK);
            }
            let start = talk.chars.len();
            talk.chars.extend(raw.iter().copied().map(normal));
            talk.said.push(Said { utterance, start, raw });
        }
        talk
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
fn normal(c: char) -> char {
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
