//! The receiving half of a leg: packets of the peer in, one tick of its voice out.

use crate::codec::{Coder, PACKET_SAMPLES_MAX};
use crate::dtmf::{self, Event, Pressed};
use crate::jitter::{JitterBuffer, Pulled, Pushed};
use crate::leg::RemoteMedia;
use crate::mix::Samples;
use crate::plc::Concealer;
use crate::rtp::Packet;
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
            self.audio(coder, packet, timestamp, times.arrival_ns);
        } else if Some(header.payload_type) == media.dtmf_payload_type
            && let Some(mut event) = Event::parse(packet.payload)
        {
            event.duration /= units as u16;
            pressed[1] = self.dtmf.push(times.now_ns, timestamp, event);
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

    /// The peer's voice of this tick, what is missing made up.
    pub(crate) fn voice(&mut self, now_ns: u64) -> Samples {
        let Some(pulled) = self.jitter.pull(now_ns) else {
            let mut samples = [0; SAMPLES_PER_TICK];
            if self.started {
                self.concealer.conceal(&mut samples);
            }
            return samples;
        };
        self.started = true;
        conceal_gaps(&mut self.concealer, pulled)
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

fn conceal_gaps(concealer: &mut Concealer, pulled: Pulled) -> Samples {
    let Pulled { mut samples, present } = pulled;
    if present == [true; SAMPLES_PER_TICK] {
        concealer.heard(&mut samples);
        return samples;
    }
    let mut rest = &mut samples[..];
    for run in present.chunk_by(|a, b| a == b) {
        let (stretch, after) = rest.split_at_mut(run.len());
        if run[0] {
            concealer.heard(stretch);
        } else {
            concealer.conceal(stretch);
        }
        rest = after;
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
