//! Rows leave in the order of their stream, one process at a time, until a person must look.

use super::*;
use serde_json::json;
use std::time::Duration;

const NOW: UnixMillis = START;
const LEASE: Duration = Duration::from_secs(15);

struct Put {
    key: &'static str,
    kind: &'static str,
    stream: &'static str,
}

impl Command for Put {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut sqlx::AnyConnection) -> Result<(), StoreError> {
        let payload = json!({ "satisfied": "很满意" });
        crate::outbox::put(db, self.key, self.kind, self.stream, &payload, NOW).await
    }
}

async fn put(store: &Store, key: &'static str, stream: &'static str) {
    store.write(Put { key, kind: "ticket.updated", stream }).await.unwrap();
}

fn claim(owner: &str) -> OutboxClaim {
    let kinds = vec!["ticket.*".into(), "call.ended".into()];
    OutboxClaim { owner: owner.into(), kinds, limit: 9, lease: LEASE, fresh_first: false }
}

async fn claimed(store: &Store, owner: &str, now: UnixMillis) -> Vec<OutboxRow> {
    store.claim_outbox(claim(owner), now).await.unwrap()
}

fn keys(rows: &[OutboxRow]) -> Vec<&str> {
    rows.iter().map(|row| row.key.as_str()).collect()
}

fn later(seconds: i64) -> UnixMillis {
    UnixMillis(NOW.0 + seconds * 1_000)
}

async fn state_of(store: &Store, id: i64) -> OutboxState {
    let rows = store.outbox(&OutboxQuery { limit: 99, ..Default::default() }).await.unwrap();
    rows.into_iter().find(|row| row.id == id).unwrap().state
}

on_both!(a_row_never_overtakes_an_earlier_one_of_its_stream);
async fn a_row_never_overtakes_an_earlier_one_of_its_stream(on: On) {
    let (_dir, store) = fresh(on).await;
    for (key, stream) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")] {
        put(&store, key, stream).await;
    }
    let first = claimed(&store, "x", NOW).await;
    assert_eq!(keys(&first), ["a1", "b1"]);
    assert!(claimed(&store, "x", NOW).await.is_empty(), "both are under way");
    store.outbox_sent(first[0].id, NOW).await.unwrap();
    let second = claimed(&store, "x", NOW).await;
    assert_eq!(keys(&second), ["a2"]);
    let again = OutboxFailure::Again(later(5));
    assert!(store.outbox_failed(second[0].id, "x", "500", again, NOW).await.unwrap());
    assert!(claimed(&store, "x", later(4)).await.is_empty(), "a2 waits and holds back a3");
    let third = claimed(&store, "x", later(5)).await;
    assert_eq!((keys(&third), third[0].tries), (vec!["a2"], 1));
    assert_eq!(third[0].failing_since, Some(NOW));
    store.outbox_sent(third[0].id, NOW).await.unwrap();
    assert_eq!(keys(&claimed(&store, "x", later(5)).await), ["a3"]);
}

on_both!(two_processes_on_one_database_never_send_the_same_row);
async fn two_processes_on_one_database_never_send_the_same_row(on: On) {
    let (_dir, one) = fresh(on).await;
    let two = again(&one).await;
    let streams: Vec<&'static str> = (0..40).map(|n| &*format!("s{n}").leak()).collect();
    for stream in &streams {
        put(&one, stream, stream).await;
    }
    let few = |owner: &str| OutboxClaim { limit: 3, ..claim(owner) };
    let race = (0..40).map(|n| {
        let (store, owner) = if n % 2 == 0 { (one.clone(), "one") } else { (two.clone(), "two") };
        async move { store.claim_outbox(few(owner), NOW).await.unwrap() }
    });
    let mut taken: Vec<i64> = join_all(race).await.iter().flatten().map(|row| row.id).collect();
    assert_eq!(taken.len(), streams.len());
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), streams.len(), "a row was given out twice");
}

on_both!(a_lease_that_is_over_is_anothers_and_the_late_report_of_a_failure_changes_nothing);
async fn a_lease_that_is_over_is_anothers_and_the_late_report_of_a_failure_changes_nothing(on: On) {
    let (_dir, store) = fresh(on).await;
    put(&store, "a1", "a").await;
    let id = claimed(&store, "dead", NOW).await[0].id;
    assert!(claimed(&store, "x", later(14)).await.is_empty());
    assert_eq!(keys(&claimed(&store, "x", later(15)).await), ["a1"]);
    let late = store.outbox_failed(id, "dead", "timeout", OutboxFailure::Park, later(16)).await;
    assert!(!late.unwrap());
    assert_eq!(state_of(&store, id).await, OutboxState::Pending);
    // That the receiver has it is true, whoever says so.
    store.outbox_sent(id, later(16)).await.unwrap();
    assert_eq!(state_of(&store, id).await, OutboxState::Sent);
    assert!(!store.outbox_failed(id, "x", "late", OutboxFailure::Park, NOW).await.unwrap());
}

on_both!(a_parked_row_blocks_its_stream_until_a_person_decides);
async fn a_parked_row_blocks_its_stream_until_a_person_decides(on: On) {
    let (_dir, store) = fresh(on).await;
    for (key, stream) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        put(&store, key, stream).await;
    }
    let rows = claimed(&store, "x", NOW).await;
    let (a1, b1) = (rows[0].id, rows[1].id);
    let long = "错".repeat(900);
    assert!(store.outbox_failed(a1, "x", &long, OutboxFailure::Park, later(1)).await.unwrap());
    store.outbox_sent(b1, later(1)).await.unwrap();
    assert!(claimed(&store, "x", later(9)).await.is_empty());
    let parked = OutboxQuery { limit: 9, state: Some(OutboxState::Parked), ..Default::default() };
    let row = store.outbox(&parked).await.unwrap().remove(0);
    assert_eq!((row.key.as_str(), row.parked_at, row.tries), ("a1", Some(later(1)), 1));
    let error = row.last_error.clone().unwrap().into_inner();
    assert_eq!(error.chars().count(), crate::outbox::LAST_ERROR_CHARS_MAX);
    assert!(!format!("{row:?}").contains(['错', '满']), "{row:?}");
    let totals = store.outbox_totals().await.unwrap();
    assert_eq!((totals.pending, totals.parked, totals.oldest_at), (1, 1, Some(NOW)));

    assert!(!store.discard_outbox(b1, "li").await.unwrap(), "it is sent");
    assert!(store.retry_outbox(a1, "li").await.unwrap());
    let retried = claimed(&store, "x", later(9)).await;
    assert_eq!((keys(&retried), retried[0].tries, retried[0].failing_since), (vec!["a1"], 0, None));
    store.outbox_failed(a1, "x", "422", OutboxFailure::Park, later(9)).await.unwrap();
    assert_eq!(store.retry_parked_outbox("li").await.unwrap(), 1);
    claimed(&store, "x", later(9)).await;
    store.outbox_failed(a1, "x", "422", OutboxFailure::Park, later(9)).await.unwrap();
    assert!(store.discard_outbox(a1, "li").await.unwrap());
    assert_eq!(keys(&claimed(&store, "x", later(9)).await), ["a2"]);

    let lines = store.audit_lines(&AuditQuery { limit: 9, ..Default::default() }).await.unwrap();
    let lines: Vec<_> =
        lines.iter().map(|line| (line.by.as_str(), line.action.as_str(), &*line.subject)).collect();
    let expected = [("outbox.discard", "a1"), ("outbox.retry", "parked"), ("outbox.retry", "a1")];
    assert_eq!(lines, expected.map(|(action, subject)| ("li", action, subject)));
    let unknown = store.retry_outbox(99, "li").await;
    assert!(matches!(unknown, Err(StoreError::NotFound { what: "outbox row", .. })), "{unknown:?}");
}

on_both!(kinds_that_are_not_sent_hold_back_nobody);
async fn kinds_that_are_not_sent_hold_back_nobody(on: On) {
    let (_dir, store) = fresh(on).await;
    for (key, kind) in [("c1", "call.began"), ("c2", "call.ended"), ("t1", "ticketing")] {
        store.write(Put { key, kind, stream: "c" }).await.unwrap();
    }
    let rows = claimed(&store, "x", NOW).await;
    assert_eq!(keys(&rows), ["c2"]);
    assert_eq!(store.outbox_totals().await.unwrap().pending, 1);
    assert!(!store.outbox_is_due(NOW).await.unwrap(), "it is under way");
    store.outbox_sent(rows[0].id, NOW).await.unwrap();
    assert_eq!(store.prune_outbox(NOW).await.unwrap(), 0);
    // The last row stays: no id comes twice.
    assert_eq!(store.prune_outbox(later(1)).await.unwrap(), 2);
}

on_both!(a_probe_takes_what_failed_least);
async fn a_probe_takes_what_failed_least(on: On) {
    let (_dir, store) = fresh(on).await;
    put(&store, "a1", "a").await;
    let id = claimed(&store, "x", NOW).await[0].id;
    let again = OutboxFailure::Again(later(1));
    store.outbox_failed(id, "x", "503", again, NOW).await.unwrap();
    put(&store, "b1", "b").await;
    let probe = OutboxClaim { limit: 1, fresh_first: true, ..claim("x") };
    assert_eq!(keys(&store.claim_outbox(probe, later(9)).await.unwrap()), ["b1"]);
    assert!(store.outbox_is_due(later(9)).await.unwrap());
}
