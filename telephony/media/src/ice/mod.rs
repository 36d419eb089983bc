//! ICE as a lite agent speaks it (RFC 8445 §2.5): it answers the peer's checks and sends none.
//!
//! **Only who knows the leg's password is answered, sent to or heard**, and only while its checks
//! go on (RFC 7675): an address that nobody proves is nobody's.

pub mod stun;

use std::fmt;
use std::net::SocketAddr;
use stun::{MESSAGE_BYTES_MAX, Message, Writer};

/// Without a check of the peer for so long its consent is over (RFC 7675 §5.1).
pub const CONSENT_NS: u64 = 30_000_000_000;
/// Addresses from which checks came that are remembered: a peer with several networks has a few.
const SOURCES_MAX: usize = 8;
/// Longest user fragment and password that are ours.
const CREDENTIAL_BYTES_MAX: usize = 32;
/// Attributes named to a peer that sends ones we must understand and do not.
const UNKNOWN_MAX: usize = 8;

/// Our user fragment and password. **They never print themselves.**
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    ufrag: Text,
    pwd: Text,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Text {
    bytes: [u8; CREDENTIAL_BYTES_MAX],
    length: usize,
}

impl Credentials {
    /// As they stand in our session description; `None` when one is empty or over 32 characters.
    pub fn new(ufrag: &str, pwd: &str) -> Option<Self> {
        Some(Self { ufrag: Text::new(ufrag)?, pwd: Text::new(pwd)? })
    }

    /// The user fragment.
    pub fn ufrag(&self) -> &[u8] {
        self.ufrag.bytes()
    }

    /// The password.
    pub fn pwd(&self) -> &[u8] {
        self.pwd.bytes()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Text {
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; CREDENTIAL_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.is_empty()).then_some(Self { bytes, length: text.len() })
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The lite agent of one leg.
#[derive(Debug)]
pub struct LiteAgent {
    credentials: Credentials,
    /// From where checks came, and when the last one did.
    sources: [Option<Source>; SOURCES_MAX],
    /// From where the first check came.
    first: Option<SocketAddr>,
    nominated: Option<SocketAddr>,
    /// The last check of the peer.
    consent_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    address: SocketAddr,
    checked_ns: u64,
}

impl LiteAgent {
    /// An agent that knows nobody yet.
    pub fn new(credentials: Credentials) -> Self {
        let sources = [None; SOURCES_MAX];
        Self { credentials, sources, first: None, nominated: None, consent_ns: 0 }
    }

    /// Takes the credentials of a restart (RFC 8445 §9): the pair in use stays until another one is
    /// nominated. The same ones change nothing.
    pub fn restart(&mut self, credentials: Credentials) {
        self.credentials = credentials;
    }

    /// Reads a STUN message; the length of the response in `out`, which goes to `from`. What is not
    /// the peer's check gets no answer: no one shall learn of the port or use it against others.
    pub fn handle(
        &mut self,
        now_ns: u64,
        from: SocketAddr,
        bytes: &[u8],
        out: &mut [u8; MESSAGE_BYTES_MAX],
    ) -> Option<usize> {
        let message = Message::parse(bytes)?;
        if message.kind() != stun::BINDING_REQUEST || !self.is_ours(&message) {
            return None;
        }
        let transaction = message.transaction();
        let password = self.credentials.pwd();
        let mut unknown = [0; 2 * UNKNOWN_MAX];
        let unknown = unknown_attributes(&message, &mut unknown);
        if !unknown.is_empty() {
            let error = Writer::new(out, stun::BINDING_ERROR, transaction)
                .attribute(stun::ERROR_CODE, b"\0\0\x04\x14Unknown Attribute")
                .attribute(stun::UNKNOWN_ATTRIBUTES, unknown);
            return Some(error.finish(password));
        }
        if message.attribute(stun::ICE_CONTROLLED).is_some() {
            // A lite agent cannot control: the peer must (RFC 8445 §6.1.1).
            let error = Writer::new(out, stun::BINDING_ERROR, transaction)
                .attribute(stun::ERROR_CODE, b"\0\0\x04\x57Role Conflict");
            return Some(error.finish(password));
        }
        let length = Writer::new(out, stun::BINDING_SUCCESS, transaction)
            .mapped_address(from)
            .finish(password);
        self.checked(now_ns, from, message.attribute(stun::USE_CANDIDATE).is_some());
        Some(length)
    }

    /// Where the peer wants its media: the pair that it nominated last; before that the first one
    /// that it proved (RFC 8445 §12), because Chromium nominates up to a second later.
    pub const fn destination(&self) -> Option<SocketAddr> {
        match self.nominated {
            Some(nominated) => Some(nominated),
            None => self.first,
        }
    }

    /// Whether a datagram from `from` may be the peer's: its checks came from there.
    pub fn is_peer(&self, now_ns: u64, from: SocketAddr) -> bool {
        let fresh = |s: &Source| now_ns.saturating_sub(s.checked_ns) < CONSENT_NS;
        self.sources.iter().flatten().any(|source| source.address == from && fresh(source))
    }

    /// Whether the peer still agrees to be sent to.
    pub const fn has_consent(&self, now_ns: u64) -> bool {
        self.first.is_some() && now_ns.saturating_sub(self.consent_ns) < CONSENT_NS
    }

    /// Whether it is signed by somebody who knows our credentials.
    fn is_ours(&self, message: &Message<'_>) -> bool {
        // "Ours:theirs" (RFC 8445 §7.2.2); theirs is not needed to tell who it is.
        let username = message.attribute(stun::USERNAME).unwrap_or_default();
        let rest = username.strip_prefix(self.credentials.ufrag());
        rest.is_some_and(|rest| rest.starts_with(b":")) && message.is_signed(self.credentials.pwd())
    }

    fn checked(&mut self, now_ns: u64, from: SocketAddr, nominates: bool) {
        let in_use = *self.first.get_or_insert(from);
        let in_use = self.nominated.unwrap_or(in_use);
        let place_of = |slot: &Option<Source>| match slot {
            Some(known) if known.address == from => (0, 0),
            None => (1, 0),
            // The pair in use is never given up for another.
            Some(known) => (2 + u8::from(in_use == known.address), known.checked_ns),
        };
        if let Some(slot) = self.sources.iter_mut().min_by_key(|slot| place_of(slot)) {
            *slot = Some(Source { address: from, checked_ns: now_ns });
        }
        self.consent_ns = now_ns;
        if nominates {
            self.nominated = Some(from);
        }
    }
}

/// The kinds that a reader must understand (below 0x8000) and we do not, as they stand in
/// `UNKNOWN-ATTRIBUTES`.
fn unknown_attributes<'a>(message: &Message<'_>, out: &'a mut [u8; 2 * UNKNOWN_MAX]) -> &'a [u8] {
    const KNOWN: [u16; 3] = [stun::USERNAME, stun::PRIORITY, stun::USE_CANDIDATE];
    let kinds = message.attributes().map(|(kind, _)| kind);
    let unknown = kinds.filter(|kind| *kind < 0x8000 && !KNOWN.contains(kind));
    let mut length = 0;
    for (kind, place) in unknown.zip(out.chunks_exact_mut(2)) {
        place.copy_from_slice(&kind.to_be_bytes());
        length += 2;
    }
    &out[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn agent() -> LiteAgent {
        LiteAgent::new(Credentials::new("ours", "a-password-of-ours-1234").unwrap())
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    struct Check<'a> {
        username: &'a str,
        password: &'a str,
        extra: &'a [(u16, &'a [u8])],
    }

    const NOMINATING: Check<'static> = Check {
        username: "ours:theirs",
        password: "a-password-of-ours-1234",
        extra: &[(stun::ICE_CONTROLLING, &[1; 8]), (stun::USE_CANDIDATE, &[])],
    };

    /// What the agent answers, if it does.
    fn check(agent: &mut LiteAgent, now_ns: u64, from: &str, check: &Check<'_>) -> Option<Vec<u8>> {
        let mut request = [0; MESSAGE_BYTES_MAX];
        let mut writer = Writer::new(&mut request, stun::BINDING_REQUEST, *b"0123456789ab")
            .attribute(stun::USERNAME, check.username.as_bytes())
            .attribute(stun::PRIORITY, &[0x6e, 0, 1, 0xff]);
        for (kind, value) in check.extra {
            writer = writer.attribute(*kind, value);
        }
        let length = writer.finish(check.password.as_bytes());
        let mut out = [0; MESSAGE_BYTES_MAX];
        let length = agent.handle(now_ns, at(from), &request[..length], &mut out)?;
        Some(out[..length].to_vec())
    }

    fn error_code(response: &[u8]) -> Option<u16> {
        let message = Message::parse(response)?;
        assert!(message.is_signed(b"a-password-of-ours-1234"));
        assert_eq!(message.transaction(), *b"0123456789ab");
        let value = message.attribute(stun::ERROR_CODE)?;
        Some(u16::from(value[2]) * 100 + u16::from(value[3]))
    }

    #[test]
    fn a_check_is_answered_and_media_goes_there_until_another_pair_is_nominated() {
        let mut agent = agent();
        let plain = Check { extra: &[(stun::ICE_CONTROLLING, &[1; 8])], ..NOMINATING };
        let response = check(&mut agent, 0, "192.0.2.9:5000", &plain).unwrap();
        let message = Message::parse(&response).unwrap();
        assert_eq!(message.kind(), stun::BINDING_SUCCESS);
        assert_eq!(message.mapped_address(), Some(at("192.0.2.9:5000")));
        assert_eq!(error_code(&response), None);
        assert_eq!((agent.destination(), agent.has_consent(0)), (Some(at("192.0.2.9:5000")), true));
        check(&mut agent, 0, "192.0.2.9:5002", &NOMINATING).unwrap();
        assert_eq!(agent.destination(), Some(at("192.0.2.9:5002")));
        assert!(agent.is_peer(0, at("192.0.2.9:5000")) && agent.is_peer(0, at("192.0.2.9:5002")));
        assert!(!agent.is_peer(0, at("192.0.2.9:5004")));
    }

    #[test]
    fn who_does_not_know_the_password_gets_no_answer() {
        let mut agent = agent();
        for wrong in [
            Check { password: "another", ..NOMINATING },
            Check { username: "others:theirs", ..NOMINATING },
            Check { username: "oursX:theirs", ..NOMINATING },
            Check { username: "ours", ..NOMINATING },
        ] {
            assert_eq!(check(&mut agent, 0, "198.51.100.1:1", &wrong), None);
        }
        let mut out = [0; MESSAGE_BYTES_MAX];
        assert_eq!(agent.handle(0, at("198.51.100.1:1"), &[0; 20], &mut out), None);
        assert!(agent.destination().is_none() && !agent.is_peer(0, at("198.51.100.1:1")));
    }

    #[test]
    fn a_peer_that_does_not_control_is_told() {
        let mut agent = agent();
        let conflict = Check {
            extra: &[(stun::ICE_CONTROLLED, &[9; 8]), (stun::USE_CANDIDATE, &[])],
            ..NOMINATING
        };
        let response = check(&mut agent, 0, "192.0.2.9:5000", &conflict).unwrap();
        assert_eq!(error_code(&response), Some(487));
        let strange = Check { extra: &[(0x7f01, &[1, 2, 3])], ..NOMINATING };
        let response = check(&mut agent, 0, "192.0.2.9:5000", &strange).unwrap();
        assert_eq!(error_code(&response), Some(420));
        let unknown = Message::parse(&response).unwrap().attribute(stun::UNKNOWN_ATTRIBUTES);
        assert_eq!(unknown, Some(&[0x7f, 0x01][..]));
        assert_eq!(agent.destination(), None);
    }

    #[test]
    fn consent_ends_without_checks_and_comes_back_with_them() {
        let mut agent = agent();
        check(&mut agent, 0, "192.0.2.9:5000", &NOMINATING).unwrap();
        assert!(agent.has_consent(29 * SECOND_NS));
        assert!(!agent.has_consent(30 * SECOND_NS));
        assert!(!agent.is_peer(30 * SECOND_NS, at("192.0.2.9:5000")));
        check(&mut agent, 31 * SECOND_NS, "192.0.2.9:5000", &NOMINATING).unwrap();
        assert!(agent.has_consent(32 * SECOND_NS));
    }

    #[test]
    fn many_sources_do_not_push_out_the_one_in_use() {
        let mut agent = agent();
        check(&mut agent, 1, "192.0.2.9:5000", &NOMINATING).unwrap();
        let plain = Check { extra: &[], ..NOMINATING };
        for port in 1..100 {
            check(&mut agent, 1 + port, &format!("192.0.2.9:{port}"), &plain).unwrap();
        }
        assert!(agent.is_peer(100, at("192.0.2.9:5000")) && agent.is_peer(100, at("192.0.2.9:99")));
        assert!(!agent.is_peer(100, at("192.0.2.9:50")));
    }

    #[test]
    fn a_restart_changes_the_password_and_keeps_the_pair() {
        let mut agent = agent();
        check(&mut agent, 0, "192.0.2.9:5000", &NOMINATING).unwrap();
        agent.restart(Credentials::new("ours2", "another-password").unwrap());
        assert_eq!(agent.destination(), Some(at("192.0.2.9:5000")));
        assert_eq!(check(&mut agent, 0, "192.0.2.9:5000", &NOMINATING), None);
        let new = Check { username: "ours2:x", password: "another-password", ..NOMINATING };
        assert!(check(&mut agent, 0, "192.0.2.9:6000", &new).is_some());
        assert_eq!(agent.destination(), Some(at("192.0.2.9:6000")));
    }
}
