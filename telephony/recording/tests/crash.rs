//! After a crash: a recording reads to its last whole second, and can be closed.

mod common;

use common::{bytes, folder, keys, mono, speak, voice};
use qingting_recording::{Error, Mark, MarkKind, Part, Reader, Recovery, State, recover};

const HEADER: u64 = 184;
const CHUNK: u64 = 44 + 16_000;

#[test]
fn a_killed_writer_costs_the_second_that_was_not_over() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &keys);
    speak(&mut writer, 0, 8_000 + 7_840);
    let mut reader = Reader::open(&path, &keys).unwrap();
    assert_eq!((reader.state(), reader.sample_count()), (State::Incomplete, 8_000));
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert!(samples == voice(0, 8_000, 5));
    speak(&mut writer, 8_000 + 7_840, 160);
    let mut reader = Reader::open(&path, &keys).unwrap();
    assert_eq!(reader.sample_count(), 16_000);
    drop(writer);
    assert_eq!(reader.verify().unwrap().samples, 16_000);
}

#[test]
fn a_recording_cut_at_any_byte_is_closed_once_and_verifies() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &keys);
    speak(&mut writer, 0, 4_000);
    writer.pause(4_000, 16_000).unwrap();
    speak(&mut writer, 16_000, 8_480);
    writer.finish().unwrap();
    let whole = bytes(&path);
    let trailer = HEADER + 4 * CHUNK;
    let close = |length: u64| {
        length.abs_diff(HEADER) < 70 || length + 20 > trailer || length.is_multiple_of(613)
    };
    for length in (0..whole.len() as u64).filter(|length| close(*length)) {
        std::fs::write(&path, &whole[..length as usize]).unwrap();
        if length < HEADER {
            assert_eq!(recover(&path, &keys).unwrap(), Recovery::Empty);
            continue;
        }
        let Recovery::Closed(closed) = recover(&path, &keys).unwrap() else { panic!("{length}") };
        let chunks = (length - HEADER) / CHUNK;
        let samples = if chunks == 4 { 24_480 } else { chunks * 8_000 };
        assert_eq!(
            (closed.chunks, closed.samples, closed.state),
            (chunks, samples, State::Recovered)
        );
        if chunks >= 2 {
            let paused = Mark { kind: MarkKind::Paused, from: 4_000, to: 16_000 };
            assert_eq!(closed.marks.list, [paused]);
        }
        let after = bytes(&path);
        assert_eq!(Reader::open(&path, &keys).unwrap().verify().unwrap(), closed);
        assert_eq!(recover(&path, &keys).unwrap(), Recovery::Whole);
        assert_eq!(bytes(&path), after, "closing again changes nothing");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(recover(&path, &keys).unwrap(), Recovery::Whole);
    assert_eq!(bytes(&path), whole);
}

#[test]
fn seconds_that_the_disk_never_got_are_cut_off() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &keys);
    speak(&mut writer, 0, 24_000);
    drop(writer);
    let mut torn = bytes(&path);
    torn[(HEADER + CHUNK + 9_000) as usize..].fill(0);
    std::fs::write(&path, torn).unwrap();
    let Recovery::Closed(closed) = recover(&path, &keys).unwrap() else { panic!() };
    assert_eq!(closed.chunks, 1);
    assert_eq!(Reader::open(&path, &keys).unwrap().verify().unwrap(), closed);
}

#[test]
fn what_is_not_a_crash_is_left_as_it_is() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &keys);
    speak(&mut writer, 0, 24_000);
    assert!(matches!(recover(&path, &keys), Err(Error::InUse)), "its writer lives");
    drop(writer);
    let mut changed = bytes(&path);
    changed[(HEADER + CHUNK + 100) as usize] ^= 1;
    std::fs::write(&path, &changed).unwrap();
    assert!(matches!(recover(&path, &keys), Err(Error::Broken(Part::Chunk(1)))));
    assert_eq!(bytes(&path), changed);
}
