//! What a batch saves: the processor time of 20 utterances that are heard at the same time, against
//! the same 20 one after the other. `batch [KIND:FOLDER]`, a live model; without it the self-made one.

#[path = "../tests/with_models/fixtures.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod fixtures;

use fixtures::Phrase;
use qingting_asr::AsrError;
use qingting_asr::clock::process_cpu_ms;
use qingting_asr::recognizer::{Live, Recognizer};
use qingting_sherpa::Sherpa;
use std::process::ExitCode;

const STREAMS: usize = 20;
/// The least of some rounds: other work of the machine only adds.
const ROUNDS: usize = 15;
const RATE_HZ: usize = 16_000;
/// What comes between two steps: at the pace of a call, 100 ms.
const PIECE: usize = RATE_HZ / 10;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("batch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), AsrError> {
    let Some(mut models) = fixtures::live() else { return Ok(()) };
    if let Some(named) = std::env::args().nth(1) {
        let bad = |reason| AsrError::Engine { engine: "sherpa-onnx", reason };
        models.live = Some(named.parse().map_err(bad)?);
    }
    let sherpa = Sherpa::load(&models)?;
    let mut engine = sherpa.live()?.expect("a live model is named");
    let phrases: Vec<Vec<f32>> = fixtures::phrases().iter().map(Phrase::wide).collect();
    let spoken: Vec<&[f32]> = phrases.iter().cycle().take(STREAMS).map(Vec::as_slice).collect();
    let seconds = spoken.iter().map(|s| s.len()).sum::<usize>() as f64 / RATE_HZ as f64;
    let (mut singly, mut batch) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let each = || spoken.chunks(1).try_for_each(|one| hear(&mut *engine, one));
        singly = singly.min(cpu_ms(each)? / seconds);
        batch = batch.min(cpu_ms(|| hear(&mut *engine, &spoken))? / seconds);
    }
    println!("{STREAMS} streams, {seconds:.0} s of speech, processor time for a second of it:");
    println!("  one after the other {singly:.2} ms, in one batch {batch:.2} ms");
    println!("  a stream of the batch costs {:.2} of a single one", batch / singly);
    Ok(())
}

/// Processor time in ms.
fn cpu_ms(work: impl FnOnce() -> Result<(), AsrError>) -> Result<f64, AsrError> {
    let before = process_cpu_ms();
    work()?;
    Ok((process_cpu_ms() - before) as f64)
}

/// Hears these at the same time, to their end.
fn hear(engine: &mut dyn Live, spoken: &[&[f32]]) -> Result<(), AsrError> {
    let longest = spoken.iter().map(|samples| samples.len()).max().unwrap_or(0);
    for at in (0..longest).step_by(PIECE) {
        for (id, samples) in (0..).zip(spoken).filter(|(_, samples)| at < samples.len()) {
            let end = samples.len().min(at + PIECE);
            engine.push(id, &samples[at..end])?;
            if end == samples.len() {
                engine.finish(id);
            }
        }
        while engine.step().is_busy {}
    }
    Ok(())
}
