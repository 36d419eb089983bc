//! What a session description says, after reading.

use super::security::ice_of;
use super::{Connection, Crypto, Direction, Fingerprint, Setup};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A session description (RFC 8866 §5), with the lines that matter to telephone audio. Other
/// lines are tolerated and dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionDescription {
    /// The `o=` line.
    pub origin: Origin,
    /// The `s=` line, `-` when empty.
    pub name: String,
    /// The session-level `c=` line.
    pub connection: Option<Connection>,
    /// The session-level direction, which media lines without their own inherit.
    pub direction: Option<Direction>,
    /// ICE and DTLS, for streams without their own.
    pub transport: Transport,
    /// The writer answers ICE checks and sends none (RFC 8445 §2.5).
    pub ice_lite: bool,
    /// The streams that share one transport, by their [`Media::mid`] (RFC 9143).
    pub bundle: Vec<String>,
    /// The `m=` lines, in order.
    pub media: Vec<Media>,
}

/// ICE and DTLS of a stream (RFC 8839 §5, RFC 8842 §5). What cannot be read counts as not written. **The
/// password never prints itself.**
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Transport {
    /// The ICE user fragment.
    pub ice_ufrag: Option<String>,
    /// The ICE password.
    pub ice_pwd: Option<String>,
    /// The first fingerprint of a kind that we can check.
    pub fingerprint: Option<Fingerprint>,
    /// Who begins the DTLS handshake.
    pub setup: Option<Setup>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("ice_ufrag", &self.ice_ufrag)
            .field("fingerprint", &self.fingerprint)
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}

/// Who made the session, and which version of it this is (RFC 8866 §5.2). The numbers stay text:
/// peers send more digits than 64 bits hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The user, or `-`.
    pub username: String,
    /// The session id, the same for the whole session.
    pub session_id: String,
    /// The version, raised by one with each change.
    pub version: String,
    /// Network type, address type and address: `IN IP4 192.0.2.1`.
    pub address: String,
}

/// One `m=` line with its attributes. Attributes are read for audio alone: every other kind is
/// answered with port 0, so a fault in it costs nobody the call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Media {
    /// `audio`, `video`, `application`, `image`…
    pub kind: String,
    /// The port; 0 is a stream that is refused or over.
    pub port: u16,
    /// The transport, `RTP/AVP` for plain RTP.
    pub proto: String,
    /// Payload types, as text because other transports have other formats.
    pub formats: Vec<String>,
    /// The `c=` line of this stream.
    pub connection: Option<Connection>,
    /// The direction of this stream, when it has its own.
    pub direction: Option<Direction>,
    /// Milliseconds of audio per packet that the writer would like to receive.
    pub ptime_ms: Option<u16>,
    /// Where RTCP goes, when it is not the next port (RFC 3605).
    pub rtcp: Option<Rtcp>,
    /// RTP and RTCP on one port (RFC 5761).
    pub rtcp_mux: bool,
    /// The `a=rtpmap` lines.
    pub rtpmaps: Vec<RtpMap>,
    /// The `a=fmtp` lines.
    pub fmtps: Vec<Fmtp>,
    /// The name of the stream in the session (RFC 5888).
    pub mid: Option<String>,
    /// The stream and track that a browser makes of it (RFC 8830).
    pub msid: Option<String>,
    /// ICE and DTLS of this stream, as far as it has its own.
    pub transport: Transport,
    /// The `a=crypto` lines that we could use, in order.
    pub cryptos: Vec<Crypto>,
    /// Where ICE may find the writer.
    pub candidates: Vec<SocketAddr>,
}

/// `a=rtcp:` (RFC 3605).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rtcp {
    /// The port.
    pub port: u16,
    /// The address, when it is not that of the stream.
    pub connection: Option<Connection>,
}

/// `a=rtpmap:` (RFC 8866 §6.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RtpMap {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The encoding name as written; compare without case.
    pub encoding: String,
    /// RTP clock rate, in Hz.
    pub clock_hz: u32,
    /// Audio channels; 1 when not written.
    pub channels: u8,
}

/// `a=fmtp:` (RFC 8866 §6.15).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fmtp {
    /// The format that is described.
    pub format: String,
    /// Its parameters, as written.
    pub parameters: String,
}

impl SessionDescription {
    /// The direction of `media`, inherited or its own, from its writer's side. A `c=` of 0.0.0.0
    /// is the old way to hold (RFC 3264 §8.4): its writer does not listen. Over ICE it says only that
    /// no address is known yet.
    pub fn direction_of(&self, media: &Media) -> Direction {
        let direction = media.direction.or(self.direction).unwrap_or_default();
        let held =
            matches!(self.connection_of(media), Some(Connection::Ip(ip)) if ip.is_unspecified());
        if held && ice_of(self, media).is_none() {
            Direction::of(direction.sends(), false)
        } else {
            direction
        }
    }

    /// The connection of `media`, inherited or its own.
    pub fn connection_of<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connection.as_ref().or(self.connection.as_ref())
    }
}

impl Media {
    /// A stream without attributes.
    pub fn new(kind: &str, port: u16, proto: &str, formats: Vec<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            port,
            proto: proto.to_owned(),
            formats,
            connection: None,
            direction: None,
            ptime_ms: None,
            rtcp: None,
            rtcp_mux: false,
            rtpmaps: Vec::new(),
            fmtps: Vec::new(),
            mid: None,
            msid: None,
            transport: Transport::default(),
            cryptos: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// The same stream, refused: port 0 and its name, nothing else (RFC 3264 §6).
    pub(super) fn refused(&self) -> Self {
        let line = Self::new(&self.kind, 0, &self.proto, self.formats.clone());
        Self { mid: self.mid.clone(), ..line }
    }

    pub(super) fn is_audio(&self) -> bool {
        self.kind.eq_ignore_ascii_case("audio")
    }

    pub(super) fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|pt| *pt <= 127)
    }

    pub(super) fn rtpmap(&self, payload_type: u8) -> Option<&RtpMap> {
        self.rtpmaps.iter().find(|map| map.payload_type == payload_type)
    }
}

impl RtpMap {
    /// Whether this maps `encoding` at this clock, in as many channels.
    pub(super) fn is(&self, encoding: &str, clock_hz: u32, channels: u8) -> bool {
        self.encoding.eq_ignore_ascii_case(encoding)
            && self.clock_hz == clock_hz
            && self.channels == channels
    }
}

impl Origin {
    pub(super) fn ours(session_id: u64, version: u64, ip: IpAddr) -> Self {
        Self {
            username: "-".to_owned(),
            session_id: session_id.to_string(),
            version: version.to_string(),
            address: Connection::Ip(ip).to_string(),
        }
    }
}
