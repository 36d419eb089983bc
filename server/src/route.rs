//! Which of this machine's addresses leads somewhere.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Nobody's address (RFC 5737): the way there is that of the main interface.
pub const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The address that packets to there leave from. Connecting a UDP socket sends nothing; it asks the routing table.
pub fn towards(to: IpAddr) -> Option<IpAddr> {
    let any =
        if to.is_ipv4() { SocketAddr::from(([0, 0, 0, 0], 0)) } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect((to, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
