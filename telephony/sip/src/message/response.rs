//! Responses.

use super::{CSeq, HeaderName, Headers, NameAddr, Via};
use bytes::Bytes;

/// A response. `headers` is what is written; the other fields are read from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Status code, 100–699.
    pub code: u16,
    /// Reason phrase; may be empty.
    pub reason: String,
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
    /// All fields but Content-Length.
    pub headers: Headers,
    /// Body.
    pub body: Bytes,
}

impl Response {
    /// The message's bytes.
    pub fn to_bytes(&self) -> Bytes {
        write_response(self.code, &self.reason, &self.headers, &self.body)
    }

    /// The first Contact's URI.
    pub fn contact(&self) -> Option<super::SipUri> {
        self.headers
            .first(&HeaderName::Contact)
            .and_then(NameAddr::parse)
            .map(|contact| contact.uri)
    }

    /// As [`Request::sdp`](super::Request::sdp).
    pub fn sdp(&self) -> Option<Bytes> {
        super::multipart::session(&self.headers, &self.body).ok().flatten()
    }

    /// Retry-After in seconds (RFC 3261 §20.33), comment and parameters left out.
    pub fn retry_after_s(&self) -> Option<u32> {
        let value = self.headers.first(&HeaderName::RetryAfter)?;
        value.split([';', '(', ' ']).next()?.parse().ok()
    }
}

/// The fields that a response repeats.
pub(super) const ECHOED: [HeaderName; 5] =
    [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];

/// The fields of a request that its response repeats (RFC 3261 §8.2.6.2), the To with our tag.
pub fn response_headers(request: &Headers, via: &Via, to_tag: Option<&str>) -> Headers {
    let mut headers = Headers::default();
    let mut vias = 0;
    for (name, value) in request.iter() {
        match name {
            HeaderName::Via => {
                vias += 1;
                let value = if vias == 1 { via.to_string() } else { value.clone() };
                headers.push(HeaderName::Via, value);
            }
            HeaderName::To => headers.push(HeaderName::To, with_tag(value, to_tag)),
            HeaderName::From | HeaderName::CallId | HeaderName::CSeq => {
                headers.push(name.clone(), value.as_str());
            }
            _ => {}
        }
    }
    headers
}

fn with_tag(to: &str, tag: Option<&str>) -> String {
    match (NameAddr::parse(to), tag) {
        (Some(addr), Some(tag)) if addr.tag().is_none() => format!("{to};tag={tag}"),
        _ => to.to_owned(),
    }
}

/// Bytes of a response that was never parsed.
pub(crate) fn write_response(code: u16, reason: &str, headers: &Headers, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(640 + body.len());
    let reason = reason.replace(['\r', '\n'], " ");
    super::text::push_text(&mut out, &format!("SIP/2.0 {code} {reason}\r\n"));
    headers.write(&mut out, body);
    out.into()
}

/// The usual reason phrase of a status code (RFC 3261 §21).
pub fn reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        415 => "Unsupported Media Type",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        600 => "Busy Everywhere",
        603 => "Decline",
        201..=299 => "OK",
        101..=179 | 181 | 182 | 184..=199 => "Progress",
        _ => "Failure",
    }
}
