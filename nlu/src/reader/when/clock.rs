//! The part of the day and the clock time behind a day.

use super::super::LocalTime;
use super::super::lexicon::starts;
use super::super::number::number;

/// A part of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Early,
    Morning,
    Noon,
    Afternoon,
    Night,
}

const PARTS: [(&str, Part); 16] = [
    ("凌晨", Part::Early),
    ("大清早", Part::Morning),
    ("早上", Part::Morning),
    ("早晨", Part::Morning),
    ("清晨", Part::Morning),
    ("上午", Part::Morning),
    ("中午", Part::Noon),
    ("下午", Part::Afternoon),
    ("傍晚", Part::Afternoon),
    ("晚上", Part::Night),
    ("夜里", Part::Night),
    ("夜晚", Part::Night),
    ("半夜", Part::Night),
    ("深夜", Part::Night),
    ("早", Part::Morning),
    ("晚", Part::Night),
];

impl Part {
    pub(super) fn named(name: &str) -> Option<Self> {
        PARTS.iter().find(|(known, _)| *known == name).map(|(_, part)| *part)
    }
}

/// What stands behind a day.
pub(super) struct Clock {
    /// One past its last character.
    pub(super) end: usize,
    /// 左右, 多.
    pub(super) about: bool,
    part: Option<Part>,
    said: Option<(u32, u32)>,
}

/// The minute that a day and a clock time make.
pub(super) enum Minute {
    Known(LocalTime),
    /// No clock time, or one that may be in the morning or in the evening.
    Unknown,
}

/// Reads the part of the day and the clock time at a position.
pub(super) fn at(chars: &[char], start: usize, named: Option<Part>) -> Clock {
    let mut end = start;
    if chars.get(end) == Some(&'的') {
        end += 1;
    }
    let word = PARTS.iter().find(|(word, _)| starts(&chars[end..], word));
    let part = match word {
        Some((word, part)) => {
            end += word.chars().count();
            Some(*part)
        }
        None => {
            end = start;
            named
        }
    };
    let about_before = ["大概", "大约", "差不多"].iter().find(|word| starts(&chars[end..], word));
    let from = end + about_before.map_or(0, |word| word.chars().count());
    match hour(chars, from) {
        Some((hour, minute, after)) => {
            let about = ["多钟", "来钟", "多", "左右", "钟左右", "前后"];
            let about = about.iter().find(|word| starts(&chars[after..], word));
            let end = after + about.map_or(0, |word| word.chars().count());
            let about = about.is_some() || about_before.is_some();
            Clock { end, about, part, said: Some((hour, minute)) }
        }
        None => Clock { end, about: false, part, said: None },
    }
}

/// `8点`, 八点半, 三点一刻, 九点二十分, `20:05`: hour, minute and the end.
fn hour(chars: &[char], from: usize) -> Option<(u32, u32, usize)> {
    let (hour, length) = number(&chars[from..])?;
    let mut end = from + length;
    let sign = *chars.get(end)?;
    if hour > 24 || !matches!(sign, '点' | ':') {
        return None;
    }
    end += 1;
    for (word, minute) in [("半", 30), ("一刻", 15), ("三刻", 45), ("钟", 0)] {
        if starts(&chars[end..], word) {
            return Some((hour, minute, end + word.chars().count()));
        }
    }
    match number(&chars[end..]).filter(|(minute, _)| *minute < 60) {
        Some((minute, length)) if length >= 2 || chars.get(end + length) == Some(&'分') => {
            end += length;
            end += usize::from(chars.get(end) == Some(&'分'));
            Some((hour, minute, end))
        }
        _ => Some((hour, 0, end)),
    }
}

impl Clock {
    /// The hour and the minute as they were said.
    pub(super) fn hour(&self) -> Option<(u32, u32)> {
        self.said
    }

    pub(super) fn part(&self) -> Option<Part> {
        self.part
    }

    /// The minute that part of the day and clock time make of a day, whether past or to come.
    pub(super) fn on(&self, date: LocalTime) -> Option<LocalTime> {
        match self.minute(date, date) {
            Minute::Known(at) => Some(at),
            Minute::Unknown => None,
        }
    }

    /// The minute of that day.
    pub(super) fn minute(&self, date: LocalTime, now: LocalTime) -> Minute {
        let Some((hour, minute)) = self.said else { return Minute::Unknown };
        let of = |hour: u32| {
            LocalTime { hour: 0, minute: 0, ..date }
                .plus_minutes(i64::from(hour) * 60 + i64::from(minute))
        };
        let hour = match (self.part, hour) {
            (_, 13..) => hour,
            (Some(Part::Early), 12) => 0,
            (Some(Part::Early | Part::Morning), _) => hour,
            (Some(Part::Noon), 10..) => hour,
            (Some(Part::Afternoon), 12) => 12,
            (Some(Part::Noon | Part::Afternoon), _) => hour + 12,
            // 晚上十二点 and 夜里两点 belong to the night that began on that day.
            (Some(Part::Night), 12) => 24,
            (Some(Part::Night), 0..=4) => hour + 24,
            (Some(Part::Night), _) => hour + 12,
            (None, _) if of(hour + 12) > now && of(hour) <= now => hour,
            (None, _) => return Minute::Unknown,
        };
        Minute::Known(of(hour))
    }
}
