//! The two codecs of the telephone network.

use super::description::Media;

/// An audio codec that this server speaks: G.711 at 8,000 Hz, one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 A-law, the one used in China.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

impl Codec {
    /// Every codec, in the order that a Chinese trunk prefers.
    pub const ALL: [Self; 2] = [Self::Pcma, Self::Pcmu];

    /// The encoding name (RFC 3551 §4.5.14).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    /// The static payload type (RFC 3551 §6, table 4).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcma => 8,
            Self::Pcmu => 0,
        }
    }

    /// The payload type under which `media` lists this codec: by its `rtpmap`, or by the static
    /// number when no `rtpmap` says otherwise. `None` when it is not listed.
    pub(super) fn listed_in(self, media: &Media) -> Option<u8> {
        media.payload_types().find(|&pt| match media.rtpmap(pt) {
            Some(map) => map.is(self.name()),
            None => pt == self.payload_type(),
        })
    }
}

/// The payload type of telephone-event at 8,000 Hz (RFC 4733 §2.4.1) in `media`.
pub(super) fn telephone_event_in(media: &Media) -> Option<u8> {
    media
        .payload_types()
        .find(|pt| *pt >= 96 && media.rtpmap(*pt).is_some_and(|map| map.is("telephone-event")))
}
