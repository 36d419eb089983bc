//! Title.
use super::transcript::Transcript;
use crate::draft::Tag;
pub(crate) struct Titles;
impl Titles {
    pub(crate) fn new() -> Self {
        Self
    }
    pub(crate) fn read(&self, _talk: &Transcript<'_>, _place: Option<&Tag>) -> Vec<Tag> {
        Vec::new()
    }
}
