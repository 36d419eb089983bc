//! Speaks a list of texts for `qingting asr eval --telephone`, and times the first audio.
//!
//! `prompts MODELS TEXTS OUT [VOICE,… [SPEED,…]]`: a text a line, further columns after tabs are kept; OUT gets
//! a WAV file each and `list.tsv`, which grows as they are spoken. Lines take turns with voices and speeds. A text that
//! cannot be spoken is named and left out. What OUT has already is not spoken again.
//! The files are 16 kHz by zeros between the samples: the telephone band removes the images.

use qingting_voice::{PromptCache, Voice, VoiceError, VoicePaths};
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [models, texts, out, rest @ ..] = args.as_slice() else {
        return Err("prompts MODELS TEXTS OUT [VOICE,… [SPEED,…]]".into());
    };
    let names: Vec<&str> = rest.first().map_or("qingting", String::as_str).split(',').collect();
    let speeds = rest.get(1).map_or("1.0", String::as_str).split(',').map(str::parse);
    let speeds: Vec<f32> = speeds.collect::<Result<_, _>>()?;
    let (models, out) = (Path::new(models), Path::new(out));
    let voice = Voice::load(VoicePaths {
        model: models.join("kokoro/kokoro.onnx"),
        vocab: models.join("kokoro/vocab.json"),
        voices: models.join("kokoro/voices_ja.npz"),
        onnxruntime: models.join("onnxruntime/libonnxruntime.so"),
    })?;
    std::fs::create_dir_all(out)?;
    let cache = PromptCache::new(out.join("cache"));
    let mut list = File::create(out.join("list.tsv"))?;
    writeln!(list, "file\ttext")?;
    let (mut cold_ms, mut cached_ms) = (Vec::new(), Vec::new());
    for (number, line) in std::fs::read_to_string(texts)?.lines().enumerate() {
        let text = line.split('\t').next().unwrap_or_default();
        let (name, speed) = (names[number % names.len()], speeds[number % speeds.len()]);
        let manner = format!("{name}@{speed}");
        let started = now();
        let samples = match cache.get_or(text, &manner, || voice.synthesise(text, name, speed)) {
            Ok(samples) => samples,
            Err(error) => {
                eprintln!("line {} left out: {error}", number + 1);
                continue;
            }
        };
        cold_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
        let started = now();
        cache.get_or(text, &manner, || Err(VoiceError::Unspeakable))?;
        cached_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
        let file = format!("{number}.wav");
        write(&out.join(&file), &samples)?;
        writeln!(list, "{file}\t{line}")?;
    }
    println!("first audio, ms: {} cold, {} cached", summary(cold_ms), summary(cached_ms));
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a measurement has no clock module")]
fn now() -> Instant {
    Instant::now()
}

fn summary(mut ms: Vec<f64>) -> String {
    ms.sort_by(f64::total_cmp);
    let median = ms.get(ms.len() / 2).copied().unwrap_or_default();
    format!("median {median:.1} max {:.1}", ms.last().copied().unwrap_or_default())
}

fn write(path: &Path, samples: &[i16]) -> hound::Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample(*sample)?;
        writer.write_sample(0_i16)?;
    }
    writer.finalize()
}
