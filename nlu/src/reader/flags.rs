//! Flags.
use super::transcript::Transcript;
use crate::draft::Tag;
pub(crate) struct Flags;
impl Flags {
    pub(crate) fn new() -> Self {
        Self
    }
    pub(crate) fn read(&self, _talk: &Transcript<'_>) -> Vec<Tag> {
        Vec::new()
    }
}
