//! Prompts that were spoken before, as 8 kHz 16-bit WAV files with their SHA-256 after them, so that
//! a file that was cut or changed is noticed. Players do not mind the 32 bytes.

use crate::VoiceError;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use sha2::{Digest, Sha256};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Changes when the same text would sound different: old files are then not found any more.
pub const ENGINE_VERSION: &str = "kokoro-2";

/// Most files kept. The ones that were unused longest go first; a hotline needs a few dozen.
pub const PROMPTS_MAX: usize = 1_000;
const DIGEST_BYTES: usize = 32;

const WAV: hound::WavSpec = hound::WavSpec {
    channels: 1,
    sample_rate: TELEPHONE_RATE_HZ,
    bits_per_sample: 16,
    sample_format: hound::SampleFormat::Int,
};

const NOW: rustix::fs::Timestamps = {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    rustix::fs::Timestamps { last_access: now, last_modification: now }
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
        let mut bytes = bytes.into_inner();
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        let partial = path.with_extension(format!("{}-{serial}.partial", std::process::id()));
        std::fs::write(&partial, bytes)?;
        std::fs::rename(&partial, path)?;
        self.forget_oldest(PROMPTS_MAX)
    }

    /// Removes what was used longest ago until `files_max` are left, the remains of interrupted
    /// writers among them.
    fn forget_oldest(&self, files_max: usize) -> std::io::Result<()> {
        let entries = std::fs::read_dir(&self.dir)?.filter_map(Result::ok);
        let is_ours = |path: &Path| {
            path.extension().is_some_and(|e| e == "wav" || e.to_string_lossy().ends_with("partial"))
        };
        let mut files: Vec<_> = entries
            .filter(|entry| is_ours(&entry.path()))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort_unstable();
        let over = files.len().saturating_sub(files_max);
        // Another process may have removed it meanwhile.
        files.drain(..over).for_each(|(_, path)| drop(std::fs::remove_file(path)));
        Ok(())
    }
}

fn write(to: &mut Cursor<Vec<u8>>, samples: &[i16]) -> hound::Result<()> {
    let mut writer = hound::WavWriter::new(to, WAV)?;
    samples.iter().try_for_each(|&s| writer.write_sample(s))?;
    writer.finalize()
}

fn read(path: &Path) -> Option<Vec<i16>> {
    let bytes = std::fs::read(path).ok()?;
    let (wav, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
    if Sha256::digest(wav).as_slice() != digest {
        return None;
    }
    let reader = hound::WavReader::new(wav).ok()?;
    let samples = reader.into_samples().collect::<Result<_, _>>().ok()?;
    // Used now: an unwritable folder only loses the order in which prompts are forgotten.
    let _ = std::fs::File::open(path).and_then(|file| Ok(rustix::fs::futimens(file, &NOW)?));
    Some(samples)
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
    #[test]
    fn a_changed_sample_is_noticed_and_what_was_unused_longest_is_forgotten() {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = PromptCache::new(dir.path());
        for text in ["一", "二", "三"] {
            cache.get_or(text, "a", || Ok(vec![1; 100])).expect("made");
        }
        let mut bytes = std::fs::read(cache.path("二", "a")).expect("kept");
        bytes[60] ^= 1;
        std::fs::write(cache.path("二", "a"), bytes).expect("changed");
        assert_eq!(cache.get_or("二", "a", || Ok(vec![7])).expect("anew"), [7]);
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        for text in ["一", "三"] {
            let file = std::fs::File::options().append(true).open(cache.path(text, "a"));
            file.and_then(|file| file.set_modified(long_ago)).expect("aged");
        }
        cache.get_or("一", "a", || Err(VoiceError::Unspeakable)).expect("used");
        cache.forget_oldest(2).expect("forgotten");
        assert!(!cache.path("三", "a").exists() && cache.path("一", "a").exists());
    }
}
