//! What can go wrong, each with the way to mend it.

use std::path::{Path, PathBuf};

/// Why models could not be installed or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelsError {
    /// The manifest is not what this version reads.
    #[error("the model manifest is not valid: {0}")]
    Manifest(String),
    /// No model or profile has this name.
    #[error("no {what} is called {name:?}; there are: {known}")]
    Unknown {
        /// "model" or "profile".
        what: &'static str,
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
    #[error("{client} could not fetch {package}: {said} (set a mirror with `{mirror}`)")]
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
    /// A download failed for good.
    #[error("{url}: {reason}")]
    Download {
        /// What was asked for, at the mirror if there is one.
        url: String,
        /// The last attempt's fault.
        reason: String,
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
    /// A file is not the one recorded when it was first fetched. It was not installed.
    #[error(
        "{what} is not the file that was first trusted: SHA-256 {found}, recorded {expected}; \
         delete its folder if it may change"
    )]
    Changed {
        /// The file.
        what: String,
        /// Recorded, in hexadecimal.
        expected: String,
        /// Found, in hexadecimal.
        found: String,
    },
    /// A file whose checksum is not known has a wrong size. It was not installed.
    #[error("{what} has {found} bytes, expected {expected}")]
    Size {
        /// The file.
        what: String,
        /// Bytes found.
        found: u64,
        /// The size, or "at most" and a limit.
        expected: String,
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
    #[error(
        "{model} could not be installed ({}); get it on another machine ({remedy}), carry the \
         files here in a folder and run `qingting models import DIR`", one_line(.failures)
    )]
    EverySource {
        /// Model name.
        model: String,
        /// The commands or URLs that give what is missing.
        remedy: String,
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
    #[error("{dir} holds no model: expected {dir}/{model}/ with {files}, or {archives}")]
    NotInFolder {
        /// The folder.
        dir: PathBuf,
        /// Model name.
        model: String,
        /// The files it should have.
        files: String,
        /// The archives that would do as well.
        archives: String,
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

    /// Whether the files that were fetched are at fault, so that fetching them again may help.
    pub(crate) fn is_of_content(&self) -> bool {
        matches!(
            self,
            Self::Checksum { .. } | Self::Changed { .. } | Self::Size { .. } | Self::Archive { .. }
        )
    }

    /// Names what a checksum is about better than by its path in the staging folder.
    pub(crate) fn about(self, name: &str) -> Self {
        match self {
            Self::Checksum { expected, found, .. } => {
                Self::Checksum { what: name.into(), expected, found }
            }
            other => other,
        }
    }
}

fn one_line(failures: &[(String, ModelsError)]) -> String {
    let one = |(title, error): &(String, ModelsError)| format!("{title}: {error}");
    failures.iter().map(one).collect::<Vec<_>>().join("; ").replace('\n', " ")
}
