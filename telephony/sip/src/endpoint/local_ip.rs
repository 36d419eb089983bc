//! Our address as a peer should see it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Peers whose interface is remembered, at most; then all are forgotten, so that strangers can
/// cost us no more than a lookup each.
const PEERS_MAX: usize = 4_096;

/// Chooses the address for Via, Contact and the session description.
pub(super) struct LocalIp {
    advertised: Option<IpAddr>,
    by_peer: HashMap<IpAddr, IpAddr>,
}

impl LocalIp {
    pub(super) fn new(advertised: Option<IpAddr>) -> Self {
        Self { advertised, by_peer: HashMap::new() }
    }

    /// The advertised address, else the bound one, else that of the interface that reaches the
    /// peer; with the bound port.
    pub(super) fn seen_by(&mut self, peer: IpAddr, bound: SocketAddr) -> SocketAddr {
        let ip = match self.advertised {
            Some(ip) => ip,
            None if bound.ip().is_unspecified() => self.interface(peer).unwrap_or(bound.ip()),
            None => bound.ip(),
        };
        SocketAddr::new(ip, bound.port())
    }

    fn interface(&mut self, peer: IpAddr) -> Option<IpAddr> {
        if let Some(ip) = self.by_peer.get(&peer) {
            return Some(*ip);
        }
        let ip = interface_to(peer)?;
        if self.by_peer.len() >= PEERS_MAX {
            self.by_peer.clear();
        }
        self.by_peer.insert(peer, ip);
        Some(ip)
    }
}

/// Connecting a UDP socket sends nothing but makes the kernel choose the route.
fn interface_to(peer: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((peer, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_resolved_for_the_peer() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        let bound = "0.0.0.0:5060".parse().unwrap();
        let mut local = LocalIp::new(None);
        assert_eq!(local.seen_by(loopback, bound), "127.0.0.1:5060".parse().unwrap());
        let public = "203.0.113.7".parse().unwrap();
        let mut local = LocalIp::new(Some(public));
        assert_eq!(local.seen_by(loopback, bound).ip(), public);
    }
}
