//! Citizens who answer the telephone: the operator's end of a trunk, with many people behind it.

mod file;
mod line;
mod person;
mod questions;

pub use file::{Citizens, Source};
pub use line::{CallReport, End, Turn};
pub use questions::Questions;

use crate::caller;
use crate::cli::ModelsDir;
use crate::commands::speech::{self, Saying};
use crate::sound;
use anyhow::{Context, Result, bail};
use line::{Called, answer};
use qingting_media::MediaEngine;
use qingting_sip::{Endpoint, EndpointConfig, IncomingCall, Transport};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Most calls at once; the next ones are refused with 503.
const CALLS_MAX: u16 = 500;

/// Samples at 8 kHz of every source of a file.
pub type Sounds = Vec<Arc<[i16]>>;

/// Reads the recordings of a file, relative to `folder`, and speaks what is to be spoken.
pub fn sounds(
    citizens: &Citizens,
    folder: &Path,
    cache: &Path,
    models: &ModelsDir,
) -> Result<Sounds> {
    let sayings: Vec<Saying> = citizens.sources.iter().filter_map(saying).cloned().collect();
    // Recordings first: speaking takes longer than a mistake should.
    let read = |source: &Source| match source {
        Source::File(path, line) => {
            let samples = sound::read_telephone(&folder.join(path));
            samples.with_context(|| format!("line {line}: `plays`")).map(|it| Some(it.into()))
        }
        Source::Voice(_) => Ok(None),
    };
    let recordings: Vec<Option<Arc<[i16]>>> =
        citizens.sources.iter().map(read).collect::<Result<_>>()?;
    let mut spoken = speech::all(cache, &sayings, models, "Speaking the citizens")?.into_iter();
    recordings
        .into_iter()
        .map(|recording| recording.or_else(|| spoken.next()).context("a text was not spoken"))
        .collect()
}

fn saying(source: &Source) -> Option<&Saying> {
    match source {
        Source::Voice(saying) => Some(saying),
        Source::File(..) => None,
    }
}

/// A telephone exchange with its citizens.
pub struct Exchange {
    citizens: Arc<Citizens>,
    sounds: Arc<Sounds>,
    questions: Arc<Questions>,
    endpoint: Endpoint,
    calls: mpsc::Receiver<IncomingCall>,
    media: Arc<MediaEngine>,
    /// How often each number was called.
    called: HashMap<String, usize>,
}

impl Exchange {
    /// Listens, UDP and TCP. Answers that say what they are to are given to the `questions` that are known.
    pub async fn open(
        citizens: Citizens,
        sounds: Sounds,
        questions: Questions,
        listen: SocketAddr,
    ) -> Result<Self> {
        let (endpoint, calls) = Endpoint::bind(EndpointConfig {
            udp: vec![listen],
            tcp: vec![listen],
            product: concat!("Qingting-answer/", env!("CARGO_PKG_VERSION")).to_owned(),
            calls_max: CALLS_MAX.into(),
            ..EndpointConfig::default()
        })
        .await?;
        let media = Arc::new(caller::engine(listen.ip(), 2 * CALLS_MAX)?);
        let (citizens, sounds) = (Arc::new(citizens), Arc::new(sounds));
        let questions = Arc::new(questions);
        Ok(Self { citizens, sounds, questions, endpoint, calls, media, called: HashMap::new() })
    }

    /// Where it listens, by UDP.
    pub fn address(&self) -> Option<SocketAddr> {
        let udp = |(transport, at): &(Transport, SocketAddr)| {
            (*transport == Transport::Udp).then_some(*at)
        };
        self.endpoint.bound().iter().find_map(udp)
    }

    /// Answers until Ctrl-C or SIGTERM; `told` hears of every call that is over.
    pub async fn run(mut self, told: &mut dyn FnMut(CallReport)) -> Result<()> {
        let mut running = JoinSet::new();
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        loop {
            tokio::select! {
                call = self.calls.recv() => match call {
                    Some(call) => {
                        let called = self.called(&call);
                        running.spawn(answer(call, called));
                    }
                    None => bail!("the SIP endpoint is gone"),
                },
                Some(over) = running.join_next() => told(over?),
                _ = tokio::signal::ctrl_c() => break,
                _ = terminated.recv() => break,
            }
        }
        running.shutdown().await;
        self.endpoint.close().await;
        Ok(())
    }

    /// Who is called, for the how manieth time.
    fn called(&mut self, call: &IncomingCall) -> Called {
        let user = call.request.uri.user.as_deref().unwrap_or_default();
        let number = user.split(';').next().unwrap_or_default();
        let number = number.strip_prefix("+86").unwrap_or(number).to_owned();
        let count = self.called.entry(number.clone()).or_default();
        *count += 1;
        Called {
            citizens: Arc::clone(&self.citizens),
            sounds: Arc::clone(&self.sounds),
            questions: Arc::clone(&self.questions),
            media: Arc::clone(&self.media),
            number,
            nth: *count,
        }
    }
}
