//! ICE in a session description, from a lite agent's side (RFC 8839, RFC 8445 §2.5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Most candidates of a peer that are kept. A lite agent sends no checks, so it needs none.
const CANDIDATES_MAX: usize = 32;

/// Our user fragment and password, made of 24 bytes of randomness: 48 bits and 144 (RFC 8445 §5.3
/// asks for 24 and 128). A restart changes both by its number. **They never print themselves.**
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IceSecret {
    random: [u8; 24],
    restarts: u8,
}

impl IceSecret {
    /// Made of randomness by the caller.
    pub const fn new(random: [u8; 24]) -> Self {
        Self { random, restarts: 0 }
    }

    /// The user fragment: 10 characters.
    pub fn ufrag(&self) -> String {
        format!("{}{:02x}", STANDARD_NO_PAD.encode(&self.random[..6]), self.restarts)
    }

    /// The password: 26 characters.
    pub fn pwd(&self) -> String {
        format!("{}{:02x}", STANDARD_NO_PAD.encode(&self.random[6..]), self.restarts)
    }

    /// The next pair of the same call.
    pub(super) const fn restarted(self) -> Self {
        Self { restarts: self.restarts.wrapping_add(1), ..self }
    }
}

impl fmt::Debug for IceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A user fragment or password (RFC 8839 §5.4): 4 to 256 characters of base 64.
pub(super) fn ice_text(value: &str) -> Option<String> {
    let value = value.trim();
    let known = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
    (known && (4..=256).contains(&value.len())).then(|| value.to_owned())
}

/// Reads the transport address of a candidate over UDP for RTP, `1 1 UDP 2130706431 192.0.2.1 5000
/// typ host` (RFC 8839 §5.1). Names (mDNS) and other transports are not read.
pub(super) fn candidate(value: &str) -> Option<SocketAddr> {
    let fields: Vec<&str> = value.split_whitespace().collect();
    let [_, "1", transport, _, address, port, "typ", ..] = &fields[..] else { return None };
    let ip: IpAddr = address.parse().ok().filter(|_| transport.eq_ignore_ascii_case("udp"))?;
    Some(SocketAddr::new(ip, port.parse().ok()?))
}

/// Adds a candidate, as far as there is room.
pub(super) fn keep_candidate(candidates: &mut Vec<SocketAddr>, value: &str) {
    if candidates.len() < CANDIDATES_MAX {
        candidates.extend(candidate(value));
    }
}

/// A candidate of the host's own, number `index` of its description, in the words of RFC 8839.
pub(super) fn host_candidate(index: usize, at: SocketAddr) -> String {
    // RFC 8445 §5.1.2.1: type preference 126, local preference by order, component 1.
    let local = 65_535_u32.saturating_sub(u32::try_from(index).unwrap_or(u32::MAX));
    let priority = (126 << 24) | (local << 8) | 255;
    format!("{} 1 UDP {priority} {} {} typ host", index + 1, at.ip(), at.port())
}
