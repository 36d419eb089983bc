//! Answers the offer of a real browser: reads it from the standard input, writes the answer to the
//! standard output, plays a tone of 440 Hz for some seconds and says what came: the way to try a
//! browser against the media engine without a telephone server.

use qingting_core::sdp::{
    self, Codec, DtlsRole, Fingerprint, IceSecret, LocalDtls, LocalMedia, LocalSecurity,
    RemoteSecurity, Session, SessionDescription,
};
use qingting_media::dtls::Role;
use qingting_media::ice::Credentials;
use qingting_media::{LegConfig, MediaConfig, MediaEngine, MediaEvent, RemoteMedia, Security};
use std::io::Read;
use std::time::Duration;

const SECONDS: u32 = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut offer = String::new();
    std::io::stdin().read_to_string(&mut offer)?;
    let offer: SessionDescription = offer.parse()?;
    let engine = MediaEngine::start(MediaConfig { ports: 34_000..=34_099, ..Default::default() })?;
    let (mut leg, mut events) =
        engine.open(LegConfig { recognise: true, ..LegConfig::default() })?;
    let mut tap = leg.take_recogniser_tap().ok_or("the leg was opened for a recogniser")?;
    let mut session = Session::new(LocalMedia {
        ip: leg.local_rtp().ip(),
        rtp_port: leg.local_rtp().port(),
        rtcp_mux: true,
        session_id: 1,
        version: 1,
        codecs: Codec::WIDE.to_vec(),
        security: LocalSecurity {
            dtls: Some(LocalDtls {
                fingerprint: Fingerprint(engine.fingerprint()),
                // For a try on one machine alone: a server takes randomness.
                ice: IceSecret::new([7; 24]),
                role: None,
            }),
            ..LocalSecurity::default()
        },
    });
    let agreed = session.answer(&offer)?;
    let RemoteSecurity::Dtls { fingerprint, role, ice } = agreed.remote.security else {
        return Err("not a browser's offer".into());
    };
    leg.connect(RemoteMedia {
        rtp: agreed.remote.rtp,
        rtcp: agreed.remote.rtcp,
        rtcp_mux: agreed.remote.rtcp_mux,
        codec: match agreed.remote.codec {
            sdp::Codec::Opus => qingting_media::Codec::Opus,
            sdp::Codec::G722 => qingting_media::Codec::G722,
            sdp::Codec::Pcma => qingting_media::Codec::Pcma,
            sdp::Codec::Pcmu => qingting_media::Codec::Pcmu,
        },
        payload_type: agreed.remote.payload_type,
        dtmf_payload_type: agreed.remote.dtmf_payload_type,
        send: agreed.remote.direction.sends(),
        receive: agreed.remote.direction.receives(),
        security: Security::Dtls {
            role: if role == DtlsRole::Client { Role::Client } else { Role::Server },
            fingerprint: fingerprint.0,
            ice: Credentials::new(&ice.ufrag(), &ice.pwd()).ok_or("too long")?,
        },
        source: None,
    });
    let angle = |n: u32| f64::from(n) / 8_000.0 * 440.0 * std::f64::consts::TAU;
    let tone: Vec<i16> = (0..8_000).map(|n| (angle(n).sin() * 6_000.0) as i16).collect();
    leg.play_loop(tone.into());
    print!("{}", agreed.local);
    println!("-- {:?}", agreed.remote.codec);
    let mut loudest = 0;
    for _ in 0..SECONDS * 50 {
        std::thread::sleep(Duration::from_millis(20));
        while let Some(frame) = tap.pop() {
            loudest =
                frame.samples.iter().map(|sample| sample.unsigned_abs()).fold(loudest, u16::max);
        }
        while let Ok(event) = events.try_recv() {
            println!("-- {event:?}");
        }
    }
    println!("-- loudest sample heard: {loudest}");
    drop(leg);
    while let Some(event) = events.blocking_recv() {
        if let MediaEvent::Closed(report) = event {
            println!("-- {report:#?}");
            break;
        }
    }
    Ok(())
}
