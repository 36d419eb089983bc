//! The thread behind the media threads: writes recordings, and puts finished legs away (frees
//! memory, closes sockets, returns ports, reports). Media threads never wait for it.

use crate::event::RecordingReport;
use crate::leg::Leg;
use crate::room::Room;
use crate::tap::{Frame, Pair};
use crate::wav::StereoWav;
use qingting_common::limits::SAMPLES_PER_TICK;
use rtrb::Consumer;
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often recordings are written: what a crash can cost, less what the system had not yet
/// written to disk.
const WRITE_MS: u64 = 400;
/// Bytes gathered for one write.
const CHUNK_BYTES: usize = RECORDED_TICKS * SAMPLES_PER_TICK * 4;
/// Ticks in one write: 0.64 s.
const RECORDED_TICKS: usize = 32;

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
    /// One voice, on the left channel.
    Mono(Consumer<Frame>),
}

impl Tape {
    fn pop(&mut self) -> Option<Pair> {
        let silence = [0; SAMPLES_PER_TICK];
        match self {
            Self::Stereo(pairs) => pairs.pop().ok(),
            Self::Mono(frames) => frames.pop().ok().map(|frame| Pair {
                sample_index: frame.sample_index,
                left: frame.samples,
                right: silence,
            }),
        }
    }

    fn is_abandoned(&self) -> bool {
        match self {
            Self::Stereo(pairs) => pairs.is_abandoned(),
            Self::Mono(frames) => frames.is_abandoned(),
        }
    }
}

/// One recording under way.
pub(crate) struct Recording {
    key: u64,
    path: PathBuf,
    tape: Tape,
    /// Tells the owner what went wrong.
    tell_failed: Box<dyn Fn(String) + Send>,
    /// Made with the first tick: a call that is never connected leaves no file.
    file: Option<StereoWav>,
    failed: bool,
    chunk: Vec<u8>,
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
        path: PathBuf,
        tape: Tape,
        tell_failed: Box<dyn Fn(String) + Send>,
    ) -> Self {
        let chunk = Vec::with_capacity(CHUNK_BYTES);
        Self { key, path, tape, tell_failed, file: None, failed: false, chunk }
    }

    /// Writes every tick that waits.
    fn write(&mut self, counters: &RecorderCounters) {
        let mut first = 0;
        let mut next = None;
        while let Some(pair) = self.tape.pop() {
            let gap = next.is_some_and(|next| next != pair.sample_index);
            if gap || self.chunk.len() + SAMPLES_PER_TICK * 4 > CHUNK_BYTES {
                self.flush(first, counters);
            }
            if self.chunk.is_empty() {
                first = pair.sample_index;
            }
            for (left, right) in pair.left.iter().zip(&pair.right) {
                self.chunk.extend_from_slice(&left.to_le_bytes());
                self.chunk.extend_from_slice(&right.to_le_bytes());
            }
            next = Some(pair.sample_index + SAMPLES_PER_TICK as u64);
        }
        self.flush(first, counters);
    }

    fn flush(&mut self, first: u64, counters: &RecorderCounters) {
        if self.chunk.is_empty() {
            return;
        }
        match self.try_flush(first) {
            Ok(()) => {
                counters.bytes.fetch_add(self.chunk.len() as u64, Ordering::Relaxed);
            }
            Err(error) => {
                counters.write_errors.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failed, true) {
                    let error = format!(
                        "{}: {error}. Free space or mend the folder: what comes after is recorded again",
                        self.path.display()
                    );
                    (self.tell_failed)(error);
                }
            }
        }
        self.chunk.clear();
    }

    fn try_flush(&mut self, first: u64) -> io::Result<()> {
        let index = u32::try_from(first)
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "the call is too long"))?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(StereoWav::create(&self.path)?),
        };
        file.write_at(index, &self.chunk)
    }

    /// Whether the leg was freed without being put away: nothing will ever come from it.
    fn is_abandoned(&self) -> bool {
        self.tape.is_abandoned()
    }

    fn report(self, dropped: u64) -> RecordingReport {
        let samples = self.file.as_ref().map_or(0, StereoWav::samples);
        RecordingReport {
            path: self.path,
            duration_ms: u64::from(samples) / 8,
            ticks_dropped: dropped,
            incomplete: self.failed || dropped > 0,
        }
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
            recordings.retain(|_, recording| {
                let abandoned = recording.is_abandoned();
                recording.write(counters);
                !abandoned
            });
            next_write = crate::clock::monotonic_ns() + WRITE_MS * 1_000_000;
        }
    }
}

/// Writes the rest of a recording, given by its key and the ticks that never reached it.
fn finish(
    recordings: &mut HashMap<u64, Box<Recording>>,
    of: Option<(u64, u64)>,
    counters: &RecorderCounters,
) -> Option<RecordingReport> {
    let (key, dropped) = of?;
    let mut recording = recordings.remove(&key)?;
    recording.write(counters);
    Some(recording.report(dropped)).filter(|report| report.duration_ms > 0)
}
