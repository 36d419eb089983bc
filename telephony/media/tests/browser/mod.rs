//! The other end of a secured leg: as much of a browser as audio needs, on a real socket.
#![allow(dead_code, reason = "each test uses some of it")]

use qingting_media::dtls::{Certificate, DtlsError, Handshake, Role, Step};
use qingting_media::g711::Law;
use qingting_media::ice::Credentials;
use qingting_media::ice::stun::{self, MESSAGE_BYTES_MAX, Message, Writer};
use qingting_media::rtp::{HEADER_BYTES, Header, Packet};
use qingting_media::srtp::{GROWTH_BYTES_MAX, Receiver, Sender};
use qingting_media::{Codec, LegHandle, RemoteMedia, Security};
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

/// Ours, in every session description of these tests.
pub(crate) const UFRAG: &str = "leg1";
pub(crate) const PWD: &str = "a-password-of-the-leg-12";
const TICK_SAMPLES: u32 = 160;

pub(crate) struct Browser {
    pub(crate) certificate: Certificate,
    pub(crate) socket: UdpSocket,
    pub(crate) heard: Vec<i16>,
    pub(crate) failed: Option<DtlsError>,
    /// Protected packets that came, as they were.
    pub(crate) wire: Vec<Vec<u8>>,
    pub(crate) reports: u32,
    keys: Option<(Sender, Receiver)>,
    handshake: Option<Handshake>,
    began: Instant,
    sent: u32,
    checks_answered: u32,
}

#[allow(clippy::disallowed_methods, reason = "a peer on a real socket has a real clock")]
fn now() -> Instant {
    Instant::now()
}

impl Browser {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            certificate: Certificate::generate().unwrap(),
            socket,
            heard: Vec::new(),
            failed: None,
            wire: Vec::new(),
            reports: 0,
            keys: None,
            handshake: None,
            began: now(),
            sent: 0,
            checks_answered: 0,
        }
    }

    /// Exchanges descriptions with `leg`, which shows `fingerprint` and has `role`.
    pub(crate) fn join(&mut self, leg: &LegHandle, fingerprint: [u8; 32], role: Role) {
        let mine = match role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        let start = (self.now_ns(), now());
        self.handshake = Some(Handshake::new(&self.certificate, mine, fingerprint, start));
        let shown = self.certificate.fingerprint();
        self.connect(leg, shown, role);
    }

    /// Tells `leg` of a browser whose certificate has this fingerprint.
    pub(crate) fn connect(&self, leg: &LegHandle, fingerprint: [u8; 32], role: Role) {
        let ice = Credentials::new(UFRAG, PWD).unwrap();
        leg.connect(RemoteMedia {
            rtp: SocketAddr::from(([0, 0, 0, 0], 0)),
            rtcp: SocketAddr::from(([0, 0, 0, 0], 0)),
            rtcp_mux: true,
            codec: Codec::Pcma,
            payload_type: 8,
            dtmf_payload_type: None,
            send: true,
            receive: true,
            security: Security::Dtls { role, fingerprint, ice },
            source: None,
        });
    }

    pub(crate) fn is_secured(&self) -> bool {
        self.keys.is_some()
    }

    /// One tick of everything.
    pub(crate) fn tick(&mut self, to: SocketAddr, frequency: f64) {
        if self.sent.is_multiple_of(10) {
            self.check(to, PWD);
        }
        self.sent += 1;
        self.listen();
        self.shake(to);
        self.speak(to, frequency);
    }

    /// A check that nominates.
    pub(crate) fn check(&self, to: SocketAddr, password: &str) {
        let mut out = [0; MESSAGE_BYTES_MAX];
        let username = format!("{UFRAG}:browser");
        let length = Writer::new(&mut out, stun::BINDING_REQUEST, *b"transaction!")
            .attribute(stun::USERNAME, username.as_bytes())
            .attribute(stun::PRIORITY, &[0x6e, 0, 1, 0xff])
            .attribute(stun::ICE_CONTROLLING, &[7; 8])
            .attribute(stun::USE_CANDIDATE, &[])
            .finish(password.as_bytes());
        self.socket.send_to(&out[..length], to).unwrap();
    }

    pub(crate) fn checks_answered(&self) -> u32 {
        self.checks_answered
    }

    fn now_ns(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn listen(&mut self) {
        let mut bytes = [0; 1_700];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            let datagram = &mut bytes[..length];
            match datagram[0] {
                0..=3 => {
                    let message = Message::parse(datagram).unwrap();
                    assert_eq!(message.kind(), stun::BINDING_SUCCESS);
                    assert!(message.is_signed(PWD.as_bytes()));
                    assert_eq!(message.mapped_address(), self.socket.local_addr().ok());
                    self.checks_answered += 1;
                }
                20..=63 => {
                    let now_ns = self.began.elapsed().as_nanos() as u64;
                    let shake = self.handshake.as_mut();
                    shake.into_iter().for_each(|shake| shake.handle_datagram(now_ns, datagram));
                }
                _ => self.hear(datagram),
            }
        }
    }

    fn hear(&mut self, datagram: &mut [u8]) {
        self.wire.push(datagram.to_vec());
        let Some((_, receiver)) = &mut self.keys else { return };
        if datagram[1] == 200 || datagram[1] == 201 {
            receiver.unprotect_rtcp(datagram).expect("an authentic report");
            self.reports += 1;
            return;
        }
        let length = receiver.unprotect_rtp(datagram).expect("an authentic packet");
        let packet = Packet::parse(&datagram[..length]).unwrap();
        self.heard.extend(packet.payload.iter().map(|code| Law::Pcma.decode(*code)));
    }

    fn shake(&mut self, to: SocketAddr) {
        let now_ns = self.now_ns();
        let Some(handshake) = &mut self.handshake else { return };
        if self.checks_answered == 0 {
            return;
        }
        handshake.handle_timeout(now_ns);
        let mut out = Vec::new();
        loop {
            match handshake.poll(&mut out) {
                Step::Transmit(bytes) => {
                    self.socket.send_to(bytes, to).unwrap();
                }
                Step::Keys { send, receive } => {
                    self.keys = Some((Sender::new(send), Receiver::new(receive)));
                }
                Step::Failed(error) => {
                    self.failed = Some(error);
                    return;
                }
                Step::Wait { .. } => return,
            }
        }
    }

    fn speak(&mut self, to: SocketAddr, frequency: f64) {
        let Some((sender, _)) = &mut self.keys else { return };
        let mut buffer = packet(self.sent, frequency, 77).to_vec();
        let length = buffer.len();
        buffer.resize(length + GROWTH_BYTES_MAX, 0);
        let length = sender.protect_rtp(&mut buffer, length).unwrap();
        self.socket.send_to(&buffer[..length], to).unwrap();
    }
}

/// A plain packet of a tone.
pub(crate) fn packet(number: u32, frequency: f64, ssrc: u32) -> [u8; 172] {
    let first = number * TICK_SAMPLES;
    let header =
        Header { marker: false, payload_type: 8, sequence: number as u16, timestamp: first, ssrc };
    let mut packet = [0; 172];
    header.write(packet.first_chunk_mut().unwrap());
    Law::Pcma.encode_into(&tone(first, TICK_SAMPLES, frequency), &mut packet[HEADER_BYTES..]);
    packet
}

pub(crate) fn tone(first: u32, samples: u32, frequency: f64) -> Vec<i16> {
    let angle = |n: u32| f64::from(n) / 8_000.0 * frequency * std::f64::consts::TAU;
    (first..first + samples).map(|n| (angle(n).sin() * crate::phone::LOUD) as i16).collect()
}
