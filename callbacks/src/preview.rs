//! When the follow-ups of a campaign would be called, before anybody is.

use crate::pace::Caps;
use crate::schedule::Rules;
use qingting_common::UnixMillis;

/// How long a call takes, on the average, for the reckoning of a preview: 75 s.
const CALL_MS: i64 = 75_000;

/// When each of those that wait would be called, in their order, if everybody answered: `None` for whom
/// there is no time within a year.
pub fn plan(
    rules: &Rules,
    caps: &Caps,
    now: UnixMillis,
    not_before: impl IntoIterator<Item = UnixMillis>,
) -> Vec<Option<UnixMillis>> {
    let by_pace = (1_000.0 / caps.per_second_max.max(0.001)) as i64;
    let by_places = CALL_MS / i64::from(caps.concurrent_max.max(1));
    let apart = by_pace.max(by_places);
    let mut next = now;
    not_before
        .into_iter()
        .map(|soonest| {
            let at = rules.next(next.max(soonest), &[], None)?;
            // One that may only be called later holds nobody else up.
            if soonest <= next {
                next = UnixMillis(at.0 + apart);
            }
            Some(at)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qingting_nlu::LocalTime;
    use std::time::Duration;

    #[test]
    fn what_does_not_fit_today_is_called_tomorrow() {
        let rules = Rules {
            hours: Rules::default_hours(),
            attempts_max: 3,
            days_min: 2,
            spacing: Duration::from_secs(7_200),
        };
        let caps = Caps { concurrent_max: 1, per_second_max: 1.0, lines_reserved: 0 };
        let at =
            |day, hour, minute| LocalTime { year: 2026, month: 9, day, hour, minute }.to_unix_ms();
        let now = at(10, 19, 58);
        let planned = plan(&rules, &caps, now, [now; 3]);
        let planned: Vec<UnixMillis> = planned.into_iter().map(|at| at.expect("a time")).collect();
        assert_eq!(planned[0], now);
        assert_eq!(planned[1].0 - planned[0].0, 75_000);
        assert_eq!(planned[2], at(11, 9, 0));
    }
}
