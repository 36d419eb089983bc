//! The parts of an address in a text.

use super::super::gazetteer::{Gazetteer, Level};
use super::super::lexicon::{Hit, Lexicon, starts, words};
use super::super::number::in_number;
use super::super::transcript::ends_clause;
use rustc_hash::FxHashSet;
use std::ops::Range;

/// Most characters of a name in front of its ending.
const NAME_CHARS_MAX: usize = 6;
/// Longest stop word and kept name.
const STOP_CHARS_MAX: usize = 4;
/// Most characters of a number.
const NUMBER_CHARS_MAX: usize = 9;

/// What a part is, in the order in which an address names its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Province,
    City,
    Area,
    Town,
    Village,
    Road,
    RoadNumber,
    Estate,
    Poi,
    Building,
    Unit,
    Floor,
    Room,
    Side,
}

/// A part of an address.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
    pub(super) weight: f32,
    /// Means nothing without another part beside it.
    pub(super) loose: bool,
}

/// Endings of numbered parts; the longest first.
const NUMBERED: [(&str, Kind, f32, bool); 18] = [
    ("号大院", Kind::RoadNumber, 0.8, true),
    ("号院", Kind::RoadNumber, 0.8, true),
    ("号楼", Kind::Building, 0.9, false),
    ("单元", Kind::Unit, 0.5, false),
    ("号房", Kind::Room, 0.4, true),
    ("栋", Kind::Building, 0.9, false),
    ("幢", Kind::Building, 0.9, false),
    ("座", Kind::Building, 0.4, true),
    ("弄", Kind::Road, 0.4, true),
    ("号", Kind::RoadNumber, 0.8, true),
    ("组", Kind::Room, 0.3, true),
    ("队", Kind::Room, 0.3, true),
    ("期", Kind::Estate, 0.3, true),
    ("区", Kind::Poi, 0.3, true),
    ("楼", Kind::Floor, 0.2, true),
    ("层", Kind::Floor, 0.2, true),
    ("室", Kind::Room, 0.4, true),
    ("户", Kind::Room, 0.3, true),
];

/// Sides and ways in; they only end a place.
const SIDES: [&str; 20] = [
    "东门",
    "西门",
    "南门",
    "北门",
    "正门",
    "后门",
    "侧门",
    "大门",
    "东北门",
    "东南门",
    "西北门",
    "西南门",
    "北出口",
    "南出口",
    "东出口",
    "西出口",
    "出口",
    "入口",
    "地下室",
    "负一楼",
];

/// Finds parts.
pub(super) struct Finder {
    pub(super) gazetteer: Gazetteer,
    endings: Lexicon,
    stops: FxHashSet<Vec<char>>,
    keeps: FxHashSet<Vec<char>>,
    not: FxHashSet<Vec<char>>,
}

impl Finder {
    pub(super) fn new(gazetteer: Gazetteer) -> Self {
        let set = |file| words(file).map(|word| word.chars().collect()).collect();
        Self {
            gazetteer,
            endings: Lexicon::built_in(include_str!("../../lexicon/place_endings.txt")),
            stops: set(include_str!("../../lexicon/place_stops.txt")),
            keeps: set(include_str!("../../lexicon/place_keeps.txt")),
            not: set(include_str!("../../lexicon/place_not.txt")),
        }
    }

    /// All parts in order, not overlapping.
    pub(super) fn parts(&self, chars: &[char]) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let mut endings = self.endings.hits(chars);
        endings.sort_by_key(|hit| (hit.range.start, std::cmp::Reverse(hit.range.end)));
        let mut endings = endings.into_iter().peekable();
        let mut at = 0;
        while at < chars.len() {
            while endings.next_if(|hit| hit.range.start < at).is_some() {}
            let here = endings.peek().filter(|hit| hit.range.start == at);
            let found = self
                .division(chars, at)
                .or_else(|| here.and_then(|hit| self.named(chars, hit, &parts)))
                .or_else(|| attached(chars, at, parts.last()))
                .or_else(|| numbered(chars, at, parts.last()))
                .or_else(|| side(chars, at, parts.last()));
            at = match found {
                Some(part) => {
                    let end = part.range.end;
                    self.estate_in_front(chars, &part, &parts)
                        .into_iter()
                        .for_each(|p| parts.push(p));
                    while parts.last().is_some_and(|last| last.range.start >= part.range.start) {
                        parts.pop();
                    }
                    parts.push(part);
                    end
                }
                None => at + 1,
            };
        }
        parts
    }

    fn division(&self, chars: &[char], at: usize) -> Option<Part> {
        let named = self.gazetteer.at(&chars[at..])?;
        let (kind, weight) = match named.level {
            Level::Province => (Kind::Province, 0.3),
            Level::City => (Kind::City, 0.5),
            Level::Area => (Kind::Area, 0.9),
            Level::Street => (Kind::Town, 1.0),
            Level::Community => (Kind::Village, 1.2),
            Level::Road => (Kind::Road, 1.2),
            Level::Estate => (Kind::Estate, 1.2),
            Level::Landmark => (Kind::Poi, 1.0),
        };
        let range = at..at + named.chars;
        // 杭州路, 朝阳社区: the ending says more than the division's short name.
        let more = |hit: &Hit| hit.range.start <= range.end + 2 && hit.range.end > range.end;
        let near = range.start..(range.end + 6).min(chars.len());
        let longer = self.endings.hits(&chars[near]).into_iter().any(|mut hit| {
            hit.range = hit.range.start + at..hit.range.end + at;
            more(&hit)
        });
        (!(named.short && longer)).then_some(Part { range, kind, weight, loose: named.short })
    }

    /// A name with its ending: walk left until something that no name holds.
    fn named(&self, chars: &[char], ending: &Hit, parts: &[Part]) -> Option<Part> {
        let kind = match ending.value {
            "town" => Kind::Town,
            "village" => Kind::Village,
            "road" => Kind::Road,
            "estate" => Kind::Estate,
            _ => Kind::Poi,
        };
        let barrier = parts.last().map_or(0, |part| part.range.end);
        let start = self.name_start(chars, ending.range.start, barrier);
        let name = ending.range.start - start;
        let range = start..ending.range.end;
        let follows = start == barrier && start > 0 && parts.last().is_some();
        let estate = parts.last().is_some_and(|last| last.kind >= Kind::Estate);
        let nameless_ok = kind == Kind::Poi || (kind == Kind::Estate && estate);
        let nameless = name == 0 && !(follows && nameless_ok);
        let short = name == 1 && kind == Kind::Poi && !follows;
        let known = self.not.contains(&chars[range.clone()]) && !(follows && nameless_ok);
        let named_road = kind == Kind::Poi && begins_road(&chars[range.end..]);
        let lamp = ending.range.len() == 1
            && kind == Kind::Road
            && chars.get(range.end).is_some_and(|c| "灯牌况由线障过程途".contains(*c));
        // 公交K7路 is a line.
        let bus = kind == Kind::Road && name > 2 && starts(&chars[start..], "公交");
        let bad = nameless || short || known || named_road || lamp || bus;
        (!bad).then_some(Part { range, kind, weight: ending.weight, loose: false })
    }

    /// Where the name that ends at `end` begins.
    fn name_start(&self, chars: &[char], end: usize, barrier: usize) -> usize {
        let lowest = barrier.max(end.saturating_sub(NAME_CHARS_MAX));
        let mut start = end;
        while start > lowest {
            let c = chars[start - 1];
            if ends_clause(c) || c.is_whitespace() {
                break;
            }
            if let Some(length) = self.longest(&self.keeps, chars, start, lowest) {
                start -= length;
                continue;
            }
            let kept_around = start < end && self.keeps.contains(&chars[start - 1..start + 1]);
            if !kept_around && self.longest(&self.stops, chars, start, barrier).is_some() {
                break;
            }
            start -= 1;
        }
        start
    }

    /// Length of the longest word of the set that ends at `end`.
    fn longest(
        &self,
        set: &FxHashSet<Vec<char>>,
        chars: &[char],
        end: usize,
        lowest: usize,
    ) -> Option<usize> {
        let most = STOP_CHARS_MAX.min(end - lowest);
        (1..=most).rev().find(|length| set.contains(&chars[end - length..end]))
    }

    /// 翡翠湾三栋: a building's number makes a name of what stands between it and 在 or 住.
    fn estate_in_front(&self, chars: &[char], part: &Part, parts: &[Part]) -> Option<Part> {
        let barrier = parts.last().map_or(0, |last| last.range.end);
        let at = part.range.start;
        let yard = part.kind == Kind::RoadNumber && chars[part.range.end - 1] == '院';
        let door = matches!(part.kind, Kind::Building | Kind::Unit) && !part.loose;
        if !(door || yard) || (barrier == at && at > 0) {
            return None;
        }
        let start = self.name_start(chars, at, barrier);
        let located = start > 0 && "在住是到\n".contains(chars[start - 1]) || start == 0;
        let fits = (2..=5).contains(&(at - start)) && located;
        let hanzi = chars[start..at].iter().all(|c| ('\u{4e00}'..='\u{9fff}').contains(c));
        let range = start..at;
        let known = self.not.contains(&chars[range.clone()]);
        (fits && hanzi && !known).then_some(Part {
            range,
            kind: Kind::Estate,
            weight: 0.7,
            loose: false,
        })
    }
}

/// 三栋, 12号楼, A座, 五零一室; 号 only where it can be a house.
fn numbered(chars: &[char], at: usize, last: Option<&Part>) -> Option<Part> {
    if at > 0 && is_number_char(chars[at - 1]) && is_number_char(chars[at]) {
        return None;
    }
    let run = chars[at..].iter().take_while(|c| is_number_char(**c)).count();
    let joined = last.is_some_and(|last| last.range.end == at);
    if run == 0 || run > NUMBER_CHARS_MAX {
        return None;
    }
    let rest = &chars[at + run..];
    let ending = NUMBERED.iter().find(|(ending, ..)| starts(rest, ending));
    let Some((ending, kind, weight, loose)) = ending else {
        return room(chars, at, run, last);
    };
    let end = at + run + ending.chars().count();
    let next = chars.get(end);
    let other = match *ending {
        "号" => next.is_some_and(|c| "线码店文人召称".contains(*c)),
        "楼" => next.is_some_and(|c| "道梯房盘".contains(*c)) && !joined,
        "组" | "队" | "期" | "户" | "层" | "座" | "区" => !joined,
        _ => false,
    };
    let month = at > 0 && "月第".contains(chars[at - 1]);
    (!other && !month).then_some(Part {
        range: at..end,
        kind: *kind,
        weight: *weight,
        loose: *loose,
    })
}

/// 四十五号附三号: a house that was built beside another.
fn attached(chars: &[char], at: usize, last: Option<&Part>) -> Option<Part> {
    last.filter(|last| last.range.end == at && last.kind == Kind::RoadNumber)?;
    let run = chars[at + 1..].iter().take_while(|c| is_number_char(**c)).count();
    let end = at + 1 + run + 1;
    let fits = chars[at] == '附' && run > 0 && chars.get(end - 1) == Some(&'号');
    fits.then_some(Part { range: at..end, kind: Kind::Building, weight: 0.4, loose: true })
}

/// 九栋五零二: three or four digits behind a building.
fn room(chars: &[char], at: usize, run: usize, last: Option<&Part>) -> Option<Part> {
    let doors = Kind::Building..=Kind::Floor;
    let behind = last.is_some_and(|last| last.range.end == at && doors.contains(&last.kind));
    let digits = chars[at..at + run].iter().all(|c| super::super::number::digit(*c).is_some());
    let unit = chars.get(at + run).is_some_and(|c| "块元点个年月天次位".contains(*c));
    // 8-1-1 and 八杠一杠一: building, unit and room in one.
    let run_chars = &chars[at..at + run];
    let dashes = run_chars.iter().filter(|c| matches!(c, '-' | '杠')).count();
    let dashed = dashes > 0
        && run_chars
            .iter()
            .all(|c| super::super::number::digit(*c).is_some() || "-杠".contains(*c))
        && last.is_some_and(|last| last.range.end == at && last.kind >= Kind::Village)
        && !"-杠".contains(chars[at])
        && !"-杠".contains(chars[at + run - 1]);
    if dashed {
        return Some(Part { range: at..at + run, kind: Kind::Room, weight: 0.6, loose: true });
    }
    ((3..=4).contains(&run) && behind && digits && !unit).then_some(Part {
        range: at..at + run,
        kind: Kind::Room,
        weight: 0.4,
        loose: true,
    })
}

fn side(chars: &[char], at: usize, last: Option<&Part>) -> Option<Part> {
    let of = |c: char| c == '的';
    let behind = |end: usize| end == at || (end + 1 == at && of(chars[end]));
    last.filter(|last| behind(last.range.end) && last.kind > Kind::Town && last.kind < Kind::Side)?;
    let side = SIDES.iter().filter(|side| starts(&chars[at..], side)).max_by_key(|s| s.len())?;
    let end = at + side.chars().count();
    Some(Part { range: at..end, kind: Kind::Side, weight: 0.1, loose: true })
}

/// 车站北路, 公园路: what looks like a place of its own names a road.
fn begins_road(rest: &[char]) -> bool {
    let side = rest.first().is_some_and(|c| "东西南北中一二三四五".contains(*c));
    let road = rest.get(usize::from(side)).is_some_and(|c| "路街巷".contains(*c));
    road && !starts(rest, "路口") && !starts(rest, "路灯") && !starts(rest, "路边")
}

fn is_number_char(c: char) -> bool {
    in_number(c) || c.is_ascii_uppercase() || matches!(c, '甲' | '乙' | '丙' | '丁' | '-' | '杠')
}
