//! A small voice menu: a graph that is checked before it is used, and a machine that walks one
//! caller through it.
//!
//! A menu is never needed: without one a call goes straight to the queue of its number, and from
//! every place in one, `0` or 转人工 leads there too.

mod check;
mod graph;
mod machine;
mod phrase;

use crate::names::name;

pub use check::MenuError;
pub use graph::{MenuGraph, Node};
pub use machine::{Destination, Input, Menu, Output, PlayId};

name!(
    /// One node of a menu.
    NodeName
);
name!(
    /// Something that is said; the words are configuration.
    PromptName
);
