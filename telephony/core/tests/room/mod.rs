//! A call with several parties and its surroundings, in which time moves only when it is told to.
//! Whatever happens, [`Watch`] looks whether the rules are kept.

#![allow(dead_code, reason = "each test file uses its own part of the room")]

mod seen;
pub(crate) mod steps;
mod tell;
mod watch;

use qingting_common::{Millis, Pii};
use qingting_core::call::{
    By, Call, CallConfig, Command, CommandId, Input, LegId, Origin, Plan, PromptId, QueueEvent,
    QueueId, Role, SeatId, Target, Treatment,
};
use qingting_core::leg::LegEvent;
pub(crate) use watch::Watch;

pub(crate) const CITIZEN: LegId = LegId(0);
pub(crate) const SEAT: LegId = LegId(1);
pub(crate) const EXPERT: LegId = LegId(2);

/// A description of A-law with this direction.
pub(crate) fn sdp(direction: &str) -> String {
    format!(
        "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )
}

pub(crate) fn opened() -> LegEvent {
    LegEvent::MediaOpened { local: "192.0.2.1:30000".parse().expect("an address") }
}

pub(crate) fn answered() -> LegEvent {
    LegEvent::Answered { body: Some(sdp("sendrecv")) }
}

pub(crate) fn reinvite(direction: &str) -> LegEvent {
    LegEvent::Reinvite { offer: Some(sdp(direction)) }
}

pub(crate) fn ack() -> LegEvent {
    LegEvent::Ack { answer: None }
}

pub(crate) fn extension(name: &str) -> Target {
    Target::Extension(name.to_owned())
}

pub(crate) fn experts(names: &[&str]) -> Vec<Target> {
    names.iter().map(|name| extension(name)).collect()
}

pub(crate) fn number(digits: &str) -> Target {
    Target::Number(Pii::new(digits.to_owned()))
}

pub(crate) fn queue_plan() -> Origin {
    let treatment = Treatment::Queue { queue: QueueId(1) };
    Origin::Citizen(Plan { notice: false, greeting: None, treatment })
}

/// A call, the time, what plays to whom, and the rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Room {
    pub(crate) call: Call,
    pub(crate) now: Millis,
    pub(crate) watch: Watch,
}

impl Room {
    pub(crate) fn new(origin: Origin) -> Self {
        Self::with(CallConfig { ring: std::time::Duration::ZERO, ..CallConfig::default() }, origin)
    }

    pub(crate) fn with(config: CallConfig, origin: Origin) -> Self {
        Self { call: Call::new(config, origin), now: Millis(1_000), watch: Watch::default() }
    }

    /// A citizen who was answered.
    pub(crate) fn answered(origin: Origin) -> Self {
        let mut room = Self::new(origin);
        room.feed(Input::Invite { offer: Some(sdp("sendrecv")) });
        room.feed(Input::Persisted);
        room.on(CITIZEN, opened());
        room.on(CITIZEN, ack());
        room
    }

    /// A citizen who waits in queue 1.
    pub(crate) fn queued() -> Self {
        Self::answered(queue_plan())
    }

    /// Seat 7 is being rung for the citizen.
    pub(crate) fn offered() -> Self {
        let mut room = Self::queued();
        room.queue(QueueEvent::Offer { seat: SeatId(7) });
        room.on(SEAT, opened());
        room
    }

    /// The citizen and seat 7 talk.
    pub(crate) fn talking() -> Self {
        let mut room = Self::offered();
        room.on(SEAT, answered());
        room
    }

    /// Seat 7 asks an expert, whose telephone rings.
    pub(crate) fn consulting() -> Self {
        let mut room = Self::talking();
        room.order(Command::Consult { targets: experts(&["801", "802"]), role: Role::Expert });
        room.on(EXPERT, opened());
        room
    }

    /// Seat 7 talks to the expert, the citizen waits.
    pub(crate) fn consulted() -> Self {
        let mut room = Self::consulting();
        room.on(EXPERT, answered());
        room
    }

    /// All three talk.
    pub(crate) fn three() -> Self {
        let mut room = Self::consulted();
        room.order(Command::JoinConsulted);
        for leg in [CITIZEN, SEAT, EXPERT] {
            room.done(leg);
        }
        room
    }

    /// Feeds an input and tells what the call asks for, in one line.
    pub(crate) fn feed(&mut self, input: Input) -> String {
        let mut said = Vec::new();
        let was_over = self.call.is_over();
        self.watch.before(&input, was_over);
        self.call.handle_input(self.now, input.clone());
        while let Some(output) = self.call.poll_output() {
            self.watch.take(&output);
            said.extend(tell::tell(&output));
        }
        self.watch.after(&input);
        said.join(" | ")
    }

    pub(crate) fn on(&mut self, leg: LegId, event: LegEvent) -> String {
        self.feed(Input::Leg { leg, event })
    }

    pub(crate) fn queue(&mut self, event: QueueEvent) -> String {
        self.feed(Input::Queue(event))
    }

    /// The seat orders something at its console.
    pub(crate) fn order(&mut self, command: Command) -> String {
        self.order_by(By::Console, command)
    }

    pub(crate) fn order_by(&mut self, by: By, command: Command) -> String {
        self.feed(Input::Command { id: CommandId(1), by, command })
    }

    /// The prompt that plays to this leg ends.
    pub(crate) fn done(&mut self, leg: LegId) -> String {
        let seen = self.watch.seen(leg);
        let id = seen.and_then(|seen| seen.playing).unwrap_or(PromptId(0));
        self.feed(Input::PromptDone { leg, id })
    }

    /// Time goes on to the next deadline.
    pub(crate) fn wait(&mut self) -> String {
        self.now = self.call.next_deadline().expect("the call waits for a time");
        self.feed(Input::Timer)
    }

    /// The same; a timer comes at the next deadline.
    pub(crate) fn feed_at_its_time(&mut self, input: Input) -> String {
        if input == Input::Timer {
            self.now = self.call.next_deadline().unwrap_or(self.now);
        }
        self.feed(input)
    }

    /// Who hears whom: `0:12 1:0 2:0`.
    pub(crate) fn heard(&self) -> String {
        self.watch.heard()
    }

    /// Nothing but time passes, until the call is over.
    pub(crate) fn runs_out(&mut self) {
        for _ in 0..64 {
            if self.call.is_over() || self.call.next_deadline().is_none() {
                break;
            }
            self.wait();
        }
        assert!(self.call.is_over(), "the call never ends: {:?}", self.watch);
    }
}
