//! Groups of the database as tables. Pure.

use qingting_common::UnixMillis;
use qingting_store::{CallGroup, Direction, TicketGroup, TicketKind, TicketStatus, china};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

const HOUR_MS: i64 = 3_600_000;
/// China's clock before UTC's.
const OFFSET_HOURS: i64 = 8;
/// Levels of categories that are counted each for itself; the last has whole paths.
const LEVELS: usize = 3;

/// Counts of calls and tickets of a span.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Insight {
    /// Its begin, in Unix milliseconds.
    pub(super) from: i64,
    /// Its end, which is not in it.
    pub(super) to: i64,
    /// All calls that started in it.
    pub(super) calls: CallCounts,
    /// Those by the hour of the day in which they started, 0 to 23.
    pub(super) calls_by_hour: Vec<CallCounts>,
    /// Those by day.
    pub(super) calls_by_day: Vec<CallsOfDay>,
    /// All own tickets that were made in it; imported ones are not counted.
    pub(super) tickets: TicketCounts,
    /// Those by the district of their place; without a name where it is not filled or not certain.
    pub(super) by_district: Vec<TicketsOf>,
    /// Those by the first level of their category, by the first two, and by the whole path.
    pub(super) by_category: Vec<Vec<TicketsOf>>,
    /// Those by the unit that is to handle them.
    pub(super) by_unit: Vec<TicketsOf>,
    /// Those by 诉求类型.
    pub(super) by_kind: Vec<TicketsOf>,
    /// Tickets, of whatever time, that were not read since they changed: they are counted by what they were before, or
    /// without a name.
    pub(super) unread: u64,
}

/// Counts of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CallCounts {
    /// All: inbound, outbound and callbacks.
    pub(super) calls: u64,
    /// Citizens who called: taken, missed and other.
    pub(super) inbound: u64,
    /// Of those, calls that a seat talked in.
    pub(super) taken: u64,
    /// Of those, calls whose citizen wanted a seat and reached nobody.
    pub(super) missed: u64,
    /// Of those, the rest: they run still, or the machine alone answered.
    pub(super) other: u64,
    /// Inbound calls that came into a queue and are over or taken.
    pub(super) queued: u64,
    /// Of those, calls that a seat took within 15 seconds.
    pub(super) in_time: u64,
    /// Calls that seats and campaigns made.
    pub(super) outbound: u64,
    /// Of those, answered ones.
    pub(super) outbound_answered: u64,
    /// Calls back to who had reached nobody.
    pub(super) callbacks: u64,
    /// Of those, calls that the citizen answered, not the seat alone.
    pub(super) callbacks_answered: u64,
}

/// Counts of calls of a day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CallsOfDay {
    /// `YYYY-MM-DD` in China.
    pub(super) day: String,
    /// Its counts.
    #[serde(flatten)]
    pub(super) counts: CallCounts,
}

/// Counts of tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TicketCounts {
    /// All.
    pub(super) tickets: u64,
    /// Those that a person confirmed.
    pub(super) confirmed: u64,
    /// Those that are drafts.
    pub(super) drafts: u64,
}

/// Counts of the tickets of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TicketsOf {
    /// What they have in common; none where it is not filled or not certain.
    pub(super) name: Option<String>,
    /// Their counts.
    #[serde(flatten)]
    pub(super) counts: TicketCounts,
}

impl Insight {
    pub(super) fn of(
        from: UnixMillis,
        to: UnixMillis,
        calls: &[CallGroup],
        tickets: &[TicketGroup],
        unread: u64,
    ) -> Self {
        let mut all = CallCounts::default();
        let mut hours = vec![CallCounts::default(); 24];
        let mut days: BTreeMap<i64, CallCounts> = (day_of(from)..=day_of(UnixMillis(to.0 - 1)))
            .map(|day| (day, CallCounts::default()))
            .collect();
        for group in calls {
            all.add(group);
            hours[group.hour.rem_euclid(24) as usize].add(group);
            days.entry(group.hour.div_euclid(24)).or_default().add(group);
        }
        let day = |(day, counts): (i64, CallCounts)| CallsOfDay {
            day: china::of(UnixMillis((day * 24 - OFFSET_HOURS) * HOUR_MS)).day_text(),
            counts,
        };
        let mut total = TicketCounts::default();
        tickets.iter().for_each(|group| total.add(group));
        let level = |levels| move |of: &TicketKind| cut(&of.category, levels).to_owned();
        Self {
            from: from.0,
            to: to.0,
            calls: all,
            calls_by_hour: hours,
            calls_by_day: days.into_iter().map(day).collect(),
            tickets: total,
            by_district: grouped(tickets, |of| of.district.clone()),
            by_category: (1..LEVELS)
                .chain([usize::MAX])
                .map(|levels| grouped(tickets, level(levels)))
                .collect(),
            by_unit: grouped(tickets, |of| of.unit.clone()),
            by_kind: grouped(tickets, |of| of.kind.clone()),
            unread,
        }
    }
}

fn day_of(at: UnixMillis) -> i64 {
    (at.0 + OFFSET_HOURS * HOUR_MS).div_euclid(24 * HOUR_MS)
}

/// The first levels of a path.
fn cut(path: &str, levels: usize) -> &str {
    let end = path.match_indices('/').nth(levels - 1).map_or(path.len(), |(at, _)| at);
    &path[..end]
}

/// The most tickets first, those without a name last.
fn grouped(tickets: &[TicketGroup], name: impl Fn(&TicketKind) -> String) -> Vec<TicketsOf> {
    let mut groups: BTreeMap<String, TicketCounts> = BTreeMap::new();
    for group in tickets {
        groups.entry(name(&group.of)).or_default().add(group);
    }
    let named = |(name, counts): (String, TicketCounts)| TicketsOf {
        name: (!name.is_empty()).then_some(name),
        counts,
    };
    let mut groups: Vec<_> = groups.into_iter().map(named).collect();
    groups.sort_by_key(|of| (of.name.is_none(), std::cmp::Reverse(of.counts.tickets)));
    groups
}

impl CallCounts {
    fn add(&mut self, group: &CallGroup) {
        self.calls += group.calls;
        match group.direction {
            Direction::Inbound => {
                self.inbound += group.calls;
                self.taken += group.taken;
                self.missed += group.missed;
                self.other += group.calls - group.taken - group.missed;
                self.queued += group.queued;
                self.in_time += group.in_time;
            }
            Direction::Outbound => {
                self.outbound += group.calls;
                self.outbound_answered += group.answered;
            }
            Direction::Callback => {
                self.callbacks += group.calls;
                self.callbacks_answered += group.answered;
            }
        }
    }

    /// The share taken in time; none without calls in queues.
    pub(super) fn level(&self) -> Option<f64> {
        (self.queued > 0).then(|| self.in_time as f64 / self.queued as f64)
    }
}

impl TicketCounts {
    fn add(&mut self, group: &TicketGroup) {
        self.tickets += group.tickets;
        match group.status {
            TicketStatus::Confirmed => self.confirmed += group.tickets,
            TicketStatus::Draft => self.drafts += group.tickets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_at_its_levels() {
        let cuts = |path| [1, 2, usize::MAX].map(|levels| cut(path, levels));
        assert_eq!(cuts("城管/市容/占道"), ["城管", "城管/市容", "城管/市容/占道"]);
        assert_eq!(cuts("城管"), ["城管"; 3]);
        assert_eq!(cuts(""), [""; 3]);
    }

    #[test]
    fn days_without_calls_are_there_and_a_day_ends_at_midnight_in_china() {
        let from = china::midnight(2026, 11, 26).unwrap();
        let to = UnixMillis(from.0 + 2 * 24 * HOUR_MS);
        let insight = Insight::of(from, to, &[], &[], 0);
        let days: Vec<_> = insight.calls_by_day.iter().map(|day| day.day.as_str()).collect();
        assert_eq!(days, ["2026-11-26", "2026-11-27"]);
    }
}
