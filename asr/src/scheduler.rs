//! Which decode runs next: finals before trials before partials before offline streams; on how many cores;
//! which one is ended because its text is wanted no more; and what is left out at which [`Level`].
//!
//! The queue is pure; [`crate::worker`] puts threads and a lock around it.

use crate::degradation::{Degradation, FINAL_LAG_MS_MAX, Level};
use crate::recognizer::{Decoded, Effort};
use crate::segmenter::Utterance;
use std::collections::BTreeMap;
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
    /// What it may say; empty: anything.
    pub expected: Arc<str>,
    /// How much care.
    pub effort: Effort,
    /// Its text will be replaced.
    pub is_partial: bool,
    /// Nobody waits for it.
    pub is_offline: bool,
    /// When it was asked for, on the worker's clock, in ms.
    pub asked_ms: u64,
    /// Cores that it may use, and its number among all that were started: set by
    /// [`Queue::take_next`].
    pub cores: usize,
    /// See above.
    pub number: u64,
}

/// Cores of a decode that has the machine to itself. Two make Whisper 1.5 times as fast; more than
/// there are cores slow each other down.
const WIDE: usize = 2;

/// Who asked for nothing for so long is silent: then another may be alone.
const TALKS_FOR_MS: u64 = 5_000;

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
    is_offline: bool,
    asked_ms: u64,
}

/// A segment whose last word is to come from the live engine.
#[derive(Debug)]
struct Awaited {
    utterance: Utterance,
    is_offline: bool,
    asked_ms: u64,
}

/// A decode under way, its text wanted or not.
#[derive(Debug)]
struct Run {
    key: Key,
    utterance: Utterance,
    is_partial: bool,
    cores: usize,
    is_interrupted: bool,
}

/// Everything that waits or runs.
#[derive(Debug, Default)]
pub struct Queue {
    threads: usize,
    /// No decode gets two cores.
    is_narrow: bool,
    runs: BTreeMap<u64, Run>,
    /// When each stream of a call last asked for a decode.
    talkers: BTreeMap<(u64, u64), u64>,
    started: u64,
    awaited: BTreeMap<Key, Awaited>,
    stable: BTreeMap<Key, Stable>,
    partials: BTreeMap<Key, Job>,
    degradation: Degradation,
    /// Partials given up because finals were waiting.
    pub partials_skipped: u64,
    /// Finals given up because they had waited too long.
    pub finals_skipped: u64,
}

impl Queue {
    /// For so many decode threads, each with a core.
    pub fn new(threads: usize) -> Self {
        Self { threads, ..Self::default() }
    }

    /// Whether others need the machine's cores.
    pub fn keep_to_one_core(&mut self, is_narrow: bool) {
        self.is_narrow = is_narrow;
    }

    /// Looks at the lag. Gives the finals that are given up now; they are in the queue no more.
    pub fn look(&mut self, now_ms: u64) -> Vec<(Key, Utterance)> {
        let level = self.degradation.observe(now_ms, self.lag_ms(now_ms));
        if level >= Level::NoPartials {
            self.partials_skipped += self.partials.len() as u64;
            self.partials.clear();
        }
        if level >= Level::FinalsOnly {
            self.stable.retain(|_, s| s.is_committed || !matches!(s.state, State::Waiting(_)));
        }
        if level < Level::Incomplete {
            return Vec::new();
        }
        let is_too_late = |is_offline: bool, asked_ms: u64| {
            !is_offline && now_ms.saturating_sub(asked_ms) > FINAL_LAG_MS_MAX
        };
        let waiting = self.stable.extract_if(.., |_, s| {
            matches!(s.state, State::Waiting(_))
                && s.is_committed
                && is_too_late(s.is_offline, s.asked_ms)
        });
        let mut given_up: Vec<(Key, Utterance)> = waiting.map(|(k, s)| (k, s.utterance)).collect();
        let awaited = self.awaited.extract_if(.., |_, a| is_too_late(a.is_offline, a.asked_ms));
        given_up.extend(awaited.map(|(key, a)| (key, a.utterance)));
        self.finals_skipped += given_up.len() as u64;
        given_up
    }

    /// What is left out now.
    pub fn level(&self) -> Level {
        self.degradation.level()
    }

    /// A decode on trial: the speaker has paused. Refused where nothing but finals is decoded.
    pub fn speculate(&mut self, job: Job) {
        self.note(&job);
        if self.level() < Level::FinalsOnly && !job.is_offline {
            self.put(job, false);
        }
    }

    /// The speaker went on: the trial is void.
    pub fn resume(&mut self, key: Key) {
        self.stable.remove(&key);
    }

    /// The segment is over. Returns the text when the trial already has it.
    pub fn commit(&mut self, job: Job) -> Option<Decoded> {
        self.note(&job);
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

    /// The segment is over, and the live engine has its last word.
    pub fn await_live(&mut self, job: &Job) {
        let (utterance, is_offline) = (job.utterance.clone(), job.is_offline);
        self.awaited.insert(job.key, Awaited { utterance, is_offline, asked_ms: job.asked_ms });
    }

    /// The live engine's last word is there, or will never be. False: nobody waits for it.
    pub fn live_is_done(&mut self, key: Key) -> bool {
        self.awaited.remove(&key).is_some()
    }

    /// Whether unstable text from a live engine is worth showing: better text is not under way.
    pub fn is_live_shown(&self, key: Key) -> bool {
        !self.stable.contains_key(&key)
    }

    /// Unstable text is wanted. Refused while one of this stream is under way, finals wait or the
    /// worker is behind; offline streams have none.
    pub fn partial(&mut self, job: Job) {
        if job.is_offline {
            return;
        }
        self.note(&job);
        let has_waiting = self
            .stable
            .values()
            .any(|s| s.is_committed && !s.is_offline && matches!(s.state, State::Waiting(_)));
        let is_behind = self.level() >= Level::NoPartials;
        if is_behind
            || has_waiting
            || self.runs.values().any(|run| run.is_partial && same_stream(&run.key, &job.key))
        {
            self.partials_skipped += 1;
            return;
        }
        self.partials.insert(job.key, job);
    }

    /// The next job for a free thread. Offline ones run when nothing else waits, one at a time,
    /// and not while calls are behind. Finals and trials
    /// of one stream run one after another, so that its finals come in order.
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
            .min_by_key(|(key, s)| (s.is_offline, !s.is_committed, s.asked_ms, key.segment))
            .map(|(key, s)| (*key, s.is_offline));
        let offline_runs = self
            .stable
            .values()
            .any(|s| s.is_offline && s.is_committed && matches!(s.state, State::Running));
        let may_hear_recordings =
            self.partials.is_empty() && self.level() == Level::Full && !offline_runs;
        match best {
            Some((key, false)) => return self.start(key),
            Some((key, true)) if may_hear_recordings => return self.start(key),
            _ => {}
        }
        if self.runs().any(|run| run.cores > 1) || !self.has_room_for_partial() {
            return None;
        }
        let key = *self.partials.iter().min_by_key(|(_, job)| job.asked_ms)?.0;
        let job = self.partials.remove(&key)?;
        Some(self.run(job))
    }

    /// While several talk a thread is kept from partials: one that is ended goes on to the end of its
    /// encoder, and a final would wait for it.
    fn has_room_for_partial(&self) -> bool {
        let threads =
            if self.talkers.len() > 1 { self.threads.saturating_sub(1) } else { self.threads };
        self.runs.values().filter(|run| run.is_partial).count() < threads.max(1)
    }

    fn start(&mut self, key: Key) -> Option<Job> {
        let is_hasty = self.level() >= Level::FinalsOnly;
        let entry = self.stable.get_mut(&key)?;
        let State::Waiting(mut job) = std::mem::replace(&mut entry.state, State::Running) else {
            return None;
        };
        if is_hasty && !job.is_offline {
            job.effort = Effort::Partial;
        }
        Some(self.run(job))
    }

    /// Decodes whose text is wanted.
    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(|run| !run.is_interrupted)
    }

    fn cores_free(&self) -> usize {
        self.threads.saturating_sub(self.runs().map(|run| run.cores).sum())
    }

    /// Calls' finals and trials that wait.
    fn waiting(&self) -> usize {
        let is_waiting = |s: &&Stable| matches!(s.state, State::Waiting(_)) && !s.is_offline;
        self.stable.values().filter(is_waiting).count()
    }

    fn note(&mut self, job: &Job) {
        if !job.is_offline {
            self.talkers.insert((job.key.connection, job.key.stream), job.asked_ms);
        }
    }

    fn run(&mut self, mut job: Job) -> Job {
        self.talkers.retain(|_, asked_ms| *asked_ms + TALKS_FOR_MS > job.asked_ms);
        let is_alone = self.talkers.len() <= 1 && !job.is_offline && !self.is_narrow;
        job.cores = if is_alone && self.cores_free() >= WIDE { WIDE } else { 1 };
        self.started += 1;
        job.number = self.started;
        let Job { key, is_partial, cores, .. } = job;
        let utterance = job.utterance.clone();
        self.runs
            .insert(job.number, Run { key, utterance, is_partial, cores, is_interrupted: false });
        job
    }

    /// The numbers of decodes under way whose text nobody wants now: better text of the segment is
    /// asked for, the speaker went on, or a call's final waits for the core of a partial.
    pub fn interrupt(&mut self) -> Vec<u64> {
        let is_wanted = |run: &Run| match self.stable.get(&run.key) {
            Some(_) if run.is_partial => false,
            Some(s) => matches!(s.state, State::Running) && s.utterance == run.utterance,
            None => run.is_partial,
        };
        let fresh = self.runs.iter().filter(|(_, run)| !run.is_interrupted);
        let mut ended: Vec<u64> =
            fresh.filter(|(_, run)| !is_wanted(run)).map(|(number, _)| *number).collect();
        let freed = |numbers: &[u64]| numbers.iter().map(|n| self.runs[n].cores).sum::<usize>();
        let mut free = self.cores_free() + freed(&ended);
        let wanted = self.waiting();
        let partials =
            self.runs.iter().rev().filter(|(_, run)| run.is_partial && !run.is_interrupted);
        for (number, run) in
            partials.filter(|(number, _)| !ended.contains(number)).collect::<Vec<_>>()
        {
            if free >= wanted {
                break;
            }
            free += run.cores;
            self.partials_skipped += 1;
            ended.push(*number);
        }
        for number in &ended {
            if let Some(run) = self.runs.get_mut(number) {
                run.is_interrupted = true;
            }
        }
        ended
    }

    /// A job is done; says what becomes of its text.
    pub fn finish(&mut self, job: &Job, decoded: &Decoded) -> Verdict {
        let is_interrupted = self.runs.remove(&job.number).is_some_and(|run| run.is_interrupted);
        if job.is_partial {
            let is_newer_known = self.stable.contains_key(&job.key) || is_interrupted;
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
        self.awaited.retain(|key, _| key.connection != connection);
    }

    /// True while finals of the stream are still to come.
    pub fn has_finals(&self, connection: u64, stream: u64) -> bool {
        let mut keys = self.stable.keys().chain(self.awaited.keys());
        keys.any(|key| key.connection == connection && key.stream == stream)
    }

    /// Finals that wait or run.
    pub fn finals(&self) -> usize {
        self.stable.values().filter(|entry| entry.is_committed).count() + self.awaited.len()
    }

    /// Age of the oldest final not yet out, in ms; offline streams have no lag.
    pub fn lag_ms(&self, now_ms: u64) -> u64 {
        let decoders = self.stable.values().filter(|s| s.is_committed && !s.is_offline);
        let live = self.awaited.values().filter(|a| !a.is_offline);
        let oldest = decoders.map(|s| s.asked_ms).chain(live.map(|a| a.asked_ms)).min();
        oldest.map_or(0, |asked_ms| now_ms.saturating_sub(asked_ms))
    }

    fn put(&mut self, job: Job, is_committed: bool) {
        self.partials.remove(&job.key);
        let entry = Stable {
            utterance: job.utterance.clone(),
            asked_ms: job.asked_ms,
            is_committed,
            is_offline: job.is_offline,
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
    use crate::degradation::CARE_LAG_MS_MAX;
    use crate::text::Text;

    fn job(stream: u64, segment: u32, end: u64, effort: Effort) -> Job {
        Job {
            key: Key { connection: 0, stream, segment },
            utterance: Utterance { audio: 0..end, speech: 0..end },
            samples: Arc::from([]),
            expected: Arc::default(),
            effort,
            is_partial: effort == Effort::Partial,
            is_offline: false,
            asked_ms: end,
            cores: 0,
            number: 0,
        }
    }

    fn said(text: &str) -> Decoded {
        Decoded { text: Text::over(text, &[]), confidence: 1.0, ..Decoded::default() }
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
    fn who_talks_alone_gets_two_cores_and_partials_wait_for_them() {
        let mut queue = Queue::new(2);
        queue.commit(job(1, 0, 1, Effort::Final));
        let alone = queue.take_next().expect("a final waits");
        assert_eq!(alone.cores, 2);
        queue.partial(job(2, 0, 2, Effort::Partial));
        assert!(queue.take_next().is_none(), "no core is left for a partial");
        queue.commit(job(3, 0, 3, Effort::Final));
        let second = queue.take_next().expect("another final waits");
        assert_eq!((second.key.stream, second.cores), (3, 1));
        assert_eq!(queue.interrupt(), [0; 0], "finals are never interrupted");
        assert_eq!(queue.finish(&alone, &said("喂")), Verdict::Final);
        assert_eq!(queue.finish(&second, &said("喂")), Verdict::Final);
        let later_ms = 4 + TALKS_FOR_MS;
        queue.commit(job(1, 1, 4, Effort::Final));
        let third = queue.take_next().expect("a final waits");
        assert_eq!(third.cores, 1, "another talks as well");
        assert_eq!(queue.finish(&third, &said("喂")), Verdict::Final);
        queue.commit(job(1, 2, later_ms, Effort::Final));
        let alone = queue.take_next().expect("a final waits");
        assert_eq!(alone.cores, 2, "the other has stopped");
        assert_eq!(queue.finish(&alone, &said("喂")), Verdict::Final);
        queue.keep_to_one_core(true);
        queue.commit(job(1, 3, later_ms, Effort::Final));
        assert_eq!(queue.take_next().map(|j| j.cores), Some(1));
    }

    #[test]
    fn a_partial_ends_for_better_text_or_for_a_final_that_has_no_core() {
        let mut queue = Queue::new(2);
        queue.partial(job(1, 0, 1, Effort::Partial));
        let partial = queue.take_next().expect("a partial waits");
        assert_eq!(queue.interrupt(), [0; 0]);
        queue.speculate(job(1, 0, 2, Effort::Final));
        assert_eq!(queue.interrupt(), [partial.number], "its own segment's trial");
        assert_eq!(queue.interrupt(), [0; 0], "once");
        let trial = queue.take_next().expect("a trial waits");
        assert_eq!(trial.cores, 2, "who is interrupted leaves at once");
        assert_eq!(queue.finish(&partial, &said("")), Verdict::Drop);
        queue.resume(trial.key);
        assert_eq!(queue.interrupt(), [trial.number], "the speaker went on");
        assert_eq!(queue.finish(&trial, &said("")), Verdict::Drop);

        let mut queue = Queue::new(1);
        queue.partial(job(1, 0, 1, Effort::Partial));
        let partial = queue.take_next().expect("a partial waits");
        queue.commit(job(2, 0, 2, Effort::Final));
        assert_eq!(queue.interrupt(), [partial.number], "another caller's final");
        assert_eq!(queue.finish(&partial, &said("半")), Verdict::Drop);
        assert_eq!(queue.partials_skipped, 1);
    }

    #[test]
    fn while_several_talk_a_thread_is_kept_from_partials() {
        let mut queue = Queue::new(2);
        queue.partial(job(1, 0, 1, Effort::Partial));
        queue.partial(job(2, 0, 2, Effort::Partial));
        let first = queue.take_next().expect("two partials wait");
        assert!(queue.take_next().is_none(), "a final may come any moment");
        queue.commit(job(3, 0, 3, Effort::Final));
        assert_eq!(queue.interrupt(), [0; 0], "it has a core");
        assert_eq!(queue.take_next().map(|j| j.key.stream), Some(3));
        assert_eq!(queue.finish(&first, &said("半")), Verdict::Partial);
        assert_eq!(queue.take_next().map(|j| j.key.stream), Some(2), "and now the other partial");
    }

    #[test]
    fn partials_are_skipped_while_finals_wait() {
        let mut queue = Queue::default();
        queue.commit(job(1, 0, 1, Effort::Final));
        queue.partial(job(2, 0, 2, Effort::Partial));
        assert_eq!(queue.partials_skipped, 1);
    }

    #[test]
    fn an_offline_stream_waits_for_everybody_and_is_never_given_up() {
        let mut queue = Queue::default();
        let mut offline = job(1, 0, 1, Effort::Final);
        offline.is_offline = true;
        queue.commit(offline.clone());
        queue.partial(job(2, 0, 2, Effort::Partial));
        queue.commit(job(3, 0, 3, Effort::Final));
        assert_eq!(queue.look(20_000).len(), 1);
        assert!(queue.take_next().is_none(), "calls may need every thread");
        assert_eq!((queue.level(), queue.finals()), (Level::Incomplete, 1));
        (20_000..40_000).step_by(100).for_each(|now_ms| drop(queue.look(now_ms)));
        assert_eq!(queue.take_next().map(|j| j.key.stream), Some(1));
        assert_eq!(queue.finish(&offline, &said("喂")), Verdict::Final);
    }

    #[test]
    fn behind_by_three_seconds_finals_get_the_least_effort_and_trials_are_refused() {
        let mut queue = Queue::default();
        queue.speculate(job(1, 0, 0, Effort::Final));
        queue.commit(job(2, 0, 0, Effort::Final));
        assert!(queue.look(CARE_LAG_MS_MAX + 1).is_empty());
        queue.speculate(job(3, 0, 0, Effort::Final));
        let hasty = queue.take_next().expect("a final waits");
        assert_eq!((hasty.key.stream, hasty.effort), (2, Effort::Partial));
        assert_eq!(queue.take_next().map(|j| j.key.stream), None, "no trial is left");
        assert_eq!(queue.finish(&hasty, &said("喂")), Verdict::Final);
    }

    /// Callers who talk without a pause, each segment of theirs decoded in `decode_ms` by one
    /// thread, in virtual time.
    struct Rush {
        queue: Queue,
        finals: u64,
        skipped: u64,
        partials_while_behind: u64,
        lag_ms_max: u64,
    }

    const SEGMENT_MS: u64 = 5_000;
    const STEP_MS: u64 = 50;

    fn rush(callers: u64, decode_ms: u64, rounds: u64) -> Rush {
        let mut rush = Rush {
            queue: Queue::default(),
            finals: 0,
            skipped: 0,
            partials_while_behind: 0,
            lag_ms_max: 0,
        };
        let mut running: Option<(Job, u64)> = None;
        let end_ms = rounds * SEGMENT_MS;
        for now_ms in (0..end_ms + 120_000).step_by(STEP_MS as usize) {
            for stream in (0..callers).filter(|_| now_ms < end_ms) {
                // Nobody begins when the others do.
                let at = now_ms + stream * SEGMENT_MS / callers / STEP_MS * STEP_MS;
                let segment = (at / SEGMENT_MS) as u32;
                let asked = |effort| Job { asked_ms: now_ms, ..job(stream, segment, at, effort) };
                if at % SEGMENT_MS == SEGMENT_MS - STEP_MS {
                    rush.queue.commit(asked(Effort::Final));
                } else if at.is_multiple_of(1_000) {
                    rush.queue.partial(asked(Effort::Partial));
                }
            }
            if let Some((done, _)) = running.take_if(|(_, until_ms)| *until_ms <= now_ms)
                && rush.queue.finish(&done, &said("喂")) == Verdict::Final
            {
                rush.finals += 1;
            }
            rush.skipped += rush.queue.look(now_ms).len() as u64;
            rush.lag_ms_max = rush.lag_ms_max.max(rush.queue.lag_ms(now_ms));
            if running.is_none()
                && let Some(next) = rush.queue.take_next()
            {
                rush.partials_while_behind +=
                    u64::from(next.is_partial && rush.queue.level() > Level::Full);
                running = Some((next, now_ms + decode_ms));
            }
        }
        rush
    }

    #[test]
    fn ten_callers_on_a_recogniser_for_four_lose_partials_first_and_every_segment_is_accounted_for()
    {
        // A segment of 5 s in 1.25 s: four callers.
        let over = rush(10, 1_250, 12);
        assert_eq!(over.finals + over.skipped, 10 * 12);
        assert_eq!(over.skipped, over.queue.finals_skipped);
        assert_eq!(over.partials_while_behind, 0);
        assert!(over.skipped > 0 && over.finals >= 4 * 12, "{} finals", over.finals);
        assert!(over.lag_ms_max <= FINAL_LAG_MS_MAX + 1_250 + STEP_MS, "{}", over.lag_ms_max);
        assert_eq!(over.queue.level(), Level::Full, "two minutes later all is well");
    }

    #[test]
    fn within_its_capacity_nothing_is_given_up() {
        let within = rush(3, 1_250, 12);
        assert_eq!((within.finals, within.skipped), (3 * 12, 0));
    }
}
