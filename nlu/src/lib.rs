//! Tags, slots, the pre-filled draft, and the answers of callbacks. Pure.

pub mod answers;
pub mod address;
pub mod classifier;
pub mod draft;
pub mod profile;
pub mod reader;
pub mod table;

pub use reader::{
    CallContext, Gazetteer, GazetteerError, LocalTime, Place, PlaceKind, Reader, Utterance,
};
