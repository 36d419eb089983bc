//! How many callers a worker carries: callers who talk without a pause, one more each step, until
//! finals come late or are left out.

use super::condition::{Condition, silence};
use super::paced::TICK_MS;
use super::sound::Sound;
use super::worker::Worker;
use super::{Utterance, quantile};
use crate::clock::Clock;
use crate::error::Result;
use crate::wire::{Event, Message};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Finals may come this late, p95 ...
pub const FINAL_MS_MAX: u64 = 2_500;
/// Silence between the utterances of a caller: a breath, shorter than what ends a segment.
const BREATH_MS: u64 = 200;
/// Callers begin apart by this, so that their segments do not end together.
const APART_MS: u64 = 700;
const RATE_HZ: u32 = 8_000;

/// One step of the ramp.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Callers who talked at once.
    pub callers: usize,
    /// Finals that came.
    pub finals: usize,
    /// From the end of a segment's speech to its final.
    pub final_ms_p50: u64,
    /// As above.
    pub final_ms_p95: u64,
    /// Unstable texts that came.
    pub partials: usize,
    /// Finals that were given up.
    pub skipped: usize,
    /// Processor seconds of the worker per caller and second.
    pub cpu_per_talking_second: f64,
}

impl Step {
    /// Whether the worker kept up.
    pub fn is_carried(&self) -> bool {
        self.skipped == 0 && self.final_ms_p95 <= FINAL_MS_MAX
    }
}

/// Adds callers until one step is not carried, `callers_max` at most; each step lasts `seconds`.
/// Tells of every step as it ends.
///
/// # Errors
/// When a sound file cannot be read or the worker does not answer.
pub fn measure(
    socket: &Path,
    table: &[Utterance],
    seconds: u64,
    callers_max: usize,
    mut tell: impl FnMut(&Step),
) -> Result<Vec<Step>> {
    let mut monologue = Vec::new();
    for (number, utterance) in (0u64..).zip(table) {
        let sound = Sound::read(&utterance.file)?;
        monologue.extend(sound.hear(Condition::Telephone, number, &silence).0);
        monologue.extend(vec![0; (u64::from(RATE_HZ) * BREATH_MS / 1_000) as usize]);
    }
    let mut worker = Worker::connect(socket)?;
    let mut steps = Vec::new();
    let mut streams = 0;
    for callers in 1..=callers_max {
        let step = talk(&mut worker, &monologue, streams..streams + callers as u64, seconds)?;
        streams += callers as u64;
        tell(&step);
        steps.push(step);
        if steps.last().is_some_and(|step| !step.is_carried()) {
            break;
        }
    }
    Ok(steps)
}

fn talk(
    worker: &mut Worker,
    monologue: &[i16],
    streams: std::ops::Range<u64>,
    seconds: u64,
) -> Result<Step> {
    let callers = streams.clone().count();
    let cpu_before_ms = worker.cpu_ms()?;
    for stream in streams.clone() {
        worker.open(stream, RATE_HZ)?;
    }
    let tick = (u64::from(RATE_HZ) * TICK_MS / 1_000) as usize;
    let clock = Clock::start();
    let mut tally = Tally::default();
    for number in 0..seconds * 1_000 / TICK_MS {
        let now_ms = (number + 1) * TICK_MS;
        std::thread::sleep(Duration::from_millis(now_ms.saturating_sub(clock.elapsed_ms())));
        let news: Vec<Event> = worker.news().collect();
        news.iter().for_each(|event| tally.take(event, clock.elapsed_ms()));
        for (caller, stream) in (0u64..).zip(streams.clone()) {
            // Each caller is at another place of the same monologue.
            let place = monologue.len() as u64 / callers as u64 * caller;
            let spoken = now_ms.checked_sub(APART_MS * caller + TICK_MS);
            let samples = (0..tick as u64).map(|i| match spoken {
                Some(ms) => {
                    let at = place + ms * u64::from(RATE_HZ) / 1_000 + i;
                    monologue.get(at as usize % monologue.len().max(1)).copied().unwrap_or(0)
                }
                None => 0,
            });
            let samples = samples.collect();
            worker.send(&Message::Audio { stream, start_sample: number * tick as u64, samples })?;
        }
    }
    let cpu_seconds = tally.cpu_ms.saturating_sub(cpu_before_ms) as f64 / 1_000.0;
    let mut open: BTreeSet<u64> = streams.clone().collect();
    for stream in streams {
        worker.send(&Message::Close { stream })?;
    }
    while !open.is_empty() {
        let event = worker.next()?;
        tally.take(&event, clock.elapsed_ms());
        if let Event::Ended { stream } = event {
            open.remove(&stream);
        }
    }
    Ok(tally.step(callers, cpu_seconds / (callers as u64 * seconds).max(1) as f64))
}

#[derive(Default)]
struct Tally {
    late_ms: Vec<u64>,
    partials: usize,
    skipped: usize,
    /// Of the newest report.
    cpu_ms: u64,
}

impl Tally {
    fn take(&mut self, event: &Event, now_ms: u64) {
        match event {
            Event::Result { is_final: true, end_ms, .. } => {
                self.late_ms.push(now_ms.saturating_sub(*end_ms));
            }
            Event::Result { .. } => self.partials += 1,
            Event::Skipped { .. } => self.skipped += 1,
            Event::Stats { cpu_ms, .. } => self.cpu_ms = *cpu_ms,
            Event::Started { .. } | Event::Ended { .. } => {}
        }
    }

    fn step(mut self, callers: usize, cpu_per_talking_second: f64) -> Step {
        Step {
            callers,
            finals: self.late_ms.len(),
            final_ms_p50: quantile(&mut self.late_ms, 50),
            final_ms_p95: quantile(&mut self.late_ms, 95),
            partials: self.partials,
            skipped: self.skipped,
            cpu_per_talking_second,
        }
    }
}
