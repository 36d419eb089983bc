//! Who calls whom, as the trunk says it.

use qingting_common::Pii;
use qingting_sip::message::{HeaderName, NameAddr, Request, SipUri};

/// Longest number kept, in characters: E.164 with an extension needs half of it.
const NUMBER_CHARS_MAX: usize = 40;
/// What a caller without a number is called.
const ANONYMOUS: &str = "anonymous";

/// The two ends of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The caller's number, `anonymous` when withheld.
    pub caller: Pii<String>,
    /// The number that was called.
    pub called: String,
}

impl Identity {
    /// P-Asserted-Identity (RFC 3325) before From for the caller; the Request-URI before To for
    /// the called number.
    pub fn of(request: &Request) -> Self {
        let asserted = HeaderName::PAssertedIdentity;
        let caller = request
            .headers
            .all(&asserted)
            .filter_map(NameAddr::parse)
            .find_map(|addr| number(&addr.uri))
            .or_else(|| number(&request.from.uri))
            .unwrap_or_else(|| ANONYMOUS.to_owned());
        let called = number(&request.uri).or_else(|| number(&request.to.uri)).unwrap_or_default();
        Self { caller: Pii::new(caller), called }
    }

    /// The caller's number when it is digits that could be dialled.
    pub fn caller_digits(&self) -> Option<String> {
        let number = self.caller.expose().strip_prefix('+').unwrap_or(self.caller.expose());
        let number = number.strip_prefix("86").filter(|rest| rest.len() == 11).unwrap_or(number);
        let is_number = number.len() >= 3 && number.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| number.to_owned())
    }
}

/// The user part, visual separators removed from what is a number (RFC 3966 §5.1.1).
fn number(uri: &SipUri) -> Option<String> {
    let user = uri.user_name()?;
    let bare: String = user.chars().filter(|c| !"-.()".contains(*c)).collect();
    let is_number = bare.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c));
    let kept = if is_number { bare } else { user };
    let kept: String = kept.chars().filter(|c| !c.is_control()).take(NUMBER_CHARS_MAX).collect();
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use qingting_sip::message::{Framing, Message, parse};

    fn identity(from: &str, more: &str) -> Identity {
        let text = format!(
            "INVITE sip:12345@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             From: {from};tag=1\r\nTo: <sip:12345@192.0.2.1>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\
             {more}\r\n"
        );
        let Ok(Message::Request(request)) = parse(&Bytes::from(text), Framing::Datagram) else {
            panic!("a request")
        };
        Identity::of(&request)
    }

    #[test]
    fn the_asserted_identity_goes_before_the_from() {
        let asserted = "P-Asserted-Identity: <tel:+86-138-0013-8000>\r\n";
        let found = identity("<sip:anonymous@anonymous.invalid>", asserted);
        assert_eq!(found.caller.expose(), "+8613800138000");
        assert_eq!(found.caller_digits().as_deref(), Some("13800138000"));
        assert_eq!(found.called, "12345");
    }

    #[test]
    fn a_caller_without_a_number_is_anonymous() {
        let found = identity("<sip:anonymous.invalid>", "");
        assert_eq!((found.caller.expose().as_str(), found.caller_digits()), ("anonymous", None));
    }
}
