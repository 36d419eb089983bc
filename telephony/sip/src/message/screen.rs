//! What a user agent server refuses before it looks at dialogs (RFC 3261 §8.2).

use super::multipart::{ACCEPT, session};
use super::{HeaderName, Method, Request};

/// Methods that this server handles.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO, REFER, NOTIFY";

/// The same for a server that knows users.
pub(crate) const ALLOW_OF_REGISTRAR: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO, REFER, NOTIFY, REGISTER";

/// Option tags that this server understands: RFC 3262, 4028, 3891 and 4488.
pub const SUPPORTED: &str = "100rel, timer, replaces, norefersub";

/// The same in a re-INVITE of ours, whose provisional responses nobody waits for.
pub(crate) const SUPPORTED_AGAIN: &str = "timer, replaces, norefersub";

/// Longest Unsupported field of a refusal.
const UNSUPPORTED_BYTES_MAX: usize = 128;

/// A refusal: status code and the field that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status code.
    pub code: u16,
    /// A field for the response.
    pub header: Option<(HeaderName, String)>,
}

impl Refusal {
    fn new(code: u16) -> Self {
        Self { code, header: None }
    }

    fn with(code: u16, name: HeaderName, value: impl Into<String>) -> Self {
        Self { code, header: Some((name, value.into())) }
    }
}

/// The refusal that a well-formed request earns by itself, if any. ACK is never refused, and
/// CANCEL not for its extensions (§8.2.2.3).
pub fn screen(request: &Request) -> Option<Refusal> {
    match &request.method {
        Method::Ack | Method::Cancel => return None,
        Method::Invite | Method::Bye | Method::Options | Method::Info => {}
        Method::Update | Method::Prack | Method::Refer | Method::Notify => {}
        Method::Other(_) => return Some(Refusal::with(501, HeaderName::Allow, ALLOW)),
        _ => return Some(Refusal::with(405, HeaderName::Allow, ALLOW)),
    }
    // We are the final recipient, which may answer a traceroute by OPTIONS (§11).
    if request.max_forwards == Some(0) && request.method != Method::Options {
        return Some(Refusal::new(483));
    }
    if let Some(unknown) = unsupported(request) {
        return Some(Refusal::with(420, HeaderName::Unsupported, unknown));
    }
    // RFC 3891 §3: in an INVITE alone.
    if request.method != Method::Invite && request.headers.first(&HeaderName::Replaces).is_some() {
        return Some(Refusal::new(400));
    }
    let described = matches!(request.method, Method::Invite | Method::Update | Method::Prack);
    if described && session(&request.headers, &request.body).is_err() {
        return Some(Refusal::with(415, HeaderName::Accept, ACCEPT));
    }
    None
}

/// The option tags that are required of us and that we do not know. More than fits is left out, the peer will
/// not succeed without them either.
fn unsupported(request: &Request) -> Option<String> {
    let names = [HeaderName::Require, HeaderName::ProxyRequire];
    let known = |tag: &str| SUPPORTED.split(", ").any(|known| known.eq_ignore_ascii_case(tag));
    let tags = names.iter().flat_map(|name| request.headers.tags(name));
    let mut tags = tags.filter(|tag| !known(tag));
    let first = tags.next()?;
    let mut listed = first[..first.floor_char_boundary(UNSUPPORTED_BYTES_MAX)].to_owned();
    for tag in tags {
        if listed.len() + 2 + tag.len() > UNSUPPORTED_BYTES_MAX {
            break;
        }
        listed.push_str(", ");
        listed.push_str(tag);
    }
    Some(listed)
}
