//! One trunk: registered or not, up or down.

use super::backoff::{self, wait};
use super::config::TrunkConfig;
use qingting_common::Millis;
use std::time::Duration;

/// How often a trunk is asked whether it lives.
pub const HEALTH_EVERY: Duration = Duration::from_secs(30);

/// Failures in a row that make a trunk count as down.
pub const FAILURES_DOWN: u32 = 2;

/// Life of a registration that we ask for when the configuration does not say, in seconds.
const EXPIRES_S_DEFAULT: u32 = 600;

/// Longest life that a server may demand by 423.
const EXPIRES_S_MAX: u32 = 86_400;

/// A request that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// OPTIONS.
    Health,
    /// REGISTER for so many seconds.
    Register {
        /// Its Expires.
        expires_s: u32,
    },
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The status code; `None` when nobody answered or it could not be sent.
    pub code: Option<u16>,
    /// How long we are registered, as the server says.
    pub expires_s: Option<u32>,
    /// Min-Expires of a 423.
    pub min_expires_s: Option<u32>,
}

/// How a trunk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkStatus {
    /// Its name.
    pub name: String,
    /// Whether calls are worth trying.
    pub up: bool,
    /// Whether we are registered; `None` when it does not want us to.
    pub registered: Option<bool>,
    /// The last status code to anything; `None` after no answer.
    pub last_code: Option<u16>,
    /// Failures in a row.
    pub failures: u32,
    /// How long it is since a probe was answered or given up; `None` before the first.
    pub since_answer: Option<Duration>,
}

/// **Up after one answer, down after two failures or a 503.** One probe of each kind is under way
/// at most.
#[derive(Debug)]
pub struct Trunk {
    config: TrunkConfig,
    up: bool,
    failures: u32,
    last_code: Option<u16>,
    answered_at: Option<Millis>,
    health_at: Option<Millis>,
    registers: bool,
    expires_s: u32,
    registered_until: Option<Millis>,
    register_at: Option<Millis>,
    register_failures: u32,
}

impl Trunk {
    /// A trunk of which nothing is known; both probes are due at once.
    pub fn new(config: TrunkConfig, now: Millis) -> Self {
        let account = config.account.as_ref().filter(|account| account.register);
        let (registers, wished) = (account.is_some(), account.and_then(|it| it.expires_s));
        Self {
            up: false,
            failures: 0,
            last_code: None,
            answered_at: None,
            health_at: Some(now),
            registers,
            expires_s: wished.unwrap_or(EXPIRES_S_DEFAULT).clamp(1, EXPIRES_S_MAX),
            registered_until: None,
            register_at: registers.then_some(now),
            register_failures: 0,
            config,
        }
    }

    /// The configuration.
    pub const fn config(&self) -> &TrunkConfig {
        &self.config
    }

    /// When to call [`Trunk::due`]; `None` while every probe is under way.
    pub fn deadline(&self) -> Option<Millis> {
        self.health_at.into_iter().chain(self.register_at).min()
    }

    /// The next probe that is due; answer it with [`Trunk::answered`].
    pub fn due(&mut self, now: Millis) -> Option<Probe> {
        if self.register_at.is_some_and(|at| at <= now) {
            self.register_at = None;
            return Some(Probe::Register { expires_s: self.expires_s });
        }
        if self.health_at.is_some_and(|at| at <= now) {
            self.health_at = None;
            return Some(Probe::Health);
        }
        None
    }

    /// What came of a probe; `random` spreads the retries.
    pub fn answered(&mut self, now: Millis, probe: Probe, outcome: Outcome, random: u32) {
        self.answered_at = Some(now);
        match probe {
            Probe::Health => {
                self.health_at = Some(now + HEALTH_EVERY);
                // Whoever refuses OPTIONS is there.
                self.note(outcome.code);
            }
            Probe::Register { expires_s } => {
                self.register_answered(now, expires_s, outcome, random)
            }
        }
    }

    /// A call by this trunk failed with this code; `None` when it could not be sent.
    pub fn call_failed(&mut self, now: Millis, code: Option<u16>) {
        self.note(code);
        // Whether it still lives is asked soon, unless that is under way already.
        self.health_at = self.health_at.map(|at| at.min(now + Duration::from_secs(5)));
    }

    fn note(&mut self, code: Option<u16>) {
        self.last_code = code;
        match code {
            Some(503) => {
                self.failures = self.failures.saturating_add(1).max(FAILURES_DOWN);
                self.up = false;
            }
            None | Some(408) => {
                self.failures = self.failures.saturating_add(1);
                self.up &= self.failures < FAILURES_DOWN;
            }
            Some(_) => (self.failures, self.up) = (0, true),
        }
    }

    fn register_answered(&mut self, now: Millis, asked_s: u32, outcome: Outcome, random: u32) {
        self.last_code = outcome.code;
        let granted_s = outcome.expires_s.unwrap_or(asked_s).min(EXPIRES_S_MAX);
        match outcome.code {
            Some(200..300) if granted_s > 0 => {
                self.register_failures = 0;
                let granted = Duration::from_secs(granted_s.into());
                self.registered_until = Some(now + granted);
                self.register_at = Some(now + granted * 4 / 5);
            }
            Some(423) if outcome.min_expires_s.is_some_and(|least| least > asked_s) => {
                let least = outcome.min_expires_s.unwrap_or(asked_s);
                self.expires_s = least.min(EXPIRES_S_MAX);
                // At most twice as often as it can grow: a server that only demands more waits.
                self.register_failures += 1;
                let again = if self.register_failures == 1 {
                    Duration::ZERO
                } else {
                    wait(self.register_failures, random)
                };
                self.register_at = Some(now + again);
            }
            // Asking again with the same password would lock the account out.
            Some(401 | 403 | 407) => {
                self.register_failures = self.register_failures.saturating_add(1);
                self.registered_until = None;
                self.register_at = Some(now + backoff::LONGEST);
            }
            _ => {
                self.register_failures = self.register_failures.saturating_add(1);
                self.register_at = Some(now + wait(self.register_failures, random));
            }
        }
    }

    /// Whether calls are worth trying.
    pub fn is_up(&self, now: Millis) -> bool {
        self.up && (!self.registers || self.is_registered(now))
    }

    fn is_registered(&self, now: Millis) -> bool {
        self.registered_until.is_some_and(|until| now < until)
    }

    /// How it is now.
    pub fn status(&self, now: Millis) -> TrunkStatus {
        TrunkStatus {
            name: self.config.name.clone(),
            up: self.is_up(now),
            registered: self.registers.then(|| self.is_registered(now)),
            last_code: self.last_code,
            failures: self.failures,
            since_answer: self.answered_at.map(|at| now - at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Account;
    use super::*;
    use crate::auth::Credentials;
    use crate::message::NameAddr;
    use crate::transport::Transport;
    use qingting_common::Pii;

    const T: Millis = Millis(1_000_000);

    fn trunk(register: bool) -> Trunk {
        let password = Pii::new("p".to_owned());
        let credentials = Credentials { user: "u".to_owned(), password };
        let config = TrunkConfig {
            name: "a".to_owned(),
            peer: "sip:sbc.example".parse().unwrap(),
            transport: Transport::Udp,
            priority: 1,
            identity: NameAddr::parse("<sip:12345@sbc.example>").unwrap(),
            account: Some(Account { credentials, register, expires_s: Some(100) }),
        };
        Trunk::new(config, T)
    }

    fn code(code: u16) -> Outcome {
        Outcome { code: Some(code), ..Outcome::default() }
    }

    const LOST: Outcome = Outcome { code: None, expires_s: None, min_expires_s: None };

    fn register(expires_s: u32) -> Option<Probe> {
        Some(Probe::Register { expires_s })
    }

    #[test]
    fn one_answer_is_up_and_two_failures_or_a_503_are_down() {
        let mut trunk = trunk(false);
        let mut now = T;
        let mut probe = |outcome| {
            now = trunk.deadline().unwrap();
            assert_eq!(trunk.due(now), Some(Probe::Health));
            assert_eq!((trunk.due(now), trunk.deadline()), (None, None), "one at a time");
            trunk.answered(now, Probe::Health, outcome, 0);
            trunk.is_up(now)
        };
        assert!(!probe(LOST) && probe(code(200)) && probe(LOST) && !probe(code(408)));
        assert!(!probe(LOST) && probe(code(404)) && !probe(code(503)) && probe(code(501)));
        assert!(probe(LOST) && probe(code(200)) && probe(LOST), "not in a row");
        assert_eq!(now - T, HEALTH_EVERY * 10);
    }

    #[test]
    fn a_registration_is_refreshed_at_four_fifths_and_needed_to_be_up() {
        let mut trunk = trunk(true);
        assert_eq!(trunk.due(T), register(100));
        trunk.answered(
            T,
            Probe::Register { expires_s: 100 },
            Outcome { expires_s: Some(50), ..code(200) },
            0,
        );
        assert_eq!(trunk.due(T), Some(Probe::Health));
        assert!(!trunk.is_up(T));
        trunk.answered(T, Probe::Health, code(200), 0);
        assert!(trunk.is_up(T));
        let at = T + Duration::from_secs(40);
        trunk.health_at = None;
        assert_eq!(trunk.deadline(), Some(at));
        assert_eq!(trunk.due(at), register(100));
        trunk.answered(at, Probe::Register { expires_s: 100 }, LOST, 512);
        assert!(trunk.is_up(T + Duration::from_millis(49_999)), "until it ends");
        assert!(!trunk.is_up(T + Duration::from_secs(50)));
        assert_eq!(trunk.status(T + Duration::from_secs(50)).registered, Some(false));
        assert_eq!(trunk.deadline(), Some(at + Duration::from_secs(5)));
    }

    #[test]
    fn a_longer_life_is_asked_for_when_demanded_and_a_wrong_password_is_not_repeated() {
        let mut trunk = trunk(true);
        let brief = Outcome { min_expires_s: Some(3_600), ..code(423) };
        assert_eq!(trunk.due(T), register(100));
        trunk.answered(T, Probe::Register { expires_s: 100 }, brief, 0);
        assert_eq!(trunk.due(T), register(3_600));
        trunk.answered(T, Probe::Register { expires_s: 3_600 }, brief, 512);
        trunk.health_at = None;
        assert_eq!(trunk.deadline(), Some(T + Duration::from_secs(10)), "it lies: a failure");
        assert_eq!(trunk.due(T + Duration::from_secs(10)), register(3_600));
        trunk.answered(T, Probe::Register { expires_s: 3_600 }, code(401), 0);
        assert_eq!(trunk.deadline(), Some(T + backoff::LONGEST));
    }

    #[test]
    fn calls_tell_about_a_trunk_too() {
        let mut trunk = trunk(false);
        assert_eq!(trunk.due(T), Some(Probe::Health));
        trunk.answered(T, Probe::Health, code(200), 0);
        trunk.call_failed(T, Some(486));
        assert!(trunk.is_up(T));
        trunk.call_failed(T, Some(503));
        assert!(!trunk.is_up(T));
        assert_eq!(trunk.deadline(), Some(T + Duration::from_secs(5)));
    }
}
