//! 办理时限 of a ticket that goes to a unit, where nobody gives one.

use super::Profile;
use crate::LocalTime;
use crate::draft::{Field, TicketDraft};
use qingting_common::UnixMillis;

/// Hours for what is urgent (紧急), whatever its category.
pub const EMERGENCY_HOURS: i64 = 2;
const HOUR_MS: i64 = 3_600_000;

impl Profile {
    /// Natural hours from now, nights and holidays among them: those of what is urgent; else until the moment that
    /// stands in the draft, such as 24 hours for 涉旅; else those of the category. None where nothing sets one, or
    /// the moment is over.
    pub fn deadline(&self, draft: &TicketDraft, now: UnixMillis) -> Option<UnixMillis> {
        let text = |field| {
            let value = draft.field(field)?.value.expose().as_str();
            Some(value).filter(|value| !value.is_empty())
        };
        let in_hours = |hours: i64| UnixMillis(now.0.saturating_add(hours.saturating_mul(HOUR_MS)));
        if text(Field::Emergency).is_some() {
            return Some(in_hours(EMERGENCY_HOURS));
        }
        let said = text(Field::Deadline).and_then(moment).filter(|at| *at > now);
        said.or_else(|| {
            let path: Vec<&str> = text(Field::Category)?.split('/').collect();
            let code = self.categories.code_of(&path)?;
            Some(in_hours(self.categories.deadline_hours(code)?.into()))
        })
    }
}

/// `YYYY-MM-DDTHH:MM` in China; a seat may write a blank for the T.
fn moment(text: &str) -> Option<UnixMillis> {
    let (date, time) = text.split_once(['T', ' '])?;
    let mut date = date.splitn(3, '-');
    let mut part = || date.next()?.parse::<u16>().ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let (hour, minute) = time.split_once(':')?;
    let at = LocalTime {
        year: year.into(),
        month: month.try_into().ok().filter(|month| (1..=12).contains(month))?,
        day: day.try_into().ok().filter(|day| (1..=31).contains(day))?,
        hour: hour.parse().ok().filter(|hour| *hour < 24)?,
        minute: minute.parse().ok().filter(|minute| *minute < 60)?,
    };
    at.exists().then(|| at.to_unix_ms())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gazetteer;
    use crate::profile::Part;
    use crate::table::Table;

    const NOW: UnixMillis = UnixMillis(1_767_196_800_000);

    fn profile() -> Profile {
        let table = "编码,上级编码,名称,办理时限（小时）\nA,,市容,120\nA1,A,占道,\nA2,A,路灯,24\nB,,其他,\n";
        let given = |part| {
            (part == Part::Categories).then(|| Table::from_csv("categories.csv", table.as_bytes()))
        };
        Profile::of_tables(given, &Gazetteer::empty()).unwrap()
    }

    fn hours(fields: &[(Field, &str)]) -> Option<i64> {
        let mut draft = TicketDraft::default();
        for (field, value) in fields {
            draft.edit(*field, (*value).to_owned());
        }
        Some((profile().deadline(&draft, NOW)?.0 - NOW.0) / HOUR_MS)
    }

    #[test]
    fn a_category_has_its_own_hours_or_those_above_it() {
        let of = |path| hours(&[(Field::Category, path)]);
        assert_eq!(
            (of("市容/路灯"), of("市容/占道"), of("市容")),
            (Some(24), Some(120), Some(120))
        );
        assert_eq!((of("其他"), of("没有/这个"), hours(&[])), (None, None, None));
    }

    #[test]
    fn what_is_urgent_goes_first_and_then_what_a_rule_or_a_person_set() {
        let category = (Field::Category, "市容/路灯");
        // 2026-01-01 00:00 in China is now.
        let by_rule = (Field::Deadline, "2026-01-02T06:30");
        assert_eq!(hours(&[category, by_rule]), Some(30));
        assert_eq!(hours(&[category, (Field::Deadline, "2026-01-01 03:00")]), Some(3));
        assert_eq!(hours(&[category, by_rule, (Field::Emergency, "119")]), Some(EMERGENCY_HOURS));
        for nothing in ["2025-12-31T23:00", "尽快", "2026-02-30T00:00", "2026-01-02T25:00", "", "T"]
        {
            assert_eq!(hours(&[category, (Field::Deadline, nothing)]), Some(24), "{nothing}");
        }
    }
}
