//! Days of China's calendar, as people write them.

use crate::LocalTime;
use std::fmt;

/// A day that exists in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    year: i32,
    month: u8,
    day: u8,
}

impl Day {
    /// The day on which a time lies.
    pub const fn of(at: LocalTime) -> Self {
        Self { year: at.year, month: at.month, day: at.day }
    }

    /// Reads `2026-03-11`, `2026/3/11`, `2026.3.11`, `2026年3月11日` and `20260311`; a time of day behind
    /// it is left out. None for what is no day of the calendar.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split_whitespace().next()?.split('T').next()?;
        let parts: Vec<&str> =
            text.split(['-', '/', '.', '年', '月', '日']).filter(|part| !part.is_empty()).collect();
        let (year, month, day) = match parts[..] {
            [year, month, day] if year.len() == 4 => (year, month, day),
            [day] if day.len() == 8 && day.is_ascii() => (&day[..4], &day[4..6], &day[6..]),
            _ => return None,
        };
        let at = LocalTime {
            year: year.parse().ok()?,
            month: month.parse().ok()?,
            day: day.parse().ok()?,
            hour: 0,
            minute: 0,
        };
        at.exists().then(|| Self::of(at))
    }
}

/// ISO 8601: `2026-03-11`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_people_write_them() {
        for text in [
            "2026-03-11",
            "2026/3/11",
            "2026.3.11",
            "2026年3月11日",
            "20260311",
            "2026-03-11 00:00:00",
        ] {
            assert_eq!(
                Day::parse(text).map(|day| day.to_string()).as_deref(),
                Some("2026-03-11"),
                "{text}"
            );
        }
        for text in ["", "2026-02-29", "2026-13-01", "26-3-11", "3月11日", "长期", "2026-3"] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
        assert!(Day::parse("2028-02-29").is_some());
    }

    #[test]
    fn days_are_ordered() {
        assert!(Day::parse("2025-12-31") < Day::parse("2026-01-01"));
    }
}
