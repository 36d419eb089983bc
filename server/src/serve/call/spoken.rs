//! What the parties say: from their audio to captions, and to the clocks that wait for a word.

use super::driver::Driver;
use crate::serve::captions::{Captions, Speaker};
use crate::serve::feeder::Feed;
use qingting_common::ids::Party;
use qingting_core::call::{Input, LegId, Role};
use qingting_media::LegHandle;
use std::sync::Arc;
use tokio::sync::Mutex;

/// All final sentences of a call, whoever said them, in the order in which they were recognised.
pub type Said = Arc<Mutex<Vec<qingting_store::FinalSegment>>>;

/// Somebody spoke.
#[derive(Clone, Debug)]
pub struct Word {
    /// Who.
    pub leg: LegId,
    /// A whole sentence, when it is one.
    pub sentence: Option<String>,
}

impl Driver {
    pub(super) fn start_recognition(&mut self, leg: LegId) {
        let Some(io) = self.legs.get_mut(leg) else { return };
        let (role, number) = (io.role, io.number);
        let tap = io.media.as_mut().and_then(LegHandle::take_recogniser_tap);
        let Some(mut tap) = tap else { return };
        // What came before the answer is no one's word.
        tap.skip_past();
        let to = self.hotline.asr.as_ref().map(|asr| {
            // Streams are told apart by call and leg.
            let stream = (self.id.0.as_u128() as u64).rotate_left(8) ^ u64::from(number);
            let (to, events) = asr.open_stream(stream);
            let speaker = Speaker {
                leg,
                of: self.legs.reference(self.id, leg),
                party: party(role),
                shift_ms: Arc::clone(&self.caption_shift[leg.slot()]),
                said: Arc::clone(&self.said),
                heard: self.words.0.clone(),
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
        self.hotline.feeder.add(Feed { tap, to, leg, voice: self.words.0.clone() });
    }

    pub(super) fn word_input(&mut self, word: Word) -> Option<Input> {
        if let Some(sentence) = &word.sentence
            && word.leg == LegId(0)
        {
            self.menu_words(sentence);
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
