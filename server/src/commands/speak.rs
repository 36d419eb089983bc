//! `qingting speak`: Mandarin text into a telephone-rate WAV file.

use super::models;
use crate::cli;
use anyhow::{Context, Result};
use qingting_common::limits::TELEPHONE_RATE_HZ;
use qingting_voice::Voice;
use std::path::Path;

pub fn run(args: &cli::Speak) -> Result<()> {
    let voice = Voice::load(models::voice(&args.dir)?)?;
    let samples = voice.synthesise(&args.text, &args.voice, args.speed)?;
    write(&args.out, &samples).with_context(|| format!("cannot write {}", args.out.display()))?;
    let seconds = samples.len() as f64 / f64::from(TELEPHONE_RATE_HZ);
    println!("{}: {seconds:.1} s", args.out.display());
    Ok(())
}

fn write(path: &Path, samples: &[i16]) -> Result<(), hound::Error> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: TELEPHONE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample(*sample)?;
    }
    writer.finalize()
}
