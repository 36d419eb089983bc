//! One user agent: every transaction and dialog, without I/O.
//!
//! Feed [`Agent::receive`], [`Agent::command`] and [`Agent::fire`], drain [`Agent::poll_output`],
//! sleep to [`Agent::next_deadline`].

mod asked;
mod build;
mod call;
mod calling;
mod change;
mod command;
mod early;
mod edge;
mod firing;
mod guard;
mod ids;
mod info;
mod invited;
mod late;
mod leaving;
mod output;
mod receive;
mod refer;
mod referring;
mod reliable;
mod replaced;
mod requesting;
mod responses;
mod retry;
mod session;
mod starting;
mod stats;
mod table;
mod timers;
mod update;
mod within;

pub use call::CallKey;
pub use command::Command;
pub use edge::{EMERGENCY_USERS, EdgeConfig};
pub use output::{Origin, Outbound, Output};
pub use retry::UDP_REQUEST_BYTES_MAX;
pub use session::SessionConfig;
pub use stats::Stats;

use crate::admission::Strangers;
use crate::event::DialogEvent;
use crate::transport::Flow;
use bytes::Bytes;
use call::Call;
use edge::Edge;
use ids::Ids;
use qingting_common::Millis;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use table::{ClientTx, ServerTx, Table, TxId};
use timers::{Timers, Wake};

/// Calls whose 2xx waits for its ACK, at most: what lost ACKs may hold for 32 s each.
pub const CALLS_UNACKED_MAX: usize = 2_000;

/// Transactions of both kinds, at most. Beyond, INVITEs are answered 503 and other requests
/// without state, so that running calls can still end.
pub const TRANSACTIONS_MAX: usize = 200_000;

/// Bytes of messages that transactions keep, at most: 200,000 transactions of ordinary length, where a
/// thousand calls a second hold 64,000 for 32 s each.
/// Beyond, as beyond [`TRANSACTIONS_MAX`]; what is kept of one is bounded by
/// [`message::VALUE_BYTES_MAX`](crate::message::VALUE_BYTES_MAX) and its like.
pub const TRANSACTION_BYTES_MAX: usize = 256 << 20;

/// What an agent is and how much it takes. **The seed never prints itself**: it makes every nonce.
#[derive(Clone)]
pub struct AgentConfig {
    /// For the Server and User-Agent headers.
    pub product: String,
    /// Calls that came in and run at once, at most; INVITEs beyond are answered 503. What we call ourselves belongs to one of
    /// them or to a campaign, which has its own limit.
    pub calls_max: usize,
    /// See [`CALLS_UNACKED_MAX`].
    pub calls_unacked_max: usize,
    /// Makes every tag, branch and nonce; equal seeds make equal ids.
    pub seed: [u8; 32],
    /// Whom the agent hears and whom it knows.
    pub edge: EdgeConfig,
    /// Session timers.
    pub session: SessionConfig,
}

impl fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentConfig")
            .field("product", &self.product)
            .field("calls_max", &self.calls_max)
            .field("calls_unacked_max", &self.calls_unacked_max)
            .field("edge", &self.edge)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// **One SIP user agent: equal inputs at equal times give equal outputs.**
///
/// Every request is answered once, admitted or not; every dialog ends with its event channel
/// closed; every transaction ends by itself, in 32 s at most after its final response.
pub struct Agent {
    config: AgentConfig,
    edge: Edge,
    ids: Ids,
    stats: Stats,
    draining: bool,
    outputs: VecDeque<Output>,
    timers: Timers,
    servers: Table<ServerTx>,
    clients: Table<ClientTx>,
    datagram_peers: retry::DatagramPeers,
    /// INVITEs outside a dialog by what their merged copies share.
    merged: HashMap<String, TxId>,
    calls: HashMap<CallKey, Call>,
    /// Dialogs by Call-ID and our tag.
    dialogs: HashMap<String, CallKey>,
    /// Calls whose first 2xx waits for its ACK.
    unacked: usize,
    /// Calls that came in.
    incoming: usize,
    strangers: Strangers,
    ended: replaced::Ended,
}

impl Agent {
    /// An agent without calls.
    pub fn new(config: AgentConfig) -> Self {
        Self {
            ids: Ids::new(config.seed),
            edge: Edge::new(config.edge.clone(), config.seed),
            config,
            stats: Stats::default(),
            draining: false,
            outputs: VecDeque::new(),
            timers: Timers::default(),
            servers: Table::default(),
            clients: Table::default(),
            datagram_peers: Default::default(),
            merged: HashMap::new(),
            calls: HashMap::new(),
            dialogs: HashMap::new(),
            unacked: 0,
            incoming: 0,
            strangers: Strangers::default(),
            ended: replaced::Ended::default(),
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Agent::fire`]. May be early, when what it was set for has gone.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.timers.next().into_iter().chain(self.edge.registrar.deadline()).min()
    }

    /// Counters and sizes.
    pub fn stats(&self) -> Stats {
        Stats {
            dialogs: self.calls.len(),
            unacked: self.unacked,
            strangers: self.strangers.running,
            strangers_unproved: self.strangers.unproved,
            transactions: self.servers.len() + self.clients.len(),
            timers: self.timers.len(),
            transaction_bytes: self.transaction_bytes(),
            auth: self.edge.verifier.counts(),
            admission: self.edge.gate.as_ref().map(|gate| gate.counts()).unwrap_or_default(),
            users_registered: self.edge.registrar.sizes().0,
            bindings: self.edge.registrar.sizes().1,
            ..self.stats
        }
    }

    /// Takes what could not be sent back to its sender.
    pub fn send_failed(&mut self, now: Millis, origin: Origin) {
        match origin {
            Origin::Nobody => {}
            Origin::Client(id) => self.request_lost(now, TxId(id)),
            Origin::Server(id) => self.answer_lost(now, TxId(id)),
        }
    }

    fn send(&mut self, flow: Flow, bytes: Bytes, origin: Origin, dial: bool) {
        self.stats.messages_out += 1;
        self.outputs.push_back(Output::Send(Outbound { flow, bytes, origin, dial }));
    }

    fn resend(&mut self, outbound: Outbound) {
        self.stats.messages_out += 1;
        self.stats.retransmissions_out += 1;
        self.outputs.push_back(Output::Send(outbound));
    }

    fn tell(&mut self, call: CallKey, event: DialogEvent) {
        self.outputs.push_back(Output::Event { call, event });
    }

    fn transactions_full(&self) -> bool {
        self.servers.len() + self.clients.len() >= TRANSACTIONS_MAX
            || self.transaction_bytes() >= TRANSACTION_BYTES_MAX
    }

    const fn transaction_bytes(&self) -> usize {
        self.servers.bytes() + self.clients.bytes()
    }

    /// Sets the timer of a call anew.
    fn arm_call(&mut self, key: CallKey) {
        if let Some(call) = self.calls.get_mut(&key) {
            let deadline = call.deadline();
            self.timers.arm(&mut call.scheduled, deadline, Wake::Call(key));
        }
    }

    /// Sets the timer of a server transaction anew, or forgets it.
    fn arm_server(&mut self, id: TxId) {
        let Some(tx) = self.servers.entry(id) else { return };
        if tx.machine.is_over() {
            return self.forget_server(id);
        }
        self.timers.arm(&mut tx.scheduled, tx.machine.deadline(), Wake::Server(id));
    }

    fn forget_server(&mut self, id: TxId) {
        let Some(tx) = self.servers.remove(id) else { return };
        if let Some(merge) = tx.merge {
            self.merged.remove(&merge);
        }
    }

    /// Sets the timer of a client transaction anew, or forgets it.
    fn arm_client(&mut self, id: TxId) {
        let Some(tx) = self.clients.entry(id) else { return };
        if tx.machine.is_over() {
            self.clients.remove(id);
            return;
        }
        self.timers.arm(&mut tx.scheduled, tx.machine.deadline(), Wake::Client(id));
    }
}
