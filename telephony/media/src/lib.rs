//! The media path of a telephone call: G.711, RTP, playout, concealment, telephone events, the
//! source latch, call quality and the recording file. Time is a parameter throughout.

pub mod delay;
pub mod dtmf;
pub mod emodel;
pub mod g711;
pub mod jitter;
pub mod latch;
pub mod plc;
pub mod ports;
pub mod rtcp;
pub mod rtp;
pub mod stats;
pub mod wav;
