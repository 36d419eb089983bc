//! The codecs, as session descriptions name them.

use super::description::Media;
use qingting_common::limits::TELEPHONE_RATE_HZ;

/// An audio codec that this server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus, the codec of browsers (RFC 7587).
    Opus,
    /// G.722, the wide-band codec of desk phones.
    G722,
    /// G.711 A-law, the one used in China.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

impl Codec {
    /// The codecs of the telephone network, in the order that a Chinese trunk prefers.
    pub const ALL: [Self; 2] = [Self::Pcma, Self::Pcmu];

    /// Every codec, best first: for browsers and desk phones.
    pub const WIDE: [Self; 4] = [Self::Opus, Self::G722, Self::Pcma, Self::Pcmu];

    /// The encoding name (RFC 3551 §6, RFC 7587 §7).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    /// The RTP clock, in Hz. G.722 samples at 16,000 Hz and counts at 8,000 (RFC 3551 §4.5.2);
    /// Opus always counts at 48,000 (RFC 7587 §4.1).
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcma | Self::Pcmu => TELEPHONE_RATE_HZ,
        }
    }

    /// The channels of the `rtpmap`: Opus always says two (RFC 7587 §7), whatever it carries.
    pub const fn channels(self) -> u8 {
        match self {
            Self::Opus => 2,
            Self::G722 | Self::Pcma | Self::Pcmu => 1,
        }
    }

    /// The static payload type (RFC 3551 §6, table 4); `None` for Opus, which has none.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Opus => None,
            Self::G722 => Some(9),
            Self::Pcma => Some(8),
            Self::Pcmu => Some(0),
        }
    }

    /// The payload type under which we offer it when no other number is agreed yet.
    pub const fn payload_type(self) -> u8 {
        match self.static_payload_type() {
            Some(number) => number,
            None => 111,
        }
    }

    /// Our `fmtp` parameters: telephone audio in one channel, with repair of lost packets.
    pub const fn parameters(self) -> Option<&'static str> {
        match self {
            Self::Opus => Some("minptime=10;useinbandfec=1"),
            Self::G722 | Self::Pcma | Self::Pcmu => None,
        }
    }

    /// The payload type under which `media` lists this codec: by its `rtpmap`, or by the static
    /// number when no `rtpmap` says otherwise. `None` when it is not listed.
    pub(super) fn listed_in(self, media: &Media) -> Option<u8> {
        media.payload_types().find(|&pt| match media.rtpmap(pt) {
            Some(map) => map.is(self.name(), self.clock_hz(), self.channels()),
            None => Some(pt) == self.static_payload_type(),
        })
    }
}

/// The payload type of the telephone-event that comes with this codec in `media`: at its clock, or
/// else at 8 kHz, which browsers send among Opus.
pub(super) fn event_with(media: &Media, codec: Codec) -> Option<u8> {
    telephone_event_in(media, codec.clock_hz())
        .or_else(|| telephone_event_in(media, TELEPHONE_RATE_HZ))
}

/// The payload type of telephone-event at `clock_hz` (RFC 4733 §2.4.1) in `media`.
pub(super) fn telephone_event_in(media: &Media, clock_hz: u32) -> Option<u8> {
    media.payload_types().find(|pt| {
        *pt >= 96 && media.rtpmap(*pt).is_some_and(|map| map.is("telephone-event", clock_hz, 1))
    })
}
