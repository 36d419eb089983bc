//! Who calls whom, as the trunk says it.

use qingting_common::Pii;
use qingting_sip::message::{HeaderName, NameAddr, Request, SipUri};

/// Digits of services and extensions at most, such as 12345 or 96310; longer numbers may be somebody's.
const SERVICE_DIGITS_MAX: usize = 6;
/// So much of a number stands in the log.
const TOLD_DIGITS: usize = 4;
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
    /// From a trusted peer P-Asserted-Identity (RFC 3325 §5) before From for the caller; the
    /// Request-URI before To for the called number.
    pub fn of(request: &Request, is_trusted: bool) -> Self {
        let asserted = HeaderName::PAssertedIdentity;
        let caller = request
            .headers
            .all(&asserted)
            .filter(|_| is_trusted)
            .filter_map(NameAddr::parse)
            .find_map(|addr| number(&addr.uri))
            .or_else(|| number(&request.from.uri))
            .unwrap_or_else(|| ANONYMOUS.to_owned());
        let called = number(&request.uri).or_else(|| number(&request.to.uri)).unwrap_or_default();
        Self { caller: Pii::new(caller), called }
    }

    /// The called number as the log has it: a service whole, of another number its end, of a name nothing. Whoever
    /// reaches us chooses what stands there.
    pub fn called_told(&self) -> String {
        let digits: String =
            self.called.chars().filter(|c| "+*#-".contains(*c) || c.is_ascii_digit()).collect();
        if digits.len() < self.called.len() || digits.is_empty() {
            return "a name".to_owned();
        }
        match digits.len() {
            ..=SERVICE_DIGITS_MAX => digits,
            length => format!("…{}", &digits[length - TOLD_DIGITS..]),
        }
    }

    /// The caller's number when it is digits, as it is dialled in China: a mobile as it is, a
    /// landline with its trunk 0, a foreign number behind 00.
    pub fn caller_digits(&self) -> Option<String> {
        caller_digits(self.caller.expose())
    }
}

/// The same of a caller as the trunk gave it.
pub fn caller_digits(given: &str) -> Option<String> {
    let digits = given.strip_prefix('+').unwrap_or(given);
    if digits.len() < 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let is_e164 = given.starts_with('+');
    Some(match digits.strip_prefix("86") {
        Some(national) if is_mobile(national) => national.to_owned(),
        Some(national) if is_e164 => format!("0{national}"),
        _ if is_e164 => format!("00{digits}"),
        _ => digits.to_owned(),
    })
}

fn is_mobile(national: &str) -> bool {
    national.len() == 11 && national.starts_with('1') && national.as_bytes()[1] >= b'3'
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

    #[test]
    fn of_a_called_number_the_log_has_the_end() {
        let told = |called: &str| {
            let identity = Identity { caller: Pii::new(String::new()), called: called.to_owned() };
            identity.called_told()
        };
        assert_eq!(told("12345"), "12345");
        assert_eq!(told("13800138000"), "…8000");
        assert_eq!(told("+8657188888888"), "…8888");
        for name in ["", "王建国", "wang.jianguo", "13800138000a"] {
            assert_eq!(told(name), "a name");
        }
    }
    use bytes::Bytes;
    use qingting_sip::message::{Framing, Message, parse};

    fn identity(from: &str, more: &str) -> Identity {
        Identity::of(&request(from, more), true)
    }

    fn request(from: &str, more: &str) -> Request {
        let text = format!(
            "INVITE sip:12345@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             From: {from};tag=1\r\nTo: <sip:12345@192.0.2.1>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\
             {more}\r\n"
        );
        let Ok(Message::Request(request)) = parse(&Bytes::from(text), Framing::Datagram) else {
            panic!("a request")
        };
        *request
    }

    #[test]
    fn a_strangers_assertion_is_not_believed() {
        let asserted = "P-Asserted-Identity: <tel:+8613800138000>\r\n";
        let request = request("<sip:13900139000@x>", asserted);
        assert_eq!(Identity::of(&request, false).caller.expose(), "13900139000");
    }

    #[test]
    fn numbers_are_as_they_are_dialled_in_china() {
        for (given, dialled) in [
            ("+8613800138000", "13800138000"),
            ("8613800138000", "13800138000"),
            ("+8675588888888", "075588888888"),
            ("+861088888888", "01088888888"),
            ("+85221234567", "0085221234567"),
            ("075588888888", "075588888888"),
            ("12345", "12345"),
        ] {
            let found = identity(&format!("<sip:{given}@x>"), "").caller_digits();
            assert_eq!(found.as_deref(), Some(dialled), "{given}");
        }
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
