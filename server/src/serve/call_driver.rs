//! Drives one call: carries events to the pure [`Call`] machine and its outputs to SIP, media and
//! store. No policy lives here.

use super::Hotline;
use super::live;
use crate::clock;
use qingting_api::Event;
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, UnixMillis};
use qingting_core::call::{Call, CallConfig, Cause, Input, Output, Record, Response};
use qingting_core::sdp;
use qingting_media::{LegConfig, LegHandle, LegReport, MediaEvent, RecordTo};
use qingting_sip::{CallEvent, CallHandle, IncomingCall};
use qingting_store::{CallEnd, MediaQuality, NewCall, RecordingInfo};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Inputs from outside the SIP dialog that may wait: hang-up, speech heard, store results.
const INBOX_MAX: usize = 64;

/// Longest wait for the media engine's last report of a call.
const REPORT_MS_MAX: u64 = 3_000;

/// How often the end of a call is written again when the store refuses, and how long apart: after
/// that the row is closed at the next start.
const END_WRITES_MAX: u32 = 10;
const END_WRITE_RETRY_MS: u64 = 1_000;

/// Answers one incoming call and stays with it to its end.
pub async fn run(hotline: Arc<Hotline>, incoming: IncomingCall) {
    let id = CallId::new(uuid::Uuid::now_v7());
    let (inbox_to, inbox) = mpsc::channel(INBOX_MAX);
    let _entry: live::Guard = hotline.live.enter(id, inbox_to.clone());
    let config = CallConfig { session_id: rand::random::<u32>().into(), ..hotline.call.clone() };
    let started_at = clock::unix();
    let driver = CallDriver {
        id,
        started_at,
        caller: Pii::new(incoming.invite.from_user().to_owned()),
        called: incoming.invite.called_user().to_owned(),
        machine: Call::new(config),
        sip: incoming.handle.clone(),
        media: None,
        report: None,
        ended: None,
        begun: false,
        inbox_to,
        hotline,
    };
    driver.drive(incoming, inbox).await;
}

struct CallDriver {
    id: CallId,
    started_at: UnixMillis,
    caller: Pii<String>,
    called: String,
    machine: Call,
    sip: CallHandle,
    media: Option<Media>,
    report: Option<Box<LegReport>>,
    ended: Option<Cause>,
    /// Whether the call's row is in the store.
    begun: bool,
    inbox_to: mpsc::Sender<Input>,
    hotline: Arc<Hotline>,
}

struct Media {
    leg: LegHandle,
    events: mpsc::Receiver<MediaEvent>,
}

impl CallDriver {
    async fn drive(mut self, incoming: IncomingCall, mut inbox: mpsc::Receiver<Input>) {
        let IncomingCall { invite, mut events, .. } = incoming;
        let offer = invite.offer.as_deref().map(text);
        let mut next = Some(Input::Invite { offer });
        loop {
            if let Some(input) = next.take() {
                self.machine.handle_input(clock::now(), input);
                if self.carry_out(&invite.sip_call_id, &invite.source).await {
                    break;
                }
            }
            let until = self.machine.next_deadline().map(|at| at - clock::now());
            next = tokio::select! {
                biased;
                event = events.recv() => Some(match event {
                    Some(event) => sip_input(event),
                    None => Some(Input::TransportLost),
                }.unwrap_or(Input::Timer)),
                Some(event) = media_event(&mut self.media) => self.media_input(event),
                Some(input) = inbox.recv() => Some(input),
                () = sleep(until.unwrap_or(Duration::from_secs(3600))) => Some(Input::Timer),
            };
        }
        self.finish().await;
    }

    /// Carries out what the machine asks for, in order. True when the call is over.
    async fn carry_out(&mut self, sip_call_id: &str, source: &std::net::SocketAddr) -> bool {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Persist(Record::Begin) => {
                    let input = self.begin(sip_call_id, &source.to_string()).await;
                    self.machine.handle_input(clock::now(), input);
                }
                Output::Persist(Record::Answered) => self.answered().await,
                Output::Persist(Record::Ended(cause)) => self.ended = Some(cause),
                Output::OpenMedia { inactive_after } => {
                    let input = self.open_media(inactive_after);
                    self.machine.handle_input(clock::now(), input);
                }
                Output::ConnectMedia(remote) => {
                    if let Some(media) = &self.media {
                        media.leg.connect(remote_media(&remote));
                    }
                }
                Output::Respond(Response::Ringing) => self.sip.ring(180, None),
                Output::Respond(Response::Answer { sdp }) => self.sip.answer(sdp.into()),
                Output::Respond(Response::Reject(rejection)) => self.sip.reject(refusal(&rejection)),
                Output::AnswerReinvite { sdp } => self.sip.answer_reinvite(sdp.into()),
                Output::RejectReinvite(rejection) => self.sip.reject_reinvite(refusal(&rejection)),
                Output::Play { id, prompt } => {
                    if let Some(media) = &self.media {
                        media.leg.play(id.0, self.hotline.prompts.samples(prompt));
                    }
                }
                Output::StopPrompts => {
                    if let Some(media) = &self.media {
                        media.leg.stop_prompts();
                    }
                }
                Output::StartRecognition => self.start_recognition(),
                Output::SendBye(reason) => self.sip.bye(&bye_reason(&reason)),
                Output::CloseMedia => {
                    if let Some(media) = self.media.take() {
                        self.report = close(media).await;
                    }
                }
                Output::Finished => return true,
            }
        }
        false
    }

    async fn begin(&mut self, sip_call_id: &str, remote: &str) -> Input {
        let call = NewCall {
            id: self.id,
            caller: self.caller.clone(),
            called: self.called.clone(),
            sip_call_id: sip_call_id.to_owned(),
            started_at: self.started_at,
            remote: remote.to_owned(),
        };
        match self.hotline.store.begin_call(call).await {
            Ok(ticket) => {
                self.begun = true;
                self.hotline.events.publish(Event::CallStarted {
                    call: self.id,
                    ticket,
                    caller: self.caller.clone(),
                    called: self.called.clone(),
                });
                Input::Persisted
            }
            Err(error) => {
                tracing::error!(call = %self.id, %error, "a call cannot be stored and is refused");
                Input::PersistFailed
            }
        }
    }

    async fn answered(&mut self) {
        let at = clock::unix();
        if let Err(error) = self.hotline.store.answer_call(self.id, at).await {
            tracing::error!(call = %self.id, %error, "the answer of a call is not stored");
        }
        self.hotline.events.publish(Event::CallAnswered { call: self.id });
    }

    fn open_media(&mut self, inactive_after: Duration) -> Input {
        let record = self.hotline.recordings.as_ref().map(|dir| RecordTo {
            path: dir.join(self.recording_file()),
            ..RecordTo::default()
        });
        let config = LegConfig {
            call: self.id,
            record,
            recognise: self.hotline.pipeline.recognises(),
            inactivity: inactive_after,
        };
        match self.hotline.media.open(config) {
            Ok((leg, events)) => {
                let mut local = leg.local_rtp();
                if let Some(ip) = self.hotline.advertised_ip.or(self.sip.local_ip()) {
                    local.set_ip(ip);
                }
                self.media = Some(Media { leg, events });
                Input::MediaOpened { local }
            }
            Err(error) => {
                tracing::error!(call = %self.id, %error, "no media for a call, it is refused");
                Input::MediaFailed
            }
        }
    }

    fn recording_file(&self) -> String {
        format!("{}.wav", self.id)
    }

    fn start_recognition(&mut self) {
        let Some(tap) = self.media.as_mut().and_then(|media| media.leg.take_recogniser_tap())
        else {
            return;
        };
        self.hotline.pipeline.listen(super::pipeline::Heard {
            call: self.id,
            party: Party::Caller,
            caller: self.caller.clone(),
            called: self.called.clone(),
            started_at: self.started_at,
            tap,
            speech: self.inbox_to.clone(),
        });
    }

    fn media_input(&mut self, event: MediaEvent) -> Option<Input> {
        match event {
            MediaEvent::PromptDone(id) => {
                Some(Input::PromptDone { id: qingting_core::call::PromptId(id) })
            }
            MediaEvent::Dtmf { digit, .. } => Some(Input::Dtmf { digit }),
            MediaEvent::Inactive => Some(Input::MediaInactive),
            MediaEvent::RecordingFailed { error } => {
                tracing::error!(call = %self.id, error, "the recording of a call failed; the call goes on");
                None
            }
            MediaEvent::Closed(report) => {
                self.report = Some(report);
                None
            }
            MediaEvent::FirstPacket | MediaEvent::StrangerRtp => None,
        }
    }

    /// Writes the call's end with its recording and its quality.
    async fn finish(mut self) {
        if let Some(media) = self.media.take() {
            self.report = close(media).await;
        }
        if !self.begun {
            return;
        }
        let cause = self.ended.unwrap_or(Cause::TransportLost);
        let end = CallEnd {
            id: self.id,
            ended_at: clock::unix(),
            hung_up_by: hung_up_by(cause).to_owned(),
            cause: cause.as_str().to_owned(),
            sip_code: Some(cause.sip_status()).filter(|_| !self.machine.was_answered()),
            recording: self.report.as_deref().and_then(recording),
            quality: self.report.as_deref().map(quality),
        };
        self.hotline.counters.ended(cause);
        for attempt in 1..=END_WRITES_MAX {
            match self.hotline.store.end_call(end.clone()).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!(call = %self.id, attempt, %error, "the end of a call is not stored");
                    sleep(Duration::from_millis(END_WRITE_RETRY_MS)).await;
                }
            }
        }
        self.hotline.events.publish(Event::CallEnded {
            call: self.id,
            hung_up_by: end.hung_up_by,
            cause: end.cause,
            duration_ms: u64::try_from(end.ended_at.0 - self.started_at.0).unwrap_or(0),
        });
        tracing::info!(call = %self.id, cause = cause.as_str(), "call ended");
    }
}
