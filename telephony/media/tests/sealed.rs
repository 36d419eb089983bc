//! A call recorded to encrypted files: the room in stereo, a seat alone.

mod phone;

use phone::{Phone, level, run};
use qingting_media::{
    LegConfig, MediaConfig, MediaEngine, MediaEvent, RecordTo, RecordingReport, RoomConfig,
    RoomEvent, Routes, Seal, Side,
};
use qingting_recording::{MarkKind, MasterKeys, Reader, RecordingId, State};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

const CITIZEN_HZ: f64 = 400.0;
const SEAT_HZ: f64 = 700.0;

#[test]
fn a_sealed_recording_can_be_heard_while_it_grows_and_verifies_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "c4".repeat(32)).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let keys = Arc::new(MasterKeys::read(&key).unwrap());
    let to = |name: &str, number: u8| RecordTo {
        path: folder.path().join(name),
        sealed: Some(Seal { keys: Arc::clone(&keys), id: RecordingId([number; 16]) }),
        ..RecordTo::default()
    };
    let ports = 33_400..=33_419;
    let config = MediaConfig { ports, port_rest: Duration::ZERO, ..MediaConfig::default() };
    let engine = MediaEngine::start(config).unwrap();
    let record = Some(to("room.qtr", 1));
    let (room, mut events) = engine.open_room(RoomConfig { record }).unwrap();
    let mut a = Phone::call(&room, Side::Citizen, CITIZEN_HZ);
    let track = LegConfig { record_track: Some(to("seat.qtr", 2)), ..LegConfig::default() };
    let mut b = Phone::try_call(&room, track, SEAT_HZ).unwrap();
    room.route(Routes::between(&[a.slot(), b.slot()]));
    run(&mut [&mut a, &mut b], 75);
    assert!(a.hears(SEAT_HZ) > 0.5, "{}", a.hears(SEAT_HZ));
    let live = Reader::open(&folder.path().join("room.qtr"), &keys).unwrap();
    assert_eq!((live.state(), live.sample_count()), (State::Incomplete, 8_000));
    room.pause_recording();
    run(&mut [&mut a, &mut b], 10);
    room.resume_recording();
    run(&mut [&mut a, &mut b], 10);
    let mut seat_events = b.events;
    drop((a.leg, b.leg, room));

    let room = loop {
        if let RoomEvent::Closed(report) = events.blocking_recv().unwrap() {
            break report.recording.expect("the room was recorded");
        }
    };
    let seat = loop {
        if let MediaEvent::Closed(report) = seat_events.blocking_recv().unwrap() {
            break report.track.expect("the seat was recorded");
        }
    };
    let levels = |samples: Vec<i16>| {
        [CITIZEN_HZ, SEAT_HZ].map(|tone| (level(&samples, tone) * 10.0).round() as u32)
    };
    let both = read(&room, &keys);
    let channel = |number| both.iter().skip(number).step_by(2).copied();
    let second = |channel: &dyn Fn() -> Vec<i16>| levels(channel()[4_000..8_000].to_vec());
    assert_eq!(second(&|| channel(0).collect()), [10, 0]);
    assert_eq!(second(&|| channel(1).collect()), [0, 10]);
    assert_eq!(second(&|| read(&seat, &keys)), [0, 10]);
    for report in [room, seat] {
        assert!(!report.incomplete, "{report:?}");
        let marks = &report.marks.list;
        assert!(marks.len() == 1 && marks[0].kind == MarkKind::Paused, "{marks:?}");
        assert!((800..=2_400).contains(&report.marks.paused_samples), "10 ticks: {marks:?}");
    }
}

/// All samples of a finished recording that is what its report says.
fn read(report: &RecordingReport, keys: &MasterKeys) -> Vec<i16> {
    let mut reader = Reader::open(&report.path, keys).unwrap();
    let verified = reader.verify().unwrap();
    assert_eq!((verified.state, Some(verified.head)), (State::Finished, report.chain_head));
    assert_eq!(verified.samples / 8, report.duration_ms);
    assert_eq!(report.bytes, report.path.metadata().unwrap().len());
    reader.samples().map(Result::unwrap).collect()
}
