//! The way out: datagrams and connections.

use super::driver::Driver;
use super::places::{Places, Standing};
use super::stream::{
    self, CONNECTIONS_PER_SOURCE_MAX, FIRST_MESSAGE_MAX, IDLE_MAX, StreamEvent, WRITES_MAX,
};
use super::tls;
use crate::agent::{Origin, Outbound};
use crate::recent::source_of;
use crate::transport::{Flow, Link, Transport};
use bytes::Bytes;
use socket2::SockRef;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// The connections of a driver.
#[derive(Default)]
pub(super) struct Connections {
    by_link: HashMap<Link, Connection>,
    /// The latest connection to each address.
    by_remote: HashMap<(Transport, SocketAddr), Link>,
    by_source: HashMap<IpAddr, usize>,
    /// Who makes room first.
    places: Places,
    max: usize,
    /// Within TLS, and of browsers.
    secure: usize,
    web: usize,
}

struct Connection {
    transport: Transport,
    writes: mpsc::Sender<Bytes>,
    remote: SocketAddr,
    /// Our address as the peer should see it.
    local: SocketAddr,
    /// Who waits for a connection that does not stand yet, to be told if it never will.
    waiting: Vec<Origin>,
    /// We made it, or its peer is vouched for.
    is_vouched_for: bool,
    task: AbortHandle,
}

impl Connections {
    /// None yet, and so many at once, at most.
    pub(super) fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_link.len()
    }

    /// Connections within TLS, and of browsers.
    pub(super) const fn kinds(&self) -> (usize, usize) {
        (self.secure, self.web)
    }

    fn of_source(&self, ip: IpAddr) -> usize {
        self.by_source.get(&source_of(ip)).copied().unwrap_or_default()
    }

    /// The way of what came by a connection.
    pub(super) fn flow(&self, link: Link) -> Option<Flow> {
        let connection = self.by_link.get(&link)?;
        Some(Flow {
            transport: connection.transport,
            link: Some(link),
            local: connection.local,
            remote: connection.remote,
        })
    }

    pub(super) fn stands(&mut self, link: Link) {
        if let Some(connection) = self.by_link.get_mut(&link) {
            connection.waiting.clear();
        }
    }

    /// Forgets a connection: its task writes what is queued and ends. Who waited is returned.
    pub(super) fn close(&mut self, link: Link) -> Vec<Origin> {
        let Some(connection) = self.by_link.remove(&link) else { return Vec::new() };
        self.places.remove(link);
        let key = (connection.transport, connection.remote);
        if self.by_remote.get(&key) == Some(&link) {
            self.by_remote.remove(&key);
        }
        let source = source_of(connection.remote.ip());
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
        self.secure -= usize::from(connection.transport.is_secure());
        self.web -= usize::from(connection.transport.is_web());
        connection.waiting
    }

    /// Queues a message.
    fn write(&mut self, link: Link, outbound: &Outbound) -> Result<(), ()> {
        let connection = self.by_link.get_mut(&link).ok_or(())?;
        connection.writes.try_send(outbound.bytes.clone()).map_err(|_| ())?;
        if !connection.waiting.is_empty() && outbound.origin != Origin::Nobody {
            connection.waiting.push(outbound.origin);
        }
        Ok(())
    }

    fn insert(&mut self, link: Link, connection: Connection) {
        let is_known = connection.is_vouched_for;
        self.places.set(link, if is_known { Standing::Known } else { Standing::Silent });
        self.by_remote.insert((connection.transport, connection.remote), link);
        *self.by_source.entry(source_of(connection.remote.ip())).or_default() += 1;
        self.secure += usize::from(connection.transport.is_secure());
        self.web += usize::from(connection.transport.is_web());
        self.by_link.insert(link, connection);
    }
}

impl Driver {
    pub(super) fn send(&mut self, outbound: &Outbound) {
        self.tracer.keep(&outbound.bytes, outbound.flow, true);
        let sent = match outbound.flow.transport {
            Transport::Udp => self.send_datagram(outbound),
            _ => self.send_by_stream(outbound),
        };
        if sent.is_err() {
            self.counts.unsent += 1;
            self.agent.send_failed(self.clock.now(), outbound.origin);
        }
    }

    /// A socket that is full loses the datagram like any router would: retransmission repairs it.
    fn send_datagram(&mut self, outbound: &Outbound) -> Result<(), ()> {
        let to = outbound.flow.remote;
        let by_link = outbound.flow.link.and_then(|link| usize::try_from(link.0).ok());
        let socket = by_link
            .and_then(|at| self.udp.get(at))
            .or_else(|| self.udp.iter().find(|socket| socket.bound.is_ipv4() == to.is_ipv4()));
        let socket = SockRef::from(&socket.ok_or(())?.socket);
        // Not by tokio's try_send_to: that knows whether a socket is writable only after waiting
        // for it, and would lose the first datagram of each socket.
        match socket.send_to(&outbound.bytes, &to.into()) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.counts.unsent += 1;
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, "cannot send a SIP datagram");
                Err(())
            }
        }
    }

    fn send_by_stream(&mut self, outbound: &Outbound) -> Result<(), ()> {
        let connections = &mut self.connections;
        let by_link = outbound.flow.link.filter(|link| connections.by_link.contains_key(link));
        let key = (outbound.flow.transport, outbound.flow.remote);
        let by_remote = connections.by_remote.get(&key).copied();
        // Nobody is called by WebSocket.
        let dial = outbound.dial && !outbound.flow.transport.is_web();
        match by_link.or(by_remote.filter(|_| outbound.dial)) {
            Some(link) => {
                let written = connections.write(link, outbound);
                if written.is_err() {
                    // The peer does not read.
                    self.counts.connections_refused += 1;
                    self.close(link);
                }
                written
            }
            None if dial && self.make_room() => {
                self.dial(outbound);
                Ok(())
            }
            None => Err(()),
        }
    }

    /// Makes a connection for a message; messages that follow wait in its queue.
    fn dial(&mut self, outbound: &Outbound) {
        let Flow { transport, local, remote, .. } = outbound.flow;
        let tls = transport.is_secure().then(|| self.tls_to(remote));
        let link = self.next_link();
        let (writes, queue) = mpsc::channel(WRITES_MAX);
        // A queue that was just made has room.
        let _ = writes.try_send(outbound.bytes.clone());
        let waiting = vec![outbound.origin];
        let ends = (local.ip(), remote);
        let task = self.tasks.spawn(stream::dial(link, ends, tls, queue, self.to_driver.clone()));
        let is_vouched_for = true;
        self.connections.insert(
            link,
            Connection { transport, writes, remote, local, waiting, is_vouched_for, task },
        );
    }

    /// How TLS begins with a peer: its certificate is to have the name that led to its address.
    fn tls_to(&self, remote: SocketAddr) -> (TlsConnector, ServerName<'static>) {
        let name =
            self.names.peek(&remote).and_then(|name| ServerName::try_from(name.clone()).ok());
        (self.connector.clone(), name.unwrap_or_else(|| ServerName::from(remote.ip())))
    }

    /// Takes a connection that was made to us.
    fn accept(
        &mut self,
        transport: Transport,
        stream: TcpStream,
        remote: SocketAddr,
        bound: SocketAddr,
    ) {
        let crowded = self.connections.of_source(remote.ip()) >= CONNECTIONS_PER_SOURCE_MAX
            && !self.edge.trusts(remote.ip());
        if crowded || !self.make_room() {
            self.counts.connections_refused += 1;
            return;
        }
        let is_vouched_for = self.edge.trusts(remote.ip()) || self.edge.is_proxy(remote);
        let first_max = if is_vouched_for { IDLE_MAX } else { FIRST_MESSAGE_MAX };
        let link = self.next_link();
        let local = self.local_ip.seen_by(remote.ip(), bound);
        let (writes, queue) = mpsc::channel(WRITES_MAX);
        let tls = self.identity.as_ref().map(tls::Identity::acceptor);
        let to = self.to_driver.clone();
        let task = stream::serve_accepted(link, transport, first_max, stream, tls, queue, to);
        let (task, waiting) = (self.tasks.spawn(task), Vec::new());
        self.connections.insert(
            link,
            Connection { transport, writes, remote, local, waiting, is_vouched_for, task },
        );
    }

    /// Whether there is a place for one more connection, after whoever has the least claim to one has left.
    fn make_room(&mut self) -> bool {
        if self.connections.len() < self.connections.max {
            return true;
        }
        let Some(link) = self.least() else { return false };
        if let Some(connection) = self.connections.by_link.get(&link) {
            // It may be within its handshakes, and has nothing that anybody waits for.
            connection.task.abort();
        }
        self.counts.connections_refused += 1;
        self.close(link);
        true
    }

    /// The connection that is to make room; `None` when all are of somebody whom we know.
    fn least(&mut self) -> Option<Link> {
        let now = self.clock.now();
        let places = &mut self.connections.places;
        if places.least().is_none() && places.may_look(now) {
            // Registrations end without a word.
            let links: Vec<Link> = self.connections.by_link.keys().copied().collect();
            for link in links {
                let standing = self.standing(link);
                self.connections.places.set_if_changed(link, standing);
            }
        }
        self.connections.places.least()
    }

    /// What claim somebody has to its place who said something.
    fn standing(&self, link: Link) -> Standing {
        let vouched = self.connections.by_link.get(&link).is_some_and(|it| it.is_vouched_for);
        let is_user = || self.connections.flow(link).is_some_and(|flow| self.agent.reaches(flow));
        if vouched || is_user() { Standing::Known } else { Standing::Heard }
    }

    /// Closes a connection and tells those who waited for it to stand.
    pub(super) fn close(&mut self, link: Link) {
        let now = self.clock.now();
        for origin in self.connections.close(link) {
            self.agent.send_failed(now, origin);
        }
        self.agent.link_closed(link);
    }

    /// What a connection's task reported.
    pub(super) fn stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Accepted { transport, stream, remote, bound } => {
                self.accept(transport, stream, remote, bound);
            }
            StreamEvent::Connected { link } => self.connections.stands(link),
            StreamEvent::Message { link, bytes } => self.stream_message(link, &bytes),
            StreamEvent::Broken { link, bytes } => {
                self.stream_message(link, &bytes);
                self.carry_out();
                self.close(link);
            }
            StreamEvent::Ping { link } => self.pong(link),
            StreamEvent::Refused { link } => {
                self.counts.handshakes_failed += 1;
                self.close(link);
            }
            StreamEvent::Closed { link } => self.close(link),
        }
    }

    fn stream_message(&mut self, link: Link, bytes: &Bytes) {
        if let Some(flow) = self.connections.flow(link) {
            self.tracer.keep(bytes, flow, false);
            self.agent.receive(self.clock.now(), flow, bytes);
            let standing = self.standing(link);
            self.connections.places.set(link, standing);
        }
    }

    fn pong(&mut self, link: Link) {
        let Some(flow) = self.connections.flow(link) else { return };
        let bytes = Bytes::from_static(b"\r\n");
        // Nobody waits for a keep-alive.
        let _ = self
            .connections
            .write(link, &Outbound { flow, bytes, origin: Origin::Nobody, dial: false });
    }
}
