//! Satisfaction callbacks (智能回访): what is said in them, whom to call when, and what an answer, an
//! attempt and a follow-up come to. Pure: no sockets, no clock, no database.

pub mod attempt;
pub mod campaign;
pub mod detector;
pub mod dialogue;
pub mod intake;
pub mod pace;
pub mod preview;
pub mod rates;
pub mod result;
pub mod schedule;
pub mod script;
