//! RTP, RTCP, jitter buffer, G.711, concealment, prompts, recorder and the media shards.

pub mod delay;
pub mod dtmf;
pub mod emodel;
pub mod g711;
pub mod jitter;
pub mod latch;
pub mod plc;
pub mod rtp;
