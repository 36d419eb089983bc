//! The duty list (值班表): which expert of a department is rung now.

mod list;
mod rows;
mod shift;

pub use list::{Department, DutyError, DutyList, Expert, Target};
pub use rows::{COLUMNS, RowError, read_rows};
pub use shift::Shift;
