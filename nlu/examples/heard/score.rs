//! The category of clean and heard texts, side by side.

use std::path::Path;
use std::error::Error;

pub(crate) fn score(_m: &Path, _l: &Path, _h: &Path) -> Result<(), Box<dyn Error>> { Ok(()) }
