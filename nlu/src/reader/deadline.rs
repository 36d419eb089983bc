//! 办理时限 where a rule sets one: a matter of travellers (涉旅) is due 24 hours after the call began.

use super::{CONFIDENCE_MIN, LocalTime};
use crate::draft::{Field, Tag};

/// Within how many minutes a matter of travellers is due.
const TOURISM_MINUTES: i64 = 24 * 60;

/// The deadline, with the confidence and the evidence of the flag that sets it.
pub(crate) fn read(flags: &[Tag], started: LocalTime) -> Option<Tag> {
    let sets = |flag: &&Tag| flag.field == Field::Tourism && flag.confidence >= CONFIDENCE_MIN;
    let flag = flags.iter().find(sets)?;
    let due = started.plus_minutes(TOURISM_MINUTES);
    Some(Tag { field: Field::Deadline, value: due.minute_iso(), ..flag.clone() })
}
