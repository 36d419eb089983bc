//! Whatever there is, every call and every ticket of a span is counted once.

use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The district is the place's first two characters, where there are three.
fn district_of(place: &str) -> String {
    if place.chars().count() < 3 { String::new() } else { place.chars().take(2).collect() }
}

/// A call somewhere in three days around midnights, whatever becomes of it, and its ticket.
async fn made(store: &Store, random: &mut StdRng) {
    let directions =
        [Direction::Inbound, Direction::Inbound, Direction::Outbound, Direction::Callback];
    let day = random.random_range(0..3) * DAY_MS;
    let near_midnight = random.random_range(-2_000..2_000);
    let started_at = UnixMillis(match random.random_bool(0.5) {
        true => START.0 + day + near_midnight,
        false => START.0 + day + random.random_range(0..DAY_MS),
    });
    let direction = directions[random.random_range(0..4)];
    let call = NewCall { started_at, direction, ..new_call() };
    let id = call.id;
    let ticket = store.begin_call(call).await.unwrap();
    let is_answered = random.random_bool(0.7);
    if random.random_bool(0.8) {
        let wait = random.random_range(0..30_000);
        let route =
            CallRoute { queue: Some("综合".into()), queue_wait_ms: Some(wait), enterprise: None };
        store.route_call(id, route).await.unwrap();
    }
    if is_answered {
        store.answer_call(id, UnixMillis(started_at.0 + 900), None).await.unwrap();
    }
    let is_taken = is_answered && random.random_bool(0.7);
    if is_taken {
        let leg = LegRef { call: id, slot: 1, seq: 0 };
        let begin = LegBegin {
            leg,
            role: LegRole::Seat,
            target: Pii::new("1001".into()),
            name: None,
            sip_call_id: None,
            remote: None,
            at: started_at,
        };
        store.leg_began(begin).await.unwrap();
        store.leg_answered(leg, UnixMillis(started_at.0 + 1_000), None).await.unwrap();
    }
    let mut tags = Vec::new();
    let mut perhaps = |field, values: &[&str]| {
        if let Some(value) = values.get(random.random_range(0..values.len() + 2)) {
            tags.push(tag(field, value));
        }
    };
    perhaps(
        Field::Category,
        &["城管/市容/占道", "城管/市容", "城管", "供水/停水", "供水/停水/无故"],
    );
    perhaps(Field::Place, &["西湖文一路", "上城中河路", "那边"]);
    perhaps(Field::HandlingUnit, &["城管局", "水务集团"]);
    perhaps(Field::AppealKind, &["投诉", "咨询"]);
    if !tags.is_empty() {
        store.record_final(id, said("说过"), &tags).await.unwrap();
    }
    if random.random_bool(0.6) {
        // Somebody has looked meanwhile; what a person edits later is counted anew.
        if random.random_bool(0.3) {
            store.read_facts(&district_of, 10_000).await.unwrap();
        }
        let revision = store.ticket(ticket).await.unwrap().unwrap().revision;
        let edit = vec![(Field::Place, "余杭良渚".to_owned()), (Field::Category, String::new())];
        let edited = store.edit_ticket(ticket, revision, edit, "1001").await.unwrap();
        if random.random_bool(0.5) {
            store.confirm_ticket(ticket, edited.revision, "1001").await.unwrap();
        }
    }
    if random.random_bool(0.9) {
        let missed = (direction == Direction::Inbound && !is_taken && random.random_bool(0.8))
            .then(|| MissedEnd { why: "abandoned".into(), wanted: false });
        let end = CallEnd {
            ended_at: UnixMillis(started_at.0 + 90_000),
            answered: is_answered,
            missed,
            recording: RecordingEnd::Nothing,
            ..ended(id)
        };
        store.end_call(end).await.unwrap();
    }
}

async fn listed_calls(store: &Store, from: UnixMillis, to: UnixMillis) -> Vec<CallRow> {
    let mut query = CallQuery { from: Some(from), to: Some(to), limit: 50, ..CallQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = store.calls(&query).await.unwrap();
        query.before = page.last().map(|call| call.id);
        let is_last = page.len() < 50;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

async fn listed_tickets(store: &Store, from: UnixMillis, to: UnixMillis) -> Vec<TicketRow> {
    let mut query = TicketQuery { limit: 50, ..TicketQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = store.tickets(&query).await.unwrap();
        query.before = page.last().map(|ticket| ticket.id);
        let is_last = page.len() < 50;
        all.extend(page);
        if is_last {
            all.retain(|ticket| (from.0..to.0).contains(&ticket.created_at.0));
            return all;
        }
    }
}

/// Compares all counts of a span with the lists.
async fn reconcile(store: &Store, from: UnixMillis, to: UnixMillis, are_read: bool) -> usize {
    let calls = listed_calls(store, from, to).await;
    let mut expected: BTreeMap<(i64, &str), [u64; 6]> = BTreeMap::new();
    for call in &calls {
        let hour = (call.started_at.0 + 8 * HOUR_MS).div_euclid(HOUR_MS);
        let counts = expected.entry((hour, call.direction.as_str())).or_default();
        let (is_taken, has_queue) = (call.seat.is_some(), call.queue.is_some());
        let is_in_time = call.queue_wait_ms.is_some_and(|wait| wait <= 15_000);
        let is = [
            true,
            is_taken,
            !is_taken && call.missed.is_some(),
            has_queue && (is_taken || call.ended_at.is_some()),
            has_queue && is_taken && is_in_time,
            call.answered_at.is_some(),
        ];
        counts.iter_mut().zip(is).for_each(|(count, is)| *count += u64::from(is));
    }
    let counted = store.count_calls(from, to).await.unwrap();
    let counted: BTreeMap<_, _> = counted
        .iter()
        .map(|of| {
            let counts = [of.calls, of.taken, of.missed, of.queued, of.in_time, of.answered];
            ((of.hour, of.direction.as_str()), counts)
        })
        .collect();
    assert_eq!(counted, expected);

    let tickets = listed_tickets(store, from, to).await;
    let groups = store.count_tickets(from, to).await.unwrap();
    assert_eq!(groups.iter().map(|group| group.tickets).sum::<u64>(), tickets.len() as u64);
    if are_read {
        let mut expected: BTreeMap<(TicketKind, &str), u64> = BTreeMap::new();
        for ticket in &tickets {
            let value = |field| {
                let value = ticket.draft.field(field).map(|value| value.value.expose().clone());
                value.unwrap_or_default()
            };
            let of = TicketKind {
                district: district_of(&value(Field::Place)),
                category: value(Field::Category),
                unit: value(Field::HandlingUnit),
                kind: value(Field::AppealKind),
            };
            *expected.entry((of, ticket.status.as_str())).or_default() += 1;
        }
        let counted: BTreeMap<_, _> = groups
            .into_iter()
            .map(|group| ((group.of, group.status.as_str()), group.tickets))
            .collect();
        assert_eq!(counted, expected);
    }
    calls.len()
}

on_both!(every_call_and_every_ticket_is_counted_once);
async fn every_call_and_every_ticket_is_counted_once(on: On) {
    let (_dir, store) = fresh(on).await;
    let mut random = StdRng::seed_from_u64(12_345);
    for _ in 0..150 {
        made(&store, &mut random).await;
    }
    let day = |n: i64| UnixMillis(START.0 + n * DAY_MS);
    // Not read yet: the sums are right nevertheless.
    reconcile(&store, day(-1), day(4), false).await;
    assert_eq!(store.read_facts(&district_of, 10_000).await.unwrap(), 0);
    let mut calls = 0;
    for n in -1..4 {
        calls += reconcile(&store, day(n), day(n + 1), true).await;
    }
    assert_eq!((calls, reconcile(&store, day(-1), day(4), true).await), (150, 150));
    // The groups of topics are the tickets that have a category.
    let tickets = store.counted_tickets(day(-1), day(4), 10_000).await.unwrap();
    let topics = store.count_topics(day(-1), day(4)).await.unwrap();
    assert!(tickets.len() > 20 && tickets.iter().all(|ticket| !ticket.of.category.is_empty()));
    for topic in &topics {
        let is_of = |ticket: &&CountedTicket| {
            (&ticket.of.category, &ticket.of.district) == (&topic.category, &topic.district)
        };
        assert_eq!(tickets.iter().filter(is_of).count() as u64, topic.tickets);
    }
    assert_eq!(topics.iter().map(|topic| topic.tickets).sum::<u64>(), tickets.len() as u64);
    assert_eq!(store.first_ticket_at().await.unwrap(), {
        let all = listed_tickets(&store, day(-1), day(4)).await;
        all.iter().map(|ticket| ticket.created_at).min()
    });
}

on_both!(a_ticket_that_changed_is_read_again_whoever_wrote_it);
async fn a_ticket_that_changed_is_read_again_whoever_wrote_it(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    store.record_final(call, said("停水"), &[tag(Field::Category, "供水/停水")]).await.unwrap();
    assert_eq!(store.read_facts(&district_of, 10).await.unwrap(), 0);
    let count = async || {
        let day = UnixMillis(START.0 + DAY_MS);
        let groups = store.count_tickets(START, day).await.unwrap();
        groups.into_iter().map(|group| (group.of.category, group.tickets)).collect::<Vec<_>>()
    };
    assert_eq!(count().await, [("供水/停水".to_owned(), 1)]);
    // As a server writes that knows nothing of the counts.
    let statement = "UPDATE tickets SET revision = revision + 1, draft = '{}'";
    store.write(Sql(statement)).await.unwrap();
    assert_eq!(count().await, [("供水/停水".to_owned(), 1)], "as it was, until it is read");
    assert_eq!(store.read_facts(&district_of, 10).await.unwrap(), 0);
    assert_eq!(count().await, [(String::new(), 1)]);
    assert!(store.ticket(ticket).await.unwrap().is_some());
}

on_both!(a_callbacks_untouched_draft_goes_from_the_counts_too);
async fn a_callbacks_untouched_draft_goes_from_the_counts_too(on: On) {
    let (_dir, store) = fresh(on).await;
    let (_, kept) = begun(&store).await;
    let follow_up = super::handling::rung(&store).await;
    let call = store.attempts(follow_up).await.unwrap()[0].call;
    let row = NewCall { id: call, direction: Direction::Callback, ..new_call() };
    let draft = store.begin_call(row).await.unwrap();
    let counted = async || {
        let day = UnixMillis(START.0 + DAY_MS);
        let groups = store.count_tickets(START, day).await.unwrap();
        groups.iter().map(|group| group.tickets).sum::<u64>()
    };
    // Once with facts and once while it waits for them.
    assert_eq!(store.read_facts(&district_of, 10).await.unwrap(), 0);
    assert_eq!(counted().await, 2);
    store.drop_untouched_draft(call).await.unwrap();
    assert_eq!((counted().await, store.ticket(draft).await.unwrap()), (1, None));
    assert!(store.ticket(kept).await.unwrap().is_some());
    for table in ["ticket_facts", "tickets_to_count", "ticket_docs", "ticket_phones"] {
        let left = rows_of(&store, table).await;
        assert!(!left.contains(&draft.to_string()), "{table}: {left}");
    }
    assert_eq!(store.read_facts(&district_of, 10).await.unwrap(), 0, "nothing waits that is gone");
}

/// All of a table, as text.
async fn rows_of(store: &Store, table: &str) -> String {
    let all = super::citizens::dump(store).await;
    let of = all.into_iter().filter(|(place, _)| place.starts_with(&format!("{table}.")));
    of.map(|(_, text)| text + "\n").collect()
}
