//! What a leg and a room tell their owner.

use crate::dtls::DtlsError;
use qingting_recording::{ChainHead, Marks};
use std::path::PathBuf;

/// Something that happened on a leg.
#[derive(Debug)]
pub enum MediaEvent {
    /// The first packet of the peer was accepted.
    FirstPacket,
    /// A prompt was played to its end.
    PromptDone(u32),
    /// The peer pressed a key.
    Dtmf {
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
        /// For how long.
        duration_ms: u32,
    },
    /// Every queued key was sent.
    KeysSent,
    /// No packet of the peer for the leg's inactivity time; told again after each further one.
    Inactive,
    /// The first packet of somebody who is not the peer came, and was dropped.
    StrangerRtp,
    /// The DTLS handshake gave keys: audio can flow.
    Secured,
    /// The DTLS handshake gave no keys: no audio will ever flow.
    SecurityFailed {
        /// Why.
        error: DtlsError,
    },
    /// A peer behind ICE stopped its checks: nothing is sent until they come again (RFC 7675).
    ConsentLost,
    /// The recording cannot be written. The call goes on; writing is tried again.
    RecordingFailed {
        /// What, where and how to mend it.
        error: String,
    },
    /// The leg is over and put away: always the last event.
    Closed(Box<LegReport>),
}

/// The books of one leg.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LegReport {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets of the peer.
    pub packets_received: u64,
    /// Packets of the peer that never came.
    pub packets_lost: u64,
    /// Packets that came after their time.
    pub packets_late: u64,
    /// Packets that came twice.
    pub packets_duplicate: u64,
    /// Packets of strangers, dropped.
    pub packets_stranger: u64,
    /// Packets of a secured leg that its keys did not fit, dropped: plain, forged or come before.
    pub packets_refused: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1), in milliseconds.
    pub jitter_ms: f64,
    /// Round-trip time, where the peer's reports tell it.
    pub rtt_ms: Option<f64>,
    /// Playout delay at the end, in milliseconds.
    pub playout_ms: u32,
    /// Mean opinion score of what we heard, 1.0 to 4.5 (ITU-T G.107); `None` when nothing came.
    pub mos: Option<f64>,
    /// From the first connection to the end, in milliseconds.
    pub duration_ms: u64,
    /// Ticks that the recogniser's tap had no room for.
    pub recogniser_ticks_dropped: u64,
    /// The recording of both directions, when there is one.
    pub recording: Option<RecordingReport>,
    /// The recording of the peer's voice alone, when there is one.
    pub track: Option<RecordingReport>,
}

/// Something that happened in a room.
#[derive(Debug)]
pub enum RoomEvent {
    /// A connected leg has its first tick in this room: what ties its own samples (recogniser,
    /// track) to those of the room's recording.
    LegBegan {
        /// Its slot.
        slot: usize,
        /// Where in the room's recording it begins to be heard.
        room_sample: u64,
        /// The same moment in samples of the leg.
        leg_sample: u64,
    },
    /// A stretch of the recording that is silence because its owner paused it; told when it ends.
    RecordingPaused {
        /// The first sample that is silence.
        from_sample: u64,
        /// The first that is recorded again, or would have been.
        to_sample: u64,
    },
    /// The recording cannot be written. The call goes on; writing is tried again.
    RecordingFailed {
        /// What, where and how to mend it.
        error: String,
    },
    /// The room is over and put away: always the last event.
    Closed(Box<RoomReport>),
}

/// The books of one room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomReport {
    /// From the first connected leg to the last, in milliseconds.
    pub duration_ms: u64,
    /// The recording, when there is one.
    pub recording: Option<RecordingReport>,
}

/// A finished recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingReport {
    /// The file.
    pub path: PathBuf,
    /// Length, gaps included.
    pub duration_ms: u64,
    /// Ticks that never reached the recorder: silence in the file.
    pub ticks_dropped: u64,
    /// Whether some of the call is missing from it, or its books could not be written.
    pub incomplete: bool,
    /// Length of the file.
    pub bytes: u64,
    /// Its silent stretches, paused or lost.
    pub marks: Marks,
    /// What a sealed file's chain must end in when it is verified later.
    pub chain_head: Option<ChainHead>,
}
