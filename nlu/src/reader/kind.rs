//! Kinds.
use super::transcript::Transcript;
use crate::draft::Tag;
pub(crate) struct Kinds;
impl Kinds {
    pub(crate) fn new() -> Self {
        Self
    }
    pub(crate) fn read(&self, _talk: &Transcript<'_>) -> Vec<Tag> {
        Vec::new()
    }
}
