//! The receiving half of a leg: packets of the peer in, one tick of its voice out.

use crate::codec::{Coder, PACKET_SAMPLES_MAX};
use crate::comfort::Noise;
use crate::config::RemoteMedia;
use crate::dtmf::{self, Event, Pressed};
use crate::dtmf_tones::Detector;
use crate::jitter::{JitterBuffer, Pushed};
use crate::mix::Samples;
use crate::plc::Concealer;
use crate::rtp::{PAYLOAD_COMFORT_NOISE, Packet};
use crate::stats::ReceiveStats;
use qingting_common::limits::SAMPLES_PER_TICK;
use std::ops::RangeInclusive;

/// Lost packets in a row, in samples, that a codec's own knowledge is asked for: 100 ms. What lies
/// further back has been played as a gap by then.
const RECOVERED_SAMPLES_MAX: usize = 800;

/// A packet this far behind the newest has come late; further, the sender has started anew.
const REORDERED_PACKETS_MAX: i16 = 100;

/// When a packet came and when it is taken, both on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) arrival_ns: u64,
    pub(crate) now_ns: u64,
}

/// Everything known of the peer's voice. Allocates nothing after construction.
pub(crate) struct Hearing {
    clock: RtpClock,
    /// The newest packet decoded: its number, and one past its last sample.
    newest: Option<(u16, u32)>,
    jitter: JitterBuffer,
    concealer: Concealer,
    dtmf: dtmf::Receiver,
    tones: Detector,
    /// While the peer says that it is silent.
    noise: Option<Noise>,
    /// Whether it has spoken since, in what is not played yet.
    resumed: bool,
    stats: ReceiveStats,
    ssrc: Option<u32>,
    late: u64,
    started: bool,
}

impl Hearing {
    pub(crate) fn new(jitter_ms: RangeInclusive<u32>) -> Self {
        Self {
            clock: RtpClock::default(),
            newest: None,
            jitter: JitterBuffer::new(jitter_ms),
            concealer: Concealer::default(),
            dtmf: dtmf::Receiver::default(),
            tones: Detector::default(),
            noise: None,
            resumed: false,
            stats: ReceiveStats::new(),
            ssrc: None,
            late: 0,
            started: false,
        }
    }

    pub(crate) fn stats(&self) -> &ReceiveStats {
        &self.stats
    }

    pub(crate) fn stats_mut(&mut self) -> &mut ReceiveStats {
        &mut self.stats
    }

    /// Packets that came after their time.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    pub(crate) fn playout_ms(&self) -> u32 {
        self.jitter.delay_ms()
    }

    /// The peer will send in another codec: what comes has nothing to do with what came.
    pub(crate) fn change_codec(&mut self) {
        self.clock = RtpClock::default();
        self.newest = None;
        self.jitter.reset();
    }

    /// Takes a packet of the peer; the keys that it ends.
    pub(crate) fn packet(
        &mut self,
        media: &RemoteMedia,
        coder: &mut Coder,
        packet: &Packet<'_>,
        times: Times,
    ) -> [Option<Pressed>; 2] {
        let header = packet.header;
        let mut pressed = [None; 2];
        if self.ssrc.replace(header.ssrc).is_some_and(|before| before != header.ssrc) {
            self.change_codec();
            pressed[0] = self.dtmf.reset();
        }
        let units = media.codec.units_per_sample();
        let timestamp = self.clock.samples(header.timestamp, units);
        self.stats.packet(header.ssrc, header.sequence, timestamp, times.arrival_ns);
        if header.payload_type == media.payload_type {
            self.resumed = true;
            self.audio(coder, packet, timestamp, times.arrival_ns);
        } else if Some(header.payload_type) == media.dtmf_payload_type
            && let Some(mut event) = Event::parse(packet.payload)
        {
            event.duration /= units as u16;
            pressed[1] = self.dtmf.push(times.now_ns, timestamp, event);
        } else if header.payload_type == PAYLOAD_COMFORT_NOISE
            && let Some(noise) = Noise::parse(packet.payload)
        {
            self.noise = Some(self.noise.map_or(noise, |current| current.at_level_of(noise)));
            self.resumed = false;
        }
        pressed
    }

    fn audio(&mut self, coder: &mut Coder, packet: &Packet<'_>, timestamp: u32, arrival_ns: u64) {
        let mut samples = [0; PACKET_SAMPLES_MAX];
        let sequence = packet.header.sequence;
        if coder.has_memory()
            && let Some((newest, end)) = self.newest
        {
            let step = sequence.wrapping_sub(newest) as i16;
            if (-REORDERED_PACKETS_MAX..=0).contains(&step) {
                // What comes now has been made up for; decoded now, it would spoil what follows.
                self.late += u64::from(step < 0);
                return;
            }
            let lost = timestamp.wrapping_sub(end) as usize;
            if step > 1 && (1..=RECOVERED_SAMPLES_MAX).contains(&lost) {
                let made = coder.recover(packet.payload, lost, &mut samples);
                self.jitter.push(arrival_ns, end, &samples[..made]);
            }
        }
        let count = coder.decode(packet.payload, &mut samples);
        self.newest = Some((sequence, timestamp.wrapping_add(count as u32)));
        let pushed = self.jitter.push(arrival_ns, timestamp, &samples[..count]);
        self.late += u64::from(pushed == Pushed::Late);
    }

    /// A key whose end never came.
    pub(crate) fn overdue_key(&mut self, now_ns: u64) -> Option<Pressed> {
        self.dtmf.tick(now_ns)
    }

    /// A key heard as tones; to be asked of every tick of voice, or of none.
    pub(crate) fn tone_key(&mut self, voice: &Samples) -> Option<Pressed> {
        self.tones.hear(voice)
    }

    /// Whether the peer has said that it is silent, and not spoken since.
    pub(crate) fn is_comforted(&self) -> bool {
        self.noise.is_some()
    }

    /// The peer's voice of this tick, what is missing made up.
    pub(crate) fn voice(&mut self, now_ns: u64, out: &mut Samples) {
        let Some(pulled) = self.jitter.pull(now_ns) else {
            out.fill(0);
            if self.started || self.noise.is_some() {
                self.fill(out);
            }
            return;
        };
        self.started = true;
        *out = pulled.samples;
        self.fill_gaps(out, &pulled.present);
    }

    fn fill_gaps(&mut self, samples: &mut Samples, present: &[bool; SAMPLES_PER_TICK]) {
        if self.resumed && present.contains(&true) {
            self.noise = None;
        }
        if *present == [true; SAMPLES_PER_TICK] {
            self.concealer.heard(samples);
            return;
        }
        let mut rest = &mut samples[..];
        for run in present.chunk_by(|a, b| a == b) {
            let (stretch, after) = rest.split_at_mut(run.len());
            if run[0] {
                self.concealer.heard(stretch);
            } else {
                self.fill(stretch);
            }
            rest = after;
        }
    }

    /// Without comfort noise a voice that stops fades to silence.
    fn fill(&mut self, stretch: &mut [i16]) {
        match &mut self.noise {
            Some(noise) => {
                noise.fill(stretch);
                self.concealer.heard(stretch);
            }
            None => self.concealer.conceal(stretch),
        }
    }
}

/// Turns RTP timestamps of any clock into samples at 8 kHz; both wrap, each in its own time.
#[derive(Debug, Default)]
struct RtpClock {
    /// Without wraps; none before the first.
    newest: Option<i64>,
}

impl RtpClock {
    fn samples(&mut self, timestamp: u32, units_per_sample: u32) -> u32 {
        let newest = self.newest.unwrap_or(timestamp.into());
        let step = timestamp.wrapping_sub(newest as u32) as i32;
        let extended = newest + i64::from(step);
        self.newest = Some(extended);
        extended.div_euclid(units_per_sample.into()) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::rtp::Header;

    #[test]
    fn a_clock_of_48_khz_counts_on_across_its_wrap() {
        let mut clock = RtpClock::default();
        let first = clock.samples(u32::MAX - 959, 6);
        assert_eq!(clock.samples(0, 6).wrapping_sub(first), 160);
        assert_eq!(clock.samples(960, 6).wrapping_sub(first), 320);
        assert_eq!(clock.samples(u32::MAX - 959, 6), first, "a late one");
        let mut plain = RtpClock::default();
        assert_eq!(plain.samples(u32::MAX, 1), u32::MAX);
        assert_eq!(plain.samples(159, 1), 159);
    }

    /// What is heard tick by tick, as mean magnitude: 20 ticks of a voice, then `silence` of the
    /// peer, then the voice again.
    fn levels(comfort: Option<u8>, silence: u32) -> Vec<i32> {
        let peer = ([127, 0, 0, 1], 9).into();
        let media = RemoteMedia {
            rtp: peer,
            rtcp: peer,
            rtcp_mux: false,
            codec: Codec::Pcma,
            payload_type: 8,
            dtmf_payload_type: None,
            send: true,
            receive: true,
            security: crate::Security::Plain,
            source: None,
        };
        let mut hearing = Hearing::new(40..=200);
        let mut coder = Coder::new(Codec::Pcma);
        let mut sequence = 0;
        let mut level = |tick: u32| {
            let now_ns = u64::from(tick) * 20_000_000;
            let payload = match (tick, comfort) {
                (20, Some(level)) => Some((PAYLOAD_COMFORT_NOISE, vec![level])),
                (tick, _) if (20..20 + silence).contains(&tick) => None,
                _ => Some((8, vec![0x2a; 160])),
            };
            if let Some((payload_type, payload)) = payload {
                let timestamp = tick * 160;
                let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: 1 };
                sequence += 1;
                let packet = Packet { header, payload: &payload };
                hearing.packet(&media, &mut coder, &packet, Times { arrival_ns: now_ns, now_ns });
            }
            let mut voice = [0; SAMPLES_PER_TICK];
            hearing.voice(now_ns, &mut voice);
            voice.iter().map(|sample| i32::from(*sample).abs()).sum::<i32>() / 160
        };
        (0..40 + silence).map(&mut level).collect()
    }

    #[test]
    fn comfort_noise_lasts_until_speech_resumes() {
        let levels = levels(Some(50), 50);
        assert!(levels[5..21].iter().all(|level| *level > 5_000), "{levels:?}");
        // -50 dBov: an RMS of 104.
        assert!(levels[24..72].iter().all(|level| (40..160).contains(level)), "{levels:?}");
        assert!(levels[74..].iter().all(|level| *level > 5_000), "{levels:?}");
    }

    #[test]
    fn a_peer_that_stops_without_a_word_fades_to_silence() {
        let levels = levels(None, 50);
        assert!(levels[27..70].iter().all(|level| *level == 0), "{levels:?}");
        assert!(levels[74..].iter().all(|level| *level > 5_000), "{levels:?}");
    }
}
