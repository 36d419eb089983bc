//! Our address as a peer should see it.

use ipnet::IpNet;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::sys::socket::SockaddrStorage;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Peers whose interface is remembered, at most; then all are forgotten, so that strangers can
/// cost us no more than a lookup each.
const PEERS_MAX: usize = 4_096;

/// Chooses the address for Via, Contact and the session description.
pub(super) struct LocalIp {
    advertised: Option<IpAddr>,
    by_peer: HashMap<IpAddr, Seen>,
}

/// What is known of a peer.
#[derive(Clone, Copy)]
struct Seen {
    /// The address of the interface that reaches it.
    interface: Option<IpAddr>,
    /// Whether it is on this side of the NAT.
    is_near: bool,
}

impl LocalIp {
    pub(super) fn new(advertised: Option<IpAddr>) -> Self {
        Self { advertised, by_peer: HashMap::new() }
    }

    /// The advertised address, but for peers on this machine and its own networks: to them it leads nowhere. Else
    /// the bound one, else that of the interface that reaches the peer; with the bound port.
    pub(super) fn seen_by(&mut self, peer: IpAddr, bound: SocketAddr) -> SocketAddr {
        let own = |seen: Seen| match bound.ip() {
            ip if ip.is_unspecified() => seen.interface.unwrap_or(ip),
            ip => ip,
        };
        let ip = match self.advertised {
            None if !bound.ip().is_unspecified() => bound.ip(),
            None => own(self.look(peer)),
            Some(public) => match self.look(peer) {
                seen if seen.is_near => own(seen),
                _ => public,
            },
        };
        SocketAddr::new(ip, bound.port())
    }

    fn look(&mut self, peer: IpAddr) -> Seen {
        if let Some(seen) = self.by_peer.get(&peer) {
            return *seen;
        }
        let is_near = self.advertised.is_some() && is_on_own_network(peer);
        let seen = Seen { interface: interface_to(peer), is_near };
        if seen.interface.is_some() {
            if self.by_peer.len() >= PEERS_MAX {
                self.by_peer.clear();
            }
            self.by_peer.insert(peer, seen);
        }
        seen
    }
}

/// Whether an address is this machine's, or of a network that one of its interfaces is in.
pub fn is_on_own_network(peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    if peer.is_loopback() {
        return true;
    }
    let Ok(interfaces) = getifaddrs() else { return false };
    interfaces.filter_map(|interface| network(&interface)).any(|network| network.contains(&peer))
}

fn network(interface: &InterfaceAddress) -> Option<IpNet> {
    let ip = |address: Option<SockaddrStorage>| {
        let address = address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    let network = IpNet::with_netmask(ip(interface.address)?, ip(interface.netmask)?).ok()?;
    // One that holds everybody tells nothing.
    (network.prefix_len() > 0).then_some(network)
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
        let public: IpAddr = "203.0.113.7".parse().unwrap();
        let mut local = LocalIp::new(Some(public));
        // Whoever is outside is told the advertised address, whoever calls from this machine its own.
        assert_eq!(local.seen_by("198.51.100.9".parse().unwrap(), bound).ip(), public);
        assert_eq!(local.seen_by(loopback, bound).ip(), loopback);
        let bound = "127.0.0.5:5060".parse().unwrap();
        assert_eq!(local.seen_by(loopback, bound), bound);
    }

    #[test]
    fn every_address_of_this_machine_is_on_its_own_networks() {
        for interface in getifaddrs().unwrap() {
            if let Some(network) = network(&interface) {
                assert!(is_on_own_network(network.addr()), "{network}");
            }
        }
        assert!(is_on_own_network("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!is_on_own_network("198.51.100.9".parse().unwrap()));
    }
}
