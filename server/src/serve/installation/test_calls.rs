//! Test calls: one INVITE by one trunk, a tone to whoever answers, and what was heard of them. Nothing of it is a call of
//! the hotline's books.

use crate::clock::Clock;
use crate::serve::{Hotline, remote_media, tones};
use crate::{clock, serve::switchboard::Way};
use qingting_api::{
    ControlCode, ControlError, TestCall, TestCallEnd, TestCallQuality, TestCallRequest,
    TestCallState,
};
use qingting_callbacks::intake::{is_citizens, last_digits};
use qingting_common::Millis;
use qingting_core::numbers::Number;
use qingting_core::sdp::{Codec, LocalMedia, LocalSecurity, Session, SessionDescription};
use qingting_media::{LegConfig, LegHandle, LegReport, MediaEvent};
use qingting_sip::{Dialog, DialogEvent};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// Test calls at once: they take lines that citizens need.
const AT_ONCE_MAX: usize = 2;
/// Test calls that are remembered.
const KEPT_MAX: usize = 20;
/// Longest ringing.
const RING_MAX: Duration = Duration::from_secs(45);
/// Longest wait for the answer to our BYE, and for the media's books.
const GOODBYE_MAX: Duration = Duration::from_secs(3);
/// The tone's number among the leg's prompts.
const TONE: u32 = 1;

/// Those that run and those that were not long ago, the oldest first.
#[derive(Default)]
pub(super) struct TestCalls(Mutex<Vec<Kept>>);

struct Kept {
    call: TestCall,
    stop: watch::Sender<bool>,
}

impl TestCalls {
    pub(super) fn begin(
        self: &Arc<Self>,
        hotline: &Arc<Hotline>,
        request: TestCallRequest,
    ) -> Result<TestCall, ControlError> {
        let number = Number::read(request.to.expose(), None).ok();
        let number = number.filter(|number| is_citizens(number.kind())).ok_or_else(|| {
            error(
                ControlCode::NotAllowed,
                "测试呼叫只能拨打国内手机、固话，不能拨打紧急、短号和境外号码",
            )
        })?;
        let way = hotline.switchboard.trunks.way_of(&request.trunk, &number);
        let way =
            way.ok_or_else(|| error(ControlCode::NoTarget, "没有这条中继，或号码不能由它拨出"))?;
        let call = TestCall {
            id: Uuid::now_v7(),
            trunk: request.trunk,
            to: last_digits(&request.to),
            began_at: clock::unix_now().0,
            ..TestCall::default()
        };
        let (stop, stopped) = watch::channel(false);
        {
            let mut all = self.lock();
            let running = |kept: &&Kept| kept.call.state != TestCallState::Ended;
            if all.iter().filter(running).count() >= AT_ONCE_MAX {
                return Err(error(ControlCode::Busy, "已有两个测试呼叫在进行，请先结束"));
            }
            if all.len() >= KEPT_MAX {
                let oldest = all.iter().position(|kept| kept.call.state == TestCallState::Ended);
                oldest.map(|oldest| all.remove(oldest));
            }
            all.push(Kept { call: call.clone(), stop });
        }
        let line = Line {
            calls: Arc::clone(self),
            hotline: Arc::clone(hotline),
            id: call.id,
            clock: Clock::start(),
            stopped,
        };
        // It ends by itself: by its times, by the tone, or with the runtime.
        drop(hotline.to_its_end(line.run(way)));
        Ok(call)
    }

    pub(super) fn one(&self, id: Uuid) -> Option<TestCall> {
        self.lock().iter().find(|kept| kept.call.id == id).map(|kept| kept.call.clone())
    }

    pub(super) fn end(&self, id: Uuid) -> bool {
        let all = self.lock();
        let Some(kept) = all.iter().find(|kept| kept.call.id == id) else { return false };
        kept.stop.send_replace(true);
        true
    }

    fn note(&self, id: Uuid, change: impl FnOnce(&mut TestCall)) {
        if let Some(kept) = self.lock().iter_mut().find(|kept| kept.call.id == id) {
            change(&mut kept.call);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn error(code: ControlCode, detail: &str) -> ControlError {
    ControlError { code, detail: detail.to_owned() }
}

/// A test call while it lives.
struct Line {
    calls: Arc<TestCalls>,
    hotline: Arc<Hotline>,
    id: Uuid,
    clock: Clock,
    stopped: watch::Receiver<bool>,
}

impl Line {
    async fn run(mut self, way: Way) {
        let _line = way.trunk.as_deref().map(|trunk| self.hotline.switchboard.trunks.line(trunk));
        let (end, report) = self.call(way).await;
        let now = self.now_ms();
        self.calls.note(self.id, |call| {
            call.state = TestCallState::Ended;
            call.end = Some(end);
            call.ended_after_ms = Some(now);
            call.quality = report.as_ref().map(quality);
        });
        tracing::info!(id = %self.id, ?end, "a test call is over");
    }

    fn now_ms(&self) -> u64 {
        (self.clock.now() - Millis(0)).as_millis() as u64
    }

    async fn call(&mut self, mut way: Way) -> (TestCallEnd, Option<LegReport>) {
        let opened =
            self.hotline.media.open(LegConfig { bind_ip: way.local_ip, ..LegConfig::default() });
        let (mut leg, mut events) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(%error, "a test call gets no media");
                return (TestCallEnd::Failed, None);
            }
        };
        let mut session = Session::new(LocalMedia {
            ip: way.local_ip.unwrap_or_else(|| leg.local_rtp().ip()),
            rtp_port: leg.local_rtp().port(),
            rtcp_mux: false,
            session_id: u64::from(rand::random::<u32>()),
            version: 1,
            codecs: Codec::ALL.to_vec(),
            security: LocalSecurity::default(),
        });
        way.invite.offer = Some(bytes::Bytes::from(session.offer().to_string()));
        let (dialog, mut told) = self.hotline.endpoint.invite(way.invite);
        let end = match self.wait_for_answer(&mut told, &mut session, &mut leg).await {
            Ok(()) => self.play(&mut leg, &mut told, &mut events).await,
            Err(end) => end,
        };
        let report = leave(&dialog, &mut told, leg, &mut events, end).await;
        (end, report)
    }

    /// Waits until somebody answers what can be used; else why not.
    async fn wait_for_answer(
        &mut self,
        told: &mut mpsc::Receiver<DialogEvent>,
        session: &mut Session,
        leg: &mut LegHandle,
    ) -> Result<(), TestCallEnd> {
        let give_up = tokio::time::sleep(RING_MAX);
        tokio::pin!(give_up);
        loop {
            let event = tokio::select! {
                event = told.recv() => event,
                () = &mut give_up => return Err(TestCallEnd::NotAnswered),
                _ = self.stopped.wait_for(|stop| *stop) => return Err(TestCallEnd::Stopped),
            };
            let now = self.now_ms();
            match event {
                Some(DialogEvent::Progress { code, .. }) => self.calls.note(self.id, |call| {
                    call.sip_code = Some(code);
                    if matches!(code, 180 | 183) {
                        call.state = TestCallState::Ringing;
                        call.rang_after_ms.get_or_insert(now);
                    }
                }),
                Some(DialogEvent::Answered { body }) => {
                    let body = body.unwrap_or_default();
                    let answer = String::from_utf8_lossy(&body).parse::<SessionDescription>().ok();
                    let agreed = answer.and_then(|answer| session.accept(&answer).ok());
                    let Some(agreed) = agreed else { return Err(TestCallEnd::Failed) };
                    let codec = agreed.remote.codec.name().to_owned();
                    leg.connect(remote_media(agreed.remote));
                    self.calls.note(self.id, |call| {
                        call.state = TestCallState::Up;
                        call.sip_code = Some(200);
                        call.answered_after_ms = Some(now);
                        call.codec = Some(codec);
                    });
                    return Ok(());
                }
                Some(DialogEvent::Failed { code, .. }) => {
                    self.calls.note(self.id, |call| call.sip_code = Some(code));
                    return Err(TestCallEnd::NotAnswered);
                }
                Some(_) => {}
                None => return Err(TestCallEnd::NotAnswered),
            }
        }
    }

    /// Plays the tone to its end, unless somebody hangs up before.
    async fn play(
        &mut self,
        leg: &mut LegHandle,
        told: &mut mpsc::Receiver<DialogEvent>,
        events: &mut mpsc::Receiver<MediaEvent>,
    ) -> TestCallEnd {
        leg.play(TONE, tones::test());
        loop {
            tokio::select! {
                event = told.recv() => match event {
                    None | Some(DialogEvent::Bye { .. } | DialogEvent::TransportLost) => {
                        return TestCallEnd::HungUp;
                    }
                    Some(_) => {}
                },
                event = events.recv() => match event {
                    Some(MediaEvent::FirstPacket) => {
                        self.calls.note(self.id, |call| call.is_heard = true);
                    }
                    Some(MediaEvent::PromptDone(TONE)) => return TestCallEnd::Done,
                    Some(_) => {}
                    None => return TestCallEnd::Failed,
                },
                _ = self.stopped.wait_for(|stop| *stop) => return TestCallEnd::Stopped,
            }
        }
    }
}

/// Hangs up what is still up, and waits for the books of the media.
async fn leave(
    dialog: &Dialog,
    told: &mut mpsc::Receiver<DialogEvent>,
    leg: LegHandle,
    events: &mut mpsc::Receiver<MediaEvent>,
    end: TestCallEnd,
) -> Option<LegReport> {
    dialog.bye(None);
    let done = async {
        while let Some(event) = told.recv().await {
            if matches!(event, DialogEvent::ByeDone | DialogEvent::Failed { .. }) {
                break;
            }
        }
    };
    if end != TestCallEnd::HungUp {
        // A peer that does not answer any more costs three seconds.
        let _ = tokio::time::timeout(GOODBYE_MAX, done).await;
    }
    drop(leg);
    let closed = async {
        while let Some(event) = events.recv().await {
            if let MediaEvent::Closed(report) = event {
                return Some(*report);
            }
        }
        None
    };
    let report = tokio::time::timeout(GOODBYE_MAX, closed).await.ok().flatten();
    report.filter(|report| report.packets_sent > 0 || report.packets_received > 0)
}

fn quality(report: &LegReport) -> TestCallQuality {
    TestCallQuality {
        packets_sent: report.packets_sent,
        packets_received: report.packets_received,
        packets_lost: report.packets_lost,
        packets_late: report.packets_late,
        jitter_ms: report.jitter_ms,
        rtt_ms: report.rtt_ms,
        mos: report.mos,
    }
}
