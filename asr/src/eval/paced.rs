//! Delay and cost of a call with captions: one utterance after the other, at the pace of a call,
//! through a running worker.

use super::condition::{Condition, silence};
use super::sound::{Sound, WIDE_HZ};
use super::worker::Worker;
use super::{LEAD_MS, Utterance, in_silence, quantile};
use crate::clock::Clock;
use crate::error::Result;
use crate::wire::{Event, Message};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// Audio is sent in such pieces.
pub(super) const TICK_MS: u64 = 20;
/// Frames quieter than the loudest by this factor (35 dB) are not speech.
const QUIET_FACTOR: f32 = 0.018;

/// What was measured, in the telephone condition.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Delays {
    /// Utterances.
    pub utterances: usize,
    /// Their length.
    pub audio_seconds: f64,
    /// From the end of speech (by level or by the voice detector, whichever is earlier) to the
    /// last final of the utterance.
    pub final_ms_p50: u64,
    /// As above.
    pub final_ms_p95: u64,
    /// Speech not yet covered by any text, sampled every 20 ms.
    pub unstable_ms_p50: u64,
    /// As above.
    pub unstable_ms_p95: u64,
    /// Processor seconds of the worker per second of utterance, partials included (to the nearest
    /// report, 1 s).
    pub cpu_per_talking_second: f64,
}

#[derive(Default)]
struct Progress {
    covered_ms: u64,
    final_ms: Option<u64>,
    behind_ms: Vec<u64>,
}

/// Measures over the worker's socket.
///
/// # Errors
/// When a sound file cannot be read or the worker does not answer.
pub fn measure(socket: &Path, table: &[Utterance]) -> Result<Delays> {
    let mut worker = Worker::connect(socket)?;
    let mut delays = Delays { utterances: table.len(), ..Delays::default() };
    let (mut finals, mut behind) = (Vec::new(), Vec::new());
    let cpu_before_ms = worker.cpu_ms()?;
    for (stream, utterance) in (0u64..).zip(table) {
        let sound = Sound::read(&utterance.file)?;
        delays.audio_seconds += sound.samples.len() as f64 / f64::from(WIDE_HZ);
        let progress = play(&mut worker, stream, &sound)?;
        finals.extend(progress.final_ms);
        behind.extend(progress.behind_ms);
    }
    let cpu_seconds = worker.cpu_ms()?.saturating_sub(cpu_before_ms) as f64 / 1_000.0;
    delays.cpu_per_talking_second = cpu_seconds / delays.audio_seconds.max(1e-9);
    (delays.final_ms_p50, delays.final_ms_p95) =
        (quantile(&mut finals, 50), quantile(&mut finals, 95));
    (delays.unstable_ms_p50, delays.unstable_ms_p95) =
        (quantile(&mut behind, 50), quantile(&mut behind, 95));
    Ok(delays)
}

fn play(worker: &mut Worker, stream: u64, sound: &Sound) -> Result<Progress> {
    let (heard, rate_hz) = sound.hear(Condition::Telephone, stream, &silence);
    let call = in_silence(&heard, rate_hz);
    let end_ms = LEAD_MS + end_of_speech_ms(&sound.samples);
    let tick = (u64::from(rate_hz) * TICK_MS / 1_000) as usize;
    worker.open(stream, rate_hz)?;
    let mut progress = Progress::default();
    let clock = Clock::start();
    for (number, chunk) in (0u64..).zip(call.chunks(tick)) {
        let now_ms = (number + 1) * TICK_MS;
        std::thread::sleep(Duration::from_millis(now_ms.saturating_sub(clock.elapsed_ms())));
        let news: Vec<Event> = worker.news().collect();
        news.iter().for_each(|event| progress.take(event, end_ms, clock.elapsed_ms()));
        if (LEAD_MS..end_ms).contains(&now_ms) {
            progress.behind_ms.push(now_ms - progress.covered_ms.max(LEAD_MS).min(now_ms));
        }
        let start_sample = number * tick as u64;
        worker.send(&Message::Audio { stream, start_sample, samples: chunk.to_vec() })?;
    }
    worker.send(&Message::Close { stream })?;
    loop {
        let event = worker.next()?;
        progress.take(&event, end_ms, clock.elapsed_ms());
        if matches!(event, Event::Ended { .. }) {
            return Ok(progress);
        }
    }
}

impl Progress {
    fn take(&mut self, event: &Event, end_of_speech_ms: u64, now_ms: u64) {
        let Event::Result { is_final, end_ms, .. } = event else { return };
        self.covered_ms = self.covered_ms.max(*end_ms);
        if *is_final {
            // Noise after the last word must not make the worker look fast.
            self.final_ms = Some(now_ms.saturating_sub(end_of_speech_ms.min(*end_ms)));
        }
    }
}

fn end_of_speech_ms(samples: &[f32]) -> u64 {
    let levels: Vec<f32> =
        samples.chunks(320).map(|c| c.iter().map(|s| s * s).sum::<f32>().sqrt()).collect();
    let loudest = levels.iter().copied().fold(0.0, f32::max);
    let last = levels.iter().rposition(|level| *level > loudest * QUIET_FACTOR).unwrap_or(0);
    (last as u64 + 1) * TICK_MS
}
