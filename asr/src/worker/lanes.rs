//! Threads that hear segments while they are spoken, and the way to them.

use super::{Shared, said, skipped};
use crate::live::{Heard, Lane, Outcome};
use crate::scheduler::{Job, Key};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

/// What streams may have told a lane that it has not taken; beyond it the worker stops reading audio.
/// At a message every 40 ms a hundred streams fill it in half a second.
pub(super) const HEARD_WAITING_MAX: usize = 1_024;
/// How often an engine with nothing to do is asked for text that comes from elsewhere.
const STEP_EVERY: Duration = Duration::from_millis(20);

/// The ways to the live threads; none where the recogniser has no live engine.
pub(super) struct Lanes(pub(super) Vec<SyncSender<Heard>>);

impl Lanes {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits while the lane has too much before it. All segments of a stream go one way.
    pub(super) fn tell(&self, key: Key, heard: Heard) {
        let Some(lane) = self.0.get((key.stream % self.0.len().max(1) as u64) as usize) else {
            return;
        };
        // Live threads end with the process alone.
        let _ = lane.send(heard);
    }

    pub(super) fn tell_all(&self, heard: &Heard) {
        self.0.iter().for_each(|lane| drop(lane.send(heard.clone())));
    }

    pub(super) fn end(&self, job: Job, is_final_wanted: bool) {
        let Job { key, utterance, samples, .. } = job;
        self.tell(key, Heard::Ended { key, utterance, samples, is_final_wanted });
    }
}

impl Shared {
    /// Whether a stream is heard while it is spoken: somebody reads along, or nothing else has a last
    /// word.
    pub(super) fn is_live(&self, is_offline: bool) -> bool {
        !self.lanes.is_empty() && (!is_offline || !self.has_decoders)
    }

    /// Whether a live engine heard the end of this segment; asked once.
    pub(super) fn takes_endpoint(&self, key: Key) -> bool {
        !self.lanes.is_empty() && self.board().endpoints.remove(&key)
    }

    pub(super) fn hear_forever(&self, mut lane: Lane, heard: &Receiver<Heard>) {
        let mut is_busy = false;
        loop {
            let patience = if is_busy { Duration::ZERO } else { STEP_EVERY };
            match heard.recv_timeout(patience) {
                Ok(first) => {
                    let refused = std::iter::once(first)
                        .chain(heard.try_iter().take(HEARD_WAITING_MAX))
                        .filter_map(|heard| lane.hear(heard));
                    let refused: Vec<Outcome> = refused.collect();
                    self.tell_outcomes(refused);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let (outcomes, another) = lane.step();
            self.tell_outcomes(outcomes);
            is_busy = another;
        }
    }

    fn tell_outcomes(&self, outcomes: Vec<Outcome>) {
        if outcomes.is_empty() {
            return;
        }
        let mut board = self.board();
        for outcome in outcomes {
            match outcome {
                Outcome::Endpoint(key) => {
                    board.endpoints.insert(key);
                }
                Outcome::Partial(key, utterance, decoded) => {
                    if board.queue.is_live_shown(key) && !decoded.text.is_empty() {
                        board.send(key.connection, said(key, &utterance, decoded, false));
                    }
                }
                Outcome::Final(key, utterance, decoded) => {
                    if board.queue.live_is_done(key) {
                        board.send(key.connection, said(key, &utterance, decoded, true));
                        board.end_if_done(key.connection, key.stream);
                    }
                }
                Outcome::Failed(key, utterance) => {
                    if board.queue.live_is_done(key) {
                        board.send(key.connection, skipped(key, &utterance));
                        board.end_if_done(key.connection, key.stream);
                    }
                }
            }
        }
        self.room.notify_all();
    }
}
