//! Bodies, and the session description among their parts (RFC 2046 §5.1, RFC 5621).
//!
//! Trunks that carry ISUP (SIP-I, ITU-T Q.1912.5) send it beside the session description, in one
//! multipart/mixed body.

use super::parse::fields_and_body;
use super::text::{Params, split_outside_quotes};
use super::{HeaderName, Headers};
use bytes::Bytes;

/// What we read.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed";

const SDP: &str = "application/sdp";

/// Longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// Parts of a body that are looked at; more make it unreadable.
const PARTS_MAX: usize = 16;

/// Why a body cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFault {
    /// It is none of ours, or a multipart body that is broken or has no session description.
    NoSdp,
    /// A part that we do not know has `handling=required` (RFC 3204, RFC 5621).
    Required,
}

/// The session description of a message; `None` when it has no body at all.
pub(super) fn session(headers: &Headers, body: &Bytes) -> Result<Option<Bytes>, BodyFault> {
    if body.is_empty() {
        return Ok(None);
    }
    let kind = headers.first(&HeaderName::ContentType).unwrap_or_default();
    if is_sdp(headers) {
        return Ok(Some(body.clone()));
    }
    let boundary = boundary_of(kind).ok_or(BodyFault::NoSdp)?;
    let parts = parts(&boundary, body).ok_or(BodyFault::NoSdp)?;
    let at = parts.iter().position(Part::is_session).ok_or(BodyFault::NoSdp)?;
    let mut others = parts.iter().enumerate().filter(|(other, _)| *other != at);
    if others.any(|(_, part)| part.is_required()) {
        return Err(BodyFault::Required);
    }
    Ok(parts.into_iter().nth(at).map(|part| part.body))
}

/// One part of a multipart body.
struct Part {
    headers: Headers,
    body: Bytes,
}

impl Part {
    /// A description of this session: an early one (RFC 3959) is about another.
    fn is_session(&self) -> bool {
        let kind = self.disposition().0;
        is_sdp(&self.headers) && (kind.is_empty() || kind.eq_ignore_ascii_case("session"))
    }

    /// Only where it is written. RFC 5621 makes required the default, but exchanges leave it
    /// out on ISUP that they themselves expect nobody to need.
    fn is_required(&self) -> bool {
        let handling = self.disposition().1.and_then(|params| {
            params.value("handling").map(|value| value.trim_matches('"').to_owned())
        });
        handling.is_some_and(|handling| handling.eq_ignore_ascii_case("required"))
    }

    fn disposition(&self) -> (&str, Option<Params>) {
        let value = self.headers.first(&HeaderName::ContentDisposition).unwrap_or_default();
        let (kind, params) = value.split_once(';').unwrap_or((value, ""));
        (kind.trim(), Params::parse(params))
    }
}

fn is_sdp(headers: &Headers) -> bool {
    let plain = headers
        .first(&HeaderName::ContentEncoding)
        .is_none_or(|encoding| encoding.eq_ignore_ascii_case("identity"));
    let kind = headers.first(&HeaderName::ContentType).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    plain && kind.replace(' ', "").eq_ignore_ascii_case(SDP)
}

/// The boundary of a multipart type. Subtypes that we do not know are read as mixed (RFC 2046
/// §5.1.3); all that we look for is one part.
fn boundary_of(kind: &str) -> Option<String> {
    let (kind, params) = kind.split_once(';')?;
    let (family, _) = kind.split_once('/')?;
    if !family.trim().eq_ignore_ascii_case("multipart") {
        return None;
    }
    let pieces = split_outside_quotes(params, b';')?;
    let value = pieces.into_iter().find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    let fits = (1..=BOUNDARY_BYTES_MAX).contains(&value.len());
    (fits && !value.contains(char::is_control)).then(|| value.to_owned())
}

/// The parts between the delimiter lines. `None` when there are none, too many, or no line closes
/// the body: then it may be cut.
fn parts(boundary: &str, body: &Bytes) -> Option<Vec<Part>> {
    let (mut parts, mut begun, mut at) = (Vec::new(), None, 0);
    while at < body.len() {
        let rest = &body[at..];
        let len = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
        if let Some(closes) = delimiter(&rest[..len], boundary) {
            if let Some(start) = begun {
                if parts.len() == PARTS_MAX {
                    return None;
                }
                // The line end before a delimiter belongs to the delimiter.
                let part = &body[start..at.max(start)];
                let part = part.strip_suffix(b"\n").unwrap_or(part);
                let part = part.strip_suffix(b"\r").unwrap_or(part);
                let (headers, body) = fields_and_body(&body.slice(start..start + part.len()))?;
                parts.push(Part { headers, body });
            }
            if closes {
                return (!parts.is_empty()).then_some(parts);
            }
            begun = Some(at + len);
        }
        at += len;
    }
    None
}

/// Whether a line is a delimiter, and then whether it is the last.
fn delimiter(line: &[u8], boundary: &str) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?;
    match rest.trim_ascii_end() {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIXED: &str = "multipart/mixed;boundary=\"b 1\"";

    fn read(kind: &str, body: &str) -> Result<Option<String>, BodyFault> {
        let mut headers = Headers::default();
        headers.push(HeaderName::ContentType, kind);
        let body = Bytes::copy_from_slice(body.as_bytes());
        let session = session(&headers, &body)?;
        Ok(session.map(|sdp| String::from_utf8_lossy(&sdp).into_owned()))
    }

    /// A body of a session description and a part with these fields.
    fn with(fields: &str) -> String {
        format!(
            "for old readers\r\n--b 1\r\n{fields}\r\n\r\n\x01\x11--b 1\r\n\r\n--b 1 \r\n\
             Content-Type: application/sdp\r\n\r\nv=0\r\no=x\r\n\r\n--b 1--\r\nafter"
        )
    }

    #[test]
    fn the_description_is_found_beside_isup() {
        let sdp = Ok(Some("v=0\r\no=x\r\n".to_owned()));
        for fields in [
            "Content-Type: application/ISUP;version=itu-t92+",
            "Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional",
            "c: application/isup\r\nContent-Disposition: signal",
            "Content-Type: application/sdp\r\nContent-Disposition: early-session;handling=optional",
            "",
        ] {
            assert_eq!(read(MIXED, &with(fields)), sdp, "{fields}");
        }
        let alternative = "Multipart / Alternative ; x=1 ; Boundary = \"b 1\"";
        assert_eq!(read(alternative, &with("c: text/plain")), sdp);
    }

    #[test]
    fn a_part_that_must_be_understood_is_not_ignored() {
        for handling in ["required", "REQUIRED", "\"required\""] {
            let fields =
                format!("c: application/isup\r\nContent-Disposition: x;handling={handling}");
            assert_eq!(read(MIXED, &with(&fields)), Err(BodyFault::Required), "{handling}");
        }
    }

    #[test]
    fn a_description_of_its_own_and_no_body_at_all() {
        assert_eq!(read("Application/SDP;charset=utf-8", "v=0"), Ok(Some("v=0".to_owned())));
        assert_eq!(read("text/plain", ""), Ok(None));
        for kind in ["text/plain", "", "application/sdpx", "multipart/mixed"] {
            assert_eq!(read(kind, "v=0"), Err(BodyFault::NoSdp), "{kind}");
        }
    }

    #[test]
    fn broken_boundaries_are_no_description() {
        let body = with("c: x/y");
        let long = format!("multipart/mixed;boundary={}", "b".repeat(BOUNDARY_BYTES_MAX + 1));
        for kind in ["multipart/mixed;boundary=", "multipart/mixed;boundary=other", &long] {
            assert_eq!(read(kind, &body), Err(BodyFault::NoSdp), "{kind}");
        }
        let many = "--b 1\r\n\r\nx\r\n".repeat(PARTS_MAX) + &body;
        let broken = [
            body.replace("--b 1--", "--b 1"),
            body.replace("--b 1--", "--b 1-"),
            body.replace("--b 1 \r\n", "--b 1 x\r\n"),
            "--b 1--\r\n".to_owned(),
            "--b 1\r\n--b 1--".to_owned(),
            "\r\n".to_owned(),
            many,
        ];
        for body in broken {
            assert_eq!(read(MIXED, &body), Err(BodyFault::NoSdp), "{body}");
        }
        let bare = with("c: x/y").replace('\r', "");
        assert_eq!(read(MIXED, &bare), Ok(Some("v=0\no=x\n".to_owned())), "line feeds alone");
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["--b", "--", "\r\n", "\n", "\r", "c: application/sdp", "x", ":"]),
                0..24,
            ),
        ) {
            let _ = read("multipart/mixed;boundary=b", &pieces.concat());
        }
    }
}
