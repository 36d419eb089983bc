//! Call machine and SDP offer/answer. Pure: no sockets, no clock, no runtime, no randomness.
//!
//! * [`sdp`] reads and writes session descriptions (RFC 8866) and negotiates audio, plain
//!   or secured (RFC 3264, RFC 4568, RFC 5763).
//! * [`call`] decides what happens on one inbound call. A driver feeds it inputs with the time,
//!   carries out its outputs in order, and wakes it at the deadline that it names.
//! * [`duty`] says whom of a department to ring.
//! * [`hours`] says when somebody is there, in local civil time.
//! * [`menu`] runs a small voice menu; [`numbers`] reads numbers and says what a called one is for.
//! * [`queue`] gives waiting calls to seats, all queues of the server in one machine.

pub mod call;
pub mod duty;
pub mod hours;
pub mod menu;
mod names;
pub mod numbers;
pub mod queue;
//! * [`sdp`] reads and writes session descriptions (RFC 8866) and negotiates G.711 audio
//!   (RFC 3264).
//! * [`leg`] is one SIP dialog's side of the offer/answer exchange and its media.
//! * [`call`] decides what happens on one call with all its legs. A driver feeds it inputs with the
//!   time, carries out its outputs in order, and wakes it at the deadline that it names.

pub mod call;
pub mod leg;
pub mod sdp;
