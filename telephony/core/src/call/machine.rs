//! The machine itself.

use super::{
    CallConfig, Cause, Hangup, Input, Output, Prompt, PromptId, Record, Rejection, Response,
};
use crate::sdp::{Direction, LocalMedia, RemoteMedia, Session, SessionDescription};
use qingting_common::Millis;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// **One inbound call: exactly one final response, a stored ticket draft before any answer, and
/// an end that leaves nothing open, whatever arrives in whatever order.**
///
/// Feed [`Call::handle_input`], drain [`Call::poll_output`], sleep to [`Call::next_deadline`] and
/// feed [`Input::Timer`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    config: CallConfig,
    state: State,
    outputs: VecDeque<Output>,
    /// Our side of the offer/answer session, once media is open.
    session: Option<Session>,
    /// What was agreed about the caller's media, and what of it the media engine was told.
    remote: Option<RemoteMedia>,
    connected: Option<RemoteMedia>,
    /// The first ACK came: somebody at the signalled address wants this call.
    confirmed: bool,
    prompts: u32,
    /// When the call has lasted long enough; set at the answer.
    call_until: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    /// Storing the call and opening media, both at once.
    Proceeding {
        offer: Option<SessionDescription>,
        persisted: bool,
        local: Option<SocketAddr>,
        until: Millis,
    },
    /// Everything is ready; the caller hears ringing.
    Ringing {
        agreed: Agreed,
        until: Millis,
    },
    /// Answered. A hang-up of ours waits here, because a callee sends no BYE before the ACK
    /// (RFC 3261 §15).
    AwaitingAck {
        hangup: Option<Cause>,
        until: Millis,
    },
    /// Acknowledged: talking.
    Established(Phase),
    /// Saying goodbye; the cause is decided.
    Ending {
        cause: Cause,
        farewell: PromptId,
        until: Millis,
    },
    Ended,
}

/// What an answer will say: ours to an offer, or our own offer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Agreed {
    sdp: String,
    remote: Option<RemoteMedia>,
}

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// A prompt is being played.
    Playing { prompt: Prompt, id: PromptId, until: Millis },
    /// The caller has put us on hold; this prompt is owed from its beginning.
    Held { owed: Option<Prompt> },
    /// The caller has the word until then.
    Listening { asked: bool, until: Millis },
}

impl Call {
    /// A call that has not begun.
    pub const fn new(config: CallConfig) -> Self {
        Self {
            config,
            state: State::Idle,
            outputs: VecDeque::new(),
            session: None,
            remote: None,
            connected: None,
            confirmed: false,
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
        match &self.state {
            State::Idle | State::Ended => None,
            State::Proceeding { until, .. }
            | State::Ringing { until, .. }
            | State::AwaitingAck { until, .. }
            | State::Ending { until, .. } => Some(*until),
            State::Established(phase) => {
                let phase = match phase {
                    Phase::Playing { until, .. } | Phase::Listening { until, .. } => Some(*until),
                    Phase::Held { .. } => None,
                };
                phase.into_iter().chain(self.call_until).min()
            }
        }
    }

    /// Whether the call is over and all that is left is in [`Call::poll_output`].
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes one input. Inputs must be fed in the order of their times.
    pub fn handle_input(&mut self, now: Millis, input: Input) {
        match &mut self.state {
            State::Idle => self.idle(now, input),
            State::Proceeding { .. } => self.proceeding(now, input),
            State::Ringing { .. } => self.ringing(now, input),
            State::AwaitingAck { .. } => self.awaiting_ack(now, input),
            State::Established(_) => self.established(now, input),
            State::Ending { .. } => self.ending(now, input),
            // Late reports of what was already closed; the driver answers requests with 481.
            State::Ended => {}
        }
    }

    fn idle(&mut self, now: Millis, input: Input) {
        match input {
            Input::Invite { offer } => self.begin(now, offer.as_deref()),
            // There is no call yet that these could be about.
            Input::Persisted
            | Input::PersistFailed
            | Input::MediaOpened { .. }
            | Input::MediaFailed
            | Input::Ack { .. }
            | Input::AckTimeout
            | Input::Cancel
            | Input::Bye
            | Input::Reinvite { .. }
            | Input::PromptDone { .. }
            | Input::Dtmf { .. }
            | Input::SpeechHeard
            | Input::MediaInactive
            | Input::Hangup(_)
            | Input::TransportLost
            | Input::Timer => {}
        }
    }

    /// An offer that nobody could answer is refused before anything is stored or opened for it.
    fn begin(&mut self, now: Millis, offer: Option<&str>) {
        let offer = match offer.map(|text| read(text, &self.config)).transpose() {
            Ok(offer) => offer,
            Err(rejection) => {
                self.emit(Output::Respond(Response::Reject(rejection)));
                self.emit(Output::Finished);
                self.state = State::Ended;
                return;
            }
        };
        self.emit(Output::Persist(Record::Begin));
        self.emit(Output::OpenMedia { inactive_after: self.config.media_inactive });
        let until = now + self.config.setup_max;
        self.state = State::Proceeding { offer, persisted: false, local: None, until };
    }

    fn proceeding(&mut self, now: Millis, input: Input) {
        let State::Proceeding { persisted, local, until, .. } = &mut self.state else { return };
        match input {
            Input::Persisted => {
                *persisted = true;
                self.ring_when_ready(now);
            }
            Input::MediaOpened { local: opened } => {
                *local = Some(opened);
                self.ring_when_ready(now);
            }
            Input::PersistFailed => self.refuse(Cause::StoreUnavailable),
            Input::MediaFailed => self.refuse(Cause::MediaUnavailable),
            Input::Timer if now >= *until => {
                let stored = *persisted;
                let cause = if stored { Cause::MediaUnavailable } else { Cause::StoreUnavailable };
                self.refuse(cause);
            }
            Input::Cancel => self.refuse(Cause::CallerCancelled),
            // A caller may end an early dialog with BYE instead of CANCEL (RFC 3261 §15).
            Input::Bye => self.refuse(Cause::CallerHungUp),
            Input::Hangup(by) => self.refuse(cause_of(by)),
            Input::TransportLost => self.refuse(Cause::TransportLost),
            Input::Reinvite { .. } => self.reject_early_reinvite(),
            // Retransmissions, early timers, and what only an answered call can have.
            Input::Invite { .. }
            | Input::Timer
            | Input::Ack { .. }
            | Input::AckTimeout
            | Input::PromptDone { .. }
            | Input::Dtmf { .. }
            | Input::SpeechHeard
            | Input::MediaInactive => {}
        }
    }

    fn ring_when_ready(&mut self, now: Millis) {
        let State::Proceeding { offer, persisted: true, local: Some(local), .. } = &self.state
        else {
            return;
        };
        let mut session = Session::new(LocalMedia {
            ip: local.ip(),
            rtp_port: local.port(),
            rtcp_mux: self.config.rtcp_mux,
            session_id: self.config.session_id,
            version: 1,
            codecs: self.config.codecs.clone(),
            security: self.config.security,
        });
        let agreed = match offer {
            None => Agreed { sdp: session.offer().to_string(), remote: None },
            Some(offer) => match session.answer(offer) {
                Ok(done) => Agreed { sdp: done.local.to_string(), remote: Some(done.remote) },
                Err(error) => {
                    let rejection = Rejection::warned(488, error.warning());
                    return self.refuse_with(Cause::NotAcceptable, rejection);
                }
            },
        };
        self.session = Some(session);
        if self.config.ring.is_zero() {
            return self.answer(now, agreed);
        }
        self.emit(Output::Respond(Response::Ringing));
        self.state = State::Ringing { agreed, until: now + self.config.ring };
    }

    fn ringing(&mut self, now: Millis, input: Input) {
        let State::Ringing { agreed, until } = &self.state else { return };
        match input {
            Input::Timer if now >= *until => {
                let agreed = agreed.clone();
                self.answer(now, agreed);
            }
            Input::Cancel => self.refuse(Cause::CallerCancelled),
            Input::Bye => self.refuse(Cause::CallerHungUp),
            Input::Hangup(by) => self.refuse(cause_of(by)),
            Input::TransportLost => self.refuse(Cause::TransportLost),
            Input::MediaFailed => self.refuse(Cause::MediaUnavailable),
            Input::Reinvite { .. } => self.reject_early_reinvite(),
            // Nobody sends RTP before the answer, so its absence means nothing; the rest are
            // second reports, early timers, and what only an answered call can have.
            Input::MediaInactive
            | Input::Invite { .. }
            | Input::Persisted
            | Input::PersistFailed
            | Input::MediaOpened { .. }
            | Input::Timer
            | Input::Ack { .. }
            | Input::AckTimeout
            | Input::PromptDone { .. }
            | Input::Dtmf { .. }
            | Input::SpeechHeard => {}
        }
    }

    fn answer(&mut self, now: Millis, agreed: Agreed) {
        self.emit(Output::Persist(Record::Answered));
        self.connect(agreed.remote);
        self.emit(Output::Respond(Response::Answer { sdp: agreed.sdp }));
        self.emit(Output::StartRecognition);
        self.call_until = Some(now + self.config.call_max);
        self.state = State::AwaitingAck { hangup: None, until: now + self.config.ack_max };
    }

    fn awaiting_ack(&mut self, now: Millis, input: Input) {
        let State::AwaitingAck { hangup, until } = &mut self.state else { return };
        match input {
            Input::Ack { answer } => match *hangup {
                Some(cause) => self.hang_up(cause),
                None => self.acknowledged(now, answer.as_deref()),
            },
            Input::AckTimeout => {
                let cause = hangup.unwrap_or(Cause::NoAck);
                self.hang_up(cause);
            }
            Input::Timer if now >= *until => {
                let cause = hangup.unwrap_or(Cause::NoAck);
                self.hang_up(cause);
            }
            // Our 200 became 487 on its way out: there is no dialog that a BYE could end.
            Input::Cancel => self.over(Cause::CallerCancelled),
            Input::Bye => self.over(Cause::CallerHungUp),
            Input::TransportLost => self.over(Cause::TransportLost),
            Input::MediaFailed => *hangup = hangup.or(Some(Cause::MediaUnavailable)),
            Input::Hangup(by) => *hangup = hangup.or(Some(cause_of(by))),
            Input::Reinvite { offer: Some(offer) } => self.reinvite(now, Some(&offer)),
            // With an offer of ours open, the first ACK could not be told from the second.
            Input::Reinvite { offer: None } => {
                self.emit(Output::RejectReinvite(Rejection::new(491)));
            }
            // Prompts and the silence clock begin with the ACK.
            Input::Invite { .. }
            | Input::Persisted
            | Input::PersistFailed
            | Input::MediaOpened { .. }
            | Input::Timer
            | Input::PromptDone { .. }
            | Input::Dtmf { .. }
            | Input::SpeechHeard
            | Input::MediaInactive => {}
        }
    }

    /// The first ACK: takes the answer to a late offer, then begins to speak.
    fn acknowledged(&mut self, now: Millis, answer: Option<&str>) {
        self.confirmed = true;
        if let Err(cause) = self.take_answer(answer) {
            return self.hang_up(cause);
        }
        self.connect(self.remote);
        let first = if self.config.notice { Some(Prompt::Notice) } else { self.after_notice() };
        if self.sends() {
            self.speak(now, first);
        } else {
            self.state = State::Established(Phase::Held { owed: first });
        }
    }

    const fn after_notice(&self) -> Option<Prompt> {
        if self.config.greeting { Some(Prompt::Greeting) } else { None }
    }

    fn established(&mut self, now: Millis, input: Input) {
        let State::Established(phase) = self.state else { return };
        match input {
            Input::Bye => self.over(Cause::CallerHungUp),
            Input::Hangup(by) => self.hang_up(cause_of(by)),
            Input::TransportLost => self.over(Cause::TransportLost),
            Input::MediaFailed => self.hang_up(Cause::MediaUnavailable),
            Input::AckTimeout => self.hang_up(Cause::NoAck),
            // A caller who put us on hold owes us no RTP.
            Input::MediaInactive if self.sends() => self.hang_up(Cause::MediaLost),
            Input::Ack { answer } => self.reinvite_acknowledged(now, answer.as_deref()),
            Input::Reinvite { offer } => self.reinvite(now, offer.as_deref()),
            Input::PromptDone { id: done } => match phase {
                Phase::Playing { prompt, id, .. } if id == done => self.spoken(now, prompt),
                // The end of a prompt that was stopped meanwhile.
                Phase::Playing { .. } | Phase::Held { .. } | Phase::Listening { .. } => {}
            },
            Input::Dtmf { .. } | Input::SpeechHeard => self.heard(now, phase),
            Input::Timer => self.due(now, phase),
            // A CANCEL is not reported after the ACK; the rest are second reports.
            Input::MediaInactive
            | Input::Cancel
            | Input::Invite { .. }
            | Input::Persisted
            | Input::PersistFailed
            | Input::MediaOpened { .. } => {}
        }
    }

    fn due(&mut self, now: Millis, phase: Phase) {
        if self.call_until.is_some_and(|until| now >= until) {
            return self.say_goodbye(now, Cause::TooLong);
        }
        match phase {
            Phase::Playing { prompt, until, .. } if now >= until => {
                self.emit(Output::StopPrompts);
                self.spoken(now, prompt);
            }
            Phase::Listening { asked: false, until } if now >= until => {
                self.speak(now, Some(Prompt::AreYouThere));
            }
            Phase::Listening { asked: true, until } if now >= until => {
                self.say_goodbye(now, Cause::CallerSilent);
            }
            // Early timers.
            Phase::Playing { .. } | Phase::Listening { .. } | Phase::Held { .. } => {}
        }
    }

    /// The caller spoke or pressed a key: the clock of its silence begins again. Over the notice
    /// and the greeting it changes nothing, they are heard to their end.
    fn heard(&mut self, now: Millis, phase: Phase) {
        match phase {
            Phase::Listening { .. } => self.listen(now, false),
            Phase::Playing { prompt: Prompt::AreYouThere, .. } => {
                self.emit(Output::StopPrompts);
                self.listen(now, false);
            }
            Phase::Playing { .. } | Phase::Held { .. } => {}
        }
    }

    fn spoken(&mut self, now: Millis, prompt: Prompt) {
        match prompt {
            Prompt::Notice => self.speak(now, self.after_notice()),
            Prompt::AreYouThere => self.listen(now, true),
            Prompt::Greeting | Prompt::Farewell => self.listen(now, false),
        }
    }

    fn speak(&mut self, now: Millis, prompt: Option<Prompt>) {
        let Some(prompt) = prompt else { return self.listen(now, false) };
        let id = self.play(prompt);
        let until = now + self.config.prompt_max;
        self.state = State::Established(Phase::Playing { prompt, id, until });
    }

    fn listen(&mut self, now: Millis, asked: bool) {
        let wait = if asked { self.config.silence_hangup } else { self.config.silence_prompt };
        self.state = State::Established(Phase::Listening { asked, until: now + wait });
    }

    fn ending(&mut self, now: Millis, input: Input) {
        let State::Ending { cause, farewell, until } = self.state else { return };
        match input {
            Input::PromptDone { id } if id == farewell => self.hang_up(cause),
            Input::Timer if now >= until => self.hang_up(cause),
            Input::Bye => self.over(Cause::CallerHungUp),
            Input::TransportLost => self.over(cause),
            Input::MediaInactive | Input::MediaFailed | Input::AckTimeout | Input::Hangup(_) => {
                self.hang_up(cause)
            }
            // The session is about to end: nothing new is agreed on.
            Input::Reinvite { .. } => {
                self.emit(Output::RejectReinvite(Rejection::new(491)));
            }
            Input::PromptDone { .. }
            | Input::Timer
            | Input::Ack { .. }
            | Input::Cancel
            | Input::Invite { .. }
            | Input::Persisted
            | Input::PersistFailed
            | Input::MediaOpened { .. }
            | Input::Dtmf { .. }
            | Input::SpeechHeard => {}
        }
    }

    /// Farewell and BYE; to a caller who has us on hold and hears nothing, BYE alone.
    fn say_goodbye(&mut self, now: Millis, cause: Cause) {
        if !self.sends() {
            return self.hang_up(cause);
        }
        if matches!(self.state, State::Established(Phase::Playing { .. })) {
            self.emit(Output::StopPrompts);
        }
        let farewell = self.play(Prompt::Farewell);
        self.state = State::Ending { cause, farewell, until: now + self.config.prompt_max };
    }

    /// A re-INVITE after the answer (RFC 3261 §14.2): a new codec, a new port, hold, resume.
    fn reinvite(&mut self, now: Millis, offer: Option<&str>) {
        let Some(session) = &mut self.session else { return self.reject_early_reinvite() };
        if session.awaits_answer() {
            return self.emit(Output::RejectReinvite(Rejection::new(491)));
        }
        let Some(offer) = offer else {
            let sdp = session.offer().to_string();
            return self.emit(Output::AnswerReinvite { sdp });
        };
        let answered = read(offer, &self.config).and_then(|offer| {
            session.answer(&offer).map_err(|error| Rejection::warned(488, error.warning()))
        });
        match answered {
            Err(rejection) => self.emit(Output::RejectReinvite(rejection)),
            Ok(agreed) => {
                self.connect(Some(agreed.remote));
                self.emit(Output::AnswerReinvite { sdp: agreed.local.to_string() });
                self.hold_or_resume(now);
            }
        }
    }

    fn reinvite_acknowledged(&mut self, now: Millis, answer: Option<&str>) {
        match self.take_answer(answer) {
            Ok(()) => self.hold_or_resume(now),
            Err(cause) => self.hang_up(cause),
        }
    }

    /// Takes the answer to our own offer from an ACK, if one is owed.
    fn take_answer(&mut self, answer: Option<&str>) -> Result<(), Cause> {
        let Some(session) = self.session.as_mut().filter(|session| session.awaits_answer()) else {
            return Ok(());
        };
        let answer: SessionDescription =
            answer.and_then(|text| text.parse().ok()).ok_or(Cause::NotAcceptable)?;
        let agreed = session.accept(&answer).map_err(|_| Cause::NotAcceptable)?;
        self.connect(Some(agreed.remote));
        Ok(())
    }

    /// On hold nothing is played and no silence counts; afterwards the prompt that was cut begins
    /// again, because a notice half heard is no notice.
    fn hold_or_resume(&mut self, now: Millis) {
        let State::Established(phase) = self.state else { return };
        match phase {
            Phase::Playing { prompt, .. } if !self.sends() => {
                self.emit(Output::StopPrompts);
                self.state = State::Established(Phase::Held { owed: Some(prompt) });
            }
            Phase::Listening { .. } if !self.sends() => {
                self.state = State::Established(Phase::Held { owed: None });
            }
            Phase::Held { owed } if self.sends() => self.speak(now, owed),
            Phase::Playing { .. } | Phase::Listening { .. } | Phase::Held { .. } => {}
        }
    }

    /// RFC 3261 §14.2: an INVITE before the first one has its final response is told to wait.
    fn reject_early_reinvite(&mut self) {
        let retry_after = Some(self.config.retry_after);
        let rejection = Rejection { retry_after, ..Rejection::new(500) };
        self.emit(Output::RejectReinvite(rejection));
    }

    /// Tells the media engine what was agreed. Before the first ACK nothing is sent: an INVITE with
    /// a forged source could aim our RTP at anybody for the 32 s that an answer waits.
    fn connect(&mut self, remote: Option<RemoteMedia>) {
        self.remote = remote.or(self.remote);
        let told = self.remote.map(|remote| {
            let sends = remote.direction.sends() && self.confirmed;
            let direction = Direction::of(sends, remote.direction.receives());
            RemoteMedia { direction, ..remote }
        });
        if let Some(told) = told.filter(|_| told != self.connected) {
            self.connected = Some(told);
            self.emit(Output::ConnectMedia(told));
        }
    }

    /// Whether the caller listens to us.
    fn sends(&self) -> bool {
        self.remote.is_some_and(|remote| remote.direction.sends())
    }

    fn play(&mut self, prompt: Prompt) -> PromptId {
        self.prompts += 1;
        let id = PromptId(self.prompts);
        self.emit(Output::Play { id, prompt });
        id
    }

    /// Ends a call that was not answered.
    fn refuse(&mut self, cause: Cause) {
        let retry_after = cause.retry().then_some(self.config.retry_after);
        let rejection = Rejection { retry_after, ..Rejection::new(cause.sip_status()) };
        self.refuse_with(cause, rejection);
    }

    fn refuse_with(&mut self, cause: Cause, rejection: Rejection) {
        self.emit(Output::Persist(Record::Ended(cause)));
        self.emit(Output::Respond(Response::Reject(rejection)));
        self.close();
    }

    /// Ends an answered call from our side.
    fn hang_up(&mut self, cause: Cause) {
        self.stop_prompts();
        self.emit(Output::Persist(Record::Ended(cause)));
        self.emit(Output::SendBye(cause.bye_reason()));
        self.close();
    }

    /// Ends an answered call whose dialog is gone already: nobody is left to take a BYE.
    fn over(&mut self, cause: Cause) {
        self.stop_prompts();
        self.emit(Output::Persist(Record::Ended(cause)));
        self.close();
    }

    fn stop_prompts(&mut self) {
        if matches!(self.state, State::Established(Phase::Playing { .. }) | State::Ending { .. }) {
            self.emit(Output::StopPrompts);
        }
    }

    fn close(&mut self) {
        self.emit(Output::CloseMedia);
        self.emit(Output::Finished);
        self.state = State::Ended;
    }

    fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}

/// Reads an offer and sees whether anything in it can be taken.
fn read(text: &str, config: &CallConfig) -> Result<SessionDescription, Rejection> {
    let offer: SessionDescription = text
        .parse()
        .map_err(|error: crate::sdp::SdpError| Rejection::warned(400, error.warning()))?;
    match Session::check(&offer, &config.codecs, &config.security) {
        Ok(()) => Ok(offer),
        Err(error) => Err(Rejection::warned(488, error.warning())),
    }
}

const fn cause_of(by: Hangup) -> Cause {
    match by {
        Hangup::Operator => Cause::OperatorHungUp,
        Hangup::Drain => Cause::Draining,
    }
}
