//! Where the server is, and whether voices may travel to it in the clear.

use super::fault::Fault;
use std::net::IpAddr;
use tokio_tungstenite::tungstenite::http::Uri;

/// A server's address, `wss://HOST:PORT` or `ws://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    pub(super) url: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    allow_unencrypted: bool,
}

impl ServerAddress {
    /// Reads an address. Unencrypted ones must be of this machine or a private network, unless
    /// `allow_unencrypted`; a name's addresses are looked at when it is connected to.
    ///
    /// # Errors
    /// [`Fault::Address`] or [`Fault::InClear`].
    pub fn parse(url: &str, allow_unencrypted: bool) -> Result<Self, Fault> {
        let wrong = |what: &str| {
            Fault::Address(format!(
                "{url:?} {what}: give one such as \"wss://asr.example.org:10095\""
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong("is no address"))?;
        let is_tls = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(wrong("begins neither with wss:// nor with ws://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no server"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("holds a user, which the server does not know"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("names no server"));
        }
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let address = Self { url: url.to_owned(), host, port, is_tls, allow_unencrypted };
        if let Ok(ip) = address.host.parse() {
            address.may_carry_voices_to(ip)?;
        }
        Ok(address)
    }

    /// Whether voices may be sent to this address of the server.
    pub(super) fn may_carry_voices_to(&self, ip: IpAddr) -> Result<(), Fault> {
        if self.is_tls || self.allow_unencrypted || is_private(ip) {
            Ok(())
        } else {
            Err(Fault::InClear(ip))
        }
    }
}

/// This machine, or a network that the Internet does not route (RFC 1918, RFC 3927, RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let address = ServerAddress::parse("wss://asr.example.org:10095/", false).unwrap();
        assert_eq!(
            (address.host.as_str(), address.port, address.is_tls),
            ("asr.example.org", 10_095, true)
        );
        let address = ServerAddress::parse("ws://[::1]", false).unwrap();
        assert_eq!((address.host.as_str(), address.port, address.is_tls), ("::1", 80, false));
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for url in ["", "10.0.0.5:10095", "https://10.0.0.5", "ws://", "wss://me:secret@10.0.0.5"] {
            let fault = ServerAddress::parse(url, false).unwrap_err().to_string();
            assert!(fault.contains("wss://asr.example.org:10095"), "{url}: {fault}");
        }
    }

    #[test]
    fn voices_travel_in_the_clear_only_where_nobody_else_listens() {
        let parse = |host: &str, allowed| ServerAddress::parse(&format!("ws://{host}:1"), allowed);
        for private in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "[fd00::1]", "[::1]"]
        {
            assert!(parse(private, false).is_ok(), "{private}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "[2001:db8::1]", "[::ffff:8.8.8.8]"] {
            let fault = parse(public, false).unwrap_err();
            assert!(fault.to_string().contains("allow_unencrypted"), "{fault}");
            assert!(parse(public, true).is_ok());
        }
        let named = parse("asr.example.org", false).unwrap();
        assert!(named.may_carry_voices_to([8, 8, 8, 8].into()).is_err());
    }
}
