//! When an expert is on duty.

use crate::hours::{LocalDate, LocalDateTime, Weekday, Window};
use std::collections::BTreeSet;

/// One expert's duty: on these weekdays between these dates, within this window of the day.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shift {
    /// The code of the department.
    pub department: String,
    /// The expert's number in the list of experts.
    pub expert: usize,
    /// On which weekdays it begins; none stands for all.
    pub weekdays: BTreeSet<Weekday>,
    /// The first date, if there is one.
    pub first: Option<LocalDate>,
    /// The last date, if there is one.
    pub last: Option<LocalDate>,
    /// When; a night ends on the next day.
    pub window: Window,
    /// Who is rung first: 1 before 2.
    pub order: u16,
}

impl Shift {
    /// Whether a duty of this shift begins on a date.
    pub fn begins_on(&self, date: LocalDate) -> bool {
        (self.weekdays.is_empty() || self.weekdays.contains(&date.weekday()))
            && self.first.is_none_or(|first| first <= date)
            && self.last.is_none_or(|last| date <= last)
    }

    /// Whether the expert is on duty.
    pub fn holds(&self, at: LocalDateTime) -> bool {
        let next_day = at.minute() + Window::ALL_DAY.to;
        self.begins_on(at.date()) && self.window.holds(at.minute())
            || self.begins_on(at.date().previous()) && self.window.holds(next_day)
    }
}
