//! The driver: sockets, tasks and a clock around one [`Agent`](crate::agent::Agent).

mod bind;
mod driver;
mod errands;
mod local_ip;
mod lookup;
mod metrics;
mod places;
mod send;
mod stream;
mod tls;
mod tracer;
mod users;
mod web;

pub use bind::{BindError, UDP_BUFFER_BYTES};
pub use local_ip::is_on_own_network;
pub use metrics::EndpointMetrics;
pub use tls::{TlsError, TlsIdentity};

use crate::agent::{CallKey, Command, EdgeConfig, SessionConfig};
use crate::clock::Clock;
use crate::event::DialogEvent;
use crate::handle::{Commands, Dialog, IncomingCall, Order, OutgoingInvite};
use crate::message::Response;
use crate::registrar::{Binding, RegistrationEvent};
use crate::request::{OutgoingRequest, RequestError};
use crate::trace::{Trace, TracedMessage};
use crate::transport::Transport;
use driver::{Driver, Ends};
use metrics::Published;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stream::CONNECTIONS_MAX;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use users::Users;

/// Commands on their way to the driver, at most; see [`Dialog`] for what happens beyond.
const COMMANDS_MAX: usize = 8_192;

/// New calls that nobody has taken yet, at most; beyond, INVITEs are answered 503.
const INCOMING_MAX: usize = 1_024;

/// Events of one dialog that nobody has taken yet, at most; see [`DialogEvent`].
const EVENTS_MAX: usize = 32;

/// What an endpoint listens on.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// UDP addresses; port 0 takes a free one.
    pub udp: Vec<SocketAddr>,
    /// TCP addresses.
    pub tcp: Vec<SocketAddr>,
    /// TLS addresses.
    pub tls: Vec<SocketAddr>,
    /// WebSocket addresses, for browsers behind a proxy that speaks TLS.
    pub ws: Vec<SocketAddr>,
    /// WebSocket addresses within TLS, for browsers.
    pub wss: Vec<SocketAddr>,
    /// Who we are to those who come by TLS; needed for `tls` and `wss`.
    pub tls_identity: Option<TlsIdentity>,
    /// Root certificates of the peers that we call by TLS, PEM; the usual ones of browsers when
    /// `None`.
    pub tls_ca: Option<PathBuf>,
    /// Our address for Via and Contact; without it the bound address, or for a wildcard that of
    /// the interface that reaches the peer.
    pub advertised_ip: Option<IpAddr>,
    /// For the Server and User-Agent headers.
    pub product: String,
    /// Calls that came in and run at once, at most.
    pub calls_max: usize,
    /// Connections at once, at most.
    pub connections_max: usize,
    /// Whom we hear and whom we know.
    pub edge: EdgeConfig,
    /// Session timers (RFC 4028).
    pub session: SessionConfig,
    /// A capture server that is sent calls' messages (HEP version 3 over UDP), and the number that it knows us by.
    pub capture: Option<(SocketAddr, u32)>,
}

impl Default for EndpointConfig {
    /// No addresses, which [`Endpoint::bind`] refuses; 1,000 calls; everybody is heard; sessions
    /// are refreshed every 15 min.
    fn default() -> Self {
        Self {
            udp: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            ws: Vec::new(),
            wss: Vec::new(),
            tls_identity: None,
            tls_ca: None,
            advertised_ip: None,
            product: "Qingting".to_owned(),
            calls_max: 1_000,
            connections_max: CONNECTIONS_MAX,
            edge: EdgeConfig::default(),
            session: SessionConfig::default(),
            capture: None,
        }
    }
}

/// **A SIP endpoint: new calls come out of its channel, calls of ours go in by
/// [`Endpoint::invite`].** Clones share it; dropping the last one ends it without a word to
/// anybody, [`Endpoint::close`] lets it finish.
#[derive(Clone, Debug)]
pub struct Endpoint(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bound: Vec<(Transport, SocketAddr)>,
    commands: Commands,
    metrics: Arc<Published>,
    invites: AtomicU64,
    users: Arc<Users>,
    clock: Clock,
    trace: Arc<Trace>,
    /// Holds the driver's task, which ends with it.
    _tasks: Mutex<JoinSet<()>>,
}

impl Endpoint {
    /// Binds every address and starts the driver.
    ///
    /// # Errors
    /// [`BindError`] for the first address that cannot be bound; nothing stays bound then.
    pub async fn bind(
        config: EndpointConfig,
    ) -> Result<(Self, mpsc::Receiver<IncomingCall>), BindError> {
        let sockets = bind::bind(&config)?;
        let bound = sockets.bound.clone();
        let (queue, orders) = mpsc::channel(COMMANDS_MAX);
        let (incoming, calls) = mpsc::channel(INCOMING_MAX);
        let commands = Commands::new(queue);
        let metrics = Arc::<Published>::default();
        let users = Arc::<Users>::default();
        let trace = Arc::<Trace>::default();
        let ends = Ends {
            orders,
            commands: commands.clone(),
            incoming,
            metrics: metrics.clone(),
            users: users.clone(),
            trace: trace.clone(),
        };
        let clock = Clock::start();
        let driver = Driver::new(&config, sockets, ends, clock);
        let mut tasks = JoinSet::new();
        tasks.spawn(driver.run());
        let inner = Inner {
            bound,
            commands,
            metrics,
            invites: AtomicU64::new(0),
            users,
            clock,
            trace,
            _tasks: Mutex::new(tasks),
        };
        Ok((Self(Arc::new(inner)), calls))
    }

    /// What is listened on, with the real ports.
    pub fn bound(&self) -> &[(Transport, SocketAddr)] {
        &self.0.bound
    }

    /// Refuses new calls with 503 from now on.
    pub fn drain(&self) {
        self.0.commands.send(Command::Drain);
    }

    /// Makes a call. What becomes of it comes through the channel, which closes at once when the
    /// command queue is full.
    pub fn invite(&self, invite: OutgoingInvite) -> (Dialog, mpsc::Receiver<DialogEvent>) {
        // Odd numbers: the agent gives the even ones to incoming calls.
        let call = CallKey(self.0.invites.fetch_add(1, Ordering::Relaxed) * 2 + 1);
        let call_id = invite.call_id.clone().unwrap_or_else(random_call_id);
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let invite = Box::new(invite);
        self.0.commands.order(Order::Invite { call, invite, call_id: call_id.clone(), events });
        (Dialog::new(call, call_id, self.0.commands.clone()), received)
    }

    /// Sends a request outside any dialog and waits for its end: a challenge is answered when
    /// there are credentials, and a further address is tried after 503 or none.
    ///
    /// # Errors
    /// [`RequestError`] when there is no final response.
    pub async fn request(&self, request: OutgoingRequest) -> Result<Response, RequestError> {
        let (done, answered) = oneshot::channel();
        self.0.commands.order(Order::Request { request: Box::new(request), done });
        let answer = answered.await.map_err(|_| RequestError::Unavailable)?;
        answer.map(|response| *response)
    }

    /// The messages of one of the last calls, by its Call-ID, the oldest first.
    pub fn trace(&self, call_id: &str) -> Vec<Arc<TracedMessage>> {
        self.0.trace.of(call_id)
    }

    /// Forgets the messages of all calls.
    pub fn forget_trace(&self) {
        self.0.trace.forget();
    }

    /// Where a user can be reached now, the latest refreshed first.
    pub fn bindings(&self, user: &str) -> Vec<Binding> {
        self.0.users.bindings(user)
    }

    /// How long a binding still holds.
    pub fn time_left(&self, binding: &Binding) -> Duration {
        binding.expires_at - self.0.clock.now()
    }

    /// Users that come, stay and go from now on. The channel holds 1,024; who reads more slowly is told
    /// by it how many were lost.
    pub fn registrations(&self) -> broadcast::Receiver<RegistrationEvent> {
        self.0.users.subscribe()
    }

    /// Forgets where users are who have left the directory; call it after taking one out.
    pub fn recheck_users(&self) {
        self.0.commands.send(Command::RecheckUsers);
    }

    /// Counters and sizes, as of the driver's last step.
    pub fn metrics(&self) -> EndpointMetrics {
        EndpointMetrics { commands_dropped: self.0.commands.dropped(), ..self.0.metrics.read() }
    }

    /// Refuses new calls, lets the BYEs and CANCELs that are under way be answered for 1 s at
    /// most, and closes the sockets. Other clones of this endpoint find it closed.
    pub async fn close(self) {
        self.0.commands.close().await;
    }
}

fn random_call_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
