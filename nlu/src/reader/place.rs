//! Place.
use super::gazetteer::Gazetteer;
use super::transcript::Transcript;
use crate::draft::Tag;
pub(crate) struct Places {
    #[allow(dead_code)]
    gazetteer: Gazetteer,
}
impl Places {
    pub(crate) fn new(gazetteer: Gazetteer) -> Self {
        Self { gazetteer }
    }
    pub(crate) fn read(&self, _talk: &Transcript<'_>) -> Vec<Tag> {
        Vec::new()
    }
}
