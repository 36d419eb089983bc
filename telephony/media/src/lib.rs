//! The media path of a telephone call: G.711, RTP, playout, concealment, telephone events, the
//! source latch, call quality and the recording file, and the threads that carry it.
//!
//! [`MediaEngine`] owns the threads. A leg belongs to one media thread from its opening to its
//! end; that thread waits for nobody and allocates nothing per tick. Everything that decides is a
//! pure module to which time is a parameter; the threads only carry.

mod clock;
pub mod delay;
pub mod dtmf;
pub mod dtmf_sender;
pub mod emodel;
mod engine;
mod event;
pub mod g711;
pub mod ice;
pub mod jitter;
pub mod latch;
pub mod lateness;
mod leg;
mod net;
pub mod player;
pub mod plc;
pub mod ports;
mod recorder;
pub mod rtcp;
pub mod rtp;
mod shard;
pub mod srtp;
pub mod stats;
mod tap;
pub mod wav;

pub use engine::{
    LegConfig, LegHandle, MediaConfig, MediaEngine, MediaError, MediaMetrics, RecordTo,
};
pub use event::{LegReport, MediaEvent, RecordingReport};
pub use g711::Codec;
pub use leg::{Layout, RemoteMedia};
pub use shard::LEGS_PER_SHARD_MAX;
pub use tap::{Frame, RecogniserTap};
