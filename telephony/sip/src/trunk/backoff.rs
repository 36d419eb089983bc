//! Waits that double, and differ.

use std::time::Duration;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_secs(5);

/// The longest wait.
pub(super) const LONGEST: Duration = Duration::from_secs(300);

/// The wait after so many failures in a row: doubled each time, and between three quarters and
/// five quarters of that, lest all who lost one server come back at once.
pub(super) fn wait(failures: u32, random: u32) -> Duration {
    let doubled = FIRST * 2u32.pow(failures.saturating_sub(1).min(8));
    let base = doubled.min(LONGEST);
    base * 3 / 4 + base * (random % 1_024) / 2_048
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_differ() {
        let middle: Vec<u64> = (1..9).map(|n| wait(n, 512).as_millis() as u64).collect();
        assert_eq!(middle[..3], [5_000, 10_000, 20_000]);
        assert_eq!(middle[6..], [300_000, 300_000]);
        assert_eq!(wait(1, 0).as_millis(), 3_750);
        assert!((6_240..6_250).contains(&wait(1, 1_023).as_millis()));
        assert_eq!(wait(u32::MAX, 0), LONGEST * 3 / 4);
    }
}
