//! Dates and times as on the wall.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Minutes of a day.
pub(crate) const DAY_MINUTES: u16 = 24 * 60;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// The week from Monday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// 0 for Monday to 6 for Sunday.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A date of the Gregorian calendar, from 1900 to 2999.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalDate {
    year: u16,
    month: u8,
    day: u8,
}

impl LocalDate {
    /// A date, if there is such a day.
    pub const fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let exists = 1900 <= year
            && year <= 2999
            && 1 <= month
            && month <= 12
            && 1 <= day
            && day <= days_in(year, month);
        if exists { Some(Self { year, month, day }) } else { None }
    }

    /// The year.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// 1 to 31.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Its day of the week.
    pub fn weekday(self) -> Weekday {
        let years = u32::from(self.year) - 1;
        let leaps = years / 4 - years / 100 + years / 400;
        let months: u32 = (1..self.month).map(|month| u32::from(days_in(self.year, month))).sum();
        // 1 January of year 1 was a Monday in this calendar.
        let since = years * 365 + leaps + months + u32::from(self.day) - 1;
        Weekday::ALL[since as usize % 7]
    }

    /// The day after. The last day of 2999 is followed by itself.
    pub fn next(self) -> Self {
        let Self { year, month, day } = self;
        Self::new(year, month, day + 1)
            .or_else(|| Self::new(year, month + 1, 1))
            .or_else(|| Self::new(year + 1, 1, 1))
            .unwrap_or(self)
    }

    /// The day before. The first day of 1900 follows itself.
    pub fn previous(self) -> Self {
        let Self { year, month, day } = self;
        let last_of = |year, month| Self::new(year, month, days_in(year, month));
        Self::new(year, month, day - 1)
            .or_else(|| last_of(year, month - 1))
            .or_else(|| last_of(year - 1, 12))
            .unwrap_or(self)
    }
}

/// Days of a month; 0 for a month that there is not.
const fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

impl fmt::Display for LocalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for LocalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<LocalDate> for String {
    fn from(date: LocalDate) -> Self {
        date.to_string()
    }
}

impl TryFrom<String> for LocalDate {
    type Error = InvalidDate;
    fn try_from(text: String) -> Result<Self, InvalidDate> {
        text.parse()
    }
}

/// Text that is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date: expected 2026-10-01")]
pub struct InvalidDate;

impl FromStr for LocalDate {
    type Err = InvalidDate;
    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let mut parts = text.trim().split(['-', '/']);
        let mut next = || parts.next().ok_or(InvalidDate);
        let (year, month, day) = (next()?, next()?, next()?);
        let year = year.parse().map_err(|_| InvalidDate)?;
        let month = month.parse().map_err(|_| InvalidDate)?;
        let day = day.parse().map_err(|_| InvalidDate)?;
        Self::new(year, month, day).filter(|_| parts.next().is_none()).ok_or(InvalidDate)
    }
}

/// A minute of a date.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalDateTime {
    date: LocalDate,
    minute: u16,
}

impl LocalDateTime {
    /// A time of day in minutes from midnight, below 1440.
    pub const fn new(date: LocalDate, minute: u16) -> Option<Self> {
        if minute < DAY_MINUTES { Some(Self { date, minute }) } else { None }
    }

    /// Midnight at the beginning of a date.
    pub const fn midnight(date: LocalDate) -> Self {
        Self { date, minute: 0 }
    }

    /// The date.
    pub const fn date(self) -> LocalDate {
        self.date
    }

    /// Minutes from midnight.
    pub const fn minute(self) -> u16 {
        self.minute
    }

    /// So many minutes after the midnight at the beginning of a date; past its end, on the next.
    pub(crate) fn of(date: LocalDate, minute: u16) -> Self {
        match Self::new(date, minute) {
            Some(at) => at,
            None => Self { date: date.next(), minute: minute % DAY_MINUTES },
        }
    }
}

impl fmt::Display for LocalDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:02}:{:02}", self.date, self.minute / 60, self.minute % 60)
    }
}

impl fmt::Debug for LocalDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Minutes from midnight of `09:00`, `9:00`, `24:00` or `24：00`.
pub(crate) fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once([':', '：'])?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let at = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && at <= DAY_MINUTES).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> LocalDate {
        text.parse().expect("a date")
    }

    #[test]
    fn weekdays_are_those_of_the_calendar() {
        assert_eq!(date("2000-02-29").weekday(), Weekday::Tuesday);
        assert_eq!(date("2026-10-01").weekday(), Weekday::Thursday);
        assert_eq!(date("1900-01-01").weekday(), Weekday::Monday);
        assert_eq!(date("2100-03-01").weekday(), Weekday::Monday);
    }

    #[test]
    fn four_hundred_years_of_days_follow_each_other() {
        let mut day = date("1999-12-31");
        for at in 0..146_097_usize {
            let next = day.next();
            assert!(next > day && next.previous() == day);
            assert_eq!(next.weekday().index(), (day.weekday().index() + 1) % 7, "{at}");
            day = next;
        }
        assert_eq!(day, date("2399-12-31"));
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in ["2026-02-29", "2026-13-01", "2026-00-10", "2026-1", "2026-1-1-1", "x", ""] {
            assert_eq!(text.parse::<LocalDate>(), Err(InvalidDate), "{text}");
        }
        assert_eq!(date("2026/2/3").to_string(), "2026-02-03");
    }

    #[test]
    fn times_are_read_to_the_end_of_the_day() {
        assert_eq!(minute_of_day("8:30"), Some(510));
        assert_eq!(minute_of_day("24：00"), Some(1440));
        for text in ["24:01", "8:60", "8", "99999:0", "-1:00"] {
            assert_eq!(minute_of_day(text), None, "{text}");
        }
    }
}
