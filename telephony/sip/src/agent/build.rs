//! The bytes of what the agent sends.

use super::Agent;
use super::table::{Sent, ServerTx};
use crate::dialog::Outgoing;
use crate::handle::Reply;
use crate::message::{
    ALLOW, ALLOW_OF_REGISTRAR, HeaderName, Headers, Method, Response, SUPPORTED, SUPPORTED_AGAIN,
    Via, reason_phrase, response_headers, write_request, write_response,
};
use crate::transport::{Flow, Transport};
use bytes::Bytes;

const SDP: &str = "application/sdp";

impl Agent {
    /// A response to an INVITE. Those that make a dialog carry its route and our Contact
    /// (RFC 3261 §12.1.1).
    pub(super) fn invite_response(&self, tx: &ServerTx, reply: &Reply) -> Bytes {
        let mut headers = tx.echo.clone();
        if (101..300).contains(&reply.code) {
            for route in &tx.record_routes {
                headers.push(HeaderName::RecordRoute, route.as_str());
            }
            headers.push(HeaderName::Contact, contact(tx.flow));
        }
        if reply.code > 100 {
            self.push_about_us(&mut headers, SUPPORTED, HeaderName::Server);
        }
        for (name, value) in &reply.headers {
            headers.push(name.clone(), value.as_str());
        }
        push_body_type(&mut headers, reply.body.as_ref());
        let phrase = reply.phrase.as_deref().unwrap_or_else(|| reason_phrase(reply.code));
        write_response(reply.code, phrase, &headers, reply.body.as_deref().unwrap_or_default())
    }

    /// A response of the agent's own, without body.
    pub(super) fn plain_response(
        &self,
        request: &Headers,
        via: &Via,
        tag: &str,
        code: u16,
        phrase: &str,
        extra: Vec<(HeaderName, String)>,
    ) -> Bytes {
        let mut headers = response_headers(request, via, Some(tag));
        headers.push(HeaderName::Server, self.config.product.as_str());
        for (name, value) in extra {
            headers.push(name, value);
        }
        write_response(code, phrase, &headers, &[])
    }

    /// A request of ours: Via before, Contact and what we are behind the fields of its dialog.
    pub(super) fn finish_request(
        &self,
        outgoing: &Outgoing,
        flow: Flow,
        branch: &str,
        extra: &[(HeaderName, String)],
        body: Option<&Bytes>,
    ) -> (Headers, Bytes) {
        let mut headers = Headers::default();
        headers.push(HeaderName::Via, via(flow, branch));
        for (name, value) in outgoing.headers.iter() {
            headers.push(name.clone(), value.as_str());
        }
        if names_us(&outgoing.method) {
            if extra.iter().all(|(name, _)| *name != HeaderName::Contact) {
                headers.push(HeaderName::Contact, contact(flow));
            }
            // Only the INVITE that makes a dialog has no tag of the peer's.
            let again = headers.first(&HeaderName::To).is_some_and(|to| to.contains(";tag="));
            let supported = if again { SUPPORTED_AGAIN } else { SUPPORTED };
            self.push_about_us(&mut headers, supported, HeaderName::UserAgent);
        } else {
            headers.push(HeaderName::UserAgent, self.config.product.as_str());
        }
        for (name, value) in extra {
            headers.push(name.clone(), value.as_str());
        }
        push_body_type(&mut headers, body);
        let body = body.map(|body| &body[..]).unwrap_or_default();
        let bytes = write_request(&outgoing.method, &outgoing.uri, &headers, body);
        (headers, bytes)
    }

    /// The methods that we take.
    pub(super) const fn allow(&self) -> &'static str {
        if self.edge.config.directory.is_some() { ALLOW_OF_REGISTRAR } else { ALLOW }
    }

    fn push_about_us(&self, headers: &mut Headers, supported: &str, name: HeaderName) {
        headers.push(HeaderName::Allow, self.allow());
        headers.push(HeaderName::Supported, supported);
        headers.push(name, self.config.product.as_str());
    }
}

/// Requests that make a dialog, refresh its target (RFC 3261 §12.2, RFC 3311 §5.1) or use one that
/// they could make (RFC 3515 §2.2, RFC 6665 §8.2.1).
const fn names_us(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Refer | Method::Notify)
}

/// The ACK of a refusal: it belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
pub(super) fn hop_ack(sent: &Sent, refusal: &Response) -> Bytes {
    let to = refusal.headers.first(&HeaderName::To).unwrap_or_default();
    same_hop(sent, &Method::Ack, Some(to))
}

/// The CANCEL of an INVITE (RFC 3261 §9.1).
pub(super) fn cancel(sent: &Sent) -> (Headers, Bytes) {
    let headers = same_hop_headers(sent, &Method::Cancel, None);
    let bytes = write_request(&Method::Cancel, &sent.uri, &headers, &[]);
    (headers, bytes)
}

/// Our Contact: where requests of the peer reach us.
fn contact(flow: Flow) -> String {
    match flow.transport {
        Transport::Udp => format!("<sip:{}>", flow.local),
        transport => format!("<sip:{};transport={}>", flow.local, transport.uri_name()),
    }
}

/// The same with a user.
pub(super) fn contact_of(user: &str, flow: Flow) -> String {
    contact(flow).replacen("sip:", &format!("sip:{user}@"), 1)
}

/// Header fields with another top Via.
pub(super) fn with_via(headers: &Headers, via: String) -> Headers {
    let rest = headers.iter().filter(|(name, _)| *name != HeaderName::Via).cloned();
    std::iter::once((HeaderName::Via, via)).chain(rest).collect()
}

pub(super) fn via(flow: Flow, branch: &str) -> String {
    format!("SIP/2.0/{} {};rport;branch={branch}", flow.transport.via_name(), flow.local)
}

fn same_hop(sent: &Sent, method: &Method, to: Option<&str>) -> Bytes {
    write_request(method, &sent.uri, &same_hop_headers(sent, method, to), &[])
}

/// What ACK and CANCEL take over from their INVITE.
fn same_hop_headers(sent: &Sent, method: &Method, to: Option<&str>) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in sent.headers.iter() {
        match name {
            HeaderName::Via
            | HeaderName::MaxForwards
            | HeaderName::Route
            | HeaderName::From
            | HeaderName::CallId => headers.push(name.clone(), value.as_str()),
            HeaderName::To => headers.push(HeaderName::To, to.unwrap_or(value)),
            HeaderName::CSeq => headers.push(HeaderName::CSeq, format!("{} {method}", sent.cseq)),
            _ => {}
        }
    }
    headers
}

fn push_body_type(headers: &mut Headers, body: Option<&Bytes>) {
    if body.is_some_and(|body| !body.is_empty())
        && headers.first(&HeaderName::ContentType).is_none()
    {
        headers.push(HeaderName::ContentType, SDP);
    }
}
