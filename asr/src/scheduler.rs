//! Which decode runs next: finals before trials before partials.
//!
//! The queue is pure; [`crate::worker`] puts threads and a lock around it.

use crate::recognizer::{Decoded, Effort};
use crate::segmenter::Utterance;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A segment of a stream of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The connection's number in this worker.
    pub connection: u64,
    /// The client's stream number.
    pub stream: u64,
    /// The segment.
    pub segment: u32,
}

/// Work for a decode thread.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose text it will be.
    pub key: Key,
    /// Where the audio lies in the stream.
    pub utterance: Utterance,
    /// 16 kHz.
    pub samples: Arc<[f32]>,
    /// How much care.
    pub effort: Effort,
    /// When it was asked for, on the worker's clock, in ms.
    pub asked_ms: u64,
}

/// What to send after a decode.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Nothing: speech went on, or the stream is gone.
    Drop,
    /// Unstable text.
    Partial,
    /// The segment's last word.
    Final,
}

#[derive(Debug)]
enum State {
    Waiting(Job),
    Running,
    Done(Decoded),
}

#[derive(Debug)]
struct Stable {
    utterance: Utterance,
    state: State,
    /// The segment is over; until then the decode is on trial.
    is_committed: bool,
    asked_ms: u64,
}

/// Everything that waits or runs.
#[derive(Debug, Default)]
pub struct Queue {
    stable: BTreeMap<Key, Stable>,
    partials: BTreeMap<Key, Job>,
    running_partials: BTreeSet<Key>,
    /// Partials given up because finals were waiting.
    pub partials_skipped: u64,
}

impl Queue {
    /// A decode on trial: the speaker has paused.
    pub fn speculate(&mut self, job: Job) {
        self.put(job, false);
    }

    /// The speaker went on: the trial is void.
    pub fn resume(&mut self, key: Key) {
        self.stable.remove(&key);
    }

    /// The segment is over. Returns the text when the trial already has it.
    pub fn commit(&mut self, job: Job) -> Option<Decoded> {
        self.partials.remove(&job.key);
        match self.stable.get_mut(&job.key) {
            Some(trial) if trial.utterance == job.utterance => {
                trial.is_committed = true;
                trial.asked_ms = job.asked_ms;
                if let State::Done(decoded) = &trial.state {
                    let decoded = decoded.clone();
                    self.stable.remove(&job.key);
                    return Some(decoded);
                }
            }
            _ => self.put(job, true),
        }
        None
    }

    /// Unstable text is wanted. Refused while one of this stream is under way or finals wait.
    pub fn partial(&mut self, job: Job) {
        let has_waiting =
            self.stable.values().any(|s| s.is_committed && matches!(s.state, State::Waiting(_)));
        if has_waiting || self.running_partials.iter().any(|key| same_stream(key, &job.key)) {
            self.partials_skipped += 1;
            return;
        }
        self.partials.insert(job.key, job);
    }

    /// The next job for a free thread. Finals and trials of one stream run one after another, so
    /// that its finals come in order.
    pub fn take_next(&mut self) -> Option<Job> {
        let is_busy = |key: &Key| {
            self.stable
                .iter()
                .any(|(k, s)| same_stream(k, key) && matches!(s.state, State::Running))
        };
        let best = self
            .stable
            .iter()
            .filter(|(key, s)| matches!(s.state, State::Waiting(_)) && !is_busy(key))
            .min_by_key(|(key, s)| (!s.is_committed, s.asked_ms, key.segment))
            .map(|(key, _)| *key);
        if let Some(key) = best {
            let entry = self.stable.get_mut(&key)?;
            let State::Waiting(job) = std::mem::replace(&mut entry.state, State::Running) else {
                return None;
            };
            return Some(job);
        }
        let key = *self.partials.iter().min_by_key(|(_, job)| job.asked_ms)?.0;
        self.running_partials.insert(key);
        self.partials.remove(&key)
    }

    /// A job is done; says what becomes of its text.
    pub fn finish(&mut self, job: &Job, decoded: &Decoded) -> Verdict {
        if job.effort == Effort::Partial {
            self.running_partials.remove(&job.key);
            let is_newer_known = self.stable.contains_key(&job.key);
            return if is_newer_known { Verdict::Drop } else { Verdict::Partial };
        }
        match self.stable.get_mut(&job.key) {
            Some(entry)
                if entry.utterance == job.utterance && matches!(entry.state, State::Running) =>
            {
                if entry.is_committed {
                    self.stable.remove(&job.key);
                    return Verdict::Final;
                }
                entry.state = State::Done(decoded.clone());
                Verdict::Partial
            }
            _ => Verdict::Drop,
        }
    }

    /// A connection is gone with all its streams.
    pub fn forget(&mut self, connection: u64) {
        self.stable.retain(|key, _| key.connection != connection);
        self.partials.retain(|key, _| key.connection != connection);
    }

    /// True while finals of the stream are still to come.
    pub fn has_finals(&self, connection: u64, stream: u64) -> bool {
        self.stable.keys().any(|key| key.connection == connection && key.stream == stream)
    }

    /// Finals that wait or run.
    pub fn finals(&self) -> usize {
        self.stable.values().filter(|entry| entry.is_committed).count()
    }

    /// Age of the oldest final not yet out, in ms.
    pub fn lag_ms(&self, now_ms: u64) -> u64 {
        let oldest = self.stable.values().filter(|s| s.is_committed).map(|s| s.asked_ms).min();
        oldest.map_or(0, |asked_ms| now_ms.saturating_sub(asked_ms))
    }

    fn put(&mut self, job: Job, is_committed: bool) {
        self.partials.remove(&job.key);
        let entry = Stable {
            utterance: job.utterance.clone(),
            asked_ms: job.asked_ms,
            is_committed,
            state: State::Waiting(job.clone()),
        };
        self.stable.insert(job.key, entry);
    }
}

fn same_stream(a: &Key, b: &Key) -> bool {
    (a.connection, a.stream) == (b.connection, b.stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    fn job(stream: u64, segment: u32, end: u64, effort: Effort) -> Job {
        Job {
            key: Key { connection: 0, stream, segment },
            utterance: Utterance { audio: 0..end, speech: 0..end },
            samples: Arc::from([]),
            effort,
            asked_ms: end,
        }
    }

    fn said(text: &str) -> Decoded {
        Decoded { text: Text::over(text, &[]), confidence: 1.0 }
    }

    #[test]
    fn finals_run_before_trials_before_partials() {
        let mut queue = Queue::default();
        queue.partial(job(1, 0, 1, Effort::Partial));
        queue.speculate(job(2, 0, 2, Effort::Final));
        assert_eq!(queue.commit(job(3, 0, 3, Effort::Final)), None);
        let order: Vec<u64> =
            std::iter::from_fn(|| queue.take_next()).map(|j| j.key.stream).collect();
        assert_eq!(order, [3, 2, 1]);
    }

    #[test]
    fn a_finished_trial_is_the_final_at_once() {
        let mut queue = Queue::default();
        queue.speculate(job(1, 0, 5, Effort::Final));
        let running = queue.take_next().expect("a trial waits");
        assert_eq!(queue.finish(&running, &said("喂")), Verdict::Partial);
        assert_eq!(queue.commit(job(1, 0, 5, Effort::Final)), Some(said("喂")));
        assert!(!queue.has_finals(0, 1));
    }

    #[test]
    fn a_trial_overtaken_by_speech_says_nothing() {
        let mut queue = Queue::default();
        queue.speculate(job(1, 0, 5, Effort::Final));
        let running = queue.take_next().expect("a trial waits");
        queue.resume(running.key);
        assert_eq!(queue.finish(&running, &said("喂")), Verdict::Drop);
        assert_eq!(queue.commit(job(1, 0, 9, Effort::Final)), None);
        assert!(queue.take_next().is_some());
    }

    #[test]
    fn partials_are_skipped_while_finals_wait() {
        let mut queue = Queue::default();
        queue.commit(job(1, 0, 1, Effort::Final));
        queue.partial(job(2, 0, 2, Effort::Partial));
        assert_eq!(queue.partials_skipped, 1);
    }
}
