//! Opening hours in local civil time. No clock and no time zone: the driver says what the clock on
//! the wall shows.

mod civil;
mod windows;

pub(crate) use civil::minute_of_day;
pub use civil::{LocalDate, LocalDateTime, Weekday};
pub use windows::{Day, HoursError, OpeningHours, Window};
