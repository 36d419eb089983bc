//! Requests that count once.

use super::*;
use crate::once::RUNNING_MS_MAX;
use std::collections::BTreeMap;

fn key(request: &str) -> RequestKey {
    RequestKey { who: "li".into(), key: "k".into(), request: request.into() }
}

/// Claims what must be new.
async fn claimed(store: &Store, key: RequestKey, is_atomic: bool) -> RequestClaim {
    match store.claim_request(key, is_atomic).await.unwrap() {
        KeyClaim::New(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn answer(body: &str) -> KeptAnswer {
    KeptAnswer { status: 201, content_type: Some("application/json".into()), body: body.into() }
}

/// Lets the claimed key be so much older.
async fn age(store: &Store, ms: i64) {
    let sql = format!("UPDATE idempotency_keys SET at = at - {ms}");
    store.write(Sql(sql.leak())).await.unwrap();
}

fn seat(extension: &str) -> NewSeat {
    NewSeat {
        extension: extension.into(),
        name: "王芳".into(),
        role: SeatRole::Seat,
        skills: BTreeMap::new(),
        realm: "qingting".into(),
        password: Pii::new("correct horse".into()),
    }
}

on_both!(of_many_claims_of_a_key_one_succeeds_and_the_others_get_its_answer);
async fn of_many_claims_of_a_key_one_succeeds_and_the_others_get_its_answer(on: On) {
    let (_dir, one) = fresh(on).await;
    let two = again(&one).await;
    let claims = (0..20).map(|n| {
        let store = if n % 2 == 0 { one.clone() } else { two.clone() };
        async move { store.claim_request(key("a"), false).await.unwrap() }
    });
    let claims = join_all(claims).await;
    let mut new = Vec::new();
    for claim in claims {
        match claim {
            KeyClaim::New(claim) => new.push(claim),
            other => assert_eq!(other, KeyClaim::Running),
        }
    }
    assert_eq!(new.len(), 1);
    let claim = new.remove(0);
    assert_eq!(two.claim_request(key("b"), false).await.unwrap(), KeyClaim::Other);
    one.answer_request(claim.clone(), answer("1")).await.unwrap();
    one.answer_request(claim.clone(), answer("2")).await.unwrap();
    let again = two.claim_request(key("a"), false).await.unwrap();
    assert_eq!(again, KeyClaim::Answered(answer("1")), "the first answer counts");
    one.release_request(claim).await.unwrap();
    let again = two.claim_request(key("a"), false).await.unwrap();
    assert_eq!(again, KeyClaim::Answered(answer("1")), "an answer is not given back");
    let others = RequestKey { who: "wang".into(), ..key("b") };
    claimed(&one, others, false).await;
}

on_both!(an_answer_is_kept_for_a_day_and_a_key_that_was_given_back_not_at_all);
async fn an_answer_is_kept_for_a_day_and_a_key_that_was_given_back_not_at_all(on: On) {
    let (_dir, store) = fresh(on).await;
    let claim = claimed(&store, key("a"), false).await;
    store.release_request(claim).await.unwrap();
    let claim = claimed(&store, key("b"), false).await;
    store.answer_request(claim, answer("1")).await.unwrap();
    age(&store, crate::once::KEPT_MS - 60_000).await;
    let kept = store.claim_request(key("b"), false).await.unwrap();
    assert_eq!(kept, KeyClaim::Answered(answer("1")));
    age(&store, 120_000).await;
    claimed(&store, key("c"), false).await;
}

on_both!(a_request_whose_server_died_is_done_again_only_where_that_is_safe);
async fn a_request_whose_server_died_is_done_again_only_where_that_is_safe(on: On) {
    let (_dir, store) = fresh(on).await;
    claimed(&store, key("a"), false).await;
    age(&store, RUNNING_MS_MAX + 1_000).await;
    assert_eq!(store.claim_request(key("a"), false).await.unwrap(), KeyClaim::Lost);
    claimed(&store, key("a"), true).await;
    assert_eq!(store.claim_request(key("a"), true).await.unwrap(), KeyClaim::Running);
}

on_both!(what_is_made_and_its_answer_are_both_there_or_neither_is);
async fn what_is_made_and_its_answer_are_both_there_or_neither_is(on: On) {
    let (_dir, store) = fresh(on).await;
    let once = |claim: RequestClaim| {
        let answer = |seat: &SeatInfo| answer(&seat.extension);
        Some(Once { claim, answer: Box::new(answer) })
    };
    let claim = claimed(&store, key("a"), true).await;
    store.create_seat_once(seat("801"), "li", once(claim)).await.unwrap();
    // The answer is there without another word of the server, which may have died.
    let kept = store.claim_request(key("a"), true).await.unwrap();
    assert_eq!(kept, KeyClaim::Answered(answer("801")));

    let second = RequestKey { key: "k2".into(), ..key("b") };
    let claim = claimed(&store, second.clone(), true).await;
    let refused = store.create_seat_once(seat("801"), "li", once(claim)).await;
    assert!(matches!(refused, Err(SeatError::Exists)));
    assert_eq!(store.claim_request(second, true).await.unwrap(), KeyClaim::Running, "no answer");
}

on_both!(who_lost_its_claim_neither_answers_nor_frees_nor_does_what_another_does_now);
async fn who_lost_its_claim_neither_answers_nor_frees_nor_does_what_another_does_now(on: On) {
    let (_dir, store) = fresh(on).await;
    let slow = claimed(&store, key("a"), true).await;
    age(&store, RUNNING_MS_MAX + 1_000).await;
    let second = claimed(&store, key("a"), true).await;
    store.answer_request(slow.clone(), answer("of the slow one")).await.unwrap();
    store.release_request(slow.clone()).await.unwrap();
    assert_eq!(store.claim_request(key("a"), true).await.unwrap(), KeyClaim::Running);
    let once = |claim: RequestClaim| {
        let keep = |seat: &SeatInfo| answer(&seat.extension);
        Some(Once { claim, answer: Box::new(keep) })
    };
    let late = store.create_seat_once(seat("801"), "li", once(slow)).await;
    assert!(matches!(late, Err(SeatError::Store(StoreError::TakenOver))), "{late:?}");
    assert!(store.seats().await.unwrap().is_empty(), "it would be there twice");
    store.create_seat_once(seat("802"), "li", once(second)).await.unwrap();
    let kept = store.claim_request(key("a"), true).await.unwrap();
    assert_eq!(kept, KeyClaim::Answered(answer("802")));
}

on_both!(what_was_asked_with_another_secret_counts_as_the_same_request);
async fn what_was_asked_with_another_secret_counts_as_the_same_request(on: On) {
    let (_dir, store) = fresh(on).await;
    claimed(&store, key("s1:aa"), false).await;
    let again = async |request: &str| store.claim_request(key(request), false).await.unwrap();
    assert_eq!(again("s1:bb").await, KeyClaim::Other);
    // The secret was changed, or it is an older program's digest: nobody rings twice for that.
    for request in ["s1:aa", "s2:aa", "s2:cc", "aa"] {
        assert_eq!(again(request).await, KeyClaim::Running, "{request}");
    }
}
