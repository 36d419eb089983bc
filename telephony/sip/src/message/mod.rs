//! SIP messages (RFC 3261 §7, §25): parsed once into values, kept as text for the way back.
//!
//! Tolerant where RFC 4475 §3.1.1 says that a message is valid, strict where two readers could
//! disagree about where a message ends or whom it concerns.

mod caps;
mod dtmf;
mod headers;
mod method;
mod multipart;
mod name_addr;
mod parse;
mod replaces;
mod request;
mod response;
mod screen;
mod session_expires;
mod text;
mod uri;
mod via;

pub use caps::{
    BRANCH_BYTES_MAX, CALL_ID_BYTES_MAX, CSEQ_BYTES_MAX, LIST_VALUES_MAX, TAG_BYTES_MAX,
    VALUE_BYTES_MAX,
};
pub(crate) use dtmf::{INFO_ACCEPT, dtmf};
pub use headers::{HeaderName, Headers};
pub use method::Method;
pub(crate) use multipart::ACCEPT;
pub use name_addr::NameAddr;
pub use parse::{Fault, Framing, Head, parse, stream_message_len};
pub use replaces::Replaces;
pub use request::Request;
pub(crate) use request::write_request;
pub(crate) use response::write_response;
pub use response::{Response, reason_phrase, response_headers};
pub use screen::{ALLOW, Refusal, SUPPORTED, screen};
pub(crate) use screen::{ALLOW_OF_REGISTRAR, SUPPORTED_AGAIN};
pub(crate) use session_expires::{Refresher, SessionExpires, min_se_s, rack, rseq};
pub(crate) use text::split_outside_quotes;
pub use text::{Param, Params};
pub(crate) use uri::unescape;
pub use uri::{Scheme, SipUri};
pub use via::Via;

/// A request or a response.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// RFC 3261 §7.1.
    Request(Box<Request>),
    /// RFC 3261 §7.2.
    Response(Box<Response>),
}

/// The CSeq header (RFC 3261 §20.16): a number below 2³¹ and the method that it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Sequence number within the dialog and direction.
    pub number: u32,
    /// Method of the request.
    pub method: Method,
}

impl CSeq {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, method) = text.trim().split_once([' ', '\t'])?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number = number.parse::<u32>().ok().filter(|n| *n < 1 << 31)?;
        Some(Self { number, method: Method::parse(method.trim())? })
    }
}
