//! Tags, slots and the pre-filled draft. Pure.

pub mod classifier;
pub mod draft;
