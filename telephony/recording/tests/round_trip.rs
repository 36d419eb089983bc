//! What goes in comes out, as a WAV file, whole or in part.

mod common;

use common::{folder, keys, mono, speak, voice};
use proptest::prelude::*;
use qingting_recording::{
    Channels, Mark, MarkKind, Reader, RecordingId, State, Voices, Writer, export_wav,
};
use std::io::Cursor;

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Skip(usize),
    Pause(usize),
    Again(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..9_000_usize).prop_map(Step::Write),
        1 => (0..20_000_usize).prop_map(Step::Skip),
        1 => (0..20_000_usize).prop_map(Step::Pause),
        1 => (0..500_usize).prop_map(Step::Again),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_recording_is_what_was_written(
        steps in prop::collection::vec(step(), 0..12),
        stereo: bool,
        offsets in prop::collection::vec((0..400_000_u64, 0..70_000_usize), 8),
    ) {
        let folder = folder();
        let keys = keys(&folder, &[1]);
        let path = folder.path().join("call.qtr");
        let channels = if stereo { Channels::Stereo } else { Channels::Mono };
        let mut writer = Writer::create(&path, channels, RecordingId([7; 16]), &keys).unwrap();
        let mut expected: Vec<[i16; 2]> = Vec::new();
        for step in steps {
            let at = expected.len() as u64;
            match step {
                Step::Write(count) => {
                    let (left, right) = (voice(at, count, 3), voice(at, count, 4));
                    let voices =
                        if stereo { Voices::Stereo(&left, &right) } else { Voices::Mono(&left) };
                    writer.write(at, voices).unwrap();
                    expected.extend(left.into_iter().zip(right).map(|(l, r)| [l, r]));
                }
                Step::Skip(count) => {
                    let voices =
                        if stereo { Voices::Stereo(&[9], &[8]) } else { Voices::Mono(&[9]) };
                    writer.write(at + count as u64, voices).unwrap();
                    expected.resize(expected.len() + count, [0, 0]);
                    expected.push([9, 8]);
                }
                Step::Pause(count) => {
                    writer.pause(at, at + count as u64).unwrap();
                    expected.resize(expected.len() + count, [0, 0]);
                }
                Step::Again(back) => {
                    let at = at.saturating_sub(back as u64);
                    let old = vec![77; expected.len() - at as usize];
                    let voices =
                        if stereo { Voices::Stereo(&old, &old) } else { Voices::Mono(&old) };
                    writer.write(at, voices).unwrap();
                }
            }
            prop_assert_eq!(writer.samples(), expected.len() as u64);
        }
        let summary = writer.finish().unwrap();
        prop_assert_eq!(summary.samples, expected.len() as u64);
        prop_assert_eq!(summary.bytes, path.metadata().unwrap().len());

        let mut reader = Reader::open(&path, &keys).unwrap();
        prop_assert_eq!(reader.state(), State::Finished);
        let verified = reader.verify().unwrap();
        prop_assert_eq!(verified.head, summary.head);
        prop_assert_eq!(&verified.marks, &summary.marks);
        prop_assert_eq!(&reader.marks().unwrap().list, &summary.marks.list);
        let expected: Vec<i16> =
            expected.iter().flat_map(|both| both[..channels as usize].iter().copied()).collect();
        let mut wav = vec![0; reader.wav_len() as usize];
        prop_assert_eq!(reader.read_at(0, &mut wav).unwrap(), wav.len());
        let mut hound = hound::WavReader::new(Cursor::new(&wav)).unwrap();
        let spec = hound.spec();
        prop_assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (channels as u16, 8_000, 16));
        prop_assert!(hound.samples::<i16>().map(Result::unwrap).eq(expected.iter().copied()));
        for (offset, length) in offsets {
            let mut part = vec![0xee; length];
            let read = reader.read_at(offset, &mut part).unwrap();
            let from = wav.len().min(offset as usize);
            prop_assert_eq!(&part[..read], &wav[from..wav.len().min(from + length)]);
        }
    }
}

#[test]
fn pauses_and_losses_are_told_apart_and_silence_takes_no_room() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &keys);
    speak(&mut writer, 0, 4_000);
    writer.pause(4_000, 4_000 + 60 * 8_000).unwrap();
    speak(&mut writer, 500_000, 160);
    let summary = writer.finish().unwrap();
    let marks = [
        Mark { kind: MarkKind::Paused, from: 4_000, to: 484_000 },
        Mark { kind: MarkKind::Lost, from: 484_000, to: 500_000 },
    ];
    assert_eq!(summary.marks.list, marks);
    assert_eq!((summary.marks.paused_samples, summary.marks.lost_samples), (480_000, 16_000));
    let mut reader = Reader::open(&path, &keys).unwrap();
    assert_eq!(reader.verify().unwrap().marks, summary.marks);
    let on_disk = std::os::unix::fs::MetadataExt::blocks(&path.metadata().unwrap()) * 512;
    assert!(on_disk < summary.bytes / 2, "{on_disk} of {}", summary.bytes);
}

#[test]
fn the_samples_are_read_one_by_one() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &keys);
    speak(&mut writer, 0, 16_160);
    writer.finish().unwrap();
    let mut reader = Reader::open(&path, &keys).unwrap();
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert!(samples == voice(0, 16_160, 5));
}

#[test]
fn an_exported_recording_is_a_wav_file_of_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &keys);
    speak(&mut writer, 0, 12_000);
    let head = writer.finish().unwrap().head;
    let to = folder.path().join("call.wav");
    let verified = export_wav(&path, &keys, &to).unwrap();
    assert_eq!((verified.state, verified.head), (State::Finished, head));
    let samples: Vec<i16> =
        hound::WavReader::open(&to).unwrap().samples().map(Result::unwrap).collect();
    assert!(samples == voice(0, 12_000, 5));
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(export_wav(&path, &keys, &to).is_err(), "it is there already");
    assert_eq!(hound::WavReader::open(&to).unwrap().duration(), 12_000);
}

#[test]
fn a_recording_ends_after_a_day() {
    let folder = folder();
    let keys = keys(&folder, &[1]);
    let (path, mut writer) = mono(&folder, "call.qtr", &keys);
    let day = 24 * 3_600 * 8_000;
    for at in [day, u64::MAX] {
        let error = writer.write(at, Voices::Mono(&[1])).unwrap_err();
        assert!(error.to_string().contains("24 hours"), "{error}");
    }
    assert_eq!(writer.samples(), 0);
    writer.write(day - 1, Voices::Mono(&[1])).unwrap();
    writer.finish().unwrap();
    assert_eq!(Reader::open(&path, &keys).unwrap().sample_count(), day);
}
