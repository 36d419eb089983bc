//! Errors and cost, as fast as the machine can: the worker's own decisions without its process.
//!
//! Each utterance is one stream between silences. What the worker would have decoded as finals is
//! decoded; partials, trials and waiting are left out, so that nothing depends on the machine's load.

use super::condition::{Conceal, Condition};
use super::errors::{Errors, errors, interval, normalise};
use super::sound::{Sound, WIDE_HZ};
use super::worker::Worker;
use super::{Utterance, in_silence};
use crate::bias::Hotwords;
use crate::clock::process_cpu_ms;
use crate::error::{AsrError, Result};
use crate::noise::NoiseSuppression;
use crate::recognizer::{Decoded, Decoder, Effort, Recognizer};
use crate::stream::{Action, Stream};
use serde::Serialize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which of the two texts of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// The finals of a call that goes on.
    #[default]
    Streaming,
    /// The recording after the call.
    Whole,
}

/// What is to be measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// What the recogniser hears.
    pub condition: Condition,
    /// How.
    pub pass: Pass,
    /// What is taken out of it before.
    pub noise_suppression: NoiseSuppression,
}

/// What was measured. Errors are counted in the raw text, as it was heard: what
/// [`crate::text::display`] does with numbers and fillers cannot hide or make one. Both sides are
/// normalised by [`normalise`].
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What the recogniser heard.
    pub condition: Condition,
    /// How.
    pub pass: Pass,
    /// Whether a city's words were put where they were meant.
    pub has_hotwords: bool,
    /// Utterances.
    pub utterances: usize,
    /// Their length.
    pub audio_seconds: f64,
    /// Characters of the reference.
    pub characters: usize,
    /// Errors per character of the reference.
    pub cer: f64,
    /// The middle 95 % of that over resampled utterances ([`interval`]).
    pub cer_low: f64,
    /// As above.
    pub cer_high: f64,
    /// The errors by kind.
    #[serde(flatten)]
    pub errors: Errors,
    /// Processor seconds of this process per second of utterance, voice detection included.
    pub real_time_factor: f64,
    /// What was heard of each, in the order of the table.
    #[serde(skip)]
    pub heard: Vec<Heard>,
}

/// One utterance's result.
#[derive(Clone, Debug)]
pub struct Heard {
    pieces: Vec<Decoded>,
    /// Errors in it.
    pub errors: Errors,
    /// Characters of the reference.
    pub characters: usize,
    /// Length.
    pub seconds: f64,
}

impl Heard {
    fn new(pieces: Vec<Decoded>, reference: &str, samples: usize) -> Self {
        let reference = normalise(reference);
        let heard = Self {
            pieces,
            errors: Errors::default(),
            characters: reference.len(),
            seconds: samples as f64 / f64::from(WIDE_HZ),
        };
        Self { errors: errors(&reference, &normalise(&heard.text())), ..heard }
    }

    /// What was heard, segment after segment.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.to_string()).collect()
    }

    /// The recogniser's confidence in the least sure segment; 0 where nothing was heard.
    pub fn confidence(&self) -> f32 {
        self.pieces.iter().map(|piece| piece.confidence).reduce(f32::min).unwrap_or(0.0)
    }

    /// The same as one heard it who expected it, where that differs.
    pub fn expected(&self) -> Option<(String, f32)> {
        let expected = |piece: &Decoded| match &piece.expected {
            Some(expected) => (expected.text.to_string(), expected.confidence),
            None => (piece.text.to_string(), piece.confidence),
        };
        let differs = self.pieces.iter().any(|piece| piece.expected.is_some());
        let both = |(text, sure): (String, f32), (more, confidence): (String, f32)| {
            (text + &more, sure.min(confidence))
        };
        self.pieces.iter().map(expected).reduce(both).filter(|_| differs)
    }

    fn corrected(&self, reference: &str, hotwords: &Hotwords) -> Self {
        let corrected = |piece: &Decoded| Decoded {
            text: hotwords.correct(&piece.text, piece.confidence),
            ..piece.clone()
        };
        let pieces = self.pieces.iter().map(corrected).collect();
        Self { seconds: self.seconds, ..Self::new(pieces, reference, 0) }
    }
}

impl Report {
    /// The same with a city's words put where they were meant, as calls have it. `table` is the one that was
    /// measured.
    pub fn corrected(&self, table: &[Utterance], hotwords: &Hotwords) -> Self {
        let heard = table.iter().zip(&self.heard);
        let heard = heard.map(|(utterance, heard)| heard.corrected(&utterance.text, hotwords));
        let cpu_seconds = self.real_time_factor * self.audio_seconds;
        let report = report(self.condition, self.pass, heard.collect(), cpu_seconds);
        Self { has_hotwords: true, ..report }
    }
}

/// Measures one condition on `threads` threads.
///
/// # Errors
/// When a sound file cannot be read, the engine fails, or the recogniser has no decoder.
pub fn measure(
    recognizer: &dyn Recognizer,
    threads: usize,
    table: &[Utterance],
    setup: Setup,
    conceal: Conceal,
) -> Result<Report> {
    let Setup { condition, pass, .. } = setup;
    let next = AtomicUsize::new(0);
    let cpu_before_ms = process_cpu_ms();
    let work = || -> Result<Vec<(usize, Heard)>> {
        let mut decoder = recognizer.decoder()?.ok_or_else(|| AsrError::Engine {
            engine: "evaluation",
            reason: "this recogniser has no decoder".to_owned(),
        })?;
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(utterance) = table.get(number) else { return Ok(done) };
            let sound = Sound::read(&utterance.file)?;
            let (heard, rate_hz) = sound.hear(condition, number as u64, conceal);
            let call = in_silence(&heard, rate_hz);
            decoder.expect(&utterance.expected);
            let pieces = transcribe(recognizer, &mut *decoder, setup, rate_hz, &call)?;
            done.push((number, Heard::new(pieces, &utterance.text, sound.samples.len())));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let joined = running.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Result<Vec<_>>>()
    })?
    .concat();
    let cpu_seconds = process_cpu_ms().saturating_sub(cpu_before_ms) as f64 / 1_000.0;
    all.sort_by_key(|(number, _)| *number);
    let heard = all.into_iter().map(|(_, heard)| heard).collect();
    Ok(report(condition, pass, heard, cpu_seconds))
}

/// The same of a recogniser that only its worker knows: finals over its socket, one utterance after
/// the other.
///
/// # Errors
/// When a sound file cannot be read or the worker does not answer.
pub fn measure_worker(
    socket: &Path,
    table: &[Utterance],
    condition: Condition,
    conceal: Conceal,
) -> Result<Report> {
    let mut worker = Worker::connect(socket)?;
    let cpu_before_ms = worker.cpu_ms()?;
    let mut all = Vec::new();
    for (stream, utterance) in (0u64..).zip(table) {
        let sound = Sound::read(&utterance.file)?;
        let (heard, rate_hz) = sound.hear(condition, stream, conceal);
        let pieces =
            worker.finals(stream, rate_hz, &utterance.expected, &in_silence(&heard, rate_hz))?;
        all.push(Heard::new(pieces, &utterance.text, sound.samples.len()));
    }
    let cpu_seconds = worker.cpu_ms()?.saturating_sub(cpu_before_ms) as f64 / 1_000.0;
    Ok(report(condition, Pass::Streaming, all, cpu_seconds))
}

fn report(condition: Condition, pass: Pass, heard: Vec<Heard>, cpu_seconds: f64) -> Report {
    let errors = heard.iter().map(|h| h.errors).fold(Errors::default(), |a, b| a + b);
    let characters: usize = heard.iter().map(|h| h.characters).sum();
    let audio_seconds: f64 = heard.iter().map(|h| h.seconds).sum();
    let counted: Vec<_> = heard.iter().map(|h| (h.errors.total(), h.characters)).collect();
    let (cer_low, cer_high) = interval(&counted);
    Report {
        condition,
        pass,
        has_hotwords: false,
        utterances: heard.len(),
        audio_seconds,
        characters,
        cer: errors.total() as f64 / characters.max(1) as f64,
        cer_low,
        cer_high,
        errors,
        real_time_factor: cpu_seconds / audio_seconds.max(1e-9),
        heard,
    }
}

/// The finals of one call.
fn transcribe(
    recognizer: &dyn Recognizer,
    decoder: &mut dyn Decoder,
    setup: Setup,
    rate_hz: u32,
    call: &[i16],
) -> Result<Vec<Decoded>> {
    let (is_offline, effort) = match setup.pass {
        Pass::Streaming => (false, Effort::Final),
        Pass::Whole => (true, Effort::Offline),
    };
    let mut stream = Stream::new(recognizer.detector()?, rate_hz, 0, 0, false)
        .suppressing(setup.noise_suppression);
    if is_offline {
        stream = stream.offline();
    }
    if recognizer.is_equalised() {
        stream = stream.equalised();
    }
    let mut actions = stream.push(0, call)?;
    actions.extend(stream.flush());
    let mut pieces = Vec::new();
    for action in actions {
        if let Action::Ended(piece) = action {
            pieces.push(decoder.decode(&piece.samples, effort)?);
        }
    }
    Ok(pieces)
}
