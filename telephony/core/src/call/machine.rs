//! The machine itself: what it knows, and which part of it takes which input.

use super::consult::{Consult, Joining};
use super::dialling::Errand;
use super::party::Party;
use super::queueing::Queueing;
use super::sound::Sound;
use super::{CallConfig, Cause, Hangup, Input, LEGS_MAX, LegId, Origin, Output};
use crate::leg::{Context, Leg, LegEvent, Report};
use qingting_common::Millis;
use std::collections::VecDeque;

/// **One call with all its parties: exactly one final response to every INVITE, a stored ticket
/// draft before any answer, a citizen who is never left alone, and an end that leaves nothing open,
/// whatever arrives in whatever order.**
///
/// Feed [`Call::handle_input`], drain [`Call::poll_output`], sleep to [`Call::next_deadline`] and
/// feed [`Input::Timer`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub(super) config: CallConfig,
    pub(super) origin: Origin,
    pub(super) stage: Stage,
    pub(super) outputs: VecDeque<Output>,
    pub(super) parties: [Option<Box<Party>>; LEGS_MAX],
    /// When each slot was left, by count, so that the one that rested longest is used next.
    pub(super) rested: [u32; LEGS_MAX],
    pub(super) legs_begun: u32,
    /// The party on whose account the call is: the citizen, or whom a seat called.
    pub(super) customer: Option<LegId>,
    pub(super) queueing: Queueing,
    pub(super) errand: Option<Errand>,
    pub(super) consult: Option<Consult>,
    pub(super) joining: Option<Joining>,
    pub(super) sound: Sound,
    /// The customer is on hold by command.
    pub(super) hold: bool,
    pub(super) recording_paused: bool,
    /// Who spoke for our side then: the pause ends with its part in the call.
    pub(super) paused_for: Option<LegId>,
    /// The citizen asked for a person and has not talked to one.
    pub(super) wants_person: bool,
    pub(super) prompts: u32,
    /// When the call has lasted long enough; set at the answer.
    pub(super) call_until: Option<Millis>,
}

/// Where the call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Idle,
    /// Storing the call and opening media, both at once.
    Setup {
        stored: bool,
        until: Millis,
    },
    /// Everything is ready; the citizen hears ringing.
    Ringing {
        until: Millis,
    },
    /// Answered, until the ACK.
    Answering,
    /// Notice and greeting.
    Intro,
    /// The citizen talks to the machine. `until` is when its silence has lasted; not while it has
    /// us on hold.
    Machine {
        asked: bool,
        until: Option<Millis>,
    },
    /// The driver's menu has the word.
    Menu {
        until: Millis,
    },
    /// The citizen waits in a queue.
    Queued,
    /// People talk, or are dialled for somebody who waits.
    Talking,
    /// Saying goodbye to the citizen; the cause is decided.
    Ending {
        cause: Cause,
    },
    /// Everybody is on the way out. `stored` when the end of the call is.
    Closing {
        cause: Cause,
        stored: bool,
    },
    Ended,
}

impl Call {
    /// A call that has not begun.
    pub fn new(config: CallConfig, origin: Origin) -> Self {
        Self {
            config,
            origin,
            stage: Stage::Idle,
            outputs: VecDeque::new(),
            parties: Default::default(),
            rested: [0; LEGS_MAX],
            legs_begun: 0,
            customer: None,
            queueing: Queueing::default(),
            errand: None,
            consult: None,
            joining: None,
            sound: Sound::default(),
            hold: false,
            recording_paused: false,
            paused_for: None,
            wants_person: false,
            prompts: 0,
            call_until: None,
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to feed [`Input::Timer`]; `None` when nothing is waited for.
    pub fn next_deadline(&self) -> Option<Millis> {
        let stage = match self.stage {
            Stage::Idle | Stage::Ended => return None,
            Stage::Setup { until, .. } | Stage::Ringing { until } | Stage::Menu { until } => {
                Some(until)
            }
            Stage::Machine { until, .. } => until,
            Stage::Queued => self.queueing.next_deadline(),
            Stage::Answering
            | Stage::Intro
            | Stage::Talking
            | Stage::Ending { .. }
            | Stage::Closing { .. } => None,
        };
        let parties = self.parties().filter_map(Party::next_deadline);
        let call = self.call_until.filter(|_| self.is_live());
        stage.into_iter().chain(parties).chain(call).min()
    }

    /// Whether the call is over and all that is left is in [`Call::poll_output`].
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// A leg for [`Input::SecondLine`] or [`Input::Replace`]; `None` when all are taken, and then
    /// the driver answers 486.
    pub fn free_leg(&self) -> Option<LegId> {
        (0..LEGS_MAX)
            .filter(|slot| self.parties[*slot].is_none())
            .min_by_key(|slot| self.rested[*slot])
            .and_then(|slot| u8::try_from(slot).ok())
            .map(LegId)
    }

    /// Takes one input. Inputs must be fed in the order of their times.
    pub fn handle_input(&mut self, now: Millis, input: Input) {
        // Late reports of what was already closed; the driver answers requests with 481.
        if self.is_over() {
            return;
        }
        match input {
            Input::Invite { offer } => self.invited(now, offer.as_deref()),
            Input::Start => self.start(now),
            Input::Persisted => self.persisted(now),
            Input::PersistFailed => self.persist_failed(),
            Input::Leg { leg, event } => self.leg_event(now, leg, event),
            Input::PromptDone { leg, id } => self.prompt_done(now, leg, id),
            Input::Dtmf { leg, digit } => self.key(now, leg, digit),
            Input::SpeechHeard { leg } => self.heard(now, leg),
            Input::Menu(treatment) => self.menu_done(now, treatment),
            Input::Queue(event) => self.queue_event(now, event),
            Input::SecondLine { leg, first, targets, offer } => {
                self.second_line(now, leg, first, targets, offer.as_deref());
            }
            Input::Replace { leg, replaces, offer } => {
                self.replace(now, leg, replaces, offer.as_deref());
            }
            Input::Command { id, by, command } => {
                let result = self.obey(now, by, command);
                self.emit(Output::CommandResult { id, result });
            }
            Input::Hangup(by) => self.hang_up(by),
            Input::Timer => self.due(now),
        }
        self.settle(now);
    }

    fn leg_event(&mut self, now: Millis, leg: LegId, event: LegEvent) {
        let is_ending = matches!(self.stage, Stage::Ending { .. });
        let report = self.with_leg(now, leg, |leg, cx| match event {
            LegEvent::Reinvite { .. } if is_ending && leg.is_up() => {
                leg.refuse_offer(cx, false);
                None
            }
            LegEvent::Update { .. } if is_ending && leg.is_up() => {
                leg.refuse_offer(cx, true);
                None
            }
            event => leg.handle(cx, event),
        });
        if let Some(report) = report.flatten() {
            self.reported(now, leg, report);
        }
    }

    fn reported(&mut self, now: Millis, leg: LegId, report: Report) {
        match report {
            Report::Ready => self.leg_ready(now, leg),
            Report::Ringing => self.leg_rings(now, leg, false),
            Report::EarlyMedia => self.leg_rings(now, leg, true),
            Report::Up => self.leg_up(now, leg),
            Report::PeerHolds(holds) => self.peer_holds(now, leg, holds),
            Report::Over(end) => self.leg_over(now, leg, end),
            Report::Settled => self.free(leg),
            Report::Refer(target, replaces) => self.refer(now, leg, target, replaces),
            Report::ReferEnded => self.refer_ended(leg),
        }
    }

    fn due(&mut self, now: Millis) {
        if self.is_live() && self.call_until.is_some_and(|until| now >= until) {
            return self.goodbye(now, Cause::TooLong, super::Prompt::Farewell);
        }
        match self.stage {
            Stage::Setup { stored, until } if now >= until => {
                let cause = if stored { Cause::MediaUnavailable } else { Cause::StoreUnavailable };
                return self.conclude(cause, None);
            }
            Stage::Ringing { until } if now >= until => return self.answer_citizen(now),
            Stage::Machine { asked, until: Some(until) } if now >= until => {
                return self.silent(now, asked);
            }
            Stage::Menu { until } if now >= until => {
                return self.goodbye(now, Cause::CallerSilent, super::Prompt::Farewell);
            }
            Stage::Queued => self.queue_due(now),
            _ => {}
        }
        for leg in self.leg_ids() {
            self.prompt_due(now, leg);
            let report = self.with_leg(now, leg, Leg::due).flatten();
            if let Some(report) = report {
                self.reported(now, leg, report);
            }
        }
    }

    fn hang_up(&mut self, by: Hangup) {
        match self.stage {
            Stage::Idle | Stage::Closing { .. } | Stage::Ended => {}
            Stage::Ending { cause } => self.conclude(cause, None),
            _ => self.conclude(cause_of(by), None),
        }
    }

    /// Answered, and not on the way out.
    pub(super) const fn is_live(&self) -> bool {
        match self.stage {
            Stage::Intro
            | Stage::Machine { .. }
            | Stage::Menu { .. }
            | Stage::Queued
            | Stage::Talking => true,
            Stage::Idle
            | Stage::Setup { .. }
            | Stage::Ringing { .. }
            | Stage::Answering
            | Stage::Ending { .. }
            | Stage::Closing { .. }
            | Stage::Ended => false,
        }
    }

    pub(super) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Lets a leg act on the call's behalf.
    pub(super) fn with_leg<R>(
        &mut self,
        now: Millis,
        leg: LegId,
        act: impl FnOnce(&mut Leg, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let party = self.parties.get_mut(leg.slot())?.as_mut()?;
        let mut cx = Context { now, config: &self.config, outputs: &mut self.outputs };
        Some(act(&mut party.leg, &mut cx))
    }
}

const fn cause_of(by: Hangup) -> Cause {
    match by {
        Hangup::Operator => Cause::OperatorHungUp,
        Hangup::Drain => Cause::Draining,
    }
}
