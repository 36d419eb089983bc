//! Category.
use super::transcript::Transcript;
use crate::classifier::LinearModel;
use crate::draft::Tag;
pub(crate) fn read(_model: &LinearModel, _talk: &Transcript<'_>) -> Option<Tag> {
    None
}
