//! A request outside any dialog, and its one answer.

use crate::auth::Credentials;
use crate::message::{HeaderName, Method, NameAddr, SipUri};
use crate::transport::{Flow, Transport};
use bytes::Bytes;

/// A request to send: OPTIONS, REGISTER, MESSAGE and the like, but neither INVITE nor ACK.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    /// Method.
    pub method: Method,
    /// Request-URI, and where it goes.
    pub target: SipUri,
    /// How.
    pub transport: Transport,
    /// By this way, when there is one; `target` then is only the Request-URI.
    pub flow: Option<Flow>,
    /// Who asks; the tag is added.
    pub from: NameAddr,
    /// Whom it is about; the target when `None`.
    pub to: Option<NameAddr>,
    /// Further fields.
    pub headers: Vec<(HeaderName, String)>,
    /// The user part of a Contact of ours; no Contact when `None`.
    pub contact_user: Option<String>,
    /// Body; its type is among the fields.
    pub body: Option<Bytes>,
    /// For when we are asked for a password.
    pub credentials: Option<Credentials>,
    /// Call-ID; a random one when `None`. A registration keeps its own.
    pub call_id: Option<String>,
    /// CSeq number; an answered challenge takes the next one or two as well.
    pub cseq: u32,
}

impl OutgoingRequest {
    /// A request with nothing but what every request has.
    pub fn new(method: Method, target: SipUri, transport: Transport, from: NameAddr) -> Self {
        Self {
            method,
            target,
            transport,
            flow: None,
            from,
            to: None,
            headers: Vec::new(),
            contact_user: None,
            body: None,
            credentials: None,
            call_id: None,
            cseq: 1,
        }
    }
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The target's name has no address, or we have no socket of that kind.
    #[error("no address is known for the target: check its name and the transport")]
    NoAddress,
    /// It could not be sent.
    #[error("the request could not be sent: nobody listens there, or the network is down")]
    TransportLost,
    /// Nobody answered in 32 s.
    #[error("nobody answered in 32 s")]
    Timeout,
    /// The endpoint is closed, or its command queue is full.
    #[error("the SIP endpoint is closed or overloaded")]
    Unavailable,
}
