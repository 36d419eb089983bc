//! Making an offer and taking its answer.

use super::answer::{audio_line, choose, description, remote};
use super::codec::telephone_event_in;
use super::{
    Codec, DTMF_PAYLOAD_TYPE, Direction, LocalMedia, Negotiated, NegotiationError,
    SessionDescription,
};

/// Offers one audio stream with every codec of `local` and telephone-event (RFC 3264 §5).
pub fn offer(local: &LocalMedia) -> SessionDescription {
    description(local, vec![offered_line(local, DTMF_PAYLOAD_TYPE)])
}

/// Offers again within a session: as many `m=` lines as `last` had, in its order (RFC 3264 §8),
/// and telephone-event under the number that is in use.
pub(super) fn reoffer(local: &LocalMedia, last: &SessionDescription) -> SessionDescription {
    let Some(audio) = last.media.iter().position(|media| media.port != 0) else {
        return offer(local);
    };
    let dtmf = telephone_event_in(&last.media[audio]).unwrap_or(DTMF_PAYLOAD_TYPE);
    let mut media = last.media.clone();
    media[audio] = offered_line(local, dtmf);
    description(local, media)
}

fn offered_line(local: &LocalMedia, dtmf_payload_type: u8) -> super::Media {
    let codecs: Vec<(Codec, u8)> =
        local.codecs.iter().map(|codec| (*codec, codec.payload_type())).collect();
    let line = audio_line(local, "RTP/AVP", &codecs, Some(dtmf_payload_type));
    super::Media { direction: Some(Direction::SendRecv), rtcp_mux: local.rtcp_mux, ..line }
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
    let choice = choose(answer, &local.codecs).map_err(|error| match error {
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
    let mut remote = remote(answer, theirs, choice, local, direction, mux)?;
    // What reaches us carries the number of our own description (RFC 3264 §5.1).
    remote.dtmf_payload_type = remote.dtmf_payload_type.and(telephone_event_in(ours));
    Ok(Negotiated { local: offer.clone(), remote })
}
