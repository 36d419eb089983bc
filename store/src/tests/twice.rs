//! Every write of a call may come twice: who kept it while the database was away does not know whether it was taken.

use super::*;
use serde_json::json;

fn event(kind: &str, at: i64) -> CallEvent {
    CallEvent {
        at: UnixMillis(START.0 + at),
        kind: kind.into(),
        detail: Pii::new(json!({ "leg": 1 })),
    }
}

/// A call from its beginning to its end.
async fn write_all(
    store: &Store,
    call: &NewCall,
    ticket: TicketId,
    said: &FinalSegment,
    answered: bool,
) {
    let id = call.id;
    let seat = LegRef { call: id, slot: 1, seq: 0 };
    let once = |outcome: Result<(), StoreError>| match outcome {
        Ok(()) | Err(StoreError::Exists { .. }) => {}
        Err(error) => panic!("{error}"),
    };
    once(store.begin_call_as(call.clone(), ticket).await.map(|_| ()));
    let queued = CallRoute { queue: Some("综合".into()), ..CallRoute::default() };
    store.route_call(id, queued).await.unwrap();
    store.call_event(id, event("queued", 1)).await.unwrap();
    store.answer_call(id, UnixMillis(START.0 + 2), Some("a.wav".into())).await.unwrap();
    let first = LegRef { call: id, slot: 0, seq: 0 };
    store.leg_answered(first, UnixMillis(START.0 + 2), None).await.unwrap();
    if answered {
        once(
            store
                .leg_began(LegBegin {
                    leg: seat,
                    role: LegRole::Seat,
                    target: Pii::new("801".into()),
                    name: None,
                    sip_call_id: None,
                    remote: None,
                    at: UnixMillis(START.0 + 3),
                })
                .await,
        );
        store.leg_answered(seat, UnixMillis(START.0 + 4), Some("b.wav".into())).await.unwrap();
        store.leg_is_heard(seat, 40).await.unwrap();
        store.record_final(id, said.clone(), &[tag(Field::Title, "路灯坏了")]).await.unwrap();
        store.record_gap(id, gap(1_000, 2_000)).await.unwrap();
        store.call_event(id, event("hold", 5)).await.unwrap();
        store.call_event(id, event("hold", 6)).await.unwrap();
        store
            .leg_ended(LegEnd {
                leg: seat,
                at: UnixMillis(START.0 + 7),
                hung_up_by: "peer".into(),
                cause: "caller_hung_up".into(),
                sip_code: None,
                quality: None,
                track: None,
            })
            .await
            .unwrap();
    }
    let recording = if answered { ended(id).recording } else { RecordingEnd::Nothing };
    store.end_call(CallEnd { answered, recording, ..ended(id) }).await.unwrap();
    store.captions_closed(id).await.unwrap();
}

/// Rows of the log by their kinds, and all that is known of the call.
async fn known(store: &Store, id: CallId) -> (Vec<String>, String) {
    let LogPage::Rows { rows, .. } = store.log(Some(0), 500).await.unwrap() else {
        panic!("nothing was deleted")
    };
    let kinds = rows.into_iter().map(|row| row.kind).collect();
    let row = store.call(id).await.unwrap().unwrap();
    let ticket = store.ticket(row.ticket.unwrap()).await.unwrap().unwrap();
    let all = format!(
        "{row:?} {:?} {:?} {:?} {:?} {} {:?}",
        store.legs(id).await.unwrap(),
        store.call_events(id).await.unwrap(),
        store.transcript(id).await.unwrap(),
        store.recordings(id).await.unwrap(),
        ticket.revision,
        store.open_captions().await.unwrap(),
    );
    (kinds, all)
}

on_both!(all_writes_of_a_call_may_come_twice);
async fn all_writes_of_a_call_may_come_twice(on: On) {
    for answered in [true, false] {
        let (_dir, store) = fresh(on).await;
        let (call, ticket, said) = (new_call(), Store::new_ticket(), said("路灯坏了。"));
        write_all(&store, &call, ticket, &said, answered).await;
        let once = known(&store, call.id).await;
        assert!(once.1.matches("\"hold\"").count() == if answered { 2 } else { 0 }, "{}", once.1);
        assert_eq!(once.0.iter().filter(|kind| *kind == "call.ended").count(), 1);
        write_all(&store, &call, ticket, &said, answered).await;
        assert_eq!(known(&store, call.id).await, once, "answered: {answered}");
    }
}

#[test]
fn what_is_away_is_told_from_what_is_refused() {
    for away in [
        StoreError::Away("x".into()),
        StoreError::Unknown("x".into()),
        StoreError::Overloaded,
        StoreError::Database(sqlx::Error::WorkerCrashed),
        StoreError::from(sqlx::Error::PoolTimedOut),
        StoreError::from(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())),
    ] {
        assert!(away.is_away(), "{away}");
    }
    for refused in [
        StoreError::NotFound { what: "call", id: "x".into() },
        StoreError::Unkeepable,
        StoreError::DiskFull,
        StoreError::Closed,
        StoreError::Database(sqlx::Error::RowNotFound),
    ] {
        assert!(!refused.is_away(), "{refused}");
    }
}
