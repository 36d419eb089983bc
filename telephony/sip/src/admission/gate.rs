//! The buckets of all sources and of the whole server.

use super::bucket::{Bucket, Rate};
use crate::recent::{Recent, source_of};
use qingting_common::Millis;
use std::net::IpAddr;

/// Sources whose buckets are remembered, at most; the one heard longest ago is forgotten first.
pub const SOURCES_MAX: usize = 16_384;

/// Refusals that one source is told in a second; beyond, it is told nothing.
pub const SILENCE_REJECTS_PER_S: u32 = 10;

/// Refusals that one source is told at once.
pub const SILENCE_REJECTS_BURST: u32 = 20;

/// What is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// New INVITEs of one source in a second, and at once.
    pub source_invites: (u32, u32),
    /// REGISTERs of one source in a second, and at once. An office that lost its power comes back
    /// as one source.
    pub source_registers: (u32, u32),
    /// Other requests outside dialogs of one source in a second, and at once, broken ones included.
    pub source_others: (u32, u32),
    /// New calls of all sources in a second, and at once.
    pub calls: (u32, u32),
    /// As many more for emergency numbers and authenticated users.
    pub reserved_calls: (u32, u32),
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            source_invites: (5, 20),
            source_registers: (20, 100),
            source_others: (20, 60),
            calls: (100, 200),
            reserved_calls: (20, 40),
        }
    }
}

/// What a message outside dialogs asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A call.
    Invite,
    /// A registration.
    Register,
    /// Anything else, or something broken.
    Other,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is heard.
    Pass,
    /// It is answered 503 without state.
    Reject,
    /// It is not answered.
    Silence,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Refused because their source sends too much.
    pub source_rejected: u64,
    /// Not answered, because their source was refused too often.
    pub silenced: u64,
    /// Calls refused because all sources together make too many.
    pub calls_rejected: u64,
    /// Calls that took a reserved place.
    pub reserved_used: u64,
    /// Sources remembered now.
    pub sources: usize,
}

/// **Equal messages at equal times are let in or not; memory is bounded whoever asks.**
pub struct Gate {
    limits: AdmissionLimits,
    sources: Recent<IpAddr, Source>,
    calls: Bucket,
    reserved: Bucket,
    counts: Counts,
}

struct Source {
    invites: Bucket,
    registers: Bucket,
    others: Bucket,
    rejects: Bucket,
}

const fn rate((per_s, burst): (u32, u32)) -> Rate {
    Rate { per_s, burst }
}

const REJECTS: Rate = Rate { per_s: SILENCE_REJECTS_PER_S, burst: SILENCE_REJECTS_BURST };

impl Gate {
    /// A gate whose buckets are full at time 0.
    pub fn new(limits: AdmissionLimits) -> Self {
        Self {
            calls: Bucket::full(Millis(0), rate(limits.calls)),
            reserved: Bucket::full(Millis(0), rate(limits.reserved_calls)),
            sources: Recent::new(SOURCES_MAX),
            limits,
            counts: Counts::default(),
        }
    }

    /// A message of a source that nobody vouches for.
    pub fn source(&mut self, now: Millis, source: IpAddr, asks: Asks) -> Verdict {
        let limits = self.limits;
        let full = |of| Bucket::full(now, rate(of));
        let source = self.sources.touch(&source_of(source), || Source {
            invites: full(limits.source_invites),
            registers: full(limits.source_registers),
            others: full(limits.source_others),
            rejects: Bucket::full(now, REJECTS),
        });
        let (bucket, of) = match asks {
            Asks::Invite => (&mut source.invites, limits.source_invites),
            Asks::Register => (&mut source.registers, limits.source_registers),
            Asks::Other => (&mut source.others, limits.source_others),
        };
        if bucket.take(now, rate(of)) {
            Verdict::Pass
        } else if source.rejects.take(now, REJECTS) {
            self.counts.source_rejected += 1;
            Verdict::Reject
        } else {
            self.counts.silenced += 1;
            Verdict::Silence
        }
    }

    /// A new call of whatever source. One that matters may take a reserved place.
    pub fn call(&mut self, now: Millis, matters: bool) -> bool {
        if self.calls.take(now, rate(self.limits.calls)) {
            return true;
        }
        if matters && self.reserved.take(now, rate(self.limits.reserved_calls)) {
            self.counts.reserved_used += 1;
            return true;
        }
        self.counts.calls_rejected += 1;
        false
    }

    /// Counters since the start.
    pub fn counts(&self) -> Counts {
        Counts { sources: self.sources.len(), ..self.counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    fn limits() -> AdmissionLimits {
        AdmissionLimits {
            source_invites: (1, 3),
            calls: (2, 4),
            reserved_calls: (1, 2),
            ..AdmissionLimits::default()
        }
    }

    #[test]
    fn a_source_is_let_in_then_refused_then_not_answered() {
        let mut gate = Gate::new(limits());
        let verdicts: Vec<_> =
            (0..30).map(|_| gate.source(Millis(0), ip(1), Asks::Invite)).collect();
        assert_eq!(verdicts[..3], [Verdict::Pass; 3]);
        assert_eq!(verdicts[3..23], [Verdict::Reject; 20]);
        assert_eq!(verdicts[23..], [Verdict::Silence; 7]);
        assert_eq!(gate.source(Millis(0), ip(1), Asks::Register), Verdict::Pass);
        assert_eq!(gate.source(Millis(0), ip(2), Asks::Invite), Verdict::Pass);
        assert_eq!(gate.source(Millis(1_000), ip(1), Asks::Invite), Verdict::Pass);
        assert_eq!(gate.source(Millis(1_000), ip(1), Asks::Invite), Verdict::Reject);
        let Counts { source_rejected, silenced, sources, .. } = gate.counts();
        assert_eq!((source_rejected, silenced, sources), (21, 7, 2));
    }

    #[test]
    fn a_call_that_matters_takes_a_reserved_place() {
        let mut gate = Gate::new(limits());
        let calls: Vec<_> = (0..6).map(|_| gate.call(Millis(0), false)).collect();
        assert_eq!(calls, [true, true, true, true, false, false]);
        let calls: Vec<_> = (0..3).map(|_| gate.call(Millis(0), true)).collect();
        assert_eq!(calls, [true, true, false]);
        assert_eq!((gate.counts().reserved_used, gate.counts().calls_rejected), (2, 3));
        assert!(gate.call(Millis(500), false) && !gate.call(Millis(500), false));
    }

    #[test]
    fn a_hundred_thousand_sources_take_no_more_room_than_the_cap() {
        let mut gate = Gate::new(limits());
        (0..100_000)
            .for_each(|n| assert_eq!(gate.source(Millis(0), ip(n), Asks::Other), Verdict::Pass));
        assert_eq!(gate.counts().sources, SOURCES_MAX);
    }
}
