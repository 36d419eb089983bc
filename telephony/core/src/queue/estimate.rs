//! How long a caller may have to wait.

use std::time::Duration;

/// A new handling time counts for one part in this many.
const WEIGHT: u64 = 8;

/// Moving average of the time from the answer of a call to the end of its wrap-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handling {
    average_ms: u64,
}

impl Handling {
    pub(super) fn assumed(time: Duration) -> Self {
        Self { average_ms: millis(time) }
    }

    pub(super) fn measured(&mut self, time: Duration) {
        self.average_ms = (self.average_ms * (WEIGHT - 1) + millis(time)) / WEIGHT;
    }

    pub(super) const fn average(self) -> Duration {
        Duration::from_millis(self.average_ms)
    }

    /// Wait of who stands at this position when so many seats work; `None` when nobody does.
    pub(super) fn wait(self, position: u32, seats: usize) -> Option<Duration> {
        let seats = u64::try_from(seats).ok().filter(|seats| *seats > 0)?;
        Some(Duration::from_millis(self.average_ms.saturating_mul(position.into()) / seats))
    }
}

/// At most a day, so that sums cannot overflow.
fn millis(time: Duration) -> u64 {
    time.min(Duration::from_secs(86_400)).as_millis().try_into().unwrap_or(u64::MAX / WEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_moves_an_eighth_of_the_way() {
        let mut handling = Handling::assumed(Duration::from_secs(80));
        handling.measured(Duration::from_secs(160));
        assert_eq!(handling.average(), Duration::from_secs(90));
        assert_eq!(handling.wait(3, 2), Some(Duration::from_secs(135)));
        assert_eq!(handling.wait(3, 0), None);
    }
}
