//! Requests of ours outside any dialog and call: OPTIONS, REGISTER, MESSAGE.

use super::Agent;
use super::build::contact_of;
use super::call::CallKey;
use super::output::Output;
use super::retry::Retry;
use super::table::Purpose;
use crate::dialog::Outgoing;
use crate::message::{HeaderName, Headers, Response};
use crate::request::{OutgoingRequest, RequestError};
use crate::transport::Flow;
use qingting_common::Millis;
use std::sync::Arc;

/// Stands for no call; the agent and the endpoint count from the other end.
const NO_CALL: CallKey = CallKey(u64::MAX);

impl Agent {
    /// Sends a request; its end is [`Output::Responded`].
    pub(super) fn request_outside(
        &mut self,
        now: Millis,
        number: u64,
        request: &OutgoingRequest,
        mut ways: Vec<Flow>,
    ) {
        if ways.is_empty() {
            return self.responded(number, Err(RequestError::NoAddress));
        }
        let flow = ways.remove(0);
        ways.reverse();
        let outgoing = self.outgoing(request);
        let mut extra = request.headers.clone();
        if let Some(user) = &request.contact_user {
            extra.push((HeaderName::Contact, contact_of(user, flow)));
        }
        let credentials = request.credentials.clone().map(Arc::new);
        let fixed = request.flow.is_some();
        let retry = Retry { credentials, others: ways, fixed, ..Retry::default() };
        let purpose = Purpose::Outside(number);
        let body = request.body.as_ref();
        self.start_with(now, NO_CALL, flow, outgoing, purpose, &extra, body, retry);
    }

    fn outgoing(&mut self, request: &OutgoingRequest) -> Outgoing {
        let mut from = request.from.clone();
        from.params.put("tag", self.ids.tag());
        let to = request.to.as_ref().map_or(format!("<{}>", request.target), ToString::to_string);
        let call_id = request.call_id.clone().unwrap_or_else(|| self.ids.tag() + &self.ids.tag());
        let (cseq, method) = (request.cseq, request.method.clone());
        let mut headers = Headers::default();
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, from.to_string());
        headers.push(HeaderName::To, to);
        headers.push(HeaderName::CallId, call_id);
        headers.push(HeaderName::CSeq, format!("{cseq} {method}"));
        let uri = request.target.clone();
        Outgoing { method, next_hop: uri.clone(), uri, headers, cseq }
    }

    /// Tells who waits for the end of a request.
    pub(super) fn responded(&mut self, number: u64, result: Result<Box<Response>, RequestError>) {
        self.outputs.push_back(Output::Responded { number, result });
    }
}
