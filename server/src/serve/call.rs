//! One call: the loop around the pure call machine. No policy lives here.

use super::Hotline;
use super::books::{Books, Entry, end_of};
use super::captions::Captions;
use super::feeder::Feed;
use super::identity::Identity;
use super::prompts::prompt_samples;
use super::replies::{busy, bye_reason, ok, refusal};
use crate::clock;
use bytes::Bytes;
use qingting_common::{CallId, UnixMillis};
use qingting_core::call::{
    Call, CallConfig, Cause, Hangup, Input, Output, PromptId, Record, Response,
};
use qingting_core::sdp::{self, Direction};
use qingting_media::dtls::Role;
use qingting_media::ice::Credentials;
use qingting_media::srtp::{Keys, Profile};
use qingting_media::{
    LegConfig, LegHandle, LegReport, MediaEvent, RecordTo, RemoteMedia, Security,
};
use qingting_sip::{Dialog, DialogEvent, IncomingCall, Reply};
use qingting_store::{CallEnd, MediaQuality, NewCall, RecordingEnd};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Longest wait for the media engine to close a leg and finish its recording.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the recogniser's last words after a call: it may be behind, or restarting.
const LAST_WORDS_MAX: Duration = Duration::from_secs(120);
/// Words that wait to be noticed; more change nothing.
const WORDS_WAITING_MAX: usize = 1;

/// Answers a call and stays with it until everything of it is stored.
pub async fn run(hotline: Arc<Hotline>, incoming: IncomingCall) {
    let id = CallId::new(Uuid::now_v7());
    let sip = &hotline.config.sip;
    let is_trusted = sip.trusted_peers.contains(&incoming.source.ip());
    let identity = Identity::of(&incoming.request, is_trusted);
    // With its source: nobody else can make a number look busy by claiming it.
    let caller =
        identity.caller_digits().map(|digits| format!("{digits}@{}", incoming.source.ip()));
    let Some(hangups) = hotline.calls.admit(id, caller.as_deref(), sip.calls_per_caller_max) else {
        hotline.counters.refused(486);
        tracing::debug!(call = %id, "refused: this number has too many calls at once");
        return incoming.dialog.respond(busy());
    };
    tracing::info!(call = %id, called = %identity.called, from = %incoming.source, "call");
    // Taken out of the register however this task ends.
    let registered = Registered(&hotline, id);
    let (entries, books) = Books::open(Arc::clone(&hotline), id);
    let books = hotline.app.spawn(books.run());
    let driver = Driver::new(Arc::clone(&hotline), id, &identity, &incoming, entries);
    let offer = incoming.request.sdp().map(|body| text(&body));
    let events = incoming.events;
    // It holds its whole datagram: not for as long as people talk.
    drop(incoming.request);
    let mut captions = driver.run(offer, events, hangups, identity).await;
    if books.await.is_err() {
        tracing::error!(call = %id, "the books of a call failed");
    }
    drop(registered);
    let last_words = async { while captions.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_WORDS_MAX, last_words).await.is_err() {
        tracing::error!(call = %id, "the recogniser did not finish a call; its last words are in the recording");
    }
}

struct Registered<'a>(&'a Hotline, CallId);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.0.calls.remove(self.1);
    }
}

struct Driver {
    hotline: Arc<Hotline>,
    id: CallId,
    started: UnixMillis,
    machine: Call,
    dialog: Dialog,
    entries: mpsc::Sender<Entry>,
    new_call: Option<NewCall>,
    local_ip: IpAddr,
    leg: Option<LegHandle>,
    media: Option<mpsc::Receiver<MediaEvent>>,
    begun: Option<oneshot::Receiver<bool>>,
    /// What the driver itself knows at once; fed before anything else.
    known: VecDeque<Input>,
    /// The file that is being recorded to, until it is noted.
    recording: Option<String>,
    answered: bool,
    refused: Option<u16>,
    end: Option<(Cause, UnixMillis)>,
    words: (mpsc::Sender<()>, mpsc::Receiver<()>),
    captions: JoinSet<()>,
    report: Option<LegReport>,
}

impl Driver {
    fn new(
        hotline: Arc<Hotline>,
        id: CallId,
        identity: &Identity,
        incoming: &IncomingCall,
        entries: mpsc::Sender<Entry>,
    ) -> Self {
        let started = clock::unix_now();
        let new_call = NewCall {
            id,
            caller: identity.caller.clone(),
            called: identity.called.clone(),
            sip_call_id: incoming.request.call_id.clone(),
            started_at: started,
            remote: format!("{}:{}", incoming.transport, incoming.source),
        };
        let machine = Call::new(config(&hotline, id));
        Self {
            hotline,
            id,
            started,
            machine,
            dialog: incoming.dialog.clone(),
            entries,
            new_call: Some(new_call),
            local_ip: incoming.local.ip(),
            leg: None,
            media: None,
            begun: None,
            known: VecDeque::new(),
            recording: None,
            answered: false,
            refused: None,
            end: None,
            words: mpsc::channel(WORDS_WAITING_MAX),
            captions: JoinSet::new(),
            report: None,
        }
    }

    /// The loop: carry out what the machine wants, wait for what happens, tell the machine.
    async fn run(
        mut self,
        offer: Option<String>,
        mut events: mpsc::Receiver<DialogEvent>,
        mut hangups: mpsc::Receiver<Hangup>,
        identity: Identity,
    ) -> JoinSet<()> {
        let mut input = Input::Invite { offer };
        loop {
            self.machine.handle_input(self.hotline.clock.now(), input);
            while let Some(output) = self.machine.poll_output() {
                self.perform(output, &identity).await;
            }
            if self.machine.is_over() {
                break;
            }
            input = match self.known.pop_front() {
                Some(known) => known,
                None => self.next_input(&mut events, &mut hangups).await,
            };
        }
        self.close().await
    }

    async fn next_input(
        &mut self,
        events: &mut mpsc::Receiver<DialogEvent>,
        hangups: &mut mpsc::Receiver<Hangup>,
    ) -> Input {
        let deadline = self.machine.next_deadline().map(|at| self.hotline.clock.instant(at));
        loop {
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => if let Some(input) = dialog_input(event) { return input },
                    // The SIP endpoint forgot the dialog: nobody can be reached any more.
                    None => return Input::TransportLost,
                },
                begun = ready(&mut self.begun) => {
                    self.begun = None;
                    return if begun { Input::Persisted } else { Input::PersistFailed };
                }
                Some(event) = next(&mut self.media) => {
                    if let Some(input) = self.media_input(event) { return input }
                }
                Some(by) = hangups.recv() => return Input::Hangup(by),
                Some(()) = self.words.1.recv() => return Input::SpeechHeard,
                () = timer => return Input::Timer,
            }
        }
    }

    async fn perform(&mut self, output: Output, identity: &Identity) {
        match output {
            Output::Persist(record) => self.persist(record).await,
            Output::OpenMedia { inactive_after } => self.open_media(inactive_after),
            Output::ConnectMedia(remote) => {
                if let Some(leg) = &self.leg {
                    leg.connect(remote_media(remote));
                }
            }
            Output::Respond(response) => self.respond(response),
            Output::AnswerReinvite { sdp } => self.dialog.respond_reinvite(ok(sdp)),
            Output::RejectReinvite(rejection) => {
                self.dialog.respond_reinvite(refusal(&rejection, None));
            }
            Output::Play { id, prompt } => match &self.leg {
                Some(leg) => leg.play(id.0, prompt_samples(&self.hotline.prompts, prompt)),
                None => self.known.push_back(Input::PromptDone { id }),
            },
            Output::StopPrompts => {
                if let Some(leg) = &self.leg {
                    leg.stop_prompts();
                }
            }
            Output::StartRecognition => self.start_recognition(identity),
            Output::SendBye(reason) => {
                self.dialog.bye(Some(bye_reason(reason)));
            }
            Output::CloseMedia => self.leg = None,
            Output::Finished => {}
        }
    }

    /// Handed to the books before anything behind it: the books' queue keeps the order.
    async fn persist(&mut self, record: Record) {
        match record {
            Record::Begin => {
                let (done, begun) = oneshot::channel();
                self.begun = Some(begun);
                if let Some(call) = self.new_call.take() {
                    write(&self.entries, Entry::Begin(call, done)).await;
                }
            }
            Record::Answered => {
                self.answered = true;
                let entry = Entry::Answered(clock::unix_now(), self.recording.take());
                write(&self.entries, entry).await;
            }
            // Written when the recording is finished, a moment later, in one row with it.
            Record::Ended(cause) => self.end = Some((cause, clock::unix_now())),
        }
    }

    fn open_media(&mut self, inactivity: Duration) {
        let opened = self.record_to().and_then(|record| {
            let config = LegConfig {
                bind_ip: Some(self.local_ip),
                record,
                recognise: true,
                inactivity,
                ..LegConfig::default()
            };
            Ok(self.hotline.media.open(config)?)
        });
        match opened {
            Ok((leg, events)) => {
                let local = SocketAddr::new(self.local_ip, leg.local_rtp().port());
                self.leg = Some(leg);
                self.media = Some(events);
                self.known.push_back(Input::MediaOpened { local });
            }
            Err(error) => {
                tracing::error!(call = %self.id, error = format!("{error:#}"), "a call gets no media and is refused");
                self.known.push_back(Input::MediaFailed);
            }
        }
    }

    fn record_to(&mut self) -> anyhow::Result<Option<RecordTo>> {
        let Some(recordings) = &self.hotline.recordings else { return Ok(None) };
        let file = recordings.file(self.id, self.started)?;
        let path = recordings.root().join(&file);
        self.recording = Some(file);
        Ok(Some(RecordTo { path, ..RecordTo::default() }))
    }

    fn start_recognition(&mut self, identity: &Identity) {
        let Some(tap) = self.leg.as_mut().and_then(LegHandle::take_recogniser_tap) else { return };
        let to = self.hotline.asr.as_ref().map(|asr| {
            let (to, events) = asr.open_stream(self.id.0.as_u128() as u64);
            let captions = Captions::new(
                Arc::clone(&self.hotline),
                self.id,
                identity,
                self.started,
                self.words.0.clone(),
            );
            self.captions.spawn_on(captions.run(events), &self.hotline.app);
            to
        });
        self.hotline.feeder.add(Feed { tap, to, voice: self.words.0.clone() });
    }

    fn respond(&mut self, response: Response) {
        let reply = match response {
            Response::Ringing => Reply { code: 180, phrase: None, headers: Vec::new(), body: None },
            Response::Answer { sdp } => ok(sdp),
            Response::Reject(rejection) => {
                self.refused = Some(rejection.status);
                self.hotline.counters.refused(rejection.status);
                tracing::debug!(call = %self.id, status = rejection.status, reason = rejection.phrase, "call refused");
                refusal(&rejection, self.end.map(|(cause, _)| cause))
            }
        };
        self.dialog.respond(reply);
    }

    fn media_input(&mut self, event: MediaEvent) -> Option<Input> {
        match event {
            MediaEvent::PromptDone(id) => Some(Input::PromptDone { id: PromptId(id) }),
            MediaEvent::Dtmf { digit, .. } => Some(Input::Dtmf { digit }),
            MediaEvent::Inactive => Some(Input::MediaInactive),
            MediaEvent::Closed(report) => {
                self.report = Some(*report);
                Some(Input::MediaFailed)
            }
            MediaEvent::StrangerRtp => {
                self.hotline.counters.stranger();
                tracing::warn!(call = %self.id, "RTP of a stranger was dropped");
                None
            }
            MediaEvent::RecordingFailed { error } => {
                tracing::error!(call = %self.id, error, "a recording cannot be written; the call goes on");
                None
            }
            MediaEvent::SecurityFailed { error } => {
                tracing::warn!(call = %self.id, %error, "audio cannot be secured: the call ends");
                Some(Input::MediaInactive)
            }
            // A peer that is gone is told as inactive, whatever its transport.
            MediaEvent::FirstPacket
            | MediaEvent::KeysSent
            | MediaEvent::Secured
            | MediaEvent::ConsentLost => None,
        }
    }

    /// Waits for the recording to be finished and writes the call's end.
    async fn close(mut self) -> JoinSet<()> {
        self.leg = None;
        let report = self.leg_report().await;
        if let Some((cause, at)) = self.end {
            // A call that was cancelled while our answer was on its way was never answered.
            let answered = self.answered && cause != Cause::CallerCancelled;
            if answered {
                self.hotline.counters.answered();
            }
            let end = end_of(self.id, (cause, at), answered, self.refused);
            let end = with_media(&self.hotline, end, report).await;
            tracing::info!(call = %self.id, cause = end.cause, "call over");
            self.hotline.counters.ended(cause);
            write(&self.entries, Entry::Ended(Box::new(end))).await;
        }
        self.captions
    }

    async fn leg_report(&mut self) -> Option<LegReport> {
        if self.report.is_some() {
            return self.report.take();
        }
        let media = self.media.as_mut()?;
        let wait = async {
            while let Some(event) = media.recv().await {
                if let MediaEvent::Closed(report) = event {
                    return Some(*report);
                }
            }
            None
        };
        let report = tokio::time::timeout(CLOSE_MAX, wait).await;
        report.unwrap_or_else(|_| {
            tracing::error!(call = %self.id, "the media engine did not close a leg in time");
            None
        })
    }
}

/// Handed over in order. The books outlive the driver: they end when this sender does.
async fn write(entries: &mpsc::Sender<Entry>, entry: Entry) {
    let _ = entries.send(entry).await;
}

/// The end of a call with what the media path knows of it; hashing a recording takes its time on
/// the other runtime.
async fn with_media(hotline: &Hotline, end: CallEnd, report: Option<LegReport>) -> CallEnd {
    let Some(mut report) = report else { return end };
    let quality =
        (report.packets_received > 0 || report.packets_sent > 0).then_some(MediaQuality {
            packets_sent: report.packets_sent,
            packets_received: report.packets_received,
            packets_lost: report.packets_lost,
            jitter_ms: report.jitter_ms,
            rtt_ms: report.rtt_ms,
            mos: report.mos,
        });
    let (Some(made), Some(recordings)) = (report.recording.take(), &hotline.recordings) else {
        return CallEnd { recording: RecordingEnd::Nothing, quality, ..end };
    };
    if made.incomplete {
        tracing::error!(call = %end.id, "a recording is incomplete");
    }
    let recordings = Arc::clone(recordings);
    let described = hotline.app.spawn_blocking(move || recordings.describe(&made)).await;
    let recording = described.map_err(anyhow::Error::from).flatten().inspect_err(|error| {
        let error = format!("{error:#}");
        tracing::error!(call = %end.id, error, "a finished recording cannot be read");
    });
    let recording = recording.map_or(RecordingEnd::Unknown, RecordingEnd::Made);
    CallEnd { recording, quality, ..end }
}

fn config(hotline: &Hotline, id: CallId) -> CallConfig {
    let (spoken, media) = (&hotline.config.hotline, &hotline.config.media);
    CallConfig {
        ring: Duration::from_millis(spoken.ring_ms),
        call_max: Duration::from_secs(spoken.call_s_max),
        media_inactive: Duration::from_secs(media.inactivity_s),
        silence_prompt: Duration::from_secs(spoken.silence_prompt_s),
        silence_hangup: Duration::from_secs(spoken.silence_hangup_s),
        prompt_max: hotline.prompts.longest() + Duration::from_secs(5),
        // Any number that is new for each call; 62 bits, because some gateways read it signed.
        session_id: (id.0.as_u128() as u64) >> 2,
        ..CallConfig::default()
    }
}

fn dialog_input(event: DialogEvent) -> Option<Input> {
    Some(match event {
        DialogEvent::Ack { body } => Input::Ack { answer: body.map(|body| text(&body)) },
        DialogEvent::AckTimeout => Input::AckTimeout,
        DialogEvent::Cancel => Input::Cancel,
        DialogEvent::Bye { .. } => Input::Bye,
        DialogEvent::Reinvite { offer } => Input::Reinvite { offer: offer.map(|body| text(&body)) },
        DialogEvent::TransportLost => Input::TransportLost,
        // A caller's events; this side was called.
        _ => return None,
    })
}

async fn ready(begun: &mut Option<oneshot::Receiver<bool>>) -> bool {
    match begun {
        // The books drop the sender only when they end, which they do after the driver.
        Some(begun) => begun.await.unwrap_or(false),
        None => std::future::pending().await,
    }
}

async fn next(media: &mut Option<mpsc::Receiver<MediaEvent>>) -> Option<MediaEvent> {
    match media {
        Some(media) => media.recv().await,
        None => std::future::pending().await,
    }
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// What was negotiated, in the media engine's words.
pub fn remote_media(remote: sdp::RemoteMedia) -> RemoteMedia {
    let codec = match remote.codec {
        sdp::Codec::Pcma => qingting_media::Codec::Pcma,
        sdp::Codec::Pcmu => qingting_media::Codec::Pcmu,
        sdp::Codec::G722 => qingting_media::Codec::G722,
        sdp::Codec::Opus => qingting_media::Codec::Opus,
    };
    let direction: Direction = remote.direction;
    RemoteMedia {
        rtp: remote.rtp,
        rtcp: remote.rtcp,
        rtcp_mux: remote.rtcp_mux,
        codec,
        payload_type: remote.payload_type,
        dtmf_payload_type: remote.dtmf_payload_type,
        send: direction.sends(),
        receive: direction.receives(),
        security: security(remote.security),
    }
}

/// How the media engine shall secure what SDP agreed on.
fn security(agreed: sdp::RemoteSecurity) -> Security {
    match agreed {
        sdp::RemoteSecurity::Plain => Security::Plain,
        sdp::RemoteSecurity::Sdes { suite, send, receive } => {
            let profile = match suite {
                sdp::Suite::AesCm80 => Profile::AesCm80,
                sdp::Suite::AesCm32 => Profile::AesCm32,
                sdp::Suite::AeadGcm => Profile::AeadGcm128,
            };
            let keys = |key: sdp::MasterKey| {
                let (key, salt) = key.bytes().split_at(profile.key_bytes());
                Keys::new(profile, key, salt).expect("SDP keeps keys of the suite's length")
            };
            Security::Srtp { send: keys(send), receive: keys(receive) }
        }
        sdp::RemoteSecurity::Dtls { fingerprint, role, ice } => Security::Dtls {
            role: match role {
                sdp::DtlsRole::Client => Role::Client,
                sdp::DtlsRole::Server => Role::Server,
            },
            fingerprint: fingerprint.0,
            ice: Credentials::new(&ice.ufrag(), &ice.pwd()).expect("ours are 10 and 26 long"),
        },
    }
}
