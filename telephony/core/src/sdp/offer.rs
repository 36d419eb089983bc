//! Making an offer and taking its answer.

use super::answer::{MSID, audio_line, choose, description, remote};
use super::codec::{event_with, telephone_event_in};
use super::description::Media;
use super::security::{accepted, offered_cryptos, secure_line};
use super::{
    Codec, Crypto, DTMF_PAYLOAD_TYPE, DTMF_WIDE_PAYLOAD_TYPE, Direction, Keying, LocalDtls,
    LocalMedia, Negotiated, NegotiationError, SessionDescription, Setup,
};
use qingting_common::limits::TELEPHONE_RATE_HZ;
use std::net::SocketAddr;

/// The name of our stream in a first offer over ICE (RFC 9143 §4).
const MID: &str = "0";

/// Offers one audio stream with every codec of `local` and telephone-event (RFC 3264 §5), secured
/// as [`super::LocalSecurity::offer`] says.
pub fn offer(local: &LocalMedia) -> SessionDescription {
    let (proto, cryptos, dtls) = match local.security.offer {
        Keying::Plain => ("RTP/AVP", Vec::new(), None),
        Keying::Sdes => {
            let key = local.security.sdes.expect("SDES is offered only with its key");
            ("RTP/SAVP", offered_cryptos(key), None)
        }
        Keying::Dtls => {
            let dtls = local.security.dtls.expect("DTLS is offered only with its certificate");
            ("UDP/TLS/RTP/SAVPF", Vec::new(), Some(dtls))
        }
    };
    let mid = dtls.map(|_| MID.to_owned());
    let bundle = mid.iter().cloned().collect();
    let line = Media { mid, ..offered_line(local, None, proto, cryptos, dtls) };
    SessionDescription { bundle, ..description(local, vec![line]) }
}

/// Offers again within a session: as many `m=` lines as `last` had, in its order (RFC 3264 §8), the
/// numbers and the keys that are in use.
pub(super) fn reoffer(local: &LocalMedia, last: &SessionDescription) -> SessionDescription {
    let Some(audio) = last.media.iter().position(|media| media.port != 0) else {
        return offer(local);
    };
    let before = &last.media[audio];
    let dtls = local.security.dtls.filter(|_| before.transport.fingerprint.is_some());
    let line = offered_line(local, Some(before), &before.proto, before.cryptos.clone(), dtls);
    let mut media = last.media.clone();
    media[audio] = Media { mid: before.mid.clone(), ..line };
    SessionDescription { bundle: last.bundle.clone(), ..description(local, media) }
}

fn offered_line(
    local: &LocalMedia,
    before: Option<&Media>,
    proto: &str,
    cryptos: Vec<Crypto>,
    dtls: Option<LocalDtls>,
) -> Media {
    let mut numbers = Numbers::of(before);
    let codecs: Vec<(Codec, u8)> = local
        .codecs
        .iter()
        .map(|&codec| {
            let used = before.and_then(|media| codec.listed_in(media));
            (codec, used.unwrap_or_else(|| numbers.new_one(codec.payload_type())))
        })
        .collect();
    let mut events: Vec<(u8, u32)> = Vec::new();
    let mut clocks: Vec<u32> = local.codecs.iter().map(|codec| codec.clock_hz()).collect();
    if dtls.is_some() {
        // A browser that is offered keys at several clocks uses the slowest, whatever its voice has.
        clocks = vec![TELEPHONE_RATE_HZ];
    }
    for clock_hz in clocks {
        if events.iter().all(|(_, known)| *known != clock_hz) {
            let used = before.and_then(|media| telephone_event_in(media, clock_hz));
            let wanted = match clock_hz {
                TELEPHONE_RATE_HZ => DTMF_PAYLOAD_TYPE,
                _ => DTMF_WIDE_PAYLOAD_TYPE,
            };
            events.push((used.unwrap_or_else(|| numbers.new_one(wanted)), clock_hz));
        }
    }
    let line = audio_line(local, proto, &codecs, &events);
    let direction = Some(Direction::SendRecv);
    let mut line = Media { direction, rtcp_mux: local.rtcp_mux, ..line };
    secure_line(&mut line, cryptos, dtls.map(|dtls| (dtls, Setup::ActPass)));
    if dtls.is_some() {
        line.candidates = vec![SocketAddr::new(local.ip, local.rtp_port)];
        line.msid = Some(MSID.to_owned());
    }
    line
}

/// Payload types that already mean something in the session keep their meaning (RFC 3264 §8.3.2).
struct Numbers {
    taken: Vec<u8>,
}

impl Numbers {
    fn of(before: Option<&Media>) -> Self {
        Self { taken: before.map(|media| media.payload_types().collect()).unwrap_or_default() }
    }

    /// `wanted`, or the highest dynamic number that is free: a session never uses all 32.
    fn new_one(&mut self, wanted: u8) -> u8 {
        let free = |number: &u8| !self.taken.contains(number);
        let number = Some(wanted).filter(free).or_else(|| (96..=127).rev().find(free));
        let number = number.unwrap_or(wanted);
        self.taken.push(number);
        number
    }
}

/// Takes the answer to our `offer` (RFC 3264 §7).
///
/// # Errors
/// When the answer does not follow the offer, or takes nothing of it.
pub fn accept_answer(
    offer: &SessionDescription,
    answer: &SessionDescription,
    local: &LocalMedia,
) -> Result<Negotiated, NegotiationError> {
    let (offered, answered) = (offer.media.len(), answer.media.len());
    if offered != answered {
        return Err(NegotiationError::MediaCount { offered, answered });
    }
    let choice = choose(answer, &local.codecs, &local.security).map_err(|error| match error {
        NegotiationError::NoAudio => NegotiationError::Refused,
        other => other,
    })?;
    let (ours, theirs) = (&offer.media[choice.index], &answer.media[choice.index]);
    if ours.port == 0 {
        return Err(NegotiationError::Refused);
    }
    let asked = ours.direction.unwrap_or_default();
    let allowed = answer.direction_of(theirs).reversed();
    let direction =
        Direction::of(asked.sends() && allowed.sends(), asked.receives() && allowed.receives());
    let mux = ours.rtcp_mux && theirs.rtcp_mux;
    let security = accepted(ours, choice.asked, &local.security)?;
    let mut remote = remote(answer, theirs, choice, local, direction, mux, security)?;
    // What reaches us carries the number of our own description (RFC 3264 §5.1).
    let event = event_with(ours, choice.codec);
    remote.dtmf_payload_type = remote.dtmf_payload_type.and(event);
    Ok(Negotiated { local: offer.clone(), remote })
}
