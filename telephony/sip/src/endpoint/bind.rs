//! Opening the sockets.

use super::EndpointConfig;
use crate::transport::Transport;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tokio::net::{TcpListener, UdpSocket};

/// Kernel buffer asked for in each direction of a UDP socket, in bytes; the kernel may give less.
const UDP_BUFFER_BYTES: usize = 4 << 20;

/// Connections that the kernel has accepted and we have not.
const TCP_BACKLOG: i32 = 1_024;

/// Why an endpoint could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address could not be bound.
    #[error("cannot listen for SIP on {transport} {address}: {}", remedy(source, *transport))]
    Address {
        /// Protocol.
        transport: Transport,
        /// Address as configured.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The configuration names no address.
    #[error("no address to listen on for SIP: set sip.listen_udp or sip.listen_tcp")]
    NoAddress,
}

fn remedy(error: &io::Error, transport: Transport) -> String {
    let key = format!("sip.listen_{transport}");
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!("another program listens there; stop it or change {key}")
        }
        ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address; change {key}")
        }
        ErrorKind::PermissionDenied => {
            format!("this user may not listen there; use a port above 1023 in {key}")
        }
        _ => format!("the system refuses it; check {key}"),
    }
}

/// What was opened.
pub(super) struct Sockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
    pub(super) bound: Vec<(Transport, SocketAddr)>,
}

pub(super) fn bind(config: &EndpointConfig) -> Result<Sockets, BindError> {
    if config.udp.is_empty() && config.tcp.is_empty() {
        return Err(BindError::NoAddress);
    }
    let mut sockets = Sockets { udp: Vec::new(), tcp: Vec::new(), bound: Vec::new() };
    let refused =
        |transport, address| move |source| BindError::Address { transport, address, source };
    for &address in &config.udp {
        let refused = refused(Transport::Udp, address);
        let socket = udp(address).map_err(refused)?;
        let local = socket.local_addr().map_err(refused)?;
        sockets.bound.push((Transport::Udp, local));
        sockets.udp.push(socket);
    }
    for &address in &config.tcp {
        let refused = refused(Transport::Tcp, address);
        let listener = tcp(address).map_err(refused)?;
        let local = listener.local_addr().map_err(refused)?;
        sockets.bound.push((Transport::Tcp, local));
        sockets.tcp.push(listener);
    }
    Ok(sockets)
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(UDP_BUFFER_BYTES)?;
    socket.set_send_buffer_size(UDP_BUFFER_BYTES)?;
    prepare(&socket, address)?;
    UdpSocket::from_std(socket.into())
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    prepare(&socket, address)?;
    socket.listen(TCP_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        // Lest [::] takes 0.0.0.0 too, which may be configured beside it.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_named_with_its_remedy() {
        let error = BindError::Address {
            transport: Transport::Udp,
            address: "0.0.0.0:5060".parse().unwrap(),
            source: ErrorKind::AddrInUse.into(),
        };
        assert_eq!(
            error.to_string(),
            "cannot listen for SIP on udp 0.0.0.0:5060: another program listens there; stop it \
             or change sip.listen_udp"
        );
    }
}
