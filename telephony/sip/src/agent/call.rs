//! One call of the agent: a dialog and the INVITE usage in it.

use super::output::Outbound;
use super::table::TxId;
use crate::auth::{Answerer, Credentials};
use crate::dialog::{DialogState, socket_addr, transport_of};
use crate::message::SipUri;
use crate::transaction::Answer;
use crate::transport::{Flow, Transport};
use qingting_common::Millis;
use std::net::SocketAddr;
use std::sync::Arc;

/// 2xx of one call that wait for their ACK, at most.
pub(super) const ANSWERS_UNACKED_MAX: usize = 8;

/// A call's number; never used twice by one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// What the agent knows of a call.
pub(super) struct Call {
    /// Its key among the dialogs: Call-ID and our tag.
    pub(super) index: String,
    pub(super) phase: Phase,
    /// `None` until the 2xx to an INVITE of ours.
    pub(super) dialog: Option<DialogState>,
    /// The way of the last INVITE.
    pub(super) flow: Flow,
    /// The peer's INVITE that has no final response from us.
    pub(super) invite_in: Option<TxId>,
    /// Our INVITE that has no final response from the peer.
    pub(super) invite_out: Option<TxId>,
    pub(super) unacked: Vec<Unacked>,
    /// A BYE that waits for the ACK of our 2xx (RFC 3261 §15), with its Reason.
    pub(super) bye_wanted: Option<Option<String>>,
    pub(super) cancel: Cancel,
    /// The caller gave up before our final response.
    pub(super) given_up: bool,
    /// Its requests go by the way of the last INVITE, wherever the peer's Contact points.
    pub(super) pinned: bool,
    /// For when the peer asks for a password.
    pub(super) credentials: Option<Arc<Credentials>>,
    /// What it was told then.
    pub(super) answerer: Answerer,
    /// The address of the next hop's name.
    pub(super) resolved: Option<(String, SocketAddr)>,
    pub(super) scheduled: Option<Millis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The peer's INVITE waits for our final response.
    Incoming,
    /// Our INVITE waits for the peer's.
    Calling,
    /// The dialog is confirmed, or will be by the ACK.
    Talking,
    /// Our BYE is on its way.
    Leaving,
}

/// Our wish to end a call that is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// Waits for a provisional response (RFC 3261 §9.1).
    Wanted,
    /// Sent; the INVITE is given up when no final response comes by then.
    Sent {
        until: Millis,
    },
}

/// A 2xx of ours without its ACK.
pub(super) struct Unacked {
    pub(super) cseq: u32,
    /// To the INVITE that began the call.
    pub(super) initial: bool,
    pub(super) answer: Answer,
    pub(super) outbound: Outbound,
}

impl Call {
    pub(super) fn new(index: String, phase: Phase, flow: Flow) -> Self {
        Self {
            index,
            phase,
            dialog: None,
            flow,
            invite_in: None,
            invite_out: None,
            unacked: Vec::new(),
            bye_wanted: None,
            cancel: Cancel::No,
            given_up: false,
            pinned: false,
            credentials: None,
            answerer: Answerer::default(),
            resolved: None,
            scheduled: None,
        }
    }

    pub(super) fn awaits_first_ack(&self) -> bool {
        self.unacked.iter().any(|unacked| unacked.initial)
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        let cancelled = match self.cancel {
            Cancel::Sent { until } => Some(until),
            Cancel::No | Cancel::Wanted => None,
        };
        self.unacked.iter().map(|unacked| unacked.answer.deadline()).chain(cancelled).min()
    }

    /// The way to a next hop, from the way of the last INVITE.
    pub(super) fn flow_to(&self, hop: &SipUri) -> Flow {
        flow_to(self.flow, self.pinned, hop, self.resolved.as_ref())
    }
}

/// Where a request goes. A connection to the hop's host is used while it lives; a name that is
/// not looked up yet stands for the address that we know. A browser is only ever reached by the
/// connection that it made.
pub(super) fn flow_to(
    base: Flow,
    pinned: bool,
    hop: &SipUri,
    resolved: Option<&(String, SocketAddr)>,
) -> Flow {
    if pinned || base.transport.is_web() {
        return base;
    }
    let transport = transport_of(hop, base.transport);
    let remote = socket_addr(hop).unwrap_or_else(|(host, _)| match resolved {
        Some((name, addr)) if *name == host => *addr,
        _ => base.remote,
    });
    let same_way = transport == base.transport
        && match transport {
            Transport::Udp => remote.is_ipv4() == base.remote.is_ipv4(),
            _ => remote.ip() == base.remote.ip(),
        };
    Flow { transport, link: base.link.filter(|_| same_way), local: base.local, remote }
}
