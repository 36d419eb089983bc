//! The seam between streaming decisions, which are ours, and models, which can be exchanged.

use crate::error::Result;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Samples in one frame of voice detection: 32 ms at 16 kHz.
pub const FRAME_SAMPLES: usize = 512;

/// The confidence of engines that do not tell: their text stands as it is.
pub const CONFIDENCE_UNKNOWN: f32 = 1.0;

/// What a segment's audio says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Simplified Chinese with times since the first sample; empty when nothing was said.
    pub text: Text,
    /// Mean token probability, 0 to 1; [`CONFIDENCE_UNKNOWN`] where the engine hands none out.
    pub confidence: f32,
    /// What it says if it says something that is expected ([`Decoder::expect`]), where that differs and the
    /// voice bears it. The text above was heard without any expectation.
    pub expected: Option<Expected>,
    /// How long the worker decoded it, in ms; 0 where nobody measured: live engines listen all the time.
    pub took_ms: u32,
}

/// What was heard by an engine that knew what might be said. It tends to hear just that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// As [`Decoded::text`].
    pub text: Text,
    /// As [`Decoded::confidence`].
    pub confidence: f32,
}

/// How much care a decode gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Text that will be replaced soon: one pass.
    Partial,
    /// Text that stays: loops are decoded again.
    Final,
    /// Text of a recording, for which nobody waits: several decodes.
    Offline,
}

/// One stream's voice detector; it carries state from frame to frame.
pub trait Detector: Send {
    /// Probability that the frame ([`FRAME_SAMPLES`] at 16 kHz, in [-1, 1)) holds speech.
    ///
    /// # Errors
    /// When the inference library fails.
    fn probability(&mut self, frame: &[f32]) -> Result<f32>;
    /// Forgets the stream so far (after a gap).
    fn reset(&mut self);
}

/// Says to a decode that is under way that nobody wants its text any more. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on until [`Interrupt::clear`].
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// For the next decode.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether the decode may end as it is.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One decode thread's engine.
pub trait Decoder: Send {
    /// How many processor cores the next decodes may use; engines that know one way only leave it.
    fn use_cores(&mut self, _cores: usize) {}
    /// What the next decodes may say ([`crate::wire::Message::Expect`]); empty: anything. An engine that
    /// cannot be told leaves it.
    fn expect(&mut self, _words: &str) {}
    /// What ends a decode early, with any text; an engine that cannot stop decodes to its end.
    fn interrupt(&self) -> Interrupt {
        Interrupt::default()
    }
    /// Text of one segment, samples at 16 kHz.
    ///
    /// # Errors
    /// When the inference library fails.
    fn decode(&mut self, samples: &[f32], effort: Effort) -> Result<Decoded>;
}

/// An utterance in a [`Live`] engine; never used twice.
pub type UtteranceId = u64;

/// An engine that hears many utterances while they are spoken.
///
/// One thread owns it and calls [`Live::step`] for as long as that is busy, so that whatever is ready
/// in any utterance is decoded in one batch.
pub trait Live: Send {
    /// More of an utterance, samples at 16 kHz; the first call opens it.
    ///
    /// # Errors
    /// When the engine cannot take it; the utterance is then forgotten.
    fn push(&mut self, id: UtteranceId, samples: &[f32]) -> Result<()>;
    /// The utterance is over: its last text is wanted, as a [`LiveText`] with `is_last`.
    fn finish(&mut self, id: UtteranceId);
    /// Nobody wants to hear of it any more.
    fn forget(&mut self, id: UtteranceId);
    /// One batch: a step of every utterance that has audio for one. Never waits for anything outside
    /// this process.
    fn step(&mut self) -> Step;
}

/// What a step brought.
#[derive(Debug, Default)]
pub struct Step {
    /// New text: utterances whose text is as it was are left out unless they are over.
    pub texts: Vec<LiveText>,
    /// Another step would decode more at once.
    pub is_busy: bool,
}

/// What an utterance says so far.
#[derive(Debug)]
pub struct LiveText {
    /// The utterance.
    pub id: UtteranceId,
    /// All of its text; times count from its first sample. An error ends the utterance.
    pub decoded: Result<Decoded>,
    /// Nothing more comes: [`Live::finish`] was called and all is decoded.
    pub is_last: bool,
    /// The engine hears that the speaker has come to an end, whatever voice detection says.
    pub is_endpoint: bool,
}

/// A loaded model: a voice detector for each stream, and at least one kind of engine. With both kinds
/// the live one makes what a seat sees while somebody speaks, and the other has the last word.
pub trait Recognizer: Send + Sync {
    /// A detector for a new stream.
    ///
    /// # Errors
    /// When the inference library fails.
    fn detector(&self) -> Result<Box<dyn Detector>>;
    /// Whether telephone audio is easier for it with the edges of its band raised
    /// ([`crate::equalizer`]): so for models of wide-band speech, where it was measured.
    fn is_equalised(&self) -> bool {
        false
    }
    /// An engine for a decode thread; none where the live engine's own last text is the final one.
    ///
    /// # Errors
    /// When the inference library fails.
    fn decoder(&self) -> Result<Option<Box<dyn Decoder>>>;
    /// An engine for a live thread; none where unstable text is made by decoding what there is of a
    /// segment again and again.
    ///
    /// # Errors
    /// When the inference library fails.
    fn live(&self) -> Result<Option<Box<dyn Live>>> {
        Ok(None)
    }
}
