//! Session-Expires and Min-SE (RFC 4028 §4, §5), RAck (RFC 3262 §7.2).

use super::{CSeq, HeaderName, Headers, Method};
use std::fmt;

/// Who refreshes a session; the roles are those of the request that negotiates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresher {
    Uac,
    Uas,
}

/// The Session-Expires header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionExpires {
    pub(crate) interval_s: u32,
    pub(crate) refresher: Option<Refresher>,
}

impl SessionExpires {
    /// What a message says; an unreadable field counts as none.
    pub(crate) fn of(headers: &Headers) -> Option<Self> {
        let text = headers.first(&HeaderName::SessionExpires)?;
        let mut parts = text.split(';').map(str::trim);
        let interval_s = delta_seconds(parts.next()?)?;
        let refresher = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("refresher").then(|| value.trim())
        });
        let refresher = match refresher {
            Some(role) if role.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(role) if role.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Some(Self { interval_s, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interval_s)?;
        f.write_str(match self.refresher {
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
            None => "",
        })
    }
}

/// Min-SE in seconds.
pub(crate) fn min_se_s(headers: &Headers) -> Option<u32> {
    delta_seconds(headers.first(&HeaderName::MinSe)?.split(';').next()?.trim())
}

/// What a PRACK acknowledges: RSeq, and CSeq of the INVITE.
pub(crate) fn rack(headers: &Headers) -> Option<(u32, u32)> {
    let (rseq, cseq) = headers.first(&HeaderName::RAck)?.trim().split_once([' ', '\t'])?;
    let rseq = delta_seconds(rseq)?;
    let cseq = CSeq::parse(cseq).filter(|cseq| cseq.method == Method::Invite)?;
    Some((rseq, cseq.number))
}

/// RSeq, which is never 0 (RFC 3262 §7.1).
pub(crate) fn rseq(headers: &Headers) -> Option<u32> {
    delta_seconds(headers.first(&HeaderName::RSeq)?.trim()).filter(|rseq| *rseq > 0)
}

fn delta_seconds(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> Headers {
        let mut headers = Headers::default();
        headers.push(name, value);
        headers
    }

    #[test]
    fn intervals_and_refreshers() {
        let of = |text| SessionExpires::of(&with(HeaderName::SessionExpires, text));
        let read = of("1800 ; Refresher = UAS;x=y").unwrap();
        assert_eq!((read.interval_s, read.refresher), (1_800, Some(Refresher::Uas)));
        assert_eq!(read.to_string(), "1800;refresher=uas");
        assert_eq!(of("90").unwrap().refresher, None);
        assert!(of("-1").is_none() && of("soon").is_none() && of("99999999999").is_none());
        assert_eq!(min_se_s(&with(HeaderName::MinSe, " 120;lr")), Some(120));
    }

    #[test]
    fn a_rack_is_of_an_invite() {
        let of = |text| rack(&with(HeaderName::RAck, text));
        assert_eq!(of("776656 1 INVITE"), Some((776_656, 1)));
        assert_eq!((of("1 1 UPDATE"), of("1 INVITE"), of("x 1 INVITE")), (None, None, None));
        assert_eq!(rseq(&with(HeaderName::RSeq, "0")), None);
    }
}
