//! Recordings: of a file that was changed anywhere nothing is given out but what was recorded, at its place.
//!
//! `F…` is a whole file; anything else changes a sound one: three bytes of place and one that is added to what is
//! there, or 0xff and three bytes of length at which it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_recording::{Channels, MasterKeys, Reader, RecordingId, Voices, Writer};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;

/// Two seconds and a half.
const SAMPLES: usize = 20_000;

struct Sound {
    keys: MasterKeys,
    file: Vec<u8>,
    samples: Vec<i16>,
}

fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key");
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(&key).expect("a file");
        file.write_all("0123456789abcdef".repeat(4).as_bytes()).expect("its key");
        let keys = MasterKeys::read(&key).expect("a key");
        let path = folder.path().join("sound.qtr");
        let samples: Vec<i16> = (0..SAMPLES).map(|at| (at % 999) as i16 + 1).collect();
        let id = RecordingId([3; 16]);
        let mut writer = Writer::create(&path, Channels::Mono, id, &keys).expect("a recording");
        writer.write(0, Voices::Mono(&samples)).expect("its audio");
        writer.finish().expect("its end");
        let file = std::fs::read(&path).expect("the file");
        Sound { keys, file, samples }
    })
}

fuzz_target!(|data: &[u8]| {
    let sound = sound();
    if let Some(file) = data.strip_prefix(b"F") {
        assert!(Reader::of(of(file), &sound.keys).is_err(), "nobody has the key");
        return;
    }
    let mut file = sound.file.clone();
    for change in data.as_chunks::<4>().0 {
        let place = usize::from(change[1]) << 8 | usize::from(change[2]);
        match change[0] {
            0xff => file.truncate(place | usize::from(change[3]) << 16),
            high => {
                let place = place | usize::from(high & 1) << 16;
                if let Some(byte) = file.get_mut(place) {
                    *byte = byte.wrapping_add(change[3]);
                }
            }
        }
    }
    let whole = file == sound.file;
    let Ok(mut reader) = Reader::of(of(&file), &sound.keys) else { return assert!(!whole) };
    assert!(reader.sample_count() as usize <= SAMPLES.next_multiple_of(8_000));
    let mut wav = vec![0; 3_200];
    let _ = reader.read_at(8_000, &mut wav);
    let verified = reader.verify();
    assert!(!whole || verified.is_ok());
    // A tail may have been cut off; what is there is as it was.
    let mut at = 0;
    for sample in reader.samples() {
        let Ok(sample) = sample else { return assert!(!whole) };
        let silence = at >= SAMPLES && sample == 0;
        assert!(silence || sound.samples.get(at) == Some(&sample), "sample {at} is {sample}");
        at += 1;
    }
    assert!(!whole || at >= SAMPLES);
});

fn of(bytes: &[u8]) -> File {
    let file = memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("memory");
    let mut file = File::from(file);
    file.write_all(bytes).expect("room");
    file
}
