//! Messages from the network, up to where a dialog takes them.

use super::Agent;
use super::call::{Call, CallKey, Offer, Phase};
use super::guard::Guarded;
use super::output::{Origin, Outbound, Output};
use super::reliable::Peer;
use super::session::TimerAsk;
use super::table::{ServerMachine, ServerTx, TxId};
use crate::admission::{Asks, Verdict as Admission};
use crate::dialog::{DialogState, socket_addr};
use crate::handle::Reply;
use crate::message::{
    ACCEPT, Fault, Framing, Head, HeaderName, Message, Method, Refusal, Request, SUPPORTED, Via,
    parse, reason_phrase, response_headers, screen,
};
use crate::transaction::{InviteServer, Server, merge_key, server_key};
use crate::transport::{Flow, Transport};
use bytes::Bytes;
use qingting_common::Millis;
use std::net::SocketAddr;

/// Seconds of Retry-After for calls that are not admitted.
const RETRY_AFTER_S: (u32, u32) = (5, 15);

/// Longest Timestamp that is repeated: two decimal numbers.
const TIMESTAMP_BYTES_MAX: usize = 64;

const DEFAULT_PORT: u16 = 5060;

impl Agent {
    /// Takes one datagram, or one message that was cut from a stream. Line ends alone keep a way
    /// open (RFC 5626 §3.5.1, §4.4.1) and are ignored here.
    pub fn receive(&mut self, now: Millis, flow: Flow, bytes: &Bytes) {
        if bytes.iter().all(|byte| b"\r\n".contains(byte)) {
            return;
        }
        self.stats.messages_in += 1;
        let framing = match flow.transport {
            Transport::Udp | Transport::Ws | Transport::Wss => Framing::Datagram,
            Transport::Tcp | Transport::Tls => Framing::Stream,
        };
        match parse(bytes, framing) {
            Ok(Message::Request(request)) => self.request(now, flow, request),
            Ok(Message::Response(response)) => self.response(now, flow, *response),
            Err(Fault::Garbage(_)) => self.stats.garbage += 1,
            Err(Fault::Refused { head, code, reason }) => {
                self.refuse_broken(now, flow, *head, code, reason);
            }
        }
    }

    /// A request that could not be read is answered without state; an ACK never is.
    fn refuse_broken(&mut self, now: Millis, flow: Flow, head: Head, code: u16, reason: &str) {
        if head.method == "ACK" || self.admission(now, flow, None, Asks::Other) != Admission::Pass {
            self.stats.garbage += 1;
            return;
        }
        let Head { mut via, headers, .. } = head;
        via.stamp(flow.remote);
        let tag = self.ids.stateless_tag(&via, &headers);
        let bytes = self.plain_response(&headers, &via, &tag, code, reason, Vec::new());
        self.count_refused(code);
        self.send(reply_flow(&via, flow), bytes, Origin::Nobody, false);
    }

    fn request(&mut self, now: Millis, flow: Flow, mut request: Box<Request>) {
        request.via.stamp(flow.remote);
        if request.method == Method::Ack {
            return self.ack(now, &request);
        }
        let key = server_key(&request, &request.method);
        if let Some(id) = self.servers.find(&key) {
            return self.repeat(id);
        }
        if request.method == Method::Cancel {
            return self.cancelled(now, flow, key, &request);
        }
        if self.dialog_of(&request).is_none() && !self.is_heard(now, flow, &request) {
            return;
        }
        if request.method == Method::Register && self.edge.config.directory.is_some() {
            return self.register(now, flow, key, &request);
        }
        if let Some(refusal) = screen(&request) {
            return self.refuse_screened(flow, &request, refusal);
        }
        match request.to.tag() {
            Some(_) => self.within(now, flow, key, &request),
            None => self.outside(now, flow, key, request),
        }
    }

    /// A retransmission: its transaction knows the answer.
    fn repeat(&mut self, id: TxId) {
        self.stats.retransmissions_in += 1;
        let Some(tx) = self.servers.entry(id) else { return };
        let Some(bytes) = tx.machine.retransmitted() else { return };
        let outbound = Outbound { flow: tx.flow, bytes, origin: Origin::Nobody, dial: false };
        self.resend(outbound);
    }

    /// A request without To tag.
    fn outside(&mut self, now: Millis, flow: Flow, key: String, request: Box<Request>) {
        let Guarded::Pass(user) = self.guard(now, flow, &request) else { return };
        match request.method {
            Method::Invite => self.new_call(now, flow, key, request, user),
            Method::Options if self.draining => self.not_admitted(flow, &request),
            Method::Options => self.options(flow, &request),
            _ => self.refuse(flow, &request, 481, Vec::new()),
        }
    }

    /// An INVITE that asks for a call. What is not admitted leaves no trace.
    fn new_call(
        &mut self,
        now: Millis,
        flow: Flow,
        key: String,
        request: Box<Request>,
        user: Option<String>,
    ) {
        let merge = merge_key(&request);
        if self.merged.contains_key(&merge) {
            return self.refuse(flow, &request, 482, Vec::new());
        }
        // A user's second line, a transfer that is under way: they belong to calls that go on.
        let is_of_a_call = user.is_some() || request.headers.first(&HeaderName::Replaces).is_some();
        if self.draining && !is_of_a_call {
            return self.not_admitted(flow, &request);
        }
        if self.transactions_full()
            || self.incoming >= self.config.calls_max
            || self.unacked >= self.config.calls_unacked_max
        {
            self.stats.refused_full += 1;
            return self.not_admitted(flow, &request);
        }
        let is_stranger = self.is_strangers(flow, &request, user.is_some());
        if is_stranger && !self.has_room_for_stranger(&request) {
            return self.not_admitted(flow, &request);
        }
        if self.refuses_interval(flow, &request) {
            return;
        }
        let replaces = match self.replaced(now, &request) {
            Ok(replaces) => replaces,
            Err(code) => return self.refuse(flow, &request, code, Vec::new()),
        };
        let (call_key, tag) = (CallKey(self.ids.call()), self.ids.tag());
        let copies = Some(merge.clone());
        let id = self.open_invite(now, flow, key, &request, call_key, &tag, copies);
        self.merged.insert(merge, id);
        let index = dialog_index(&request.call_id, &tag);
        let mut call = Call::new(index.clone(), Phase::Incoming, flow);
        call.dialog = Some(DialogState::uas(&request, &tag, 0));
        call.invite_in = Some(id);
        // NAT and browsers: the Contact of a user of ours may lead nowhere, the way back does.
        // Behind a proxy of ours the route says it.
        let is_proxied = self.edge.config.is_proxy(flow.remote);
        call.pinned = !is_proxied && (user.is_some() || self.edge.registrar.knows(flow));
        let sender = self.edge.config.sender(flow, &request.headers);
        (call.is_incoming, call.is_strangers, call.is_unproved) = (true, is_stranger, is_stranger);
        self.incoming += 1;
        self.strangers.running += usize::from(is_stranger);
        self.strangers.unproved += usize::from(is_stranger);
        call.peer = Peer::of(&request.headers);
        call.offer = if request.sdp().is_some() { Offer::Theirs } else { Offer::None };
        self.calls.insert(call_key, call);
        self.dialogs.insert(index, call_key);
        self.look_up_next_hop(call_key);
        self.outputs.push_back(Output::Incoming {
            call: call_key,
            request,
            flow,
            sender,
            user,
            replaces,
        });
    }

    /// Opens the transaction of an INVITE and says 100 at once. One outside a dialog has a merge key.
    #[allow(clippy::too_many_arguments, reason = "each is a part of one transaction")]
    pub(super) fn open_invite(
        &mut self,
        now: Millis,
        flow: Flow,
        key: String,
        request: &Request,
        call: CallKey,
        tag: &str,
        merge: Option<String>,
    ) -> TxId {
        let reliable = flow.transport.is_reliable();
        let record_routes = request.headers.all(&HeaderName::RecordRoute).map(str::to_owned);
        let mut tx = ServerTx {
            machine: ServerMachine::Invite(InviteServer::new(reliable)),
            flow: reply_flow(&request.via, flow),
            call: Some(call),
            initial: merge.is_some(),
            cseq: request.cseq.number,
            echo: response_headers(&request.headers, &request.via, Some(tag)),
            record_routes: record_routes.collect(),
            contact: request.contact(),
            timer: TimerAsk::of(&request.headers),
            reliable_only: Peer::of(&request.headers).reliable_only,
            merge,
            scheduled: None,
        };
        let mut trying = Reply::new(100);
        // RFC 3261 §8.2.6.1: the 100 repeats it, so that the peer can measure the way.
        let timestamp = request.headers.first(&HeaderName::Timestamp);
        if let Some(timestamp) = timestamp.filter(|at| at.len() <= TIMESTAMP_BYTES_MAX) {
            trying.headers.push((HeaderName::Timestamp, timestamp.to_owned()));
        }
        let trying = self.invite_response(&tx, &trying);
        if let ServerMachine::Invite(machine) = &mut tx.machine {
            machine.respond(now, 100, &trying);
        }
        let (bytes, repeated) = (tx.bytes(), trying.len());
        self.send(tx.flow, trying, Origin::Nobody, false);
        let id = self.servers.insert(key, tx, bytes);
        self.servers.repeats(id, repeated);
        id
    }

    /// Answers a non-INVITE request without further fields.
    pub(super) fn answer(
        &mut self,
        now: Millis,
        flow: Flow,
        key: String,
        request: &Request,
        code: u16,
        tag: &str,
    ) {
        self.answer_with(now, flow, key, request, code, tag, Vec::new());
    }

    /// Answers a non-INVITE request and remembers the answer for its retransmissions, while there
    /// is room for it.
    #[allow(clippy::too_many_arguments, reason = "each is a part of one response")]
    pub(super) fn answer_with(
        &mut self,
        now: Millis,
        flow: Flow,
        key: String,
        request: &Request,
        code: u16,
        tag: &str,
        extra: Vec<(HeaderName, String)>,
    ) {
        let (headers, via) = (&request.headers, &request.via);
        let bytes = self.plain_response(headers, via, tag, code, reason_phrase(code), extra);
        let flow = reply_flow(&request.via, flow);
        let machine = Server::completed(now, flow.transport.is_reliable(), bytes.clone());
        let repeated = bytes.len();
        self.send(flow, bytes, Origin::Nobody, false);
        if machine.is_over() || self.transactions_full() {
            return;
        }
        let tx = ServerTx {
            machine: ServerMachine::Other(machine),
            flow,
            call: None,
            initial: false,
            cseq: request.cseq.number,
            echo: Default::default(),
            record_routes: Vec::new(),
            contact: None,
            timer: TimerAsk::default(),
            reliable_only: false,
            merge: None,
            scheduled: None,
        };
        let kept = tx.bytes();
        let id = self.servers.insert(key, tx, kept);
        self.servers.repeats(id, repeated);
        self.arm_server(id);
    }

    /// Capabilities, as an INVITE would find them (RFC 3261 §11.2), without state.
    pub(super) fn options(&mut self, flow: Flow, request: &Request) {
        let about_us = vec![
            (HeaderName::Allow, self.allow().to_owned()),
            (HeaderName::Accept, ACCEPT.to_owned()),
            (HeaderName::Supported, SUPPORTED.to_owned()),
        ];
        self.reply_stateless(flow, request, 200, about_us);
    }

    fn refuse_screened(&mut self, flow: Flow, request: &Request, refusal: Refusal) {
        let allow = |(name, value)| match name {
            HeaderName::Allow => (name, self.allow().to_owned()),
            _ => (name, value),
        };
        let header = refusal.header.map(allow);
        self.refuse(flow, request, refusal.code, header.into_iter().collect());
    }

    /// Refuses without state: a retransmission is refused again.
    pub(super) fn refuse(
        &mut self,
        flow: Flow,
        request: &Request,
        code: u16,
        extra: Vec<(HeaderName, String)>,
    ) {
        self.count_refused(code);
        self.reply_stateless(flow, request, code, extra);
    }

    pub(super) fn not_admitted(&mut self, flow: Flow, request: &Request) {
        self.stats.refused_admission += u64::from(request.method == Method::Invite);
        let after = self.ids.jitter_s(RETRY_AFTER_S.0, RETRY_AFTER_S.1);
        let extra = vec![(HeaderName::RetryAfter, after.to_string())];
        self.reply_stateless(flow, request, 503, extra);
    }

    pub(super) fn reply_stateless(
        &mut self,
        flow: Flow,
        request: &Request,
        code: u16,
        extra: Vec<(HeaderName, String)>,
    ) {
        let (via, headers) = (&request.via, &request.headers);
        let tag = self.ids.stateless_tag(via, headers);
        let bytes = self.plain_response(headers, via, &tag, code, reason_phrase(code), extra);
        self.send(reply_flow(via, flow), bytes, Origin::Nobody, false);
    }

    fn count_refused(&mut self, code: u16) {
        match code {
            400..500 => self.stats.refused_4xx += 1,
            _ => self.stats.refused_5xx += 1,
        }
    }

    /// Asks for the address of a dialog's next hop when it is a name.
    pub(super) fn look_up_next_hop(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(&key) else { return };
        let Some(Err((host, port))) =
            call.dialog.as_ref().map(|dialog| socket_addr(dialog.next_hop()))
        else {
            return;
        };
        if call.resolved.as_ref().is_none_or(|(known, _)| *known != host) {
            self.outputs.push_back(Output::Resolve { call: key, host, port });
        }
    }
}

/// A dialog's key: two dialogs of one Call-ID differ in our tag.
pub(super) fn dialog_index(call_id: &str, tag: &str) -> String {
    format!("{call_id}\n{tag}")
}

/// Where the response to a request goes (RFC 3261 §18.2.2, RFC 3581 §4): back on its connection,
/// or to the host that it came from, at the port that it came from when `rport` asks for it.
pub(super) fn reply_flow(via: &Via, flow: Flow) -> Flow {
    if flow.transport.is_reliable() || via.params.value("rport").is_some() {
        return flow;
    }
    let port = via.port.unwrap_or(DEFAULT_PORT);
    Flow { remote: SocketAddr::new(flow.remote.ip(), port), ..flow }
}
