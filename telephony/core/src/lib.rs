//! Everything that a hotline decides, as machines. Pure: no sockets, no clock, no runtime, no
//! randomness.
//!
//! * [`sdp`] reads and writes session descriptions (RFC 8866) and negotiates audio, plain
//!   or secured (RFC 3264, RFC 4568, RFC 5763).
//! * [`leg`] is one SIP dialog's side of the offer/answer exchange and its media.
//! * [`call`] decides what happens on one call with all its legs. A driver feeds it inputs with the
//!   time, carries out its outputs in order, and wakes it at the deadline that it names.
//! * [`queue`] gives waiting calls to seats, all queues of the server in one machine.
//! * [`menu`] runs a small voice menu; [`numbers`] reads telephone numbers.
//! * [`hours`] says when somebody is there, in local civil time; [`duty`] whom of a department to
//!   ring.

pub mod call;
pub mod duty;
pub mod hours;
pub mod leg;
pub mod menu;
mod names;
pub mod numbers;
pub mod queue;
pub mod sdp;
