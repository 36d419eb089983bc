//! Rooms, by ear: telephones with a tone each on real sockets, and who hears which.

mod phone;

use phone::{Phone, expect, level, now_ms, run};
use qingting_media::{
    Codec, LegConfig, MediaConfig, MediaEngine, MediaError, MediaEvent, RecordTo, RoomConfig,
    RoomEvent, RoomHandle, RoomReport, Routes, Side,
};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// Multiples of 20 Hz that have whole periods in what is compared, far from each other's.
const TONES: [f64; 4] = [400.0, 700.0, 1_100.0, 1_900.0];

fn engine(first_port: u16) -> MediaEngine {
    let ports = first_port..=first_port + 39;
    // The machine that runs all tests at once is the worse network.
    let jitter_ms = 80..=200;
    let port_rest = Duration::ZERO;
    MediaEngine::start(MediaConfig { ports, port_rest, jitter_ms, ..Default::default() }).unwrap()
}

fn room(engine: &MediaEngine) -> RoomHandle {
    engine.open_room(RoomConfig::default()).unwrap().0
}

fn closed(events: &mut Receiver<RoomEvent>) -> (RoomReport, Vec<RoomEvent>) {
    let mut before = Vec::new();
    loop {
        match events.blocking_recv().expect("Closed is the last event") {
            RoomEvent::Closed(report) => return (*report, before),
            event => before.push(event),
        }
    }
}

/// Left and right.
fn channels(path: &Path) -> [Vec<i16>; 2] {
    let mut reader = hound::WavReader::open(path).unwrap();
    let all: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    [0, 1].map(|channel| all.iter().skip(channel).step_by(2).copied().collect())
}

#[test]
fn each_of_three_hears_the_other_two_and_not_itself() {
    let engine = engine(33_000);
    let room = room(&engine);
    let mut a = Phone::call(&room, Side::Citizen, TONES[0]);
    let mut b = Phone::call(&room, Side::Staff, TONES[1]);
    let mut c = Phone::call(&room, Side::Staff, TONES[2]);
    expect(&mut [&mut a, &mut b, &mut c], &[&[], &[], &[]]);
    room.route(Routes::between(&[a.slot(), b.slot(), c.slot()]));
    expect(&mut [&mut a, &mut b, &mut c], &[&[1, 2], &[0, 2], &[0, 1]]);
    assert_eq!(engine.metrics().legs, 3);
}

#[test]
fn every_codec_hears_every_other() {
    let engine = engine(33_320);
    let room = room(&engine);
    let mut a = Phone::call(&room, Side::Citizen, TONES[0]);
    let mut b = Phone::call(&room, Side::Staff, TONES[1]);
    let mut c = Phone::call(&room, Side::Staff, TONES[2]);
    b.speak_in(Codec::G722);
    c.speak_in(Codec::Opus);
    room.route(Routes::between(&[a.slot(), b.slot(), c.slot()]));
    expect(&mut [&mut a, &mut b, &mut c], &[&[1, 2], &[0, 2], &[0, 1]]);
    let opus = c.headers.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp));
    assert!(opus.clone().count() > 10 && opus.clone().all(|step| step == 960));
    // A re-INVITE changes the codec of each.
    a.speak_in(Codec::Opus);
    b.speak_in(Codec::Pcmu);
    c.speak_in(Codec::G722);
    expect(&mut [&mut a, &mut b, &mut c], &[&[1, 2], &[0, 2], &[0, 1]]);
}

#[test]
fn a_whisper_is_heard_by_the_seat_alone_and_a_listener_by_nobody() {
    let engine = engine(33_040);
    let room = room(&engine);
    let mut a = Phone::call(&room, Side::Citizen, TONES[0]);
    let mut b = Phone::call(&room, Side::Staff, TONES[1]);
    let mut c = Phone::call(&room, Side::Staff, TONES[2]);
    let talk = Routes::between(&[a.slot(), b.slot()]);
    let listen = talk.with(c.slot(), a.slot()).with(c.slot(), b.slot());
    room.route(listen);
    expect(&mut [&mut a, &mut b, &mut c], &[&[1], &[0], &[0, 1]]);
    room.route(listen.with(b.slot(), c.slot()));
    expect(&mut [&mut a, &mut b, &mut c], &[&[1], &[0, 2], &[0, 1]]);
    room.route(talk.without(a.slot(), b.slot()));
    expect(&mut [&mut a, &mut b, &mut c], &[&[], &[0], &[]]);
    assert_eq!(room.routes(), talk.without(a.slot(), b.slot()));
}

#[test]
fn a_leg_that_was_dropped_sends_no_voice_more() {
    let engine = engine(33_400);
    let room = room(&engine);
    let mut phones: Vec<_> = TONES.map(|tone| Phone::call(&room, Side::Staff, tone)).into();
    run(&mut phones.iter_mut().collect::<Vec<_>>(), 10);
    for phone in &phones {
        assert!(!phone.headers.is_empty(), "it was sent voice before");
    }
    // Whose port the next packet would reach may be another call's by then.
    let late: Vec<_> = phones.into_iter().map(Phone::hang_up).collect();
    assert_eq!(late, [0; TONES.len()]);
}

#[test]
fn whoever_comes_to_a_slot_is_silent_whatever_was_routed_to_it() {
    let engine = engine(33_080);
    let room = room(&engine);
    let mut a = Phone::call(&room, Side::Citizen, TONES[0]);
    let b = Phone::call(&room, Side::Staff, TONES[1]);
    room.route(Routes::between(&[a.slot(), b.slot()]));
    let slot = b.slot();
    drop(b.leg);
    let mut events = b.events;
    while !matches!(events.blocking_recv(), Some(MediaEvent::Closed(_))) {}
    let mut c = Phone::call(&room, Side::Staff, TONES[2]);
    assert_eq!(c.slot(), slot);
    expect(&mut [&mut a, &mut c], &[&[], &[]]);
}

#[test]
fn a_room_takes_eight_and_no_port_is_lost_to_the_ninth() {
    let engine = engine(33_120);
    let room = room(&engine);
    let open = || room.open_leg(LegConfig::default());
    let held: Vec<_> = (0..8).map(|_| open().unwrap()).collect();
    let slots: HashSet<_> = held.iter().map(|(leg, _)| leg.slot()).collect();
    assert_eq!(slots.len(), 8);
    let free = engine.metrics().ports_free;
    assert!(matches!(open(), Err(MediaError::RoomFull)));
    assert_eq!((engine.metrics().ports_free, engine.metrics().legs), (free, 8));
}

#[test]
fn the_recording_has_the_citizen_left_and_all_who_are_heard_right() {
    let engine = engine(33_160);
    let folder = tempfile::tempdir().unwrap();
    let to = |name: &str| Some(RecordTo { path: folder.path().join(name), ..RecordTo::default() });
    let (room, mut events) = engine.open_room(RoomConfig { record: to("room.wav") }).unwrap();
    let mut a = Phone::call(&room, Side::Citizen, TONES[0]);
    let track = LegConfig { record_track: to("seat.wav"), ..LegConfig::default() };
    let mut b = Phone::try_call(&room, track, TONES[1]).unwrap();
    let mut c = Phone::call(&room, Side::Staff, TONES[2]);
    room.route(Routes::between(&[a.slot(), b.slot()]));
    run(&mut [&mut a, &mut b, &mut c], 30);
    room.pause_recording();
    run(&mut [&mut a, &mut b, &mut c], 20);
    room.resume_recording();
    room.route(Routes::between(&[a.slot(), b.slot(), c.slot()]));
    run(&mut [&mut a, &mut b, &mut c], 30);
    let mut seat_events = b.events;
    drop((a.leg, b.leg, c.leg, room));

    let (report, told) = closed(&mut events);
    let pause = told.iter().find_map(|event| match event {
        RoomEvent::RecordingPaused { from_sample, to_sample } => Some((*from_sample, *to_sample)),
        _ => None,
    });
    let (from, to) = pause.expect("the books know of the pause");
    assert!((1_600..=8_000).contains(&(to - from)), "20 ticks: {from} to {to}");
    let began = told.iter().filter(|e| matches!(e, RoomEvent::LegBegan { .. })).count();
    assert_eq!(began, 3);
    let recording = report.recording.expect("it was recorded");
    assert!(!recording.incomplete && recording.duration_ms >= 1_400, "{recording:?}");

    let (from, to) = (from as usize, to as usize);
    let [left, right] = channels(&recording.path);
    let tones = |stretch: &[i16]| TONES.map(|tone| u8::from(level(stretch, tone) > 0.5));
    assert_eq!(tones(&left[from - 1_600..from]), [1, 0, 0, 0]);
    assert_eq!(tones(&right[from - 1_600..from]), [0, 1, 0, 0], "the third is in no talk yet");
    assert!(left[from..to].iter().chain(&right[from..to]).all(|sample| *sample == 0));
    assert_eq!(tones(&left[to + 800..to + 2_400]), [1, 0, 0, 0]);
    assert_eq!(tones(&right[to + 800..to + 2_400]), [0, 1, 1, 0]);

    let track = loop {
        if let MediaEvent::Closed(report) = seat_events.blocking_recv().unwrap() {
            break report.track.expect("the seat was recorded");
        }
    };
    let mut reader = hound::WavReader::open(&track.path).unwrap();
    assert_eq!(reader.spec().channels, 1, "a voice alone");
    let seat: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert_eq!(tones(&seat[from - 1_600..from]), [0, 1, 0, 0]);
    assert!(seat[from + 320..to - 320].iter().all(|sample| *sample == 0));
}

#[test]
fn music_on_hold_plays_round_and_rests_for_a_prompt() {
    let engine = engine(33_200);
    let folder = tempfile::tempdir().unwrap();
    let record = Some(RecordTo { path: folder.path().join("room.wav"), ..RecordTo::default() });
    let (room, mut events) = engine.open_room(RoomConfig { record }).unwrap();
    let mut a = Phone::call(&room, Side::Citizen, TONES[0]);
    let tone = |frequency: f64, length: u32| -> Arc<[i16]> {
        let angle = |n: u32| f64::from(n) / 8_000.0 * frequency * std::f64::consts::TAU;
        (0..length).map(|n| (angle(n).sin() * phone::LOUD) as i16).collect()
    };
    a.leg.play_loop(tone(TONES[1], 2_000));
    run(&mut [&mut a], 60);
    assert!(a.hears(TONES[1]) > 0.7, "{}", a.hears(TONES[1]));
    a.leg.play(1, tone(TONES[2], 4_000));
    run(&mut [&mut a], 20);
    assert!(a.hears(TONES[1]) < 0.02 && a.hears(TONES[2]) > 0.7);
    run(&mut [&mut a], 30);
    assert!(a.hears(TONES[1]) > 0.7 && a.hears(TONES[2]) < 0.02);
    a.leg.stop_loop();
    run(&mut [&mut a], 20);
    assert!(a.hears(TONES[1]) < 0.02);
    drop((a.leg, room));
    let (report, _) = closed(&mut events);
    let [left, right] = channels(&report.recording.unwrap().path);
    assert!(level(&left[4_000..5_600], TONES[0]) > 0.7);
    assert!(level(&right[4_000..5_600], TONES[1]) > 0.7, "what the citizen is played");
}

#[test]
fn keys_are_heard_as_tones_from_a_telephone_without_events() {
    let engine = engine(33_360);
    let room = room(&engine);
    let mut a = Phone::call(&room, Side::Citizen, TONES[0]);
    for tones in [&[697.0, 1_477.0][..], &[], &[941.0, 1_336.0], &[]] {
        for _ in 0..10 {
            a.say(tones);
            std::thread::sleep(phone::TICK);
        }
    }
    let mut keys = String::new();
    while keys.len() < 2 {
        if let MediaEvent::Dtmf { digit, duration_ms } = a.events.blocking_recv().unwrap() {
            assert!((100..=300).contains(&duration_ms), "{duration_ms} ms");
            keys.push(digit);
        }
    }
    assert_eq!(keys, "30");
}

#[test]
fn ports_rest_before_another_room_gets_them() {
    let ports = 33_300..=33_303;
    let port_rest = Duration::from_millis(300);
    let engine =
        MediaEngine::start(MediaConfig { ports, port_rest, ..Default::default() }).unwrap();
    let (one, other) = (room(&engine), room(&engine));
    let (leg, mut events) = one.open_leg(LegConfig::default()).unwrap();
    let (_held, _held_events) = one.open_leg(LegConfig::default()).unwrap();
    let used = leg.local_rtp();
    drop(leg);
    while !matches!(events.blocking_recv(), Some(MediaEvent::Closed(_))) {}
    let began = now_ms();
    assert!(matches!(other.open_leg(LegConfig::default()), Err(MediaError::Ports(_))));
    let reopened = loop {
        match other.open_leg(LegConfig::default()) {
            Ok((leg, _events)) => break leg,
            Err(error) => assert!(matches!(error, MediaError::Ports(_)), "{error}"),
        }
        std::thread::sleep(phone::TICK);
    };
    assert_eq!(reopened.local_rtp(), used);
    assert!(now_ms() - began >= 250);
}

#[test]
fn a_recogniser_hears_no_music_of_a_peer_that_holds_and_nothing_from_before_the_answer() {
    let engine = engine(33_560);
    let room = room(&engine);
    let config = LegConfig { recognise: true, ..LegConfig::default() };
    let mut phone = Phone::try_call(&room, config, TONES[0]).unwrap();
    let mut tap = phone.leg.take_recogniser_tap().unwrap();
    run(&mut [&mut phone], 30);
    let mut heard = || {
        let frames: Vec<i16> = std::iter::from_fn(|| tap.pop()).flat_map(|f| f.samples).collect();
        level(&frames[frames.len().saturating_sub(1_600)..], TONES[0])
    };
    assert!(heard() > 0.8);
    phone.hold(true);
    run(&mut [&mut phone], 30);
    assert!(heard() < 0.01, "music");
    phone.hold(false);
    run(&mut [&mut phone], 30);
    assert!(heard() > 0.8);
    // The network announces something before the call is answered.
    run(&mut [&mut phone], 10);
    tap.skip_past();
    assert!(tap.pop().is_none());
}
