//! Tags, slots and the pre-filled draft. Pure.

pub mod classifier;
pub mod draft;
pub mod reader;
pub mod table;

pub use reader::{CallContext, Gazetteer, GazetteerError, LocalTime, Reader, Utterance};
