//! A recogniser without models, for tests of everything around it: loud is speech, and the text
//! of a segment is its length.

use crate::error::Result;
use crate::recognizer::{Decoded, Decoder, Detector, Effort, Recognizer};
use crate::text::{Text, voiced};
use std::time::Duration;

/// Frames whose mean absolute level is above this (of 1.0) count as speech.
const LEVEL_OF_SPEECH: f32 = 0.05;

/// Says "一" once for every started half second of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scripted {
    /// What a decode takes.
    pub decode: Duration,
}

impl Recognizer for Scripted {
    fn detector(&self) -> Result<Box<dyn Detector>> {
        Ok(Box::new(*self))
    }
    fn decoder(&self) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(*self))
    }
}

impl Detector for Scripted {
    fn probability(&mut self, frame: &[f32]) -> Result<f32> {
        let level = frame.iter().map(|s| s.abs()).sum::<f32>() / frame.len().max(1) as f32;
        Ok(if level > LEVEL_OF_SPEECH { 1.0 } else { 0.0 })
    }
    fn reset(&mut self) {}
}

impl Decoder for Scripted {
    fn decode(&mut self, samples: &[f32], _effort: Effort) -> Result<Decoded> {
        std::thread::sleep(self.decode);
        let text = "一".repeat(samples.len().div_ceil(8_000));
        Ok(Decoded { text: Text::over(&text, &voiced(samples)), confidence: 0.9 })
    }
}
