use super::*;
use qingting_callbacks::attempt::Outcome;
use qingting_callbacks::dialogue::{Answered, By};
use qingting_callbacks::schedule::Rules;
use qingting_callbacks::script::AnswerName;
use qingting_common::ids::Party;
use qingting_common::{FollowUpId, Pii, SegmentId, UnixMillis};
use qingting_core::hours::{Day, LocalDate, OpeningHours, Weekday, Window};
use qingting_nlu::answers::{Cause, Question};
use qingting_nlu::draft::{Evidence, Field, Tag};
use qingting_store::{
    AttemptEnd, CallEnd, CallEvent, CallRoute, CallerDialog, Direction, Gap, LegBegin, LegEnd,
    LegRef, LegRole, MissedEnd, NewCall, RecordingEnd, RecordingInfo,
};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;
use uuid::Uuid;

/// A folder, its database, and the spool of one run.
struct World {
    home: TempDir,
    store: Store,
    spool: Arc<Spool>,
}

impl World {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("qingting.db")).await.unwrap();
        let spool = spool(&home, &store, limits);
        Self { home, store, spool }
    }

    /// The next run on the same folder.
    fn again(&mut self) {
        self.spool = spool(&self.home, &self.store, Limits::default());
    }

    fn file(&self, call: CallId, end: &str) -> PathBuf {
        self.home.path().join(FOLDER).join(format!("{call}.{end}"))
    }

    async fn keep(&self, call: CallId, write: &Write) {
        self.spool.keep(call, write.clone()).await.unwrap();
    }

    /// All that is known of a call, less what another run makes anew.
    async fn known(&self, call: CallId) -> String {
        let row = self.store.call(call).await.unwrap().unwrap();
        let ticket = self.store.ticket(row.ticket.unwrap()).await.unwrap().unwrap();
        format!(
            "{row:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            self.store.legs(call).await.unwrap(),
            self.store
                .call_events(call)
                .await
                .unwrap()
                .iter()
                .map(|event| (event.kind.clone(), event.detail.expose().clone()))
                .collect::<Vec<_>>(),
            self.store.transcript(call).await.unwrap(),
            self.store.recordings(call).await.unwrap(),
            ticket.draft.field(Field::Title).map(|title| title.value.expose().clone()),
            self.store.open_captions().await.unwrap(),
        )
    }
}

fn spool(home: &TempDir, store: &Store, limits: Limits) -> Arc<Spool> {
    let (events, app) = (EventBus::new(), Handle::current());
    Arc::new(Spool::open(home.path(), store.clone(), events, app, limits).unwrap())
}

/// The database is away until somebody looks whether it is.
fn away(spool: &Spool) {
    spool.went_away("a test");
}

fn new_call() -> CallId {
    CallId::new(Uuid::now_v7())
}

fn begin(call: CallId) -> Write {
    let call = NewCall {
        id: call,
        direction: Direction::Inbound,
        caller: Pii::new("13800138000".into()),
        called: "12345".into(),
        number_name: None,
        enterprise: false,
        dialog: Some(CallerDialog {
            sip_call_id: "a@b".into(),
            remote: "udp:192.0.2.1:5060".into(),
        }),
        started_at: UnixMillis(1_000),
    };
    Write::Begin { call, ticket: Store::new_ticket() }
}

fn event(kind: &str, at: i64) -> Write {
    let detail = Pii::new(json!({ "leg": 1 }));
    Write::Event(CallEvent { at: UnixMillis(at), kind: kind.into(), detail })
}

fn sentence(text: &str, title: &str) -> Write {
    let id = SegmentId::new(Uuid::now_v7());
    let segment = qingting_store::FinalSegment {
        id,
        party: Party::Caller,
        start_ms: 100,
        end_ms: 900,
        text: Pii::new(text.into()),
        raw: Pii::new(text.into()),
        confidence: 0.9,
    };
    let quote = Pii::new(title.to_owned());
    let evidence = vec![Evidence { segment: id, start: 0, end: 1, quote }];
    let tag = Tag { field: Field::Title, value: title.into(), confidence: 0.9, evidence };
    Write::Sentence { segment, tags: vec![tag] }
}

/// A call from its beginning to its last word.
fn whole(call: CallId) -> Vec<Write> {
    let seat = LegRef { call, slot: 1, seq: 0 };
    let info = RecordingInfo {
        file: "a/mix.qtr".into(),
        duration_ms: Some(5_000),
        bytes: Some(9),
        ..RecordingInfo::default()
    };
    vec![
        begin(call),
        Write::Route(CallRoute { queue: Some("综合".into()), ..CallRoute::default() }),
        event("queued", 1_100),
        Write::Answered { at: UnixMillis(1_200), file: Some("a/mix.qtr".into()) },
        Write::LegBegan(LegBegin {
            leg: seat,
            role: LegRole::Seat,
            target: Pii::new("801".into()),
            name: None,
            sip_call_id: None,
            remote: None,
            at: UnixMillis(1_300),
        }),
        Write::LegAnswered { leg: seat, at: UnixMillis(1_400), track: Some("a/1.0.qtr".into()) },
        Write::LegHeard { leg: seat, shift_ms: 40 },
        sentence("路灯坏了。", "路灯坏了"),
        sentence("在人民路。", "人民路路灯坏了"),
        Write::Gap(Gap { slot: 1, seq: 0, party: Party::Seat, from_ms: 2_000, to_ms: 3_000 }),
        event("hold", 1_500),
        event("resume", 1_600),
        Write::LegEnded(Box::new(LegEnd {
            leg: seat,
            at: UnixMillis(6_000),
            hung_up_by: "peer".into(),
            cause: "caller_hung_up".into(),
            sip_code: None,
            quality: None,
            track: None,
        })),
        Write::Ended(Box::new(CallEnd {
            id: call,
            ended_at: UnixMillis(6_100),
            hung_up_by: "caller".into(),
            cause: "caller_hung_up".into(),
            sip_code: None,
            answered: true,
            recording: RecordingEnd::Made(info),
            quality: None,
            missed: None,
        })),
        Write::CaptionsClosed,
    ]
}

/// A caller who gave up while our answer was on its way.
fn cancelled(call: CallId) -> Vec<Write> {
    let first = LegRef { call, slot: 0, seq: 0 };
    vec![
        begin(call),
        Write::Answered { at: UnixMillis(1_200), file: Some("b/mix.qtr".into()) },
        Write::LegAnswered { leg: first, at: UnixMillis(1_200), track: None },
        Write::Ended(Box::new(CallEnd {
            id: call,
            ended_at: UnixMillis(1_300),
            hung_up_by: "caller".into(),
            cause: "caller_cancelled".into(),
            sip_code: Some(487),
            answered: false,
            recording: RecordingEnd::Nothing,
            quality: None,
            missed: Some(MissedEnd { why: "abandoned".into(), wanted: false }),
        })),
        Write::CaptionsClosed,
    ]
}

#[tokio::test]
async fn what_waited_is_in_the_database_as_if_it_had_never_waited() {
    let world = World::new().await;
    for calls in [whole, cancelled] {
        let (straight, waited) = (new_call(), new_call());
        let writes = calls(straight);
        for write in &writes {
            world.keep(straight, write).await;
        }
        assert!(!world.spool.holds(straight));
        let text = serde_json::to_string(&calls(waited)).unwrap();
        let writes: Vec<Write> = serde_json::from_str(&text).unwrap();
        // Away from the third write on, and back before the last.
        for (at, write) in writes.iter().enumerate() {
            if at == 2 {
                away(&world.spool);
            }
            if at == writes.len() - 1 {
                world.spool.came_back();
            }
            let kept = world.spool.keep(waited, write.clone()).await.unwrap();
            assert_eq!(matches!(kept, Kept::Spooled), at >= 2, "{at}: behind what waits");
        }
        let file = world.file(waited, "jsonl");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let folder = file.parent().unwrap().metadata().unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        assert_eq!(world.spool.numbers().entries, writes.len() as u64 - 2);
        world.spool.replay().await.unwrap();
        assert!(!file.exists() && !world.spool.holds(waited));
        let numbers = world.spool.numbers();
        assert_eq!((numbers.entries, numbers.bytes, numbers.refused), (0, 0, 0));
        assert_eq!(shape(&world, straight).await, shape(&world, waited).await);
    }
}

/// What is known of a call without its ids.
async fn shape(world: &World, call: CallId) -> String {
    let known = world.known(call).await;
    let row = world.store.call(call).await.unwrap().unwrap();
    let known = known.replace(&call.to_string(), "CALL");
    let known = known.replace(&row.ticket.unwrap().to_string(), "TICKET");
    let mut known = known.replace(&row.ticket_number.unwrap(), "NUMBER");
    for segment in world.store.transcript(call).await.unwrap().segments {
        known = known.replace(&segment.id.to_string(), "SEGMENT");
    }
    known
}

#[tokio::test]
async fn a_crash_between_replay_and_deletion_writes_all_of_it_twice_without_harm() {
    let mut world = World::new().await;
    for calls in [whole, cancelled] {
        let call = new_call();
        away(&world.spool);
        for write in &calls(call) {
            world.keep(call, write).await;
        }
        let file = world.file(call, "jsonl");
        let kept = std::fs::read(&file).unwrap();
        world.spool.replay().await.unwrap();
        let (known, log) = (world.known(call).await, world.store.outbox_totals().await.unwrap());
        std::fs::write(&file, &kept).unwrap();
        world.again();
        assert_eq!(world.spool.numbers().entries, calls(call).len() as u64);
        world.spool.replay().await.unwrap();
        assert_eq!(world.known(call).await, known);
        assert_eq!(world.store.outbox_totals().await.unwrap().pending, log.pending);
        assert_eq!((world.spool.numbers().refused, file.exists()), (0, false));
    }
}

/// A call of which three writes wait, and their file.
async fn three_lines() -> (World, CallId, PathBuf) {
    let world = World::new().await;
    let call = new_call();
    away(&world.spool);
    for write in [begin(call), event("hold", 1), event("resume", 2)] {
        world.keep(call, &write).await;
    }
    let file = world.file(call, "jsonl");
    (world, call, file)
}

#[tokio::test]
async fn of_a_torn_file_the_torn_line_alone_is_lost_and_what_follows_is_read() {
    let (mut world, call, file) = three_lines().await;
    let whole = std::fs::read(&file).unwrap();
    // Wherever the crash was within the last line.
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in [last, last + 1, last + 20, whole.len() - 1] {
        std::fs::write(&file, &whole[..cut]).unwrap();
        world.again();
        assert_eq!(world.spool.numbers().entries, 2, "cut at {cut}");
    }
    // The next run adds behind it.
    away(&world.spool);
    world.keep(call, &event("consult", 3)).await;
    world.spool.replay().await.unwrap();
    let events = world.store.call_events(call).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["hold", "consult"]);
    assert_eq!(world.spool.numbers().refused, 0);
}

#[tokio::test]
async fn a_line_that_the_disk_changed_is_kept_aside_and_the_others_are_written() {
    let (mut world, call, file) = three_lines().await;
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"hold\"", "\"hald\"")).unwrap();
    world.again();
    world.spool.replay().await.unwrap();
    let events = world.store.call_events(call).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, "resume");
    let aside = std::fs::read_to_string(world.file(call, "refused")).unwrap();
    assert!(aside.contains("\"hald\"") && aside.lines().count() == 1, "{aside}");
    let numbers = world.spool.numbers();
    assert_eq!((numbers.refused, numbers.refused_calls, numbers.entries), (1, 1, 0));
    // It is known of after the next start, and goes when the citizen is erased.
    world.again();
    assert_eq!(world.spool.numbers().refused_calls, 1);
    world.spool.folder.forget_refused(call).unwrap();
    assert_eq!(world.spool.numbers().refused_calls, 0);
    assert!(!world.file(call, "refused").exists());
}

#[tokio::test]
async fn what_the_database_refuses_for_good_keeps_nothing_behind_it() {
    let world = World::new().await;
    // The database was replaced by an older one that has not this call.
    let (unknown, known) = (new_call(), new_call());
    away(&world.spool);
    world.keep(unknown, &event("hold", 1)).await;
    world.keep(unknown, &event("resume", 2)).await;
    world.keep(known, &begin(known)).await;
    world.spool.replay().await.unwrap();
    let aside = std::fs::read_to_string(world.file(unknown, "refused")).unwrap();
    assert_eq!(aside.lines().count(), 2);
    assert!(aside.lines().all(|line| line::read(line.as_bytes()).is_some()), "{aside}");
    assert!(world.store.call(known).await.unwrap().is_some());
    assert_eq!(world.spool.numbers().refused, 2);
}

#[tokio::test]
async fn limits_hold_and_running_calls_have_the_last_of_the_room() {
    let call = new_call();
    let line = line::of(&begin(call)).unwrap().len() as u64;
    let world = World::with(Limits { bytes_max: 2 * line, calls_max: 2 }).await;
    away(&world.spool);
    world.keep(call, &begin(call)).await;
    // A second one would take the tenth that is for calls that run.
    let other = new_call();
    let refused = world.spool.keep(other, begin(other)).await;
    assert!(matches!(refused, Err(Unkept::Unspooled(SpoolError::Full(_)))), "{refused:?}");
    assert!(!world.spool.takes_calls());
    world.keep(call, &event("hold", 1)).await;
    let long = CallEvent {
        at: UnixMillis(1),
        kind: "x".repeat(line::LINE_BYTES_MAX),
        detail: Pii::new(json!(null)),
    };
    let refused = world.spool.keep(call, Write::Event(long)).await;
    assert!(refused.is_err_and(|error| error.may_pass()));
    // So many calls and no more.
    let world = World::with(Limits { bytes_max: BYTES_MAX, calls_max: 2 }).await;
    away(&world.spool);
    for _ in 0..2 {
        let call = new_call();
        assert!(world.spool.takes_calls());
        world.keep(call, &begin(call)).await;
    }
    let third = new_call();
    assert!(world.spool.keep(third, begin(third)).await.is_err());
    assert!(!world.spool.takes_calls());
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_told_and_what_was_kept_stays() {
    let world = World::new().await;
    let (call, other) = (new_call(), new_call());
    away(&world.spool);
    world.keep(call, &begin(call)).await;
    let folder = world.home.path().join(FOLDER);
    let aside = world.home.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    let refused = world.spool.keep(other, begin(other)).await;
    assert!(
        matches!(&refused, Err(error @ Unkept::Unspooled(SpoolError::Disk(_))) if error.may_pass()),
        "{refused:?}"
    );
    assert!(!world.spool.takes_calls());
    std::fs::rename(&aside, &folder).unwrap();
    world.keep(call, &event("hold", 1)).await;
    assert!(world.spool.takes_calls());
    world.spool.replay().await.unwrap();
    assert_eq!(world.store.call_events(call).await.unwrap().len(), 1);
    assert_eq!(world.spool.numbers().entries, 0);
}

#[tokio::test]
async fn many_writers_of_one_call_and_a_replay_beside_them_lose_nothing() {
    let world = World::new().await;
    let call = new_call();
    away(&world.spool);
    world.keep(call, &begin(call)).await;
    let mut running = tokio::task::JoinSet::new();
    running.spawn(Arc::clone(&world.spool).run());
    let mut writers = tokio::task::JoinSet::new();
    for of in 0..4 {
        let spool = Arc::clone(&world.spool);
        writers.spawn(async move {
            for at in 0..100 {
                if at % 25 == 0 {
                    away(&spool);
                }
                spool.keep(call, event(&format!("of{of}"), at)).await.unwrap();
            }
        });
    }
    while writers.join_next().await.is_some() {}
    while world.spool.numbers().entries > 0 || world.spool.holds(call) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.abort_all();
    let events = world.store.call_events(call).await.unwrap();
    assert_eq!(events.len(), 400);
    for of in 0..4 {
        let kind = format!("of{of}");
        let times: Vec<i64> =
            events.iter().filter(|event| event.kind == kind).map(|event| event.at.0).collect();
        assert_eq!(times, (0..100).collect::<Vec<_>>(), "in its order");
    }
    assert_eq!(Left::look(&world.home.path().join(FOLDER)).unwrap(), Left::default());
}

#[tokio::test]
async fn what_waits_of_an_erased_citizen_is_dropped() {
    let world = World::new().await;
    let call = new_call();
    for write in &whole(call) {
        world.keep(call, write).await;
    }
    away(&world.spool);
    world.keep(call, &sentence("我叫张三。", "张三")).await;
    let number = "13800138000".parse().unwrap();
    let reason = qingting_store::EraseReason::Unlawful;
    world.store.erase_citizen(number, reason, "a test").await.unwrap();
    world.spool.replay().await.unwrap();
    assert!(!world.known(call).await.contains("张三"));
    assert!(!world.spool.holds(call) && !world.file(call, "jsonl").exists());
}

#[test]
fn what_a_machines_callback_came_to_is_read_as_it_was_written() {
    let window = Window { from: 9 * 60, to: 12 * 60 };
    let holiday = LocalDate::new(2026, 10, 1).unwrap();
    let moved = LocalDate::new(2026, 10, 10).unwrap();
    let short = LocalDate::new(2026, 12, 31).unwrap();
    let exceptions = [
        (holiday, Day::Closed),
        (moved, Day::As(Weekday::Thursday)),
        (short, Day::Open(vec![window])),
    ];
    let weekly = std::array::from_fn(|day| if day < 6 { vec![window] } else { Vec::new() });
    let rules = Rules {
        hours: OpeningHours::new(weekly, exceptions.into()).unwrap(),
        attempts_max: 3,
        days_min: 2,
        spacing: Duration::from_secs(3_600),
    };
    let follow_up = FollowUpId::new(Uuid::now_v7());
    let end = AttemptEnd {
        follow_up,
        number: 2,
        outcome: Outcome::CallLater,
        sip_code: Some(486),
        wish: Some(UnixMillis(1_800_000_000_000)),
        rules,
        only_expired: false,
        now: UnixMillis(1_767_060_000_000),
    };
    let answered = Answered {
        question: Question::Reason,
        answer: AnswerName::Because,
        cause: Some(Cause::FalselyClosed),
        text: Pii::new("根本没修".to_owned()),
        confidence: 0.8125,
        by: By::Speech,
        confirmed: true,
        clip_ms: Some((12_000, 14_500)),
    };
    let at = UnixMillis(1_767_060_000_000);
    let all = [
        Write::Answer { follow_up, attempt: 2, answered, at },
        Write::AttemptEnded(Box::new(end)),
        Write::AttemptAnswered { at },
        Write::AttemptNotified { at },
    ];
    for write in all {
        let line = line::of(&write).unwrap();
        let Some(read) = line::read(line.trim_end().as_bytes()) else { panic!("{line}") };
        // What is hidden in logs is compared, too.
        assert_eq!(line::of(&read).unwrap(), line);
        assert_eq!(format!("{read:?}"), format!("{write:?}"));
    }
}
