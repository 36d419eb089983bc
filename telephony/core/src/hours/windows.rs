//! When somebody is there.

use super::civil::DAY_MINUTES;
use super::{LocalDate, LocalDateTime, Weekday};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most windows of one day.
const DAY_WINDOWS_MAX: usize = 8;

/// Most days that differ from their weekday.
const EXCEPTIONS_MAX: usize = 1_000;

/// How far the next opening is looked for.
const HORIZON_DAYS: usize = 400;

/// From one minute of the day up to, not including, another. One that ends no later than it begins
/// ends on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Minutes from midnight, below 1440.
    pub from: u16,
    /// Minutes from midnight, from 1 to 1440.
    pub to: u16,
}

impl Window {
    /// From midnight to midnight.
    pub const ALL_DAY: Self = Self { from: 0, to: DAY_MINUTES };

    /// Its end, counted from the midnight at which its own day began.
    pub(crate) const fn end(self) -> u16 {
        if self.to > self.from { self.to } else { self.to + DAY_MINUTES }
    }

    /// Whether it holds a minute of the day on which it began, or of the next (from 1440).
    pub(crate) const fn holds(self, minute: u16) -> bool {
        self.from <= minute && minute < self.end()
    }

    const fn is_valid(self) -> bool {
        self.from < DAY_MINUTES && 0 < self.to && self.to <= DAY_MINUTES && self.from != self.to
    }
}

/// A date on which the weekday does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// A holiday (节假日).
    Closed,
    /// A working day moved here (调休): as on this weekday.
    As(Weekday),
    /// Hours of its own.
    Open(Vec<Window>),
}

/// When somebody is there: a week, and dates that differ from it.
///
/// **A window belongs to the day on which it begins**: a holiday does not end the night shift of the
/// day before, and the night shift of a holiday's own weekday does not begin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "WrittenHours", into = "WrittenHours")]
pub struct OpeningHours {
    weekly: [Vec<Window>; 7],
    exceptions: BTreeMap<LocalDate, Day>,
}

/// Hours as they are written down, not looked at yet.
#[derive(Serialize, Deserialize)]
struct WrittenHours {
    weekly: [Vec<Window>; 7],
    exceptions: BTreeMap<LocalDate, Day>,
}

impl From<OpeningHours> for WrittenHours {
    fn from(OpeningHours { weekly, exceptions }: OpeningHours) -> Self {
        Self { weekly, exceptions }
    }
}

impl TryFrom<WrittenHours> for OpeningHours {
    type Error = String;
    fn try_from(WrittenHours { weekly, exceptions }: WrittenHours) -> Result<Self, String> {
        let all = |errors: Vec<HoursError>| {
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        Self::new(weekly, exceptions).map_err(all)
    }
}

/// Hours that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// A window that holds no minute, or minutes that no day has.
    #[error(
        "{day}: window {from}–{to} is no part of a day: give minutes from 0 to 1440, different"
    )]
    NoWindow {
        /// The weekday or date.
        day: String,
        /// As given.
        from: u16,
        /// As given.
        to: u16,
    },
    /// Two windows hold the same minute.
    #[error("{day}: two windows overlap at minute {minute}: join them into one")]
    Overlap {
        /// The weekday or date.
        day: String,
        /// Where the later one begins.
        minute: u16,
    },
    /// More than anybody needs.
    #[error("{what}: {count} is more than {most}: remove some")]
    TooMany {
        /// Of what.
        what: String,
        /// How many.
        count: usize,
        /// The most.
        most: usize,
    },
}

impl OpeningHours {
    /// Day and night.
    pub fn always() -> Self {
        let weekly = std::array::from_fn(|_| vec![Window::ALL_DAY]);
        Self { weekly, exceptions: BTreeMap::new() }
    }

    /// Hours from a week that begins on Monday; all that is wrong with them otherwise.
    pub fn new(
        weekly: [Vec<Window>; 7],
        exceptions: BTreeMap<LocalDate, Day>,
    ) -> Result<Self, Vec<HoursError>> {
        let mut errors = Vec::new();
        for (day, windows) in Weekday::ALL.into_iter().zip(&weekly) {
            check_day(&format!("{day:?}"), windows, &mut errors);
            let before = &weekly[(day.index() + 6) % 7];
            let into = before.iter().filter(|window| window.is_valid());
            let early = windows
                .iter()
                .filter(|window| window.is_valid())
                .find(|window| into.clone().any(|before| before.holds(window.from + DAY_MINUTES)));
            if let Some(early) = early {
                errors.push(HoursError::Overlap { day: format!("{day:?}"), minute: early.from });
            }
        }
        for (date, day) in &exceptions {
            if let Day::Open(windows) = day {
                check_day(&date.to_string(), windows, &mut errors);
            }
        }
        too_many("dates", exceptions.len(), EXCEPTIONS_MAX, &mut errors);
        if errors.is_empty() { Ok(Self { weekly, exceptions }) } else { Err(errors) }
    }

    /// Whether somebody is there.
    pub fn is_open(&self, at: LocalDateTime) -> bool {
        let (date, minute) = (at.date(), at.minute());
        let before = self.windows(date.previous());
        self.windows(date).iter().any(|window| window.holds(minute))
            || before.iter().any(|window| window.holds(minute + DAY_MINUTES))
    }

    /// The first minute from `at` on when somebody is there, `at` itself included; `None` when that
    /// is more than a year away.
    pub fn next_opening(&self, at: LocalDateTime) -> Option<LocalDateTime> {
        if self.is_open(at) {
            return Some(at);
        }
        let days = std::iter::successors(Some(at.date()), |date| Some(date.next()));
        days.take(HORIZON_DAYS).find_map(|date| {
            let starts = self.windows(date).iter().map(|w| LocalDateTime::of(date, w.from));
            starts.filter(|start| *start > at).min()
        })
    }

    /// The windows that begin on a date.
    fn windows(&self, date: LocalDate) -> &[Window] {
        match self.exceptions.get(&date) {
            None => &self.weekly[date.weekday().index()],
            Some(Day::Closed) => &[],
            Some(Day::As(weekday)) => &self.weekly[weekday.index()],
            Some(Day::Open(windows)) => windows,
        }
    }
}

fn check_day(day: &str, windows: &[Window], errors: &mut Vec<HoursError>) {
    too_many(&format!("windows of {day}"), windows.len(), DAY_WINDOWS_MAX, errors);
    for Window { from, to } in windows.iter().copied().filter(|window| !window.is_valid()) {
        errors.push(HoursError::NoWindow { day: day.into(), from, to });
    }
    let mut valid: Vec<Window> = windows.iter().copied().filter(|w| w.is_valid()).collect();
    valid.sort_by_key(|window| window.from);
    for pair in valid.windows(2) {
        if pair[1].from < pair[0].end() {
            errors.push(HoursError::Overlap { day: day.into(), minute: pair[1].from });
        }
    }
}

fn too_many(what: &str, count: usize, most: usize, errors: &mut Vec<HoursError>) {
    if count > most {
        errors.push(HoursError::TooMany { what: what.into(), count, most });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFICE: [Window; 2] = [Window { from: 540, to: 720 }, Window { from: 840, to: 1080 }];

    fn date(text: &str) -> LocalDate {
        text.parse().expect("a date")
    }

    fn at(day: &str, hour: u16) -> LocalDateTime {
        LocalDateTime::new(date(day), hour * 60).expect("a time")
    }

    /// 9–12 and 14–18 from Monday to Friday.
    fn week() -> [Vec<Window>; 7] {
        std::array::from_fn(|day| if day < 5 { OFFICE.to_vec() } else { Vec::new() })
    }

    #[test]
    fn the_week_of_an_office() {
        let hours = OpeningHours::new(week(), BTreeMap::new()).expect("hours");
        // 2026-09-11 is a Friday.
        for (hour, open) in [(8, false), (9, true), (12, false), (14, true), (18, false)] {
            assert_eq!(hours.is_open(at("2026-09-11", hour)), open, "{hour}");
        }
        assert!(!hours.is_open(at("2026-09-12", 10)));
        let opens = |day, hour| hours.next_opening(at(day, hour)).expect("soon").to_string();
        assert_eq!(opens("2026-09-11", 18), "2026-09-14 09:00");
        assert_eq!(opens("2026-09-11", 12), "2026-09-11 14:00");
        assert_eq!(opens("2026-09-11", 15), "2026-09-11 15:00");
    }

    #[test]
    fn holidays_close_and_moved_working_days_open() {
        let exceptions = BTreeMap::from([
            (date("2026-10-01"), Day::Closed),
            (date("2026-10-02"), Day::Open(vec![Window { from: 600, to: 660 }])),
            (date("2026-10-10"), Day::As(Weekday::Friday)),
        ]);
        let hours = OpeningHours::new(week(), exceptions).expect("hours");
        assert!(!hours.is_open(at("2026-10-01", 10)));
        assert!(hours.is_open(at("2026-10-02", 10)) && !hours.is_open(at("2026-10-02", 11)));
        assert!(hours.is_open(at("2026-10-10", 15)), "a Saturday worked");
        let next = hours.next_opening(at("2026-10-01", 9)).expect("soon");
        assert_eq!(next, at("2026-10-02", 10));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let mut nights = week();
        nights[3] = vec![Window { from: 1320, to: 360 }];
        let exceptions = BTreeMap::from([(date("2026-10-02"), Day::Closed)]);
        let hours = OpeningHours::new(nights, exceptions).expect("hours");
        // Thursday 22:00 to Friday 06:00, though Friday is a holiday.
        assert!(hours.is_open(at("2026-10-01", 22)) && hours.is_open(at("2026-10-02", 5)));
        assert!(!hours.is_open(at("2026-10-02", 6)) && !hours.is_open(at("2026-10-01", 5)));
    }

    #[test]
    fn what_never_opens_is_said_and_what_never_closes_is_open() {
        let never = OpeningHours::new(Default::default(), BTreeMap::new()).expect("hours");
        assert_eq!(never.next_opening(at("2026-01-01", 0)), None);
        assert!(OpeningHours::always().is_open(at("2026-01-01", 3)));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let mut bad = week();
        bad[0] = vec![Window { from: 600, to: 600 }, Window { from: 0, to: 1500 }];
        bad[1] = vec![Window { from: 540, to: 720 }, Window { from: 700, to: 800 }];
        bad[2] = vec![Window { from: 1320, to: 600 }];
        let errors = OpeningHours::new(bad, BTreeMap::new()).expect_err("refused");
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[0].starts_with("Monday: window 600–600 is no part of a day"));
        assert_eq!(said[2], "Tuesday: two windows overlap at minute 700: join them into one");
        assert!(said[3].starts_with("Thursday: two windows overlap at minute 540"), "{said:?}");
    }

    #[test]
    fn minute_by_minute_the_next_opening_is_the_first_open_minute() {
        let mut nights = week();
        nights[5] = vec![Window { from: 1300, to: 100 }];
        let exceptions = BTreeMap::from([(date("2026-10-05"), Day::Closed)]);
        let hours = OpeningHours::new(nights, exceptions).expect("hours");
        let minutes: Vec<LocalDateTime> =
            std::iter::successors(Some(date("2026-10-01")), |d| Some(d.next()))
                .take(10)
                .flat_map(|day| (0..DAY_MINUTES).map(move |minute| LocalDateTime::of(day, minute)))
                .collect();
        let mut next = None;
        for at in minutes.into_iter().rev() {
            if hours.is_open(at) {
                next = Some(at);
            }
            if next.is_some() {
                assert_eq!(hours.next_opening(at), next, "{at}");
            }
        }
    }
}
