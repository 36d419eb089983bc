//! What a leg and its peer report to each other, and the leg's own books.

use super::{Leg, Tick, times};
use crate::emodel::{self, Impairment};
use crate::event::LegReport;
use crate::net::Datagram;
use crate::rtcp::{self, ReportBlock};
use crate::stats::ntp_of_unix_ns;
use qingting_common::limits::TICK_MS;
use std::net::SocketAddr;

/// Interval of RTCP reports (RFC 3550 §6.2 minimum), varied by half either way.
pub(super) const REPORT_INTERVAL_NS: u64 = 5_000_000_000;

impl Leg {
    pub(super) fn books(&self) -> LegReport {
        let stats = self.hearing.stats();
        let received = stats.received();
        let lost = stats.lost();
        let expected = received + lost;
        let playout_ms = self.hearing.playout_ms();
        let rtt_ms = self.sending.stats().rtt_ms();
        let unheard = (lost + self.hearing.late()).min(expected) as f64;
        let impairment = Impairment {
            delay_ms: rtt_ms.unwrap_or(0.0) / 2.0 + f64::from(playout_ms + TICK_MS),
            loss: if expected == 0 { 0.0 } else { unheard / expected as f64 },
        };
        LegReport {
            packets_sent: self.sending.stats().packets(),
            packets_received: received,
            packets_lost: lost,
            packets_late: self.hearing.late(),
            packets_duplicate: stats.duplicates(),
            packets_stranger: self.strangers,
            packets_refused: self.transport.as_ref().map_or(0, |transport| transport.refused()),
            jitter_ms: stats.jitter_ms(),
            rtt_ms,
            playout_ms,
            mos: (received > 0).then(|| emodel::mos(impairment)),
            duration_ms: self.ticks * u64::from(TICK_MS),
            recogniser_ticks_dropped: self.recogniser_dropped,
            recording: None,
            track: None,
        }
    }

    /// Takes a report; `authentic` is one that was made with the peer's keys.
    pub(super) fn take_report(&mut self, datagram: Datagram<'_>, authentic: bool, tick: Tick) {
        let Some(remote) = &self.remote else { return };
        let known = [remote.media.rtcp.ip(), remote.latch.destination().ip()];
        if !authentic && !known.contains(&datagram.from.ip()) {
            return;
        }
        let arrival_ns = times(&datagram, tick).arrival_ns;
        // A block tells how long ago the peer got our report: counted from when the block came.
        let unix_ns = datagram.arrival_unix_ns.map_or(tick.unix_ns, |came| came.min(tick.unix_ns));
        let middle = (ntp_of_unix_ns(unix_ns) >> 16) as u32;
        for item in rtcp::parse(datagram.bytes).map_while(Result::ok) {
            match item {
                rtcp::Item::SenderReport { info, .. } => {
                    let stats = self.hearing.stats_mut();
                    stats.sender_report((info.ntp >> 16) as u32, arrival_ns);
                }
                rtcp::Item::Block { block, .. } if block.ssrc == self.sending.ssrc() => {
                    self.sending.stats_mut().report_about_us(&block, middle);
                }
                _ => {}
            }
        }
    }

    pub(super) fn report(&mut self, tick: Tick, bye: bool) {
        let heard_from = self.destination(tick.now_ns);
        let Some(remote) = &self.remote else { return };
        // Until the peer has agreed to be sent to, or is heard, its address is only a claim.
        let agreed = remote.media.send || self.hearing.stats().received() > 0;
        let Some(heard_from) = heard_from.filter(|_| agreed) else {
            self.next_report_ns = tick.now_ns + REPORT_INTERVAL_NS;
            return;
        };
        let timestamp = self.sending.timestamp(remote.media.codec, self.sample_index());
        let stats = self.sending.stats();
        let sender = (stats.packets() > 0).then(|| stats.sender_info(tick.unix_ns, timestamp));
        let units = remote.media.codec.units_per_sample();
        let block = self.hearing.stats_mut().block(tick.now_ns);
        let block = block.map(|block| ReportBlock { jitter: block.jitter * units, ..block });
        let mut bytes = [0; rtcp::RTCP_BYTES_MAX];
        let ssrc = self.sending.ssrc();
        let length = rtcp::write_compound(&mut bytes, ssrc, &self.parts.cname, sender, block, bye);
        let media = &remote.media;
        // Behind a NAT the RTCP address is as wrong as the RTP one: keep its port, take the IP heard.
        let (socket, to) = if media.rtcp_mux {
            (&*self.parts.sockets.rtp, heard_from)
        } else if heard_from == media.rtp {
            (&self.parts.sockets.rtcp, media.rtcp)
        } else {
            let port = heard_from.port().saturating_add(1);
            (&self.parts.sockets.rtcp, SocketAddr::new(heard_from.ip(), port))
        };
        let plain = &bytes[..length];
        let secured = self.transport.as_mut().filter(|transport| transport.is_secured());
        if let Some(report) = secured.map_or(Some(plain), |secured| secured.protect(plain)) {
            // Reports are repeated; a lost one is made good by the next.
            let _ = socket.send_to(report, to);
        }
        // Varied between half and one and a half intervals (RFC 3550 §6.3.1).
        let dice = u64::from(ssrc.wrapping_mul(2_654_435_761).wrapping_add(timestamp));
        self.next_report_ns = tick.now_ns + REPORT_INTERVAL_NS / 2 + dice % REPORT_INTERVAL_NS;
    }
}
