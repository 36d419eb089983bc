//! The calendar of China, which has one time zone and no summer time.

use qingting_common::UnixMillis;
use std::fmt;

const OFFSET_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// A time as a clock on a wall in China shows it (proleptic Gregorian calendar).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    millis_of_day: i64,
}

/// What the clock shows at a time.
pub fn of(at: UnixMillis) -> WallClock {
    const DAYS_FROM_MARCH_0000_TO_1970: i64 = 719_468;
    const DAYS_PER_400_YEARS: i64 = 146_097;
    let local = at.0.saturating_add(OFFSET_MS);
    let days = local.div_euclid(DAY_MS) + DAYS_FROM_MARCH_0000_TO_1970;
    // Years from March, so that the leap day is the last day of a year.
    let era = days.div_euclid(DAYS_PER_400_YEARS);
    let day_of_era = days.rem_euclid(DAYS_PER_400_YEARS);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    WallClock { year, month, day, millis_of_day: local.rem_euclid(DAY_MS) }
}

/// The last midnight in China.
pub fn midnight_before(at: UnixMillis) -> UnixMillis {
    UnixMillis(at.0 - at.0.saturating_add(OFFSET_MS).rem_euclid(DAY_MS))
}

/// Midnight in China at which a day begins; none where there is no such day.
pub fn midnight(year: i64, month: i64, day: i64) -> Option<UnixMillis> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days of the months from March on: 31, 30, 31, 30, 31 and again.
    let (march_year, march_month) =
        if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = march_year / 4 - march_year / 100 + march_year / 400;
    let days = 365 * march_year + leaps + (153 * march_month + 2) / 5 + day - 1 - 719_468;
    let midnight = UnixMillis(days * DAY_MS - OFFSET_MS);
    // The 31st of a short month is a day of the next.
    let read = of(midnight);
    ((read.year, read.month, read.day) == (year, month, day)).then_some(midnight)
}

/// The day of the week on which a time falls: 0 is Monday.
pub fn weekday(at: UnixMillis) -> i64 {
    // 1970-01-01 was a Thursday.
    (at.0.saturating_add(OFFSET_MS).div_euclid(DAY_MS) + 3).rem_euclid(7)
}

impl WallClock {
    /// `YYYY-MM-DD`.
    pub fn day_text(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `YYYYMMDD`.
    pub fn day_digits(&self) -> String {
        format!("{:04}{:02}{:02}", self.year, self.month, self.day)
    }

    /// `YYYY-MM-DDThh:mm:ss.mmm+08:00` (RFC 3339).
    pub fn rfc3339(&self) -> String {
        let millis = self.millis_of_day % 1_000;
        self.to_string().replacen(' ', "T", 1) + &format!(".{millis:03}+08:00")
    }
}

/// `YYYY-MM-DD hh:mm:ss`, as spreadsheets read it.
impl fmt::Display for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.millis_of_day / 1_000;
        let (hour, minute) = (seconds / 3_600, seconds / 60 % 60);
        write!(f, "{:04}-{:02}-{:02} ", self.year, self.month, self.day)?;
        write!(f, "{hour:02}:{minute:02}:{:02}", seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_in_china() {
        let day = |at| of(UnixMillis(at)).day_digits();
        assert_eq!(day(0), "19700101");
        // 2024-02-28T16:00:00Z is midnight of the leap day in China.
        assert_eq!(day(1_709_136_000_000), "20240229");
        assert_eq!(day(1_709_135_999_999), "20240228");
        assert_eq!(day(1_767_196_800_000), "20260101");
    }

    #[test]
    fn every_day_is_found_by_its_name_and_no_other() {
        let mut at = midnight(1970, 1, 1).unwrap();
        assert_eq!((at.0, weekday(at)), (-OFFSET_MS, 3));
        while of(at).year < 2105 {
            let WallClock { year, month, day, .. } = of(at);
            assert_eq!(midnight(year, month, day), Some(at));
            at.0 += DAY_MS;
        }
        let wrong = [(2026, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 1, 0), (1969, 12, 31)];
        assert!(wrong.iter().all(|(year, month, day)| midnight(*year, *month, *day).is_none()));
        // 2026-11-26 is a Thursday.
        assert_eq!(weekday(midnight(2026, 11, 26).unwrap()), 3);
    }

    #[test]
    fn a_time_is_written_for_machines_and_for_spreadsheets() {
        let at = UnixMillis(1_767_196_800_000 + 45_296_007);
        assert_eq!(of(at).to_string(), "2026-01-01 12:34:56");
        assert_eq!(of(at).rfc3339(), "2026-01-01T12:34:56.007+08:00");
        assert_eq!(midnight_before(at), UnixMillis(1_767_196_800_000));
        assert_eq!(midnight_before(midnight_before(at)), midnight_before(at));
    }
}
