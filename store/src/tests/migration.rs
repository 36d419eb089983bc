//! A database of the first schema becomes one of the newest without loss.

use super::*;
use crate::database::Database;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use std::borrow::Cow;
use std::path::Path;

/// The file as the first version wrote it: a call with all there is, one that was never answered,
/// and one that was running when the server died.
async fn of_the_first_schema(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut db: SqliteConnection = options.connect().await.unwrap();
    let all = Database::new(path.into()).unwrap().migrations();
    let first = all.iter().filter(|migration| migration.version == 1).cloned().collect();
    let first = Migrator { migrations: Cow::Owned(first), ..Migrator::DEFAULT };
    first.run(&mut db).await.unwrap();
    db.execute(
        r#"
        INSERT INTO calls VALUES
            ('00000000-0000-7000-8000-000000000001', '13800138000', '12345', 1000, 2000, 9000,
             'caller', 'caller_hung_up', 200, 'a.wav', 7000, 112044, 'abc', 1, 40,
             '{"packets_sent":350,"packets_received":349,"packets_lost":1,"jitter_ms":2.0,"rtt_ms":null,"mos":4.2}'),
            ('00000000-0000-7000-8000-000000000002', '13800138001', '12345', 1500, NULL, 1600,
             'caller', 'caller_cancelled', 487, NULL, NULL, NULL, NULL, 0, 0, NULL),
            ('00000000-0000-7000-8000-000000000003', '13800138002', '12345', 1700, 1800, NULL,
             NULL, NULL, NULL, 'c.wav', NULL, NULL, NULL, 0, 0, NULL);
        INSERT INTO legs VALUES
            ('00000000-0000-7000-8000-000000000001', 'caller', 'a@b', 'udp:192.0.2.1:5060', 1000, 9000),
            ('00000000-0000-7000-8000-000000000001', 'seat', 'c@d', 'udp:192.0.2.2:5060', 2500, 9000),
            ('00000000-0000-7000-8000-000000000002', 'caller', 'e@f', 'udp:192.0.2.1:5060', 1500, 1600),
            ('00000000-0000-7000-8000-000000000003', 'caller', 'g@h', 'udp:192.0.2.1:5060', 1700, NULL);
        INSERT INTO segments VALUES
            ('00000000-0000-7000-8000-000000000009', '00000000-0000-7000-8000-000000000001',
             'caller', 100, 900, '路灯不亮', 0.9);
        INSERT INTO caption_gaps VALUES
            ('00000000-0000-7000-8000-000000000001', 1500, 4000),
            ('00000000-0000-7000-8000-000000000001', 5000, 6000);
        INSERT INTO tickets SELECT replace(id, '-7000-', '-7001-'), '19700101-00000' || substr(id, 36),
            id, 'draft', 0, '{"place":{"value":"翠湖小区","confidence":0.9,"source":"machine"}}',
            started_at, started_at, NULL, NULL FROM calls;
        INSERT INTO api_keys VALUES
            ('00000000-0000-7000-8000-00000000000a', 'console', 'operator', 'hash', 1, NULL);
        "#,
    )
    .await
    .unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn calls_of_the_first_schema_keep_all_they_had() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.db");
    of_the_first_schema(&path).await;
    let store = Store::open(&path).await.unwrap();
    let id = |n: u128| CallId::new(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 + n));

    let calls = store.calls(&CallQuery { limit: 9, ..CallQuery::default() }).await.unwrap();
    assert_eq!(calls.iter().map(|call| call.id).collect::<Vec<_>>(), [id(3), id(2), id(1)]);
    let call = &calls[2];
    assert_eq!((call.direction, call.called.as_str()), (Direction::Inbound, "12345"));
    assert_eq!(call.sip_call_id.as_deref(), Some("a@b"));
    assert_eq!(call.remote.as_deref(), Some("udp:192.0.2.1:5060"));
    assert_eq!(call.quality.as_ref().unwrap().mos, Some(4.2));
    let recording = call.recording.clone().unwrap();
    let expected = RecordingInfo {
        file: "a.wav".into(),
        duration_ms: Some(7_000),
        bytes: Some(112_044),
        sha256: Some("abc".into()),
        incomplete: true,
        missing_ms: 40,
        ..RecordingInfo::default()
    };
    assert_eq!(recording, expected);
    assert_eq!((calls[1].recording.clone(), calls[1].sip_code), (None, Some(487)));

    let legs = store.legs(id(1)).await.unwrap();
    let roles: Vec<_> = legs.iter().map(|leg| (leg.slot, leg.role, leg.target.expose())).collect();
    let empty = String::new();
    let citizen = "13800138000".to_owned();
    assert_eq!(roles, [(0, LegRole::Citizen, &citizen), (1, LegRole::Seat, &empty)]);
    assert_eq!(legs[0].answered_at, Some(UnixMillis(2_000)));
    assert_eq!(legs[0].cause.as_deref(), Some("caller_hung_up"));
    let Transcript { segments, gaps, .. } = store.transcript(id(1)).await.unwrap();
    // Nobody but callers was recognised then.
    let gap = |from_ms, to_ms| Gap { slot: 0, seq: 0, party: Party::Caller, from_ms, to_ms };
    assert_eq!(gaps, [gap(1_500, 4_000), gap(5_000, 6_000)]);
    let said: Vec<_> = segments.iter().map(|s| (s.text.expose(), s.raw.expose())).collect();
    assert_eq!(said, [(&"路灯不亮".to_owned(), &"路灯不亮".to_owned())]);
    assert_eq!(store.keys().await.unwrap().len(), 1);
    assert_eq!(store.recent_appeals(UnixMillis(0)).await.unwrap().len(), 3, "places are found");

    // The one that was running is closed like any other; without seats nobody missed it.
    let now = UnixMillis(60_000);
    assert_eq!(store.close_orphans(now).await.unwrap(), [id(3)]);
    let orphan = store.call(id(3)).await.unwrap().unwrap();
    assert!(orphan.recording.unwrap().incomplete);
    assert_eq!(store.legs(id(3)).await.unwrap()[0].ended_at, Some(now));
    assert!(
        store
            .missed_calls(&MissedQuery { limit: 9, ..Default::default() })
            .await
            .unwrap()
            .is_empty()
    );
    let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(store.readers()).await.unwrap();
    assert!(
        broken.is_empty(),
        "{:?}",
        broken.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>()
    );
}
