//! One Via value (RFC 3261 §20.42, RFC 3581).

use super::text::{Params, is_token};
use super::uri::split_host_port;
use crate::transport::{Sender, Transport};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// What every branch of RFC 3261 begins with (§8.1.1.7).
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

/// Who sent a message and where the response goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, …, as written.
    pub transport: String,
    /// Sent-by host.
    pub host: String,
    /// Sent-by port.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`, ….
    pub params: Params,
}

impl Via {
    /// Reads one value; spaces around the slashes are allowed.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, params) = text.split_once(';').unwrap_or((text, ""));
        let params = if text.contains(';') { Params::parse(params)? } else { Params::default() };
        let version = head.split('/').nth(1)?.trim();
        Self::from_parts(head, params).filter(|_| version == "2.0")
    }

    /// What is usable of a broken value, so that its sender can be told: parameters that cannot be
    /// read are left out, the version is ignored.
    pub(crate) fn salvage(text: &str) -> Option<Self> {
        let (head, params) = text.split_once(';').unwrap_or((text, ""));
        let readable = params.split(';').filter_map(Params::parse).flat_map(|params| params.0);
        Self::from_parts(head, Params(readable.collect()))
    }

    fn from_parts(head: &str, params: Params) -> Option<Self> {
        let mut parts = head.splitn(3, '/');
        let (name, _version) = (parts.next()?.trim(), parts.next()?);
        let (transport, sent_by) = parts.next()?.trim().split_once([' ', '\t'])?;
        if !name.eq_ignore_ascii_case("SIP") || !is_token(transport) {
            return None;
        }
        let (host, port) = split_host_port(sent_by.trim())?;
        Some(Self { transport: transport.to_owned(), host: host.to_owned(), port, params })
    }

    /// The branch, when it identifies a transaction by RFC 3261: the cookie and something after.
    pub fn unique_branch(&self) -> Option<&str> {
        self.params.value("branch").filter(|b| {
            b.len() > MAGIC_COOKIE.len()
                && b.is_char_boundary(MAGIC_COOKIE.len())
                && b[..MAGIC_COOKIE.len()].eq_ignore_ascii_case(MAGIC_COOKIE)
        })
    }

    /// Who put this Via there, as far as the next hop noted it; none without an address.
    pub(crate) fn sender(&self) -> Option<Sender> {
        let host = self.params.value("received").filter(|host| !host.is_empty());
        let ip = host.unwrap_or(&self.host).trim_matches(['[', ']']).parse().ok()?;
        let noted = self.params.value("rport").and_then(|port| port.parse().ok());
        let transport = Transport::of_via(&self.transport)?;
        let usual = if transport.is_secure() { 5061 } else { 5060 };
        let port = noted.or(self.port).unwrap_or(usual);
        Some(Sender { transport, addr: SocketAddr::new(ip, port) })
    }

    /// Notes where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn stamp(&mut self, source: SocketAddr) {
        let wants_port = self.params.value("rport").is_some();
        let sent_by: Option<IpAddr> = self.host.trim_matches(['[', ']']).parse().ok();
        if wants_port || sent_by != Some(source.ip()) {
            self.params.put("received", source.ip().to_string());
        }
        if wants_port {
            self.params.put("rport", source.port().to_string());
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_spaces_are_read() {
        let via =
            Via::parse("SIP  / 2.0  / TCP     spindle.example.com   ; branch = z9hG4bK9 ").unwrap();
        assert_eq!(via.to_string(), "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9");
    }

    #[test]
    fn rport_and_received_tell_the_source() {
        let mut via = Via::parse("SIP/2.0/UDP 10.0.0.9:5060;rport;branch=z9hG4bKa").unwrap();
        via.stamp("192.0.2.1:40000".parse().unwrap());
        assert_eq!(
            via.to_string(),
            "SIP/2.0/UDP 10.0.0.9:5060;rport=40000;branch=z9hG4bKa;received=192.0.2.1"
        );
    }

    #[test]
    fn the_bare_cookie_identifies_nothing() {
        assert!(Via::parse("SIP/2.0/UDP h;branch=z9hG4bK").unwrap().unique_branch().is_none());
        assert!(Via::parse("SIP/2.0/UDP h;;,;").is_none());
        assert!(Via::parse("SIP/7.0/UDP h").is_none());
    }
}
