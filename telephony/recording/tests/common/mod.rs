//! What the tests share.

#![allow(dead_code, reason = "every test file uses a part")]

use qingting_recording::{Channels, MasterKeys, RecordingId, Voices, Writer};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Samples of one tick.
pub(crate) const TICK: usize = 160;

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Master keys of repeated bytes, the newest first.
pub(crate) fn keys(folder: &TempDir, bytes: &[u8]) -> MasterKeys {
    let path = folder.path().join("keys");
    let lines: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}").repeat(32)).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    MasterKeys::read(&path).unwrap()
}

/// A voice that is nowhere the same and nowhere silent.
pub(crate) fn voice(from: u64, count: usize, seed: i16) -> Vec<i16> {
    (from..from + count as u64)
        .map(|at| (at as i16).wrapping_mul(31).wrapping_add(seed) | 1)
        .collect()
}

pub(crate) fn mono(folder: &TempDir, name: &str, keys: &MasterKeys) -> (PathBuf, Writer) {
    let path = folder.path().join(name);
    let id = RecordingId([name.as_bytes()[0]; 16]);
    let writer = Writer::create(&path, Channels::Mono, id, keys).unwrap();
    (path, writer)
}

/// Writes so many samples, a tick at a time.
pub(crate) fn speak(writer: &mut Writer, from: u64, count: usize) {
    let samples = voice(from, count, 5);
    for (number, tick) in samples.chunks(TICK).enumerate() {
        writer.write(from + (number * TICK) as u64, Voices::Mono(tick)).unwrap();
    }
}

pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
