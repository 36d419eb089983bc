//! A request of ours once more: with a password, by the next address, or as a datagram after all.

use super::Agent;
use super::build::{via, with_via};
use super::call::{Cancel, Phase};
use super::table::{ClientTx, Purpose, TxId};
use crate::auth::{Answerer, Credentials};
use crate::message::{CSeq, HeaderName, Headers, Method, NameAddr, Response, write_request};
use crate::recent::Recent;
use crate::transaction::key_of_branch;
use crate::transport::{Flow, Transport};
use bytes::Bytes;
use qingting_common::Millis;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Longest request that goes as a datagram when there is another way (RFC 3261 §18.1.1).
pub const UDP_REQUEST_BYTES_MAX: usize = 1_300;

/// Challenges of one request that are answered, at most: a stale nonce may come in between.
const CHALLENGES_MAX: u8 = 2;

/// Peers that are known to take no TCP, at most.
const DATAGRAM_PEERS_MAX: usize = 1_024;

/// Peers that take nothing but datagrams.
pub(super) struct DatagramPeers(Recent<SocketAddr, ()>);

impl Default for DatagramPeers {
    fn default() -> Self {
        Self(Recent::new(DATAGRAM_PEERS_MAX))
    }
}

/// What a request needs to be sent once more.
#[derive(Default)]
pub(super) struct Retry {
    pub(super) body: Option<Bytes>,
    pub(super) credentials: Option<Arc<Credentials>>,
    pub(super) answerer: Answerer,
    pub(super) challenges: u8,
    /// The way of a request that was too long for it.
    pub(super) datagram: Option<Flow>,
    /// The way was chosen by whoever asked, and is kept.
    pub(super) fixed: bool,
    /// Further addresses of the peer, the best last.
    pub(super) others: Vec<Flow>,
    /// How long an INVITE waits for anything at all, where that is less than timer B.
    pub(super) silence_max: Option<Duration>,
}

impl Agent {
    /// The way of a request: by TCP when it is too long for UDP and the peer may take TCP.
    pub(super) fn way_of(&mut self, flow: Flow, pinned: bool, bytes: usize) -> Option<Flow> {
        let long = flow.transport == Transport::Udp && bytes > UDP_REQUEST_BYTES_MAX;
        if !long || pinned || self.datagram_peers.0.peek(&flow.remote).is_some() {
            return None;
        }
        self.stats.switched_to_tcp += 1;
        Some(Flow { transport: Transport::Tcp, link: None, ..flow })
    }

    /// Answers a 401 or 407, if we have a password and it was not refused already.
    pub(super) fn authenticate(&mut self, now: Millis, id: TxId, response: &Response) -> bool {
        if !matches!(response.code, 401 | 407) || self.is_cancelled(id) {
            return false;
        }
        let cnonce = self.ids.tag();
        let Some(tx) = self.clients.entry(id) else { return false };
        let (method, uri, retry) = (tx.method(), tx.sent.uri.to_string(), &mut tx.retry);
        let Some(credentials) = retry.credentials.clone() else { return false };
        if retry.challenges >= CHALLENGES_MAX {
            return false;
        }
        retry.challenges += 1;
        let challenge = &response.headers;
        let field = retry.answerer.answer(&credentials, challenge, &method, &uri, &cnonce);
        let Some((name, value)) = field else { return false };
        let (flow, cseq, mut headers) = (tx.flow, tx.sent.cseq + 1, tx.sent.headers.clone());
        let (key, answerer) = (tx.call, tx.retry.answerer.clone());
        let peer = headers.first(&HeaderName::To).and_then(NameAddr::parse);
        let call = self.calls.get_mut(&key).map(|call| {
            call.answerer = answerer;
            call.dialog_with(peer.as_ref().and_then(NameAddr::tag).unwrap_or_default())
        });
        let in_dialog = call.flatten().map(|dialog| dialog.request(method.clone()).cseq);
        let cseq = in_dialog.unwrap_or(cseq);
        headers = headers
            .iter()
            .filter(|(known, _)| *known != name)
            .map(|(known, value)| match known {
                HeaderName::CSeq => (HeaderName::CSeq, format!("{cseq} {method}")),
                _ => (known.clone(), value.clone()),
            })
            .collect();
        headers.push(name, value);
        self.stats.authenticated_out += 1;
        self.once_more(now, id, flow, cseq, headers);
        true
    }

    /// Sends a request that got no answer, or 503, to the next address (RFC 3263 §4.3).
    pub(super) fn fail_over(&mut self, now: Millis, id: TxId) -> bool {
        if self.is_cancelled(id) {
            return false;
        }
        let Some(tx) = self.clients.entry(id) else { return false };
        let Some(flow) = tx.retry.others.pop() else { return false };
        tx.retry.datagram = None;
        let (cseq, headers, key) = (tx.sent.cseq, tx.sent.headers.clone(), tx.call);
        if let Some(call) = self.calls.get_mut(&key) {
            call.flow = flow;
        }
        self.stats.failed_over += 1;
        self.once_more(now, id, flow, cseq, headers);
        true
    }

    /// Sends a request as a datagram after all, when TCP failed.
    pub(super) fn fall_back(&mut self, now: Millis, id: TxId) -> bool {
        let Some(tx) = self.clients.entry(id) else { return false };
        let Some(flow) = tx.retry.datagram.take() else { return false };
        let (cseq, headers) = (tx.sent.cseq, tx.sent.headers.clone());
        self.datagram_peers.0.touch(&flow.remote, || ());
        self.once_more(now, id, flow, cseq, headers);
        true
    }

    /// Whether a request's call was given up meanwhile.
    fn is_cancelled(&mut self, id: TxId) -> bool {
        let Some(tx) = self.clients.entry(id) else { return true };
        if !matches!(tx.purpose, Purpose::Invite) {
            return false;
        }
        let key = tx.call;
        self.calls.get(&key).is_none_or(|call| call.cancel != Cancel::No)
    }

    /// A new transaction in the place of an old one, which only absorbs what still comes.
    fn once_more(&mut self, now: Millis, id: TxId, flow: Flow, cseq: u32, headers: Headers) {
        let branch = self.ids.branch();
        let Some(tx) = self.clients.entry(id) else { return };
        let (method, uri, call) = (tx.method(), tx.sent.uri.clone(), tx.call);
        let purpose = std::mem::replace(&mut tx.purpose, Purpose::Quiet);
        let retry = std::mem::take(&mut tx.retry);
        let headers = with_via(&headers, via(flow, &branch));
        let body = retry.body.as_deref().unwrap_or_default();
        let bytes = write_request(&method, &uri, &headers, body);
        let key = key_of_branch(&branch, &method);
        let sent = super::table::Sent { uri, cseq, headers };
        if matches!(purpose, Purpose::Invite) {
            self.begin_anew(now, call, retry.body.is_some());
        }
        let new = self.start_sent(now, call, flow, &method, sent, purpose, key, bytes, retry);
        let Some(call) = self.calls.get_mut(&call) else { return };
        call.goes_on_by(id, new);
        if call.phase == Phase::Calling && call.invite_out == Some(new) {
            call.cseq = cseq;
        }
    }
}

impl ClientTx {
    /// The method of the request.
    pub(super) fn method(&self) -> Method {
        let cseq = self.sent.headers.first(&HeaderName::CSeq).and_then(CSeq::parse);
        cseq.map_or(Method::Invite, |cseq| cseq.method)
    }

    /// It carried a session description, or whatever body.
    pub(super) const fn is_described(&self) -> bool {
        self.retry.body.is_some()
    }

    /// The way that the peer is reached by, were the request shorter.
    pub(super) fn base_flow(&self) -> Flow {
        self.retry.datagram.unwrap_or(self.flow)
    }
}
