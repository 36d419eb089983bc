//! Prompts that were spoken before, as 8 kHz 16-bit WAV files.

use crate::VoiceError;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use sha2::{Digest, Sha256};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Changes when the same text would sound different: old files are then not found any more.
pub const ENGINE_VERSION: &str = "kokoro-1";

const WAV: hound::WavSpec = hound::WavSpec {
    channels: 1,
    sample_rate: TELEPHONE_RATE_HZ,
    bits_per_sample: 16,
    sample_format: hound::SampleFormat::Int,
};

/// A folder of prompts. A file's name is a hash: a text may hold a citizen's name.
#[derive(Clone, Debug)]
pub struct PromptCache {
    dir: PathBuf,
}

impl PromptCache {
    /// A cache in `dir`, which is created on first use.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The prompt's 8 kHz samples, from the cache or made by `make` and kept. A file that cannot be
    /// read as such a prompt is made anew.
    ///
    /// # Errors
    /// What `make` returns, or [`VoiceError::Cache`] when the result cannot be kept.
    pub fn get_or(
        &self,
        text: &str,
        voice: &str,
        make: impl FnOnce() -> Result<Vec<i16>, VoiceError>,
    ) -> Result<Vec<i16>, VoiceError> {
        let path = self.path(text, voice);
        if let Some(samples) = read(&path) {
            return Ok(samples);
        }
        let samples = make()?;
        self.keep(&path, &samples)
            .map_err(|source| VoiceError::Cache { path: path.clone(), source })?;
        Ok(samples)
    }

    /// Where the prompt is, or will be.
    pub fn path(&self, text: &str, voice: &str) -> PathBuf {
        let mut hash = Sha256::new();
        for part in [ENGINE_VERSION, voice, text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        self.dir.join(format!("{}.wav", hex::encode(hash.finalize())))
    }

    fn keep(&self, path: &Path, samples: &[i16]) -> std::io::Result<()> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        std::fs::create_dir_all(&self.dir)?;
        let mut bytes = Cursor::new(Vec::new());
        write(&mut bytes, samples).map_err(std::io::Error::other)?;
        let partial = path.with_extension(format!("{}-{serial}.partial", std::process::id()));
        std::fs::write(&partial, bytes.into_inner())?;
        std::fs::rename(&partial, path)
    }
}

fn write(to: &mut Cursor<Vec<u8>>, samples: &[i16]) -> hound::Result<()> {
    let mut writer = hound::WavWriter::new(to, WAV)?;
    samples.iter().try_for_each(|&s| writer.write_sample(s))?;
    writer.finalize()
}

fn read(path: &Path) -> Option<Vec<i16>> {
    let reader = hound::WavReader::open(path).ok()?;
    (reader.spec() == WAV).then(|| reader.into_samples().collect::<Result<_, _>>().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_made_once_and_a_broken_file_is_made_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = PromptCache::new(dir.path().join("prompts"));
        let made = cache.get_or("您好", "a", || Ok(vec![1, -2, 3])).expect("made");
        let kept = cache.get_or("您好", "a", || Err(VoiceError::Unspeakable)).expect("kept");
        assert_eq!(made, kept);
        assert!(cache.get_or("您好", "b", || Err(VoiceError::Unspeakable)).is_err());
        std::fs::write(cache.path("您好", "a"), b"RIFF").expect("broken");
        assert_eq!(cache.get_or("您好", "a", || Ok(vec![7])).expect("anew"), [7]);
    }
}
