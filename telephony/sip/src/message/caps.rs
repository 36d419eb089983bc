//! How long the fields may be that are kept and echoed.
//!
//! RFC 3261 sets no limit: §25.1 defines a Call-ID as `word [ "@" word ]`, a tag and a branch as a
//! token, and a message has as many Via and Record-Route values as it passed proxies (§16.6). But
//! whatever of a request stands in a response is kept for 64 × T1 after it (§17.2), for anybody who
//! sends an INVITE. §21.4.1 allows what is refused here: 400, "the Reason-Phrase SHOULD identify
//! the syntax problem in more detail". RFC 4475 §3.1.1.7, a legal message of long values, passes.

use super::response::ECHOED;
use super::{HeaderName, Headers, NameAddr, Via};

/// Longest Call-ID; §8.1.1.4 proposes 128 random bits and a host.
pub const CALL_ID_BYTES_MAX: usize = 256;

/// Longest tag; §19.3 asks for 32 random bits, RFC 4475 §3.1.1.7 has one of 155 bytes.
pub const TAG_BYTES_MAX: usize = 256;

/// Longest branch: proxies add to it what tells loops from spirals (§16.6).
pub const BRANCH_BYTES_MAX: usize = 256;

/// Longest CSeq value: a number below 2³¹ and a method (§20.16).
pub const CSEQ_BYTES_MAX: usize = 64;

/// Longest single value of From, To, Via, Contact, Route and Record-Route, and Request-URI.
pub const VALUE_BYTES_MAX: usize = 1_024;

/// Values of one list field, at most. A request of 70 hops (Max-Forwards, §8.1.1.6) could have more
/// Via values than this; RFC 4475 §3.1.1.7 has 34.
pub const LIST_VALUES_MAX: usize = 40;

/// The reason phrase for the first field that is too long, or of which there are too many.
pub(super) fn over(headers: &Headers) -> Option<&'static str> {
    let (mut vias, mut contacts, mut routes, mut records, mut others) = (0, 0, 0, 0, 0);
    headers.iter().find_map(|(name, value)| {
        let (count, too_many, too_long) = match name {
            HeaderName::Via => (&mut vias, "Too Many Via Values", "Via Too Long"),
            HeaderName::Contact => (&mut contacts, "Too Many Contact Values", "Contact Too Long"),
            HeaderName::Route => (&mut routes, "Too Many Route Values", "Route Too Long"),
            HeaderName::RecordRoute => {
                (&mut records, "Too Many Record-Route Values", "Record-Route Too Long")
            }
            HeaderName::From => (&mut others, "", "From Too Long"),
            HeaderName::To => (&mut others, "", "To Too Long"),
            HeaderName::CallId => {
                return (value.len() > CALL_ID_BYTES_MAX).then_some("Call-ID Too Long");
            }
            HeaderName::CSeq => return (value.len() > CSEQ_BYTES_MAX).then_some("CSeq Too Long"),
            _ => return None,
        };
        *count += 1;
        if *count > LIST_VALUES_MAX {
            return Some(too_many);
        }
        (value.len() > VALUE_BYTES_MAX).then_some(too_long)
    })
}

/// The same for what is found only by reading: the tags and the branch.
pub(super) fn over_inside(via: &Via, from: &NameAddr, to: &NameAddr) -> Option<&'static str> {
    let long = |tag: Option<&str>| tag.is_some_and(|tag| tag.len() > TAG_BYTES_MAX);
    if via.params.value("branch").is_some_and(|branch| branch.len() > BRANCH_BYTES_MAX) {
        return Some("Branch Too Long");
    }
    if long(from.tag()) {
        return Some("From Tag Too Long");
    }
    long(to.tag()).then_some("To Tag Too Long")
}

/// What the response to a broken request repeats of it: the first of each field, cut to its cap.
/// The top Via is not among them, see [`Via::shortened`].
pub(super) fn echo(headers: &Headers) -> Headers {
    let mut echo = Headers::default();
    for name in &ECHOED {
        let max = match name {
            HeaderName::CallId => CALL_ID_BYTES_MAX,
            HeaderName::CSeq => CSEQ_BYTES_MAX,
            _ => VALUE_BYTES_MAX,
        };
        if let Some(value) = headers.first(name) {
            echo.push(name.clone(), &value[..value.floor_char_boundary(max)]);
        }
    }
    echo
}

impl Via {
    /// A value that is not over its cap, or what of it a client needs to know its response by;
    /// `None` when not even that is short enough.
    pub(super) fn shortened(mut self) -> Option<Self> {
        if self.to_string().len() > VALUE_BYTES_MAX {
            self.params.0.retain(|param| {
                let needed = ["branch", "rport", "received"];
                needed.iter().any(|name| param.name.eq_ignore_ascii_case(name))
            });
        }
        (self.to_string().len() <= VALUE_BYTES_MAX).then_some(self)
    }
}
