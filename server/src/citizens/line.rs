//! One call to a citizen.

use super::Sounds;
use super::file::{Act, Citizen, Citizens, Does, SoundId, Source};
use super::questions::{Asked, KEPT_SAMPLES, Questions};
use crate::clock::{Clock, unix_now};
use crate::ear::{Ear, TICK, silent_end};
use crate::serve::remote_media;
use anyhow::{Context, Result};
use bytes::Bytes;
use qingting_callbacks::script::AnswerName;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use qingting_common::{Millis, UnixMillis};
use qingting_core::sdp::{Codec, LocalMedia, LocalSecurity, Session, SessionDescription};
use qingting_media::{LegConfig, LegHandle, MediaEngine, MediaEvent, RecogniserTap};
use qingting_nlu::answers::Question;
use qingting_sip::message::HeaderName;
use qingting_sip::{Dialog, DialogEvent, IncomingCall, Reply};
use serde::Serialize;
use std::f32::consts::TAU;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

/// Longest that anybody rings, talks or listens without anything happening.
pub const STAYS_MAX: Duration = Duration::from_secs(180);
/// How long a mailbox records.
const MAILBOX_MAX: Duration = Duration::from_secs(30);
/// Longest wait for the end of what we play beyond its length, and for keys to be sent.
const PLAYED_MAX: Duration = Duration::from_secs(10);
/// A mailbox's beep.
const BEEP_HZ: f32 = 1_000.0;
const BEEP: Duration = Duration::from_millis(400);
const BEEP_LEVEL: f32 = 8_000.0;

/// Who is called.
pub struct Called {
    pub citizens: Arc<Citizens>,
    pub sounds: Arc<Sounds>,
    pub questions: Arc<Questions>,
    pub media: Arc<MediaEngine>,
    pub number: String,
    /// From 1.
    pub nth: usize,
}

/// What became of a call.
#[derive(Clone, Debug, Serialize)]
pub struct CallReport {
    /// The number that was called.
    pub number: String,
    /// The how manieth call of this number.
    pub call: usize,
    /// Its `Call-ID`.
    pub call_id: String,
    /// When the INVITE came, in ms since 1970.
    pub invited_at: i64,
    /// What the citizen did: a key of the file, or `unknown_number`.
    pub did: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
    /// From the INVITE to the answer.
    pub answered_after_ms: Option<u64>,
    /// From the answer to the end.
    pub talked_ms: Option<u64>,
    /// What a person said, in order.
    pub turns: Vec<Turn>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum End {
    /// We refused it.
    Refused { status: u16 },
    /// The caller gave up.
    Cancelled,
    /// The citizen hung up.
    HungUp,
    /// The caller did.
    Released,
    /// There is no media for it.
    Failed { why: String },
}

/// One thing that a person said.
#[derive(Clone, Debug, Serialize)]
pub struct Turn {
    /// After which prompt; 0: the greeting.
    pub prompt: usize,
    /// `speech`, `keys` or `silence`.
    pub by: &'static str,
    /// The text, the file or the keys.
    pub gave: String,
    /// From the end of speech or keys to the beginning of the next prompt; below 0 when that began
    /// before, none when no prompt followed.
    pub latency_ms: Option<i64>,
}

/// Takes the call to its end.
pub async fn answer(call: IncomingCall, called: Called) -> CallReport {
    let (clock, invited_at) = (Clock::start(), unix_now());
    let call_id = call.dialog.call_id().to_owned();
    let citizen = called.citizens.by_number.get(&called.number);
    let deed =
        citizen.and_then(|citizen| citizen.calls.get(called.nth - 1).or(citizen.calls.last()));
    let mut report = CallReport::new(&called, call_id, invited_at, deed);
    let (Some(citizen), Some(deed)) = (citizen, deed) else {
        report.end = refuse(&call.dialog, 404);
        return report;
    };
    if let Does::Refuse(status) = deed {
        report.end = refuse(&call.dialog, *status);
        return report;
    }
    let refuser = call.dialog.clone();
    match Line::open(call, &called, clock) {
        Ok(mut line) => {
            report.end = line.take(citizen, deed).await;
            let (now, answered) = (clock.now(), line.answered);
            report.answered_after_ms = answered.map(|at| at.0);
            report.talked_ms = answered.map(|at| now.0 - at.0);
            report.turns = line.turns;
        }
        Err(error) => {
            // What is not offered in a way that telephones know (RFC 3261 §21.4.26).
            refuse(&refuser, 488);
            report.end = End::Failed { why: format!("{error:#}") };
        }
    }
    report
}

fn refuse(dialog: &Dialog, status: u16) -> End {
    let mut reply = Reply::new(status);
    if status == 404 {
        // As exchanges say of a number that does not exist: 404 alone may as well be a lost route.
        let reason = "Q.850;cause=1;text=\"Unallocated number\"".to_owned();
        reply.headers.push((HeaderName::Other("Reason".to_owned()), reason));
    }
    dialog.respond(reply);
    End::Refused { status }
}

impl CallReport {
    fn new(called: &Called, call_id: String, at: UnixMillis, deed: Option<&Does>) -> Self {
        Self {
            number: called.number.clone(),
            call: called.nth,
            call_id,
            invited_at: at.0,
            did: deed.map_or("unknown_number", Does::name),
            end: End::Cancelled,
            answered_after_ms: None,
            talked_ms: None,
            turns: Vec::new(),
        }
    }
}

/// A call that is not refused at once.
pub struct Line {
    clock: Clock,
    dialog: Dialog,
    dialog_events: mpsc::Receiver<DialogEvent>,
    session: Session,
    /// Our answer to the caller's offer.
    sdp: Bytes,
    leg: LegHandle,
    media_events: mpsc::Receiver<MediaEvent>,
    tap: RecogniserTap,
    ticks: Interval,
    sounds: Arc<Sounds>,
    citizens: Arc<Citizens>,
    questions: Arc<Questions>,
    /// The newest of what was heard.
    heard: Vec<i16>,
    played: u32,
    answered: Option<Millis>,
    pub ear: Ear,
    turns: Vec<Turn>,
    /// When the last turn ended whose next prompt has not begun.
    turn_ended: Option<Millis>,
}

impl Line {
    fn open(call: IncomingCall, called: &Called, clock: Clock) -> Result<Self> {
        let offer = call.request.sdp().context("the INVITE has no offer")?;
        let offer: SessionDescription = String::from_utf8_lossy(&offer).parse()?;
        let (mut leg, media_events) =
            called.media.open(LegConfig { recognise: true, ..LegConfig::default() })?;
        let mut session = Session::new(LocalMedia {
            ip: call.local.ip(),
            rtp_port: leg.local_rtp().port(),
            rtcp_mux: false,
            session_id: u64::from(rand::random::<u32>()),
            version: 1,
            codecs: Codec::ALL.to_vec(),
            security: LocalSecurity::default(),
        });
        let agreed = session.answer(&offer)?;
        let tap = leg.take_recogniser_tap().context("the leg has no tap")?;
        leg.connect(remote_media(agreed.remote));
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Ok(Self {
            clock,
            dialog: call.dialog,
            dialog_events: call.events,
            session,
            sdp: agreed.local.to_string().into(),
            leg,
            media_events,
            tap,
            ticks,
            sounds: Arc::clone(&called.sounds),
            citizens: Arc::clone(&called.citizens),
            questions: Arc::clone(&called.questions),
            heard: Vec::new(),
            played: 0,
            answered: None,
            ear: Ear::default(),
            turns: Vec::new(),
            turn_ended: None,
        })
    }

    async fn take(&mut self, citizen: &Citizen, deed: &Does) -> End {
        let (Ok(end) | Err(end)) = match deed {
            Does::Refuse(status) => Ok(refuse(&self.dialog, *status)),
            Does::Ring => self.ring().await,
            Does::Announce(sound) => self.announce(*sound).await,
            Does::Mailbox(sound) => self.mailbox(citizen, *sound).await,
            Does::Talk(person) => match self.pick_up(citizen).await {
                Ok(()) => super::person::talk(self, person).await,
                Err(end) => Err(end),
            },
        };
        end
    }

    async fn ring(&mut self) -> Result<End, End> {
        self.dialog.respond(Reply::new(180));
        self.stay(STAYS_MAX).await?;
        Ok(refuse(&self.dialog, 480))
    }

    /// The network's words before the refusal, as networks do (RFC 3960).
    async fn announce(&mut self, sound: SoundId) -> Result<End, End> {
        self.dialog.respond(Reply::with_body(183, self.sdp.clone()));
        self.play(self.sound(sound)).await?;
        Ok(refuse(&self.dialog, 480))
    }

    async fn mailbox(&mut self, citizen: &Citizen, greeting: SoundId) -> Result<End, End> {
        self.pick_up(citizen).await?;
        self.play(self.sound(greeting)).await?;
        self.play(beep()).await?;
        self.stay(MAILBOX_MAX).await?;
        Ok(self.hang_up())
    }

    async fn pick_up(&mut self, citizen: &Citizen) -> Result<(), End> {
        self.dialog.respond(Reply::new(180));
        self.stay(citizen.rings).await?;
        self.dialog.respond(Reply::with_body(200, self.sdp.clone()));
        self.answered = Some(self.clock.now());
        Ok(())
    }

    pub fn hang_up(&self) -> End {
        self.dialog.bye(None);
        End::HungUp
    }

    fn sound(&self, id: SoundId) -> Arc<[i16]> {
        Arc::clone(&self.sounds[id.0])
    }

    /// What the prompt asked that was heard last; none when that is not known.
    pub fn asked(&self) -> Option<Asked> {
        self.questions.asked(&self.heard)
    }

    /// Whether whoever says this means that answer.
    pub fn is_meant(&self, question: Question, sound: SoundId, answer: AnswerName) -> bool {
        match &self.citizens.sources[sound.0] {
            Source::Voice(saying) => self.questions.is_meant(question, &saying.text, answer),
            Source::File(..) => false,
        }
    }

    /// Does something after this prompt and notes it.
    pub async fn act(&mut self, prompt: usize, act: &Act) -> Result<(), End> {
        self.ear.wait_for_next();
        self.turn_ended = None;
        let (by, gave) = match act {
            Act::Say(sound) => ("speech", self.citizens.sources[sound.0].told()),
            Act::Press(keys) => ("keys", keys.iter().collect()),
            Act::Nothing => ("silence", String::new()),
        };
        self.turns.push(Turn { prompt, by, gave, latency_ms: None });
        self.turn_ended = match act {
            Act::Nothing => None,
            Act::Say(sound) => {
                let samples = self.sound(*sound);
                let silent = ms_of(silent_end(&samples));
                self.play(samples).await?;
                Some(Millis(self.clock.now().0.saturating_sub(silent)))
            }
            Act::Press(keys) => {
                for key in keys {
                    self.leg.send_dtmf(*key);
                }
                let sent = |_: &Ear, event: Option<&MediaEvent>| {
                    matches!(event, Some(MediaEvent::KeysSent))
                };
                self.wait(PLAYED_MAX, sent).await?;
                Some(self.clock.now())
            }
        };
        Ok(())
    }

    async fn play(&mut self, samples: Arc<[i16]>) -> Result<(), End> {
        self.played += 1;
        let id = self.played;
        let length = Duration::from_millis(ms_of(samples.len()));
        self.leg.play(id, samples);
        let is_done = |_: &Ear, event: Option<&MediaEvent>| matches!(event, Some(MediaEvent::PromptDone(done)) if *done == id);
        self.wait(length + PLAYED_MAX, is_done).await?;
        Ok(())
    }

    /// Stays on the line.
    pub async fn stay(&mut self, time: Duration) -> Result<(), End> {
        self.wait(time, |_, _| false).await.map(drop)
    }

    /// Waits until `is_done`; false when that is not so in time, an error when the call is over.
    pub async fn wait(
        &mut self,
        longest: Duration,
        is_done: impl Fn(&Ear, Option<&MediaEvent>) -> bool,
    ) -> Result<bool, End> {
        let until = tokio::time::sleep(longest);
        tokio::pin!(until);
        loop {
            let event = tokio::select! {
                () = &mut until => return Ok(false),
                event = self.dialog_events.recv() => {
                    self.signalled(event)?;
                    continue;
                }
                _ = self.ticks.tick() => None,
                Some(event) = self.media_events.recv() => Some(event),
            };
            self.listen();
            if is_done(&self.ear, event.as_ref()) {
                return Ok(true);
            }
        }
    }

    fn listen(&mut self) {
        let now = self.clock.now();
        while let Some(frame) = self.tap.pop() {
            self.ear.hear(now, frame.level());
            self.heard.extend(frame.samples);
        }
        if self.heard.len() > 2 * KEPT_SAMPLES {
            self.heard.drain(..self.heard.len() - KEPT_SAMPLES);
        }
        if let (Some(ended), Some(began)) = (self.turn_ended, self.ear.began()) {
            self.turn_ended = None;
            if let Some(turn) = self.turns.last_mut() {
                turn.latency_ms = Some(began.0.cast_signed() - ended.0.cast_signed());
            }
        }
    }

    fn signalled(&mut self, event: Option<DialogEvent>) -> Result<(), End> {
        match event {
            Some(DialogEvent::Cancel) => {
                // The status of every cancelled INVITE (RFC 3261 §15.1.2).
                self.dialog.respond(Reply::new(487));
                return Err(End::Cancelled);
            }
            None
            | Some(
                DialogEvent::Bye { .. } | DialogEvent::TransportLost | DialogEvent::SessionExpired,
            ) => return Err(End::Released),
            Some(DialogEvent::AckTimeout) => return Err(self.hang_up()),
            Some(DialogEvent::Reinvite { offer: None }) => {
                let offer = self.session.offer().to_string();
                self.dialog.respond_reinvite(Reply::with_body(200, offer));
            }
            Some(DialogEvent::Reinvite { offer: Some(offer) }) => {
                let reply = self.agree(&offer);
                self.dialog.respond_reinvite(reply);
            }
            Some(DialogEvent::Update { offer }) => {
                let reply = self.agree(&offer);
                self.dialog.respond_update(reply);
            }
            Some(DialogEvent::Ack { body: Some(answer) }) => {
                let answer = String::from_utf8_lossy(&answer).parse::<SessionDescription>();
                if let Some(agreed) = answer.ok().and_then(|it| self.session.accept(&it).ok()) {
                    self.leg.connect(remote_media(agreed.remote));
                }
            }
            Some(DialogEvent::Refer { .. }) => self.dialog.reject_refer(603),
            Some(_) => {}
        }
        Ok(())
    }

    /// Follows a new offer: hold, another party, a refresh.
    fn agree(&mut self, offer: &Bytes) -> Reply {
        let offer = String::from_utf8_lossy(offer).parse::<SessionDescription>();
        match offer.ok().and_then(|offer| self.session.answer(&offer).ok()) {
            Some(agreed) => {
                self.leg.connect(remote_media(agreed.remote));
                Reply::with_body(200, agreed.local.to_string())
            }
            None => Reply::new(488),
        }
    }
}

fn ms_of(samples: usize) -> u64 {
    samples as u64 * 1_000 / u64::from(TELEPHONE_RATE_HZ)
}

fn beep() -> Arc<[i16]> {
    let step = TAU * BEEP_HZ / TELEPHONE_RATE_HZ as f32;
    let samples = BEEP.as_millis() as usize * TELEPHONE_RATE_HZ as usize / 1_000;
    (0..samples).map(|n| ((step * n as f32).sin() * BEEP_LEVEL) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_ends_for_the_ear_where_its_last_word_does() {
        let mut samples = beep().to_vec();
        assert_eq!(silent_end(&samples), 0);
        samples.resize(samples.len() + 8_000, 0);
        assert_eq!(ms_of(silent_end(&samples)), 1_000);
        assert_eq!(ms_of(silent_end(&[0; 800])), 100);
    }
}
