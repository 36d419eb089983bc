//! Topics with their tickets, and those among them that rise. Pure.

use qingting_common::UnixMillis;
use qingting_nlu::rising::{TICKETS_MIN, WEEKS_MIN, rise};
use qingting_store::{CountedTicket, TopicCount};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use utoipa::ToSchema;

/// Topics that are given, and tickets behind each.
const TOPICS_MAX: usize = 50;
const BEHIND_MAX: usize = 100;

/// Topics that rise.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Rising {
    /// The time that is compared, in Unix milliseconds.
    pub(super) from: i64,
    /// Its end, which is not in it.
    pub(super) to: i64,
    /// Past weeks that it was compared with, at most eight; with fewer than three no topic is given.
    pub(super) weeks: usize,
    /// Topics that had at least five tickets: one in a thousand of them is here by chance.
    pub(super) compared: usize,
    /// The most surprising first, at most 50.
    pub(super) topics: Vec<RisingTopic>,
}

/// A topic that rises.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RisingTopic {
    /// The path of the category.
    pub(super) category: String,
    /// The district; none for the category in the whole city.
    pub(super) district: Option<String>,
    /// The unit that most of its tickets name.
    pub(super) unit: Option<String>,
    /// Its tickets.
    pub(super) tickets: u64,
    /// What past weeks let expect.
    pub(super) expected: f64,
    /// How likely so many or more would be by chance, 0 to 1.
    pub(super) chance: f64,
    /// Its tickets in the same hours of the past weeks, the last week first.
    pub(super) past: Vec<u64>,
    /// Its tickets, oldest first, at most 100.
    pub(super) behind: Vec<TicketBehind>,
}

/// A ticket of a topic.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TicketBehind {
    ticket: String,
    number: String,
    call: String,
    created_at: i64,
}

impl TicketBehind {
    pub(super) fn number(&self) -> &str {
        &self.number
    }
}

/// Category and district; no district: everywhere.
type Topic<'a> = (&'a str, Option<&'a str>);

impl Rising {
    pub(super) fn of(
        from: UnixMillis,
        to: UnixMillis,
        now: Vec<CountedTicket>,
        weeks: &[Vec<TopicCount>],
    ) -> Self {
        let mut topics: BTreeMap<Topic<'_>, Vec<&CountedTicket>> = BTreeMap::new();
        for ticket in &now {
            for topic in topics_of(&ticket.of.category, &ticket.of.district) {
                topics.entry(topic).or_default().push(ticket);
            }
        }
        let mut past: HashMap<Topic<'_>, Vec<u64>> = HashMap::new();
        for (week, counts) in weeks.iter().enumerate() {
            for count in counts {
                for topic in topics_of(&count.category, &count.district) {
                    past.entry(topic).or_insert_with(|| vec![0; weeks.len()])[week] +=
                        count.tickets;
                }
            }
        }
        topics.retain(|_, tickets| tickets.len() as u64 >= TICKETS_MIN);
        let compared = topics.len();
        let nothing = vec![0; weeks.len()];
        let mut rising: Vec<RisingTopic> = topics
            .iter()
            .filter_map(|((category, district), tickets)| {
                let past = past.get(&(*category, *district)).unwrap_or(&nothing);
                let rise = rise(tickets.len() as u64, past)?;
                Some(RisingTopic {
                    category: (*category).to_owned(),
                    district: district.map(str::to_owned),
                    unit: unit(tickets),
                    tickets: tickets.len() as u64,
                    expected: rise.expected,
                    chance: rise.chance,
                    past: past.clone(),
                    behind: tickets.iter().take(BEHIND_MAX).map(|ticket| behind(ticket)).collect(),
                })
            })
            .collect();
        // The whole city is no news where it does not rise without the districts that rise by themselves.
        let rest = |topic: &RisingTopic| {
            let of =
                |other: &&RisingTopic| other.district.is_some() && other.category == topic.category;
            let mut rest = (topic.tickets, topic.past.clone());
            for district in rising.iter().filter(of) {
                rest.0 -= district.tickets;
                rest.1.iter_mut().zip(&district.past).for_each(|(all, of)| *all -= of);
            }
            rest
        };
        let is_news: Vec<bool> = rising
            .iter()
            .map(|topic| {
                let (now, past) = rest(topic);
                topic.district.is_some() || rise(now, &past).is_some()
            })
            .collect();
        let mut is_news = is_news.into_iter();
        rising.retain(|_| is_news.next().unwrap_or_default());
        rising.sort_by(|a, b| a.chance.total_cmp(&b.chance));
        rising.truncate(TOPICS_MAX);
        let weeks = weeks.len();
        debug_assert!(weeks >= WEEKS_MIN || rising.is_empty());
        Self { from: from.0, to: to.0, weeks, compared, topics: rising }
    }
}

/// A ticket is one of its category everywhere, and of its district where that is certain.
fn topics_of<'a>(category: &'a str, district: &'a str) -> impl Iterator<Item = Topic<'a>> {
    let district = (!district.is_empty()).then_some(district);
    [Some((category, None)), district.map(|district| (category, Some(district)))]
        .into_iter()
        .flatten()
}

/// The unit of most tickets; none where most name none.
fn unit(tickets: &[&CountedTicket]) -> Option<String> {
    let mut units: BTreeMap<&str, usize> = BTreeMap::new();
    for ticket in tickets {
        *units.entry(ticket.of.unit.as_str()).or_default() += 1;
    }
    let (unit, _) = units.into_iter().max_by_key(|(_, count)| *count)?;
    (!unit.is_empty()).then(|| unit.to_owned())
}

fn behind(ticket: &CountedTicket) -> TicketBehind {
    TicketBehind {
        ticket: ticket.id.to_string(),
        number: ticket.number.clone(),
        call: ticket.call.to_string(),
        created_at: ticket.created_at.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qingting_common::{CallId, TicketId};
    use qingting_store::TicketKind;
    use uuid::Uuid;

    fn tickets(category: &str, district: &str, count: u128) -> Vec<CountedTicket> {
        let ticket = |n| CountedTicket {
            id: TicketId::new(Uuid::from_u128(n)),
            number: n.to_string(),
            call: CallId::new(Uuid::from_u128(n)),
            created_at: UnixMillis(0),
            of: TicketKind {
                district: district.into(),
                category: category.into(),
                unit: "供水公司".into(),
                kind: String::new(),
            },
        };
        (0..count).map(ticket).collect()
    }

    fn week(topics: &[(&str, &str, u64)]) -> Vec<TopicCount> {
        let count = |(category, district, tickets): &(&str, &str, u64)| TopicCount {
            category: (*category).into(),
            district: (*district).into(),
            tickets: *tickets,
        };
        topics.iter().map(count).collect()
    }

    fn of(now: Vec<CountedTicket>, weeks: &[Vec<TopicCount>]) -> Rising {
        Rising::of(UnixMillis(0), UnixMillis(1), now, weeks)
    }

    #[test]
    fn a_burst_in_one_district_is_one_topic_with_its_tickets() {
        let usual = vec![week(&[("供水/停水", "西湖区", 1), ("噪声", "上城区", 9)]); 8];
        let now = [("供水/停水", "西湖区", 12), ("供水/停水", "上城区", 2), ("噪声", "上城区", 9)];
        let rising = of(now.map(|(what, of, n)| tickets(what, of, n)).concat(), &usual);
        assert_eq!((rising.compared, rising.topics.len()), (4, 1));
        let topic = &rising.topics[0];
        assert_eq!((topic.district.as_deref(), topic.tickets), (Some("西湖区"), 12));
        assert_eq!((topic.behind.len(), topic.past.as_slice()), (12, [1; 8].as_slice()));
        assert_eq!(topic.unit.as_deref(), Some("供水公司"));
    }

    #[test]
    fn what_rises_a_little_everywhere_is_a_topic_of_the_city() {
        let now: Vec<_> = ["甲区", "乙区", "丙区", ""].map(|of| tickets("供暖", of, 4)).concat();
        let rising = of(now, &vec![week(&[("供暖", "甲区", 1)]); 8]);
        let districts: Vec<_> = rising.topics.iter().map(|topic| topic.district.clone()).collect();
        assert_eq!((districts, rising.topics[0].tickets), (vec![None], 16));
    }

    #[test]
    fn without_weeks_nothing_is_said() {
        let rising = of(tickets("供暖", "甲区", 50), &[Vec::new(), Vec::new()]);
        assert_eq!((rising.weeks, rising.topics.len()), (2, 0));
    }
}
