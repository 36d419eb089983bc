//! Ports of 127.0.0.1 for tests: below those that the kernel gives to everybody (32768 and up on
//! Linux), from a random start, none twice in a process.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{LazyLock, Mutex, PoisonError};

/// SIP, HTTP and control ports, one by one or a few in a row.
const SINGLE: Span = Span { first: 10_000, last: 19_999 };
/// RTP ports of servers under test, a stretch each.
const RTP: Span = Span { first: 20_000, last: 31_999 };

static TAKEN: LazyLock<Mutex<Taken>> = LazyLock::new(|| Mutex::new(Taken::new()));

struct Span {
    first: u16,
    last: u16,
}

/// What this process has given out. It is not held: another process may take it first, which the
/// program that is given it then says.
struct Taken {
    ports: BTreeSet<u16>,
    /// Where the next search begins, counted from a span's first port.
    single_from: u16,
    rtp_from: u16,
}

/// A port that is free for UDP and TCP, and so are the next `more` for UDP. It is even.
pub fn free_port(more: u16) -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let from = taken.single_from;
    let first = taken.find(&SINGLE, from, more + 1, |port| is_free_tcp(port) && is_free_udp(port));
    taken.single_from = first - SINGLE.first;
    first
}

/// The first of `count` ports in a row that are free for UDP.
pub fn rtp_ports(count: u16) -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let from = taken.rtp_from;
    let first = taken.find(&RTP, from, count, is_free_udp);
    taken.rtp_from = first - RTP.first;
    first
}

impl Taken {
    fn new() -> Self {
        let random = RandomState::new();
        let start = |span: &Span| {
            let ports = u64::from(span.last - span.first);
            (random.hash_one(span.first) % ports) as u16
        };
        Self { ports: BTreeSet::new(), single_from: start(&SINGLE), rtp_from: start(&RTP) }
    }

    /// Takes the first free stretch from that offset on, once around the span.
    fn find(&mut self, span: &Span, from: u16, count: u16, first_is_free: fn(u16) -> bool) -> u16 {
        let size = span.last - span.first + 1;
        let found = (0..size).step_by(2).find_map(|step| {
            let first = span.first + (from / 2 * 2 + step) % size;
            let ports = first..first.checked_add(count)?;
            let fits = ports.end - 1 <= span.last
                && self.ports.range(ports.clone()).next().is_none()
                && first_is_free(first)
                && ports.clone().skip(1).all(is_free_udp);
            fits.then_some(ports)
        });
        let ports = found.unwrap_or_else(|| {
            panic!("127.0.0.1 has no {count} free ports from {} to {}", span.first, span.last)
        });
        let first = ports.start;
        self.ports.extend(ports);
        first
    }
}

fn is_free_udp(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn is_free_tcp(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_out_twice_or_from_the_kernels_range() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..20).map(|_| free_port(3)).collect::<Vec<u16>>()))
            .collect();
        let ports = threads.into_iter().flat_map(|thread| thread.join().expect("ports"));
        let mut all = BTreeSet::new();
        for port in ports {
            assert!((10_000..20_000).contains(&port) && port % 2 == 0, "{port}");
            assert!((port..port + 4).all(|port| all.insert(port)), "{port} twice");
        }
        let (first, second) = (rtp_ports(120), rtp_ports(120));
        assert!(first.abs_diff(second) >= 120);
        assert!((20_000..=31_880).contains(&first) && (20_000..=31_880).contains(&second));
    }

    #[test]
    fn a_port_in_use_is_left_out() {
        let port = free_port(0);
        let _held = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free");
        let mut taken = Taken::new();
        let span = Span { first: port, last: port + 3 };
        let found = taken.find(&span, 0, 1, |port| is_free_tcp(port) && is_free_udp(port));
        assert_ne!(found, port);
    }
}
