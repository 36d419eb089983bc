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

/// Per cent of the new calls a second and of the calls at once that strangers may have together: whoever
/// invents addresses takes no more than this from trunks, peers, users and calls for help.
pub const STRANGERS_PERCENT_MAX: u32 = 50;

/// Calls of strangers at once, at most, that nobody has shown to be real yet, by an ACK or another request that
/// only who got our answer can send. An invented address never does, and holds its place while it rings and for 32 s after the answer.
pub const STRANGERS_UNPROVED_MAX: usize = 100;

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
    /// Of `calls`, how many a second and at once may be strangers'.
    pub strangers: (u32, u32),
    /// Of all calls that run, how many may be strangers'; half as many more for emergency numbers.
    pub strangers_running: usize,
    /// Of these, how many may be without a sign of life from the caller; half as many more likewise.
    pub strangers_unproved: usize,
}

impl AdmissionLimits {
    /// The usual limits, with so many new calls of all sources a second and so many that run at once.
    pub fn with(calls_per_s: u32, calls_max: usize) -> Self {
        let percent = u64::from(STRANGERS_PERCENT_MAX);
        // At least one, however few there are.
        let share = |of: u64| (of * percent).div_ceil(100);
        let per_s = u32::try_from(share(calls_per_s.into())).unwrap_or(u32::MAX);
        let running = share(u64::try_from(calls_max).unwrap_or(u64::MAX / 100));
        Self {
            calls: (calls_per_s, calls_per_s),
            strangers: (per_s, per_s),
            strangers_running: usize::try_from(running).unwrap_or(usize::MAX),
            ..Self::default()
        }
    }
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            source_invites: (5, 20),
            source_registers: (20, 100),
            source_others: (20, 60),
            calls: (100, 200),
            reserved_calls: (20, 40),
            strangers: (50, 100),
            strangers_running: 500,
            strangers_unproved: STRANGERS_UNPROVED_MAX,
        }
    }
}

/// Who asks for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A trunk, a peer that is vouched for, a user.
    Known,
    /// Anybody else.
    Stranger,
}

/// Calls of strangers that run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    /// All.
    pub running: usize,
    /// Those of whom nobody knows yet whether there is a caller.
    pub unproved: usize,
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
    /// Calls of trunks, peers and users refused because too many come in a second.
    pub calls_rejected: u64,
    /// Calls of strangers refused: they have taken their share of a second or of those that run, or nothing is left of the second.
    pub strangers_rejected: u64,
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
    strangers: Bucket,
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
            strangers: Bucket::full(Millis(0), rate(limits.strangers)),
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
    pub fn call(&mut self, now: Millis, caller: Caller, matters: bool) -> bool {
        let is_within_share =
            caller == Caller::Known || self.strangers.take(now, rate(self.limits.strangers));
        if is_within_share && self.calls.take(now, rate(self.limits.calls)) {
            return true;
        }
        if matters && self.reserved.take(now, rate(self.limits.reserved_calls)) {
            self.counts.reserved_used += 1;
            return true;
        }
        match caller {
            Caller::Known => self.counts.calls_rejected += 1,
            Caller::Stranger => self.counts.strangers_rejected += 1,
        }
        false
    }

    /// Whether one more call of a stranger may run beside those that do.
    pub fn has_room(&mut self, strangers: Strangers, is_emergency: bool) -> bool {
        let most = |of: usize| if is_emergency { of.saturating_add(of.div_ceil(2)) } else { of };
        let has_room = strangers.running < most(self.limits.strangers_running)
            && strangers.unproved < most(self.limits.strangers_unproved);
        self.counts.strangers_rejected += u64::from(!has_room);
        has_room
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
        let calls: Vec<_> = (0..6).map(|_| gate.call(Millis(0), Caller::Known, false)).collect();
        assert_eq!(calls, [true, true, true, true, false, false]);
        let calls: Vec<_> = (0..3).map(|_| gate.call(Millis(0), Caller::Known, true)).collect();
        assert_eq!(calls, [true, true, false]);
        assert_eq!((gate.counts().reserved_used, gate.counts().calls_rejected), (2, 3));
        let mut later = || gate.call(Millis(500), Caller::Known, false);
        assert!(later() && !later());
    }

    #[test]
    fn strangers_take_their_share_and_no_more() {
        let mut gate = Gate::new(AdmissionLimits { strangers: (1, 2), ..limits() });
        let mut ask = |caller, matters| gate.call(Millis(0), caller, matters);
        assert_eq!([(); 3].map(|()| ask(Caller::Stranger, false)), [true, true, false]);
        // What calls for help may have beyond is what is reserved for it, not the trunk's.
        assert_eq!([(); 3].map(|()| ask(Caller::Stranger, true)), [true, true, false]);
        assert_eq!([(); 3].map(|()| ask(Caller::Known, false)), [true, true, false]);

        let limits = AdmissionLimits::with(100, 9);
        assert_eq!((limits.strangers, limits.strangers_running), ((50, 50), 5));
        assert_eq!(AdmissionLimits::with(1, 1).strangers_running, 1);
        let mut gate = Gate::new(AdmissionLimits { strangers_unproved: 2, ..limits });
        let mut room = |running, unproved, is_emergency| {
            gate.has_room(Strangers { running, unproved }, is_emergency)
        };
        assert!(room(4, 1, false) && !room(5, 0, false) && !room(2, 2, false));
        assert!(room(7, 2, true) && !room(8, 0, true) && !room(3, 3, true));
        assert_eq!(gate.counts().strangers_rejected, 4);
    }

    #[test]
    fn a_hundred_thousand_sources_take_no_more_room_than_the_cap() {
        let mut gate = Gate::new(limits());
        (0..100_000)
            .for_each(|n| assert_eq!(gate.source(Millis(0), ip(n), Asks::Other), Verdict::Pass));
        assert_eq!(gate.counts().sources, SOURCES_MAX);
    }
}
