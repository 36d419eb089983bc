//! The seam between streaming decisions, which are ours, and models, which can be exchanged.

use crate::error::Result;
use crate::text::Text;

/// Samples in one frame of voice detection: 32 ms at 16 kHz.
pub const FRAME_SAMPLES: usize = 512;

/// What a segment's audio says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Simplified Chinese with times since the first sample; empty when nothing was said.
    pub text: Text,
    /// Mean token probability, 0 to 1.
    pub confidence: f32,
}

/// How much care a decode gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Text that will be replaced soon: one pass.
    Partial,
    /// Text that stays: loops and poor passes are decoded again.
    Final,
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

/// One decode thread's engine.
pub trait Decoder: Send {
    /// Text of one segment, samples at 16 kHz.
    ///
    /// # Errors
    /// When the inference library fails.
    fn decode(&mut self, samples: &[f32], effort: Effort) -> Result<Decoded>;
}

/// A loaded model that makes detectors (one a stream) and decoders (one a thread).
pub trait Recognizer: Send + Sync {
    /// A detector for a new stream.
    ///
    /// # Errors
    /// When the inference library fails.
    fn detector(&self) -> Result<Box<dyn Detector>>;
    /// An engine for a decode thread.
    ///
    /// # Errors
    /// When the inference library fails.
    fn decoder(&self) -> Result<Box<dyn Decoder>>;
}
