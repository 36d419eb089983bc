//! Tags, slots, the pre-filled draft, and the answers of callbacks. Pure.

pub mod answers;
pub mod classifier;
pub mod draft;
pub mod reader;

pub use reader::{CallContext, Gazetteer, GazetteerError, LocalTime, Reader, Utterance};
