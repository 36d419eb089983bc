//! The levels of a place, and the divisions in which it may lie.

use super::super::gazetteer::Resolved;
use super::Places;
use super::part::{Kind, Part};
use crate::address::ADDRESS_CHARS_MAX;
use std::ops::Range;

/// A level of an address, from the widest to the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceLevel {
    /// 省.
    Province,
    /// 市.
    City,
    /// 区县.
    District,
    /// 街道, 镇, 乡.
    Town,
    /// 社区, 村.
    Community,
    /// 路.
    Road,
    /// 号.
    RoadNumber,
    /// 小区, 地标 and whatever else has a name.
    Estate,
    /// 栋.
    Building,
    /// 单元.
    Unit,
    /// 层.
    Floor,
    /// 室.
    Room,
}

/// A part of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationPart {
    /// Its level.
    pub level: PlaceLevel,
    /// Characters of the place's text.
    pub range: Range<usize>,
    /// The words.
    pub text: String,
}

/// A place as an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Location {
    /// Its parts in the order in which they were said.
    pub parts: Vec<LocationPart>,
    /// Where it may lie, the likeliest first; several while it is open.
    pub divisions: Vec<Resolved>,
}

impl Location {
    /// The district (区县) in which the place lies, where all that it may be is in one.
    pub fn district(&self) -> Option<&str> {
        // A district's code has 6 digits: province and city are shorter.
        let of = |resolved: &'_ Resolved| {
            resolved.path.iter().position(|division| division.code.len() == 6)
        };
        let first = self.divisions.first()?;
        let found = &first.path[of(first)?];
        let is_there =
            |other: &Resolved| of(other).is_some_and(|at| other.path[at].code == found.code);
        self.divisions.iter().all(is_there).then_some(found.name.as_str())
    }
}

impl PlaceLevel {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::City => "city",
            Self::District => "district",
            Self::Town => "town",
            Self::Community => "community",
            Self::Road => "road",
            Self::RoadNumber => "road_number",
            Self::Estate => "estate",
            Self::Building => "building",
            Self::Unit => "unit",
            Self::Floor => "floor",
            Self::Room => "room",
        }
    }

    /// By the labels of the sets that addresses are labelled in.
    fn of_label(label: &str) -> Option<Self> {
        Some(match label.to_lowercase().as_str() {
            "prov" => Self::Province,
            "city" => Self::City,
            "district" => Self::District,
            "town" => Self::Town,
            "community" | "village_group" => Self::Community,
            "road" | "subroad" => Self::Road,
            "roadno" | "subroadno" => Self::RoadNumber,
            "poi" | "subpoi" | "devzone" => Self::Estate,
            "houseno" => Self::Building,
            "cellno" => Self::Unit,
            "floorno" => Self::Floor,
            "roomno" => Self::Room,
            _ => return None,
        })
    }

    fn of_kind(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Province => Self::Province,
            Kind::City => Self::City,
            Kind::Area => Self::District,
            Kind::Town => Self::Town,
            Kind::Village => Self::Community,
            Kind::Road => Self::Road,
            Kind::RoadNumber => Self::RoadNumber,
            Kind::Estate | Kind::Poi => Self::Estate,
            Kind::Building => Self::Building,
            Kind::Unit => Self::Unit,
            Kind::Floor => Self::Floor,
            Kind::Room => Self::Room,
            Kind::Side => return None,
        })
    }
}

impl Places {
    pub(crate) fn locate(&self, place: &str) -> Location {
        let chars: Vec<char> = place.chars().take(ADDRESS_CHARS_MAX).collect();
        let rules = self.finder.parts(&chars);
        let mut levels = self.modelled(&chars);
        // A door is written by its ending, and spoken ones (五栋) were not trained on; names are not, so
        // rules speak of them only where the model says nothing.
        let surer = |part: &Part| levels.is_empty() || is_door(&chars, part);
        let taken: Vec<(Range<usize>, PlaceLevel)> = rules
            .iter()
            .filter(|part| surer(part))
            .filter_map(|part| Some((part.range.clone(), PlaceLevel::of_kind(part.kind)?)))
            .collect();
        let overlaps = |range: &Range<usize>, other: &Range<usize>| {
            range.start < other.end && other.start < range.end
        };
        levels.retain(|(range, _)| !taken.iter().any(|(other, _)| overlaps(range, other)));
        levels.extend(taken);
        levels.sort_by_key(|(range, _)| range.start);
        let parts = levels.into_iter().map(|(range, level)| LocationPart {
            level,
            text: chars[range.clone()].iter().collect(),
            range,
        });
        Location { parts: parts.collect(), divisions: self.finder.gazetteer.resolve(place) }
    }

    fn modelled(&self, chars: &[char]) -> Vec<(Range<usize>, PlaceLevel)> {
        let Some(model) = &self.addresses else { return Vec::new() };
        let pieces = model.parse(chars, &self.finder.gazetteer).into_iter();
        let level = |label: usize| PlaceLevel::of_label(&model.labels()[label]);
        pieces.filter_map(|piece| Some((piece.range, level(piece.label)?))).collect()
    }
}

/// A number with an ending that means one thing.
fn is_door(chars: &[char], part: &Part) -> bool {
    let ending = part.range.end.checked_sub(1).map(|last| chars[last]);
    (Kind::Building..=Kind::Room).contains(&part.kind)
        && ending.is_some_and(|c| "栋幢元室楼层".contains(c))
}
