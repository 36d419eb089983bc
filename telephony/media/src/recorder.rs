//! The thread behind the media threads: writes recordings, and puts finished legs away (frees
//! memory, closes sockets, returns ports, reports). Media threads never wait for it.

use crate::config::RecordTo;
use crate::event::RecordingReport;
use crate::leg::Leg;
use crate::room::Room;
use crate::sink::Sink;
use crate::tap::{Pair, Voice};
use qingting_common::limits::SAMPLES_PER_TICK;
use qingting_recording::{Channels, Error, Voices};
use rtrb::Consumer;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often recordings are fed: with the second that a sealed file gathers, or the part of one
/// that a plain file does, what a crash can cost, less what the system had not yet written to disk.
const WRITE_MS: u64 = 100;

/// Work for the recorder thread.
pub(crate) enum Job {
    /// A room or a leg that will be recorded.
    Record(Box<Recording>),
    /// A leg that is over.
    PutAway(Box<Leg>),
    /// A room that is over, after all its legs.
    PutAwayRoom(Box<Room>),
}

/// Where the samples of a recording come from.
pub(crate) enum Tape {
    /// Both channels.
    Stereo(Consumer<Pair>),
    /// One voice.
    Mono(Consumer<Voice>),
}

impl Tape {
    fn channels(&self) -> Channels {
        match self {
            Self::Stereo(_) => Channels::Stereo,
            Self::Mono(_) => Channels::Mono,
        }
    }

    /// Gives every tick that waits: its place, whether it is a pause, and what is to be heard.
    fn drain(&mut self, mut take: impl FnMut(u64, bool, Voices<'_>)) {
        match self {
            Self::Stereo(pairs) => {
                while let Ok(pair) = pairs.pop() {
                    let voices = Voices::Stereo(&pair.left, &pair.right);
                    take(pair.sample_index, pair.paused, voices);
                }
            }
            Self::Mono(ticks) => {
                while let Ok(tick) = ticks.pop() {
                    take(tick.sample_index, tick.paused, Voices::Mono(&tick.samples));
                }
            }
        }
    }

    fn is_abandoned(&self) -> bool {
        match self {
            Self::Stereo(pairs) => pairs.is_abandoned(),
            Self::Mono(ticks) => ticks.is_abandoned(),
        }
    }
}

/// One recording under way.
pub(crate) struct Recording {
    key: u64,
    to: RecordTo,
    tape: Tape,
    /// Tells the owner what went wrong.
    tell_failed: Box<dyn Fn(String) + Send>,
    /// Made with the first tick: a call that is never connected leaves no file.
    sink: Option<Sink>,
    failed: bool,
}

/// Counters of the recorder, shared with metrics.
#[derive(Debug, Default)]
pub(crate) struct RecorderCounters {
    pub(crate) write_errors: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Recording {
    pub(crate) fn new(
        key: u64,
        to: RecordTo,
        tape: Tape,
        tell_failed: Box<dyn Fn(String) + Send>,
    ) -> Self {
        Self { key, to, tape, tell_failed, sink: None, failed: false }
    }

    /// Writes every tick that waits.
    fn write(&mut self, counters: &RecorderCounters) {
        let before = self.bytes();
        // One failure a round is counted: a full disk would refuse every tick anew.
        let mut outcome = Ok(());
        let (to, channels, sink) = (&self.to, self.tape.channels(), &mut self.sink);
        self.tape.drain(|at, paused, voices| {
            if sink.is_none() && outcome.is_ok() {
                match Sink::create(to, channels) {
                    Ok(created) => *sink = Some(created),
                    Err(error) => outcome = Err(error),
                }
            }
            let Some(sink) = sink.as_mut() else { return };
            let taken = if paused {
                sink.pause(at, at + SAMPLES_PER_TICK as u64)
            } else {
                sink.write(at, voices)
            };
            if outcome.is_ok() {
                outcome = taken;
            }
        });
        if let (Some(sink), Ok(())) = (self.sink.as_mut(), &outcome) {
            outcome = sink.flush();
        }
        counters.bytes.fetch_add(self.bytes().saturating_sub(before), Ordering::Relaxed);
        self.note(outcome, counters);
    }

    fn bytes(&self) -> u64 {
        self.sink.as_ref().map_or(0, Sink::bytes)
    }

    fn note(&mut self, outcome: Result<(), Error>, counters: &RecorderCounters) {
        let Err(error) = outcome else { return };
        counters.write_errors.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.failed, true) {
            (self.tell_failed)(format!(
                "{}: {error}. Free space or mend the folder: what comes after is recorded again",
                self.to.path.display()
            ));
        }
    }

    /// Whether the leg was freed without being put away: nothing will ever come from it.
    fn is_abandoned(&self) -> bool {
        self.tape.is_abandoned()
    }

    /// Writes the rest and closes the file. `None` when there is nothing to be heard in it.
    fn finish(mut self, dropped: u64, counters: &RecorderCounters) -> Option<RecordingReport> {
        self.write(counters);
        let before = self.bytes();
        let ended = self.sink.as_mut()?.finish();
        counters.bytes.fetch_add(self.bytes().saturating_sub(before), Ordering::Relaxed);
        self.note(ended, counters);
        let report = self.sink?.report(self.to.path);
        let incomplete = report.incomplete || dropped > 0;
        Some(RecordingReport { ticks_dropped: dropped, incomplete, ..report })
            .filter(|report| report.duration_ms > 0)
    }
}

/// The recorder thread's loop: ends when every sender of jobs is gone.
pub(crate) fn run(jobs: &Receiver<Job>, counters: &Arc<RecorderCounters>, put_away: &dyn Fn(u16)) {
    let mut recordings: HashMap<u64, Box<Recording>> = HashMap::new();
    let mut ended = false;
    let mut next_write = crate::clock::monotonic_ns();
    while !ended {
        let now = crate::clock::monotonic_ns();
        match jobs.recv_timeout(Duration::from_nanos(next_write.saturating_sub(now))) {
            Ok(Job::Record(recording)) => {
                recordings.insert(recording.key, recording);
            }
            Ok(Job::PutAway(leg)) => {
                let port = leg.port();
                // One leg's broken books are not the end of the others' recordings; its owner is
                // told by the unwinding.
                let finish = AssertUnwindSafe(|| {
                    let mut report = |of| finish(&mut recordings, of, counters);
                    let (recording, track) = (report(leg.recording()), report(leg.track()));
                    leg.close(recording, track);
                });
                if catch_unwind(finish).is_err() {
                    tracing::error!(port, "putting a leg away panicked");
                }
                put_away(port);
            }
            Ok(Job::PutAwayRoom(room)) => {
                let finish = AssertUnwindSafe(|| {
                    let recording = finish(&mut recordings, room.recording(), counters);
                    room.close(recording);
                });
                if catch_unwind(finish).is_err() {
                    tracing::error!("putting a room away panicked");
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => ended = true,
        }
        if crate::clock::monotonic_ns() >= next_write || ended {
            // Asked before the rest is written: nothing comes after that.
            let over = |recording: &Recording| ended || recording.is_abandoned();
            for (_, recording) in recordings.extract_if(|_, recording| over(recording)) {
                recording.finish(0, counters);
            }
            recordings.values_mut().for_each(|recording| recording.write(counters));
            next_write = crate::clock::monotonic_ns() + WRITE_MS * 1_000_000;
        }
    }
}

/// Closes a recording, given by its key and the ticks that never reached it.
fn finish(
    recordings: &mut HashMap<u64, Box<Recording>>,
    of: Option<(u64, u64)>,
    counters: &RecorderCounters,
) -> Option<RecordingReport> {
    let (key, dropped) = of?;
    recordings.remove(&key)?.finish(dropped, counters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap;
    use qingting_recording::{Mark, MarkKind};
    use std::sync::mpsc::sync_channel;

    #[test]
    fn a_recording_begins_once_its_folder_can_be_written_and_its_beginning_is_marked() {
        let folder = tempfile::tempdir().unwrap();
        let day = folder.path().join("2026-11-25");
        let to = RecordTo { path: day.join("call.wav"), ..RecordTo::default() };
        let (mut producer, consumer) = tap::recorder();
        let (tell, told) = sync_channel(8);
        let tell_failed = Box::new(move |error| tell.try_send(error).unwrap());
        let mut recording = Recording::new(1, to, Tape::Mono(consumer), tell_failed);
        let counters = RecorderCounters::default();
        let mut speak = |ticks: std::ops::Range<u64>| {
            for tick in ticks {
                let voice = Voice { sample_index: tick * 160, paused: false, samples: [3; 160] };
                producer.push(voice).unwrap();
            }
        };
        for round in 0..3 {
            speak(round * 5..round * 5 + 5);
            recording.write(&counters);
        }
        let told: Vec<String> = told.try_iter().collect();
        assert!(told.len() == 1 && told[0].contains("Free space"), "{told:?}");
        assert_eq!(counters.write_errors.load(Ordering::Relaxed), 3, "once a round");

        std::fs::create_dir(&day).unwrap();
        speak(15..40);
        let report = recording.finish(0, &counters).unwrap();
        assert_eq!(report.duration_ms, 800);
        assert!(report.incomplete);
        assert_eq!(report.marks.list, [Mark { kind: MarkKind::Lost, from: 0, to: 2_400 }]);
        assert_eq!(counters.bytes.load(Ordering::Relaxed), report.bytes);
    }

    #[test]
    fn a_call_that_was_never_connected_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let to = RecordTo { path: folder.path().join("call.wav"), ..RecordTo::default() };
        let (_producer, consumer) = tap::recorder();
        let recording = Recording::new(1, to, Tape::Stereo(consumer), Box::new(|_| {}));
        assert_eq!(recording.finish(0, &RecorderCounters::default()), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
