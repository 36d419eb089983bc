//! SIP, SIPS and tel URIs.

use super::text::{Params, is_token};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A URI's scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966); the number is in `user`, the host is empty.
    Tel,
    /// Anything else; the rest of the text is in `host`, uninterpreted.
    Other(String),
}

/// A URI (RFC 3261 §19.1, RFC 3966). Escapes stay as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipUri {
    /// Scheme.
    pub scheme: Scheme,
    /// User part with its password, escapes kept; the number of a tel URI.
    pub user: Option<String>,
    /// Host name or address; IPv6 in its brackets.
    pub host: String,
    /// Port, when given.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params,
    /// The text after `?`.
    pub headers: Option<String>,
}

/// Text that is not a URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SIP URI: expected sip:user@host[:port], sips:user@host or tel:number")]
pub struct InvalidUri;

impl SipUri {
    /// `sip:user@host:port` without parameters.
    pub fn sip(user: &str, host: &str, port: Option<u16>) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: (!user.is_empty()).then(|| user.to_owned()),
            host: host.to_owned(),
            port,
            params: Params::default(),
            headers: None,
        }
    }

    /// The user without password, `%XX` resolved where the result is text.
    pub fn user_name(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        let user = if self.scheme == Scheme::Tel { user } else { user.split(':').next()? };
        Some(unescape(user))
    }

    /// The host when it is an address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Whether `transport=tcp` is asked for.
    pub fn wants_tcp(&self) -> bool {
        self.params.value("transport").is_some_and(|t| t.eq_ignore_ascii_case("tcp"))
    }
}

impl FromStr for SipUri {
    type Err = InvalidUri;

    fn from_str(text: &str) -> Result<Self, InvalidUri> {
        parse(text).ok_or(InvalidUri)
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scheme {
            Scheme::Sip => f.write_str("sip:")?,
            Scheme::Sips => f.write_str("sips:")?,
            Scheme::Tel => f.write_str("tel:")?,
            Scheme::Other(name) => write!(f, "{name}:")?,
        }
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if self.scheme != Scheme::Tel {
                f.write_str("@")?;
            }
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        self.headers.as_ref().map_or(Ok(()), |headers| write!(f, "?{headers}"))
    }
}

fn parse(text: &str) -> Option<SipUri> {
    if text.bytes().any(|b| b.is_ascii_whitespace() || b"<>\"".contains(&b)) {
        return None;
    }
    let (scheme, rest) = text.split_once(':')?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "sip" => Scheme::Sip,
        "sips" => Scheme::Sips,
        "tel" => Scheme::Tel,
        _ if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && is_token(scheme) => {
            return Some(SipUri {
                scheme: Scheme::Other(scheme.to_owned()),
                host: rest.to_owned(),
                ..SipUri::sip("", "", None)
            });
        }
        _ => return None,
    };
    if scheme == Scheme::Tel {
        return parse_tel(rest);
    }
    // An unescaped '@' is legal in no other part, while ';' and '?' are legal in the user.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) if !user.is_empty() && !user.contains('@') => (Some(user), rest),
        Some(_) => return None,
        None => (None, rest),
    };
    let (rest, headers) = match rest.split_once('?') {
        Some((rest, headers)) => (rest, Some(headers.to_owned())),
        None => (rest, None),
    };
    let (host_port, params) = match rest.split_once(';') {
        Some((host_port, params)) => (host_port, Params::parse(params)?),
        None => (rest, Params::default()),
    };
    let (host, port) = split_host_port(host_port)?;
    Some(SipUri {
        scheme,
        user: user.map(str::to_owned),
        host: host.to_owned(),
        port,
        params,
        headers,
    })
}

fn parse_tel(rest: &str) -> Option<SipUri> {
    let (number, params) = match rest.split_once(';') {
        Some((number, params)) => (number, Params::parse(params)?),
        None => (rest, Params::default()),
    };
    let digits = number.bytes().all(|b| b.is_ascii_hexdigit() || b"+*#-.()".contains(&b));
    (digits && !number.is_empty()).then(|| SipUri {
        scheme: Scheme::Tel,
        params,
        ..SipUri::sip(number, "", None)
    })
}

/// `host[:port]`, the host not empty, IPv6 in brackets.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(host_end);
    let host_ok = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
    let port = match rest.trim_start() {
        "" => None,
        rest => {
            let digits = rest.strip_prefix(':')?.trim_start();
            Some(digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??)
        }
    };
    host_ok.then_some((host.trim_end(), port))
}

/// `%XX` resolved where the result is text.
pub(crate) fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_written_as_it_was_read() {
        for text in [
            "sip:12345@10.0.0.1:5070;transport=tcp;lr",
            "sips:[2001:db8::1]:5061",
            "tel:+86-10-12345;phone-context=example.cn",
            "sip:user;par=u%40example.net@example.com",
            "sip:1_u.~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1@example.com",
            "soap.beep://192.0.2.103:3002",
        ] {
            assert_eq!(text.parse::<SipUri>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_user_is_unescaped_without_its_password() {
        let uri: SipUri = "sip:%31%323:secret@h".parse().unwrap();
        assert_eq!(uri.user_name().as_deref(), Some("123"));
        let nul: SipUri = "sip:null-%00-null@h".parse().unwrap();
        assert_eq!(nul.user_name().unwrap().len(), 11);
    }

    #[test]
    fn what_is_not_a_uri_is_refused() {
        for text in ["", "sip:", "sip:a b@c", "<sip:a@b>", "sip:a@b:99999", "sip:@b", "a@b"] {
            assert!(text.parse::<SipUri>().is_err(), "{text}");
        }
    }
}
