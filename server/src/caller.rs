//! A telephone without a person: places one SIP call, speaks a recording, presses keys, listens.

use crate::clock::Clock;
use crate::ear::Ear;
use crate::serve::remote_media;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use qingting_common::Millis;
use qingting_core::sdp::{Codec, LocalMedia, LocalSecurity, Session, SessionDescription};
use qingting_media::{
    Layout, LegConfig, LegHandle, LegReport, MediaConfig, MediaEngine, MediaEvent, RecogniserTap,
    RecordTo,
};
use qingting_sip::message::{NameAddr, SipUri};
use qingting_sip::{Dialog, DialogEvent, Endpoint, EndpointConfig, OutgoingInvite, Transport};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The keys of a telephone (RFC 4733 §3.2).
pub const KEYS: &str = "0123456789*#ABCD";
/// Ports of a caller: more than it needs, in case another one has begun near it.
const PORTS: u16 = 64;
/// Longest wait for a prompt's end; then the caller speaks anyway.
const PROMPT_MAX: Duration = Duration::from_secs(60);
/// Longest wait for the answer to our BYE and for the recording to be finished.
const GOODBYE_MAX: Duration = Duration::from_secs(3);

/// One call to place.
#[derive(Clone, Debug)]
pub struct Plan {
    pub target: String,
    pub transport: Option<Transport>,
    pub from: String,
    pub codecs: Vec<Codec>,
    /// What is said, 8 kHz.
    pub speech: Option<Arc<[i16]>>,
    pub begin: Begin,
    pub keys: Vec<char>,
    pub linger: Duration,
    pub ring_max: Duration,
    pub record: Option<PathBuf>,
    /// The `Call-ID`; random when absent.
    pub call_id: Option<String>,
}

/// When to begin to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// So long after the answer.
    After(Duration),
    /// When the other side's prompt is over.
    WhenPromptEnds,
}

/// What happens on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Calling { uri: String, transport: Transport },
    Progress { code: u16 },
    Answered { codec: &'static str },
    Speaking { samples: usize },
    Spoken,
    Key(char),
    HungUp { by_us: bool },
}

/// How the call went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub call_id: String,
    pub end: End,
    /// From the INVITE to the answer.
    pub answered_after: Option<Duration>,
    /// From the answer to the hang-up.
    pub talked: Duration,
    pub codec: Option<&'static str>,
    pub report: Option<LegReport>,
    /// Why the recording that was asked for is not whole.
    pub recording_error: Option<String>,
}

/// The end of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Everything was said and we hung up.
    #[default]
    Done,
    /// Ctrl-C.
    Interrupted,
    /// The other side hung up before that.
    CutOff,
    /// It was never answered.
    NotAnswered { code: u16, reason: String },
}

/// Places the call and stays until it is over.
pub async fn place(plan: &Plan, told: &mut dyn FnMut(Millis, Step)) -> Result<Outcome> {
    let uri = target(&plan.target)?;
    let transport =
        plan.transport.unwrap_or(if uri.wants_tcp() { Transport::Tcp } else { Transport::Udp });
    let ip = own_ip(&uri).await?;
    let any = SocketAddr::new(ip, 0);
    let (endpoint, _nobody_calls_us) = Endpoint::bind(EndpointConfig {
        udp: vec![any],
        tcp: vec![any],
        product: concat!("Qingting-call/", env!("CARGO_PKG_VERSION")).to_owned(),
        calls_max: 1,
        ..EndpointConfig::default()
    })
    .await?;
    let media = engine(ip, PORTS)?;
    let (mut leg, events) = media.open(LegConfig {
        record: plan.record.clone().map(|path| RecordTo {
            path,
            layout: Layout::SentLeft,
            ..RecordTo::default()
        }),
        recognise: true,
        inactivity: Duration::from_secs(3_600),
        ..LegConfig::default()
    })?;
    let mut session = Session::new(LocalMedia {
        ip,
        rtp_port: leg.local_rtp().port(),
        rtcp_mux: false,
        session_id: u64::from(rand::random::<u32>()),
        version: 1,
        codecs: plan.codecs.clone(),
        security: LocalSecurity::default(),
    });
    let clock = Clock::start();
    told(clock.now(), Step::Calling { uri: uri.to_string(), transport });
    let own = SipUri::sip(&plan.from, &host(ip), None);
    let (dialog, dialog_events) = endpoint.invite(OutgoingInvite {
        target: uri,
        transport,
        from: NameAddr { display: String::new(), uri: own, params: Default::default() },
        offer: Some(Bytes::from(session.offer().to_string())),
        headers: Vec::new(),
        call_id: plan.call_id.clone(),
        credentials: None,
        route: Vec::new(),
        flow: None,
        silence_max: None,
    });
    let call_id = dialog.call_id().to_owned();
    let tap = leg.take_recogniser_tap();
    let mut line = Line {
        plan,
        clock,
        told,
        dialog,
        dialog_events,
        leg: Some(leg),
        events,
        tap,
        recording_error: None,
    };
    let talked = tokio::select! {
        talked = line.converse(&mut session) => talked,
        _ = tokio::signal::ctrl_c() => Ok(Talked { end: End::Interrupted, ..Talked::default() }),
    };
    // On every way out the other side is told, so that nobody goes on talking to a dead line.
    let (report, recording_error) = line.leave().await;
    endpoint.close().await;
    let Talked { end, answered_after, talked, codec } = talked?;
    Ok(Outcome { call_id, end, answered_after, talked, codec, report, recording_error })
}

/// What was agreed and how it went.
#[derive(Default)]
struct Talked {
    end: End,
    answered_after: Option<Duration>,
    talked: Duration,
    codec: Option<&'static str>,
}

/// The call while it lives.
struct Line<'a> {
    plan: &'a Plan,
    clock: Clock,
    told: &'a mut dyn FnMut(Millis, Step),
    dialog: Dialog,
    dialog_events: mpsc::Receiver<DialogEvent>,
    leg: Option<LegHandle>,
    events: mpsc::Receiver<MediaEvent>,
    tap: Option<RecogniserTap>,
    recording_error: Option<String>,
}

impl Line<'_> {
    /// From the INVITE to the hang-up, whoever hangs up.
    async fn converse(&mut self, session: &mut Session) -> Result<Talked> {
        let answer = match self.wait_for_answer().await {
            Ok(answer) => answer,
            Err((code, reason)) => {
                return Ok(Talked { end: End::NotAnswered { code, reason }, ..Talked::default() });
            }
        };
        let answered = self.clock.now();
        let agreed = answer
            .parse::<SessionDescription>()
            .map_err(anyhow::Error::from)
            .and_then(|answer| Ok(session.accept(&answer)?))
            .context("the answer's session description cannot be used")?;
        let codec = agreed.remote.codec.name();
        self.connect(remote_media(agreed.remote));
        (self.told)(answered, Step::Answered { codec });
        let end = if self.talk().await { End::Done } else { End::CutOff };
        let hung_up = self.clock.now();
        (self.told)(hung_up, Step::HungUp { by_us: end == End::Done });
        Ok(Talked {
            end,
            answered_after: Some(answered - Millis(0)),
            talked: hung_up - answered,
            codec: Some(codec),
        })
    }

    /// The session description of the answer, or why there is none.
    async fn wait_for_answer(&mut self) -> Result<String, (u16, String)> {
        let deadline = self.clock.instant(Millis(0) + self.plan.ring_max);
        loop {
            let event = tokio::select! {
                event = self.dialog_events.recv() => event,
                () = tokio::time::sleep_until(deadline) => {
                    self.dialog.cancel();
                    return Err((408, "nobody answered in time".to_owned()));
                }
            };
            match event {
                Some(DialogEvent::Progress { code, .. }) => {
                    (self.told)(self.clock.now(), Step::Progress { code });
                }
                Some(DialogEvent::Answered { body }) => {
                    let body = body.unwrap_or_default();
                    return Ok(String::from_utf8_lossy(&body).into_owned());
                }
                Some(DialogEvent::Failed { code, reason, .. }) => return Err((code, reason)),
                Some(_) => {}
                None => return Err((408, "the other side cannot be reached".to_owned())),
            }
        }
    }

    fn connect(&self, remote: qingting_media::RemoteMedia) {
        if let Some(leg) = &self.leg {
            leg.connect(remote);
        }
    }

    /// Says everything; false when the other side hung up meanwhile.
    async fn talk(&mut self) -> bool {
        let begun = match self.plan.begin {
            Begin::After(wait) => self.stay(wait).await,
            Begin::WhenPromptEnds => self.listen_to_prompt().await,
        };
        if !begun {
            return false;
        }
        if let (Some(speech), Some(leg)) = (&self.plan.speech, &self.leg) {
            (self.told)(self.clock.now(), Step::Speaking { samples: speech.len() });
            leg.play(1, Arc::clone(speech));
            if !self.wait_for(|event| matches!(event, MediaEvent::PromptDone(1))).await {
                return false;
            }
            (self.told)(self.clock.now(), Step::Spoken);
        }
        if let Some(leg) = self.leg.as_ref().filter(|_| !self.plan.keys.is_empty()) {
            for key in &self.plan.keys {
                (self.told)(self.clock.now(), Step::Key(*key));
                leg.send_dtmf(*key);
            }
            if !self.wait_for(|event| matches!(event, MediaEvent::KeysSent)).await {
                return false;
            }
        }
        self.stay(self.plan.linger).await
    }

    /// Waits for an event of the media; false when the other side hung up first.
    async fn wait_for(&mut self, wanted: impl Fn(&MediaEvent) -> bool) -> bool {
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) if wanted(&event) => return true,
                    Some(event) => self.note(event),
                    None => return false,
                },
                event = self.dialog_events.recv() => if is_over(event.as_ref()) { return false },
            }
        }
    }

    /// Stays on the line; false when the other side hung up first.
    async fn stay(&mut self, time: Duration) -> bool {
        let until = tokio::time::sleep(time);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return true,
                event = self.dialog_events.recv() => if is_over(event.as_ref()) { return false },
                Some(event) = self.events.recv() => self.note(event),
            }
        }
    }

    fn note(&mut self, event: MediaEvent) {
        if let MediaEvent::RecordingFailed { error } = event {
            self.recording_error = Some(error);
        }
    }

    /// Listens until a voice was heard and then nothing for a while.
    async fn listen_to_prompt(&mut self) -> bool {
        const LOOK_EVERY: Duration = Duration::from_millis(40);
        let mut ear = Ear::default();
        let deadline = self.clock.now() + PROMPT_MAX;
        while !ear.is_over() && self.clock.now() < deadline {
            if !self.stay(LOOK_EVERY).await {
                return false;
            }
            while let Some(frame) = self.tap.as_mut().and_then(RecogniserTap::pop) {
                ear.hear(self.clock.now(), frame.level());
            }
        }
        true
    }

    /// Hangs up what is still up, and waits for the books of the media.
    async fn leave(mut self) -> (Option<LegReport>, Option<String>) {
        self.dialog.bye(None);
        let done = async {
            while let Some(event) = self.dialog_events.recv().await {
                if matches!(event, DialogEvent::ByeDone | DialogEvent::Failed { .. }) {
                    break;
                }
            }
        };
        // A peer that does not answer BYE any more costs three seconds.
        let _ = tokio::time::timeout(GOODBYE_MAX, done).await;
        self.leg = None;
        let report = self.last_report().await;
        (report, self.recording_error)
    }

    async fn last_report(&mut self) -> Option<LegReport> {
        let closed = async {
            while let Some(event) = self.events.recv().await {
                match event {
                    MediaEvent::Closed(report) => return Some(*report),
                    MediaEvent::RecordingFailed { error } => self.recording_error = Some(error),
                    _ => {}
                }
            }
            None
        };
        tokio::time::timeout(GOODBYE_MAX, closed).await.ok().flatten()
    }
}

fn is_over(event: Option<&DialogEvent>) -> bool {
    matches!(event, None | Some(DialogEvent::Bye { .. } | DialogEvent::TransportLost))
}

/// `sip:12345@HOST`, or the same without `sip:`.
fn target(text: &str) -> Result<SipUri> {
    let full = if text.starts_with("sip:") { text.to_owned() } else { format!("sip:{text}") };
    match full.parse() {
        Ok(uri) => Ok(uri),
        Err(_) => bail!("{text:?} is not a SIP address: give one such as sip:12345@127.0.0.1:5060"),
    }
}

/// The address of ours that reaches the target.
async fn own_ip(uri: &SipUri) -> Result<IpAddr> {
    let port = uri.port.unwrap_or(5060);
    let name = uri.host.trim_matches(['[', ']']).to_owned();
    let peer = tokio::net::lookup_host((name.as_str(), port))
        .await
        .ok()
        .and_then(|mut found| found.next())
        .with_context(|| format!("cannot find the host {name}"))?;
    let any: SocketAddr =
        if peer.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(peer).with_context(|| format!("there is no way to {peer}"))?;
    Ok(socket.local_addr()?.ip())
}

/// Media with so many ports from a random start, so that telephones on one machine rarely meet.
pub fn engine(ip: IpAddr, ports: u16) -> Result<MediaEngine> {
    let first = 20_000 + rand::random::<u16>() % 20_000 / 2 * 2;
    Ok(MediaEngine::start(MediaConfig {
        bind_ip: ip,
        ports: first..=first + ports,
        ..MediaConfig::default()
    })?)
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
