//! Measuring recognition over the wire: errors, cost, and delay.
//!
//! Each utterance of a list is one stream to a running worker: half a second of silence, the
//! utterance, then silence. Decisions depend on the audio alone, so errors are measured faster
//! than real time; delays are measured at the pace of a call.

use crate::clock::Clock;
use crate::error::{AsrError, Result};
use crate::wire::{self, Event, Message};
use serde::Serialize;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

const TICK_MS: u64 = 20;
const LEAD_MS: u64 = 500;
const TAIL_MS: u64 = 2_000;
/// Frames quieter than the loudest by this factor (35 dB) are not speech.
const QUIET_FACTOR: f32 = 0.018;
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// What to measure.
#[derive(Clone, Debug)]
pub struct EvalConfig {
    /// Columns file, text, …; sound files (16 kHz) lie relative to it.
    pub tsv: PathBuf,
    /// A running worker's socket.
    pub socket: PathBuf,
    /// Telephone condition: 300–3400 Hz, 8 kHz, A-law. Otherwise 16 kHz as recorded.
    pub is_telephone: bool,
    /// Feed at the pace of a call and measure delays.
    pub is_paced: bool,
    /// Utterances, from the start of the list.
    pub limit: usize,
}

/// What was measured. Character errors are counted in the raw text, as it was heard: what
/// [`crate::text::display`] does with numbers and fillers cannot hide or make one. Both sides are
/// normalised: lower case, simplified script, punctuation and spaces dropped, full-width folded,
/// digits read out one by one.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EvalReport {
    /// Utterances.
    pub utterances: usize,
    /// Their length.
    pub audio_seconds: f64,
    /// The text in which errors are counted: `raw`, as it was heard.
    pub text: &'static str,
    /// Characters of the reference.
    pub characters: usize,
    /// Errors per character of the reference.
    pub cer: f64,
    /// Wrong characters.
    pub substitutions: usize,
    /// Missing characters.
    pub deletions: usize,
    /// Characters too many.
    pub insertions: usize,
    /// Processor seconds of the worker per second of utterance (to the nearest report, 1 s).
    pub cpu_per_talking_second: f64,
    /// Streams in which somebody speaks that two cores carry: 2 / the above, not a load test.
    pub speaking_streams_on_two_cores: f64,
    /// From the end of speech (by level or by the voice detector, whichever is earlier) to the
    /// last final of the utterance; paced runs only.
    pub final_ms_p50: u64,
    /// As above.
    pub final_ms_p95: u64,
    /// Speech not yet covered by any text, sampled every 20 ms; paced runs only.
    pub unstable_ms_p50: u64,
    /// As above.
    pub unstable_ms_p95: u64,
}

#[derive(Default)]
struct Heard {
    text: String,
    final_ms: Option<u64>,
    behind_ms: Vec<u64>,
}

/// Measures.
///
/// # Errors
/// When the list or a sound file cannot be read, or the worker does not answer.
pub fn run(config: &EvalConfig) -> Result<EvalReport> {
    let socket = UnixStream::connect(&config.socket).map_err(AsrError::io(&config.socket))?;
    let mut writing = socket.try_clone().map_err(AsrError::io(&config.socket))?;
    let (sender, events) = sync_channel(4_096);
    std::thread::spawn(move || {
        let mut reader = std::io::BufReader::new(socket);
        while let Ok(Some(message)) = wire::read_message(&mut reader) {
            if let Message::Event(event) = message
                && sender.send(event).is_err()
            {
                return;
            }
        }
    });
    let mut report = EvalReport { text: "raw", ..EvalReport::default() };
    let (mut finals, mut behind) = (Vec::new(), Vec::new());
    let cpu_before = wait_stats(&events)?;
    for (stream, (file, text)) in (0u64..).zip(read_list(&config.tsv, config.limit)?) {
        let mut samples = read_sound(&file)?;
        let end_ms = LEAD_MS + end_of_speech_ms(&samples);
        report.utterances += 1;
        report.audio_seconds += samples.len() as f64 / 16_000.0;
        let mut rate_hz = 16_000;
        if config.is_telephone {
            samples = telephone(&samples);
            rate_hz = 8_000;
        }
        let call = pad(&samples, rate_hz);
        let heard = play(&mut writing, &events, stream, rate_hz, &call, end_ms, config.is_paced)?;
        let errors = edits(&normalise(&text), &normalise(&heard.text));
        report.characters += normalise(&text).len();
        report.substitutions += errors.0;
        report.deletions += errors.1;
        report.insertions += errors.2;
        finals.extend(heard.final_ms);
        behind.extend(heard.behind_ms);
    }
    let cpu = wait_stats(&events)?.saturating_sub(cpu_before) as f64 / 1_000.0;
    let errors = report.substitutions + report.deletions + report.insertions;
    report.cer = errors as f64 / report.characters.max(1) as f64;
    report.cpu_per_talking_second = cpu / report.audio_seconds.max(1e-9);
    report.speaking_streams_on_two_cores = 2.0 / report.cpu_per_talking_second.max(1e-9);
    (report.final_ms_p50, report.final_ms_p95) =
        (quantile(&mut finals, 50), quantile(&mut finals, 95));
    (report.unstable_ms_p50, report.unstable_ms_p95) =
        (quantile(&mut behind, 50), quantile(&mut behind, 95));
    Ok(report)
}

fn play(
    to: &mut UnixStream,
    events: &Receiver<Event>,
    stream: u64,
    rate_hz: u32,
    call: &[i16],
    end_ms: u64,
    is_paced: bool,
) -> Result<Heard> {
    let open = Message::Open {
        stream,
        rate_hz,
        start_sample: 0,
        first_segment: 0,
        // Faster than a call all is late: nothing may be left out for that.
        is_offline: !is_paced,
    };
    wire::write_message(to, &open)?;
    let mut heard = Heard::default();
    let clock = Clock::start();
    let (mut started, mut covered_ms) = (None, 0);
    let tick = (u64::from(rate_hz) * TICK_MS / 1_000) as usize;
    let mut take = |event: Event, heard: &mut Heard, covered_ms: &mut u64| match event {
        Event::Started { at_ms, .. } => started = started.or(Some(at_ms)),
        Event::Result { is_final, end_ms: to_ms, text, .. } => {
            *covered_ms = (*covered_ms).max(to_ms);
            if is_final {
                heard.text.push_str(&text.to_string());
                // Noise after the last word must not make the worker look fast.
                heard.final_ms = Some(clock.elapsed_ms().saturating_sub(end_ms.min(to_ms)));
            }
        }
        Event::Skipped { .. } | Event::Ended { .. } | Event::Stats { .. } => {}
    };
    for (number, chunk) in (0u64..).zip(call.chunks(tick)) {
        let now_ms = (number + 1) * TICK_MS;
        if is_paced {
            std::thread::sleep(Duration::from_millis(now_ms.saturating_sub(clock.elapsed_ms())));
            events.try_iter().for_each(|event| take(event, &mut heard, &mut covered_ms));
            if (LEAD_MS..end_ms).contains(&now_ms) {
                heard.behind_ms.push(now_ms - covered_ms.max(LEAD_MS).min(now_ms));
            }
        }
        let start_sample = number * tick as u64;
        let audio = Message::Audio { stream, start_sample, samples: chunk.to_vec() };
        wire::write_message(to, &audio)?;
    }
    wire::write_message(to, &Message::Close { stream })?;
    loop {
        let event = events.recv_timeout(ANSWER_MAX).map_err(silent)?;
        let is_last = matches!(event, Event::Ended { .. });
        take(event, &mut heard, &mut covered_ms);
        if is_last {
            return Ok(heard);
        }
    }
}

fn wait_stats(events: &Receiver<Event>) -> Result<u64> {
    loop {
        if let Event::Stats { cpu_ms, .. } = events.recv_timeout(ANSWER_MAX).map_err(silent)? {
            return Ok(cpu_ms);
        }
    }
}

fn silent(_: std::sync::mpsc::RecvTimeoutError) -> AsrError {
    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "the worker does not answer");
    AsrError::Wire(error.into())
}

fn read_list(tsv: &Path, limit: usize) -> Result<Vec<(PathBuf, String)>> {
    let text = std::fs::read_to_string(tsv).map_err(AsrError::io(tsv))?;
    let folder = tsv.parent().unwrap_or(Path::new("."));
    let rows = text.lines().skip(1).take(limit).map(|line| {
        let mut columns = line.split('\t');
        Some((folder.join(columns.next()?), columns.next()?.to_owned()))
    });
    rows.collect::<Option<_>>().ok_or_else(|| AsrError::Evaluation {
        path: tsv.to_owned(),
        reason: "a line without the columns file and text".to_owned(),
    })
}

fn read_sound(path: &Path) -> Result<Vec<f32>> {
    let bad = |reason: String| AsrError::Evaluation { path: path.to_owned(), reason };
    let mut reader = hound::WavReader::open(path).map_err(|error| bad(error.to_string()))?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, 16_000, 16) {
        return Err(bad("not mono, 16 kHz, 16 bit".to_owned()));
    }
    let samples: std::result::Result<Vec<i16>, _> = reader.samples::<i16>().collect();
    let samples = samples.map_err(|error| bad(error.to_string()))?;
    Ok(samples.into_iter().map(|s| f32::from(s) / 32_768.0).collect())
}

fn end_of_speech_ms(samples: &[f32]) -> u64 {
    let levels: Vec<f32> =
        samples.chunks(320).map(|c| c.iter().map(|s| s * s).sum::<f32>().sqrt()).collect();
    let loudest = levels.iter().copied().fold(0.0, f32::max);
    let last = levels.iter().rposition(|level| *level > loudest * QUIET_FACTOR).unwrap_or(0);
    (last as u64 + 1) * TICK_MS
}

/// 300–3400 Hz by a windowed sinc of 255 taps, every second sample, A-law and back.
fn telephone(samples: &[f32]) -> Vec<f32> {
    const HALF: isize = 127;
    let low_pass = |n: isize, hz: f32| {
        let cut = 2.0 * hz / 16_000.0;
        let x = std::f32::consts::PI * n as f32;
        if n == 0 { cut } else { (x * cut).sin() / x }
    };
    let taps: Vec<f32> = (-HALF..=HALF)
        .map(|n| {
            let window = 0.54 + 0.46 * (std::f32::consts::PI * n as f32 / HALF as f32).cos();
            (low_pass(n, 3_400.0) - low_pass(n, 300.0)) * window
        })
        .collect();
    let filtered = (0..samples.len()).step_by(2).map(|at| {
        (-HALF..=HALF)
            .zip(&taps)
            .filter_map(|(n, tap)| {
                at.checked_add_signed(n).and_then(|i| samples.get(i)).map(|s| s * tap)
            })
            .sum::<f32>()
    });
    filtered.map(|s| a_law_round_trip(s.clamp(-1.0, 1.0))).collect()
}

/// G.711 A-law's quantisation: 16 steps in each of 8 segments of magnitude, of 4,096.
fn a_law_round_trip(sample: f32) -> f32 {
    let magnitude = ((sample.abs() * 4_096.0) as u32).min(4_095);
    let shift = if magnitude < 64 { 1 } else { (magnitude >> 5).ilog2() };
    let step = 1u32 << shift;
    let middle = (magnitude / step * step + step / 2) as f32 / 4_096.0;
    middle.copysign(sample)
}

fn pad(samples: &[f32], rate_hz: u32) -> Vec<i16> {
    let silence = |ms: u64| vec![0i16; (u64::from(rate_hz) * ms / 1_000) as usize];
    let mut call = silence(LEAD_MS);
    call.extend(samples.iter().map(|s| (s * 32_767.0) as i16));
    call.extend(silence(TAIL_MS));
    call
}

fn normalise(text: &str) -> Vec<char> {
    fast2s::convert(text)
        .chars()
        .map(|c| match u32::from(c) {
            code @ 0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap_or(c),
            _ => c,
        })
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .map(|c| c.to_digit(10).map_or(c, |d| DIGITS[d as usize]))
        .collect()
}

const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];

/// Substitutions, deletions, insertions of a cheapest alignment.
fn edits(reference: &[char], heard: &[char]) -> (usize, usize, usize) {
    let total = |e: &(usize, usize, usize)| e.0 + e.1 + e.2;
    let mut row: Vec<_> = (0..=heard.len()).map(|insertions| (0, 0, insertions)).collect();
    for (i, expected) in reference.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], (0, i + 1, 0));
        for (j, found) in heard.iter().enumerate() {
            let substitute = (diagonal.0 + usize::from(expected != found), diagonal.1, diagonal.2);
            diagonal = row[j + 1];
            let delete = (diagonal.0, diagonal.1 + 1, diagonal.2);
            let insert = (row[j].0, row[j].1, row[j].2 + 1);
            row[j + 1] =
                [substitute, delete, insert].into_iter().min_by_key(total).unwrap_or(substitute);
        }
    }
    row[heard.len()]
}

fn quantile(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    values
        .get((values.len() * percent / 100).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_told_apart_by_kind() {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        assert_eq!(edits(&chars("一二三四"), &chars("一二五四")), (1, 0, 0));
        assert_eq!(edits(&chars("一二三"), &chars("一三")), (0, 1, 0));
        assert_eq!(edits(&chars("一"), &chars("一一二")), (0, 0, 2));
    }

    #[test]
    fn writing_does_not_count_as_an_error() {
        assert_eq!(normalise("增長５成。 OK"), normalise("增长五成ok"));
    }

    #[test]
    fn a_law_is_close_in_proportion_to_loudness() {
        for sample in [0.9f32, -0.5, 0.1, -0.02] {
            assert!((a_law_round_trip(sample) - sample).abs() < sample.abs() / 16.0);
        }
    }
}
