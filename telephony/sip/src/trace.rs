//! The last calls' messages as they went over the wire, for whoever looks why a call failed, and HEP version 3 for a
//! capture server such as Homer.
//!
//! What proves somebody's identity, decrypts a call's audio or tells pressed keys is left out before anything is kept or
//! sent. **A call is kept once it is admitted**: a flood of INVITEs that are refused pushes none out. All that is kept is
//! bounded, the oldest calls go first.

use crate::transport::Transport;
use bytes::Bytes;
use qingting_common::UnixMillis;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls that are kept.
pub const CALLS_MAX: usize = 1_000;
/// Messages of one of them: a long call's refreshes push none of its beginning out.
pub const MESSAGES_MAX: usize = 200;
/// Of a message so much is kept, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 8 << 10;
/// All that is kept, in bytes.
pub const BYTES_MAX: usize = 32 << 20;
/// Longest Call-ID of a call that is kept, in bytes, as the parser's own.
const CALL_ID_BYTES_MAX: usize = 256;
/// Calls that came and are not admitted yet, and messages of one of them.
const NEW_CALLS_MAX: usize = 64;
const NEW_MESSAGES_MAX: usize = 8;

/// What stands in the place of what is left out.
const LEFT_OUT: &str = "…";
/// Header fields that prove who somebody is.
const SECRET_HEADERS: [&str; 4] =
    ["authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info"];
/// Lines of bodies with keys (RFC 4568, RFC 4567, RFC 8839) and with what was pressed (application/dtmf-relay).
const SECRET_LINES: [&str; 5] = ["a=crypto:", "a=key-mgmt:", "a=ice-pwd:", "k=", "Signal="];

/// A message that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedMessage {
    /// When.
    pub at: UnixMillis,
    /// Whether it was ours.
    pub is_ours: bool,
    /// How.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The message, without what must not be kept; cut off after [`MESSAGE_BYTES_MAX`].
    pub text: String,
}

/// The messages of the last calls.
#[derive(Debug, Default)]
pub struct Trace(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    calls: HashMap<String, Vec<Arc<TracedMessage>>>,
    /// By their INVITEs, the oldest first.
    order: VecDeque<String>,
    bytes: usize,
    /// Calls that are not admitted yet.
    new: VecDeque<(String, Vec<Arc<TracedMessage>>)>,
}

impl Trace {
    /// The messages of a call, the oldest first.
    pub fn of(&self, call_id: &str) -> Vec<Arc<TracedMessage>> {
        self.ring().calls.get(call_id).cloned().unwrap_or_default()
    }

    /// Forgets every call: when somebody's data are erased, nobody looks which of them are his.
    pub fn forget(&self) {
        *self.ring() = Ring::default();
    }

    /// Keeps a message of a call that is kept, or of one that may be. Gives it as it was kept where it is.
    pub(crate) fn keep(
        &self,
        bytes: &Bytes,
        is_ours: bool,
        describe: impl FnOnce(String) -> TracedMessage,
    ) -> Option<Arc<TracedMessage>> {
        let call_id = call_id(bytes).filter(|id| id.len() <= CALL_ID_BYTES_MAX)?;
        let begins = bytes.starts_with(b"INVITE ");
        let mut ring = self.ring();
        if begins && is_ours && !ring.calls.contains_key(call_id) {
            ring.begin(call_id, Vec::new());
        }
        if ring.calls.contains_key(call_id) {
            let message = Arc::new(describe(without_secrets(bytes)));
            ring.add(call_id, Arc::clone(&message));
            return Some(message);
        }
        let at = ring.new.iter().position(|(id, _)| id == call_id);
        let at = match at {
            Some(at) => at,
            None if begins => {
                if ring.new.len() == NEW_CALLS_MAX {
                    ring.new.pop_front();
                }
                ring.new.push_back((call_id.to_owned(), Vec::new()));
                ring.new.len() - 1
            }
            None => return None,
        };
        let (_, messages) = &mut ring.new[at];
        if messages.len() < NEW_MESSAGES_MAX {
            messages.push(Arc::new(describe(without_secrets(bytes))));
        }
        None
    }

    /// A call was admitted: it is kept from its beginning on. Gives what came of it so far.
    pub(crate) fn admit(&self, call_id: &str) -> Vec<Arc<TracedMessage>> {
        let mut ring = self.ring();
        let Some(at) = ring.new.iter().position(|(id, _)| id == call_id) else {
            return Vec::new();
        };
        let messages = ring.new.remove(at).map(|(_, messages)| messages).unwrap_or_default();
        ring.begin(call_id, messages.clone());
        messages
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn begin(&mut self, call_id: &str, messages: Vec<Arc<TracedMessage>>) {
        self.order.push_back(call_id.to_owned());
        self.calls.insert(call_id.to_owned(), Vec::new());
        self.bytes += 2 * call_id.len();
        messages.into_iter().for_each(|message| self.add(call_id, message));
    }

    fn add(&mut self, call_id: &str, message: Arc<TracedMessage>) {
        if let Some(messages) = self.calls.get_mut(call_id)
            && messages.len() < MESSAGES_MAX
        {
            self.bytes += message.text.len();
            messages.push(message);
        }
        while self.order.len() > CALLS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            let freed = self.calls.remove(&oldest).unwrap_or_default();
            let texts: usize = freed.iter().map(|message| message.text.len()).sum();
            self.bytes -= texts + 2 * oldest.len();
        }
    }
}

/// The Call-ID of a message (RFC 3261 §20.8), found without reading the rest.
fn call_id(message: &[u8]) -> Option<&str> {
    for line in message.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return None;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = line[..colon].trim_ascii();
        if name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i") {
            return std::str::from_utf8(line[colon + 1..].trim_ascii()).ok();
        }
    }
    None
}

/// The message, cut off after [`MESSAGE_BYTES_MAX`].
fn without_secrets(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(&message[..message.len().min(MESSAGE_BYTES_MAX)]);
    let mut kept = String::with_capacity(text.len());
    let mut is_header = true;
    let mut is_secret = false;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        is_header &= !content.is_empty();
        if is_header {
            // A folded line goes on with the field before it (RFC 3261 §7.3.1).
            let is_folded = content.starts_with([' ', '\t']);
            let name = content.split(':').next().unwrap_or_default().trim();
            is_secret = if is_folded {
                is_secret
            } else {
                SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
            };
            match (is_secret, is_folded) {
                (false, _) => kept.push_str(line),
                (true, true) => {}
                (true, false) => kept.push_str(&format!("{name}: {LEFT_OUT}\r\n")),
            }
        } else if let Some(key) = SECRET_LINES.iter().find(|key| content.starts_with(**key)) {
            kept.push_str(&format!("{key}{LEFT_OUT}\r\n"));
        } else {
            kept.push_str(line);
        }
    }
    // What was no UTF-8 has become longer.
    kept.truncate(kept.floor_char_boundary(MESSAGE_BYTES_MAX));
    kept
}

/// A message as a capture server takes it: HEP version 3, chunks of the vendor 0. `agent` tells servers apart.
pub fn hep3(message: &TracedMessage, agent: u32) -> Vec<u8> {
    let (from, to) = match message.is_ours {
        true => (message.local, message.remote),
        false => (message.remote, message.local),
    };
    let mut chunks = Vec::with_capacity(message.text.len() + 128);
    let mut chunk = |kind: u16, value: &[u8]| {
        let length = u16::try_from(value.len() + 6).unwrap_or(u16::MAX);
        chunks.extend([0, 0]);
        chunks.extend(kind.to_be_bytes());
        chunks.extend(length.to_be_bytes());
        chunks.extend(&value[..usize::from(length) - 6]);
    };
    // The families of socket(2) and the protocols of IANA; 1 is SIP.
    let is_v4 = from.is_ipv4() && to.is_ipv4();
    chunk(1, &[if is_v4 { 2 } else { 10 }]);
    chunk(2, &[if message.transport == Transport::Udp { 17 } else { 6 }]);
    for (address, v4, v6) in [(from.ip(), 3, 5), (to.ip(), 4, 6)] {
        match (is_v4, address) {
            (true, IpAddr::V4(ip)) => chunk(v4, &ip.octets()),
            (_, IpAddr::V4(ip)) => chunk(v6, &ip.to_ipv6_mapped().octets()),
            (_, IpAddr::V6(ip)) => chunk(v6, &ip.octets()),
        }
    }
    chunk(7, &from.port().to_be_bytes());
    chunk(8, &to.port().to_be_bytes());
    let at = u64::try_from(message.at.0).unwrap_or_default();
    chunk(9, &u32::try_from(at / 1_000).unwrap_or(u32::MAX).to_be_bytes());
    chunk(10, &u32::try_from(at % 1_000 * 1_000).unwrap_or_default().to_be_bytes());
    chunk(11, &[1]);
    chunk(12, &agent.to_be_bytes());
    chunk(15, message.text.as_bytes());
    let length = u16::try_from(chunks.len() + 6).unwrap_or(u16::MAX);
    let mut packet = Vec::with_capacity(chunks.len() + 6);
    packet.extend(b"HEP3");
    packet.extend(length.to_be_bytes());
    packet.extend(chunks);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(trace: &Trace, text: &str, at: i64) -> Option<Arc<TracedMessage>> {
        let message = come(trace, text, at);
        let id = call_id(text.as_bytes());
        message.or_else(|| id.and_then(|id| trace.admit(id).pop()))
    }

    fn come(trace: &Trace, text: &str, at: i64) -> Option<Arc<TracedMessage>> {
        trace.keep(&Bytes::copy_from_slice(text.as_bytes()), false, |text| TracedMessage {
            at: UnixMillis(at),
            is_ours: false,
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.9:5070".parse().unwrap(),
            text,
        })
    }

    #[test]
    fn a_call_is_kept_from_its_invite_on_and_nothing_else_is() {
        let trace = Trace::default();
        assert!(kept(&trace, "OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n", 1).is_none());
        assert!(kept(&trace, "SIP/2.0 200 OK\r\nCall-ID: 1\r\n\r\n", 2).is_none());
        assert!(kept(&trace, "INVITE sip:a SIP/2.0\r\ni : 1\r\n\r\n", 3).is_some());
        assert!(kept(&trace, "SIP/2.0 200 OK\r\nCALL-ID:1\r\n\r\n", 4).is_some());
        assert!(
            kept(&trace, "INVITE sip:a SIP/2.0\r\n\r\nCall-ID: 2\r\n", 5).is_none(),
            "no header"
        );
        let at: Vec<i64> = trace.of("1").iter().map(|message| message.at.0).collect();
        assert_eq!(at, [3, 4]);
        assert!(trace.of("2").is_empty());
    }

    #[test]
    fn what_is_not_admitted_pushes_no_call_out() {
        let trace = Trace::default();
        kept(&trace, "INVITE sip:a SIP/2.0\r\nCall-ID: true\r\n\r\n", 0).unwrap();
        for call in 0..CALLS_MAX * 2 {
            let invite = format!("INVITE sip:a SIP/2.0\r\nCall-ID: {call}\r\n\r\n");
            assert!(come(&trace, &invite, 1).is_none());
        }
        assert_eq!(trace.of("true").len(), 1);
        assert!(trace.of("5").is_empty() && trace.admit("5").is_empty());
        let last = (CALLS_MAX * 2 - 1).to_string();
        assert!(
            come(&trace, &format!("SIP/2.0 100 Trying\r\nCall-ID: {last}\r\n\r\n"), 2).is_none()
        );
        assert_eq!(trace.admit(&last).len(), 2, "from its beginning on");
        assert_eq!(trace.of(&last).len(), 2);
        let long = "x".repeat(CALL_ID_BYTES_MAX + 1);
        assert!(
            kept(&trace, &format!("INVITE sip:a SIP/2.0\r\nCall-ID: {long}\r\n\r\n"), 3).is_none()
        );
        trace.forget();
        assert!(trace.of("true").is_empty() && trace.of(&last).is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_calls_go_first() {
        let trace = Trace::default();
        let invite = |call: usize| format!("INVITE sip:a SIP/2.0\r\nCall-ID: {call}\r\n\r\n");
        for call in 0..CALLS_MAX + 10 {
            kept(&trace, &invite(call), 0).unwrap();
        }
        assert!(trace.of("9").is_empty());
        assert_eq!(trace.of("10").len(), 1);
        let last = (CALLS_MAX + 9).to_string();
        for _ in 0..MESSAGES_MAX * 2 {
            kept(&trace, &format!("BYE sip:a SIP/2.0\r\nCall-ID: {last}\r\n\r\n"), 1);
        }
        let messages = trace.of(&last);
        assert_eq!(messages.len(), MESSAGES_MAX);
        assert!(messages[0].text.starts_with("INVITE"), "the beginning stays");
        // A byte that is no UTF-8 becomes three.
        let large = "x".repeat(2 * MESSAGE_BYTES_MAX);
        let garbage =
            [b"INVITE sip:a SIP/2.0\r\nCall-ID: g\r\n\r\n".to_vec(), vec![0xff; 9_000]].concat();
        assert!(without_secrets(&garbage).len() <= MESSAGE_BYTES_MAX);
        for call in 0..CALLS_MAX {
            let id = format!("large-{call}");
            for _ in 0..8 {
                let text = format!("INVITE sip:a SIP/2.0\r\nCall-ID: {id}\r\n\r\n{large}");
                assert!(kept(&trace, &text, 2).unwrap().text.len() <= MESSAGE_BYTES_MAX);
            }
        }
        let ring = trace.0.lock().unwrap();
        assert!(ring.bytes <= BYTES_MAX && ring.order.len() == ring.calls.len());
        let texts: usize = ring.calls.values().flatten().map(|message| message.text.len()).sum();
        let ids: usize = ring.order.iter().map(|id| 2 * id.len()).sum();
        assert_eq!(ring.bytes, texts + ids);
    }

    #[test]
    fn what_proves_or_decrypts_is_not_kept() {
        let text = "INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\nauthorization : Digest response=\"s1\",\r\n nonce=\"s2\"\r\n\
                    Proxy-Authorization: s3\r\nX: kept\r\n folded\r\n\r\nv=0\r\na=crypto:1 AES inline:s4\r\n\
                    a=ice-pwd:s5\r\na=ice-ufrag:kept\r\nk=base64:s6\r\nSignal=s7\r\na=key-mgmt:mikey s8\r\n";
        let trace = Trace::default();
        let message = kept(&trace, text, 0).unwrap();
        for secret in 1..=8 {
            assert!(!message.text.contains(&format!("s{secret}")), "{}", message.text);
        }
        assert!(message.text.contains("X: kept\r\n folded\r\n\r\nv=0"), "{}", message.text);
        assert!(message.text.contains("a=ice-ufrag:kept"));
    }

    #[test]
    fn a_capture_server_reads_the_chunks() {
        let trace = Trace::default();
        let message = kept(&trace, "INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n", 1_767_196_800_123);
        let packet = hep3(&message.unwrap(), 7);
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        let mut chunks = HashMap::new();
        let mut rest = &packet[6..];
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[4], rest[5]]));
            assert_eq!(&rest[..2], [0, 0], "the vendor");
            chunks.insert(u16::from_be_bytes([rest[2], rest[3]]), rest[6..length].to_vec());
            rest = &rest[length..];
        }
        assert_eq!(chunks[&3], [192, 0, 2, 9], "it came from the other end");
        assert_eq!(
            (&chunks[&4], &chunks[&7]),
            (&vec![192, 0, 2, 1], &5_070u16.to_be_bytes().to_vec())
        );
        assert_eq!(chunks[&9], 1_767_196_800u32.to_be_bytes());
        assert_eq!(chunks[&10], 123_000u32.to_be_bytes());
        assert_eq!((chunks[&1][0], chunks[&2][0], chunks[&11][0]), (2, 17, 1));
        assert!(chunks[&15].starts_with(b"INVITE"));
    }
}
