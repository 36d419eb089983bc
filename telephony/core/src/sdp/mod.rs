//! Session descriptions, as far as a voice server needs them: telephones, phones with SRTP, browsers.
//!
//! [`SessionDescription`] is what RFC 8866 text says, [`Session`] is our side of one offer/answer
//! session (RFC 3264): it keeps our session id and raises our version only when our text changes.

mod answer;
mod codec;
mod connection;
mod description;
mod direction;
mod dtls;
mod error;
mod ice;
mod keys;
mod offer;
mod parse;
mod security;
mod session;
mod write;

pub use answer::answer;
pub use codec::Codec;
pub use connection::Connection;
pub use description::{Fmtp, Media, Origin, Rtcp, RtpMap, SessionDescription, Transport};
pub use direction::Direction;
pub use dtls::{DtlsRole, Fingerprint, Setup};
pub use error::{NegotiationError, Problem, SdpError, Warning};
pub use ice::IceSecret;
pub use keys::{Crypto, MasterKey, Suite};
pub use offer::{accept_answer, offer};
pub use security::{Keying, LocalDtls, LocalSecurity, RemoteSecurity};
pub use session::{LocalMedia, Negotiated, RemoteMedia, Session};

/// Longest session description read, in bytes. Offers of real gateways stay under 3,000.
pub const SDP_BYTES_MAX: usize = 16_384;

/// Most `m=` lines in one description. Each costs a line in every answer of the session.
pub const SDP_MEDIA_LINES_MAX: usize = 16;

/// Most formats on one `m=` line: RTP has 128 payload types, 35 of them free to assign.
pub const SDP_FORMATS_MAX: usize = 64;

/// Most `a=` lines kept of one audio line.
pub const SDP_ATTRIBUTES_MAX: usize = 128;

/// Payload type under which we offer telephone-event/8000 when no other number is agreed yet.
pub const DTMF_PAYLOAD_TYPE: u8 = 101;

/// The same for telephone-event/48000, beside Opus.
pub const DTMF_WIDE_PAYLOAD_TYPE: u8 = 110;
