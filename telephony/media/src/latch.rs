//! Symmetric RTP: from whom audio is taken and to whom it is sent.
//!
//! SDP says where the peer expects audio, but behind a NAT its packets come from elsewhere: from where its
//! signalling comes. The first plausible source is taken and then nobody else, but for the announced address,
//! which always takes its place. Some networks send audio from a third host: it is heard after two seconds in
//! which nobody else spoke, and is sent nothing. So a stranger who sprays all ports before the peer speaks gets no
//! audio where the peer's signalling is known.

use std::net::{IpAddr, SocketAddr};

/// Packets in sequence that a source other than the announced address must send to be believed.
const NAT_PACKETS_MIN: u32 = 3;
/// The same of a host that the peer's signalling does not come from: two seconds of it.
const FOREIGN_PACKETS_MIN: u32 = 100;

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
    /// The host that the peer's signalling comes from, where it is known.
    source: Option<IpAddr>,
    locked: Option<SocketAddr>,
    /// Who may come to be believed: the host of the signalling, and a third one, which cannot push it out.
    candidates: [Option<Candidate>; 2],
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    in_a_row: u32,
}

impl Latch {
    /// Open, expecting the address of the peer's SDP, or the host that its signalling comes from; any host behind a
    /// NAT where that is not known.
    pub fn new(announced: SocketAddr, source: Option<IpAddr>) -> Self {
        Self { announced, source, locked: None, candidates: [None; 2] }
    }

    /// Takes a new SDP: another address opens the latch again, the same one changes nothing.
    pub fn announce(&mut self, announced: SocketAddr) {
        if announced != self.announced {
            // It may have changed its network, and with it the host that it signals from.
            *self = Self::new(announced, None);
        }
    }

    /// Where to send: the source heard, or the announced address until there is one, and where it is a third host.
    pub fn destination(&self) -> SocketAddr {
        let is_peer = |from: &SocketAddr| from.ip() == self.announced.ip() || self.is_source(*from);
        self.locked.filter(is_peer).unwrap_or(self.announced)
    }

    /// Whether the peer's signalling comes from there, as far as is known.
    fn is_source(&self, from: SocketAddr) -> bool {
        self.source.is_none_or(|source| source == from.ip())
    }

    /// Judges a well-formed packet whose payload type was negotiated.
    pub fn judge(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        if self.locked == Some(from) {
            return Verdict::Accept;
        }
        let expected = from.ip() == self.announced.ip();
        match self.locked {
            None if expected => self.lock(from),
            None => self.try_candidate(from, ssrc, sequence),
            Some(held) if expected && held.ip() != self.announced.ip() => self.lock(from),
            Some(_) => Verdict::Stranger,
        }
    }

    fn lock(&mut self, from: SocketAddr) -> Verdict {
        self.locked = Some(from);
        self.candidates = [None; 2];
        Verdict::Accept
    }

    fn try_candidate(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        let follows = |c: &Candidate| {
            c.from == from && c.ssrc == ssrc && c.sequence.wrapping_add(1) == sequence
        };
        let (place, wanted) = match self.is_source(from) {
            true => (0, NAT_PACKETS_MIN),
            false => (1, FOREIGN_PACKETS_MIN),
        };
        let in_a_row = self.candidates[place].filter(follows).map_or(1, |c| c.in_a_row + 1);
        if in_a_row >= wanted {
            return self.lock(from);
        }
        self.candidates[place] = Some(Candidate { from, ssrc, sequence, in_a_row });
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
        let mut latch = Latch::new(at("192.0.2.1:4000"), None);
        assert_eq!(latch.judge(at("192.0.2.1:4002"), 1, 1), Verdict::Accept);
        assert_eq!(latch.destination(), at("192.0.2.1:4002"));
        assert_eq!(latch.judge(at("198.51.100.9:4002"), 1, 2), Verdict::Stranger);
        assert_eq!(latch.judge(at("192.0.2.1:9999"), 1, 2), Verdict::Stranger);
    }

    #[test]
    fn a_source_behind_a_nat_is_taken_after_three_packets_in_sequence() {
        let mut latch = Latch::new(at("10.0.0.5:4000"), None);
        let nat = at("198.51.100.9:61000");
        assert_eq!(latch.judge(nat, 1, u16::MAX), Verdict::Probation);
        assert_eq!(latch.judge(nat, 1, 0), Verdict::Probation);
        assert_eq!(latch.destination(), at("10.0.0.5:4000"));
        assert_eq!(latch.judge(nat, 1, 1), Verdict::Accept);
        assert_eq!(latch.destination(), nat);
    }

    #[test]
    fn the_announced_host_takes_over_however_late_and_keeps_its_place() {
        let (nat, own) = (at("198.51.100.9:61000"), at("192.0.2.1:4000"));
        let mut latch = Latch::new(own, None);
        for sequence in 0..500 {
            latch.judge(nat, 1, sequence);
        }
        assert_eq!(latch.destination(), nat);
        assert_eq!(latch.judge(own, 2, 0), Verdict::Accept);
        assert_eq!(latch.destination(), own);
        assert_eq!(latch.judge(nat, 1, 500), Verdict::Stranger);
    }

    #[test]
    fn a_host_that_its_signalling_does_not_come_from_is_heard_late_and_sent_nothing() {
        let (third, source) = (at("198.51.100.9:61000"), at("203.0.113.7:33000"));
        let own = at("10.0.0.5:4000");
        let mut latch = Latch::new(own, Some(source.ip()));
        for sequence in 0..99 {
            assert_eq!(latch.judge(third, 1, sequence), Verdict::Probation);
        }
        assert_eq!(latch.judge(third, 1, 99), Verdict::Accept);
        assert_eq!(latch.destination(), own);
        assert_eq!(latch.judge(own, 2, 0), Verdict::Accept);
        assert_eq!(latch.judge(third, 1, 100), Verdict::Stranger);
    }

    #[test]
    fn the_host_of_its_signalling_is_heard_at_once_although_another_sprays() {
        let (third, source) = (at("198.51.100.9:61000"), at("203.0.113.7:33000"));
        let mut latch = Latch::new(at("10.0.0.5:4000"), Some(source.ip()));
        let heard: Vec<Verdict> = (0..3)
            .map(|sequence| {
                assert_eq!(latch.judge(third, 1, sequence), Verdict::Probation);
                latch.judge(source, 2, sequence)
            })
            .collect();
        assert_eq!(heard, [Verdict::Probation, Verdict::Probation, Verdict::Accept]);
        assert_eq!(latch.destination(), source);
    }

    #[test]
    fn who_changes_its_network_is_heard_from_there() {
        let (before, after) = (at("203.0.113.7:33000"), at("198.51.100.9:61000"));
        let mut latch = Latch::new(at("10.0.0.5:4000"), Some(before.ip()));
        for sequence in 0..3 {
            latch.judge(before, 1, sequence);
        }
        latch.announce(at("10.9.0.8:4000"));
        let heard: Vec<Verdict> = (3..6).map(|sequence| latch.judge(after, 1, sequence)).collect();
        assert_eq!(heard, [Verdict::Probation, Verdict::Probation, Verdict::Accept]);
    }

    #[test]
    fn only_a_new_address_reopens_the_latch() {
        let mut latch = Latch::new(at("192.0.2.1:4000"), None);
        latch.judge(at("192.0.2.1:4002"), 1, 1);
        latch.announce(at("192.0.2.1:4000"));
        assert_eq!(latch.destination(), at("192.0.2.1:4002"));
        latch.announce(at("192.0.2.7:5000"));
        assert_eq!(latch.destination(), at("192.0.2.7:5000"));
    }
}
