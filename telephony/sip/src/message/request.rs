//! Requests.

use super::{CSeq, HeaderName, Headers, Method, NameAddr, SipUri, Via};
use bytes::Bytes;

/// A request. `headers` is what is written; the other fields are read from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Request-URI.
    pub uri: SipUri,
    /// The top Via.
    pub via: Via,
    /// From.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: String,
    /// CSeq.
    pub cseq: CSeq,
    /// Max-Forwards; a client of RFC 2543 sends none.
    pub max_forwards: Option<u8>,
    /// All fields but Content-Length.
    pub headers: Headers,
    /// Body.
    pub body: Bytes,
}

impl Request {
    /// The message's bytes.
    pub fn to_bytes(&self) -> Bytes {
        write_request(&self.method, &self.uri, &self.headers, &self.body)
    }

    /// The first Contact's URI.
    pub fn contact(&self) -> Option<SipUri> {
        self.headers
            .first(&HeaderName::Contact)
            .and_then(NameAddr::parse)
            .map(|contact| contact.uri)
    }

    /// The body when it is `application/sdp`, or that part of a multipart body (RFC 5621); `None`
    /// when there is no such part, or another one must be understood.
    pub fn sdp(&self) -> Option<Bytes> {
        super::multipart::session(&self.headers, &self.body).ok().flatten()
    }
}

/// Bytes of a request that was never parsed. Headers in its URI, which a peer's Contact may have, are left out
/// (RFC 3261 §19.1.1).
pub(crate) fn write_request(
    method: &Method,
    uri: &SipUri,
    headers: &Headers,
    body: &[u8],
) -> Bytes {
    let mut out = Vec::with_capacity(640 + body.len());
    let bare = uri.headers.as_ref().map(|_| SipUri { headers: None, ..uri.clone() });
    let uri = bare.as_ref().unwrap_or(uri);
    super::text::push_text(&mut out, &format!("{method} {uri} SIP/2.0\r\n"));
    headers.write(&mut out, body);
    out.into()
}
