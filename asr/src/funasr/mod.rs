//! A recogniser that runs elsewhere: a FunASR runtime server, spoken to in its two-pass protocol.
//!
//! Voice is detected here, so that silence does not travel and segments are cut as for any other
//! engine. Each utterance goes to the server while it is spoken: its first pass writes what a seat
//! sees at once, its second pass has the last word.
//!
//! **A server that fails costs the text of utterances, never more**: each is marked as not heard, what
//! waits for the server is bounded, and the server is tried again with growing pauses.

mod address;
mod backoff;
mod fault;
mod protocol;
mod socket;
mod tls;
mod transcript;

pub use address::ServerAddress;
pub use fault::Fault;

use crate::error::{AsrError, Result};
use crate::recognizer::{
    Decoded, Decoder, Detector, Live, LiveText, Recognizer, Step, UtteranceId,
};
use crate::segmenter::SAMPLES_PER_MS;
use socket::{Conversation, Link};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use transcript::Transcript;

/// Longest utterance; segments are cut far below.
const UTTERANCE_MS_MAX: usize = 60_000;
/// The protocol tells no probabilities.
const CONFIDENCE: f32 = 1.0;

/// Which server, and how to speak with it.
#[derive(Clone, Debug)]
pub struct FunAsrConfig {
    /// Where it is.
    pub server: ServerAddress,
    /// PEM file of the CAs, or of the very certificate, that are believed instead of the operating
    /// system's CAs.
    pub ca_file: Option<PathBuf>,
    /// Words that it should expect, such as the names of the city's districts.
    pub hotwords: Vec<String>,
    /// How long after the end of an utterance its last result may come.
    pub answer_within: Duration,
}

impl FunAsrConfig {
    /// Whether the certificates can be used; nothing is connected to.
    ///
    /// # Errors
    /// [`Fault::CaFile`].
    pub fn check(&self) -> Result<(), Fault> {
        tls::connector_for(self).map(drop)
    }
}

type Detectors = dyn Fn() -> Result<Box<dyn Detector>> + Send + Sync;

/// A FunASR server as a recogniser.
pub struct FunAsr {
    link: Arc<Link>,
    detectors: Box<Detectors>,
}

impl FunAsr {
    /// Makes ready to speak with a server, which is first connected to when somebody speaks.
    ///
    /// # Errors
    /// [`AsrError::Server`] when the certificates cannot be used.
    pub fn new(
        config: FunAsrConfig,
        detectors: impl Fn() -> Result<Box<dyn Detector>> + Send + Sync + 'static,
    ) -> Result<Self> {
        let server = config.server.url.clone();
        let link = Link::new(config).map_err(|fault| AsrError::Server { server, fault })?;
        Ok(Self { link: Arc::new(link), detectors: Box::new(detectors) })
    }
}

impl Recognizer for FunAsr {
    fn detector(&self) -> Result<Box<dyn Detector>> {
        (self.detectors)()
    }

    fn decoder(&self) -> Result<Option<Box<dyn Decoder>>> {
        Ok(None)
    }

    fn live(&self) -> Result<Option<Box<dyn Live>>> {
        let engine = Engine { link: self.link.clone(), utterances: BTreeMap::new() };
        Ok(Some(Box::new(engine)))
    }
}

struct Engine {
    link: Arc<Link>,
    utterances: BTreeMap<UtteranceId, Utterance>,
}

struct Utterance {
    conversation: Conversation,
    /// All that was sent.
    samples: Vec<f32>,
    transcript: Transcript,
}

impl Live for Engine {
    fn push(&mut self, id: UtteranceId, samples: &[f32]) -> Result<()> {
        let pushed = self.utterance(id).and_then(|utterance| utterance.push(samples));
        pushed.map_err(|fault| {
            self.forget(id);
            self.failed(fault)
        })
    }

    fn finish(&mut self, id: UtteranceId) {
        if let Some(utterance) = self.utterances.get_mut(&id) {
            utterance.conversation.finish();
        }
    }

    fn forget(&mut self, id: UtteranceId) {
        self.utterances.remove(&id);
    }

    fn step(&mut self) -> Step {
        let news = self.utterances.iter_mut().filter_map(|(id, utterance)| {
            let news = utterance.news().transpose()?;
            Some((*id, news))
        });
        let news: Vec<(UtteranceId, Result<News, Fault>)> = news.collect();
        let texts = news.into_iter().map(|(id, news)| {
            let is_last = news.as_ref().map_or(true, |news| news.is_last);
            let decoded = news.map(|news| news.decoded).map_err(|fault| self.failed(fault));
            if is_last {
                self.forget(id);
            }
            LiveText { id, decoded, is_last, is_endpoint: false }
        });
        // Text comes from elsewhere: asking again at once would bring nothing.
        Step { texts: texts.collect(), is_busy: false }
    }
}

impl Engine {
    fn utterance(&mut self, id: UtteranceId) -> Result<&mut Utterance, Fault> {
        use std::collections::btree_map::Entry;
        match self.utterances.entry(id) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(Utterance {
                conversation: self.link.open()?,
                samples: Vec::new(),
                transcript: Transcript::default(),
            })),
        }
    }

    fn failed(&self, fault: Fault) -> AsrError {
        AsrError::Server { server: self.link.server(), fault }
    }
}

struct News {
    decoded: Decoded,
    is_last: bool,
}

impl Utterance {
    fn push(&mut self, samples: &[f32]) -> Result<(), Fault> {
        let is_too_long =
            self.samples.len() + samples.len() > UTTERANCE_MS_MAX * SAMPLES_PER_MS as usize;
        if is_too_long {
            return Err(Fault::TooLong(UTTERANCE_MS_MAX));
        }
        self.samples.extend(samples);
        self.conversation.send(protocol::pcm(samples))
    }

    /// What the results that have come make of the text; none where it is as it was.
    fn news(&mut self) -> Result<Option<News>, Fault> {
        let (mut is_new, mut is_last) = (false, false);
        while !is_last && let Some(reply) = self.conversation.next() {
            let reply = reply?;
            is_last = reply.is_final;
            is_new |= self.transcript.take(reply)?;
        }
        if !is_new && !is_last {
            return Ok(None);
        }
        let text = self.transcript.text(&self.samples);
        let confidence = if text.is_empty() { 0.0 } else { CONFIDENCE };
        Ok(Some(News { decoded: Decoded { text, confidence, ..Decoded::default() }, is_last }))
    }
}
