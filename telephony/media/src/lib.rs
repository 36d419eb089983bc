//! RTP, RTCP, jitter buffer, G.711, concealment, prompts, recorder and the media shards.

pub mod delay;
pub mod emodel;
pub mod g711;
pub mod jitter;
pub mod plc;
pub mod rtp;
