//! What one leg received and sent: loss, duplicates, jitter and round trip, counted as RTCP
//! reports them (RFC 3550 §A.1, §A.3, §A.8).
//!
//! Pure: arrival times are nanoseconds of one monotonic clock, best the kernel's receive times.

use crate::rtcp::{ReportBlock, SenderInfo};
use qingting_common::limits::TELEPHONE_RATE_HZ;

/// A step forward of at least this many packets is a jump, not a loss: 60 s (RFC 3550 §A.1).
const DROPOUT_PACKETS: i64 = 3_000;
/// A step back of at least this many packets is a jump, not a late packet (RFC 3550 §A.1).
const MISORDER_PACKETS: i64 = 100;
/// A packet this much earlier or later than its timestamp says has had its clock moved, which is
/// no jitter: 1 s.
const JITTER_STEP_NS_MAX: u64 = 1_000_000_000;
/// Length of one timestamp unit.
const NS_PER_UNIT: i64 = NS_PER_SECOND as i64 / TELEPHONE_RATE_HZ as i64;
const NS_PER_SECOND: u64 = 1_000_000_000;
/// 1970 in the era of 1900 (RFC 868).
const UNIX_EPOCH_NTP_SECONDS: u64 = 2_208_988_800;
/// A round trip longer than this is a peer's error, in 1/65536 s: 10 s.
const RTT_UNITS_MAX: i32 = 10 << 16;
/// A round trip may come out this much below zero by rounding and clock drift, in 1/65536 s: 10 ms.
const RTT_UNITS_BELOW_ZERO_MAX: i32 = 655;

/// The NTP time (seconds since 1900, and 1/2^32 s in the lower half) of a time since 1970. The
/// seconds wrap in 2036, as NTP's do.
pub fn ntp_of_unix_ns(unix_ns: u64) -> u64 {
    let seconds = unix_ns / NS_PER_SECOND + UNIX_EPOCH_NTP_SECONDS;
    // The remainder is below 2^30, so this stays below 2^62.
    let fraction = ((unix_ns % NS_PER_SECOND) << 32) / NS_PER_SECOND;
    seconds << 32 | fraction
}

/// The part of an NTP time that reports echo: seconds modulo 2^16, and 1/65536 s.
pub fn ntp_middle_32(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// Counts what comes from the peer of one leg.
///
/// A new SSRC, or a jump confirmed by a second packet in sequence, starts the sequence anew; the
/// totals go on. No probation for the first packet: the source latch has done that.
#[derive(Debug, Default)]
pub struct ReceiveStats {
    ssrc: u32,
    /// None before the first packet.
    sequence: Option<Sequence>,
    jitter: Jitter,
    last_sr: Option<LastSenderReport>,
    past: Totals,
}

#[derive(Clone, Copy, Debug)]
struct LastSenderReport {
    ntp_middle_32: u32,
    arrival_ns: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    received: u64,
    lost: u64,
    duplicates: u64,
    reordered: u64,
}

impl ReceiveStats {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an RTP packet of the latched source.
    pub fn packet(&mut self, ssrc: u32, sequence: u16, timestamp: u32, arrival_ns: u64) {
        if self.ssrc != ssrc || self.sequence.is_none() {
            if self.sequence.is_some() {
                self.jitter = Jitter::default();
                self.last_sr = None;
            }
            self.ssrc = ssrc;
            self.begin(Sequence::new(sequence));
            self.jitter.note(timestamp, arrival_ns);
            return;
        }
        match self.sequence.as_mut().map(|s| s.place(sequence)) {
            Some(Place::InOrder | Place::Reordered) => self.jitter.note(timestamp, arrival_ns),
            Some(Place::Restart) => {
                let mut anew = Sequence::new(sequence.wrapping_sub(1));
                anew.place(sequence);
                self.begin(anew);
                self.jitter.note(timestamp, arrival_ns);
            }
            Some(Place::Duplicate | Place::Stray) | None => {}
        }
    }

    /// Takes the peer's sender report: the next blocks tell it how long ago that was.
    pub fn sender_report(&mut self, ntp_middle_32: u32, arrival_ns: u64) {
        self.last_sr = Some(LastSenderReport { ntp_middle_32, arrival_ns });
    }

    /// The block about the peer, and the start of the next interval. None when nothing came since
    /// the last one (RFC 3550 §6.4): then the report has no block.
    pub fn block(&mut self, now_ns: u64) -> Option<ReportBlock> {
        let sequence = self.sequence.as_mut()?;
        let fraction_lost = sequence.interval()?;
        let since = |sr: LastSenderReport| {
            let units = u128::from(now_ns.saturating_sub(sr.arrival_ns)) << 16;
            u32::try_from(units / u128::from(NS_PER_SECOND)).unwrap_or(u32::MAX)
        };
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            cumulative_lost: sequence.cumulative_lost(),
            highest_sequence: sequence.highest as u32,
            jitter: (self.jitter.mean_ns / NS_PER_UNIT as f64) as u32,
            last_sr: self.last_sr.map_or(0, |sr| sr.ntp_middle_32),
            delay_since_last_sr: self.last_sr.map_or(0, since),
        })
    }

    /// Packets received, duplicates left out.
    pub fn received(&self) -> u64 {
        self.totals().received
    }

    /// Packets that never came; one that comes late is taken off again.
    pub fn lost(&self) -> u64 {
        self.totals().lost
    }

    /// Packets that came once more.
    pub fn duplicates(&self) -> u64 {
        self.totals().duplicates
    }

    /// Packets that came after a later one.
    pub fn reordered(&self) -> u64 {
        self.totals().reordered
    }

    /// Interarrival jitter of the present source, smoothed over some 16 packets, in milliseconds.
    pub fn jitter_ms(&self) -> f64 {
        self.jitter.mean_ns / 1e6
    }

    fn begin(&mut self, sequence: Sequence) {
        self.past = self.totals();
        self.sequence = Some(sequence);
    }

    fn totals(&self) -> Totals {
        let Some(sequence) = &self.sequence else { return self.past };
        Totals {
            received: self.past.received + sequence.received,
            lost: self.past.lost + sequence.expected() - sequence.received,
            duplicates: self.past.duplicates + sequence.duplicates,
            reordered: self.past.reordered + sequence.reordered,
        }
    }
}

/// One unbroken run of sequence numbers.
#[derive(Debug)]
struct Sequence {
    /// Lowest and highest number, extended: the first packet's lies within 0..2^16, a packet
    /// before it across the wrap is negative.
    lowest: i64,
    highest: i64,
    /// Bit n: the packet n before the highest has come.
    seen: u128,
    received: u64,
    duplicates: u64,
    reordered: u64,
    /// What follows a packet that jumped, if that came last.
    after_jump: Option<u16>,
    /// Packets expected and arrived when the last block was made.
    expected_before: u64,
    arrived_before: u64,
}

enum Place {
    InOrder,
    Reordered,
    Duplicate,
    /// Far off, and so far alone.
    Stray,
    /// The second in sequence far off: the sender has started anew.
    Restart,
}

impl Sequence {
    fn new(first: u16) -> Self {
        Self {
            lowest: i64::from(first),
            highest: i64::from(first),
            seen: 1,
            received: 1,
            duplicates: 0,
            reordered: 0,
            after_jump: None,
            expected_before: 0,
            arrived_before: 0,
        }
    }

    fn place(&mut self, sequence: u16) -> Place {
        let step = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
        if step >= DROPOUT_PACKETS || step <= -MISORDER_PACKETS {
            if self.after_jump == Some(sequence) {
                return Place::Restart;
            }
            self.after_jump = Some(sequence.wrapping_add(1));
            return Place::Stray;
        }
        self.after_jump = None;
        if step > 0 {
            self.highest += step;
            self.seen = self.seen.checked_shl(step as u32).unwrap_or(0) | 1;
            self.received += 1;
            return Place::InOrder;
        }
        let bit = 1 << -step;
        if self.seen & bit != 0 {
            self.duplicates += 1;
            return Place::Duplicate;
        }
        self.seen |= bit;
        self.received += 1;
        self.reordered += 1;
        self.lowest = self.lowest.min(self.highest + step);
        Place::Reordered
    }

    /// Never below `received`: every packet counted there has its own number in this range.
    fn expected(&self) -> u64 {
        (self.highest - self.lowest + 1) as u64
    }

    /// Packets arrived as RTCP counts them: with duplicates (RFC 3550 §6.4.1).
    fn arrived(&self) -> u64 {
        self.received + self.duplicates
    }

    fn cumulative_lost(&self) -> i32 {
        let lost = self.expected() as i64 - self.arrived() as i64;
        lost.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }

    /// Ends the interval: the share lost in it, in 1/256; none when nothing came.
    fn interval(&mut self) -> Option<u8> {
        let expected = self.expected() - self.expected_before;
        let arrived = self.arrived() - self.arrived_before;
        if arrived == 0 {
            return None;
        }
        self.expected_before = self.expected();
        self.arrived_before = self.arrived();
        let lost = expected.saturating_sub(arrived);
        // Something arrived, so less was lost than expected and the share is below 256.
        Some((lost << 8).checked_div(expected).unwrap_or(0) as u8)
    }
}

/// RFC 3550 §A.8, in nanoseconds.
#[derive(Debug, Default)]
struct Jitter {
    last: Option<(u32, u64)>,
    mean_ns: f64,
}

impl Jitter {
    fn note(&mut self, timestamp: u32, arrival_ns: u64) {
        let Some((last_timestamp, last_arrival_ns)) = self.last else {
            self.last = Some((timestamp, arrival_ns));
            return;
        };
        if timestamp == last_timestamp {
            // A telephone event's packets share the timestamp of its start; only the first is
            // sent at that time.
            return;
        }
        self.last = Some((timestamp, arrival_ns));
        let sent = i64::from(timestamp.wrapping_sub(last_timestamp) as i32) * NS_PER_UNIT;
        let came = arrival_ns.wrapping_sub(last_arrival_ns) as i64;
        let difference = came.wrapping_sub(sent).unsigned_abs();
        if difference <= JITTER_STEP_NS_MAX {
            self.mean_ns += (difference as f64 - self.mean_ns) / 16.0;
        }
    }
}

/// Counts what is sent to the peer of one leg, and keeps what the peer reports of it.
#[derive(Debug, Default)]
pub struct SendStats {
    packets: u64,
    bytes: u64,
    rtt_units: Option<u32>,
    remote: Option<Remote>,
}

#[derive(Clone, Copy, Debug)]
struct Remote {
    fraction_lost: u8,
    jitter: u32,
}

impl SendStats {
    /// Nothing sent yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a packet sent with this much payload.
    pub fn sent(&mut self, payload_bytes: usize) {
        self.packets += 1;
        self.bytes += payload_bytes as u64;
    }

    /// Packets sent.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Payload bytes sent.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What a sender report made at `unix_ns` says; `rtp_timestamp` is that moment's.
    pub fn sender_info(&self, unix_ns: u64, rtp_timestamp: u32) -> SenderInfo {
        let (packets, bytes) = (self.packets as u32, self.bytes as u32);
        SenderInfo { ntp: ntp_of_unix_ns(unix_ns), rtp_timestamp, packets, bytes }
    }

    /// Takes a block about our SSRC that came at `now_ntp_middle_32`: the middle of the NTP time
    /// on the clock of [`SendStats::sender_info`].
    pub fn report_about_us(&mut self, block: &ReportBlock, now_ntp_middle_32: u32) {
        self.remote = Some(Remote { fraction_lost: block.fraction_lost, jitter: block.jitter });
        if block.last_sr == 0 {
            return; // The peer has had no report of ours yet.
        }
        let away = now_ntp_middle_32.wrapping_sub(block.last_sr);
        let trip = away.wrapping_sub(block.delay_since_last_sr) as i32;
        if (-RTT_UNITS_BELOW_ZERO_MAX..=RTT_UNITS_MAX).contains(&trip) {
            self.rtt_units = Some(trip.max(0) as u32);
        }
    }

    /// The last round-trip time, in milliseconds; none before the peer has answered a report.
    pub fn rtt_ms(&self) -> Option<f64> {
        self.rtt_units.map(|units| f64::from(units) * 1_000.0 / 65_536.0)
    }

    /// Share of our packets that the peer missed in its last interval, 0 to 1.
    pub fn remote_loss(&self) -> Option<f64> {
        self.remote.map(|remote| f64::from(remote.fraction_lost) / 256.0)
    }

    /// Jitter that the peer last reported, in milliseconds.
    pub fn remote_jitter_ms(&self) -> Option<f64> {
        self.remote.map(|r| f64::from(r.jitter) * 1_000.0 / f64::from(TELEPHONE_RATE_HZ))
    }
}
