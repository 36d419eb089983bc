//! Measuring recognition on recordings: errors and cost ([`decode`]), delay at the pace of a call
//! ([`paced`]), and how many callers a worker carries ([`ramp`]).

pub mod condition;
pub mod decode;
pub mod errors;
pub mod paced;
pub mod ramp;
pub(crate) mod random;
mod worker;

use crate::error::{AsrError, Result};
use std::path::{Path, PathBuf};

/// A recording and what is said in it.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// A sound file: mono, 16 kHz, 16 bit.
    pub file: PathBuf,
    /// The reference.
    pub text: String,
}

/// The rows of a table with the columns file (relative to the table) and text, below a heading.
///
/// # Errors
/// When it cannot be read or a row has fewer columns.
pub fn read_table(tsv: &Path, limit: usize) -> Result<Vec<Utterance>> {
    let table = std::fs::read_to_string(tsv).map_err(AsrError::io(tsv))?;
    let folder = tsv.parent().unwrap_or(Path::new("."));
    let rows = table.lines().skip(1).take(limit).map(|line| {
        let mut columns = line.split('\t');
        Some(Utterance { file: folder.join(columns.next()?), text: columns.next()?.to_owned() })
    });
    rows.collect::<Option<_>>().ok_or_else(|| AsrError::Evaluation {
        path: tsv.to_owned(),
        reason: "a line without the columns file and text".to_owned(),
    })
}

/// Samples in [-1, 1).
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

/// Silence before and after, in ms.
const LEAD_MS: u64 = 500;
const TAIL_MS: u64 = 2_000;

/// The utterance in a silent call.
fn in_silence(heard: &[i16], rate_hz: u32) -> Vec<i16> {
    let silence = |ms: u64| vec![0i16; (u64::from(rate_hz) * ms / 1_000) as usize];
    [silence(LEAD_MS), heard.to_vec(), silence(TAIL_MS)].concat()
}

/// The value below which this part of them lies; 0 without any.
fn quantile(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    values
        .get((values.len() * percent / 100).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0)
}
