//! Which addresses a URI stands for, in which order (RFC 3263). NAPTR is left out: the transport
//! is configured or asked for by the URI.

use crate::dialog::socket_addr;
use crate::message::SipUri;
use crate::transport::Transport;
use std::net::SocketAddr;

/// Addresses of one target that are tried, at most.
pub(crate) const ADDRESSES_MAX: usize = 6;

/// What there is to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: it is an address.
    Address(SocketAddr),
    /// A and AAAA: a port is written (§4.2), or the transport has no service name.
    Host(String, u16),
    /// SRV, then A and AAAA of what it names; without SRV those of the host itself.
    Service {
        /// The name of the SRV records.
        name: String,
        /// The host.
        host: String,
        /// The port when there are no records.
        port: u16,
    },
}

/// What there is to look up for a URI.
pub(crate) fn plan(uri: &SipUri, transport: Transport) -> Plan {
    let mut uri = uri.clone();
    let port = if transport.is_secure() { 5061 } else { 5060 };
    let written = uri.port.is_some();
    uri.port = uri.port.or(Some(port));
    match (socket_addr(&uri), service(transport)) {
        (Ok(address), _) => Plan::Address(address),
        (Err((host, port)), Some(service)) if !written => {
            Plan::Service { name: format!("{service}.{host}"), host, port }
        }
        (Err((host, port)), _) => Plan::Host(host, port),
    }
}

const fn service(transport: Transport) -> Option<&'static str> {
    match transport {
        Transport::Udp => Some("_sip._udp"),
        Transport::Tcp => Some("_sip._tcp"),
        Transport::Tls => Some("_sips._tcp"),
        Transport::Ws | Transport::Wss => None,
    }
}

/// One SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    pub(crate) host: String,
}

/// The records in the order in which they are to be tried: the lowest priority first, within it
/// at random by weight (RFC 2782). `random` gives a number from 0 to its argument.
pub(crate) fn in_order(
    mut records: Vec<Service>,
    mut random: impl FnMut(u32) -> u32,
) -> Vec<Service> {
    // Those of weight 0 first: only a random 0 chooses one while others are left.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let group = records.iter().take_while(|record| record.priority == priority);
        let chosen = random(group.clone().map(|record| u32::from(record.weight)).sum());
        let mut sum = 0;
        let at = group.map(|record| u32::from(record.weight)).position(|weight| {
            sum += weight;
            sum >= chosen
        });
        ordered.push(records.remove(at.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, host: &str) -> Service {
        Service { priority, weight, port: 5060, host: host.to_owned() }
    }

    fn hosts(random: impl FnMut(u32) -> u32) -> String {
        let records =
            vec![record(20, 0, "z"), record(10, 60, "a"), record(10, 20, "b"), record(10, 0, "c")];
        in_order(records, random).into_iter().map(|record| record.host).collect()
    }

    #[test]
    fn priority_then_weight() {
        assert_eq!(hosts(|_| 0), "cbaz", "0 chooses those of weight 0 first");
        assert_eq!(hosts(|max| max), "abcz");
        assert_eq!(hosts(|max| max.min(20)), "bacz");
    }

    #[test]
    fn the_share_of_each_is_its_weight() {
        // Every value of the first draw once.
        let first = |draw: u32| {
            let mut draws = std::iter::once(draw).chain(std::iter::repeat(0));
            hosts(|_| draws.next().unwrap()).chars().next().unwrap()
        };
        let of = |host| (0..=80).filter(|draw| first(*draw) == host).count();
        assert_eq!((of('a'), of('b'), of('c'), of('z')), (60, 20, 1, 0));
    }

    #[test]
    fn what_is_looked_up() {
        let plan = |uri: &str, transport| plan(&uri.parse().unwrap(), transport);
        let address = |text: &str| Plan::Address(text.parse().unwrap());
        assert_eq!(plan("sip:a@10.0.0.1", Transport::Udp), address("10.0.0.1:5060"));
        assert_eq!(plan("sip:a@10.0.0.1", Transport::Tls), address("10.0.0.1:5061"));
        assert_eq!(plan("sip:a@[::1]:7", Transport::Tcp), address("[::1]:7"));
        assert_eq!(plan("sip:a@h:7", Transport::Udp), Plan::Host("h".to_owned(), 7));
        let service =
            |name: &str, port| Plan::Service { name: name.to_owned(), host: "h".to_owned(), port };
        assert_eq!(plan("sip:a@h", Transport::Udp), service("_sip._udp.h", 5060));
        assert_eq!(plan("sip:a@h", Transport::Tcp), service("_sip._tcp.h", 5060));
        assert_eq!(plan("sips:a@h", Transport::Tls), service("_sips._tcp.h", 5061));
    }
}
