//! Whether a person or a machine has answered.

pub mod announcement;
