//! Telephones with a tone each, on real sockets.

use qingting_media::rtp::{HEADER_BYTES, Header, Packet};
use qingting_media::{
    Codec, LegConfig, LegHandle, MediaError, MediaEvent, RemoteMedia, RoomHandle, Security, Side,
};
use std::net::UdpSocket;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Level of every telephone's tone.
pub(crate) const LOUD: f64 = 6_000.0;
const TICK_SAMPLES: u32 = 160;

pub(crate) struct Phone {
    pub(crate) leg: LegHandle,
    pub(crate) events: Receiver<MediaEvent>,
    pub(crate) frequency: f64,
    pub(crate) heard: Vec<i16>,
    /// Headers of all that came.
    pub(crate) headers: Vec<Header>,
    socket: UdpSocket,
    sent: u32,
}

impl Phone {
    /// A telephone with a tone, connected to a new leg of the room.
    pub(crate) fn call(room: &RoomHandle, side: Side, frequency: f64) -> Self {
        Self::try_call(room, LegConfig { side, ..LegConfig::default() }, frequency).unwrap()
    }

    pub(crate) fn try_call(
        room: &RoomHandle,
        config: LegConfig,
        frequency: f64,
    ) -> Result<Self, MediaError> {
        let (leg, events) = room.open_leg(config)?;
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let peer = socket.local_addr().unwrap();
        leg.connect(RemoteMedia {
            rtp: peer,
            rtcp: peer,
            rtcp_mux: true,
            codec: Codec::Pcma,
            payload_type: 8,
            dtmf_payload_type: None,
            send: true,
            receive: true,
            security: Security::Plain,
        });
        let (heard, headers) = (Vec::new(), Vec::new());
        Ok(Self { leg, events, frequency, heard, headers, socket, sent: 0 })
    }

    pub(crate) fn slot(&self) -> usize {
        self.leg.slot()
    }

    fn speak(&mut self) {
        let first = self.sent * TICK_SAMPLES;
        let angle = |n: u32| f64::from(first + n) / 8_000.0 * self.frequency;
        let tone: Vec<i16> = (0..TICK_SAMPLES)
            .map(|n| ((angle(n) * std::f64::consts::TAU).sin() * LOUD) as i16)
            .collect();
        let header = Header {
            marker: self.sent == 0,
            payload_type: 8,
            sequence: self.sent as u16,
            timestamp: first,
            ssrc: self.frequency as u32,
        };
        let mut packet = [0; 400];
        header.write(packet.first_chunk_mut().unwrap());
        let length = Codec::Pcma.encode_into(&tone, &mut packet[HEADER_BYTES..]);
        self.socket.send_to(&packet[..HEADER_BYTES + length], self.leg.local_rtp()).unwrap();
        self.sent += 1;
    }

    fn listen(&mut self) {
        let mut bytes = [0; 1_500];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            let Ok(packet) = Packet::parse(&bytes[..length]) else { continue };
            if packet.header.payload_type != 8 {
                continue; // RTCP
            }
            self.headers.push(packet.header);
            self.heard.extend(packet.payload.iter().map(|code| Codec::Pcma.decode(*code)));
        }
    }

    /// How loud a tone of this frequency is in what was heard last, 1 for [`LOUD`].
    pub(crate) fn hears(&self, frequency: f64) -> f64 {
        let last = &self.heard[self.heard.len().saturating_sub(2_400)..];
        assert_eq!(last.len(), 2_400, "packets came");
        level(last, frequency)
    }

    /// Whether the tones heard are these and no other of `all`.
    pub(crate) fn hears_just(&self, heard: &[&Phone], all: &[&Phone]) {
        for other in all {
            let level = self.hears(other.frequency);
            let expected = heard.iter().any(|phone| phone.frequency == other.frequency);
            let right = if expected { (0.9..1.1).contains(&level) } else { level < 0.02 };
            assert!(right, "{} Hz hears {} Hz at {level:.3}", self.frequency, other.frequency);
        }
    }
}

/// Lets all speak and listen.
pub(crate) fn run(phones: &mut [&mut Phone], ticks: u32) {
    for _ in 0..ticks {
        phones.iter_mut().for_each(|phone| phone.speak());
        std::thread::sleep(TICK); // The telephones' pace, not a wait for anything.
        phones.iter_mut().for_each(|phone| phone.listen());
    }
}

/// The Goertzel algorithm: how loud a tone is, 1 for [`LOUD`].
pub(crate) fn level(samples: &[i16], frequency: f64) -> f64 {
    let step = (frequency / 8_000.0 * std::f64::consts::TAU).cos() * 2.0;
    let (mut now, mut before) = (0.0, 0.0);
    for sample in samples {
        (now, before) = (f64::from(*sample) + step * now - before, now);
    }
    let power = now * now + before * before - step * now * before;
    power.max(0.0).sqrt() * 2.0 / samples.len() as f64 / LOUD
}
