//! Secured legs: tones pass both ways over SDES and over DTLS-SRTP with ICE, and nothing else does.

mod browser;
mod phone;

use browser::{Browser, packet, tone};
use phone::{TICK, level};
use qingting_media::dtls::{DtlsError, Role};
use qingting_media::srtp::{Keys, Profile};
use qingting_media::{
    Codec, LegConfig, LegHandle, LegReport, MediaConfig, MediaEngine, MediaEvent, RecogniserTap,
    RemoteMedia, Security,
};
use std::net::{SocketAddr, UdpSocket};
use tokio::sync::mpsc::Receiver;

const OURS: f64 = 440.0;
const THEIRS: f64 = 1_000.0;

struct Leg {
    handle: LegHandle,
    events: Receiver<MediaEvent>,
    tap: RecogniserTap,
    heard: Vec<i16>,
    told: Vec<MediaEvent>,
}

fn engine(first_port: u16) -> MediaEngine {
    let ports = first_port..=first_port + 19;
    MediaEngine::start(MediaConfig { ports, ..Default::default() }).unwrap()
}

impl Leg {
    /// A leg that plays a tone for ever.
    fn open(engine: &MediaEngine, frequency: f64) -> Self {
        let config = LegConfig { recognise: true, ..LegConfig::default() };
        let (mut handle, events) = engine.open(config).unwrap();
        let tap = handle.take_recogniser_tap().unwrap();
        handle.play_loop(tone(0, 8_000, frequency).into());
        Self { handle, events, tap, heard: Vec::new(), told: Vec::new() }
    }

    fn listen(&mut self) {
        while let Some(frame) = self.tap.pop() {
            self.heard.extend(frame.samples);
        }
        while let Ok(event) = self.events.try_recv() {
            self.told.push(event);
        }
    }

    fn hears(&self, frequency: f64) -> f64 {
        level(last(&self.heard), frequency)
    }

    fn was_told(&self, wanted: impl Fn(&MediaEvent) -> bool) -> bool {
        self.told.iter().any(wanted)
    }

    fn end(self) -> LegReport {
        let Self { handle, mut events, .. } = self;
        drop(handle);
        loop {
            match events.blocking_recv().expect("Closed is the last event") {
                MediaEvent::Closed(report) => return *report,
                _ => continue,
            }
        }
    }
}

fn last(samples: &[i16]) -> &[i16] {
    &samples[samples.len().saturating_sub(1_600)..]
}

fn keys(profile: Profile, number: u8) -> Keys {
    Keys::new(profile, &[number; 32], &[number; 14]).unwrap()
}

fn sdes(to: SocketAddr, profile: Profile, send: u8, receive: u8) -> RemoteMedia {
    RemoteMedia {
        rtp: to,
        rtcp: SocketAddr::new(to.ip(), to.port() + 1),
        rtcp_mux: false,
        codec: Codec::Pcma,
        payload_type: 8,
        dtmf_payload_type: None,
        send: true,
        receive: true,
        security: Security::Srtp { send: keys(profile, send), receive: keys(profile, receive) },
        source: None,
    }
}

/// Lets time pass until `done`, at the telephones' pace.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..250 {
        if done() {
            return;
        }
        std::thread::sleep(TICK); // The telephones' pace, not a wait for anything.
    }
    panic!("never {what}");
}

#[test]
fn tones_pass_both_ways_over_sdes() {
    let engine = engine(33_100);
    for profile in [Profile::AesCm80, Profile::AesCm32, Profile::AeadGcm128] {
        let (mut a, mut b) = (Leg::open(&engine, OURS), Leg::open(&engine, THEIRS));
        a.handle.connect(sdes(b.handle.local_rtp(), profile, 1, 2));
        b.handle.connect(sdes(a.handle.local_rtp(), profile, 2, 1));
        until("both heard", || {
            a.listen();
            b.listen();
            a.hears(THEIRS) > 0.9 && b.hears(OURS) > 0.9
        });
        assert!(a.hears(OURS) < 0.02 && b.hears(THEIRS) < 0.02);
        let (a, b) = (a.end(), b.end());
        assert_eq!((a.packets_refused, b.packets_refused), (0, 0));
    }
}

#[test]
fn what_is_plain_forged_or_made_with_other_keys_is_counted_and_not_heard() {
    let engine = engine(33_120);
    let mut leg = Leg::open(&engine, OURS);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    leg.handle.connect(sdes(peer.local_addr().unwrap(), Profile::AesCm80, 1, 2));
    let mut other = Leg::open(&engine, THEIRS);
    other.handle.connect(sdes(leg.handle.local_rtp(), Profile::AesCm80, 3, 4));
    for number in 0..30 {
        peer.send_to(&packet(number, THEIRS, 5), leg.handle.local_rtp()).unwrap();
        std::thread::sleep(TICK); // The peer's pace.
    }
    leg.listen();
    other.listen();
    assert!(leg.heard.iter().all(|sample| *sample == 0), "silence");
    let report = leg.end();
    assert!(report.packets_refused >= 50, "{report:?}");
    assert_eq!(report.packets_received, 0);
    let mut bytes = [0; 1_700];
    let (length, _) = peer.recv_from(&mut bytes).unwrap();
    assert_eq!(length, 172 + 10, "what the leg sends is protected");
}

#[test]
fn tones_pass_both_ways_to_a_browser() {
    let engine = engine(33_140);
    for role in [Role::Server, Role::Client] {
        let (mut leg, mut browser) = (Leg::open(&engine, OURS), Browser::new());
        browser.join(&leg.handle, engine.fingerprint(), role);
        let to = leg.handle.local_rtp();
        until("both heard", || {
            browser.tick(to, THEIRS);
            leg.listen();
            level(last(&browser.heard), OURS) > 0.9 && leg.hears(THEIRS) > 0.9
        });
        assert!(leg.was_told(|event| matches!(event, MediaEvent::Secured)), "{:?}", leg.told);
        // A re-INVITE that changes nothing, and a stranger who finds the port.
        browser.connect(&leg.handle, browser.certificate.fingerprint(), role);
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..20 {
            stranger.send_to(&packet(number, 2_000.0, 9), to).unwrap();
            browser.tick(to, THEIRS);
            leg.listen();
            std::thread::sleep(TICK); // The telephones' pace.
        }
        assert!(leg.hears(THEIRS) > 0.9 && leg.hears(2_000.0) < 0.02, "{role:?}");
        assert!(level(last(&browser.heard), OURS) > 0.9);
        assert!(leg.was_told(|event| matches!(event, MediaEvent::StrangerRtp)));
        let report = leg.end();
        assert_eq!(report.packets_stranger, 20);
        // The browser has its keys first.
        assert!(report.packets_refused < 5, "{report:?}");
    }
}

#[test]
fn a_browser_with_another_certificate_never_connects_and_it_is_said() {
    let engine = engine(33_160);
    for role in [Role::Server, Role::Client] {
        let (mut leg, mut browser) = (Leg::open(&engine, OURS), Browser::new());
        let to = leg.handle.local_rtp();
        browser.join(&leg.handle, engine.fingerprint(), role);
        browser.connect(&leg.handle, [0xee; 32], role);
        until("failed", || {
            browser.tick(to, THEIRS);
            leg.listen();
            let error = DtlsError::Fingerprint;
            leg.was_told(
                |e| matches!(e, MediaEvent::SecurityFailed { error: told } if *told == error),
            )
        });
        for number in 0..20 {
            browser.socket.send_to(&packet(number, THEIRS, 5), to).unwrap();
            browser.tick(to, THEIRS);
            std::thread::sleep(TICK); // The browser's pace.
        }
        leg.listen();
        assert!(leg.heard.iter().all(|sample| *sample == 0), "nothing is heard");
        assert!(browser.wire.is_empty(), "nothing is sent");
        let report = leg.end();
        assert_eq!((report.packets_received, report.packets_sent), (0, 0));
        assert!(report.packets_refused >= 20, "{report:?}");
    }
}

#[test]
fn who_does_not_know_the_password_is_not_answered() {
    let engine = engine(33_180);
    let (mut leg, mut browser) = (Leg::open(&engine, OURS), Browser::new());
    browser.connect(&leg.handle, browser.certificate.fingerprint(), Role::Server);
    let to = leg.handle.local_rtp();
    for _ in 0..10 {
        browser.check(to, "some-other-password-1234");
        std::thread::sleep(TICK); // The browser's pace.
    }
    let answered = browser.socket.recv(&mut [0; 1_700]).is_ok();
    assert!(!answered, "silence is the answer");
    browser.join(&leg.handle, engine.fingerprint(), Role::Server);
    until("secured", || {
        browser.tick(to, THEIRS);
        leg.listen();
        browser.is_secured() && browser.checks_answered() > 0
    });
}
