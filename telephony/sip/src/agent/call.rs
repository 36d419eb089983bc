//! One call of the agent: a dialog and the INVITE usage in it.

use super::asked::Asked;
use super::change::Change;
use super::early::Early;
use super::late::Late;
use super::output::Outbound;
use super::refer::Referral;
use super::referring::Referring;
use super::reliable::{Peer, Reliable};
use super::session::Session;
use super::table::TxId;
use crate::auth::{Answerer, Credentials};
use crate::dialog::{DialogState, socket_addr, transport_of};
use crate::handle::OutgoingInvite;
use crate::message::SipUri;
use crate::transaction::Answer;
use crate::transport::{Flow, Transport};
use bytes::Bytes;
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
    /// It came in.
    pub(super) is_incoming: bool,
    /// It came from nobody whom we know.
    pub(super) is_strangers: bool,
    /// Nothing came yet that only who got our answer can send: the address may be invented.
    pub(super) is_unproved: bool,
    /// We made the call, and its Call-ID.
    pub(super) ours: bool,
    pub(super) peer: Peer,
    /// Whose offer waits for its answer (RFC 3264 §4: one at a time).
    pub(super) offer: Offer,
    /// The INVITE that is open has its answer, by a reliable provisional response.
    pub(super) agreed: bool,
    /// The session description that we sent last and that was not refused.
    pub(super) described: Option<Bytes>,
    pub(super) reliable: Option<Box<Reliable>>,
    /// Branches of our INVITE before its 2xx; the one that spoke last is the last.
    pub(super) early: Vec<Early>,
    /// Our re-INVITE or UPDATE.
    pub(super) change: Option<Change>,
    /// What the owner wants once a refresh of ours is over.
    pub(super) next_change: Option<Change>,
    /// Our UPDATE that has no final response from the peer.
    pub(super) update_out: Option<TxId>,
    /// Requests of the peer that the owner is to answer: an offer and a REFER, at most.
    pub(super) asked: Vec<Asked>,
    pub(super) late: Option<Box<Late>>,
    pub(super) session: Option<Session>,
    /// CSeq of our last INVITE before the dialog.
    pub(super) cseq: u32,
    /// INVITEs that were sent again after 422.
    pub(super) intervals: u8,
    /// The least session interval that the peer takes, as its 422 said.
    pub(super) min_se_s: u32,
    pub(super) referral: Option<Box<Referral>>,
    /// REFERs of the peer so far.
    pub(super) refers: u32,
    pub(super) referring: Option<Referring>,
    /// What our INVITE was made of, until its 2xx.
    pub(super) draft: Option<Box<OutgoingInvite>>,
    pub(super) scheduled: Option<Millis>,
}

/// Whose offer waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    None,
    Ours,
    Theirs,
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
            is_incoming: false,
            is_strangers: false,
            is_unproved: false,
            ours: phase == Phase::Calling,
            peer: Peer::default(),
            offer: Offer::None,
            agreed: false,
            described: None,
            reliable: None,
            early: Vec::new(),
            change: None,
            next_change: None,
            update_out: None,
            asked: Vec::new(),
            late: None,
            session: None,
            cseq: 0,
            intervals: 0,
            min_se_s: 0,
            referral: None,
            refers: 0,
            referring: None,
            draft: None,
            scheduled: None,
        }
    }

    /// Whether a re-INVITE of ours would meet another one, or an offer.
    pub(super) fn is_negotiating(&self) -> bool {
        self.invite_in.is_some()
            || self.invite_out.is_some()
            || self.update_out.is_some()
            || self.change.is_some()
            || self.offer != Offer::None
            || self.awaits_first_ack()
    }

    /// Whether all that stands in the way of a change is a refresh that the owner knows nothing of.
    pub(super) fn refreshes(&self) -> bool {
        self.change.as_ref().is_some_and(Change::is_refresh) && self.next_change.is_none()
    }

    /// The dialog that requests of ours go to: the call's, else the early one that spoke last.
    pub(super) fn speaking(&mut self) -> Option<&mut DialogState> {
        let early = self.early.last_mut().map(|early| &mut early.dialog);
        self.dialog.as_mut().or(early)
    }

    /// Whether a peer of this tag is one of ours.
    pub(super) fn knows(&self, tag: &str) -> bool {
        let early = self.early.iter().map(|early| &early.dialog);
        let early = early.filter(|_| self.phase == Phase::Calling);
        self.dialog.iter().chain(early).any(|dialog| dialog.remote_tag() == tag)
    }

    /// The dialog with a peer of this tag.
    pub(super) fn dialog_with(&mut self, tag: &str) -> Option<&mut DialogState> {
        let calling = self.phase == Phase::Calling;
        let early = self.early.iter_mut().map(|early| &mut early.dialog).filter(|_| calling);
        let mut known = self.dialog.iter_mut().chain(early);
        known.find(|dialog| dialog.remote_tag() == tag)
    }

    /// A request of ours goes on by another transaction.
    pub(super) fn goes_on_by(&mut self, old: TxId, new: TxId) {
        let refer = self.referring.as_mut().and_then(|referring| referring.id.as_mut());
        let notice = self.referral.as_mut().and_then(|referral| referral.open.as_mut());
        let known = [self.invite_out.as_mut(), self.update_out.as_mut(), refer, notice];
        for id in known.into_iter().flatten().filter(|id| **id == old) {
            *id = new;
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
        let unacked = self.unacked.iter().map(|unacked| unacked.answer.deadline());
        unacked
            .chain(cancelled)
            .chain(self.reliable.as_ref().and_then(|reliable| reliable.deadline()))
            .chain(self.early.iter().filter_map(Early::deadline))
            .chain(self.change.as_ref().and_then(Change::deadline))
            .chain(self.asked.iter().map(|asked| asked.until))
            .chain(self.late.as_ref().map(|late| late.until))
            .chain(self.session.as_ref().map(Session::deadline))
            .chain(self.referring.as_ref().map(Referring::deadline))
            .min()
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
