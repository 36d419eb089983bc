//! Speaks a list of texts for `qingting asr eval --telephone`, and times the first audio.
//!
//! `prompts MODELS TEXTS OUT [VOICE [SPEED]]`: a text a line; OUT gets a WAV file each and `list.tsv`.
//! The files are 16 kHz by zeros between the samples: the telephone band removes the images.

use qingting_voice::{PromptCache, Voice, VoiceError, VoicePaths};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [models, texts, out, rest @ ..] = args.as_slice() else {
        return Err("prompts MODELS TEXTS OUT [VOICE [SPEED]]".into());
    };
    let name = rest.first().map_or("qingting", String::as_str);
    let speed: f32 = rest.get(1).map_or(Ok(1.0), |speed| speed.parse())?;
    let (models, out) = (Path::new(models), Path::new(out));
    let voice = Voice::load(VoicePaths {
        model: models.join("kokoro/kokoro.onnx"),
        vocab: models.join("kokoro/vocab.json"),
        voices: models.join("kokoro/voices_ja.npz"),
        onnxruntime: models.join("onnxruntime/libonnxruntime.so"),
    })?;
    let cache = PromptCache::new(out.join("cache"));
    let manner = format!("{name}@{speed}");
    let mut list = "file\ttext\n".to_owned();
    let (mut cold_ms, mut cached_ms) = (Vec::new(), Vec::new());
    for (number, text) in std::fs::read_to_string(texts)?.lines().enumerate() {
        let started = now();
        let samples = cache.get_or(text, &manner, || voice.synthesise(text, name, speed))?;
        cold_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
        let started = now();
        cache.get_or(text, &manner, || Err(VoiceError::Unspeakable))?;
        cached_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
        let file = format!("{number}.wav");
        write(&out.join(&file), &samples)?;
        list += &format!("{file}\t{text}\n");
    }
    std::fs::write(out.join("list.tsv"), list)?;
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
