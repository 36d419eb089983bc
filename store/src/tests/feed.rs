//! The log of changes: whole, in order, in the transaction of what it tells, and honest about what is deleted.

use super::*;
use crate::feed::LogPage;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(15);

fn later(seconds: i64) -> UnixMillis {
    UnixMillis(START.0 + seconds * 1_000)
}

async fn rows(store: &Store, after: Option<i64>, limit: u32) -> (Vec<OutboxRow>, i64) {
    match store.log(after, limit).await.unwrap() {
        LogPage::Rows { rows, next } => (rows, next),
        LogPage::Gone => panic!("what is behind {after:?} is gone"),
    }
}

async fn kinds(store: &Store) -> Vec<String> {
    rows(store, None, 500).await.0.into_iter().map(|row| row.kind).collect()
}

fn seat_leg(call: CallId) -> LegBegin {
    LegBegin {
        leg: LegRef { call, slot: 1, seq: 0 },
        role: LegRole::Seat,
        target: Pii::new("801".into()),
        name: None,
        sip_call_id: None,
        remote: None,
        at: later(2),
    }
}

fn left(leg: LegRef) -> LegEnd {
    LegEnd {
        leg,
        at: later(8),
        hung_up_by: "seat".into(),
        cause: "normal".into(),
        sip_code: None,
        quality: None,
        track: None,
    }
}

on_both!(every_step_of_a_call_and_its_ticket_is_in_the_log_and_no_number_is);
async fn every_step_of_a_call_and_its_ticket_is_in_the_log_and_no_number_is(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    let route = CallRoute { queue: Some("综合".into()), ..CallRoute::default() };
    store.route_call(call, route).await.unwrap();
    let leg = seat_leg(call);
    store.leg_began(leg.clone()).await.unwrap();
    store.answer_call(call, later(2), None).await.unwrap();
    store.answer_call(call, later(3), None).await.unwrap();
    store.leg_answered(leg.leg, later(2), None).await.unwrap();
    store.record_final(call, said("翠湖小区"), &[tag(Field::Place, "翠湖小区")]).await.unwrap();
    store.confirm_ticket(ticket, 1, "801").await.unwrap();
    store.leg_ended(left(leg.leg)).await.unwrap();
    store.end_call(ended(call)).await.unwrap();
    let expected = [
        "call.began",
        "ticket.created",
        "call.queued",
        "call.answered",
        "call.joined",
        "ticket.updated",
        "ticket.confirmed",
        "call.left",
        "call.ended",
    ];
    assert_eq!(kinds(&store).await, expected);
    let (all, _) = rows(&store, None, 500).await;
    let told: String = all.iter().map(|row| row.payload.expose().to_string()).collect();
    assert!(!told.contains("13800138000") && !told.contains("翠湖"), "{told}");
    assert!(told.contains("\"seat\":\"801\""), "{told}");
    // What the ticket system is told is as it was.
    let for_relay = store.outbox(&OutboxQuery { limit: 9, ..Default::default() }).await.unwrap();
    let for_relay: Vec<_> = for_relay.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(for_relay, ["ticket.updated", "ticket.confirmed", "call.ended"]);
}

on_both!(a_missed_call_is_told_from_its_list_to_its_call_back);
async fn a_missed_call_is_told_from_its_list_to_its_call_back(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    let missed = MissedEnd { why: "abandoned".into(), wanted: true };
    store.end_call(CallEnd { missed: Some(missed), ..ended(call) }).await.unwrap();
    store.claim_missed(call, "801").await.unwrap().unwrap();
    assert!(store.claim_missed(call, "802").await.unwrap().is_none());
    let (callback, _) = begun(&store).await;
    store.calling_back(call, callback).await.unwrap();
    store.called_back(call, false).await.unwrap();
    store.reopen_missed(call, "801").await.unwrap().unwrap();
    // The citizen calls again and is missed again.
    let (second, _) = begun(&store).await;
    let again = MissedEnd { why: "abandoned".into(), wanted: false };
    store.missed_call(second, again).await.unwrap();
    let (all, _) = rows(&store, None, 500).await;
    let states: Vec<_> = all
        .iter()
        .filter(|row| row.kind == "call.missed")
        .map(|row| (row.stream.clone(), row.payload.expose()["state"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        (call, "open"),
        (call, "calling"),
        (call, "calling"),
        (call, "failed"),
        (call, "open"),
        (call, "called_again"),
        (second, "open"),
    ];
    assert_eq!(states, expected.map(|(call, state)| (call.to_string(), state.to_owned())));
}

on_both!(a_change_that_cannot_be_told_is_not_made);
async fn a_change_that_cannot_be_told_is_not_made(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    // As if the program died between the change and its row: the database takes no row.
    let full = match on {
        On::Sqlite => vec![
            "CREATE TRIGGER no_rows BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'no'); END",
        ],
        On::Postgres => vec![
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'no'; END $$",
            "CREATE TRIGGER no_rows BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION no()",
        ],
    };
    for statement in full {
        store.write(Sql(statement)).await.unwrap();
    }
    let before = kinds(&store).await;
    assert!(store.answer_call(call, START, None).await.is_err());
    assert!(store.end_call(ended(call)).await.is_err());
    let edit = vec![(Field::Place, "五栋".to_owned())];
    assert!(store.edit_ticket(ticket, 0, edit, "801").await.is_err());
    assert!(store.begin_call(new_call()).await.is_err());
    let row = store.call(call).await.unwrap().unwrap();
    assert_eq!((row.answered_at, row.ended_at), (None, None));
    assert_eq!(store.ticket(ticket).await.unwrap().unwrap().revision, 0);
    let calls = store.calls(&CallQuery { limit: 9, ..CallQuery::default() }).await.unwrap();
    assert_eq!((calls.len(), kinds(&store).await), (1, before));
}

on_both!(who_reads_on_while_two_programs_write_misses_nothing);
async fn who_reads_on_while_two_programs_write_misses_nothing(on: On) {
    const CALLS: usize = 120;
    let (_dir, one) = fresh(on).await;
    let two = again(&one).await;
    let reader = again(&one).await;
    let writes = join_all((0..CALLS).map(|n| {
        let store = if n % 2 == 0 { one.clone() } else { two.clone() };
        async move {
            let (call, _) = begun(&store).await;
            store.answer_call(call, START, None).await.unwrap();
            store.end_call(ended(call)).await.unwrap();
        }
    }));
    let follow = async {
        let (mut seen, mut after) = (Vec::new(), None);
        while seen.len() < CALLS * 4 {
            let (page, next) = rows(&reader, after, 7).await;
            seen.extend(page);
            after = Some(next);
            tokio::task::yield_now().await;
        }
        seen
    };
    let (_, seen) = tokio::join!(writes, follow);
    assert!(seen.windows(2).all(|pair| pair[0].id < pair[1].id), "in order and none twice");
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = rows(&one, after, 500).await;
        if page.is_empty() {
            break;
        }
        all.extend(page);
        after = Some(next);
    }
    assert_eq!(seen, all);
    let mut of_call = std::collections::BTreeMap::<_, Vec<_>>::new();
    for row in seen.iter().filter(|row| row.kind.starts_with("call.")) {
        of_call.entry(row.stream.clone()).or_default().push(row.kind.as_str());
    }
    assert_eq!(of_call.len(), CALLS);
    assert!(of_call.values().all(|of| *of == ["call.began", "call.answered", "call.ended"]));
}

on_both!(what_was_deleted_unread_is_told_and_the_last_row_stays);
async fn what_was_deleted_unread_is_told_and_the_last_row_stays(on: On) {
    let (_dir, store) = fresh(on).await;
    let (first, _) = begun(&store).await;
    let (old, cursor) = rows(&store, None, 1).await;
    assert_eq!(old.len(), 1);
    store.answer_call(first, later(100), None).await.unwrap();
    let (_, end) = rows(&store, Some(cursor), 9).await;
    // One is deleted that the reader has not had.
    assert_eq!(store.prune_outbox(later(50)).await.unwrap(), 2);
    assert_eq!(store.log(Some(cursor), 9).await.unwrap(), LogPage::Gone);
    assert_eq!(store.log(Some(cursor + 99), 9).await.unwrap(), LogPage::Gone, "no such place");
    assert_eq!(rows(&store, None, 9).await.0.len(), 1);
    assert_eq!(rows(&store, Some(end), 9).await, (Vec::new(), end));
    // The last one stays, so that its id comes to nobody else.
    assert_eq!(store.prune_outbox(later(999)).await.unwrap(), 0);
    begun(&store).await;
    let (new, _) = rows(&store, Some(end), 9).await;
    assert!(new.iter().all(|row| row.id > end) && new.len() == 2, "{new:?}");
}

on_both!(who_was_ahead_of_a_restored_log_is_told);
async fn who_was_ahead_of_a_restored_log_is_told(on: On) {
    let (_dir, store) = fresh(on).await;
    begun(&store).await;
    let (_, end) = rows(&store, None, 9).await;
    // What a reader had of the changes since the backup.
    let ahead = end + 3;
    store.log_restored(later(0)).await.unwrap();
    begun(&store).await;
    begun(&store).await;
    assert_eq!(store.log(Some(ahead), 9).await.unwrap(), LogPage::Gone);
    let (new, _) = rows(&store, Some(end), 9).await;
    assert_eq!(new.len(), 5, "who was not ahead goes on: the mark, and two changes of each call");
    assert!(new.iter().all(|row| row.id > ahead + 1_000));
}

on_both!(a_receiver_goes_on_where_it_was_whichever_server_pushes);
async fn a_receiver_goes_on_where_it_was_whichever_server_pushes(on: On) {
    let (_dir, one) = fresh(on).await;
    let two = again(&one).await;
    begun(&one).await;
    // A new receiver begins at the end of the log.
    let start = one.claim_feed("city", "one", LEASE, START).await.unwrap().unwrap();
    assert_eq!(rows(&one, Some(start), 9).await.0.len(), 0);
    assert_eq!(two.claim_feed("city", "two", LEASE, later(14)).await.unwrap(), None);
    assert_eq!(one.claim_feed("city", "one", LEASE, later(14)).await.unwrap(), Some(start));
    begun(&two).await;
    let (new, next) = rows(&one, Some(start), 9).await;
    assert_eq!(new.len(), 2);
    assert!(one.advance_feed("city", "one", next - 1, later(15)).await.unwrap());
    // `one` dies; its lease runs out, and the row that was not noted comes again.
    assert_eq!(two.claim_feed("city", "two", LEASE, later(30)).await.unwrap(), Some(next - 1));
    assert!(!one.advance_feed("city", "one", next, later(31)).await.unwrap(), "it is another's");
    assert!(two.advance_feed("city", "two", next, later(31)).await.unwrap());
    assert!(!two.advance_feed("city", "two", start, later(32)).await.unwrap(), "never back");
    assert_eq!(two.claim_feed("city", "two", LEASE, later(33)).await.unwrap(), Some(next));
}
