//! Where a request goes (RFC 3261 §8.1.2, §12.2.1.1, §16.12).

use crate::Transport;
use crate::message::{NameAddr, Scheme, SipUri};
use std::net::SocketAddr;

/// Port of SIP over UDP and TCP when none is written.
const DEFAULT_PORT: u16 = 5060;

/// The same over TLS (RFC 3261 §19.1.2).
const DEFAULT_TLS_PORT: u16 = 5061;

/// The URI whose host gets the request: the first route's, else the target's.
pub fn next_hop<'a>(route_set: &'a [NameAddr], target: &'a SipUri) -> &'a SipUri {
    route_set.first().map_or(target, |route| &route.uri)
}

/// The address of a URI whose host is one; a name is for the driver to look up. `maddr` counts
/// (RFC 3263 §4).
pub fn socket_addr(uri: &SipUri) -> Result<SocketAddr, (String, u16)> {
    let secure = transport_of(uri, Transport::Udp) == Transport::Tls;
    let port = uri.port.unwrap_or(if secure { DEFAULT_TLS_PORT } else { DEFAULT_PORT });
    let host = uri.params.value("maddr").filter(|host| !host.is_empty()).unwrap_or(&uri.host);
    match host.trim_matches(['[', ']']).parse() {
        Ok(ip) => Ok(SocketAddr::new(ip, port)),
        Err(_) => Err((host.to_owned(), port)),
    }
}

/// The transport that a URI asks for; `usual` when it does not say. `sips:` and `transport=tls`
/// are both TLS (RFC 3261 §26.2.2, RFC 5630 §3.1.3); WebSocket is one name for both of its kinds
/// (RFC 7118 §5.2).
pub fn transport_of(uri: &SipUri, usual: Transport) -> Transport {
    let secure = uri.scheme == Scheme::Sips;
    match uri.params.value("transport") {
        Some(name) if name.eq_ignore_ascii_case("ws") => match usual {
            Transport::Wss => usual,
            _ if secure => Transport::Wss,
            _ => Transport::Ws,
        },
        Some(name) if name.eq_ignore_ascii_case("tls") => Transport::Tls,
        _ if secure => match usual {
            Transport::Wss => usual,
            _ => Transport::Tls,
        },
        Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
        _ => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> SipUri {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_route_is_the_next_hop() {
        let target = uri("sip:a@10.0.0.9");
        let routes = [NameAddr::parse("<sip:10.0.0.1:5070;lr>").unwrap()];
        assert_eq!(socket_addr(next_hop(&routes, &target)), Ok("10.0.0.1:5070".parse().unwrap()));
        assert_eq!(socket_addr(next_hop(&[], &target)), Ok("10.0.0.9:5060".parse().unwrap()));
    }

    #[test]
    fn a_name_is_left_to_look_up_and_maddr_wins() {
        assert_eq!(socket_addr(&uri("sip:a@pbx:5070")), Err(("pbx".to_owned(), 5070)));
        let maddr = uri("sip:a@pbx;maddr=10.0.0.2");
        assert_eq!(socket_addr(&maddr), Ok("10.0.0.2:5060".parse().unwrap()));
        assert_eq!(socket_addr(&uri("sip:[::1]")), Ok("[::1]:5060".parse().unwrap()));
    }
}
