//! How the engine, its rooms and its legs run, and why they do not.

use crate::codec::Codec;
use crate::dtls::DtlsError;
use crate::mix::Samples;
use crate::ports::PortsExhausted;
use crate::routes::LEGS_PER_ROOM_MAX;
use crate::security::Security;
use crate::tap::Pair;
use qingting_recording::{MasterKeys, RecordingId};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Work that waits for the recorder thread.
pub(crate) const JOBS_MAX: usize = 4_096;

/// How the engine runs.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Media threads, at least 1.
    pub shards: usize,
    /// Address of the sockets of legs that name none.
    pub bind_ip: IpAddr,
    /// Two ports for each leg: RTP on the even one, RTCP on the next.
    pub ports: RangeInclusive<u16>,
    /// How long the ports of a finished leg stay unused, so that no late packet of one call
    /// reaches another.
    pub port_rest: Duration,
    /// Bounds of the playout delay, in milliseconds.
    pub jitter_ms: RangeInclusive<u32>,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            shards: 1,
            bind_ip: IpAddr::from([127, 0, 0, 1]),
            ports: 10_000..=29_999,
            port_rest: Duration::from_secs(5),
            jitter_ms: 40..=200,
        }
    }
}

/// How one room runs.
#[derive(Debug, Default)]
pub struct RoomConfig {
    /// Where to record the room to, if at all: the citizen on the left, everybody else who is heard
    /// by somebody and what is played to the citizen on the right.
    pub record: Option<RecordTo>,
}

/// How one leg runs.
#[derive(Clone, Debug)]
pub struct LegConfig {
    /// Address of the leg's sockets, from which the peer is answered. The engine's is taken instead of none and
    /// of one that is not this machine's (the outside of a NAT).
    pub bind_ip: Option<IpAddr>,
    /// Whose voice it carries.
    pub side: Side,
    /// Where to record both directions of this leg alone to, if at all: what the peer says, and all
    /// that it hears.
    pub record: Option<RecordTo>,
    /// Where to record the peer's voice alone to, if at all.
    pub record_track: Option<RecordTo>,
    /// Whether a recogniser will listen.
    pub recognise: bool,
    /// Time without a packet of the peer after which [`crate::MediaEvent::Inactive`] is told.
    pub inactivity: Duration,
}

impl Default for LegConfig {
    fn default() -> Self {
        Self {
            bind_ip: None,
            side: Side::default(),
            record: None,
            record_track: None,
            recognise: false,
            inactivity: Duration::from_secs(60),
        }
    }
}

/// A recording to make.
#[derive(Clone, Debug, Default)]
pub struct RecordTo {
    /// The file; it must not exist yet.
    pub path: PathBuf,
    /// Which voice is on which channel.
    pub layout: Layout,
    /// Encrypts the file, which is then a `.qtr` ([`qingting_recording`]) and else a WAV file.
    pub sealed: Option<Seal>,
}

/// What encrypts a recording.
#[derive(Clone, Debug)]
pub struct Seal {
    /// Wrap its own key.
    pub keys: Arc<MasterKeys>,
    /// Its name, which is in the file and binds its seconds to it.
    pub id: RecordingId,
}

/// Why a leg could not be opened or the engine not started.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// All ports are taken.
    #[error("no RTP port is free: {0}. Widen the port range or lower the number of calls")]
    Ports(#[from] PortsExhausted),
    /// The ports of the pool are held by other programs.
    #[error("cannot bind RTP ports on {ip}: {source}. Choose a range that no other program uses")]
    Bind {
        /// The address.
        ip: IpAddr,
        /// What the system said of the last try.
        source: io::Error,
    },
    /// The media threads or the recorder thread take no more legs now.
    #[error(
        "the media engine is overloaded: its threads are full, or the disk of recordings hangs and {JOBS_MAX} jobs wait for it"
    )]
    Overloaded,
    /// All slots of a room are taken.
    #[error("a room has {LEGS_PER_ROOM_MAX} legs at most: take one out first")]
    RoomFull,
    /// The recorder thread died: no leg could be recorded or put away.
    #[error("the recorder thread is gone. Restart when the calls have ended")]
    RecorderGone,
    /// There is no certificate for browsers.
    #[error("cannot start the media engine: {0}")]
    Certificate(#[from] DtlsError),
    /// The system gave no thread.
    #[error("cannot start a media thread: {0}")]
    Thread(#[source] io::Error),
}

/// What the peer's session description says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteMedia {
    /// Where RTP goes until the peer is heard from elsewhere.
    pub rtp: SocketAddr,
    /// Where RTCP goes.
    pub rtcp: SocketAddr,
    /// RTP and RTCP share our RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// The codec both ways.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of telephone events.
    pub dtmf_payload_type: Option<u8>,
    /// Whether we may send.
    pub send: bool,
    /// Whether audio is to be expected.
    pub receive: bool,
    /// How it is secured, both ways.
    pub security: Security,
    /// The host that the peer's signalling comes from: behind a NAT its audio comes from there. Where it is not known any
    /// host is believed that speaks first, until the announced one does.
    pub source: Option<IpAddr>,
}

/// Which voice is on which channel of the recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// What we hear on the left, what we send on the right: the hotline's.
    #[default]
    HeardLeft,
    /// What we send on the left, what we hear on the right: a caller's.
    SentLeft,
}

impl Layout {
    /// The two channels.
    pub(crate) fn pair(
        self,
        sample_index: u64,
        paused: bool,
        heard: &Samples,
        sent: &Samples,
    ) -> Pair {
        let (left, right) = match self {
            Self::HeardLeft => (*heard, *sent),
            Self::SentLeft => (*sent, *heard),
        };
        Pair { sample_index, paused, left, right }
    }
}

/// Whose voice a leg carries, for the recording of its room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Whoever called, or was called: the left channel.
    Citizen,
    /// Seats, experts, and whoever else speaks for the hotline: the right channel.
    #[default]
    Staff,
}
