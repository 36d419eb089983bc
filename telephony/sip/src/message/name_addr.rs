//! `name-addr` and `addr-spec` (RFC 3261 §25.1): From, To, Contact, Route.

use super::text::{Params, split_outside_quotes};
use super::uri::SipUri;
use std::fmt;

/// A display name, a URI and header parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name without its quotes; empty when there is none.
    pub display: String,
    /// The address.
    pub uri: SipUri,
    /// Parameters after the address (`tag`, `q`, …).
    pub params: Params,
}

impl NameAddr {
    /// Reads one value. Without `<>` everything after the first semicolon belongs to the header,
    /// and a `?` is not allowed (RFC 3261 §20.10).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (display, rest) = match text.strip_prefix('"') {
            Some(rest) => {
                let end = closing_quote(rest)?;
                (unquote(&rest[..end]), rest[end + 1..].trim_start())
            }
            None => match text.find('<') {
                Some(at) => {
                    let display = text[..at].trim();
                    if display.contains(['"', ',', ';', ':', '>']) {
                        return None;
                    }
                    (display.to_owned(), &text[at..])
                }
                None => return Self::parse_bare(text),
            },
        };
        let (uri, rest) = rest.strip_prefix('<')?.split_once('>')?;
        let params = match rest.trim_start() {
            "" => Params::default(),
            rest => Params::parse(rest.strip_prefix(';')?)?,
        };
        Some(Self { display, uri: uri.parse().ok()?, params })
    }

    fn parse_bare(text: &str) -> Option<Self> {
        let pieces = split_outside_quotes(text, b';')?;
        let uri = pieces.first()?.trim();
        if uri.contains(['?', ',']) {
            return None;
        }
        let params = match text.split_once(';') {
            Some((_, params)) => Params::parse(params)?,
            None => Params::default(),
        };
        Some(Self { display: String::new(), uri: uri.parse().ok()?, params })
    }

    /// The `tag` parameter, when it is there and not empty.
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag").filter(|tag| !tag.is_empty())
    }

    /// Whether everybody reads the same tag, or none: with two, or one without a value, the tag that we
    /// add would be overlooked.
    pub(super) fn has_clear_tag(&self) -> bool {
        let mut tags = self.params.0.iter().filter(|param| param.name.eq_ignore_ascii_case("tag"));
        let clear = tags.next().is_none_or(|tag| tag.value.is_some());
        clear && tags.next().is_none()
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.display.is_empty() {
            let quoted = self.display.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "\"{quoted}\" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unquote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(ch) = chars.next() {
        out.push(if ch == '\\' { chars.next().unwrap_or(ch) } else { ch });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_outside_the_brackets_belong_to_the_header() {
        let bare = NameAddr::parse("sip:a@b;tag=1").unwrap();
        assert_eq!((bare.tag(), bare.uri.params.0.len()), (Some("1"), 0));
        let inside = NameAddr::parse("caller<sip:a@b;tag=1>").unwrap();
        assert_eq!((inside.tag(), inside.display.as_str()), (None, "caller"));
    }

    #[test]
    fn a_quoted_name_loses_and_regains_its_quotes() {
        let text = r#""张 \"三\"" <sip:1@a>;tag=x"#;
        let addr = NameAddr::parse(text).unwrap();
        assert_eq!(addr.display, "张 \"三\"");
        assert_eq!(addr.to_string(), text);
    }

    #[test]
    fn broken_addresses_are_refused() {
        for text in
            ["\"open <sip:a@b>", "< sip:a@b >", "\"x\" <sip:a@b>;;", "sip:a@b?h=1", "<sip:a@b"]
        {
            assert!(NameAddr::parse(text).is_none(), "{text}");
        }
    }
}
