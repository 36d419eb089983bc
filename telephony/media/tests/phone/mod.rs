//! Telephones with a tone each, on real sockets.
#![allow(dead_code, reason = "each test uses some of it")]

use qingting_media::codec::{Coder, PACKET_SAMPLES_MAX, PAYLOAD_BYTES_MAX};
use qingting_media::rtp::{HEADER_BYTES, Header, Packet};
use qingting_media::{
    Codec, LegConfig, LegHandle, MediaError, MediaEvent, RemoteMedia, RoomHandle, Security, Side,
};
use rustix::time::{ClockId, clock_gettime};
use std::f64::consts::TAU;
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
    coder: Coder,
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
        let (heard, headers) = (Vec::new(), Vec::new());
        let coder = Coder::new(Codec::Pcma);
        let mut phone = Self { leg, events, frequency, heard, headers, coder, socket, sent: 0 };
        phone.speak_in(Codec::Pcma);
        Ok(phone)
    }

    /// Agrees on a codec, at first or anew.
    pub(crate) fn speak_in(&mut self, codec: Codec) {
        self.agree(codec, true);
    }

    /// Puts the other side on hold, or takes it back; it is heard as before.
    pub(crate) fn hold(&mut self, holds: bool) {
        self.agree(self.coder.codec(), !holds);
    }

    fn agree(&mut self, codec: Codec, send: bool) {
        let peer = self.socket.local_addr().unwrap();
        self.coder = Coder::new(codec);
        self.leg.connect(RemoteMedia {
            rtp: peer,
            rtcp: peer,
            rtcp_mux: true,
            codec,
            payload_type: payload_type(codec),
            dtmf_payload_type: None,
            send,
            receive: true,
            security: Security::Plain,
            source: None,
        });
    }

    /// Ends the leg; how many packets of voice come afterwards.
    pub(crate) fn hang_up(self) -> usize {
        let Self { leg, socket, coder, .. } = self;
        let wanted = payload_type(coder.codec());
        let voices = || {
            let (mut bytes, mut count) = ([0; 1_500], 0);
            while let Ok(length) = socket.recv(&mut bytes) {
                let packet = Packet::parse(&bytes[..length]);
                count += usize::from(packet.is_ok_and(|of| of.header.payload_type == wanted));
            }
            count
        };
        drop(leg);
        // The tick that ran at that moment may have sent its packet.
        std::thread::sleep(TICK / 10);
        voices();
        std::thread::sleep(TICK * 3);
        voices()
    }

    pub(crate) fn slot(&self) -> usize {
        self.leg.slot()
    }

    pub(crate) fn speak(&mut self) {
        self.say(&[self.frequency]);
    }

    /// A tick of these tones at once.
    pub(crate) fn say(&mut self, tones: &[f64]) {
        let first = self.sent * TICK_SAMPLES;
        let angle = |n: u32, hz: f64| f64::from(first + n) / 8_000.0 * hz * TAU;
        let wave = |n: u32| tones.iter().map(|hz| angle(n, *hz).sin()).sum::<f64>() * LOUD;
        let tone: Vec<i16> = (0..TICK_SAMPLES).map(|n| wave(n) as i16).collect();
        let codec = self.coder.codec();
        let header = Header {
            marker: self.sent == 0,
            payload_type: payload_type(codec),
            sequence: self.sent as u16,
            timestamp: first * codec.units_per_sample(),
            ssrc: self.frequency as u32,
        };
        let mut packet = [0; HEADER_BYTES + PAYLOAD_BYTES_MAX];
        header.write(packet.first_chunk_mut().unwrap());
        let payload = packet.last_chunk_mut().unwrap();
        let length = self.coder.encode(tone.first_chunk().unwrap(), payload);
        self.socket.send_to(&packet[..HEADER_BYTES + length], self.leg.local_rtp()).unwrap();
        self.sent += 1;
    }

    /// Says a tick that never arrives.
    pub(crate) fn lose(&mut self) {
        self.sent += 1;
    }

    pub(crate) fn listen(&mut self) {
        let mut bytes = [0; 1_500];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            let Ok(packet) = Packet::parse(&bytes[..length]) else { continue };
            if packet.header.payload_type != payload_type(self.coder.codec()) {
                continue; // RTCP, or the codec before.
            }
            let mut samples = [0; PACKET_SAMPLES_MAX];
            let count = self.coder.decode(packet.payload, &mut samples);
            self.headers.push(packet.header);
            self.heard.extend(&samples[..count]);
        }
    }

    /// How loud a tone of this frequency is in what was heard last, 1 for [`LOUD`].
    pub(crate) fn hears(&self, frequency: f64) -> f64 {
        let last = &self.heard[self.heard.len().saturating_sub(2_400)..];
        assert_eq!(last.len(), 2_400, "packets came");
        level(last, frequency)
    }

    /// Whether the tones heard are these and no other of `all`.
    fn hears_just(&self, heard: &[f64], all: &[f64]) -> Result<(), String> {
        for tone in all {
            let level = self.hears(*tone);
            let range = if heard.contains(tone) { 0.85..1.15 } else { -0.01..0.03 };
            if !range.contains(&level) {
                return Err(format!("{} Hz hears {tone} Hz at {level:.3}", self.frequency));
            }
        }
        Ok(())
    }
}

/// Lets all speak until each hears just those whose places in the list are given beside it: a
/// machine that is busy with other tests loses some of every voice.
pub(crate) fn expect(phones: &mut [&mut Phone], hears: &[&[usize]]) {
    let tones: Vec<f64> = phones.iter().map(|phone| phone.frequency).collect();
    run(phones, 25);
    for tries_left in (0..200).rev() {
        let all_right = phones.iter().zip(hears).try_for_each(|(phone, heard)| {
            let heard: Vec<f64> = heard.iter().map(|index| tones[*index]).collect();
            phone.hears_just(&heard, &tones)
        });
        match all_right {
            Ok(()) => return,
            Err(wrong) => assert!(tries_left > 0, "{wrong}"),
        }
        run(phones, 1);
    }
}

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 111,
    }
}

/// Lets all speak and listen, at the pace of real telephones.
pub(crate) fn run(phones: &mut [&mut Phone], ticks: u32) {
    let mut due_ms = now_ms();
    for _ in 0..ticks {
        phones.iter_mut().for_each(|phone| phone.speak());
        due_ms += 20;
        std::thread::sleep(Duration::from_millis(due_ms.saturating_sub(now_ms())));
        phones.iter_mut().for_each(|phone| phone.listen());
    }
}

/// Milliseconds of the monotonic clock.
pub(crate) fn now_ms() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000 + time.tv_nsec as u64 / 1_000_000
}

/// The Goertzel algorithm: how loud a tone is, 1 for [`LOUD`].
pub(crate) fn level(samples: &[i16], frequency: f64) -> f64 {
    let step = (frequency / 8_000.0 * TAU).cos() * 2.0;
    let (mut now, mut before) = (0.0, 0.0);
    for sample in samples {
        (now, before) = (f64::from(*sample) + step * now - before, now);
    }
    let power = now * now + before * before - step * now * before;
    power.max(0.0).sqrt() * 2.0 / samples.len() as f64 / LOUD
}
