//! What Qingting needs beside its binary – models, a runtime library, the table of divisions – and
//! how it gets there: a manifest with sources in order (package registries through their ordinary
//! clients, releases by URL or from a mirror, a folder), and an installer.
//!
//! **A model is installed whole and verified, or not at all.** A file whose checksum nobody could
//! tell is trusted once, said to be so, and held to that checksum from then on. What was fetched stays
//! in a staging folder until its model is installed, so that an interrupted fetch continues.

mod archive;
mod build;
mod client;
mod download;
mod error;
mod hash;
mod installer;
mod local;
mod machine;
mod manifest;
mod mirror;
mod receipt;
mod status;

pub use build::{Convert, ConvertFailure};
pub use error::ModelsError;
pub use installer::{Installer, Outcome, Report};
pub use machine::{Carries, Machine};
pub use manifest::{
    Client, Conversion, Download, File, Manifest, Model, Package, Profile, Role, Source,
};
pub use mirror::Mirror;
pub use status::{Fault, State, Status};
