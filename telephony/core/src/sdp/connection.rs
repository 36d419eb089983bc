//! The address of a `c=` line.

use std::fmt;
use std::net::IpAddr;

/// A connection address (RFC 8866 §5.7). The TTL of a multicast address is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Connection {
    /// An address literal.
    Ip(IpAddr),
    /// A host name, which this server does not resolve.
    Name(String),
}

impl Connection {
    /// Reads `IN IP4 192.0.2.1`, `IN IP6 2001:db8::1`, with or without `/ttl`.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_whitespace();
        let (net, family, address) = (fields.next()?, fields.next()?, fields.next()?);
        let known = net.eq_ignore_ascii_case("IN")
            && (family.eq_ignore_ascii_case("IP4") || family.eq_ignore_ascii_case("IP6"));
        if !known || fields.next().is_some() {
            return None;
        }
        let address = address.split('/').next().unwrap_or_default();
        match address.parse() {
            Ok(ip) => Some(Self::Ip(ip)),
            Err(_) if address.is_empty() => None,
            Err(_) => Some(Self::Name(address.to_owned())),
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => write!(f, "IN IP4 {ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "IN IP6 {ip}"),
            Self::Name(name) => write!(f, "IN IP4 {name}"),
        }
    }
}
