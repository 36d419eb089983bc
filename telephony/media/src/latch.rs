//! Symmetric RTP: from whom audio is taken and to whom it is sent.
//!
//! SDP says where the peer expects audio, but behind a NAT its packets come from elsewhere. The
//! first plausible source is taken, the announced address before any other, and then nobody else:
//! a stranger who finds the port is neither heard nor recorded.

use std::net::SocketAddr;

/// Packets in sequence that a source other than the announced address must send to be believed.
const NAT_PACKETS_MIN: u32 = 3;
/// Until this many packets the announced address may still take over from such a source.
const NAT_TAKEOVER_PACKETS_MAX: u32 = 50;

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// From the peer.
    Accept,
    /// From a source that has not yet proven itself; not heard.
    Probation,
    /// From somebody else; not heard, counted.
    Stranger,
}

/// The source of one leg's audio.
#[derive(Clone, Copy, Debug)]
pub struct Latch {
    announced: SocketAddr,
    locked: Option<SocketAddr>,
    accepted: u32,
    candidate: Option<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    in_a_row: u32,
}

impl Latch {
    /// Open, expecting the address of the peer's SDP.
    pub fn new(announced: SocketAddr) -> Self {
        Self { announced, locked: None, accepted: 0, candidate: None }
    }

    /// Takes a new SDP: another address opens the latch again, the same one changes nothing.
    pub fn announce(&mut self, announced: SocketAddr) {
        if announced != self.announced {
            *self = Self::new(announced);
        }
    }

    /// Where to send: the source heard, or the announced address until there is one.
    pub fn destination(&self) -> SocketAddr {
        self.locked.unwrap_or(self.announced)
    }

    /// Judges a well-formed packet whose payload type was negotiated.
    pub fn judge(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        if self.locked == Some(from) {
            self.accepted = self.accepted.saturating_add(1);
            return Verdict::Accept;
        }
        let expected = from.ip() == self.announced.ip();
        match self.locked {
            None if expected => self.lock(from),
            None => self.try_candidate(from, ssrc, sequence),
            Some(held) if expected && self.may_take_over(held) => self.lock(from),
            Some(_) => Verdict::Stranger,
        }
    }

    fn may_take_over(&self, held: SocketAddr) -> bool {
        held.ip() != self.announced.ip() && self.accepted < NAT_TAKEOVER_PACKETS_MAX
    }

    fn lock(&mut self, from: SocketAddr) -> Verdict {
        self.locked = Some(from);
        self.accepted = 1;
        self.candidate = None;
        Verdict::Accept
    }

    fn try_candidate(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        let follows = |c: &Candidate| {
            c.from == from && c.ssrc == ssrc && c.sequence.wrapping_add(1) == sequence
        };
        let in_a_row = self.candidate.filter(follows).map_or(1, |c| c.in_a_row + 1);
        if in_a_row >= NAT_PACKETS_MIN {
            return self.lock(from);
        }
        self.candidate = Some(Candidate { from, ssrc, sequence, in_a_row });
        Verdict::Probation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_announced_host_is_taken_at_once_and_then_nobody_else() {
        let mut latch = Latch::new(at("192.0.2.1:4000"));
        assert_eq!(latch.judge(at("192.0.2.1:4002"), 1, 1), Verdict::Accept);
        assert_eq!(latch.destination(), at("192.0.2.1:4002"));
        assert_eq!(latch.judge(at("198.51.100.9:4002"), 1, 2), Verdict::Stranger);
        assert_eq!(latch.judge(at("192.0.2.1:9999"), 1, 2), Verdict::Stranger);
    }

    #[test]
    fn a_source_behind_a_nat_is_taken_after_three_packets_in_sequence() {
        let mut latch = Latch::new(at("10.0.0.5:4000"));
        let nat = at("198.51.100.9:61000");
        assert_eq!(latch.judge(nat, 1, u16::MAX), Verdict::Probation);
        assert_eq!(latch.judge(nat, 1, 0), Verdict::Probation);
        assert_eq!(latch.destination(), at("10.0.0.5:4000"));
        assert_eq!(latch.judge(nat, 1, 1), Verdict::Accept);
        assert_eq!(latch.destination(), nat);
    }

    #[test]
    fn the_announced_host_takes_over_early_but_not_late() {
        let (nat, own) = (at("198.51.100.9:61000"), at("192.0.2.1:4000"));
        for (packets, expected) in [(5, Verdict::Accept), (100, Verdict::Stranger)] {
            let mut latch = Latch::new(own);
            for sequence in 0..packets {
                latch.judge(nat, 1, sequence);
            }
            assert_eq!(latch.judge(own, 2, 0), expected, "after {packets} packets");
        }
    }

    #[test]
    fn only_a_new_address_reopens_the_latch() {
        let mut latch = Latch::new(at("192.0.2.1:4000"));
        latch.judge(at("192.0.2.1:4002"), 1, 1);
        latch.announce(at("192.0.2.1:4000"));
        assert_eq!(latch.destination(), at("192.0.2.1:4002"));
        latch.announce(at("192.0.2.7:5000"));
        assert_eq!(latch.destination(), at("192.0.2.7:5000"));
    }
}
