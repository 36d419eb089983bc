//! Legs, timeline, recordings, and who called before.

use super::*;
use serde_json::json;
use std::time::Duration;

pub(super) fn leg(call: CallId, slot: u8, role: LegRole, target: &str) -> LegBegin {
    LegBegin {
        leg: LegRef { call, slot, seq: 0 },
        role,
        target: Pii::new(target.into()),
        name: None,
        sip_call_id: Some(format!("{slot}@us")),
        remote: None,
        at: UnixMillis(START.0 + 3_000),
    }
}

pub(super) fn leg_end(leg: LegRef) -> LegEnd {
    LegEnd {
        leg,
        at: UnixMillis(START.0 + 9_000),
        hung_up_by: "peer".into(),
        cause: "hung_up".into(),
        sip_code: None,
        quality: Some(MediaQuality { mos: Some(4.1), ..MediaQuality::default() }),
        track: None,
    }
}

/// Rings a seat in slot 1 and lets it answer.
pub(super) async fn seat_answers(store: &Store, call: CallId, extension: &str) -> LegRef {
    let seat = leg(call, 1, LegRole::Seat, extension);
    let at = seat.leg;
    store.leg_began(seat).await.unwrap();
    store.leg_answered(at, UnixMillis(START.0 + 4_000), None).await.unwrap();
    at
}

on_both!(a_slot_is_used_again_and_every_leg_stays);
async fn a_slot_is_used_again_and_every_leg_stays(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    let first = leg(call, 1, LegRole::Seat, "1001");
    store.leg_began(first.clone()).await.unwrap();
    assert!(matches!(store.leg_began(first.clone()).await, Err(StoreError::Exists { .. })));
    let no_answer = LegEnd { sip_code: Some(408), ..leg_end(first.leg) };
    store.leg_ended(no_answer.clone()).await.unwrap();
    store.leg_ended(LegEnd { cause: "late".into(), ..no_answer }).await.unwrap();
    let second =
        LegBegin { leg: LegRef { seq: 1, ..first.leg }, ..leg(call, 1, LegRole::Seat, "1002") };
    store.leg_began(second.clone()).await.unwrap();
    let track = Some("t1.qtr".to_owned());
    store.leg_answered(second.leg, UnixMillis(START.0 + 5_000), track).await.unwrap();
    let info = RecordingInfo {
        file: "t1.qtr".into(),
        bytes: Some(9),
        duration_ms: Some(4_000),
        key_id: Some("k1".into()),
        chain_head: Some("00ff".into()),
        pauses: vec![Pause { from_ms: 1, to_ms: 2 }],
        ..RecordingInfo::default()
    };
    store.leg_ended(LegEnd { track: Some(info.clone()), ..leg_end(second.leg) }).await.unwrap();

    let legs = store.legs(call).await.unwrap();
    let seen: Vec<_> = legs.iter().map(|leg| (leg.slot, leg.seq, leg.cause.as_deref())).collect();
    assert_eq!(seen, [(0, 0, None), (1, 0, Some("hung_up")), (1, 1, Some("hung_up"))]);
    assert_eq!((legs[1].sip_code, legs[1].answered_at), (Some(408), None));
    assert_eq!(legs[2].quality.as_ref().unwrap().mos, Some(4.1));
    let row = store.call(call).await.unwrap().unwrap();
    assert_eq!(row.seat.as_deref(), Some("1002"));
    let recordings = store.recordings(call).await.unwrap();
    assert_eq!((recordings.len(), &recordings[0].info), (1, &info));
    assert_eq!(recordings[0].key.kind, RecordingKind::Track);
    assert!(store.took_part("1002", call, START).await.unwrap());
    assert!(!store.took_part("1001", call, START).await.unwrap(), "its telephone only rang");
    assert!(!store.took_part("1003", call, START).await.unwrap());
    assert!(!store.took_part("1002", call, UnixMillis(START.0 + 4_000)).await.unwrap());
    let query =
        |seat: &str| CallQuery { limit: 9, with_seat: Some(seat.into()), ..CallQuery::default() };
    assert_eq!(store.calls(&query("1001")).await.unwrap().len(), 1);
    assert!(store.calls(&query("13800138000")).await.unwrap().is_empty());
    assert!(!format!("{legs:?}").contains("1002"));
}

on_both!(legs_of_unknown_calls_are_refused_and_the_end_of_a_call_ends_its_legs);
async fn legs_of_unknown_calls_are_refused_and_the_end_of_a_call_ends_its_legs(on: On) {
    let (_dir, store) = fresh(on).await;
    let stranger = CallId::new(Uuid::now_v7());
    let unknown = leg(stranger, 1, LegRole::Seat, "1001");
    assert!(matches!(
        store.leg_began(unknown.clone()).await,
        Err(StoreError::NotFound { what: "call", .. })
    ));
    for refused in [
        store.leg_answered(unknown.leg, START, None).await,
        store.leg_ended(leg_end(unknown.leg)).await,
    ] {
        assert!(matches!(refused, Err(StoreError::NotFound { what: "leg", .. })), "{refused:?}");
    }
    let (call, _) = begun(&store).await;
    seat_answers(&store, call, "1001").await;
    store.end_call(ended(call)).await.unwrap();
    for leg in store.legs(call).await.unwrap() {
        assert_eq!(leg.ended_at, Some(UnixMillis(START.0 + 60_000)));
        assert_eq!(leg.cause.as_deref(), Some("caller_hung_up"));
    }
}

on_both!(an_outbound_call_has_a_ticket_and_no_leg_yet);
async fn an_outbound_call_has_a_ticket_and_no_leg_yet(on: On) {
    let (_dir, store) = fresh(on).await;
    let call = NewCall { direction: Direction::Callback, dialog: None, ..new_call() };
    let id = call.id;
    store.begin_call(call).await.unwrap();
    let row = store.call(id).await.unwrap().unwrap();
    assert_eq!((row.direction, row.sip_call_id), (Direction::Callback, None));
    assert_eq!(row.ticket_number.as_deref(), Some("20260101-000001"));
    assert!(store.legs(id).await.unwrap().is_empty());
}

on_both!(a_call_keeps_its_way_and_its_timeline);
async fn a_call_keeps_its_way_and_its_timeline(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    let queued = CallRoute { queue: Some("general".into()), ..CallRoute::default() };
    store.route_call(call, queued).await.unwrap();
    let taken =
        CallRoute { queue_wait_ms: Some(7_000), enterprise: Some(true), ..Default::default() };
    store.route_call(call, taken).await.unwrap();
    let row = store.call(call).await.unwrap().unwrap();
    assert_eq!(
        (row.queue.as_deref(), row.queue_wait_ms, row.enterprise),
        (Some("general"), Some(7_000), true)
    );
    let query = CallQuery { limit: 9, queue: Some("general".into()), ..CallQuery::default() };
    assert_eq!(store.calls(&query).await.unwrap().len(), 1);

    let event =
        |kind: &str, detail| CallEvent { at: START, kind: kind.into(), detail: Pii::new(detail) };
    store.call_event(call, event("queued", json!({ "queue": "general" }))).await.unwrap();
    let long = "字".repeat(EVENT_DETAIL_BYTES_MAX);
    store.call_event(call, event("transfer", json!({ "to": long }))).await.unwrap();
    let stranger = CallId::new(Uuid::now_v7());
    assert!(store.call_event(stranger, event("queued", json!(null))).await.is_err());
    let timeline = store.call_events(call).await.unwrap();
    assert_eq!(timeline[0], event("queued", json!({ "queue": "general" })));
    assert_eq!(timeline[1], event("transfer", json!(null)));
}

on_both!(recordings_go_when_the_operator_said_so_and_never_before);
async fn recordings_go_when_the_operator_said_so_and_never_before(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    store.answer_call(call, START, Some("a.wav".into())).await.unwrap();
    store.end_call(ended(call)).await.unwrap();
    let ever = UnixMillis(i64::MAX);
    assert!(store.recordings_due(ever, None, 9).await.unwrap().is_empty());

    store.retain_recordings(Some(Duration::from_secs(60))).await.unwrap();
    let day = UnixMillis(START.0 + 120_000);
    assert!(store.recordings_due(UnixMillis(day.0 - 1), None, 9).await.unwrap().is_empty());
    // Of a call that ends later, and its running one is never due.
    let (later, _) = begun(&store).await;
    store.answer_call(later, START, Some("b.wav".into())).await.unwrap();
    let due = store.recordings_due(ever, None, 9).await.unwrap();
    assert_eq!(due.iter().map(|due| due.row.key.call).collect::<Vec<_>>(), [call]);
    assert_eq!(due[0].row.delete_after, Some(day));
    store.end_call(ended(later)).await.unwrap();
    let both = store.recordings_due(day, None, 9).await.unwrap();
    assert_eq!(both.len(), 2);
    let first = store.recordings_due(day, None, 1).await.unwrap();
    assert_eq!(store.recordings_due(day, Some(&first[0]), 9).await.unwrap(), both[1..]);
    // The calls are of before servers had names: on a server's database the files may be another's.
    assert!(both.iter().all(|due| due.is_ours == (on == On::Sqlite)));
    store.name_server("one".into());
    assert_eq!(store.recordings_due(day, None, 9).await.unwrap(), both);

    store.recording_deleted(due[0].row.key, "retention").await.unwrap();
    store.recording_deleted(due[0].row.key, "retention").await.unwrap();
    assert_eq!(store.call(call).await.unwrap().unwrap().recording, None);
    assert!(store.recordings(call).await.unwrap()[0].deleted_at.is_some());
    let query = AuditQuery { limit: 9, subject: Some(call.to_string()), before: None };
    assert_eq!(store.audit_lines(&query).await.unwrap().len(), 1);

    store.retain_recordings(None).await.unwrap();
    assert!(store.recordings_due(ever, None, 9).await.unwrap().is_empty());
}

on_both!(a_citizen_goes_back_to_the_seat_that_knows_the_matter);
async fn a_citizen_goes_back_to_the_seat_that_knows_the_matter(on: On) {
    let (_dir, store) = fresh(on).await;
    seats::make(&store, "1001").await;
    let now = crate::clock::now();
    let ago = |ms: i64| UnixMillis(now.0 - ms);
    let mut ids = Vec::new();
    for (started_at, seat) in
        [(ago(lookups::LAST_SEAT_MS_MAX + 1_000), "1009"), (ago(10_000), "1001"), (ago(5_000), "")]
    {
        let call = NewCall { started_at, ..new_call() };
        ids.push(call.id);
        store.begin_call(call.clone()).await.unwrap();
        if !seat.is_empty() {
            seat_answers(&store, call.id, seat).await;
        }
    }
    let caller = "13800138000";
    assert_eq!(store.last_seat_of(caller).await.unwrap().as_deref(), Some("1001"));
    let recent = store.recent_calls_of(caller, ago(60_000)).await.unwrap();
    assert_eq!(recent.iter().map(|call| call.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
    assert_eq!(recent[1].seat.as_deref(), Some("1001"));
    for nobody in ["", "anonymous", "13900139000"] {
        assert_eq!(store.last_seat_of(nobody).await.unwrap(), None);
        assert!(store.recent_calls_of(nobody, START).await.unwrap().is_empty());
    }
    let change = SeatChange { disabled: Some(true), ..SeatChange::default() };
    store.change_seat("1001", None, change, "admin").await.unwrap();
    assert_eq!(store.last_seat_of(caller).await.unwrap(), None);
}

on_both!(the_duty_list_is_replaced_as_a_whole);
async fn the_duty_list_is_replaced_as_a_whole(on: On) {
    let (_dir, store) = fresh(on).await;
    assert_eq!(store.duty().await.unwrap(), DutyList::default());
    let department =
        Department {
            code: "SCJG".into(), name: "市场监管局".into(), aliases: vec!["工商".into()]
        };
    let number = |number: &str| DutyTarget::Number(Pii::new(number.into()));
    let expert = |name: &str, targets| DutyExpert { name: Pii::new(name.into()), targets };
    let shift = |expert, order| Shift {
        department: "SCJG".into(),
        expert,
        weekdays: Weekdays(0b001_1111),
        first: Some(Date(20_260_101)),
        last: None,
        from_minute: 9 * 60,
        to_minute: 18 * 60,
        order,
    };
    let list = DutyList {
        departments: vec![department.clone()],
        experts: vec![
            expert("王工", vec![number("88880001"), number("13800138000")]),
            expert("李工", vec![DutyTarget::Extension("8002".into())]),
        ],
        shifts: vec![shift(0, 1), shift(1, 2), shift(0, 300)],
    };
    store.replace_duty(list.clone(), None, "admin").await.unwrap();
    assert_eq!(store.duty().await.unwrap(), list);
    // What does not fit together changes nothing.
    let broken = DutyList { shifts: vec![shift(7, 1)], ..list.clone() };
    assert!(store.replace_duty(broken, None, "admin").await.is_err());
    assert_eq!(store.duty().await.unwrap(), list);
    let next = DutyList { departments: vec![department], ..DutyList::default() };
    store.replace_duty(next.clone(), None, "admin").await.unwrap();
    assert_eq!(store.duty().await.unwrap(), next);
    assert!(!format!("{list:?}").contains("88880001"));
}
