//! Knowledge entries (知识库): imported whole or not at all, found by what a caller asks.
//!
//! **An entry is never found outside of its validity**: the day is a parameter of every search, from
//! [`Entry::valid_from`] to [`Entry::valid_to`], both included. **When nothing fits, nothing is found**: a
//! hit's score is a probability that an official would send this entry, and what is below
//! [`ANSWER_MIN`] is no answer.

mod columns;
mod day;
mod document;
mod entry;
mod import;
mod index;
mod markdown;
mod suggest;

pub use columns::Column;
pub use day::Day;
pub use document::{Document, Section};
pub use entry::{ENTRIES_MAX, Entry};
pub use import::{Import, ImportError, PROBLEMS_MAX, Problem};
pub use index::{ANSWER_MIN, Hit, Index, QUERY_CHARS_MAX, Shares};
pub use markdown::markdown;
pub use suggest::{SUGGEST_EVERY_MS, SUGGESTIONS_MAX, Suggestions};
