//! What the parties say: from their audio to captions, and to the clocks that wait for a word.

use super::driver::Driver;
use crate::serve::captions::{Captions, Speaker};
use crate::serve::feeder::Feed;
use qingting_common::Pii;
use qingting_common::ids::Party;
use qingting_core::call::{Input, LegId, Role};
use qingting_media::LegHandle;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// All final sentences of a call, whoever said them, in the order in which they were recognised.
pub type Said = Arc<Mutex<Vec<qingting_store::FinalSegment>>>;

/// Somebody spoke.
#[derive(Clone, Debug)]
pub struct Word {
    /// Who.
    pub leg: LegId,
    /// What, as far as it is known.
    pub spoken: Option<Spoken>,
}

impl Word {
    /// A voice without words.
    pub const fn voice(leg: LegId) -> Self {
        Self { leg, spoken: None }
    }
}

/// Words that were recognised.
#[derive(Clone, Debug)]
pub struct Spoken {
    pub text: Pii<String>,
    pub confidence: f32,
    /// The same, heard as an answer to what was asked, where that differs.
    pub expected: Option<(Pii<String>, f32)>,
    /// A whole sentence, which changes no more.
    pub is_final: bool,
    /// Where they begin and end, in ms of the leg's samples …
    pub in_leg_ms: (u64, u64),
    /// … and of the call's recording.
    pub in_call_ms: (u64, u64),
}

/// What becomes of a party's words: they change while the call runs.
#[derive(Debug, Default)]
pub struct Hearing {
    /// The words of nobody yet: the network's, before the answer. They are not kept.
    is_early: AtomicBool,
    /// Answers to the machine's questions: they fill no draft.
    is_asked: AtomicBool,
}

impl Hearing {
    pub fn is_early(&self) -> bool {
        self.is_early.load(Ordering::Relaxed)
    }

    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    pub(super) fn early(&self, is_early: bool) {
        self.is_early.store(is_early, Ordering::Relaxed);
    }

    pub(super) fn asked(&self, is_asked: bool) {
        self.is_asked.store(is_asked, Ordering::Relaxed);
    }
}

impl Driver {
    pub(super) fn start_recognition(&mut self, leg: LegId) {
        let Some(io) = self.legs.get_mut(leg) else { return };
        let (role, number) = (io.role, io.number);
        let tap = io.media.as_mut().and_then(LegHandle::take_recogniser_tap);
        let Some(mut tap) = tap else { return };
        // What came before the answer is no one's word, unless it is listened to.
        let ear = (leg == LegId(0)).then(|| self.ear()).flatten();
        if ear.is_none() {
            tap.skip_past();
        }
        let stream = self.stream(number);
        let to = self.hotline.asr.as_ref().map(|asr| {
            let (to, events) = asr.open_stream(stream);
            let speaker = Speaker {
                leg,
                of: self.legs.reference(self.id, leg),
                party: party(role),
                shift_ms: Arc::clone(&self.caption_shift[leg.slot()]),
                said: Arc::clone(&self.said),
                heard: self.words.0.clone(),
                hearing: Arc::clone(&self.hearing),
            };
            let captions = Captions::new(
                Arc::clone(&self.hotline),
                self.id,
                &self.beginning,
                self.started,
                speaker,
            );
            self.captions.spawn_on(captions.run(events), &self.hotline.app);
            to
        });
        self.hotline.feeder.add(Feed { tap, to, leg, voice: self.words.0.clone(), ear });
    }

    /// What a party may say from here on; empty: anything.
    pub(super) fn expect(&self, leg: LegId, words: &str) {
        if let (Some(asr), Some(io)) = (&self.hotline.asr, self.legs.get(leg)) {
            asr.expect(self.stream(io.number), words);
        }
    }

    /// Streams are told apart by call and leg.
    const fn stream(&self, number: u32) -> u64 {
        (self.id.0.as_u128() as u64).rotate_left(8) ^ number as u64
    }

    pub(super) fn word_input(&mut self, word: Word) -> Option<Input> {
        if word.leg == LegId(0) {
            self.talk_word(word.spoken.as_ref());
            if let Some(sentence) = word.spoken.as_ref().filter(|spoken| spoken.is_final) {
                self.menu_words(sentence.text.expose());
            }
        }
        Some(Input::SpeechHeard { leg: word.leg })
    }
}

/// Whether a recogniser listens to such a party: those whose words belong into the ticket.
pub(super) const fn is_recognised(role: Role) -> bool {
    matches!(role, Role::Citizen | Role::Seat | Role::Expert)
}

const fn party(role: Role) -> Party {
    match role {
        Role::Citizen => Party::Caller,
        Role::Seat | Role::SeatSecondLine | Role::Supervisor => Party::Seat,
        Role::Expert | Role::Emergency | Role::Other => Party::Expert,
    }
}
