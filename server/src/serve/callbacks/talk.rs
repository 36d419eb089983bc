//! One callback on the telephone: who or what has answered, then the dialogue.

use super::Errand;
use crate::clock;
use crate::serve::call::Spoken;
use qingting_callbacks::attempt::Outcome;
use qingting_callbacks::detector::{
    self, Announcement, Detector, MachineKind, NetworkTone, Settings, Tones, Verdict,
};
use qingting_callbacks::dialogue::{Answered, Dialogue, Ending, Input, Output, PlayId, Words};
use qingting_common::{Millis, UnixMillis};
use qingting_core::call::Cause;
use qingting_media::Frame;
use qingting_nlu::LocalTime;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Samples of a millisecond.
const SAMPLES_PER_MS: u64 = 8;
/// A detector may change its mind for so long; afterwards nobody listens for machines.
const LISTENS_FOR: Duration = Duration::from_secs(13);

/// What is to be done next.
pub enum Step {
    /// Tell the recogniser what may be said from here on; empty: anything.
    Expect(&'static str),
    /// Play these samples under this number.
    Play(u32, Arc<[i16]>),
    /// Stop what plays.
    Stop,
    /// Commit this answer, then say so.
    Store(Answered),
    /// The talk is over.
    Over(Ending),
}

/// Why a dial came to nothing.
#[derive(Clone, Copy, Debug)]
pub enum Failed {
    /// There was no trunk to dial by.
    NoWay,
    /// The trunk has said nothing at all.
    Silence,
    /// The final response, and the ISUP cause that came with it.
    Status { code: u16, q850: Option<u8> },
}

/// See above.
pub struct Talk {
    errand: Arc<Errand>,
    tones: Tones,
    detector: Option<Detector>,
    answered: Option<Millis>,
    dialogue: Dialogue,
    has_begun: bool,
    /// What the network said, before an answer or in the place of one.
    announcement: Option<Announcement>,
    /// What it would be if the words are a machine's.
    maybe_said: Option<Announcement>,
    machine: Option<MachineKind>,
    ending: Option<Ending>,
    /// How a call failed that nobody answered.
    failed: Option<Failed>,
    /// A telephone rings, or rang.
    has_rung: bool,
    /// A seat has talked with the citizen.
    is_served: bool,
    /// Sample 0 of the leg on the clock.
    zero: Option<Millis>,
    steps: VecDeque<Step>,
}

impl Talk {
    /// A call that is about to be dialled.
    pub fn new(errand: Arc<Errand>) -> Self {
        let dialogue = Dialogue::new(
            Arc::clone(&errand.script),
            errand.facts.clone(),
            Arc::clone(&errand.reader),
        );
        Self {
            errand,
            tones: Tones::default(),
            detector: None,
            answered: None,
            dialogue,
            has_begun: false,
            announcement: None,
            maybe_said: None,
            machine: None,
            ending: None,
            failed: None,
            has_rung: false,
            is_served: false,
            zero: None,
            steps: VecDeque::new(),
        }
    }

    /// Somebody, or something, has answered.
    pub fn answered(&mut self, now: Millis) {
        self.answered = Some(now);
        self.detector = Some(Detector::new(Settings::default(), now));
    }

    /// It rings.
    pub const fn rang(&mut self) {
        self.has_rung = true;
    }

    /// A seat has taken the call.
    pub const fn served(&mut self) {
        self.is_served = true;
    }

    /// Nobody has answered.
    pub const fn failed(&mut self, failed: Failed) {
        self.failed = Some(failed);
    }

    /// 20 ms of the called party.
    pub fn frame(&mut self, now: Millis, frame: &Frame) {
        let at = Millis(now.0.saturating_sub(frame.sample_index / SAMPLES_PER_MS));
        self.zero = Some(self.zero.map_or(at, |zero| zero.min(at)));
        match &mut self.detector {
            Some(detector) => {
                detector.handle_input(now, detector::Input::Frame(&frame.samples));
                self.judge(now);
            }
            None => self.tone(&frame.samples),
        }
    }

    /// Whether frames are of any more use.
    pub fn listens(&self, now: Millis) -> bool {
        self.ending.is_none() && self.answered.is_none_or(|at| now < at + LISTENS_FOR)
    }

    /// A tone before the answer.
    fn tone(&mut self, samples: &detector::Samples) {
        let said = match self.tones.hear(samples) {
            Some(NetworkTone::Busy) => Some(Announcement::Busy),
            Some(NetworkTone::Congestion) => Some(Announcement::Congestion),
            _ => None,
        };
        self.announcement = self.announcement.or(said);
    }

    /// A voice is heard.
    pub fn voice(&mut self, now: Millis) {
        self.tell(now, Input::Voice);
    }

    /// Words of the called party.
    pub fn words(&mut self, now: Millis, spoken: &Spoken) {
        let text = spoken.text.expose();
        if self.answered.is_none() {
            self.announcement = Announcement::read(text).or(self.announcement);
            return;
        }
        // Of a machine's words: people say such things, too.
        if self.detector.is_some() && self.listens(now) {
            self.maybe_said = Announcement::read(text).or(self.maybe_said);
        }
        if let Some(detector) = self.detector.as_mut().filter(|_| self.ending.is_none()) {
            let input = match spoken.is_final {
                true => detector::Input::Final(text),
                false => detector::Input::Partial(text),
            };
            detector.handle_input(now, input);
            self.judge(now);
        }
        if !self.has_begun || self.ending.is_some() {
            return;
        }
        let zero = self.zero.unwrap_or(now).0;
        let on_clock = |ms: u64| Millis(zero + ms);
        let (from, to) = spoken.in_leg_ms;
        let words = Words {
            text: spoken.text.clone(),
            confidence: spoken.confidence,
            expected: spoken.expected.clone(),
            is_final: spoken.is_final,
            spoken: (on_clock(from), on_clock(to)),
            clip_ms: spoken.in_call_ms,
            at: LocalTime::from_unix_ms(clock::unix_now()),
        };
        self.tell(now, Input::Words(words));
    }

    /// A key.
    pub fn key(&mut self, now: Millis, key: char) {
        // Whoever presses a key is a person.
        if !self.has_begun && self.ending.is_none() {
            self.begin(now);
        }
        self.tell(now, Input::Key(key));
    }

    /// A prompt was heard to its end. Whether it is the first, which has the recording notice.
    pub fn prompt_done(&mut self, now: Millis, id: u32) -> bool {
        self.tell(now, Input::PromptDone { id: PlayId(id) });
        id == 1
    }

    /// The answer that was to be stored is, or cannot be.
    pub fn stored(&mut self, now: Millis, is_stored: bool) {
        self.tell(now, if is_stored { Input::Stored } else { Input::NotStored });
    }

    /// The deadline has come.
    pub fn timer(&mut self, now: Millis) {
        if let Some(detector) = self.detector.as_mut().filter(|_| !self.has_begun) {
            detector.handle_input(now, detector::Input::Timer);
            self.judge(now);
        }
        self.tell(now, Input::Timer);
    }

    /// When to come back.
    pub fn deadline(&mut self) -> Option<Millis> {
        let judged = match &mut self.detector {
            Some(detector) if !self.has_begun && self.ending.is_none() => detector.next_deadline(),
            _ => None,
        };
        judged.into_iter().chain(self.dialogue.next_deadline()).min()
    }

    /// The next thing to do.
    pub fn next(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Whether a seat has talked with the citizen: then the call may have a ticket of its own.
    pub const fn is_served(&self) -> bool {
        self.is_served
    }

    fn judge(&mut self, now: Millis) {
        while let Some(found) = self.detector.as_mut().and_then(Detector::poll_output) {
            match found {
                detector::Output::Verdict(Verdict::Person(_)) => self.begin(now),
                detector::Output::Verdict(Verdict::Machine(kind))
                | detector::Output::Late(kind) => self.machine(now, kind),
                detector::Output::Beep => {}
            }
        }
    }

    fn begin(&mut self, now: Millis) {
        self.has_begun = true;
        self.tell(now, Input::Begin);
    }

    fn machine(&mut self, now: Millis, kind: MachineKind) {
        self.machine = Some(kind);
        if self.has_begun {
            self.tell(now, Input::Machine);
        } else if self.ending.is_none() {
            self.over(Ending::Machine);
        }
    }

    fn over(&mut self, ending: Ending) {
        self.ending = Some(ending);
        self.steps.push_back(Step::Expect(""));
        self.steps.push_back(Step::Over(ending));
    }

    fn tell(&mut self, now: Millis, input: Input) {
        if self.ending.is_some() {
            return;
        }
        self.dialogue.handle_input(now, input);
        while let Some(output) = self.dialogue.poll_output() {
            match output {
                Output::Listen(question) => {
                    self.steps.push_back(Step::Expect(question.expected()));
                }
                Output::Play { id, text } => {
                    let samples = self.errand.sounds.of(&text);
                    self.steps.push_back(Step::Play(id.0, samples));
                }
                Output::StopPrompts => self.steps.push_back(Step::Stop),
                Output::Store(answered) => self.steps.push_back(Step::Store(answered)),
                Output::End(ending) => self.over(ending),
            }
        }
    }

    /// What became of the attempt, once the call has ended for this cause.
    pub fn outcome(&self, cause: Option<Cause>) -> (Outcome, Option<u16>, Option<UnixMillis>) {
        let sip_code = match self.failed {
            Some(Failed::Status { code, .. }) if self.answered.is_none() => Some(code),
            _ => None,
        };
        // The citizen heard nothing and said nothing: the fault is the trunk's or ours, as when it does not connect.
        if cause == Some(Cause::NotAcceptable) && !self.has_begun && self.ending.is_none() {
            return (Outcome::NetworkFault, sip_code, None);
        }
        let (outcome, wish) = match (self.answered, self.machine) {
            (None, _) => (self.of_dial(cause), None),
            (Some(_), Some(kind)) => (self.of_machine(kind), None),
            (Some(_), None) => self.of_talk(cause),
        };
        let may_have_rung = self.answered.is_some() || self.has_rung;
        let outcome = if may_have_rung { outcome.after_ringing() } else { outcome };
        (outcome, sip_code, wish)
    }

    /// Nobody answered.
    fn of_dial(&self, cause: Option<Cause>) -> Outcome {
        match (self.failed, self.announcement, cause) {
            (Some(Failed::NoWay | Failed::Silence), ..) => Outcome::NetworkFault,
            (Some(Failed::Status { code, q850 }), said, _) => Outcome::of_failure(code, q850, said),
            (None, Some(said), _) => Outcome::of_announcement(said),
            (None, None, Some(cause)) => Outcome::of_cause(cause),
            (None, None, None) => Outcome::OwnFault,
        }
    }

    fn of_machine(&self, kind: MachineKind) -> Outcome {
        match (kind, self.maybe_said.or(self.announcement)) {
            (MachineKind::Voicemail, _) => Outcome::Voicemail,
            // By its sound alone an announcement is an automaton.
            (_, Some(said)) => Outcome::of_announcement(said),
            (MachineKind::Announcement, None) => Outcome::NetworkAnnouncement,
            (MachineKind::Automaton, None) => Outcome::Automaton,
        }
    }

    /// Whoever hangs up while the farewell is being said has come to that end.
    fn of_talk(&self, cause: Option<Cause>) -> (Outcome, Option<UnixMillis>) {
        match (self.ending.or_else(|| self.dialogue.ending_under_way()), cause) {
            (Some(Ending::Seat), cause) if !self.is_served => match cause {
                Some(Cause::CallerHungUp) => (Outcome::HungUp, None),
                _ => (Outcome::Unclear, None),
            },
            (Some(ending), _) => {
                let wish = match ending {
                    Ending::Script { later, .. } => later.map(LocalTime::to_unix_ms),
                    _ => None,
                };
                (Outcome::of_ending(&ending), wish)
            }
            (None, Some(cause)) => (Outcome::of_interruption(cause), None),
            (None, None) => (Outcome::Unknown, None),
        }
    }
}
