//! The task that owns the agent.

use super::bind::Sockets;
use super::local_ip::LocalIp;
use super::lookup::{Found, Lookups};
use super::metrics::{DriverCounts, Published};
use super::send::Connections;
use super::stream::{self, StreamEvent};
use super::{EVENTS_MAX, EndpointConfig};
use crate::agent::{Agent, AgentConfig, CALLS_UNACKED_MAX, CallKey, Command, Output};
use crate::clock::Clock;
use crate::dialog::socket_addr;
use crate::event::DialogEvent;
use crate::handle::{Commands, Dialog, IncomingCall, Order, OutgoingInvite, Replaced, Reply};
use crate::message::{HeaderName, Request};
use crate::transport::{Flow, Link, Transport};
use bytes::Bytes;
use qingting_common::Millis;
use qingting_common::limits::SIP_MESSAGE_BYTES_MAX;
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep_until, timeout};

/// Datagrams of one socket, stream events and orders that are handled before others have their
/// turn.
const BURST_MAX: usize = 64;

/// Places of an event channel that are kept for essential events.
const EVENTS_ESSENTIAL: usize = 8;

/// How long the driver sleeps when no timer is set.
const IDLE: Duration = Duration::from_secs(3_600);

/// How long [`Endpoint::close`](super::Endpoint::close) waits for dialogs to end, and then for
/// connections to write.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// **Owns the agent and every socket; waits for any of them, never for one.**
pub(super) struct Driver {
    pub(super) agent: Agent,
    pub(super) clock: Clock,
    pub(super) udp: Vec<UdpPort>,
    pub(super) connections: Connections,
    pub(super) local_ip: LocalIp,
    pub(super) counts: DriverCounts,
    /// A task for each connection.
    pub(super) tasks: JoinSet<()>,
    /// A task for each TCP listener.
    listeners: JoinSet<()>,
    pub(super) to_driver: mpsc::Sender<StreamEvent>,
    from_streams: mpsc::Receiver<StreamEvent>,
    lookups: Lookups,
    orders: mpsc::Receiver<Order>,
    commands: Commands,
    incoming: mpsc::Sender<IncomingCall>,
    events: HashMap<CallKey, mpsc::Sender<DialogEvent>>,
    bound: Vec<(Transport, SocketAddr)>,
    metrics: Arc<Published>,
    links: u64,
    buffer: Vec<u8>,
    sleep: Pin<Box<Sleep>>,
    closing: Option<(Millis, oneshot::Sender<()>)>,
}

/// A UDP socket and its address.
pub(super) struct UdpPort {
    pub(super) socket: UdpSocket,
    pub(super) bound: SocketAddr,
}

enum Wake {
    Datagrams,
    Stream(StreamEvent),
    Order(Order),
    Found(Found),
    Timer,
    Reaped,
}

impl Driver {
    pub(super) fn new(
        config: &EndpointConfig,
        sockets: Sockets,
        orders: mpsc::Receiver<Order>,
        commands: Commands,
        incoming: mpsc::Sender<IncomingCall>,
        metrics: Arc<Published>,
    ) -> Self {
        let clock = Clock::start();
        let (to_driver, from_streams) = mpsc::channel(stream::EVENTS_MAX);
        let of = |wanted| {
            let bound = sockets.bound.iter().filter(move |(transport, _)| *transport == wanted);
            bound.map(|(_, address)| *address)
        };
        let mut listeners = JoinSet::new();
        for (listener, bound) in sockets.tcp.into_iter().zip(of(Transport::Tcp)) {
            listeners.spawn(stream::accept(listener, bound, to_driver.clone()));
        }
        let udp: Vec<UdpPort> = (sockets.udp.into_iter().zip(of(Transport::Udp)))
            .map(|(socket, bound)| UdpPort { socket, bound })
            .collect();
        Self {
            agent: Agent::new(AgentConfig {
                product: config.product.clone(),
                calls_max: config.calls_max,
                calls_unacked_max: CALLS_UNACKED_MAX,
                seed: rand::random(),
                session: config.session,
            }),
            clock,
            links: udp.len() as u64,
            udp,
            connections: Connections::default(),
            local_ip: LocalIp::new(config.advertised_ip),
            counts: DriverCounts::default(),
            listeners,
            tasks: JoinSet::new(),
            to_driver,
            from_streams,
            lookups: Lookups::new(),
            orders,
            commands,
            incoming,
            events: HashMap::new(),
            bound: sockets.bound,
            metrics,
            buffer: vec![0; SIP_MESSAGE_BYTES_MAX + 1],
            sleep: Box::pin(sleep_until(clock.instant(Millis(0)))),
            closing: None,
        }
    }

    /// Runs until the endpoint is closed or dropped.
    pub(super) async fn run(mut self) {
        loop {
            match self.wait().await {
                Wake::Datagrams => self.read_datagrams(),
                Wake::Stream(event) => self.take_stream_events(event),
                Wake::Order(order) => self.take_orders(order),
                Wake::Found(found) => self.found(found),
                Wake::Timer | Wake::Reaped => {}
            }
            for call in self.commands.take_abandoned() {
                self.agent.command(self.clock.now(), Command::Abandon { call });
            }
            self.agent.fire(self.clock.now());
            self.carry_out();
            let stats = self.agent.stats();
            self.metrics.write(&stats, &self.counts, self.connections.len());
            let over = |(at, _): &(Millis, _)| stats.dialogs == 0 || self.clock.now() >= *at;
            if self.closing.as_ref().is_some_and(over) {
                break;
            }
        }
        let Some((_, done)) = self.closing.take() else { return };
        self.flush().await;
        // The sockets are closed before anybody is told so.
        drop(self);
        // Whoever asked may have stopped waiting.
        let _ = done.send(());
    }

    /// Lets the connections write what is queued, then closes them.
    async fn flush(&mut self) {
        self.listeners.abort_all();
        self.connections = Connections::default();
        let written = async { while self.tasks.join_next().await.is_some() {} };
        // What a peer has not taken by then is lost.
        let _ = timeout(CLOSE_MAX, written).await;
    }

    async fn wait(&mut self) -> Wake {
        let closing = self.closing.as_ref().map(|(at, _)| *at);
        let deadline = self.agent.next_deadline().into_iter().chain(closing).min();
        let deadline = deadline.unwrap_or_else(|| self.clock.now() + IDLE);
        let deadline = self.clock.instant(deadline);
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        let udp = &self.udp;
        tokio::select! {
            () = poll_fn(|context| poll_readable(udp, context)) => Wake::Datagrams,
            // The driver holds senders of both queues: they never close.
            Some(event) = self.from_streams.recv() => Wake::Stream(event),
            Some(order) = self.orders.recv() => Wake::Order(order),
            Some(found) = self.lookups.next() => Wake::Found(found),
            Some(ended) = self.tasks.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a SIP connection's task failed");
                }
                Wake::Reaped
            }
            () = &mut self.sleep => Wake::Timer,
        }
    }

    /// Reads what every socket holds, up to a limit: one wake-up pays for many datagrams.
    fn read_datagrams(&mut self) {
        let now = self.clock.now();
        for (at, port) in self.udp.iter().enumerate() {
            for _ in 0..BURST_MAX {
                // An error says that it is empty, or tells of an earlier datagram's fate.
                let Ok((len, remote)) = port.socket.try_recv_from(&mut self.buffer) else { break };
                let local = self.local_ip.seen_by(remote.ip(), port.bound);
                let link = Some(Link(at as u64));
                let flow = Flow { transport: Transport::Udp, link, local, remote };
                let bytes = Bytes::copy_from_slice(&self.buffer[..len]);
                self.agent.receive(now, flow, &bytes);
            }
        }
    }

    fn take_stream_events(&mut self, first: StreamEvent) {
        self.stream_event(first);
        for _ in 1..BURST_MAX {
            let Ok(event) = self.from_streams.try_recv() else { break };
            self.stream_event(event);
        }
    }

    fn take_orders(&mut self, first: Order) {
        self.take_order(first);
        for _ in 1..BURST_MAX {
            let Ok(order) = self.orders.try_recv() else { break };
            self.take_order(order);
        }
    }

    fn take_order(&mut self, order: Order) {
        let now = self.clock.now();
        match order {
            Order::Command(command) => self.agent.command(now, command),
            Order::Close { done } => {
                self.agent.command(now, Command::Drain);
                self.closing = Some((now + CLOSE_MAX, done));
            }
            Order::Invite { call, invite, call_id, events } => {
                self.events.insert(call, events);
                match socket_addr(&invite.target) {
                    Ok(addr) => self.start_invite(call, invite, call_id, Some(addr)),
                    Err(name) => self.lookups.target(call, invite, call_id, name),
                }
            }
        }
    }

    fn found(&mut self, found: Found) {
        match found {
            Found::Hop(Some(command)) => self.agent.command(self.clock.now(), command),
            Found::Hop(None) => {}
            Found::Target { call, invite, call_id, addr } => {
                self.start_invite(call, invite, call_id, addr);
            }
        }
    }

    fn start_invite(
        &mut self,
        call: CallKey,
        invite: Box<OutgoingInvite>,
        call_id: String,
        addr: Option<SocketAddr>,
    ) {
        let flow = addr.and_then(|addr| self.flow_to(invite.transport, addr));
        self.agent.command(self.clock.now(), Command::Invite { call, invite, call_id, flow });
    }

    /// The way to an address that no dialog leads to yet.
    fn flow_to(&mut self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let suits = |address: &SocketAddr| address.is_ipv4() == remote.is_ipv4();
        let of = |wanted: Transport| {
            let bound = self.bound.iter().filter(move |(transport, _)| *transport == wanted);
            bound.map(|(_, address)| *address).find(suits)
        };
        let (link, bound) = match transport {
            Transport::Udp => {
                let at = self.udp.iter().position(|port| suits(&port.bound))?;
                (Some(Link(at as u64)), self.udp[at].bound)
            }
            Transport::Tcp => (None, of(Transport::Tcp).or_else(|| of(Transport::Udp))?),
        };
        let local = self.local_ip.seen_by(remote.ip(), bound);
        Some(Flow { transport, link, local, remote })
    }

    pub(super) const fn next_link(&mut self) -> Link {
        self.links += 1;
        Link(self.links)
    }

    /// Does what the agent asks for, until it asks for nothing more.
    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Send(outbound) => self.send(&outbound),
                Output::Incoming { call, request, flow, replaces } => {
                    self.offer_call(call, request, flow, replaces);
                }
                Output::Confirmed { call, replaces } => self.commands.name(call, Some(replaces)),
                Output::Event { call, event } => self.tell(call, event),
                Output::Over { call } => {
                    self.events.remove(&call);
                    self.commands.name(call, None);
                }
                Output::Resolve { call, host, port } => self.lookups.hop(call, host, port),
            }
        }
    }

    fn offer_call(
        &mut self,
        call: CallKey,
        request: Box<Request>,
        flow: Flow,
        replaces: Option<Replaced>,
    ) {
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let dialog = Dialog::new(call, request.call_id.clone(), self.commands.clone());
        let incoming = IncomingCall {
            request,
            transport: flow.transport,
            source: flow.remote,
            local: flow.local,
            dialog,
            events: received,
            replaces,
        };
        self.events.insert(call, events);
        if self.incoming.try_send(incoming).is_err() {
            self.counts.refused_admission += 1;
            let reply = busy(503);
            self.agent.command(self.clock.now(), Command::Respond { call, reply });
        }
    }

    /// Tells a call's owner. See [`DialogEvent`] for what a full channel does.
    fn tell(&mut self, call: CallKey, event: DialogEvent) {
        let Some(events) = self.events.get(&call) else { return };
        let room = event.is_essential() || events.capacity() > EVENTS_ESSENTIAL;
        let refusal = if event.is_essential() { None } else { event.refusal(call, busy(500)) };
        if room && events.try_send(event).is_ok() {
            return;
        }
        self.counts.events_dropped += 1;
        if let Some(refusal) = refusal {
            self.agent.command(self.clock.now(), refusal);
        }
    }
}

fn busy(code: u16) -> Reply {
    let headers = vec![(HeaderName::RetryAfter, rand::random_range(5..=15).to_string())];
    Reply { headers, ..Reply::new(code) }
}

fn poll_readable(udp: &[UdpPort], context: &mut Context<'_>) -> Poll<()> {
    // Every socket is polled, so that each wakes this task.
    let ready = udp.iter().filter(|port| port.socket.poll_recv_ready(context).is_ready()).count();
    if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
}
