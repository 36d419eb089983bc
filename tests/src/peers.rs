//! Other people's telephones: baresip, linphone and sipp, each run without a sound card, with a
//! private folder instead of the user's home, and killed when its deadline passes or the test fails.
//!
//! [`CallPlan`] is one call, whoever places it; [`baresip::call`] and [`linphone::call`] place it.
//! sipp runs a [`sipp::Scenario`] and can break rules that a telephone keeps. A [`talker::Talker`] is
//! our own: it says one tone and can be asked at any time what it hears; a [`browser::Browser`] has
//! the seats' telephone page, and a [`cable::Cable`] that can be cut.
//! A [`desk::Desk`] stays and is a party of calls.

pub mod baresip;
pub mod browser;
pub mod cable;
pub mod desk;
pub mod kamailio;
pub mod linphone;
pub mod process;
pub mod sipp;
pub mod talker;

use crate::audio::{RATE, Wav, samples_in};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How SIP is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram a message.
    Udp,
    /// One connection a call.
    Tcp,
}

/// The only codec that the caller offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 A-law.
    Alaw,
    /// G.711 µ-law.
    Ulaw,
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Self::Alaw => "PCMA",
            Self::Ulaw => "PCMU",
        }
    }
}

/// Who ends the call, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// The caller, once all is said.
    AfterSpeech,
    /// The caller, that long after the answer; silence follows the speech.
    After(Duration),
    /// The far end; the caller is silent after its speech.
    FarEnd,
}

/// One call.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// Where the far end listens.
    pub to: SocketAddr,
    /// The user part of the called URI.
    pub number: String,
    /// How SIP is carried.
    pub transport: Transport,
    /// What is offered.
    pub codec: Codec,
    /// What the caller says: mono, 8 kHz.
    pub speech: Vec<i16>,
    /// Keys pressed from the answer on, as RFC 4733 events.
    pub keys: String,
    /// Who ends the call, and when.
    pub hang_up: HangUp,
    /// The caller is killed that long after its start.
    pub deadline: Duration,
}

impl CallPlan {
    /// 12345 over UDP and A-law; the caller hangs up after its speech and has 20 s more for the rest.
    pub fn new(to: SocketAddr, speech: Vec<i16>) -> Self {
        let deadline = Wav::mono(speech.clone()).duration() + Duration::from_secs(20);
        Self {
            to,
            number: "12345".to_owned(),
            transport: Transport::Udp,
            codec: Codec::Alaw,
            speech,
            keys: String::new(),
            hang_up: HangUp::AfterSpeech,
            deadline,
        }
    }

    /// Over that transport.
    pub fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Presses these keys once the call is answered.
    pub fn keys(self, keys: &str) -> Self {
        Self { keys: keys.to_owned(), ..self }
    }

    /// Ends so.
    pub fn hang_up(self, hang_up: HangUp) -> Self {
        Self { hang_up, ..self }
    }

    fn uri(&self) -> String {
        let parameter = match self.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
        };
        format!("sip:{}@{}{parameter}", self.number, self.to)
    }

    /// Writes what the caller says, and silence to the deadline when it does not hang up by itself.
    fn write_speech(&self, folder: &Path) -> PathBuf {
        let mut samples = self.speech.clone();
        if self.hang_up != HangUp::AfterSpeech {
            samples.resize(samples.len().max(samples_in(self.deadline)), 0);
        }
        let path = folder.join("speech.wav");
        Wav { rate: RATE, channels: vec![samples] }.write(&path);
        path
    }
}

/// How a telephone says that its call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was answered, and somebody hung up.
    HungUp,
    /// It was never answered: the reason as the telephone words it.
    Refused(String),
    /// The deadline passed, or the telephone died: in which state.
    Lost(String),
}

/// A call that is over.
#[derive(Debug)]
pub struct Called {
    /// How it went.
    pub ended: Ended,
    /// From the answer to the end, as this side saw it.
    pub connected: Duration,
    /// What it heard: a WAV file in `home`. Absent when nothing was played to it.
    pub heard: Option<PathBuf>,
    /// The telephone's exit status; `None` when it had to be killed.
    pub status: Option<i32>,
    /// What it printed, both streams.
    pub output: String,
    /// Its folder: configuration, logs, recordings.
    pub home: TempDir,
}

impl Called {
    /// Panics with the telephone's own words unless the call was answered and hung up.
    pub fn expect_hung_up(&self) {
        assert!(
            self.ended == Ended::HungUp && self.status == Some(0),
            "{:?}, exit status {:?}:\n{}",
            self.ended,
            self.status,
            self.output
        );
    }
}

/// The folder of the sipp scenarios.
pub fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}
