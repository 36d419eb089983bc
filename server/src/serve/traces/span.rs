//! One piece of work in a call, as it is told. Pure: no clock, no randomness, no socket.
//!
//! **No span can hold who a citizen is or what anybody said**: names, keys and words are the program's own
//! (`&'static str`), and what else an attribute may be is a number or a name out of the configuration ([`Value`]).

use qingting_common::{CallId, UnixMillis};
use std::sync::Arc;

/// Moments noted in one span; what is beyond them is counted.
pub const EVENTS_MAX: usize = 64;
/// The last bits of a call's id that chance made: before them is a counter of calls in one millisecond.
const RANDOM_BITS: u32 = 32;
const NANOS_PER_MS: u64 = 1_000_000;

/// Wall-clock time: nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Whole milliseconds from an earlier moment; 0 where the clock was set back.
    pub fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / NANOS_PER_MS
    }
}

impl From<UnixMillis> for Moment {
    fn from(at: UnixMillis) -> Self {
        Self(u64::try_from(at.0).unwrap_or_default().saturating_mul(NANOS_PER_MS))
    }
}

/// What an attribute may say.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A word of this program.
    Word(&'static str),
    Count(i64),
    Ratio(f64),
    Flag(bool),
    /// A name that the configuration gives: a queue's, a recogniser's.
    Configured(Arc<str>),
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<u16> for Value {
    fn from(count: u16) -> Self {
        Self::Count(count.into())
    }
}

/// To four places: what is measured is no more exact, and further digits may look like somebody's number.
impl From<f64> for Value {
    fn from(ratio: f64) -> Self {
        Self::Ratio((ratio * 1e4).round() / 1e4)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// What happened within a span, as far as there was room.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    pub noted: Vec<(&'static str, Moment)>,
    pub dropped: u32,
}

impl Events {
    pub fn note(&mut self, what: &'static str, at: Moment) {
        if self.noted.len() < EVENTS_MAX {
            self.noted.push((what, at));
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// When it happened first.
    pub fn first(&self, what: &str) -> Option<Moment> {
        self.noted.iter().find(|(name, _)| *name == what).map(|(_, at)| *at)
    }
}

/// What a span is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// It is the call itself.
    Nothing,
    Call,
    Span(u64),
}

/// A finished piece of work. Its name begins with its part: `signalling.`, `media.` …
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub name: &'static str,
    /// None until it is told: nobody refers to it.
    pub id: Option<u64>,
    pub parent: Parent,
    pub from: Moment,
    pub to: Moment,
    pub attributes: Vec<(&'static str, Value)>,
    pub events: Events,
    /// Why it came to nothing.
    pub failure: Option<&'static str>,
}

impl Span {
    /// One of the call's own parts.
    pub fn new(name: &'static str, from: Moment, to: Moment) -> Self {
        let (attributes, events) = (Vec::new(), Events::default());
        Self { name, id: None, parent: Parent::Call, from, to, attributes, events, failure: None }
    }

    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push((key, value.into()));
        self
    }

    /// The same where the value is known.
    #[must_use]
    pub fn with_some(self, key: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    #[must_use]
    pub fn failed(self, failure: Option<&'static str>) -> Self {
        Self { failure, ..self }
    }

    /// The same as a part of its call's time, with all that happened in it: clocks are set, audio has one of its
    /// own, and some moments are known to the millisecond alone.
    #[must_use]
    pub fn within(mut self, call: CallId) -> Self {
        self.from = self.from.max(began(call).unwrap_or_default());
        let last = self.events.noted.iter().map(|(_, at)| *at).max().unwrap_or_default();
        self.to = self.to.max(self.from).max(last);
        self
    }
}

/// When a call began, which its id tells (RFC 9562 §5.7).
pub fn began(call: CallId) -> Option<Moment> {
    let is_of_time = call.0.get_version_num() == 7;
    is_of_time.then(|| Moment((call.0.as_u128() >> 80) as u64 * NANOS_PER_MS))
}

/// The id of a call's own span: the second half of the call's. Its variant bits keep it from being 0.
pub fn root(call: CallId) -> u64 {
    call.0.as_u128() as u64
}

/// Whether a call is among the `percent` of all that are traced. The call's id decides, so that all
/// servers agree.
pub fn is_sampled(call: CallId, percent: u8) -> bool {
    let random = root(call) & ((1 << RANDOM_BITS) - 1);
    (random * 100) >> RANDOM_BITS < percent.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn call() -> CallId {
        CallId::new(Uuid::parse_str("0192f0c1-2b3c-7d4e-8f50-123456789abc").unwrap())
    }

    #[test]
    fn a_calls_id_tells_its_beginning_and_its_own_span() {
        assert_eq!(began(call()), Some(Moment(0x0192_f0c1_2b3c * NANOS_PER_MS)));
        assert_eq!(root(call()), 0x8f50_1234_5678_9abc);
        assert_eq!(began(CallId::new(Uuid::from_u128(7))), None, "it is none of ours");
    }

    #[test]
    fn a_span_is_never_before_its_call_nor_over_before_it_began() {
        let begin = began(call()).unwrap();
        let early = Span::new("media.leg", Moment(5), Moment(3)).within(call());
        assert_eq!((early.from, early.to), (begin, begin));
        let (from, to) = (Moment(begin.0 + 9), Moment(begin.0 + 12));
        let good = Span::new("media.leg", from, to).within(call());
        assert_eq!((good.from, good.to), (from, to));
        let mut longer = Span::new("signalling.leg", from, to);
        longer.events.note("bye", Moment(to.0 + 1));
        assert_eq!(longer.within(call()).to, Moment(to.0 + 1));
    }

    #[test]
    fn a_share_of_the_calls_is_sampled_and_more_percent_only_add_to_it() {
        let calls: Vec<CallId> = (0..10_000).map(|_| CallId::new(Uuid::now_v7())).collect();
        let sampled = |percent| calls.iter().filter(move |call| is_sampled(**call, percent));
        assert_eq!(sampled(100).count(), calls.len());
        assert_eq!(sampled(0).count(), 0);
        // Six standard deviations around a quarter.
        let quarter = sampled(25).count();
        assert!((2_240..=2_760).contains(&quarter), "{quarter}");
        assert!(sampled(25).all(|call| is_sampled(*call, 26)));
    }

    #[test]
    fn events_are_bounded_and_what_is_left_out_is_counted() {
        let mut events = Events::default();
        (0..EVENTS_MAX as u64 + 3).for_each(|at| events.note("reinvite", Moment(at)));
        assert_eq!((events.noted.len(), events.dropped), (EVENTS_MAX, 3));
        assert_eq!((events.first("reinvite"), events.first("refer")), (Some(Moment(0)), None));
    }

    #[test]
    fn milliseconds_between_moments_are_none_when_the_clock_was_set_back() {
        let (early, late) = (Moment::from(UnixMillis(1_000)), Moment::from(UnixMillis(1_250)));
        assert_eq!((late.ms_since(early), early.ms_since(late)), (250, 0));
        assert_eq!(Moment::from(UnixMillis(-1)), Moment(0));
    }
}
