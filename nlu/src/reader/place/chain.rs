//! Parts of an address that belong together.

use super::super::lexicon::starts;
use super::super::transcript::{BREAK, ends_clause};
use super::part::{Kind, Part};
use std::ops::Range;

/// What may stand between two parts of one address.
const CONNECTORS: [&str; 14] = [
    "的",
    "那个",
    "这个",
    "里面的",
    "里面",
    "里",
    "上的",
    "上",
    "这边的",
    "这边",
    "那边",
    "嗯",
    "呃",
    "啊",
];
/// What may stand between two roads that meet.
const MEETING: [&str; 5] = ["和", "与", "跟", "同", "、"];
/// How the place where they meet is called; the longest first.
const CROSSINGS: [&str; 9] =
    ["交叉路口", "十字路口", "交叉口", "交汇处", "交界处", "交汇口", "交口", "路口", "交叉"];

/// A place: parts in order.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    parts: Vec<Part>,
    /// What the value is made of; evidence.
    pub(super) ranges: Vec<Range<usize>>,
    /// Below 1 once it was corrected.
    pub(super) worth: f32,
}

/// Joins parts to chains.
pub(super) fn all(chars: &[char], parts: Vec<Part>) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for part in parts {
        match chains.last_mut().filter(|chain| chain.takes(chars, &part)) {
            Some(chain) => chain.push(chars, part),
            None => chains.push(Chain::of(part)),
        }
    }
    chains.iter_mut().for_each(|chain| chain.end_with_crossing(chars));
    chains
}

impl Chain {
    fn of(part: Part) -> Self {
        Self { ranges: vec![part.range.clone()], parts: vec![part], worth: 1.0 }
    }

    pub(super) fn start(&self) -> usize {
        self.ranges.iter().map(|range| range.start).min().unwrap_or(0)
    }

    pub(super) fn end(&self) -> usize {
        self.ranges.iter().map(|range| range.end).max().unwrap_or(0)
    }

    pub(super) fn weight(&self) -> f32 {
        self.parts.iter().map(|part| part.weight).sum()
    }

    /// The text of its parts.
    pub(super) fn value(&self, chars: &[char]) -> String {
        let mut text = |range: &Range<usize>| chars[range.clone()].iter().collect::<String>();
        self.ranges.iter().map(&mut text).collect::<String>().replace(BREAK, "")
    }

    /// Whether no part means anything by itself.
    pub(super) fn is_loose(&self) -> bool {
        self.parts.iter().all(|part| part.loose)
            && self.parts.iter().all(|part| part.kind != Kind::City && part.kind != Kind::Area)
            || (self.parts.len() == 1 && self.parts[0].loose)
            || self.parts.iter().all(|part| part.kind <= Kind::City)
    }

    /// Whether it names divisions alone, down to 街道.
    pub(super) fn is_division(&self) -> bool {
        self.parts.iter().all(|part| part.kind <= Kind::Town)
    }

    /// Whether it lies in a division that was said later: it has a name and no division of its own.
    pub(super) fn takes_division(&self) -> bool {
        let named = self.parts.iter().any(|part| (Kind::Village..=Kind::Poi).contains(&part.kind));
        named && self.parts.iter().all(|part| part.kind > Kind::Town)
    }

    pub(super) fn prepend(&mut self, division: Self) {
        self.parts.splice(0..0, division.parts);
        self.ranges.splice(0..0, division.ranges);
    }

    /// Whether it is nothing but a door.
    pub(super) fn is_door(&self) -> bool {
        let door = |part: &Part| (Kind::Building..=Kind::Room).contains(&part.kind);
        self.parts.iter().all(door)
    }

    /// Whether a door that was said later belongs to this place.
    pub(super) fn takes_door(&self, door: &Self) -> bool {
        let named = self.parts.iter().any(|part| (Kind::Village..=Kind::Poi).contains(&part.kind));
        let last = self.parts.iter().map(|part| part.kind).filter(|kind| *kind != Kind::Side).max();
        let strong = door.parts.iter().any(|part| !part.loose);
        named && strong && last < door.parts.first().map(|part| part.kind)
    }

    pub(super) fn append(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.ranges.extend(other.ranges);
    }

    /// Takes what stands above its first part from the place that it corrects.
    pub(super) fn inherit(&mut self, wrong: &Self) {
        let Some(first) = self.parts.first().map(|part| part.kind) else { return };
        let kept = wrong.parts.iter().take_while(|part| part.kind < first).cloned();
        let mut parts: Vec<Part> = kept.collect();
        let mut ranges: Vec<_> = parts.iter().map(|part| part.range.clone()).collect();
        parts.append(&mut self.parts);
        ranges.append(&mut self.ranges);
        self.parts = parts;
        self.ranges = ranges;
    }

    fn takes(&self, chars: &[char], part: &Part) -> bool {
        let Some(last) = self.parts.last() else { return false };
        let gap = &chars[last.range.end..part.range.start];
        if is_meeting(gap) && last.kind == Kind::Road && part.kind == Kind::Road {
            return true;
        }
        let deeper = part.kind > last.kind
            || (part.kind == last.kind && matches!(part.kind, Kind::Poi | Kind::Estate))
            || (last.kind == Kind::Poi && part.kind == Kind::Estate)
            || (last.kind >= Kind::Estate && part.kind == Kind::RoadNumber && gap.is_empty());
        let apart = gap.contains(&BREAK);
        // 五常街道 / 二单元: a building needs a compound, a village or a road.
        let homeless = last.kind <= Kind::Town
            && matches!(part.kind, Kind::Building | Kind::Unit | Kind::Floor);
        if homeless {
            return false;
        }
        deeper && is_connector(gap) && !(apart && part.kind == last.kind)
    }

    fn push(&mut self, chars: &[char], part: Part) {
        let from = self.end();
        let meeting = is_meeting(&chars[from..part.range.start]);
        match self.ranges.last_mut() {
            Some(last) if meeting || part.range.start == from => last.end = part.range.end,
            _ => self.ranges.push(part.range.clone()),
        }
        self.parts.push(part);
    }

    /// 人民路和解放路交叉口: the crossing belongs to the place of two roads.
    fn end_with_crossing(&mut self, chars: &[char]) {
        let roads = self.parts.iter().filter(|part| part.kind == Kind::Road).count();
        let last_is_road = self.parts.last().is_some_and(|part| part.kind == Kind::Road);
        if roads < 2 || !last_is_road {
            return;
        }
        let end = self.end();
        let skipped = usize::from(chars.get(end) == Some(&'的'));
        let rest = &chars[(end + skipped).min(chars.len())..];
        let crossing = CROSSINGS.iter().find(|word| starts(rest, word));
        if let (Some(word), Some(last)) = (crossing, self.ranges.last_mut()) {
            last.end = end + skipped + word.chars().count();
        }
    }
}

fn is_meeting(gap: &[char]) -> bool {
    MEETING.iter().any(|word| word.chars().eq(gap.iter().copied()))
}

/// Nothing, a pause, or words that lead on.
fn is_connector(mut gap: &[char]) -> bool {
    while let Some(first) = gap.first() {
        let pause = first.is_whitespace() || ends_clause(*first);
        let word = CONNECTORS.iter().filter(|word| starts(gap, word)).map(|w| w.chars().count());
        match word.max().unwrap_or(usize::from(pause)) {
            0 => return false,
            length => gap = &gap[length..],
        }
    }
    true
}
