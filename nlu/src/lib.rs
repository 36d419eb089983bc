//! Tags, slots and the pre-filled draft. Pure.

pub mod address;
pub mod classifier;
pub mod draft;
pub mod profile;
pub mod reader;
pub mod table;

pub use reader::{
    CallContext, Gazetteer, GazetteerError, LocalTime, Place, PlaceKind, Reader, Utterance,
};
