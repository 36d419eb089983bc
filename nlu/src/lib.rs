//! Tags, slots, the pre-filled draft, the answers of callbacks, and quality checks. Pure.

pub mod address;
pub mod answers;
pub mod classifier;
pub mod draft;
pub mod history;
pub mod incidents;
pub mod knowledge;
pub mod llm;
pub mod profile;
pub mod quality;
pub mod reader;
pub mod repeats;
pub mod rising;
pub mod table;

mod terms;

pub use reader::{
    CallContext, Gazetteer, GazetteerError, LastTicket, LocalTime, Place, PlaceKind, Reader,
    Utterance,
};
