//! A full disk costs what it could not take, and nothing before or after.

mod common;

use common::{folder, keys, mono, speak, voice};
use qingting_recording::{Channels, Mark, MarkKind, Reader, RecordingId, State, Voices, Writer};
use std::collections::HashSet;

const HEADER: u64 = 184;
const CHUNK: u64 = 44 + 16_000;

/// The soft limit of file sizes: to this process, a full disk.
#[allow(unsafe_code, reason = "the limit's signal can only be ignored through libc")]
fn limit_file_bytes(bytes: libc::rlim_t) {
    // SAFETY: a plain structure is read and written; the signal is only ignored.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit), 0);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
}

/// One test: the limit is the whole process's.
#[test]
fn a_full_disk_costs_the_seconds_that_it_could_not_take() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    limit_file_bytes(0);
    let path = folder.path().join("later.qtr");
    assert!(Writer::create(&path, Channels::Mono, RecordingId([1; 16]), &keys).is_err());
    limit_file_bytes(libc::RLIM_INFINITY);
    assert!(Writer::create(&path, Channels::Mono, RecordingId([1; 16]), &keys).is_ok());

    let (path, mut writer) = mono(&folder, "call.qtr", &keys);
    speak(&mut writer, 0, 16_000);
    // The third second gets in halfway; what is tried again within the next second is not lost.
    limit_file_bytes(HEADER + 2 * CHUNK + 9_000);
    assert!(writer.write(16_000, Voices::Mono(&voice(16_000, 8_000, 5))).is_err());
    assert!(writer.flush().is_err());
    assert!(writer.write(24_000, Voices::Mono(&voice(24_000, 4_000, 5))).is_ok());
    limit_file_bytes(libc::RLIM_INFINITY);
    writer.flush().unwrap();
    writer.write(28_000, Voices::Mono(&voice(28_000, 4_000, 5))).unwrap();
    // Now for longer: three seconds are lost, of which one was paused, and the last is saved.
    limit_file_bytes(HEADER + 4 * CHUNK + 1_000);
    assert!(writer.write(32_000, Voices::Mono(&voice(32_000, 8_000, 5))).is_err());
    assert!(writer.pause(40_000, 48_000).is_err());
    assert!(writer.write(48_000, Voices::Mono(&voice(48_000, 8_000, 5))).is_err());
    assert!(writer.write(56_000, Voices::Mono(&voice(56_000, 8_000, 5))).is_err());
    let mut reader = Reader::open(&path, &keys).unwrap();
    assert_eq!((reader.state(), reader.verify().unwrap().samples), (State::Incomplete, 32_000));
    assert!(writer.finish().is_err());
    limit_file_bytes(libc::RLIM_INFINITY);
    let summary = writer.finish().unwrap();
    assert_eq!(summary.samples, 64_000);
    let marks = [
        Mark { kind: MarkKind::Lost, from: 32_000, to: 40_000 },
        Mark { kind: MarkKind::Paused, from: 40_000, to: 48_000 },
        Mark { kind: MarkKind::Lost, from: 48_000, to: 56_000 },
    ];
    assert_eq!(summary.marks.list, marks);
    let mut reader = Reader::open(&path, &keys).unwrap();
    assert_eq!(reader.verify().unwrap().head, summary.head);
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert!(samples[..32_000] == voice(0, 32_000, 5));
    assert!(samples[32_000..56_000].iter().all(|sample| *sample == 0));
    assert!(samples[56_000..] == voice(56_000, 8_000, 5));

    // However often it was tried, no two chunks share a nonce.
    let bytes = common::bytes(&path);
    let nonces: HashSet<_> =
        (0..8).map(|chunk| &bytes[(HEADER + chunk * CHUNK) as usize..][4..12]).collect();
    assert_eq!(nonces.len(), 8);
}
