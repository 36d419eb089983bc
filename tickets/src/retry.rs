//! When what failed is tried again: each event by itself, and the ticket system as a whole.

use crate::answer::Scope;
use qingting_common::UnixMillis;
use std::time::Duration;

/// Longest wait that a receiver's `Retry-After` is believed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Exponential back-off with jitter, and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The wait after the first failure; it doubles with each further one.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Failures after which an event is a person's business.
    pub tries_max: u32,
    /// The same in time since its first failure.
    pub give_up_after: Duration,
}

impl Retry {
    /// How long to wait after so many failures. `jitter`, 0 to 1, chooses between half the wait and all
    /// of it, so that many who failed at one moment do not come back at one. Never shorter than what the
    /// receiver asked for, up to [`RETRY_AFTER_MAX`].
    pub fn wait(&self, failures: u32, jitter: f64, asked: Option<Duration>) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        let whole = self.first.saturating_mul(doubled).min(self.max);
        let own = whole.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        own.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
    }

    /// Whether a person must look after so many failures in that time.
    pub fn gives_up(&self, failures: u32, failing_for: Duration) -> bool {
        failures >= self.tries_max || failing_for >= self.give_up_after
    }
}

/// Whether it is worth to send at all: a ticket system that is away is asked by one event at a time, less
/// and less often, and not by each of thousands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    failures: u32,
    shut_until: UnixMillis,
}

/// How many may be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// None, until then.
    Shut(UnixMillis),
    /// One, to see whether it is back.
    Probe,
    /// As many as otherwise allowed.
    Open,
}

impl Circuit {
    /// How many may be sent now.
    pub fn width(&self, now: UnixMillis) -> Width {
        match self.failures {
            0 => Width::Open,
            _ if now < self.shut_until => Width::Shut(self.shut_until),
            _ => Width::Probe,
        }
    }

    /// Whether the last that was heard is that it is away.
    pub fn is_down(&self) -> bool {
        self.failures > 0
    }

    /// Notes an answer that concerns an event alone, or a good one; true when it was away before.
    pub fn answered(&mut self) -> bool {
        std::mem::take(self).is_down()
    }

    /// Notes a failure of [`Scope::System`]; true when it is the first. What was under way when it went
    /// away fails together and counts once.
    pub fn failed(
        &mut self,
        retry: &Retry,
        jitter: f64,
        asked: Option<Duration>,
        now: UnixMillis,
    ) -> bool {
        let is_first = !self.is_down();
        if now >= self.shut_until {
            self.failures = self.failures.saturating_add(1);
            let wait = retry.wait(self.failures, jitter, asked);
            self.shut_until = after(now, wait);
        }
        is_first
    }

    /// Notes a failure by its scope; true when the system went away or came back by it.
    pub fn note(
        &mut self,
        scope: Scope,
        retry: &Retry,
        jitter: f64,
        asked: Option<Duration>,
        now: UnixMillis,
    ) -> bool {
        match scope {
            Scope::Event => self.answered(),
            Scope::System => self.failed(retry, jitter, asked, now),
        }
    }
}

/// That much later.
pub fn after(now: UnixMillis, wait: Duration) -> UnixMillis {
    UnixMillis(now.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        first: Duration::from_secs(2),
        max: Duration::from_secs(600),
        tries_max: 20,
        give_up_after: Duration::from_secs(86_400),
    };

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let whole = |failures| RETRY.wait(failures, 1.0, None).as_secs();
        let waits: Vec<u64> = (1..=11).map(whole).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(RETRY.wait(u32::MAX, 0.0, None), Duration::from_secs(300));
        assert_eq!(RETRY.wait(2, 0.5, None), Duration::from_secs(3));
    }

    #[test]
    fn a_receiver_is_not_asked_before_it_wants_to_be_nor_put_off_for_ever() {
        let asked = |seconds| RETRY.wait(1, 1.0, Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!([asked(1), asked(90), asked(1_000_000)], [2, 90, 3_600]);
    }

    #[test]
    fn an_event_is_given_up_by_tries_or_by_time() {
        let day = Duration::from_secs(86_400);
        assert!(!RETRY.gives_up(19, Duration::ZERO) && RETRY.gives_up(20, Duration::ZERO));
        assert!(!RETRY.gives_up(1, day - Duration::from_millis(1)) && RETRY.gives_up(1, day));
    }

    #[test]
    fn a_system_that_is_away_is_asked_by_one_event_at_a_time_less_and_less_often() {
        let mut circuit = Circuit::default();
        let at = |ms| UnixMillis(ms);
        assert_eq!(circuit.width(at(0)), Width::Open);
        assert!(circuit.failed(&RETRY, 1.0, None, at(1_000)));
        // Three more were under way.
        for _ in 0..3 {
            assert!(!circuit.failed(&RETRY, 1.0, None, at(1_200)));
        }
        assert_eq!(circuit.width(at(2_999)), Width::Shut(at(3_000)));
        assert_eq!(circuit.width(at(3_000)), Width::Probe);
        assert!(!circuit.failed(&RETRY, 1.0, None, at(3_000)));
        assert_eq!(circuit.width(at(6_999)), Width::Shut(at(7_000)));
        assert!(circuit.note(Scope::Event, &RETRY, 1.0, None, at(7_000)), "it is back");
        assert_eq!((circuit.width(at(7_000)), circuit.answered()), (Width::Open, false));
    }
}
