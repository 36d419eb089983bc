//! Phone.
use super::transcript::Transcript;
use crate::draft::Tag;
pub(crate) fn read(_talk: &Transcript<'_>, _caller: Option<&str>) -> Vec<Tag> {
    Vec::new()
}
