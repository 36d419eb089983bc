//! Tags, slots and the pre-filled draft. Pure.

pub mod classifier;
pub mod draft;
pub mod incidents;
pub mod knowledge;
pub mod llm;
pub mod reader;
pub mod repeats;
pub mod table;

mod terms;

pub use reader::{CallContext, Gazetteer, GazetteerError, LocalTime, Reader, Utterance};
