//! A machine's talk with the citizen whom it called: carried between the call, its media and the store.

use super::driver::Driver;
use super::legs::LegIo;
use super::spoken::Spoken;
use crate::serve::callbacks::{self, Failed, Step, Talk};
use crate::serve::spool::Write;
use qingting_callbacks::dialogue::Ending;
use qingting_common::Millis;
use qingting_core::call::{Input, LegId, Prompt, Role, Treatment};
use qingting_media::Frame;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// The citizen.
const CITIZEN: LegId = LegId(0);
/// Prompts of talks have ids of their own, between those of calls and those of menus.
const TALK_PROMPTS: u32 = 1 << 30;
/// Longest wait until it is noted that somebody has answered.
const NOTE_MAX: Duration = Duration::from_secs(1);
/// Longest wait for an answer that is being stored when the call is over.
const STORED_MAX: Duration = Duration::from_secs(5);
/// Frames that wait for a talk: a second.
const FRAMES_WAITING_MAX: usize = 50;

impl Driver {
    /// A call that a machine makes has a talk from the beginning: the network speaks before the answer.
    pub(super) fn talk_new(&mut self) {
        if let Some(errand) = &self.beginning.errand {
            self.talk = Some(Box::new(Talk::new(Arc::clone(errand))));
            self.hearing.early(true);
            self.hearing.asked(true);
        }
    }

    /// Listens to what the network says before the answer: it tells why there will be none.
    pub(super) fn listen_early(&mut self, leg: LegId) {
        let is_answered = self.legs.get(leg).is_some_and(|io: &LegIo| io.is_answered);
        if leg == CITIZEN && self.talk.is_some() && !is_answered {
            self.start_recognition(leg);
        }
    }

    /// Who wants to hear every frame of the citizen.
    pub(super) fn ear(&mut self) -> Option<mpsc::Sender<Frame>> {
        self.talk.as_ref()?;
        let (ear, frames) = mpsc::channel(FRAMES_WAITING_MAX);
        self.frames = Some(frames);
        Some(ear)
    }

    /// Somebody has answered; whether there is a talk with him.
    pub(super) fn talk_start(&mut self) -> bool {
        self.hearing.early(false);
        self.in_talk(Talk::answered)
    }

    pub(super) fn talk_failed(&mut self, leg: LegId, failed: Failed) {
        if let Some(talk) = self.talk.as_mut().filter(|_| leg == CITIZEN) {
            talk.failed(failed);
        }
    }

    /// The telephone of the citizen rings.
    pub(super) fn talk_rang(&mut self, leg: LegId) {
        if let Some(talk) = self.talk.as_mut().filter(|_| leg == CITIZEN) {
            talk.rang();
            crate::crash::point("ringing");
        }
    }

    /// Somebody has answered whom the call was handed to.
    pub(super) fn talk_served(&mut self, leg: LegId) {
        let is_seat = self.legs.get(leg).is_some_and(|io| io.role == Role::Seat);
        if let Some(talk) = self.talk.as_mut().filter(|_| is_seat) {
            talk.served();
        }
    }

    pub(super) fn talk_frame(&mut self, frame: &Frame) {
        self.in_talk(|talk, now| talk.frame(now, frame));
        let now = self.hotline.clock.now();
        if !self.talk.as_ref().is_some_and(|talk| talk.listens(now)) {
            self.frames = None;
        }
    }

    pub(super) fn talk_word(&mut self, spoken: Option<&Spoken>) {
        self.in_talk(|talk, now| match spoken {
            Some(spoken) => talk.words(now, spoken),
            None => talk.voice(now),
        });
    }

    /// Whether the key was the talk's.
    pub(super) fn talk_key(&mut self, key: char) -> bool {
        self.in_talk(|talk, now| talk.key(now, key))
    }

    pub(super) fn talk_timer(&mut self) {
        self.in_talk(Talk::timer);
    }

    pub(super) fn talk_stored(&mut self, is_stored: bool) {
        self.in_talk(|talk, now| talk.stored(now, is_stored));
    }

    /// Whether the prompt was the talk's.
    pub(super) fn talk_prompt_done(&mut self, id: u32) -> bool {
        if self.talk.is_none() || !(TALK_PROMPTS..2 * TALK_PROMPTS).contains(&id) {
            return false;
        }
        let mut is_notice = false;
        self.in_talk(|talk, now| is_notice = talk.prompt_done(now, id - TALK_PROMPTS));
        if is_notice {
            self.notice_heard();
        }
        true
    }

    /// Noted before anything is said, but whoever has answered is not kept waiting for it.
    pub(super) async fn talk_answered(&mut self) {
        let noted = self.note(Write::AttemptAnswered { at: crate::clock::unix_now() });
        let _ = timeout(NOTE_MAX, noted).await;
    }

    /// Waits for what is being stored: what became of the attempt is written behind it.
    pub(super) async fn talk_is_stored(&mut self) {
        let stored = async {
            while self.storing.join_next().await.is_some() {}
            while self.noting.join_next().await.is_some() {}
        };
        if timeout(STORED_MAX, stored).await.is_err() {
            tracing::error!(call = %self.id, "an answer was not stored in time and is lost");
        }
    }

    /// He heard that the call is recorded, and stayed.
    fn notice_heard(&mut self) {
        drop(self.note(Write::AttemptNotified { at: crate::clock::unix_now() }));
    }

    /// Keeps something of the attempt, whether anybody waits for it or not.
    fn note(&mut self, write: Write) -> oneshot::Receiver<()> {
        let (hotline, call) = (Arc::clone(&self.hotline), self.id);
        let (done, noted) = oneshot::channel();
        let noting = async move {
            if let Err(error) = hotline.spool.keep(call, write).await {
                tracing::warn!(%call, %error, "that a callback was answered, or its notice heard, could not be stored");
            }
            let _ = done.send(());
        };
        self.noting.spawn_on(noting, &self.hotline.app);
        noted
    }

    fn in_talk(&mut self, tell: impl FnOnce(&mut Talk, Millis)) -> bool {
        let now = self.hotline.clock.now();
        let Some(talk) = &mut self.talk else { return false };
        tell(talk, now);
        while let Some(step) = self.talk.as_mut().and_then(|talk| talk.next()) {
            self.talk_step(step);
        }
        true
    }

    fn talk_step(&mut self, step: Step) {
        match step {
            Step::Expect(words) => self.expect(CITIZEN, words),
            Step::Play(id, samples) => {
                if let Some(media) = self.media(CITIZEN) {
                    media.play(TALK_PROMPTS + id, samples);
                }
            }
            Step::Stop => {
                if let Some(media) = self.media(CITIZEN) {
                    media.stop_prompts();
                }
            }
            Step::Store(answered) => {
                if let Some(errand) = &self.beginning.errand {
                    let (hotline, errand) = (Arc::clone(&self.hotline), Arc::clone(errand));
                    let app = self.hotline.app.clone();
                    self.storing.spawn_on(
                        callbacks::store_answer(hotline, self.id, errand, answered),
                        &app,
                    );
                }
            }
            Step::Over(ending) => {
                // What a machine, or the farewell's hearer, still says fills no draft.
                self.hearing.asked(ending != Ending::Seat);
                let treatment = self.after_talk(ending);
                self.known.push_back(Input::Menu(treatment));
            }
        }
    }

    fn after_talk(&self, ending: Ending) -> Treatment {
        let queue = self.beginning.errand.as_ref().map(|errand| errand.queue.as_str());
        match ending {
            Ending::Seat => self
                .hotline
                .switchboard
                .queue_id(queue.unwrap_or_default())
                .map_or(Treatment::Closed { prompt: Prompt::NobodyThere }, |queue| {
                    Treatment::Queue { queue }
                }),
            Ending::Script { .. } | Ending::Machine | Ending::Fault => Treatment::Finish,
        }
    }
}
