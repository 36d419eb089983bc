//! The machine itself.

use super::estimate::Handling;
use super::line::{Line, Waiting};
use super::seat::Seat;
use super::{ConfigError, Enqueue, Input, Output, QueueConfig, QueueName, Refusal, SeatId};
use qingting_common::{CallId, Millis};
use std::collections::{BTreeMap, VecDeque};

/// **All queues and all seats: a call is with one seat, a seat has one offer, and nobody stays
/// where nothing will move it, whatever arrives in whatever order.**
///
/// Feed [`Queue::handle_input`], drain [`Queue::poll_output`], sleep to [`Queue::next_deadline`]
/// and feed [`Input::Timer`]. Equal inputs give equal outputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Queue {
    pub(super) config: QueueConfig,
    pub(super) line: Line,
    pub(super) seats: BTreeMap<SeatId, Seat>,
    pub(super) handling: BTreeMap<QueueName, Handling>,
    outputs: VecDeque<Output>,
    pub(super) offers: u64,
    /// The time of the newest input.
    pub(super) now: Millis,
}

impl Queue {
    /// Queues in which nobody waits, and no seats.
    pub fn new(config: QueueConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let assumed = Handling::assumed(config.handling_assumed);
        let handling = config.queues.keys().map(|name| (name.clone(), assumed)).collect();
        Ok(Self {
            config,
            line: Line::default(),
            seats: BTreeMap::new(),
            handling,
            outputs: VecDeque::new(),
            offers: 0,
            now: Millis(0),
        })
    }

    /// Offers are numbered behind this one: a report of an offer of another machine is none of this one's.
    pub(super) const fn number_offers_from(&mut self, number: u64) {
        self.offers = number;
    }

    /// The number of the last offer.
    pub(super) const fn offers_made(&self) -> u64 {
        self.offers
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether a call stands in the line.
    pub(super) fn has_waiting(&self, call: CallId) -> bool {
        self.line.contains(call)
    }

    /// Whether a seat's telephone can be reached.
    pub(super) fn is_registered(&self, seat: &SeatId) -> bool {
        self.seats.get(seat).is_some_and(|seat| seat.registered)
    }

    /// Takes one input. A time before that of an earlier input counts as that one's.
    pub fn handle_input(&mut self, now: Millis, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Enqueue(wants) => self.enqueue(wants),
            Input::Abandon { call } => self.abandon(call),
            Input::CallbackRequested { call } => self.list_for_callback(call),
            Input::Take { call, seat } => self.take(call, &seat),
            Input::OfferRinging(offer) => self.offer_rings(&offer),
            Input::OfferAccepted(offer) => self.accepted(offer),
            Input::OfferFailed { offer, why } => self.failed(&offer, why),
            Input::CallBegan { call, seat } => self.call_began(call, &seat),
            Input::CallEnded { call, seat } => self.call_ended(call, &seat),
            Input::SignIn { seat, skills } => self.sign_in(seat, skills),
            Input::SignOut { seat } => self.sign_out(&seat),
            Input::SetReady { seat } => self.set_ready(&seat),
            Input::SetBreak { seat, reason } => self.set_break(&seat, reason),
            Input::WrapUpDone { seat } => self.wrap_up_done(&seat),
            Input::Registered { seat } => self.registered(seat),
            Input::Unregistered { seat } => self.unregistered(&seat),
            Input::Timer => {}
        }
        // A report that comes at the very deadline counts; then time is up.
        self.expire();
        self.settle();
    }

    fn enqueue(&mut self, wants: Enqueue) {
        let call = wants.call;
        if self.line.contains(call) {
            return;
        }
        self.leave_seats(call);
        let Some(rules) = self.config.queues.get(&wants.queue) else {
            return self.emit(Output::Refused { call, why: Refusal::UnknownQueue });
        };
        let full = self.line.len() >= self.config.waiting_calls_max
            || self.line.len_of(&wants.queue) >= rules.waiting_calls_max;
        if full {
            return self.emit(Output::Refused { call, why: Refusal::Full });
        }
        self.line.insert(Waiting::new(self.now, wants, rules, &self.config));
    }

    fn abandon(&mut self, call: CallId) {
        self.leave_seats(call);
        self.leave(call);
    }

    fn list_for_callback(&mut self, call: CallId) {
        let Some(waiting) = self.leave(call) else { return };
        let waited = self.now - waiting.arrived;
        self.emit(Output::CallbackListed { call, queue: waiting.queue, waited });
    }

    /// Takes a call out of the line; a seat that rings for it is told.
    pub(super) fn leave(&mut self, call: CallId) -> Option<Waiting> {
        if let Some(seat) = self.withdraw(call) {
            self.put_back(&seat);
        }
        self.line.remove(call)
    }

    pub(super) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}
