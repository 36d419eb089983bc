//! Silero's voice detector on ONNX Runtime.

use crate::error::{AsrError, Result};
use crate::recognizer::{Detector, FRAME_SAMPLES};
use ort::session::Session;
use ort::value::TensorRef;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Samples of the previous frame that the model wants in front of each frame.
const CONTEXT_SAMPLES: usize = 64;
/// The model's recurrent state: [2, 1, 128].
const STATE_VALUES: usize = 256;
const RATE_HZ: i64 = 16_000;

/// The loaded model, shared by all streams. Its state is an input and an output, so that one
/// session serves many streams.
#[derive(Clone)]
pub struct Silero(Arc<Mutex<Session>>);

impl Silero {
    /// Loads ONNX Runtime's shared library and the model.
    ///
    /// # Errors
    /// [`AsrError::ModelMissing`] or [`AsrError::Engine`].
    pub fn load(library: &Path, model: &Path) -> Result<Self> {
        for path in [library, model] {
            if !path.exists() {
                return Err(AsrError::ModelMissing { path: path.to_owned() });
            }
        }
        let environment = ort::init_from(library)
            .map_err(engine)?
            .with_telemetry(false)
            .build()
            .map_err(engine)?;
        let session = Session::builder(&environment)
            .map_err(engine)?
            .with_intra_threads(1)
            .map_err(engine)?
            .with_inter_threads(1)
            .map_err(engine)?
            .commit_from_file(model)
            .map_err(|error| AsrError::ModelBad {
                path: model.to_owned(),
                reason: error.to_string(),
            })?;
        Ok(Self(Arc::new(Mutex::new(session))))
    }

    /// A detector for a new stream.
    pub fn detector(&self) -> SileroStream {
        SileroStream {
            model: self.clone(),
            state: [0.0; STATE_VALUES],
            input: [0.0; CONTEXT_SAMPLES + FRAME_SAMPLES],
        }
    }
}

/// One stream's state.
pub struct SileroStream {
    model: Silero,
    state: [f32; STATE_VALUES],
    /// The context of the previous frame, then the frame.
    input: [f32; CONTEXT_SAMPLES + FRAME_SAMPLES],
}

impl Detector for SileroStream {
    fn probability(&mut self, frame: &[f32]) -> Result<f32> {
        self.input.copy_within(FRAME_SAMPLES.., 0);
        self.input[CONTEXT_SAMPLES..].copy_from_slice(frame);
        let shape = [1usize, CONTEXT_SAMPLES + FRAME_SAMPLES];
        let input = TensorRef::from_array_view((shape, &self.input[..])).map_err(engine)?;
        let state =
            TensorRef::from_array_view(([2usize, 1, 128], &self.state[..])).map_err(engine)?;
        let rate_hz = [RATE_HZ];
        let no_extents: [usize; 0] = [];
        let rate = TensorRef::from_array_view((no_extents, &rate_hz[..])).map_err(engine)?;
        let mut session = self.model.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let outputs = session
            .run(ort::inputs!["input" => input, "state" => state, "sr" => rate])
            .map_err(engine)?;
        let (_, probability) = outputs["output"].try_extract_tensor::<f32>().map_err(engine)?;
        let (_, next) = outputs["stateN"].try_extract_tensor::<f32>().map_err(engine)?;
        if next.len() != STATE_VALUES || probability.is_empty() {
            return Err(engine("the model is not Silero version 5 or 6"));
        }
        let probability = probability[0];
        self.state.copy_from_slice(next);
        Ok(probability)
    }

    fn reset(&mut self) {
        self.state = [0.0; STATE_VALUES];
        self.input = [0.0; CONTEXT_SAMPLES + FRAME_SAMPLES];
    }
}

fn engine(error: impl std::fmt::Display) -> AsrError {
    AsrError::Engine { engine: "onnxruntime", reason: error.to_string() }
}
