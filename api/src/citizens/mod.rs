//! One citizen's data, given out and erased by law: for the administrator alone (`docs/privacy.md`).

pub(crate) mod erase;
pub(crate) mod export;
mod files;
mod zip;

pub use files::{erase as erase_files, is_recordings_folder};

use crate::Problem;
use qingting_store::CitizenNumber;

/// The number, which no problem repeats.
fn number(text: &str) -> Result<CitizenNumber, Problem> {
    text.parse().map_err(|error: qingting_store::citizens::CitizenNumberError| {
        Problem::invalid("phone", error.to_string())
    })
}
