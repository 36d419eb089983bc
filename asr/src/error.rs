//! What goes wrong at this crate's boundary: what, where, and how to mend it.

use std::path::PathBuf;

/// Failure of recognition set-up, conversion, the worker or the evaluation.
///
/// A peer that sends nonsense is [`crate::wire::WireError`]; it ends one connection, no more.
#[derive(Debug, thiserror::Error)]
pub enum AsrError {
    /// A model file is absent.
    #[error("model file {path} is missing: run `qingting models fetch`")]
    ModelMissing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// A model file is there but cannot be used.
    #[error(
        "model file {path} cannot be used: {reason}; fetch it again with `qingting models fetch`"
    )]
    ModelBad {
        /// The offending file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An inference library refused its work.
    #[error("{engine}: {reason}")]
    Engine {
        /// `whisper` or `onnxruntime`.
        engine: &'static str,
        /// The library's own words.
        reason: String,
    },
    /// A worker of another machine cannot be reached as it is configured, or cannot listen.
    #[error("recognition worker {address}: {reason}")]
    Worker {
        /// Its address.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A file or socket operation failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or socket.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The evaluation's input cannot be used.
    #[error("evaluation input {path}: {reason}")]
    Evaluation {
        /// The list or sound file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A recognition server did not do its part.
    #[error("recognition server {server}: {fault}")]
    Server {
        /// Its address.
        server: String,
        /// What happened, and how to mend it.
        #[source]
        fault: crate::funasr::Fault,
    },
    /// The worker broke the protocol.
    #[error(transparent)]
    Wire(#[from] crate::wire::WireError),
}

impl AsrError {
    /// Whether it only says that an earlier fault lasts, which has been told.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self, Self::Server { fault: crate::funasr::Fault::Away(_), .. })
    }

    /// Wraps a system error with the path it happened at.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// Result at this crate's boundary.
pub type Result<T, E = AsrError> = std::result::Result<T, E>;
