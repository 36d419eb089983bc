//! The sending half of a leg: one RTP packet a tick, audio or a pressed key.

use crate::codec::{Codec, Coder, PAYLOAD_BYTES_MAX};
use crate::config::RemoteMedia;
use crate::dtmf_sender::{self, EventPacket};
use crate::mix::Samples;
use crate::rtp::{HEADER_BYTES, Header};
use crate::stats::SendStats;

/// Everything known of what the peer is sent. Allocates nothing after construction.
pub(crate) struct Sending {
    ssrc: u32,
    sequence: u16,
    /// RTP timestamp of sample 0.
    origin: u32,
    marker: bool,
    stats: SendStats,
    keys: dtmf_sender::Sender,
    keys_waiting: bool,
    packet: [u8; HEADER_BYTES + PAYLOAD_BYTES_MAX],
}

impl Sending {
    /// `seed` hides where the numbers begin (RFC 3550 §5.1).
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            ssrc: (seed >> 32) as u32,
            sequence: (seed >> 16) as u16 & 0x7fff,
            origin: seed as u32,
            marker: true,
            stats: SendStats::new(),
            keys: dtmf_sender::Sender::default(),
            keys_waiting: false,
            packet: [0; HEADER_BYTES + PAYLOAD_BYTES_MAX],
        }
    }

    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(crate) fn stats(&self) -> &SendStats {
        &self.stats
    }

    pub(crate) fn stats_mut(&mut self) -> &mut SendStats {
        &mut self.stats
    }

    pub(crate) fn press(&mut self, key: char) {
        self.keys_waiting |= self.keys.press(key);
    }

    /// Whether the last waiting key has been sent; told once.
    pub(crate) fn keys_are_done(&mut self) -> bool {
        let idle = self.keys.is_idle();
        std::mem::replace(&mut self.keys_waiting, !idle) && idle
    }

    /// Another codec, maybe another clock: the peer is told by a marker.
    pub(crate) fn change_codec(&mut self) {
        self.marker = true;
    }

    /// The RTP timestamp of a sample.
    pub(crate) fn timestamp(&self, codec: Codec, sample_index: u64) -> u32 {
        let units = (sample_index as u32).wrapping_mul(codec.units_per_sample());
        self.origin.wrapping_add(units)
    }

    /// The packet of this tick: a pressed key in place of the audio when there is one.
    pub(crate) fn packet(
        &mut self,
        media: &RemoteMedia,
        coder: &mut Coder,
        sample_index: u64,
        audio: &Samples,
    ) -> &[u8] {
        let timestamp = self.timestamp(media.codec, sample_index);
        let key = media.dtmf_payload_type.and_then(|kind| Some((kind, self.keys.tick()?)));
        let length = match key {
            Some((payload_type, key)) => {
                let units = media.codec.units_per_sample();
                self.key(payload_type, timestamp, key, units)
            }
            None => self.audio(media.payload_type, coder, timestamp, audio),
        };
        &self.packet[..HEADER_BYTES + length]
    }

    /// Takes note that the packet went out.
    pub(crate) fn sent(&mut self, packet_bytes: usize) {
        self.stats.sent(packet_bytes.saturating_sub(HEADER_BYTES));
    }

    fn key(&mut self, payload_type: u8, timestamp: u32, mut key: EventPacket, units: u32) -> usize {
        key.event.duration *= units as u16;
        let payload = key.event.to_bytes();
        self.packet[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(&payload);
        let began = timestamp.wrapping_sub(key.began_samples_ago * units);
        self.header(payload_type, began, key.first);
        payload.len()
    }

    fn audio(
        &mut self,
        payload_type: u8,
        coder: &mut Coder,
        timestamp: u32,
        audio: &Samples,
    ) -> usize {
        let payload = self.packet.last_chunk_mut().expect("a packet is a header and a payload");
        let length = coder.encode(audio, payload);
        let marker = std::mem::replace(&mut self.marker, false);
        self.header(payload_type, timestamp, marker);
        length
    }

    fn header(&mut self, payload_type: u8, timestamp: u32, marker: bool) {
        self.sequence = self.sequence.wrapping_add(1);
        let header =
            Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        if let Some(bytes) = self.packet.first_chunk_mut() {
            header.write(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::Event;
    use crate::rtp::Packet;

    #[test]
    fn keys_beside_opus_count_at_its_clock() {
        let peer = ([127, 0, 0, 1], 9).into();
        let media = RemoteMedia {
            rtp: peer,
            rtcp: peer,
            rtcp_mux: false,
            codec: Codec::Opus,
            payload_type: 111,
            dtmf_payload_type: Some(110),
            send: true,
            receive: true,
            security: crate::security::Security::Plain,
            source: None,
        };
        let mut coder = Coder::new(Codec::Opus);
        let mut sending = Sending::new(7);
        sending.press('5');
        let mut packet = |tick: u64| {
            let bytes = sending.packet(&media, &mut coder, tick * 160, &[0; 160]);
            let packet = Packet::parse(bytes).unwrap();
            (packet.header, Event::parse(packet.payload))
        };
        let (first, event) = packet(0);
        assert_eq!((first.payload_type, event.map(|event| event.duration)), (110, Some(960)));
        let (third, event) = (packet(1), packet(2)).1;
        assert_eq!(
            (third.timestamp, event.map(|event| event.duration)),
            (first.timestamp, Some(2_880))
        );
        let (audio, _) = (3..12).map(&mut packet).last().unwrap();
        assert_eq!(
            (audio.payload_type, audio.timestamp.wrapping_sub(first.timestamp)),
            (111, 11 * 960)
        );
    }
}
