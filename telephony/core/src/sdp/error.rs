//! Why a session description is refused.

use super::{SDP_ATTRIBUTES_MAX, SDP_BYTES_MAX, SDP_FORMATS_MAX, SDP_MEDIA_LINES_MAX};

/// Text that is not a session description: where, what, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SDP line {line}: {problem}")]
pub struct SdpError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a line of a session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is over [`SDP_BYTES_MAX`].
    #[error("the description has {bytes} bytes; send at most {SDP_BYTES_MAX}")]
    TooLong {
        /// Bytes received.
        bytes: usize,
    },
    /// The first line is not `v=0`.
    #[error("the description does not begin with v=0; begin with that line (RFC 8866 §5.1)")]
    Version,
    /// Not of the form `x=value`.
    #[error("not of the form x=value; write one letter, an equals sign and the value")]
    NotALine,
    /// A carriage return or NUL inside a value.
    #[error("a control character inside the line; end lines with CR LF alone")]
    ControlCharacter,
    /// No `o=` line before the first `m=` line or the end.
    #[error("there is no o= line; add one, such as o=- 1 1 IN IP4 192.0.2.1 (RFC 8866 §5.2)")]
    OriginMissing,
    /// An `o=` line with fewer than six fields.
    #[error("o= needs six fields; write o=user id version IN IP4 address (RFC 8866 §5.2)")]
    Origin,
    /// A `c=` line that cannot be read.
    #[error("c= cannot be read; write c=IN IP4 address or c=IN IP6 address (RFC 8866 §5.7)")]
    Connection,
    /// An `m=` line that cannot be read.
    #[error(
        "m= cannot be read; write m=audio port RTP/AVP formats, port 0 to 65535 (RFC 8866 §5.14)"
    )]
    Media,
    /// More `m=` lines than [`SDP_MEDIA_LINES_MAX`].
    #[error("too many m= lines; send at most {SDP_MEDIA_LINES_MAX}")]
    TooManyMedia,
    /// More formats than [`SDP_FORMATS_MAX`].
    #[error("too many formats on one m= line; send at most {SDP_FORMATS_MAX}")]
    TooManyFormats,
    /// More attributes than [`SDP_ATTRIBUTES_MAX`].
    #[error("too many a= lines under one m=audio line; send at most {SDP_ATTRIBUTES_MAX}")]
    TooManyAttributes,
    /// An `a=rtpmap` line that cannot be read.
    #[error("rtpmap cannot be read; write a=rtpmap:8 PCMA/8000, type 0 to 127 (RFC 8866 §6.6)")]
    RtpMap,
    /// An `a=fmtp` line that cannot be read.
    #[error("fmtp cannot be read; write a=fmtp:101 0-16 (RFC 8866 §6.15)")]
    Fmtp,
    /// An `a=rtcp` line that cannot be read.
    #[error("rtcp cannot be read; write a=rtcp:port or a=rtcp:port IN IP4 address (RFC 3605)")]
    Rtcp,
}

/// A description that can be read and cannot be agreed on. Answered with 488 (RFC 3261 §21.4.26).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// No audio stream with a port.
    #[error("no audio stream is offered; offer m=audio with a port")]
    NoAudio,
    /// Audio over something other than plain RTP.
    #[error("audio is offered over {proto} only; offer RTP/AVP")]
    Transport {
        /// The transport of the first audio line, made safe to print.
        proto: String,
    },
    /// A secured stream without what its transport needs.
    #[error("audio over {proto} lacks its keys; add {wanted}")]
    Keys {
        /// The transport, made safe to print.
        proto: String,
        /// The attribute to add.
        wanted: &'static str,
    },
    /// No codec in common.
    #[error("no common codec in {formats}; offer PCMA/8000 or PCMU/8000")]
    NoCommonCodec {
        /// What the peer lists, made safe to print.
        formats: String,
    },
    /// Neither the session nor the stream has a `c=` line.
    #[error("the audio stream has no c= line; add one to it or to the session")]
    NoConnection,
    /// The address is a host name, or of the family that this leg does not have.
    #[error("the audio address is not reachable from here; use an {wanted} address literal")]
    Address {
        /// The family of this leg: `IPv4` or `IPv6`.
        wanted: &'static str,
    },
    /// The address is not that of one host.
    #[error("the audio address is a {kind} address; use the address of one host")]
    NotAHost {
        /// `multicast`, `broadcast`, `unspecified` or `loopback`.
        kind: &'static str,
    },
    /// An answer does not follow the offer's `m=` lines (RFC 3264 §6).
    #[error("the answer has {answered} m= lines for {offered} offered; answer each, in order")]
    MediaCount {
        /// `m=` lines in the offer.
        offered: usize,
        /// `m=` lines in the answer.
        answered: usize,
    },
    /// An answer refused our only stream.
    #[error("the answer refuses the audio stream; accept PCMA or PCMU")]
    Refused,
}

/// A `Warning` header value (RFC 3261 §20.43), less the agent that the driver adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// The three-digit code.
    pub code: u16,
    /// The text: printable ASCII and §, without quotes or backslashes.
    pub text: String,
}

impl NegotiationError {
    /// The warning that says to the peer what to change.
    pub fn warning(&self) -> Warning {
        let code = match self {
            Self::Address { .. } => 301,
            Self::Transport { .. } => 302,
            Self::NoAudio | Self::Refused => 304,
            Self::NoCommonCodec { .. } => 305,
            Self::NotAHost { kind: "multicast" } => 330,
            Self::NotAHost { .. }
            | Self::NoConnection
            | Self::MediaCount { .. }
            | Self::Keys { .. } => 399,
        };
        Warning { code, text: self.to_string() }
    }

    /// How near a stream with this fault is to one that we take.
    pub(super) const fn closeness(&self) -> u8 {
        match self {
            Self::NoAudio | Self::Refused => 0,
            Self::Transport { .. } => 1,
            Self::Keys { .. } => 2,
            _ => 3,
        }
    }
}

impl SdpError {
    /// The warning that says to the peer what to mend.
    pub fn warning(&self) -> Warning {
        Warning { code: 399, text: self.to_string() }
    }
}

/// A peer's words, cut and cleaned so that they can stand in a quoted header value.
pub(super) fn printable(text: &str) -> String {
    const CHARS_MAX: usize = 48;
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || " /-_.".contains(*c))
        .take(CHARS_MAX)
        .collect()
}
