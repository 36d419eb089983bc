//! Call machine and SDP offer/answer. Pure: no sockets, no clock, no runtime, no randomness.
//!
//! * [`sdp`] reads and writes session descriptions (RFC 8866) and negotiates G.711 audio
//!   (RFC 3264).
//! * [`leg`] is one SIP dialog's side of the offer/answer exchange and its media.
//! * [`call`] decides what happens on one call with all its legs. A driver feeds it inputs with the
//!   time, carries out its outputs in order, and wakes it at the deadline that it names.

pub mod call;
pub mod leg;
pub mod sdp;
