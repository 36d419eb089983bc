//! Requests that count once.

use super::*;
use crate::once::RUNNING_MS_MAX;
use std::collections::BTreeMap;

fn key(request: &str) -> RequestKey {
    RequestKey { who: "li".into(), key: "k".into(), request: request.into() }
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
    assert_eq!(claims.iter().filter(|claim| **claim == KeyClaim::New).count(), 1);
    assert!(claims.iter().all(|claim| matches!(claim, KeyClaim::New | KeyClaim::Running)));
    assert_eq!(two.claim_request(key("b"), false).await.unwrap(), KeyClaim::Other);
    one.answer_request(key("a"), answer("1")).await.unwrap();
    one.answer_request(key("a"), answer("2")).await.unwrap();
    let again = two.claim_request(key("a"), false).await.unwrap();
    assert_eq!(again, KeyClaim::Answered(answer("1")), "the first answer counts");
    one.release_request(key("a")).await.unwrap();
    let again = two.claim_request(key("a"), false).await.unwrap();
    assert_eq!(again, KeyClaim::Answered(answer("1")), "an answer is not given back");
    let others = RequestKey { who: "wang".into(), ..key("b") };
    assert_eq!(one.claim_request(others, false).await.unwrap(), KeyClaim::New);
}

on_both!(an_answer_is_kept_for_a_day_and_a_key_that_was_given_back_not_at_all);
async fn an_answer_is_kept_for_a_day_and_a_key_that_was_given_back_not_at_all(on: On) {
    let (_dir, store) = fresh(on).await;
    assert_eq!(store.claim_request(key("a"), false).await.unwrap(), KeyClaim::New);
    store.release_request(key("a")).await.unwrap();
    assert_eq!(store.claim_request(key("b"), false).await.unwrap(), KeyClaim::New);
    store.answer_request(key("b"), answer("1")).await.unwrap();
    age(&store, crate::once::KEPT_MS - 60_000).await;
    let kept = store.claim_request(key("b"), false).await.unwrap();
    assert_eq!(kept, KeyClaim::Answered(answer("1")));
    age(&store, 120_000).await;
    assert_eq!(store.claim_request(key("c"), false).await.unwrap(), KeyClaim::New);
}

on_both!(a_request_whose_server_died_is_done_again_only_where_that_is_safe);
async fn a_request_whose_server_died_is_done_again_only_where_that_is_safe(on: On) {
    let (_dir, store) = fresh(on).await;
    assert_eq!(store.claim_request(key("a"), false).await.unwrap(), KeyClaim::New);
    age(&store, RUNNING_MS_MAX + 1_000).await;
    assert_eq!(store.claim_request(key("a"), false).await.unwrap(), KeyClaim::Lost);
    assert_eq!(store.claim_request(key("a"), true).await.unwrap(), KeyClaim::New);
    assert_eq!(store.claim_request(key("a"), true).await.unwrap(), KeyClaim::Running);
}

on_both!(what_is_made_and_its_answer_are_both_there_or_neither_is);
async fn what_is_made_and_its_answer_are_both_there_or_neither_is(on: On) {
    let (_dir, store) = fresh(on).await;
    let once = |request: &str| {
        let answer = |seat: &SeatInfo| answer(&seat.extension);
        Some(Once { key: key(request), answer: Box::new(answer) })
    };
    store.claim_request(key("a"), true).await.unwrap();
    store.create_seat_once(seat("801"), "li", once("a")).await.unwrap();
    // The answer is there without another word of the server, which may have died.
    let kept = store.claim_request(key("a"), true).await.unwrap();
    assert_eq!(kept, KeyClaim::Answered(answer("801")));

    let second = RequestKey { key: "k2".into(), ..key("b") };
    store.claim_request(second.clone(), true).await.unwrap();
    let keep = |seat: &SeatInfo| answer(&seat.extension);
    let once = Once { key: second.clone(), answer: Box::new(keep) };
    let refused = store.create_seat_once(seat("801"), "li", Some(once)).await;
    assert!(matches!(refused, Err(SeatError::Exists)));
    assert_eq!(store.claim_request(second, true).await.unwrap(), KeyClaim::Running, "no answer");
}
