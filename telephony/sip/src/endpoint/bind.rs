//! Opening the sockets.

use super::EndpointConfig;
use super::tls::{self, TlsError};
use crate::transport::Transport;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsConnector;

/// Kernel buffer asked for in each direction of a UDP socket, in bytes; the kernel may give less.
pub const UDP_BUFFER_BYTES: usize = 4 << 20;

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
    /// TLS is wanted without a certificate.
    #[error("SIP over {0} needs a certificate: set its PEM file and that of its key")]
    NoIdentity(Transport),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
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
    /// For every transport but UDP, with their addresses.
    pub(super) listeners: Vec<(Transport, TcpListener, SocketAddr)>,
    pub(super) bound: Vec<(Transport, SocketAddr)>,
    /// What the kernel granted the least of the UDP sockets to receive into, in bytes.
    pub(super) udp_receive_bytes: usize,
    pub(super) identity: Option<(tls::Identity, tls::Renewal)>,
    pub(super) connector: TlsConnector,
}

pub(super) fn bind(config: &EndpointConfig) -> Result<Sockets, BindError> {
    let streams = [
        (Transport::Tcp, &config.tcp),
        (Transport::Tls, &config.tls),
        (Transport::Ws, &config.ws),
        (Transport::Wss, &config.wss),
    ];
    let streams: Vec<(Transport, SocketAddr)> = streams
        .into_iter()
        .flat_map(|(transport, addresses)| addresses.iter().map(move |at| (transport, *at)))
        .collect();
    if config.udp.is_empty() && streams.is_empty() {
        return Err(BindError::NoAddress);
    }
    let secure = streams.iter().find(|(transport, _)| transport.is_secure());
    if let (Some((transport, _)), None) = (secure, &config.tls_identity) {
        return Err(BindError::NoIdentity(*transport));
    }
    let mut sockets = Sockets {
        udp: Vec::new(),
        listeners: Vec::new(),
        bound: Vec::new(),
        udp_receive_bytes: usize::MAX,
        identity: config.tls_identity.clone().map(tls::Identity::new).transpose()?,
        connector: tls::connector(config.tls_ca.as_deref())?,
    };
    let refused =
        |transport, address| move |source| BindError::Address { transport, address, source };
    for &address in &config.udp {
        let refused = refused(Transport::Udp, address);
        let socket = udp(address).map_err(refused)?;
        let local = socket.local_addr().map_err(refused)?;
        let granted = SockRef::from(&socket).recv_buffer_size().map_err(refused)?;
        sockets.udp_receive_bytes = sockets.udp_receive_bytes.min(granted);
        sockets.bound.push((Transport::Udp, local));
        sockets.udp.push(socket);
    }
    for (transport, address) in streams {
        let refused = refused(transport, address);
        let listener = tcp(address).map_err(refused)?;
        let local = listener.local_addr().map_err(refused)?;
        sockets.bound.push((transport, local));
        sockets.listeners.push((transport, listener, local));
    }
    if sockets.udp.is_empty() {
        sockets.udp_receive_bytes = 0;
    } else if sockets.udp_receive_bytes < UDP_BUFFER_BYTES {
        tracing::info!(
            granted_bytes = sockets.udp_receive_bytes,
            wanted_bytes = UDP_BUFFER_BYTES,
            "the kernel gives SIP less room for a burst of datagrams: raise net.core.rmem_max"
        );
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
