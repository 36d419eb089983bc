//! The media path of a telephone call: G.711, RTP, playout, concealment, telephone events, the
//! source latch, call quality and the recording file, and the threads that carry it; SRTP, ICE and DTLS
//! for phones and browsers that secure it.
//!
//! [`MediaEngine`] owns the threads. A leg belongs to one media thread from its opening to its
//! end, and at any time to one room, whose [`Routes`] say who hears whom; that thread waits for
//! nobody and allocates nothing per tick. Everything that decides is a
//! pure module to which time is a parameter; the threads only carry.

mod clock;
pub mod codec;
pub mod comfort;
mod config;
pub mod delay;
pub mod dtls;
pub mod dtmf;
pub mod dtmf_sender;
pub mod dtmf_tones;
pub mod emodel;
mod engine;
mod event;
mod farewell;
pub mod g711;
pub mod halfband;
mod handle;
mod hearing;
pub mod ice;
pub mod jitter;
mod keying;
pub mod latch;
mod leg;
pub mod mix;
mod net;
mod opener;
pub mod player;
pub mod plc;
pub mod ports;
mod recorder;
mod room;
mod room_handle;
mod routes;
pub mod rtcp;
pub mod rtp;
mod security;
mod sending;
mod shard;
mod sink;
pub mod srtp;
pub mod stats;
mod tap;
pub mod wav;

pub use codec::Codec;
pub use config::{
    Layout, LegConfig, MediaConfig, MediaError, RecordTo, RemoteMedia, RoomConfig, Seal, Side,
};
pub use engine::{MediaEngine, MediaMetrics};
pub use event::{LegReport, MediaEvent, RecordingReport, RoomEvent, RoomReport};
pub use handle::LegHandle;
pub use room_handle::RoomHandle;
pub use routes::{LEGS_PER_ROOM_MAX, Routes};
pub use security::Security;
pub use shard::{LEGS_PER_SHARD_MAX, ROOMS_PER_SHARD_MAX};
pub use tap::{Frame, RecogniserTap};
