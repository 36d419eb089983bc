//! Answering an offer.

use super::codec::event_with;
use super::description::{Fmtp, Media, Origin, RtpMap, SessionDescription, Transport};
use super::error::printable;
use super::security::{Asked, answered, asked, secure_line};
use super::{
    Codec, Connection, Crypto, Direction, LocalMedia, LocalSecurity, Negotiated, NegotiationError,
    RemoteMedia, RemoteSecurity,
};
use qingting_common::limits::TICK_MS;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The stream and track of our audio (RFC 8830), so that a browser has a stream to play.
pub(super) const MSID: &str = "qingting audio";

/// The stream and codec that an answer to an offer would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Index of the `m=` line.
    pub(super) index: usize,
    /// The codec.
    pub(super) codec: Codec,
    /// Its payload type in the description.
    pub(super) payload_type: u8,
    /// The payload type of telephone-event at the codec's clock in the description.
    pub(super) dtmf_payload_type: Option<u8>,
    /// How the stream is secured.
    pub(super) asked: Asked,
}

/// Answers `offer` (RFC 3264 §6): the first audio stream with a common codec and keys that we have,
/// in our order of preference, under the offerer's payload types; every other stream is refused
/// with port 0.
///
/// Comfort noise (RFC 3389) is never answered: a peer that then sent nothing in pauses would look
/// like one that is gone.
///
/// # Errors
/// When no stream can be taken; the driver answers 488 with [`NegotiationError::warning`].
pub fn answer(
    offer: &SessionDescription,
    local: &LocalMedia,
) -> Result<Negotiated, NegotiationError> {
    let choice = choose(offer, &local.codecs, &local.security)?;
    let offered = &offer.media[choice.index];
    let direction = offer.direction_of(offered).reversed();
    let security = answered(choice.asked, &local.security);
    let over_ice = matches!(security, RemoteSecurity::Dtls { .. });
    let mux = offered.rtcp_mux && (local.rtcp_mux || over_ice);
    let remote = remote(offer, offered, choice, local, direction, mux, security)?;

    let clock_hz = |pt| offered.rtpmap(pt).map_or(choice.codec.clock_hz(), |map| map.clock_hz);
    let events: Vec<_> =
        choice.dtmf_payload_type.map(|pt| (pt, clock_hz(pt))).into_iter().collect();
    let codecs = [(choice.codec, choice.payload_type)];
    let line = audio_line(local, &offered.proto, &codecs, &events);
    let mut line = Media { direction: Some(direction), rtcp_mux: mux, ..line };
    match (choice.asked, security) {
        (Asked::Sdes(theirs), RemoteSecurity::Sdes { suite, send, .. }) => {
            secure_line(&mut line, vec![Crypto { tag: theirs.tag, suite, key: send }], None);
        }
        (_, RemoteSecurity::Dtls { role, .. }) => {
            secure_line(&mut line, Vec::new(), local.security.dtls.map(|d| (d, role.setup())));
            line.candidates = vec![SocketAddr::new(local.ip, local.rtp_port)];
            line.msid = Some(MSID.to_owned());
        }
        _ => {}
    }
    line.mid.clone_from(&offered.mid);
    let bundle = line.mid.iter().filter(|mid| offer.bundle.contains(mid)).cloned().collect();
    let mut media: Vec<Media> = offer.media.iter().map(Media::refused).collect();
    media[choice.index] = line;
    Ok(Negotiated { local: SessionDescription { bundle, ..description(local, media) }, remote })
}

/// What an answer would take, before there is a local address.
pub(super) fn choose(
    offer: &SessionDescription,
    codecs: &[Codec],
    security: &LocalSecurity,
) -> Result<Choice, NegotiationError> {
    let mut refusal = NegotiationError::NoAudio;
    let open = offer.media.iter().enumerate().filter(|(_, m)| m.is_audio() && m.port != 0);
    for (index, media) in open {
        match choose_of(offer, index, media, codecs, security) {
            Ok(choice) => return Ok(choice),
            // The reason that says most about what would do: a codec before keys before others.
            Err(error) if error.closeness() > refusal.closeness() => refusal = error,
            Err(_) => {}
        }
    }
    Err(refusal)
}

fn choose_of(
    offer: &SessionDescription,
    index: usize,
    media: &Media,
    codecs: &[Codec],
    security: &LocalSecurity,
) -> Result<Choice, NegotiationError> {
    let asked = asked(offer, media, security)?;
    let (codec, payload_type) =
        codecs.iter().find_map(|codec| Some((*codec, codec.listed_in(media)?))).ok_or_else(
            || NegotiationError::NoCommonCodec { formats: printable(&media.formats.join(" ")) },
        )?;
    let dtmf_payload_type = event_with(media, codec);
    Ok(Choice { index, codec, payload_type, dtmf_payload_type, asked })
}

/// Where and how the peer wants its media, from the stream that it wrote. `direction` is ours.
pub(super) fn remote(
    description: &SessionDescription,
    media: &Media,
    choice: Choice,
    local: &LocalMedia,
    direction: Direction,
    mux: bool,
    security: RemoteSecurity,
) -> Result<RemoteMedia, NegotiationError> {
    let over_ice = matches!(security, RemoteSecurity::Dtls { .. });
    let connection = description.connection_of(media).ok_or(NegotiationError::NoConnection)?;
    let ip = match over_ice {
        true => unspecified(local.ip),
        false => literal(connection, local.ip)?,
    };
    let rtp = SocketAddr::new(ip, if over_ice { 0 } else { media.port });
    let rtcp = match &media.rtcp {
        _ if mux => rtp,
        Some(rtcp) => {
            let own = rtcp.connection.as_ref().map_or(Ok(ip), |c| literal(c, local.ip))?;
            // Unspecified means hold only where RTP is meant.
            SocketAddr::new(if own.is_unspecified() { ip } else { own }, rtcp.port)
        }
        // RFC 3550 §11: RTCP is on the next port. After 65,535 there is none.
        None => SocketAddr::new(ip, media.port.checked_add(1).unwrap_or(media.port)),
    };
    Ok(RemoteMedia {
        rtp,
        rtcp,
        rtcp_mux: mux,
        codec: choice.codec,
        payload_type: choice.payload_type,
        dtmf_payload_type: choice.dtmf_payload_type,
        direction,
        security,
    })
}

/// The address that ICE has yet to find.
const fn unspecified(local: IpAddr) -> IpAddr {
    match local {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// The address literal of a `c=` line that names one host. Unspecified is the old way to hold
/// (RFC 3264 §8.4): nothing will be sent there.
fn literal(connection: &Connection, local: IpAddr) -> Result<IpAddr, NegotiationError> {
    match connection {
        Connection::Ip(ip) if ip.is_unspecified() => Ok(*ip),
        Connection::Ip(ip) if ip.is_ipv4() == local.is_ipv4() => {
            // An IPv4 address in IPv6's clothing is judged as what it is.
            match (not_a_host(ip.to_canonical(), local.to_canonical()), ip) {
                (None, ip) => Ok(*ip),
                (Some(kind), _) => Err(NegotiationError::NotAHost { kind }),
            }
        }
        _ => {
            let wanted = if local.is_ipv4() { "IPv4" } else { "IPv6" };
            Err(NegotiationError::Address { wanted })
        }
    }
}

/// What an address is when it is none of a single host that we could call from `local`: RTP sent
/// there would reach many, or ourselves.
fn not_a_host(ip: IpAddr, local: IpAddr) -> Option<&'static str> {
    match ip {
        ip if ip.is_multicast() => Some("multicast"),
        IpAddr::V4(ip) if ip.is_broadcast() => Some("broadcast"),
        IpAddr::V4(ip) if ip.octets()[0] == 0 => Some("unspecified"),
        ip if ip.is_loopback() && !local.is_loopback() => Some("loopback"),
        _ => None,
    }
}

/// Our audio stream with these codecs under these payload types, and telephone-event at these clocks.
pub(super) fn audio_line(
    local: &LocalMedia,
    proto: &str,
    codecs: &[(Codec, u8)],
    events: &[(u8, u32)],
) -> Media {
    let mut formats = Vec::new();
    let mut rtpmaps = Vec::new();
    let mut fmtps = Vec::new();
    for (codec, payload_type) in codecs.iter().copied() {
        formats.push(payload_type.to_string());
        rtpmaps.push(RtpMap {
            payload_type,
            encoding: codec.name().to_owned(),
            clock_hz: codec.clock_hz(),
            channels: codec.channels(),
        });
        fmtps.extend(codec.parameters().map(|parameters| fmtp(payload_type, parameters)));
    }
    for (payload_type, clock_hz) in events.iter().copied() {
        let encoding = "telephone-event".to_owned();
        formats.push(payload_type.to_string());
        rtpmaps.push(RtpMap { payload_type, encoding, clock_hz, channels: 1 });
        // Events 0 to 15 are the keys, 16 is the hook flash (RFC 4733 §3.2).
        fmtps.push(fmtp(payload_type, "0-16"));
    }
    let ptime_ms = u16::try_from(TICK_MS).ok();
    let line = Media::new("audio", local.rtp_port, proto, formats);
    Media { rtpmaps, fmtps, ptime_ms, ..line }
}

fn fmtp(payload_type: u8, parameters: &str) -> Fmtp {
    Fmtp { format: payload_type.to_string(), parameters: parameters.to_owned() }
}

/// Our description with these streams.
pub(super) fn description(local: &LocalMedia, media: Vec<Media>) -> SessionDescription {
    SessionDescription {
        origin: Origin::ours(local.session_id, local.version, local.ip),
        name: "-".to_owned(),
        connection: Some(Connection::Ip(local.ip)),
        direction: None,
        transport: Transport::default(),
        // A lite agent says so to everybody with whom it speaks ICE (RFC 8839 §5.3).
        ice_lite: media.iter().any(|media| media.transport.ice_ufrag.is_some()),
        bundle: Vec::new(),
        media,
    }
}
