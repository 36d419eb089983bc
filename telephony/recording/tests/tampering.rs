//! Nothing that was changed is taken for the recording.

mod common;

use common::{bytes, folder, keys, mono, speak};
use proptest::prelude::*;
use qingting_recording::{
    Error, MasterKeys, Part, Reader, State, Verified, chain_head, export_wav, recover,
};
use std::path::Path;
use tempfile::TempDir;

const HEADER: usize = 184;
const CHUNK: usize = 44 + 16_000;

/// Four seconds, the third of them paused, and a bit.
fn recording(folder: &TempDir, name: &str, keys: &MasterKeys) -> std::path::PathBuf {
    let (path, mut writer) = mono(folder, name, keys);
    speak(&mut writer, 0, 16_000);
    writer.pause(16_000, 24_000).unwrap();
    speak(&mut writer, 24_000, 9_000);
    writer.finish().unwrap();
    path
}

fn verify(path: &Path, keys: &MasterKeys) -> Result<Verified, Error> {
    Reader::open(path, keys)?.verify()
}

fn broken(outcome: Result<Verified, Error>) -> Option<Part> {
    match outcome {
        Err(Error::Broken(part)) => Some(part),
        _ => None,
    }
}

#[test]
fn every_flipped_byte_is_found_and_placed() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let path = recording(&folder, "call.qtr", &keys);
    let whole = bytes(&path);
    let chunks_end = HEADER + 5 * CHUNK;
    let unused_slot = 116..184;
    for at in (0..whole.len()).filter(|at| !unused_slot.contains(at)) {
        // Every byte where a format could be wrong; every so many where there is only audio.
        let within = at.saturating_sub(HEADER) % CHUNK;
        if at > HEADER && at < chunks_end && within > 60 && !within.is_multiple_of(1_999) {
            continue;
        }
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        std::fs::write(&path, &changed).unwrap();
        let outcome = verify(&path, &keys);
        if (HEADER..chunks_end).contains(&at) {
            let chunk = ((at - HEADER) / CHUNK) as u64;
            // The tag of the last is also what the trailer is bound to.
            let last = chunk == 4 && broken_part_is(&outcome, Part::Trailer);
            assert!(last || broken_part_is(&outcome, Part::Chunk(chunk)), "{at}: {outcome:?}");
        } else {
            let finished = outcome.is_ok_and(|verified| verified.state == State::Finished);
            assert!(!finished, "byte {at}");
        }
    }
}

fn broken_part_is(outcome: &Result<Verified, Error>, part: Part) -> bool {
    matches!(outcome, Err(Error::Broken(broken)) if *broken == part)
}

#[test]
fn chunks_keep_their_places() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let path = recording(&folder, "call.qtr", &keys);
    let other = bytes(&recording(&folder, "other.qtr", &keys));
    let whole = bytes(&path);
    let chunk = |of: &[u8], index: usize| of[HEADER + index * CHUNK..][..CHUNK].to_vec();
    let with = |index: usize, by: &[u8]| {
        let mut changed = whole.clone();
        changed[HEADER + index * CHUNK..][..CHUNK].copy_from_slice(by);
        std::fs::write(&path, changed).unwrap();
        broken(verify(&path, &keys))
    };
    assert_eq!(with(1, &chunk(&other, 1)), Some(Part::Chunk(1)), "of another recording");
    assert_eq!(with(1, &chunk(&whole, 0)), Some(Part::Chunk(1)), "twice");
    assert_eq!(with(3, &vec![0; CHUNK]), Some(Part::Chunk(3)), "blanked");
    let mut swapped = whole.clone();
    swapped[HEADER..][..CHUNK].copy_from_slice(&chunk(&whole, 1));
    swapped[HEADER + CHUNK..][..CHUNK].copy_from_slice(&chunk(&whole, 0));
    std::fs::write(&path, swapped).unwrap();
    assert_eq!(broken(verify(&path, &keys)), Some(Part::Chunk(0)), "swapped");
    let mut short = whole.clone();
    short.drain(HEADER + CHUNK..HEADER + 2 * CHUNK);
    std::fs::write(&path, short).unwrap();
    assert!(broken(verify(&path, &keys)).is_some(), "taken out");
    let mut mixed = whole.clone();
    mixed[..HEADER].copy_from_slice(&other[..HEADER]);
    std::fs::write(&path, mixed).unwrap();
    assert!(broken(verify(&path, &keys)).is_some(), "under another header");
}

#[test]
fn a_file_cut_anywhere_reads_to_its_last_second_and_is_not_finished() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let path = recording(&folder, "call.qtr", &keys);
    let whole = bytes(&path);
    let cut = folder.path().join("cut.qtr");
    std::fs::write(&cut, &whole).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&cut).unwrap();
    for length in (0..whole.len() as u64).rev() {
        file.set_len(length).unwrap();
        if length < HEADER as u64 {
            assert!(matches!(Reader::open(&cut, &keys), Err(Error::NotARecording)));
            continue;
        }
        let chunks = (length - HEADER as u64) / CHUNK as u64;
        let reader = Reader::open(&cut, &keys).unwrap();
        let samples = if chunks == 5 { 33_120 } else { chunks * 8_000 };
        assert_eq!((reader.state(), reader.sample_count()), (State::Incomplete, samples));
    }
}

#[test]
fn a_broken_second_is_named_and_the_others_are_still_heard() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let path = recording(&folder, "call.qtr", &keys);
    let mut changed = bytes(&path);
    changed[HEADER + CHUNK + 5_000] ^= 4;
    std::fs::write(&path, changed).unwrap();
    let mut reader = Reader::open(&path, &keys).unwrap();
    let error = reader.verify().unwrap_err().to_string();
    assert!(error.contains("chunk 1, which is the second at 0:01,"), "{error}");
    let mut second = [0; 16_000];
    assert!(reader.read_at(44, &mut second).is_ok());
    assert!(reader.read_at(44 + 16_000, &mut second).is_err());
    assert!(reader.read_at(44 + 48_000, &mut second).is_ok());
    let to = folder.path().join("call.wav");
    assert_eq!(broken(export_wav(&path, &keys, &to)), Some(Part::Chunk(1)));
    assert!(!to.exists());
}

fn hostile(whole: &[u8], edits: &[(usize, u8)], length: usize) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (at, by) in edits {
        let at = at % bytes.len();
        bytes[at] = *by;
    }
    bytes.resize(length, 0x5a);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_file_makes_the_reader_panic(
        edits in prop::collection::vec((0..300_usize, any::<u8>()), 0..4),
        tail in prop::collection::vec((0..40_usize, any::<u8>()), 0..6),
        length in 0..100_000_usize,
        end in 0..2_usize,
    ) {
        let folder = folder();
        let keys = keys(&folder, &[1]);
        let path = recording(&folder, "call.qtr", &keys);
        let whole = bytes(&path);
        let length = if end == 0 { whole.len() } else { length };
        let mut bytes = hostile(&whole, &edits, length);
        let count = bytes.len();
        for (from_end, by) in tail {
            if let Some(byte) = count.checked_sub(from_end + 1).and_then(|at| bytes.get_mut(at)) {
                *byte = by;
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(mut reader) = Reader::open(&path, &keys) {
            let mut some = vec![0; 50_000];
            let _ = reader.read_at(0, &mut some);
            let _ = reader.verify();
            prop_assert!(reader.wav_len() < 1 << 32);
        }
        let _ = recover(&path, &keys);
    }
}

#[test]
fn without_a_key_the_chain_tells_whether_the_audio_is_what_was_made() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let path = recording(&folder, "call.qtr", &keys);
    let head = verify(&path, &keys).unwrap().head;
    assert_eq!(chain_head(&path).unwrap(), Some(head));
    let whole = bytes(&path);
    let audio = 184 + 44 + 500;
    let mut changed = whole.clone();
    changed[audio] ^= 1;
    std::fs::write(&path, &changed).unwrap();
    assert_ne!(chain_head(&path).unwrap(), Some(head));
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(chain_head(&path).unwrap(), None, "it was not closed");
    std::fs::write(&path, b"no recording").unwrap();
    assert!(matches!(chain_head(&path), Err(Error::NotARecording)));
}
