//! China's civil time. One zone, UTC+8, and no daylight saving time since 1991.

use qingting_common::UnixMillis;

const MINUTES_PER_DAY: i64 = 1_440;
const OFFSET_MINUTES: i64 = 480;

/// A minute of China's civil time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalTime {
    /// Year of the Gregorian calendar.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl LocalTime {
    /// The civil time at an instant.
    pub const fn from_unix_ms(at: UnixMillis) -> Self {
        Self::from_minutes(at.0.div_euclid(60_000).saturating_add(OFFSET_MINUTES))
    }

    /// The instant at which this minute began.
    pub const fn to_unix_ms(self) -> UnixMillis {
        UnixMillis(self.minutes().saturating_sub(OFFSET_MINUTES).saturating_mul(60_000))
    }

    /// This time moved by so many minutes.
    pub(crate) const fn plus_minutes(self, minutes: i64) -> Self {
        Self::from_minutes(self.minutes().saturating_add(minutes))
    }

    /// The same minute of another day.
    pub(crate) const fn plus_days(self, days: i64) -> Self {
        self.plus_minutes(days.saturating_mul(MINUTES_PER_DAY))
    }

    /// 1 for Monday to 7 for Sunday.
    pub(crate) const fn weekday(self) -> i64 {
        // 1970-01-01 was a Thursday.
        (self.minutes().div_euclid(MINUTES_PER_DAY) + 3).rem_euclid(7) + 1
    }

    /// Whether the date exists in the calendar.
    pub(crate) const fn exists(self) -> bool {
        let back = Self::from_minutes(self.minutes());
        back.year == self.year && back.month == self.month && back.day == self.day
    }

    /// Minutes since 1970-01-01T00:00 of the same civil time. The day count is that of
    /// Howard Hinnant's "chrono-compatible low-level date algorithms", `days_from_civil`.
    const fn minutes(self) -> i64 {
        let (month, day) = (self.month as i64, self.day as i64);
        let year = self.year as i64 - (month <= 2) as i64;
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        days * MINUTES_PER_DAY + self.hour as i64 * 60 + self.minute as i64
    }

    /// The inverse, `civil_from_days`.
    const fn from_minutes(minutes: i64) -> Self {
        let days = minutes.div_euclid(MINUTES_PER_DAY) + 719_468;
        let of_day = minutes.rem_euclid(MINUTES_PER_DAY);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: (year_of_era + era * 400 + (month <= 2) as i64) as i32,
            month: month as u8,
            day: (day_of_year - (153 * shifted + 2) / 5 + 1) as u8,
            hour: (of_day / 60) as u8,
            minute: (of_day % 60) as u8,
        }
    }

    /// `YYYY-MM-DD`.
    pub(crate) fn date_iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `YYYY-MM-DDTHH:MM`.
    pub(crate) fn minute_iso(self) -> String {
        format!("{}T{:02}:{:02}", self.date_iso(), self.hour, self.minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_becomes_the_minute_in_china() {
        let at = LocalTime::from_unix_ms(UnixMillis(1_709_222_399_999));
        assert_eq!(at.minute_iso(), "2024-02-29T23:59");
        assert_eq!(at.to_unix_ms(), UnixMillis(1_709_222_340_000));
        assert_eq!(LocalTime::from_unix_ms(UnixMillis(0)).minute_iso(), "1970-01-01T08:00");
        assert_eq!(LocalTime::from_unix_ms(UnixMillis(-1)).minute_iso(), "1970-01-01T07:59");
    }

    #[test]
    fn days_are_counted_over_the_ends_of_months_and_years() {
        let at = LocalTime { year: 2026, month: 3, day: 1, hour: 9, minute: 30 };
        assert_eq!(at.plus_days(-1).date_iso(), "2026-02-28");
        assert_eq!(at.plus_days(-60).date_iso(), "2025-12-31");
        assert_eq!(at.weekday(), 7);
        assert!(!LocalTime { month: 2, day: 30, ..at }.exists());
    }

    #[test]
    fn no_instant_is_out_of_range() {
        for at in [i64::MIN, i64::MAX] {
            LocalTime::from_unix_ms(UnixMillis(at));
        }
    }
}
