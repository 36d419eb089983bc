//! Requests of ours, each by a transaction of its own.

use super::Agent;
use super::build::{via, with_via};
use super::call::{Call, CallKey};
use super::output::Origin;
use super::retry::Retry;
use super::table::{ClientMachine, ClientTx, Purpose, Sent, TxId};
use crate::dialog::Outgoing;
use crate::message::{HeaderName, Method, write_request};
use crate::transaction::{Client, InviteClient, key_of_branch};
use crate::transport::Flow;
use bytes::Bytes;
use qingting_common::Millis;

impl Agent {
    /// Sends a request of a call; a challenge to it is answered with the call's password.
    #[allow(clippy::too_many_arguments, reason = "each is a part of one message")]
    pub(super) fn start(
        &mut self,
        now: Millis,
        call: CallKey,
        flow: Flow,
        outgoing: Outgoing,
        purpose: Purpose,
        extra: &[(HeaderName, String)],
        body: Option<&Bytes>,
    ) -> TxId {
        let of_call = |call: &Call| Retry {
            credentials: call.credentials.clone(),
            answerer: call.answerer.for_next(),
            ..Retry::default()
        };
        let retry = self.calls.get(&call).map(of_call).unwrap_or_default();
        self.start_with(now, call, flow, outgoing, purpose, extra, body, retry)
    }

    /// The same, with what it takes to send it once more.
    #[allow(clippy::too_many_arguments, reason = "each is a part of one message")]
    pub(super) fn start_with(
        &mut self,
        now: Millis,
        call: CallKey,
        mut flow: Flow,
        mut outgoing: Outgoing,
        purpose: Purpose,
        extra: &[(HeaderName, String)],
        body: Option<&Bytes>,
        mut retry: Retry,
    ) -> TxId {
        // As it is written: a password is for the URI of its request.
        outgoing.uri.headers = None;
        let branch = self.ids.branch();
        let (mut headers, mut bytes) = self.finish_request(&outgoing, flow, &branch, extra, body);
        let Outgoing { method, uri, cseq, .. } = outgoing;
        retry.body = body.cloned();
        let pinned = self.calls.get(&call).is_some_and(|call| call.pinned);
        if let Some(tcp) = self.way_of(flow, pinned || retry.fixed, bytes.len()) {
            retry.datagram = Some(std::mem::replace(&mut flow, tcp));
            headers = with_via(&headers, via(flow, &branch));
            bytes = write_request(&method, &uri, &headers, body.map_or(&[], |body| &body[..]));
        }
        let (key, sent) = (key_of_branch(&branch, &method), Sent { uri, cseq, headers });
        self.start_sent(now, call, flow, &method, sent, purpose, key, bytes, retry)
    }

    /// Sends a request that is written already.
    #[allow(clippy::too_many_arguments, reason = "each is a part of one message")]
    pub(super) fn start_sent(
        &mut self,
        now: Millis,
        call: CallKey,
        flow: Flow,
        method: &Method,
        sent: Sent,
        purpose: Purpose,
        key: String,
        bytes: Bytes,
        retry: Retry,
    ) -> TxId {
        let reliable = flow.transport.is_reliable();
        let machine = if *method == Method::Invite {
            let machine = InviteClient::new(now, reliable, bytes.clone());
            ClientMachine::Invite(match retry.silence_max {
                Some(most) => machine.waiting(now, most),
                None => machine,
            })
        } else {
            ClientMachine::Other(Client::new(now, reliable, bytes.clone()))
        };
        let acks = Vec::new();
        let pinned = self.calls.get(&call).is_some_and(|call| call.pinned);
        let tx =
            ClientTx { machine, purpose, flow, call, sent, acks, scheduled: None, pinned, retry };
        let body = tx.retry.body.as_ref().map_or(0, Bytes::len);
        let kept = size_of::<ClientTx>() + tx.sent.headers.bytes() + bytes.len() + body;
        let id = self.clients.insert(key, tx, kept);
        self.arm_client(id);
        self.send(flow, bytes, Origin::Client(id.0), true);
        id
    }
}
