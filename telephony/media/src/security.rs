//! What stands between a leg and its RTP socket when its audio is secured: it tells checks, keys and
//! media apart (RFC 7983), reads what is protected and protects what is sent. **Nothing plain gets
//! through either way, and nothing is sent to an address that did not prove itself.**

use crate::dtls::{DtlsError, Role};
use crate::ice::stun::MESSAGE_BYTES_MAX;
use crate::ice::{Credentials, LiteAgent};
use crate::keying::{Far, Flight, Near, Outcome};
use crate::rtp::is_rtcp;
use crate::srtp::{GROWTH_BYTES_MAX, Keys, Receiver, Sender};
use std::fmt;
use std::net::SocketAddr;

/// Longest packet that is read or protected, in bytes.
const PACKET_BYTES_MAX: usize = 1_700;

/// How the audio of a leg is secured, from its session descriptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    #[default]
    Plain,
    /// SRTP with keys from the session description (RFC 4568).
    Srtp {
        /// With which we send.
        send: Keys,
        /// With which the peer sends.
        receive: Keys,
    },
    /// SRTP with keys from a DTLS handshake, to and from where ICE says (RFC 5763): browsers.
    Dtls {
        /// What we do in the handshake.
        role: Role,
        /// SHA-256 of the peer's certificate.
        fingerprint: [u8; 32],
        /// Ours, which the peer's checks must know.
        ice: Credentials,
    },
}

/// The secured half of a leg. Made off the media threads, once; it allocates and frees nothing.
pub(crate) struct Transport {
    mode: Mode,
    sender: Option<Sender>,
    receiver: Option<Receiver>,
    near: Near,
    /// Told to the handshake.
    nominated: Option<SocketAddr>,
    had_consent: bool,
    refused: u64,
    packet: [u8; PACKET_BYTES_MAX],
    response: [u8; MESSAGE_BYTES_MAX],
}

#[allow(clippy::large_enum_variant, reason = "there is one in a transport, which is boxed")]
enum Mode {
    Plain,
    Srtp,
    Dtls(LiteAgent),
}

/// What a datagram is.
pub(crate) enum Incoming<'a> {
    /// RTP of the peer.
    Rtp(&'a [u8]),
    /// RTCP of the peer.
    Rtcp(&'a [u8]),
    /// To be sent back to where it came from.
    Reply(&'a [u8]),
    /// Media of somebody who is not the peer.
    Stranger,
    /// Nothing for the leg.
    Nothing,
}

/// What became of the security of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Secured,
    Failed(DtlsError),
    ConsentLost,
}

/// Where a leg's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Where the latch says.
    Latched,
    /// Where the peer's checks came from.
    Nominated(SocketAddr),
    /// There is nobody yet, or no longer.
    Nowhere,
}

impl fmt::Debug for Transport {
    /// Its keys are nobody's to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    /// A transport, and the end for the thread that makes handshakes.
    pub(crate) fn new() -> (Box<Self>, Far) {
        let (near, far) = crate::keying::wires();
        let made = Self {
            mode: Mode::Plain,
            sender: None,
            receiver: None,
            near,
            nominated: None,
            had_consent: false,
            refused: 0,
            packet: [0; PACKET_BYTES_MAX],
            response: [0; MESSAGE_BYTES_MAX],
        };
        (Box::new(made), far)
    }

    /// Takes what the session descriptions say now.
    pub(crate) fn connect(&mut self, security: Security) {
        match security {
            Security::Plain => self.mode = Mode::Plain,
            Security::Srtp { send, receive } => {
                self.mode = Mode::Srtp;
                self.take_keys(send, receive);
            }
            Security::Dtls { ice, .. } => {
                if let Mode::Dtls(agent) = &mut self.mode {
                    agent.restart(ice);
                    return;
                }
                // Keys of another kind are not this peer's.
                (self.sender, self.receiver) = (None, None);
                self.mode = Mode::Dtls(LiteAgent::new(ice));
            }
        }
    }

    fn take_keys(&mut self, send: Keys, receive: Keys) {
        match &mut self.sender {
            Some(sender) if *sender.keys() == send => {}
            Some(sender) => sender.rekey(send),
            None => self.sender = Some(Sender::new(send)),
        }
        match &mut self.receiver {
            Some(receiver) if *receiver.keys() == receive => {}
            Some(receiver) => receiver.rekey(receive),
            None => self.receiver = Some(Receiver::new(receive)),
        }
    }

    /// Once a tick: what became of the handshake, and of the peer's consent.
    pub(crate) fn turn(&mut self, now_ns: u64) -> Option<Turn> {
        while let Some(outcome) = self.near.outcome() {
            // A handshake of a description that holds no more.
            if !self.is_dtls() {
                continue;
            }
            return Some(match outcome {
                Outcome::Keys { send, receive } => {
                    self.take_keys(send, receive);
                    Turn::Secured
                }
                Outcome::Failed(error) => Turn::Failed(error),
            });
        }
        let Mode::Dtls(agent) = &self.mode else { return None };
        let consent = agent.has_consent(now_ns);
        let lost = std::mem::replace(&mut self.had_consent, consent) && !consent;
        lost.then_some(Turn::ConsentLost)
    }

    /// Whether the leg is secured; else it goes on without this.
    pub(crate) const fn is_secured(&self) -> bool {
        !matches!(self.mode, Mode::Plain)
    }

    /// Whether only packets of sources that ICE proved get through.
    pub(crate) const fn proves_sources(&self) -> bool {
        self.is_dtls()
    }

    const fn is_dtls(&self) -> bool {
        matches!(self.mode, Mode::Dtls(_))
    }

    /// Whether packets can be protected.
    pub(crate) const fn is_ready(&self) -> bool {
        self.sender.is_some()
    }

    /// Packets that the keys did not fit: plain, forged or come before.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Where packets go.
    pub(crate) fn destination(&self, now_ns: u64) -> Destination {
        match &self.mode {
            Mode::Plain | Mode::Srtp => Destination::Latched,
            Mode::Dtls(agent) => match agent.destination() {
                Some(to) if agent.has_consent(now_ns) => Destination::Nominated(to),
                _ => Destination::Nowhere,
            },
        }
    }

    /// Takes a datagram of the RTP socket.
    pub(crate) fn receive(&mut self, now_ns: u64, from: SocketAddr, bytes: &[u8]) -> Incoming<'_> {
        // RFC 7983 §7: the first byte tells what it is.
        let first = bytes.first().copied().unwrap_or(u8::MAX);
        match &mut self.mode {
            Mode::Dtls(agent) if first <= 3 => {
                let length = agent.handle(now_ns, from, bytes, &mut self.response);
                let nominated = agent.destination();
                if self.nominated != nominated {
                    self.nominated = nominated;
                    nominated.into_iter().for_each(|to| self.near.send(Flight::To(to)));
                }
                return length.map_or(Incoming::Nothing, |n| Incoming::Reply(&self.response[..n]));
            }
            Mode::Dtls(agent) if (20..=63).contains(&first) => {
                if agent.is_peer(now_ns, from) {
                    self.near.send_datagram(from, bytes);
                }
                return Incoming::Nothing;
            }
            Mode::Dtls(agent) if (128..=191).contains(&first) && !agent.is_peer(now_ns, from) => {
                return Incoming::Stranger;
            }
            _ if !(128..=191).contains(&first) => return Incoming::Nothing,
            _ => {}
        }
        self.unprotect(bytes, is_rtcp(bytes))
    }

    /// Takes a datagram of the RTCP socket.
    pub(crate) fn receive_rtcp(&mut self, bytes: &[u8]) -> Incoming<'_> {
        match self.is_dtls() {
            // Everything is on one port.
            true => Incoming::Nothing,
            false => self.unprotect(bytes, true),
        }
    }

    fn unprotect(&mut self, bytes: &[u8], rtcp: bool) -> Incoming<'_> {
        let room = self.packet.get_mut(..bytes.len());
        let (Some(packet), Some(receiver)) = (room, &mut self.receiver) else {
            self.refused += 1;
            return Incoming::Nothing;
        };
        packet.copy_from_slice(bytes);
        let read = match rtcp {
            true => receiver.unprotect_rtcp(packet),
            false => receiver.unprotect_rtp(packet),
        };
        match read {
            Ok(length) if rtcp => Incoming::Rtcp(&self.packet[..length]),
            Ok(length) => Incoming::Rtp(&self.packet[..length]),
            Err(_) => {
                self.refused += 1;
                Incoming::Nothing
            }
        }
    }

    /// Protects a packet; `None` when there are no keys, or they are used up.
    pub(crate) fn protect(&mut self, packet: &[u8]) -> Option<&[u8]> {
        let length = packet.len();
        let room = self.packet.get_mut(..length + GROWTH_BYTES_MAX)?;
        room[..length].copy_from_slice(packet);
        let sender = self.sender.as_mut()?;
        let protected = match is_rtcp(packet) {
            true => sender.protect_rtcp(room, length),
            false => sender.protect_rtp(room, length),
        };
        protected.ok().map(|length| &self.packet[..length])
    }
}
