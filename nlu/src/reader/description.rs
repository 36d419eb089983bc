//! Description.
use super::transcript::Transcript;
use crate::draft::Tag;
pub(crate) fn read(_talk: &Transcript<'_>) -> Option<Tag> {
    None
}
