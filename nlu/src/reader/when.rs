//! When.
use super::LocalTime;
use super::transcript::Transcript;
use crate::draft::Tag;
pub(crate) fn read(_talk: &Transcript<'_>, _now: LocalTime) -> Vec<Tag> {
    Vec::new()
}
