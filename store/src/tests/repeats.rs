//! Earlier tickets of a caller, a place or a number are found again.

use super::*;
use qingting_nlu::profile::KindName;
use qingting_nlu::repeats::Reason;

const DAY_MS: i64 = 86_400_000;

/// A call of that caller, so many days after [`START`], whose ticket says this.
async fn told(store: &Store, caller: &str, day: i64, fields: &[(Field, &str)]) -> CallId {
    let started_at = UnixMillis(START.0 + day * DAY_MS);
    let call = NewCall { caller: Pii::new(caller.into()), started_at, ..new_call() };
    let id = call.id;
    store.begin_call(call).await.unwrap();
    let tags: Vec<Tag> = fields.iter().map(|(field, value)| tag(*field, value)).collect();
    store.record_final(id, said("说过"), &tags).await.unwrap();
    id
}

async fn calls(store: &Store, call: CallId) -> Vec<CallId> {
    store.repeats(call).await.unwrap().iter().map(|repeat| repeat.ticket.call).collect()
}

on_both!(repeats_are_found_by_caller_place_and_number);
async fn repeats_are_found_by_caller_place_and_number(on: On) {
    let (_dir, store) = fresh(on).await;
    let smoke = [(Field::Place, "阳光花园小区三栋"), (Field::Title, "楼下饭店油烟很大")];
    let of_caller = told(&store, "13800138001", 0, &smoke[1..]).await;
    let of_place = told(&store, "13800138002", 1, &smoke).await;
    let school = [(Field::Place, "阳光花园小区三栋"), (Field::Title, "孩子上小学怎么报名")];
    let other = told(&store, "13800138003", 1, &school).await;
    let present = told(&store, "13800138001", 2, &smoke).await;
    let found = store.repeats(present).await.unwrap();
    let ids: Vec<CallId> = found.iter().map(|repeat| repeat.ticket.call).collect();
    assert!(
        ids.contains(&of_caller) && ids.contains(&of_place) && !ids.contains(&other),
        "{found:?}"
    );
    let by_caller = found.iter().find(|repeat| repeat.ticket.call == of_caller).unwrap();
    assert_eq!(by_caller.reasons[0], Reason::Caller);
    assert!(calls(&store, of_caller).await.is_empty(), "nothing is earlier");

    let number = store.ticket_of_call(other).await.unwrap().unwrap().number.replace('-', "");
    let saying = [(Field::EarlierTicket, number.as_str()), (Field::AppealKind, "催办")];
    let said = told(&store, "13800138009", 3, &saying).await;
    assert_eq!(calls(&store, said).await, [other]);
}

on_both!(callers_without_a_number_are_not_one_caller_and_a_corrected_place_is_found_alone);
async fn callers_without_a_number_are_not_one_caller_and_a_corrected_place_is_found_alone(on: On) {
    let (_dir, store) = fresh(on).await;
    let lamp = [(Field::Title, "路灯坏了没人修")];
    told(&store, "anonymous", 0, &lamp).await;
    let present = told(&store, "anonymous", 1, &lamp).await;
    assert!(calls(&store, present).await.is_empty());

    let wrong = [(Field::Place, "翠湖小区"), (Field::Title, "路灯坏了没人修")];
    let corrected = told(&store, "13800138001", 0, &wrong).await;
    let right = [tag(Field::Place, "月亮湾"), tag(Field::Title, "路灯坏了没人修")];
    store.record_final(corrected, said("不对"), &right).await.unwrap();
    let there = told(&store, "13800138002", 1, &wrong).await;
    assert!(calls(&store, there).await.is_empty());
    let here = [(Field::Place, "月亮湾"), (Field::Title, "路灯坏了没人修")];
    let here = told(&store, "13800138003", 1, &here).await;
    assert_eq!(calls(&store, here).await, [corrected]);
}

on_both!(recent_appeals_are_those_with_a_place);
async fn recent_appeals_are_those_with_a_place(on: On) {
    let (_dir, store) = fresh(on).await;
    let water = [(Field::Place, "幸福里小区"), (Field::Title, "停水了")];
    told(&store, "13800138001", 0, &water).await;
    told(&store, "13800138002", 5, &water[1..]).await;
    let last = told(&store, "anonymous", 6, &water).await;
    let recent = store.recent_appeals(UnixMillis(START.0 + DAY_MS)).await.unwrap();
    assert_eq!(recent.len(), 1);
    assert_eq!((recent[0].ticket.call, recent[0].caller.clone()), (last, None));
    assert_eq!(recent[0].words(), "停水了");
}

on_both!(an_earlier_ticket_is_meant_under_the_city_s_name_for_it_too);
async fn an_earlier_ticket_is_meant_under_the_city_s_name_for_it_too(on: On) {
    let kind =
        |name: &str| KindName { name: name.into(), kind: "催办".into(), meaning: String::new() };
    let lamp = [(Field::Title, "路灯坏了没人修")];
    let scores = async |kinds: &[KindName], said: &str| {
        let (_dir, store) = fresh(on).await;
        store.name_kinds(kinds);
        told(&store, "13800138001", 0, &lamp).await;
        let urging = [(Field::Title, "路灯坏了没人修"), (Field::AppealKind, said)];
        let present = told(&store, "13800138001", 1, &urging).await;
        store.repeats(present).await.unwrap()[0].score
    };
    let named = scores(&[kind("催单")], "催单").await;
    assert_eq!(named, scores(&[], "催办").await);
    assert!(named > scores(&[], "催单").await);
}

on_both!(the_last_ticket_of_a_caller_is_the_last_that_a_person_confirmed);
async fn the_last_ticket_of_a_caller_is_the_last_that_a_person_confirmed(on: On) {
    let (_dir, store) = fresh(on).await;
    let unit = |name| [(Field::HandlingUnit, name)];
    let confirmed = async |caller, day, name| {
        let call = told(&store, caller, day, &unit(name)).await;
        let ticket = store.ticket_of_call(call).await.unwrap().unwrap();
        store.confirm_ticket(ticket.id, ticket.revision, "1001").await.unwrap();
    };
    confirmed("13800138001", 0, "供水").await;
    confirmed("13800138001", 1, "供电").await;
    told(&store, "13800138001", 2, &unit("燃气")).await;
    confirmed("13800138002", 2, "城管").await;
    confirmed("anonymous", 2, "环保").await;
    let last = async |caller| {
        let call = told(&store, caller, 3, &unit("不知道")).await;
        let last = store.last_confirmed_of_caller(call).await.unwrap()?;
        Some(last.draft.field(Field::HandlingUnit).unwrap().value.expose().clone())
    };
    assert_eq!(last("13800138001").await.as_deref(), Some("供电"));
    assert_eq!(last("13800138009").await, None);
    assert_eq!(last("anonymous").await, None);
}
