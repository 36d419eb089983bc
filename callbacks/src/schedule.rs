//! When a citizen may be called.

use qingting_common::UnixMillis;
use qingting_core::hours::{LocalDate, LocalDateTime, OpeningHours, Window};
use qingting_nlu::LocalTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// A call at a time that the citizen named comes no sooner than this after he named it.
const WISH_AFTER: Duration = Duration::from_secs(10 * 60);
/// Steps in which a time that fits all rules is looked for: a year of hours.
const STEPS_MAX: usize = 9_000;
const HOUR_MS: i64 = 3_600_000;

/// The rules of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Weekdays, holidays and hours.
    pub hours: OpeningHours,
    /// Most attempts.
    pub attempts_max: u8,
    /// On how many days they are, at least.
    pub days_min: u8,
    /// From one attempt to the next, at least.
    pub spacing: Duration,
}

impl Rules {
    /// 09:00–12:00 and 14:00–20:00 on every day.
    pub fn default_hours() -> OpeningHours {
        let day = vec![Window { from: 540, to: 720 }, Window { from: 840, to: 1_200 }];
        OpeningHours::new(std::array::from_fn(|_| day.clone()), std::collections::BTreeMap::new())
            .unwrap_or_else(|_| OpeningHours::always())
    }

    /// Whether anybody may be called now.
    pub fn is_open(&self, now: UnixMillis) -> bool {
        local(now).is_some_and(|at| self.hours.is_open(at))
    }

    /// The first time from `now` on at which a citizen may be called who was called at these times: in
    /// the hours, after the spacing, at another hour of the day than before, and so that the attempts are
    /// on as many days as they have to be. `None` when there is none within a year.
    ///
    /// At a time that he named himself (`wish`) spacing and hour of the day do not count.
    pub fn next(
        &self,
        now: UnixMillis,
        before: &[UnixMillis],
        wish: Option<UnixMillis>,
    ) -> Option<UnixMillis> {
        if let Some(wish) = wish {
            let soonest = UnixMillis(now.0 + millis(WISH_AFTER));
            return self.opening(wish.max(soonest));
        }
        let last = before.iter().max().map(|last| UnixMillis(last.0 + millis(self.spacing)));
        let mut at = last.map_or(now, |last| last.max(now));
        for _ in 0..STEPS_MAX {
            let open = self.opening(at)?;
            if open > at {
                at = open;
            }
            match self.unfit(at, before) {
                None => return Some(at),
                Some(later) => at = later,
            }
        }
        None
    }

    fn opening(&self, at: UnixMillis) -> Option<UnixMillis> {
        let local = local(at)?;
        let open = self.hours.next_opening(local)?;
        // In the minute that runs the seconds count, too.
        Some(if open == local { at } else { unix(open) })
    }

    /// When to look next if a time does not fit.
    fn unfit(&self, at: UnixMillis, before: &[UnixMillis]) -> Option<UnixMillis> {
        let days: BTreeSet<LocalDate> = before.iter().filter_map(|at| date(*at)).collect();
        let left = usize::from(self.attempts_max).saturating_sub(before.len()).max(1);
        let days_wanted = usize::from(self.days_min).saturating_sub(days.len());
        if days_wanted >= left && !before.is_empty() && days.contains(&date(at)?) {
            return Some(unix(LocalDateTime::midnight(date(at)?.next())));
        }
        let hour = |at: &UnixMillis| local(*at).map(|at| at.minute() / 60);
        let hours: BTreeSet<u16> = before.iter().filter_map(hour).collect();
        // A window of two hours has no third: then any will do.
        let is_taken = hours.contains(&hour(&at)?) && hours.len() < self.hours_of_day(at);
        is_taken.then(|| UnixMillis((at.0.div_euclid(HOUR_MS) + 1) * HOUR_MS))
    }

    /// In how many hours of that day somebody may be called.
    fn hours_of_day(&self, at: UnixMillis) -> usize {
        let Some(date) = date(at) else { return 0 };
        let starts = (0..24).filter_map(|hour| LocalDateTime::new(date, hour * 60));
        starts.filter(|start| self.hours.is_open(*start)).count()
    }
}

fn millis(of: Duration) -> i64 {
    i64::try_from(of.as_millis()).unwrap_or(i64::MAX / 4)
}

/// What the clock on the wall shows in China.
pub fn local(at: UnixMillis) -> Option<LocalDateTime> {
    let at = LocalTime::from_unix_ms(at);
    let date = LocalDate::new(u16::try_from(at.year).ok()?, at.month, at.day)?;
    LocalDateTime::new(date, u16::from(at.hour) * 60 + u16::from(at.minute))
}

fn date(at: UnixMillis) -> Option<LocalDate> {
    local(at).map(LocalDateTime::date)
}

fn unix(at: LocalDateTime) -> UnixMillis {
    let (date, minute) = (at.date(), at.minute());
    let time = LocalTime {
        year: i32::from(date.year()),
        month: date.month(),
        day: date.day(),
        hour: (minute / 60) as u8,
        minute: (minute % 60) as u8,
    };
    time.to_unix_ms()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u8, hour: u8, minute: u8) -> UnixMillis {
        LocalTime { year: 2026, month: 9, day, hour, minute }.to_unix_ms()
    }

    fn rules() -> Rules {
        Rules {
            hours: Rules::default_hours(),
            attempts_max: 3,
            days_min: 2,
            spacing: Duration::from_secs(2 * 3_600),
        }
    }

    #[test]
    fn the_first_call_is_in_the_hours() {
        assert_eq!(rules().next(at(10, 10, 17), &[], None), Some(at(10, 10, 17)));
        assert_eq!(rules().next(at(10, 12, 30), &[], None), Some(at(10, 14, 0)));
        assert_eq!(rules().next(at(10, 21, 0), &[], None), Some(at(11, 9, 0)));
    }

    #[test]
    fn three_attempts_are_apart_at_different_hours_and_on_two_days() {
        let rules = rules();
        let first = at(10, 9, 30);
        let second = rules.next(first, &[first], None).expect("a time");
        assert_eq!(second, at(10, 11, 30));
        let third = rules.next(second, &[first, second], None).expect("a time");
        assert_eq!(third, at(11, 10, 0), "9 and 11 o'clock were tried");
    }

    #[test]
    fn a_wish_counts_more_than_spacing_but_not_than_the_hours() {
        let rules = rules();
        let now = at(10, 9, 0);
        assert_eq!(rules.next(now, &[now], Some(at(10, 9, 30))), Some(at(10, 9, 30)));
        assert_eq!(rules.next(now, &[now], Some(at(10, 12, 30))), Some(at(10, 14, 0)));
        assert_eq!(rules.next(now, &[now], Some(now)), Some(at(10, 9, 10)));
    }

    #[test]
    fn hours_that_never_open_have_no_time() {
        let never = OpeningHours::new(Default::default(), Default::default()).expect("hours");
        assert_eq!(Rules { hours: never, ..rules() }.next(at(10, 9, 0), &[], None), None);
    }

    #[test]
    fn one_hour_a_day_is_used_again() {
        let day = vec![Window { from: 600, to: 660 }];
        let hours = OpeningHours::new(std::array::from_fn(|_| day.clone()), Default::default());
        let rules = Rules { hours: hours.expect("hours"), ..rules() };
        let first = at(10, 10, 5);
        assert_eq!(rules.next(first, &[first], None), Some(at(11, 10, 0)));
    }
}
