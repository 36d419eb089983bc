//! Who reached nobody is called back once.

use super::switchboard::seat_answers;
use super::*;

fn missed(why: &str, wanted: bool) -> MissedEnd {
    MissedEnd { why: why.into(), wanted }
}

/// A call of that citizen that ended without a seat.
async fn missed_by(store: &Store, caller: &str, wanted: bool) -> CallId {
    let call = NewCall { caller: Pii::new(caller.into()), ..new_call() };
    let id = call.id;
    store.begin_call(call).await.unwrap();
    let end = CallEnd { missed: Some(missed("abandoned", wanted)), ..ended(id) };
    store.end_call(end).await.unwrap();
    id
}

async fn one(store: &Store, call: CallId) -> MissedCall {
    let all = store.missed_calls(&MissedQuery { limit: 99, ..Default::default() }).await.unwrap();
    all.into_iter().find(|missed| missed.call == call).unwrap()
}

on_both!(of_many_claims_one_succeeds);
async fn of_many_claims_one_succeeds(on: On) {
    let (_dir, store) = fresh(on).await;
    let call = missed_by(&store, "13800138001", false).await;
    let row = one(&store, call).await;
    assert_eq!((row.state, row.why.as_str(), row.wanted), (MissedState::Open, "abandoned", false));
    assert_eq!(row.number_name.as_deref(), Some("main"));
    assert_eq!(store.call(call).await.unwrap().unwrap().missed.as_deref(), Some("abandoned"));
    let claims = (0..20).map(|n| {
        let store = store.clone();
        async move { store.claim_missed(call, &format!("10{n:02}")).await.unwrap() }
    });
    let claims: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    assert_eq!(claims.len(), 1);
    assert_eq!(one(&store, call).await.claimed_by, claims[0].claimed_by);
    let stranger = CallId::new(Uuid::now_v7());
    assert!(store.claim_missed(stranger, "1001").await.is_err());
}

on_both!(what_a_crash_left_claimed_is_opened_again_by_a_person_alone);
async fn what_a_crash_left_claimed_is_opened_again_by_a_person_alone(on: On) {
    let (_dir, store) = fresh(on).await;
    let call = missed_by(&store, "13800138001", true).await;
    store.claim_missed(call, "1001").await.unwrap().unwrap();
    let callback = CallId::new(Uuid::now_v7());
    store.calling_back(call, callback).await.unwrap();
    assert_eq!(one(&store, call).await.callback_call, Some(callback));
    // The server dies and starts again.
    store.close_orphans(START).await.unwrap();
    assert_eq!(one(&store, call).await.state, MissedState::Calling);
    assert!(store.claim_missed(call, "1002").await.unwrap().is_none());

    let row = store.reopen_missed(call, "admin").await.unwrap().unwrap();
    assert_eq!((row.state, row.wanted, row.claimed_by), (MissedState::Open, true, None));
    assert!(store.reopen_missed(call, "admin").await.unwrap().is_none());
    store.claim_missed(call, "1002").await.unwrap().unwrap();
    store.called_back(call, false).await.unwrap();
    assert_eq!(one(&store, call).await.state, MissedState::Failed);
    // The outcome is told once.
    store.called_back(call, true).await.unwrap();
    assert_eq!(one(&store, call).await.state, MissedState::Failed);
    store.reopen_missed(call, "admin").await.unwrap();
    store.claim_missed(call, "1001").await.unwrap().unwrap();
    store.called_back(call, true).await.unwrap();
    assert_eq!(one(&store, call).await.state, MissedState::Reached);
    assert!(store.reopen_missed(call, "admin").await.unwrap().is_none());
    let query = AuditQuery { limit: 9, subject: Some(call.to_string()), before: None };
    assert_eq!(store.audit_lines(&query).await.unwrap().len(), 2);
}

on_both!(who_calls_again_is_not_called_back_for_the_earlier_calls);
async fn who_calls_again_is_not_called_back_for_the_earlier_calls(on: On) {
    let (_dir, store) = fresh(on).await;
    let first = missed_by(&store, "13800138001", true).await;
    let other = missed_by(&store, "13800138002", false).await;
    let second = missed_by(&store, "13800138001", false).await;
    let row = one(&store, first).await;
    assert_eq!((row.state, row.called_again), (MissedState::CalledAgain, Some(second)));
    // The wish to be called back goes with the newer call.
    assert!(one(&store, second).await.wanted);

    let again = NewCall {
        caller: Pii::new("13800138001".into()),
        started_at: UnixMillis(START.0 + 90_000),
        ..new_call()
    };
    store.begin_call(again.clone()).await.unwrap();
    // It asks to be called back, and then a seat answers after all.
    store.missed_call(again.id, missed("asked", true)).await.unwrap();
    assert_eq!(one(&store, second).await.called_again, Some(again.id));
    seat_answers(&store, again.id, "1001").await;
    let row = one(&store, second).await;
    assert_eq!((row.state, row.called_again), (MissedState::CalledAgain, Some(again.id)));
    assert_eq!(one(&store, again.id).await.state, MissedState::Reached);
    assert_eq!(one(&store, other).await.state, MissedState::Open);
    assert!(store.claim_missed(second, "1001").await.unwrap().is_none());

    // Callers without a number are not one citizen.
    let [a, b] =
        [missed_by(&store, "anonymous", false).await, missed_by(&store, "anonymous", false).await];
    assert_eq!(one(&store, a).await.state, MissedState::Open);
    assert_eq!(one(&store, b).await.state, MissedState::Open);
}

on_both!(a_restart_lists_who_waited_for_a_seat_and_nobody_else);
async fn a_restart_lists_who_waited_for_a_seat_and_nobody_else(on: On) {
    let (_dir, store) = fresh(on).await;
    seats::make(&store, "1001").await;
    let (waiting, _) = begun(&store).await;
    let (talking, _) = begun(&store).await;
    seat_answers(&store, talking, "1001").await;
    let outbound = NewCall { direction: Direction::Outbound, dialog: None, ..new_call() };
    store.begin_call(outbound).await.unwrap();
    store.missed_call(waiting, missed("asked", true)).await.unwrap();
    assert_eq!(store.close_orphans(UnixMillis(START.0 + 9)).await.unwrap().len(), 3);
    let query = MissedQuery { limit: 9, ..MissedQuery::default() };
    let [row] = <[_; 1]>::try_from(store.missed_calls(&query).await.unwrap()).unwrap();
    assert_eq!((row.call, row.why.as_str(), row.wanted), (waiting, SERVER_RESTARTED, true));
}

on_both!(missed_calls_come_in_pages);
async fn missed_calls_come_in_pages(on: On) {
    let (_dir, store) = fresh(on).await;
    let mut expected = Vec::new();
    for n in 0..5 {
        expected.insert(0, missed_by(&store, &format!("1380013800{n}"), false).await);
    }
    let mut query = MissedQuery { limit: 2, state: Some(MissedState::Open), before: None };
    let mut seen = Vec::new();
    loop {
        let page = store.missed_calls(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.before = Some(last.call);
        seen.extend(page.iter().map(|missed| missed.call));
    }
    assert_eq!(seen, expected);
}
