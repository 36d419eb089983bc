//! Whether two places, as they were said, are one.

use crate::reader::digit;

/// How two places lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceMatch {
    /// One place.
    Same,
    /// One of them says more: 阳光小区 and 阳光小区三栋.
    Within,
    /// Other doors of one compound, village or road.
    Nearby,
    /// Nothing says that they have to do with each other.
    Other,
}

/// A name with fewer characters may be that of many places: 小区, 东门.
const NAME_CHARS_MIN: usize = 3;

/// How two places lie to each other. What one of them leaves out in front (the city) does not matter.
pub fn compare(a: &str, b: &str) -> PlaceMatch {
    compared(&Parted::of(a), &Parted::of(b))
}

fn compared(a: &Parted, b: &Parted) -> PlaceMatch {
    let ends_alike = |long: &[char], short: &[char]| {
        short.len() >= NAME_CHARS_MIN && (long.ends_with(short) || long.starts_with(short))
    };
    if a.name != b.name && !ends_alike(&a.name, &b.name) && !ends_alike(&b.name, &a.name) {
        return PlaceMatch::Other;
    }
    if a.name.is_empty() {
        return PlaceMatch::Other;
    }
    let said = a.doors.iter().zip(&b.doors);
    if said.clone().any(|(a, b)| a != b) {
        return PlaceMatch::Nearby;
    }
    if a.doors.len() == b.doors.len() && a.name == b.name {
        PlaceMatch::Same
    } else {
        PlaceMatch::Within
    }
}

/// The place without its numbers and without what only points, if it has a name of its own.
pub(crate) fn name(place: &str) -> Option<String> {
    let name = Parted::of(place).name;
    (name.len() >= NAME_CHARS_MIN).then(|| name.iter().collect())
}

/// The pairs of neighbouring characters of a place's name, without its numbers: by them a store finds
/// tickets of places that may be the same.
pub fn pairs(place: &str) -> Vec<String> {
    let name = Parted::of(place).name;
    let mut pairs: Vec<String> = name
        .windows(2)
        .map(|pair| pair.iter().collect::<String>())
        .filter(|pair| !COMMON_PAIRS.contains(&pair.as_str()))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Pairs that every other place has.
const COMMON_PAIRS: [&str; 12] = [
    "小区", "街道", "社区", "花园", "大道", "广场", "大厦", "路口", "交叉", "叉口", "附近", "门口",
];

/// A place in its name and its numbers.
struct Parted {
    /// Up to the first number, without what only points: 附近, 门口.
    name: Vec<char>,
    /// The numbers in order: house, building, unit, room.
    doors: Vec<String>,
}

impl Parted {
    fn of(place: &str) -> Self {
        let chars: Vec<char> = place.chars().filter(|c| c.is_alphanumeric()).collect();
        let mut doors = Vec::new();
        let mut name_ends = chars.len();
        let mut at = 0;
        while at < chars.len() {
            let number = chars[at..].iter().take_while(|c| is_numeral(**c)).count();
            // 五一路 and 三里屯 are names; a number is a door's when a counter follows.
            let is_door = number > 0 && chars.get(at + number).is_none_or(|c| COUNTERS.contains(c));
            if is_door {
                name_ends = name_ends.min(at);
                doors.push(value(&chars[at..at + number]));
            }
            at += number.max(1);
        }
        let mut name = chars[..name_ends].to_vec();
        for pointing in ["附近", "门口", "旁边", "对面", "里面", "路口", "那里", "这里"]
        {
            let pointing: Vec<char> = pointing.chars().collect();
            if name.ends_with(&pointing) && name.len() > pointing.len() + 1 {
                name.truncate(name.len() - pointing.len());
            }
        }
        Self { name, doors }
    }
}

/// What is counted by numbers in an address.
const COUNTERS: [char; 14] =
    ['号', '栋', '幢', '座', '楼', '单', '室', '层', '组', '弄', '巷', '期', '区', '门'];

fn is_numeral(c: char) -> bool {
    digit(c).is_some() || matches!(c, '十' | '百')
}

/// 十二, 一十二 and 12 are one; what is no plain number stays as it is.
fn value(chars: &[char]) -> String {
    let number = crate::reader::number(chars).filter(|(_, length)| *length == chars.len());
    number.map_or_else(|| chars.iter().collect(), |(value, _)| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_compared_by_name_and_door() {
        let pairs = [
            ("阳光小区三栋", "阳光小区3栋", PlaceMatch::Same),
            ("阳光小区", "阳光小区三栋二单元", PlaceMatch::Within),
            ("杭州市西湖区文三路九十号", "文三路90号", PlaceMatch::Within),
            ("阳光小区三栋", "阳光小区五栋", PlaceMatch::Nearby),
            ("人民路一百二十号", "人民路8号", PlaceMatch::Nearby),
            ("阳光小区三栋", "月亮小区三栋", PlaceMatch::Other),
            ("五一路路口", "五一路", PlaceMatch::Same),
            ("东门", "中山公园东门", PlaceMatch::Other),
            ("三栋", "三栋", PlaceMatch::Other),
        ];
        for (a, b, expected) in pairs {
            assert_eq!((compare(a, b), compare(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn pairs_are_of_the_name_alone() {
        assert_eq!(pairs("翠湖小区三栋"), ["湖小", "翠湖"]);
        assert_eq!(pairs("五一大道一百二十号"), ["一大", "五一"]);
        assert!(pairs("三栋").is_empty());
    }
}
