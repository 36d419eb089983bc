//! The task that owns the agent.

use super::bind::Sockets;
use super::local_ip::LocalIp;
use super::lookup::{Found, Lookups};
use super::metrics::{DriverCounts, Published};
use super::send::Connections;
use super::stream::{self, StreamEvent};
use super::tls;
use super::tracer::Tracer;
use super::users::Users;
use super::{EVENTS_MAX, EndpointConfig};
use crate::agent::{Agent, AgentConfig, CALLS_UNACKED_MAX, CallKey, Command, EdgeConfig, Output};
use crate::clock::Clock;
use crate::event::DialogEvent;
use crate::handle::{Commands, Dialog, IncomingCall, Order, Replaced, Reply};
use crate::message::{HeaderName, Request, Response};
use crate::recent::Recent;
use crate::request::RequestError;
use crate::trace::Trace;
use crate::transport::{Flow, Link, Sender, Transport};
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
use tokio_rustls::TlsConnector;

/// Datagrams of one socket, stream events and orders that are handled before others have their
/// turn.
const BURST_MAX: usize = 64;

/// Places of an event channel that are kept for essential events.
const EVENTS_ESSENTIAL: usize = 8;

/// Peers whose names are remembered for their certificates, at most.
const NAMES_MAX: usize = 1_024;

/// How long the driver sleeps when no timer is set.
const IDLE: Duration = Duration::from_secs(3_600);

/// How long [`Endpoint::close`](super::Endpoint::close) waits for dialogs to end, and then for
/// connections to write.
pub(super) const CLOSE_MAX: Duration = Duration::from_secs(1);

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
    pub(super) edge: EdgeConfig,
    pub(super) identity: Option<tls::Identity>,
    pub(super) connector: TlsConnector,
    pub(super) tracer: Tracer,
    /// The names that led to addresses.
    pub(super) names: Recent<SocketAddr, String>,
    /// A task for each listener.
    /// And what looks for a renewed certificate.
    listeners: JoinSet<()>,
    pub(super) to_driver: mpsc::Sender<StreamEvent>,
    from_streams: mpsc::Receiver<StreamEvent>,
    pub(super) lookups: Lookups,
    orders: mpsc::Receiver<Order>,
    commands: Commands,
    incoming: mpsc::Sender<IncomingCall>,
    pub(super) events: HashMap<CallKey, mpsc::Sender<DialogEvent>>,
    pub(super) requests: HashMap<u64, oneshot::Sender<Result<Box<Response>, RequestError>>>,
    pub(super) last_request: u64,
    pub(super) bound: Vec<(Transport, SocketAddr)>,
    metrics: Arc<Published>,
    users: Arc<Users>,
    links: u64,
    buffer: Vec<u8>,
    sleep: Pin<Box<Sleep>>,
    pub(super) closing: Option<(Millis, oneshot::Sender<()>)>,
}

/// Where the driver's orders come from and its news go to.
pub(super) struct Ends {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) commands: Commands,
    pub(super) incoming: mpsc::Sender<IncomingCall>,
    pub(super) metrics: Arc<Published>,
    pub(super) users: Arc<Users>,
    pub(super) trace: Arc<Trace>,
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
    pub(super) fn new(config: &EndpointConfig, sockets: Sockets, ends: Ends, clock: Clock) -> Self {
        let Ends { orders, commands, incoming, metrics, users, trace } = ends;
        let (to_driver, from_streams) = mpsc::channel(stream::EVENTS_MAX);
        let of = |wanted| {
            let bound = sockets.bound.iter().filter(move |(transport, _)| *transport == wanted);
            bound.map(|(_, address)| *address)
        };
        let mut listeners = JoinSet::new();
        for (transport, listener, bound) in sockets.listeners {
            listeners.spawn(stream::accept(transport, listener, bound, to_driver.clone()));
        }
        let (identity, renewal) = sockets.identity.unzip();
        renewal.map(|renewal| listeners.spawn(renewal.run()));
        let udp: Vec<UdpPort> = (sockets.udp.into_iter().zip(of(Transport::Udp)))
            .map(|(socket, bound)| UdpPort { socket, bound })
            .collect();
        Self {
            agent: Agent::new(AgentConfig {
                product: config.product.clone(),
                calls_max: config.calls_max,
                calls_unacked_max: CALLS_UNACKED_MAX,
                seed: rand::random(),
                edge: config.edge.clone(),
                session: config.session,
            }),
            edge: config.edge.clone(),
            identity,
            connector: sockets.connector,
            tracer: Tracer::new(trace, config.capture),
            names: Recent::new(NAMES_MAX),
            requests: HashMap::new(),
            last_request: 0,
            users,
            clock,
            links: udp.len() as u64,
            udp,
            connections: Connections::new(config.connections_max),
            local_ip: LocalIp::new(config.advertised_ip),
            counts: DriverCounts {
                udp_receive_bytes: sockets.udp_receive_bytes,
                ..DriverCounts::default()
            },
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
            let (secure, web) = self.connections.kinds();
            let connections = (self.connections.len(), secure, web);
            self.metrics.write(&stats, &self.counts, connections);
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
                // Those that made room were ended by us.
                if let Some(error) = ended.err().filter(|error| !error.is_cancelled()) {
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
                self.tracer.keep(&bytes, flow, false);
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

    pub(super) const fn next_link(&mut self) -> Link {
        self.links += 1;
        Link(self.links)
    }

    /// Does what the agent asks for, until it asks for nothing more.
    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Send(outbound) => self.send(&outbound),
                Output::Incoming { call, request, flow, sender, user, replaces } => {
                    self.offer_call(call, request, flow, sender, user, replaces);
                }
                Output::Confirmed { call, replaces } => self.commands.name(call, Some(replaces)),
                Output::Heard { call, source } => self.commands.heard_from(call, source),
                Output::Responded { number, result } => {
                    if let Some(done) = self.requests.remove(&number) {
                        // Who asked may have stopped waiting.
                        let _ = done.send(result);
                    }
                }
                Output::Registration { user, bindings } => self.users.set(user, bindings),
                Output::Event { call, event } => self.tell(call, event),
                Output::Over { call } => {
                    self.events.remove(&call);
                    self.commands.name(call, None);
                    self.commands.heard_from(call, None);
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
        sender: Sender,
        user: Option<String>,
        replaces: Option<Replaced>,
    ) {
        let (events, received) = mpsc::channel(EVENTS_MAX);
        self.tracer.admit(&request.call_id);
        let dialog = Dialog::new(call, request.call_id.clone(), self.commands.clone());
        let incoming = IncomingCall {
            request,
            user,
            transport: sender.transport,
            source: sender.addr,
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
