//! An RTP end of our own (RFC 3550): keeps what comes, speaks when told. The media of a call whose
//! signalling sipp does, and the far end of a telephone that is tried without a server.

use crate::audio::{from_alaw, to_alaw};
use crate::clock::{Deadline, Stopwatch};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Payload type of A-law (RFC 3551).
pub const ALAW: u8 = 8;

const HEADER: usize = 12;
const SAMPLES_A_PACKET: usize = 160;
const PACKET_TIME: Duration = Duration::from_millis(20);
/// Payload types that SDP gives to telephone-event among others (RFC 3551).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;
const EVENT_BYTES: usize = 4;
const KEYS: &[u8] = b"0123456789*#ABCD";

/// What came in one packet.
#[derive(Debug, Clone)]
pub struct Packet {
    /// When it came, since the end was opened.
    pub at: Duration,
    /// Who sent it.
    pub from: SocketAddr,
    /// 0 to 127.
    pub payload_type: u8,
    /// The RTP sequence number.
    pub sequence: u16,
    /// The RTP timestamp, in samples.
    pub timestamp: u32,
    /// What follows the header (no sender here adds extensions).
    pub payload: Vec<u8>,
}

/// A socket on 127.0.0.1 that keeps every packet until it is dropped.
#[derive(Debug)]
pub struct RtpEnd {
    socket: UdpSocket,
    packets: Arc<Mutex<Vec<Packet>>>,
    opened: Stopwatch,
    is_spoilt: AtomicBool,
    stop: Arc<AtomicBool>,
    receiver: Option<JoinHandle<()>>,
}

impl RtpEnd {
    /// On a port that the kernel picks.
    pub fn bind() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a live socket");
        let packets = Arc::new(Mutex::new(Vec::new()));
        let (stop, opened) = (Arc::new(AtomicBool::new(false)), Stopwatch::start());
        let receiver = {
            let socket = socket.try_clone().expect("a live socket");
            let (packets, stop) = (Arc::clone(&packets), Arc::clone(&stop));
            std::thread::spawn(move || receive(&socket, &packets, opened, &stop))
        };
        let is_spoilt = AtomicBool::new(false);
        Self { socket, packets, opened, is_spoilt, stop, receiver: Some(receiver) }
    }

    /// The port that SDP should name.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("a bound socket").port()
    }

    /// The time by which [`Packet::at`] is told.
    pub fn time(&self) -> Duration {
        self.opened.elapsed()
    }

    /// From now on what is said goes through a bad network, which of 50 packets loses three and swaps two;
    /// or through a good one again.
    pub fn spoil(&self, is_spoilt: bool) {
        self.is_spoilt.store(is_spoilt, Ordering::Relaxed);
    }

    /// The longest time without audio after `from` and until `to`, beyond the 20 ms between two packets.
    pub fn longest_gap(&self, from: Duration, to: Duration) -> Duration {
        let packets = self.packets.lock().expect("no thread panicked");
        let audio = packets.iter().filter(|packet| packet.payload_type == ALAW);
        let (mut last, mut gap) = (from, Duration::ZERO);
        for at in audio.map(|packet| packet.at).filter(|at| (from..to).contains(at)).chain([to]) {
            gap = gap.max(at.saturating_sub(last));
            last = at;
        }
        gap.saturating_sub(PACKET_TIME)
    }

    /// Everything that came so far, in order of arrival.
    pub fn packets(&self) -> Vec<Packet> {
        self.packets.lock().expect("no thread panicked").clone()
    }

    /// Waits until somebody speaks to this port: from where.
    pub fn first_sender(&self, deadline: Deadline) -> Option<SocketAddr> {
        deadline.poll(|| {
            self.packets.lock().expect("no thread panicked").first().map(|first| first.from)
        })
    }

    /// The A-law that came, each packet at the place its timestamp names; silence where none came.
    pub fn heard(&self) -> Vec<i16> {
        let packets = self.packets();
        let audio = || packets.iter().filter(|packet| packet.payload_type == ALAW);
        let mut heard = Vec::new();
        let Some(first) = audio().next() else { return heard };
        for packet in audio() {
            let at = packet.timestamp.wrapping_sub(first.timestamp) as usize;
            // A new stream, or a packet from before the first: not part of this timeline.
            if at > heard.len() + 60 * crate::audio::RATE as usize {
                continue;
            }
            heard.resize(heard.len().max(at + packet.payload.len()), 0);
            for (place, &byte) in heard[at..].iter_mut().zip(&packet.payload) {
                *place = from_alaw(byte);
            }
        }
        heard
    }

    /// The keys that were pressed (RFC 4733), in order.
    pub fn keys(&self) -> String {
        let (mut keys, mut last) = (String::new(), None);
        for packet in self.packets() {
            let event =
                DYNAMIC.contains(&packet.payload_type) && packet.payload.len() == EVENT_BYTES;
            if !event || last == Some(packet.timestamp) {
                continue;
            }
            last = Some(packet.timestamp);
            let event = packet.payload.first().and_then(|&event| KEYS.get(usize::from(event)));
            keys.extend(event.map(|&key| char::from(key)));
        }
        keys
    }

    /// Speaks A-law at the pace of a call, 20 ms a packet, and returns when all is said. `stream`
    /// becomes the SSRC.
    pub fn speak(&self, to: SocketAddr, samples: &[i16], stream: u32) {
        let mut frames = samples.chunks(SAMPLES_A_PACKET);
        self.speak_frames(to, stream, || frames.next());
    }

    /// Says the same over and over for as long as it is wanted.
    pub fn repeat(
        &self,
        to: SocketAddr,
        samples: &[i16],
        stream: u32,
        is_wanted: impl Fn() -> bool,
    ) {
        let mut frames = samples.chunks_exact(SAMPLES_A_PACKET).cycle();
        self.speak_frames(to, stream, || is_wanted().then(|| frames.next()).flatten());
    }

    fn speak_frames<'a>(
        &self,
        to: SocketAddr,
        stream: u32,
        mut next: impl FnMut() -> Option<&'a [i16]>,
    ) {
        let watch = Stopwatch::start();
        let mut index = 0_u32;
        let mut late = None;
        while let Some(frame) = next() {
            let mut packet = vec![0x80, if index == 0 { 0x80 | ALAW } else { ALAW }];
            packet.extend((index as u16).to_be_bytes());
            packet.extend((index * SAMPLES_A_PACKET as u32).to_be_bytes());
            packet.extend(stream.to_be_bytes());
            packet.extend(frame.iter().map(|&sample| to_alaw(sample)));
            let is_spoilt = self.is_spoilt.load(Ordering::Relaxed);
            match index % 50 {
                7 if is_spoilt => late = Some(packet),
                // A far end that is gone answers with ICMP: the test sees that elsewhere.
                place if !is_spoilt || place % 20 != 3 => {
                    let _ = self.socket.send_to(&packet, to);
                    if let Some(late) = late.take() {
                        let _ = self.socket.send_to(&late, to);
                    }
                }
                _ => {}
            }
            index += 1;
            watch.sleep_until(PACKET_TIME * index);
        }
    }

    /// Presses a key (RFC 4733 §2.5.1): 100 ms of it, its end three times. `first` counts the stream's
    /// packets before it.
    pub fn press(&self, to: SocketAddr, key: char, payload_type: u8, stream: u32, first: u16) {
        let event = KEYS.iter().position(|&known| char::from(known) == key).expect("a key");
        let watch = Stopwatch::start();
        for index in 0_u16..8 {
            watch.sleep_until(PACKET_TIME * u32::from(index));
            let marker = if index == 0 { 0x80 } else { 0 };
            let mut packet = vec![0x80, marker | payload_type];
            packet.extend((first + index).to_be_bytes());
            packet.extend((u32::from(first) * SAMPLES_A_PACKET as u32).to_be_bytes());
            packet.extend(stream.to_be_bytes());
            packet.extend([event as u8, if index >= 5 { 0x8a } else { 10 }]);
            packet.extend((SAMPLES_A_PACKET as u16 * (index.min(5) + 1)).to_be_bytes());
            let _ = self.socket.send_to(&packet, to);
        }
    }
}

impl Drop for RtpEnd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(receiver) = self.receiver.take() {
            let _ = receiver.join();
        }
    }
}

fn receive(socket: &UdpSocket, packets: &Mutex<Vec<Packet>>, opened: Stopwatch, stop: &AtomicBool) {
    let mut buffer = [0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        let Ok((size, from)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(packet) = parse(&buffer[..size], from, opened.elapsed()) {
            packets.lock().expect("no thread panicked").push(packet);
        }
    }
}

/// RTP version 2 only: linphone sends STUN to the same port first.
fn parse(bytes: &[u8], from: SocketAddr, at: Duration) -> Option<Packet> {
    if bytes.len() < HEADER || bytes[0] >> 6 != 2 {
        return None;
    }
    Some(Packet {
        at,
        from,
        payload_type: bytes[1] & 0x7f,
        sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
        timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        payload: bytes[HEADER..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{align, speech_like};

    #[test]
    fn what_one_end_says_the_other_hears() {
        let (caller, called) = (RtpEnd::bind(), RtpEnd::bind());
        let said = speech_like(1, Duration::from_millis(500));
        caller.speak(([127, 0, 0, 1], called.port()).into(), &said, 7);
        let deadline = Deadline::after(Duration::from_secs(5));
        assert!(deadline.poll(|| (called.packets().len() == 25).then_some(())).is_some());
        assert_eq!(called.first_sender(deadline).map(|from| from.port()), Some(caller.port()));
        let found = align(&said, &called.heard());
        assert!(found.lag == 0 && found.correlation > 0.999, "{found:?}");
    }
}
