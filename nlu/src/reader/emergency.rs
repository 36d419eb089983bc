//! Emergencies.
use super::transcript::Transcript;
use crate::draft::Tag;
pub(crate) struct Emergencies;
impl Emergencies {
    pub(crate) fn new() -> Self {
        Self
    }
    pub(crate) fn read(&self, _talk: &Transcript<'_>) -> Vec<Tag> {
        Vec::new()
    }
}
