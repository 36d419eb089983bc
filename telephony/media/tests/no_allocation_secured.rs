//! The promise of `no_allocation.rs` for legs that are secured: once the keys are agreed, protecting,
//! reading, checks, re-INVITEs and what strangers send allocate nothing on a media thread.

mod browser;
mod counting;
mod phone;

use browser::{Browser, packet, tone};
use counting::{COUNTING, counts};
use phone::TICK;
use qingting_media::dtls::Role;
use qingting_media::srtp::{Keys, Profile};
use qingting_media::{
    Codec, LegConfig, LegHandle, MediaConfig, MediaEngine, RemoteMedia, Security,
};
use std::net::UdpSocket;
use std::sync::atomic::Ordering;

const WARM_UP_TICKS: u32 = 150;
const COUNTED_TICKS: u32 = 350;

fn sdes(peer: &LegHandle, send: u8, receive: u8) -> RemoteMedia {
    let keys = |number| Keys::new(Profile::AesCm80, &[number; 16], &[number; 14]).unwrap();
    RemoteMedia {
        rtp: peer.local_rtp(),
        rtcp: peer.local_rtp(),
        rtcp_mux: true,
        codec: Codec::Pcma,
        payload_type: 8,
        dtmf_payload_type: None,
        send: true,
        receive: true,
        security: Security::Srtp { send: keys(send), receive: keys(receive) },
        source: None,
    }
}

#[test]
fn a_warm_secured_leg_neither_allocates_nor_frees() {
    let ports = 31_200..=31_219;
    let engine = MediaEngine::start(MediaConfig { ports, ..Default::default() }).unwrap();
    let legs = [(); 3].map(|()| engine.open(LegConfig::default()).unwrap());
    let [(a, a_events), (b, _b_events), (seat, _seat_events)] = legs;
    for leg in [&a, &b, &seat] {
        leg.play_loop(tone(0, 8_000, 440.0).into());
    }
    let mut browser = Browser::new();
    browser.join(&seat, engine.fingerprint(), Role::Server);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for tick in 0..WARM_UP_TICKS + COUNTED_TICKS {
        COUNTING.store(tick >= WARM_UP_TICKS, Ordering::Relaxed);
        match tick % 100 {
            0 => {
                a.connect(sdes(&b, 1, 2));
                b.connect(sdes(&a, 2, 1));
            }
            // Other keys, from both sides.
            50 => {
                a.connect(sdes(&b, 3, 4));
                b.connect(sdes(&a, 4, 3));
            }
            75 => browser.connect(&seat, browser.certificate.fingerprint(), Role::Server),
            _ => {}
        }
        browser.tick(seat.local_rtp(), 1_000.0);
        browser.check(seat.local_rtp(), "not-the-password-of-it-1");
        for leg in [&a, &seat] {
            stranger.send_to(&packet(tick, 2_000.0, 9), leg.local_rtp()).unwrap();
        }
        std::thread::sleep(TICK); // The peers' pace, not a wait for anything.
    }
    COUNTING.store(false, Ordering::Relaxed);
    assert_eq!(counts(), (0, 0), "allocations and frees of the media threads");
    assert!(browser.heard.len() > 400 * 160 && browser.reports > 0);
    drop(a);
    let mut a_events = a_events;
    let report = loop {
        match a_events.blocking_recv().expect("Closed is the last event") {
            qingting_media::MediaEvent::Closed(report) => break report,
            _ => continue,
        }
    };
    assert!(report.packets_received > 400 && report.packets_refused > 400, "{report:?}");
    counting::check();
}
