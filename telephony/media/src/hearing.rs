//! The receiving half of a leg: packets of the peer in, one tick of its voice out.

use crate::dtmf::{self, Event, Pressed};
use crate::jitter::{JitterBuffer, Pulled, Pushed};
use crate::leg::RemoteMedia;
use crate::mix::Samples;
use crate::plc::Concealer;
use crate::rtp::Packet;
use crate::stats::ReceiveStats;
use qingting_common::limits::SAMPLES_PER_TICK;
use std::ops::RangeInclusive;

/// Longest packet decoded: 200 ms.
const PACKET_SAMPLES_MAX: usize = 1_600;

/// When a packet came and when it is taken, both on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) arrival_ns: u64,
    pub(crate) now_ns: u64,
}

/// Everything known of the peer's voice. Allocates nothing after construction.
pub(crate) struct Hearing {
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

    /// Takes a packet of the peer; the keys that it ends.
    pub(crate) fn packet(
        &mut self,
        media: &RemoteMedia,
        packet: &Packet<'_>,
        times: Times,
    ) -> [Option<Pressed>; 2] {
        let header = packet.header;
        let mut pressed = [None; 2];
        self.stats.packet(header.ssrc, header.sequence, header.timestamp, times.arrival_ns);
        if self.ssrc.replace(header.ssrc).is_some_and(|before| before != header.ssrc) {
            self.jitter.reset();
            pressed[0] = self.dtmf.reset();
        }
        if header.payload_type == media.payload_type {
            let mut samples = [0; PACKET_SAMPLES_MAX];
            let length = packet.payload.len().min(PACKET_SAMPLES_MAX);
            let count = media.codec.decode_into(&packet.payload[..length], &mut samples);
            let pushed = self.jitter.push(times.arrival_ns, header.timestamp, &samples[..count]);
            self.late += u64::from(pushed == Pushed::Late);
        } else if Some(header.payload_type) == media.dtmf_payload_type
            && let Some(event) = Event::parse(packet.payload)
        {
            pressed[1] = self.dtmf.push(times.now_ns, header.timestamp, event);
        }
        pressed
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

fn conceal_gaps(concealer: &mut Concealer, pulled: Pulled) -> Samples {
    let Pulled { mut samples, present } = pulled;
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
