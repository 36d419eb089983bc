//! Answering an offer.

use super::codec::telephone_event_in;
use super::description::{Fmtp, Media, Origin, RtpMap, SessionDescription};
use super::error::printable;
use super::{Codec, Connection, Direction, LocalMedia, Negotiated, NegotiationError, RemoteMedia};
use qingting_common::limits::{TELEPHONE_RATE_HZ, TICK_MS};
use std::net::{IpAddr, SocketAddr};

/// The stream and codec that an answer to an offer would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Index of the `m=` line.
    pub(super) index: usize,
    /// The codec.
    pub(super) codec: Codec,
    /// Its payload type in the description.
    pub(super) payload_type: u8,
    /// The payload type of telephone-event in the description.
    pub(super) dtmf_payload_type: Option<u8>,
}

/// Answers `offer` (RFC 3264 §6): the first audio stream with a common codec, in our order of
/// preference, under the offerer's payload types; every other stream is refused with port 0.
///
/// # Errors
/// When no stream can be taken; the driver answers 488 with [`NegotiationError::warning`].
pub fn answer(
    offer: &SessionDescription,
    local: &LocalMedia,
) -> Result<Negotiated, NegotiationError> {
    let choice = choose(offer, &local.codecs)?;
    let offered = &offer.media[choice.index];
    let direction = offer.direction_of(offered).reversed();
    let mux = offered.rtcp_mux && local.rtcp_mux;
    let remote = remote(offer, offered, choice, local, direction, mux)?;

    let mut media: Vec<Media> = offer.media.iter().map(Media::refused).collect();
    let line = audio_line(
        local,
        &offered.proto,
        &[(choice.codec, choice.payload_type)],
        choice.dtmf_payload_type,
    );
    media[choice.index] = Media { direction: Some(direction), rtcp_mux: mux, ..line };
    Ok(Negotiated { local: description(local, media), remote })
}

/// What an answer would take, before there is a local address.
pub(super) fn choose(
    offer: &SessionDescription,
    codecs: &[Codec],
) -> Result<Choice, NegotiationError> {
    let open = || offer.media.iter().enumerate().filter(|(_, m)| m.is_audio() && m.port != 0);
    let (_, first) = open().next().ok_or(NegotiationError::NoAudio)?;
    let mut plain = open().filter(|(_, m)| m.proto.eq_ignore_ascii_case("RTP/AVP")).peekable();
    if plain.peek().is_none() {
        return Err(NegotiationError::Transport { proto: printable(&first.proto) });
    }
    plain
        .find_map(|(index, media)| {
            let (codec, payload_type) =
                codecs.iter().find_map(|codec| Some((*codec, codec.listed_in(media)?)))?;
            let dtmf_payload_type = telephone_event_in(media);
            Some(Choice { index, codec, payload_type, dtmf_payload_type })
        })
        .ok_or_else(|| NegotiationError::NoCommonCodec {
            formats: printable(&first.formats.join(" ")),
        })
}

/// Where and how the peer wants its media, from the stream that it wrote. `direction` is ours.
pub(super) fn remote(
    description: &SessionDescription,
    media: &Media,
    choice: Choice,
    local: &LocalMedia,
    direction: Direction,
    mux: bool,
) -> Result<RemoteMedia, NegotiationError> {
    let connection = description.connection_of(media).ok_or(NegotiationError::NoConnection)?;
    let ip = literal(connection, local.ip)?;
    let rtp = SocketAddr::new(ip, media.port);
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
    })
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

/// Our audio stream with these codecs under these payload types.
pub(super) fn audio_line(
    local: &LocalMedia,
    proto: &str,
    codecs: &[(Codec, u8)],
    dtmf_payload_type: Option<u8>,
) -> Media {
    let mut formats: Vec<String> = codecs.iter().map(|(_, pt)| pt.to_string()).collect();
    let mut rtpmaps: Vec<RtpMap> =
        codecs.iter().map(|(codec, pt)| rtpmap(*pt, codec.name())).collect();
    let mut fmtps = Vec::new();
    if let Some(pt) = dtmf_payload_type {
        formats.push(pt.to_string());
        rtpmaps.push(rtpmap(pt, "telephone-event"));
        // Events 0 to 15 are the keys, 16 is the hook flash (RFC 4733 §3.2).
        fmtps.push(Fmtp { format: pt.to_string(), parameters: "0-16".to_owned() });
    }
    let ptime_ms = u16::try_from(TICK_MS).ok();
    let line = Media::new("audio", local.rtp_port, proto, formats);
    Media { rtpmaps, fmtps, ptime_ms, ..line }
}

fn rtpmap(payload_type: u8, encoding: &str) -> RtpMap {
    let encoding = encoding.to_owned();
    RtpMap { payload_type, encoding, clock_hz: TELEPHONE_RATE_HZ, channels: 1 }
}

/// Our description with these streams.
pub(super) fn description(local: &LocalMedia, media: Vec<Media>) -> SessionDescription {
    SessionDescription {
        origin: Origin::ours(local.session_id, local.version, local.ip),
        name: "-".to_owned(),
        connection: Some(Connection::Ip(local.ip)),
        direction: None,
        media,
    }
}
