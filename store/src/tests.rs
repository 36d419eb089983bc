//! The store on real databases, the same tests on both: editors that race, a full disk, a newer schema, a flood of writes.

mod audit;
mod bus;
mod citizens;
mod feed;
mod handling;
mod insight;
mod migration;
mod missed;
mod once;
mod outbox;
mod passes;
mod people;
mod postgres;
mod profile;
mod quality;
mod repeats;
mod search;
mod seats;
mod switchboard;
mod twice;

use crate::writer::Command;
use crate::*;
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, TicketId, UnixMillis};
use qingting_nlu::draft::{Field, Source, Tag};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;
use uuid::Uuid;

const START: UnixMillis = UnixMillis(1_767_196_800_000);

#[path = "../tests/support/postgres.rs"]
mod server;

use server::{On, on_both};

async fn fresh(on: On) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let place = match on {
        On::Sqlite => Place::File(dir.path().join("data/qingting.db")),
        On::Postgres => server::database().parse::<DatabaseUrl>().unwrap().into(),
    };
    (dir, Store::open(place).await.unwrap())
}

/// Another process on the same database.
async fn again(store: &Store) -> Store {
    Store::open(store.place().clone()).await.unwrap()
}

fn new_call() -> NewCall {
    NewCall {
        id: CallId::new(Uuid::now_v7()),
        direction: Direction::Inbound,
        caller: Pii::new("13800138000".into()),
        called: "12345".into(),
        number_name: Some("main".into()),
        enterprise: false,
        dialog: Some(CallerDialog {
            sip_call_id: "a@b".into(),
            remote: "udp:192.0.2.1:5060".into(),
        }),
        started_at: START,
    }
}

async fn begun(store: &Store) -> (CallId, TicketId) {
    let call = new_call();
    let id = call.id;
    (id, store.begin_call(call).await.unwrap())
}

fn said(text: &str) -> FinalSegment {
    FinalSegment {
        id: SegmentId::new(Uuid::now_v7()),
        party: Party::Caller,
        start_ms: 100,
        end_ms: 900,
        text: Pii::new(text.into()),
        raw: Pii::new(format!("嗯{text}")),
        confidence: 0.9,
    }
}

fn gap(from_ms: u64, to_ms: u64) -> Gap {
    Gap { slot: 0, seq: 0, party: Party::Caller, from_ms, to_ms }
}

fn tag(field: Field, value: &str) -> Tag {
    Tag { field, value: value.into(), confidence: 0.7, evidence: Vec::new() }
}

fn ended(id: CallId) -> CallEnd {
    CallEnd {
        id,
        ended_at: UnixMillis(START.0 + 60_000),
        hung_up_by: "caller".into(),
        cause: "caller_hung_up".into(),
        sip_code: None,
        answered: true,
        recording: RecordingEnd::Made(RecordingInfo {
            file: "a.wav".into(),
            duration_ms: Some(60_000),
            bytes: Some(1_920_044),
            incomplete: true,
            missing_ms: 40,
            ..RecordingInfo::default()
        }),
        quality: Some(MediaQuality { packets_sent: 3_000, ..MediaQuality::default() }),
        missed: None,
    }
}

on_both!(a_call_that_was_given_up_at_its_answer_has_neither_answer_nor_recording);
async fn a_call_that_was_given_up_at_its_answer_has_neither_answer_nor_recording(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    store.answer_call(call, START, Some("a.wav".into())).await.unwrap();
    let end = CallEnd { answered: false, recording: RecordingEnd::Nothing, ..ended(call) };
    store.end_call(end).await.unwrap();
    let row = store.call(call).await.unwrap().unwrap();
    assert_eq!((row.answered_at, row.recording), (None, None));
}

on_both!(a_recording_of_which_nothing_is_known_stays_and_counts_as_incomplete);
async fn a_recording_of_which_nothing_is_known_stays_and_counts_as_incomplete(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    store.answer_call(call, START, Some("a.wav".into())).await.unwrap();
    let end = CallEnd { recording: RecordingEnd::Unknown, ..ended(call) };
    store.end_call(end).await.unwrap();
    let recording = store.call(call).await.unwrap().unwrap().recording.unwrap();
    assert_eq!((recording.file.as_str(), recording.incomplete), ("a.wav", true));
}

#[tokio::test]
async fn a_new_file_and_its_log_are_readable_by_the_owner_alone() {
    let (_dir, store) = fresh(On::Sqlite).await;
    begun(&store).await;
    for suffix in ["", "-wal"] {
        let path = format!("{}{suffix}", store.place());
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

on_both!(a_call_has_a_draft_from_its_first_moment_and_ends_once);
async fn a_call_has_a_draft_from_its_first_moment_and_ends_once(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    let draft = store.ticket_of_call(call).await.unwrap().unwrap();
    assert_eq!((draft.id, draft.revision, draft.number.as_str()), (ticket, 0, "20260101-000001"));
    assert_eq!(store.call(call).await.unwrap().unwrap().state(), CallState::Ringing);

    let (at, file) = (UnixMillis(START.0 + 2_000), Some("early.wav".into()));
    store.answer_call(call, at, file).await.unwrap();
    assert_eq!(store.call(call).await.unwrap().unwrap().state(), CallState::Active);
    store.end_call(ended(call)).await.unwrap();
    let late = CallEnd { cause: "too late".into(), ..ended(call) };
    store.end_call(late).await.unwrap();

    let row = store.call(call).await.unwrap().unwrap();
    assert_eq!(row.state(), CallState::Ended);
    assert_eq!(row.cause.as_deref(), Some("caller_hung_up"));
    let recording = row.recording.unwrap();
    assert_eq!((recording.file.as_str(), recording.missing_ms), ("a.wav", 40));
    assert!(recording.incomplete);
    assert_eq!(row.quality.unwrap().packets_sent, 3_000);
    let outbox = store.outbox(&OutboxQuery { limit: 10, ..Default::default() }).await.unwrap();
    assert_eq!(outbox.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(), ["call.ended"]);
}

on_both!(an_unknown_call_is_refused_by_name_and_the_same_call_is_not_begun_twice);
async fn an_unknown_call_is_refused_by_name_and_the_same_call_is_not_begun_twice(on: On) {
    let (_dir, store) = fresh(on).await;
    let stranger = CallId::new(Uuid::now_v7());
    for refused in [
        store.answer_call(stranger, START, None).await,
        store.end_call(ended(stranger)).await,
        store.record_gap(stranger, gap(0, 5)).await,
        store.record_final(stranger, said("喂"), &[]).await.map(drop),
    ] {
        assert!(matches!(refused, Err(StoreError::NotFound { what: "call", .. })), "{refused:?}");
    }
    let call = new_call();
    store.begin_call(call.clone()).await.unwrap();
    assert!(matches!(store.begin_call(call).await, Err(StoreError::Exists { .. })));
}

on_both!(a_sentence_fills_the_draft_but_never_what_a_person_wrote);
async fn a_sentence_fills_the_draft_but_never_what_a_person_wrote(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    let update =
        store.record_final(call, said("三栋"), &[tag(Field::Place, "三栋")]).await.unwrap();
    assert_eq!((update.revision, update.changed.as_slice()), (1, &[Field::Place][..]));
    store.edit_ticket(ticket, 1, vec![(Field::Place, "五栋".into())], "seat 7").await.unwrap();

    let tags = [tag(Field::Place, "三栋"), tag(Field::AppealKind, "投诉")];
    let update = store.record_final(call, said("投诉三栋"), &tags).await.unwrap();
    assert_eq!((update.revision, update.changed.as_slice()), (3, &[Field::AppealKind][..]));
    let place = update.draft.field(Field::Place).unwrap();
    assert_eq!((place.value.expose().as_str(), place.source), ("五栋", Source::Person));

    // Nothing new was read: no revision, no message.
    let update = store.record_final(call, said("嗯"), &tags).await.unwrap();
    assert_eq!((update.revision, update.changed.len()), (3, 0));
    store.record_gap(call, gap(1_000, 4_000)).await.unwrap();
    let transcript = store.transcript(call).await.unwrap();
    assert_eq!((transcript.segments.len(), transcript.gaps.len()), (3, 1));

    let outbox = store.outbox(&OutboxQuery { limit: 10, ..Default::default() }).await.unwrap();
    let keys: Vec<_> = outbox.iter().map(|row| row.key.clone()).collect();
    assert_eq!(keys, (1..=3).map(|revision| format!("{ticket}:{revision}")).collect::<Vec<_>>());
    let history = store.revisions(ticket).await.unwrap();
    assert_eq!(
        history.iter().map(|r| r.by.as_str()).collect::<Vec<_>>(),
        ["machine", "machine", "seat 7", "machine"]
    );
    assert_eq!(history[2].changes[&Field::Place], Some(Pii::new("五栋".into())));
    assert!(!format!("{history:?}").contains("五栋"));
}

on_both!(of_two_editors_with_the_same_revision_one_is_told_to_read_again);
async fn of_two_editors_with_the_same_revision_one_is_told_to_read_again(on: On) {
    let (_dir, store) = fresh(on).await;
    let (_, ticket) = begun(&store).await;
    let edit = |by: &'static str| {
        let store = store.clone();
        async move { store.edit_ticket(ticket, 0, vec![(Field::Title, by.to_owned())], by).await }
    };
    let (first, second) = tokio::join!(edit("甲"), edit("乙"));
    let (won, lost) = if first.is_ok() { (first, second) } else { (second, first) };
    assert_eq!(won.unwrap().revision, 1);
    assert!(matches!(lost, Err(EditError::StaleRevision { current: 1 })), "{lost:?}");
    assert_eq!(store.revisions(ticket).await.unwrap().len(), 2);
}

on_both!(a_confirmed_ticket_stands_still);
async fn a_confirmed_ticket_stands_still(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    assert!(matches!(
        store.confirm_ticket(ticket, 4, "a").await,
        Err(EditError::StaleRevision { current: 0 })
    ));
    let first = store.confirm_ticket(ticket, 0, "a").await.unwrap();
    let confirmed = first.ticket;
    assert!(first.is_new);
    assert_eq!((confirmed.revision, confirmed.confirmed_by.as_deref()), (1, Some("a")));
    for revision in [0, 1] {
        let again = store.confirm_ticket(ticket, revision, "b").await.unwrap();
        assert_eq!((again.ticket.confirmed_by.as_deref(), again.is_new), (Some("a"), false));
    }
    let edit = store.edit_ticket(ticket, 1, vec![(Field::Title, "x".into())], "a").await;
    assert!(matches!(edit, Err(EditError::Confirmed)));
    let update = store.record_final(call, said("投诉"), &[tag(Field::AppealKind, "投诉")]).await;
    assert_eq!(update.unwrap().revision, 1);
}

on_both!(an_impossible_value_is_refused_with_its_field_and_nothing_is_kept);
async fn an_impossible_value_is_refused_with_its_field_and_nothing_is_kept(on: On) {
    let (_dir, store) = fresh(on).await;
    let (_, ticket) = begun(&store).await;
    let edits = vec![(Field::Title, "好".to_owned()), (Field::Phone, "一二三".to_owned())];
    let refused = store.edit_ticket(ticket, 0, edits, "a").await;
    assert!(matches!(refused, Err(EditError::Invalid { field: Field::Phone, .. })));
    assert_eq!(store.ticket(ticket).await.unwrap().unwrap().revision, 0);
    let unknown = TicketId::new(Uuid::now_v7());
    assert!(matches!(store.edit_ticket(unknown, 0, vec![], "a").await, Err(EditError::NotFound)));
}

on_both!(pages_follow_each_other_without_a_gap);
async fn pages_follow_each_other_without_a_gap(on: On) {
    let (_dir, store) = fresh(on).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(begun(&store).await.0);
    }
    ids.sort();
    ids.reverse();
    let mut query = CallQuery { limit: 2, ..CallQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.calls(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.before = Some(last.id);
        seen.extend(page.iter().map(|call| call.id));
    }
    assert_eq!(seen, ids);
    let ended = CallQuery { limit: 9, state: Some(CallState::Ended), ..CallQuery::default() };
    assert!(store.calls(&ended).await.unwrap().is_empty());
    let later = CallQuery { limit: 9, from: Some(UnixMillis(START.0 + 1)), ..CallQuery::default() };
    assert!(store.calls(&later).await.unwrap().is_empty());
    let drafts =
        TicketQuery { limit: 9, status: Some(TicketStatus::Draft), ..TicketQuery::default() };
    assert_eq!(store.tickets(&drafts).await.unwrap().len(), 5);
}

on_both!(what_was_returned_outlives_a_store_that_is_never_closed);
async fn what_was_returned_outlives_a_store_that_is_never_closed(on: On) {
    let (dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    store.answer_call(call, START, Some("x.wav".into())).await.unwrap();
    store.record_final(call, said("你好"), &[]).await.unwrap();
    let left = match store.place() {
        // The file and its log as a dead process leaves them: copied while the store is still open.
        Place::File(path) => {
            let copy = dir.path().join("copy.db");
            for suffix in ["", "-wal"] {
                let from = format!("{}{suffix}", path.display());
                std::fs::copy(from, format!("{}{suffix}", copy.display())).unwrap();
            }
            Place::File(copy)
        }
        server => server.clone(),
    };
    let reopened = Store::open(left).await.unwrap();
    assert_eq!(reopened.transcript(call).await.unwrap().segments.len(), 1);
    let now = UnixMillis(START.0 + 90_000);
    assert_eq!(reopened.close_orphans(now).await.unwrap(), [call]);
    assert_eq!(reopened.close_orphans(now).await.unwrap(), []);
    let row = reopened.call(call).await.unwrap().unwrap();
    assert_eq!((row.ended_at, row.cause.as_deref()), (Some(now), Some(SERVER_RESTARTED)));
    let recording = row.recording.unwrap();
    assert_eq!((recording.file.as_str(), recording.incomplete), ("x.wav", true));
}

on_both!(a_server_that_starts_leaves_the_calls_of_another_alone);
async fn a_server_that_starts_leaves_the_calls_of_another_alone(on: On) {
    let (_dir, nameless) = fresh(on).await;
    let (of_nobody, _) = begun(&nameless).await;
    let (one, two) = (again(&nameless).await, again(&nameless).await);
    one.name_server("one".into());
    two.name_server("two".into());
    let ((of_one, _), (of_two, _)) = (begun(&one).await, begun(&two).await);
    for call in [of_one, of_two] {
        one.record_gap(call, gap(0, 9)).await.unwrap();
    }
    let now = UnixMillis(START.0 + 1_000);
    let mut closed = two.close_orphans(now).await.unwrap();
    closed.sort();
    assert_eq!(closed, [of_nobody, of_two]);
    assert!(one.call(of_one).await.unwrap().unwrap().ended_at.is_none());
    assert_eq!(one.open_captions().await.unwrap(), [of_nobody, of_one]);
    // The recording to hear again is with the server that made it.
    assert_eq!(two.next_pass(UnixMillis(i64::MAX), now).await.unwrap().unwrap().call, of_two);
    assert_eq!(one.next_pass(UnixMillis(i64::MAX), now).await.unwrap(), None);
}

on_both!(a_closed_store_refuses_writes_and_opens_again);
async fn a_closed_store_refuses_writes_and_opens_again(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    let other = store.clone();
    let place = store.place().clone();
    store.close().await;
    assert!(matches!(other.answer_call(call, START, None).await, Err(StoreError::Closed)));
    assert!(matches!(other.ping().await, Err(StoreError::Closed)));
    let again = Store::open(place.clone()).await.unwrap();
    again.ping().await.unwrap();
    assert!(again.call(call).await.unwrap().is_some());
}

on_both!(what_a_newer_program_wrote_is_refused);
async fn what_a_newer_program_wrote_is_refused(on: On) {
    let (_dir, store) = fresh(on).await;
    store.write(Sql("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 7")).await.unwrap();
    let place = store.place().clone();
    store.close().await;
    let refused = Store::open(place.clone()).await.err().unwrap();
    assert!(matches!(refused, StoreError::NewerSchema { found: 9999, .. }), "{refused}");
}

on_both!(a_program_runs_on_a_newer_schema_that_keeps_what_it_needs);
async fn a_program_runs_on_a_newer_schema_that_keeps_what_it_needs(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    let place = store.place().clone();
    let newest = crate::backup::newest_schema(&place);
    let step = Sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         SELECT 9999, 'of a newer program', success, checksum, 0 FROM _sqlx_migrations WHERE version = 20",
    );
    store.write(step).await.unwrap();
    store.close().await;
    let store = Store::open(place.clone()).await.unwrap();
    assert!(store.call(call).await.unwrap().is_some());
    begun(&store).await;
    // A step has taken away what this program needs.
    let floor = format!("UPDATE schema_floor SET oldest = {}", newest + 1);
    store.write(Sql(floor.leak())).await.unwrap();
    store.close().await;
    let refused = Store::open(place).await.err().unwrap();
    assert!(matches!(refused, StoreError::NewerSchema { found: 9999, .. }), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = dir.path().join("garbage.db");
    std::fs::write(&garbage, "not a database ".repeat(100)).unwrap();
    let refused = Store::open(&garbage).await.err().unwrap();
    assert!(refused.to_string().contains("garbage.db"), "{refused}");
}

#[tokio::test]
async fn a_full_disk_is_its_own_error_and_leaves_nothing_half_written() {
    let (_dir, store) = fresh(On::Sqlite).await;
    let (call, ticket) = begun(&store).await;
    store.write(Sql("PRAGMA max_page_count = 1")).await.unwrap();
    let long = "诉".repeat(4_000);
    let writes = (0..64).map(|_| {
        let (store, long) = (store.clone(), long.clone());
        async move { store.record_final(call, said(&long), &[tag(Field::Title, "题")]).await }
    });
    let outcomes = join_all(writes).await;
    let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(kept < outcomes.len());
    for outcome in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(matches!(outcome, StoreError::DiskFull), "{outcome:?}");
    }
    assert_eq!(store.transcript(call).await.unwrap().segments.len(), kept);
    let revision = store.ticket(ticket).await.unwrap().unwrap().revision;
    assert_eq!(store.outbox_totals().await.unwrap().pending, u64::try_from(revision).unwrap());

    store.write(Sql("PRAGMA max_page_count = 4294967294")).await.unwrap();
    store.record_final(call, said("有地方了"), &[]).await.unwrap();
}

on_both!(one_refused_command_does_not_undo_its_group);
async fn one_refused_command_does_not_undo_its_group(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    let stranger = CallId::new(Uuid::now_v7());
    let writes = (0..300u64).map(|n| {
        let store = store.clone();
        let target = if n % 3 == 0 { stranger } else { call };
        async move { store.record_gap(target, gap(n, n + 1)).await }
    });
    let outcomes = join_all(writes).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 200);
    assert_eq!(store.transcript(call).await.unwrap().gaps.len(), 200);
}

on_both!(keys_open_until_revoked_and_their_secrets_are_not_stored);
async fn keys_open_until_revoked_and_their_secrets_are_not_stored(on: On) {
    let (_dir, store) = fresh(on).await;
    let key = store.create_key("console", Role::Operator, "admin").await.unwrap();
    assert!(key.secret.starts_with(keys::SECRET_PREFIX) && key.secret.len() == 67);
    assert!(!format!("{key:?}").contains(&key.secret));
    assert_eq!(store.verify_key(&key.secret).await.unwrap(), Some(key.info.clone()));
    assert_eq!(store.verify_key("qt_0").await.unwrap(), None);
    store.revoke_key(key.info.id, "admin").await.unwrap();
    assert_eq!(store.verify_key(&key.secret).await.unwrap(), None);
    assert!(store.keys().await.unwrap()[0].revoked_at.is_some());
    assert!(matches!(
        store.revoke_key(Uuid::now_v7(), "admin").await,
        Err(StoreError::NotFound { what: "key", .. })
    ));
    store.close().await;
}

on_both!(a_keys_name_is_its_own_and_its_making_and_its_end_are_in_the_audit);
async fn a_keys_name_is_its_own_and_its_making_and_its_end_are_in_the_audit(on: On) {
    let (_dir, store) = fresh(on).await;
    let key = store.create_key("console", Role::Operator, "admin").await.unwrap();
    let opened = Credential::Key(key.info.id);
    assert!(store.stands(&opened).await.unwrap());
    let mut credentials = store.credentials();
    store.revoke_key(key.info.id, "chief").await.unwrap();
    assert!(credentials.has_changed().unwrap());
    credentials.mark_unchanged();
    assert!(!store.stands(&opened).await.unwrap());
    // Revoked, too: its name is in the history.
    for name in ["console", "Console"] {
        let taken = store.create_key(name, Role::Reader, "admin").await;
        assert!(matches!(taken, Err(StoreError::Exists { what: "key", .. })), "{taken:?}");
    }
    for name in ["machine", "Admin", "1001"] {
        let reserved = store.create_key(name, Role::Reader, "admin").await;
        assert!(matches!(reserved, Err(StoreError::Reserved { .. })), "{reserved:?}");
    }
    let query = AuditQuery { limit: 9, subject: Some(key.info.id.to_string()), before: None };
    let lines = store.audit_lines(&query).await.unwrap();
    let lines: Vec<_> = lines.iter().map(|l| (l.by.as_str(), l.action.as_str())).collect();
    assert_eq!(lines, [("chief", "key.revoke"), ("admin", "key.create")]);
    assert_eq!(store.keys().await.unwrap().len(), 1);
}

on_both!(a_new_password_replaces_the_old_one_at_once_whoever_sets_it);
async fn a_new_password_replaces_the_old_one_at_once_whoever_sets_it(on: On) {
    let (_dir, store) = fresh(on).await;
    // Another process with the same file.
    let other = again(&store).await;
    assert_eq!(store.verify_admin("").await.unwrap(), None);
    store.set_admin_password("first").await.unwrap();
    let first = store.verify_admin("first").await.unwrap().unwrap();
    assert!(store.verify_admin("first").await.unwrap().is_some());
    assert!(store.verify_admin("second").await.unwrap().is_none());
    for (setter, new, old) in [(&store, "second", "first"), (&other, "third", "second")] {
        setter.set_admin_password(new).await.unwrap();
        assert!(store.verify_admin(old).await.unwrap().is_none());
        assert!(store.verify_admin(new).await.unwrap().is_some());
    }
    assert!(!store.stands(&first).await.unwrap());
}

on_both!(the_audit_keeps_who_did_what);
async fn the_audit_keeps_who_did_what(on: On) {
    let (_dir, store) = fresh(on).await;
    for subject in ["call-1", "call-2", "call-1"] {
        store.audit("seat 7", "recording.read", subject).await.unwrap();
    }
    let mut query = AuditQuery { limit: 1, subject: Some("call-1".into()), before: None };
    let mut ids = Vec::new();
    while let [line] = store.audit_lines(&query).await.unwrap().as_slice() {
        assert_eq!((line.by.as_str(), line.subject.as_str()), ("seat 7", "call-1"));
        query.before = Some(line.id);
        ids.push(line.id);
    }
    assert_eq!(ids, [3, 1]);
}

on_both!(a_seat_edits_while_the_machine_keeps_revising);
async fn a_seat_edits_while_the_machine_keeps_revising(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    let place = |value: &str| vec![(Field::Place, value.to_owned())];
    let title = |value: &str| vec![(Field::Title, value.to_owned())];
    let say = |words: &'static str| {
        let tags = [tag(Field::Description, words), tag(Field::Place, "三栋")];
        let store = store.clone();
        async move { store.record_final(call, said(words), &tags).await.unwrap() }
    };
    let seen = say("一").await.revision;
    say("一二").await;
    say("一二三").await;
    // Neither title nor place is what it was at `seen`, as far as anybody changed it.
    let edited = store.edit_ticket(ticket, seen, title("井盖"), "甲").await.unwrap();
    assert_eq!(edited.revision, seen + 3);
    assert_eq!(edited.draft.field(Field::Description).unwrap().value.expose(), "一二三");
    store.edit_ticket(ticket, seen, place("五栋"), "甲").await.unwrap();
    // Now both were changed by a person, and the description by the machine.
    for edits in [place("六栋"), title("灯"), vec![(Field::Description, "四".to_owned())]] {
        let refused = store.edit_ticket(ticket, seen, edits, "乙").await;
        assert!(matches!(refused, Err(EditError::StaleRevision { .. })), "{refused:?}");
    }
    // One of two fields is enough for a conflict, and then neither is written.
    let both = [title("灯"), vec![(Field::Phone, "110".to_owned())]].concat();
    assert!(store.edit_ticket(ticket, seen, both, "乙").await.is_err());
    let row = store.ticket(ticket).await.unwrap().unwrap();
    assert!(row.draft.field(Field::Phone).is_none());
    for never in [-1, row.revision + 1] {
        assert!(store.edit_ticket(ticket, never, title("灯"), "乙").await.is_err());
    }
    assert!(store.confirm_ticket(ticket, seen, "甲").await.is_err());
    assert!(store.confirm_ticket(ticket, row.revision, "甲").await.unwrap().is_new);
}

on_both!(the_history_of_a_long_call_grows_with_its_words_not_with_their_square);
async fn the_history_of_a_long_call_grows_with_its_words_not_with_their_square(on: On) {
    const SENTENCES: usize = 300;
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    let mut words = String::new();
    for n in 0..SENTENCES {
        words.push_str(&format!("第{n}句说路灯不亮，"));
        let tags = [tag(Field::Description, &format!("{}。", words.trim_end_matches('，')))];
        store.record_final(call, said("路灯不亮"), &tags).await.unwrap();
    }
    let kept: i64 =
        sqlx::query_scalar("SELECT CAST(sum(length(changes)) AS BIGINT) FROM ticket_revisions")
            .fetch_one(store.readers())
            .await
            .unwrap();
    let chars_max = words.chars().count() + SENTENCES * 50;
    assert!(usize::try_from(kept).unwrap() < chars_max, "{kept} > {chars_max}");
    let history = store.revisions(ticket).await.unwrap();
    let draft = store.ticket(ticket).await.unwrap().unwrap().draft;
    let last = history.last().unwrap().changes[&Field::Description].as_ref();
    assert_eq!(last, Some(&draft.field(Field::Description).unwrap().value));
    assert_eq!(history.len(), SENTENCES + 1);
}

#[tokio::test]
async fn lists_follow_an_index_and_sort_nothing() {
    let (_dir, store) = fresh(On::Sqlite).await;
    let (before, at) = (Some(CallId::new(Uuid::now_v7())), Some(START));
    for (query, index) in [
        (CallQuery::default(), "calls_by_start"),
        (CallQuery { before, ..CallQuery::default() }, "calls_by_start"),
        (CallQuery { before, from: at, to: at, ..CallQuery::default() }, "calls_by_start"),
        (CallQuery { state: Some(CallState::Active), ..CallQuery::default() }, "calls_without_end"),
        (CallQuery { state: Some(CallState::Ended), ..CallQuery::default() }, "calls_by_start"),
    ] {
        let plan = plan(&store, calls::list(&explain(calls::SELECT), &query)).await;
        assert!(plan[0].contains(index), "{query:?}: {plan:#?}");
        if query.before.is_some() || query.from.is_some() {
            assert!(plan[0].starts_with("SEARCH"), "{query:?}: {plan:#?}");
        }
        let rest = &plan[1..];
        assert!(!rest.iter().any(|step| step.starts_with("SCAN")), "{query:?}: {plan:#?}");
        assert!(!rest.iter().any(|step| step.contains("TEMP")), "{query:?}: {plan:#?}");
    }
    for (state, index) in [(None, "by_time"), (Some(MissedState::Open), "by_state")] {
        let query = MissedQuery { before, state, limit: 9 };
        let plan = plan(&store, crate::missed::list(&explain(crate::missed::SELECT), &query)).await;
        assert!(plan[0].starts_with("SEARCH") && plan[0].contains(index), "{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP")), "{plan:#?}");
    }
    let status = Some(TicketStatus::Draft);
    let before = Some(TicketId::new(Uuid::now_v7()));
    for before in [None, before] {
        let query = TicketQuery { before, status, limit: 9, ..TicketQuery::default() };
        let plan = plan(&store, tickets::list(&explain(tickets::SELECT), &query)).await;
        assert!(plan.len() == 1 && plan[0].contains("INDEX tickets_by_status"), "{plan:#?}");
    }
}

fn explain(select: &str) -> String {
    format!("EXPLAIN QUERY PLAN {select}")
}

async fn plan(store: &Store, sql: crate::sql::Sql) -> Vec<String> {
    let rows = sql.build().fetch_all(store.readers()).await.unwrap();
    rows.iter().map(|row| sqlx::Row::get(row, "detail")).collect()
}

/// Runs a statement where only the writer's connection can.
struct Sql(&'static str);

impl Command for Sql {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut sqlx::AnyConnection) -> Result<(), StoreError> {
        sqlx::query(self.0).execute(db).await?;
        Ok(())
    }
}

/// All at the same time, so that they share transactions.
async fn join_all<T: Send + 'static>(
    work: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut tasks: JoinSet<T> = work.collect();
    let mut done = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        done.push(outcome.unwrap());
    }
    done
}
