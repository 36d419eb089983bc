//! A citizen is given out whole and erased whole: no word is left in any column of any table, nor in a copy of SQLite's file.

use super::*;
use qingting_callbacks::attempt::Outcome;
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::dialogue::{Answered, By};
use qingting_callbacks::schedule::Rules;
use qingting_callbacks::script::AnswerName;
use qingting_nlu::answers::Question;
use qingting_nlu::draft::Evidence;
use qingting_nlu::history::PastTicket;
use qingting_nlu::quality::{Checked, Finding, Kind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The citizen's number, as `new_call` has it.
const NUMBER: &str = "13800138000";
/// What only the citizen said, or what was written about nobody else.
const WORDS: [&str; 12] = [
    "王建国",
    "幸福小区",
    "烧烤店",
    "浙A12345",
    "三千块钱",
    "老房子",
    "晚上七点",
    "敲门没人",
    "没修好",
    "其实修了",
    "隔壁老李",
    "转给儿子",
];
/// Another citizen's.
const OTHER: &str = "13700137000";
const OTHER_WORD: &str = "公交站牌";

struct Known {
    ticket: TicketId,
    call: CallId,
    other_call: CallId,
    other_ticket: TicketId,
}

fn number() -> CitizenNumber {
    NUMBER.parse().unwrap()
}

async fn over(store: &Store, call: CallId, missed: bool) {
    let missed =
        missed.then(|| crate::missed::MissedEnd { why: "queue_full".into(), wanted: true });
    let recording = RecordingEnd::Made(RecordingInfo {
        file: format!("{call}.wav"),
        duration_ms: Some(60_000),
        bytes: Some(1),
        ..RecordingInfo::default()
    });
    store.end_call(CallEnd { missed, recording, ..ended(call) }).await.unwrap();
    store.captions_closed(call).await.unwrap();
}

/// A citizen of whom everything is known that may be, and another one.
async fn everything(store: &Store) -> Known {
    let (call, ticket) = begun(store).await;
    store.answer_call(call, START, Some("a.wav".into())).await.unwrap();
    let sentence = said("我叫王建国，住幸福小区，烧烤店太吵，要三千块钱");
    let quoted = |field, value: &str| Tag {
        evidence: vec![Evidence {
            segment: sentence.id,
            start: 0,
            end: 5,
            quote: Pii::new("隔壁老李".into()),
        }],
        ..tag(field, value)
    };
    let tags = [
        quoted(Field::Title, "烧烤店扰民"),
        quoted(
            Field::Description,
            "市民王建国反映楼下烧烤店扰民，噪音很大，每天都到半夜，影响休息，老房子不隔音",
        ),
        quoted(Field::CallerName, "王建国"),
        quoted(Field::Phone, NUMBER),
        quoted(Field::Place, "幸福小区三号楼"),
        quoted(Field::Category, "生态环境/噪声污染"),
        quoted(Field::Plate, "浙A12345"),
        quoted(Field::CallbackTime, "晚上七点"),
    ];
    store.record_final(call, sentence.clone(), &tags).await.unwrap();
    store.record_gap(call, gap(5_000, 6_000)).await.unwrap();
    let detail = serde_json::json!({ "to": NUMBER, "queue": "综合" });
    let event = CallEvent { at: START, kind: "transfer".into(), detail: Pii::new(detail) };
    store.call_event(call, event).await.unwrap();
    over(store, call, false).await;
    found(store, call).await;
    store.ask_pass(call, PassKind::Whole).await.unwrap();
    store.put_whole(call, vec![said("烧烤店")]).await.unwrap();
    let edits = vec![
        (Field::Respondent, "老房子烧烤店".to_owned()),
        (
            Field::Description,
            "市民王建国反映楼下烧烤店扰民，噪音很大，每天都到半夜，影响休息，隔壁老李也说"
                .to_owned(),
        ),
    ];
    let revision = store.ticket(ticket).await.unwrap().unwrap().revision;
    store.edit_ticket(ticket, revision, edits, "801").await.unwrap();
    let revision = revision + 1;
    store.confirm_ticket(ticket, revision, "801").await.unwrap();
    let campaign = campaign(store).await;
    for (kind, revision) in [(StepKind::Dispatch, revision + 1), (StepKind::Sign, revision + 2)] {
        let deadline = Some(UnixMillis(clock::now().0 + 3_600_000));
        let note = Pii::new("敲门没人，王建国不在".to_owned());
        let step = Step { kind, unit: Some("城管局".into()), deadline, note };
        store.step_ticket(ticket, revision, step, None, "901").await.unwrap();
    }
    asked(store, campaign).await;
    messages(store, ticket, call).await;

    // Who gave up in the queue, and a number that another system wrote otherwise.
    let missed = NewCall { caller: Pii::new(format!("+86{NUMBER}")), ..new_call() };
    let id = missed.id;
    store.begin_call(missed).await.unwrap();
    over(store, id, true).await;
    past(store).await;

    let other = NewCall { caller: Pii::new(OTHER.into()), ..new_call() };
    let other_call = other.id;
    let other_ticket = store.begin_call(other).await.unwrap();
    let place = [tag(Field::Place, OTHER_WORD), tag(Field::Phone, OTHER)];
    store.record_final(other_call, said(OTHER_WORD), &place).await.unwrap();
    over(store, other_call, true).await;
    // A son calls for his father and leaves the father's number.
    let son = NewCall { caller: Pii::new(OTHER.into()), ..new_call() };
    let id = son.id;
    store.begin_call(son).await.unwrap();
    let left = [tag(Field::Phone, NUMBER), tag(Field::CallerName, "王建国")];
    store.record_final(id, said("转给儿子"), &left).await.unwrap();
    over(store, id, false).await;
    Known { ticket, call, other_call, other_ticket }
}

/// A finding of the call's check with a remark, and another check that is to come.
async fn found(store: &Store, call: CallId) {
    let seat = "UPDATE calls SET seat = '801' WHERE ended_at IS NOT NULL";
    store.write(Sql(seat)).await.unwrap();
    store
        .write(Sql("INSERT INTO quality_due (call_id) SELECT id FROM calls WHERE seat = '801'"))
        .await
        .unwrap();
    let of = store.claim_quality(1, Duration::ZERO).await.unwrap()[0];
    let finding = Finding {
        kind: Kind::Forbidden,
        seat: "801".into(),
        when: 100..900,
        measured: 0,
        phrase: "不归我们管".into(),
        quote: Pii::new("王建国，幸福小区不归我们管".into()),
        confidence: 0.9,
        points: 20,
    };
    let checked = Checked { findings: vec![finding], ..Checked::default() };
    store.put_quality(vec![CheckedCall { of, checked }]).await.unwrap();
    let id = store.quality_of(call).await.unwrap().1[0].id;
    let remark = Pii::new("王建国来过，敲门没人".to_owned());
    store.review_quality(call, id, None, Verdict::Confirm, remark, "901").await.unwrap();
    store
        .write(Sql("INSERT INTO quality_due (call_id) SELECT id FROM calls WHERE seat = '801'"))
        .await
        .unwrap();
}

async fn campaign(store: &Store) -> Campaign {
    let settings = Settings { days_min: 1, ..Settings::default() };
    let made = store.create_campaign("回访", settings, "admin", clock::now()).await.unwrap();
    let running = Some(CampaignState::Running);
    store.change_campaign(made.id, None, None, running, "admin", clock::now()).await.unwrap()
}

/// A follow-up that was answered and corrected, and one that waits.
async fn asked(store: &Store, campaign: Campaign) {
    let now = clock::now();
    let closed = |event: &str| NewFollowUp {
        event_id: event.into(),
        ticket: format!("GD-{event}"),
        title: "烧烤店扰民".into(),
        unit: "城管局".into(),
        opened_at: None,
        closed_at: now,
        citizen: Pii::new(NUMBER.into()),
        confidential: false,
        earlier: Pii::new(serde_json::json!({ "said": "老房子" })),
        after_redo: false,
        priority: 0,
    };
    store.import_follow_ups(campaign.id, vec![closed("1")], "admin", now).await.unwrap();
    let ask = BeginAttempt {
        campaign: campaign.id,
        server: "s".into(),
        lease: Duration::from_secs(30),
        call: CallId::new(Uuid::now_v7()),
        lines_free: None,
        now,
    };
    let begun = store.begin_attempt(ask).await.unwrap();
    let Begun::Dial(follow_up, number) = begun else { panic!("{begun:?}") };
    let refused = store.erase_citizen(self::number(), EraseReason::Unlawful, "admin").await;
    assert!(matches!(refused, Err(EraseError::UnderWay)), "it is being called");
    for (question, answer, text) in [
        (Question::Resolved, AnswerName::No, "没修好"),
        (Question::Satisfied, AnswerName::Dissatisfied, "不满意"),
        (Question::Reason, AnswerName::Because, "没修好"),
    ] {
        let answered = Answered {
            question,
            answer,
            cause: None,
            text: Pii::new(text.into()),
            confidence: 0.9,
            by: By::Speech,
            confirmed: false,
            clip_ms: None,
        };
        store.put_answer(follow_up.id, number, answered, now).await.unwrap();
    }
    let end = AttemptEnd {
        follow_up: follow_up.id,
        number,
        outcome: Outcome::Completed,
        sip_code: None,
        wish: None,
        rules: campaign.settings.rules(Rules::default_hours()),
        only_expired: false,
        now,
    };
    store.end_attempt(end).await.unwrap();
    let correction = Correction {
        question: Question::Resolved,
        answer: Some(AnswerName::Yes),
        cause: None,
        note: "其实修了".into(),
    };
    store.correct_answer(follow_up.id, correction, "801", now).await.unwrap();
    store.import_follow_ups(campaign.id, vec![closed("2")], "admin", now).await.unwrap();
    store.refuse_numbers(vec![Pii::new(NUMBER.into())], "admin", now).await.unwrap();
}

/// A message that was refused with a quote, and a kept answer.
async fn messages(store: &Store, ticket: TicketId, call: CallId) {
    let query = OutboxQuery { limit: 500, stream: Some(ticket.to_string()), ..Default::default() };
    let first = store.outbox(&query).await.unwrap().remove(0);
    let claim = OutboxClaim {
        owner: "x".into(),
        kinds: vec!["*".into()],
        limit: 500,
        lease: Duration::from_secs(1),
        fresh_first: false,
    };
    store.claim_outbox(claim, clock::now()).await.unwrap();
    let quote = format!("phone {NUMBER} is not of 王建国");
    let parked =
        store.outbox_failed(first.id, "x", &quote, OutboxFailure::Park, clock::now()).await;
    assert!(parked.unwrap());
    let key = RequestKey { who: "801".into(), key: "k".into(), request: "r".into() };
    let claim = store.claim_request(key, false).await.unwrap();
    let KeyClaim::New(claim) = claim else { panic!("{claim:?}") };
    let body = format!(r#"{{"call":"{call}","title":"烧烤店"}}"#);
    let answer = KeptAnswer { status: 201, content_type: None, body };
    store.answer_request(claim, answer).await.unwrap();
}

async fn past(store: &Store) {
    let past = |n: i64, phone: &str, title: &str| PastTicket {
        number: format!("GD{n}"),
        received_at: UnixMillis(START.0 + n),
        closed_at: None,
        fields: vec![
            (Field::Title, Pii::new(title.into())),
            (Field::Phone, Pii::new(phone.into())),
        ],
    };
    let tickets = vec![past(1, NUMBER, "老房子漏水"), past(2, OTHER, OTHER_WORD)];
    let import = PastImport { file: "past.csv".into(), by: "admin".into(), tickets };
    store.import_past_tickets(import, |_| ()).await.unwrap();
}

/// Every value of every table as text, with where it stands. A table that comes later is in it.
pub(super) async fn dump(store: &Store) -> Vec<(String, String)> {
    use sqlx::{Column, Row, ValueRef};
    let (tables, cast) = match store.place() {
        Place::File(_) => ("SELECT name FROM sqlite_master WHERE type = 'table'", None),
        Place::Server(_) => (
            "SELECT CAST(tablename AS TEXT) AS name FROM pg_tables WHERE schemaname = current_schema()",
            Some("SELECT CAST(row_to_json(t) AS TEXT) AS row FROM "),
        ),
    };
    let mut all = Vec::new();
    for table in sqlx::query(tables).fetch_all(store.readers()).await.unwrap() {
        let table: String = table.try_get("name").unwrap();
        if table == "_sqlx_migrations" {
            continue;
        }
        let rows = match cast {
            None => format!("SELECT * FROM \"{table}\""),
            Some(cast) => format!("{cast} \"{table}\" AS t"),
        };
        let rows = sqlx::query(sqlx::AssertSqlSafe(rows)).fetch_all(store.readers()).await;
        for row in rows.unwrap() {
            for column in row.columns() {
                let raw = row.try_get_raw(column.name()).unwrap();
                let text = match raw.type_info().kind() {
                    _ if raw.is_null() => continue,
                    sqlx::any::AnyTypeInfoKind::Text => row.get::<String, _>(column.name()),
                    sqlx::any::AnyTypeInfoKind::Blob => {
                        String::from_utf8_lossy(&row.get::<Vec<u8>, _>(column.name())).into_owned()
                    }
                    _ => continue,
                };
                all.push((format!("{table}.{}", column.name()), text));
            }
        }
    }
    all
}

/// Every two neighbouring characters: the index has no longer ones.
fn pairs(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    chars.windows(2).map(|pair| pair.iter().collect()).collect()
}

/// Where the citizen's number (as it is or from its end) or words stand.
fn left(all: &[(String, String)]) -> Vec<String> {
    let reversed: String = NUMBER.chars().rev().collect();
    let is_own = |text: &str| {
        text.contains(NUMBER) || text.contains(&reversed) || WORDS.iter().any(|w| text.contains(w))
    };
    let places = all.iter().filter(|(_, text)| is_own(text)).map(|(place, _)| place.clone());
    let mut places: Vec<String> = places.collect();
    places.sort();
    places.dedup();
    places
}

on_both!(of_an_erased_citizen_no_word_is_left_in_any_table_and_what_counts_stays);
async fn of_an_erased_citizen_no_word_is_left_in_any_table_and_what_counts_stays(on: On) {
    let (_dir, store) = fresh(on).await;
    let known = everything(&store).await;
    let before = dump(&store).await;
    let named = left(&before);
    let column = |name: &str| {
        if on == On::Sqlite {
            name.to_owned()
        } else {
            format!("{}.row", name.split('.').next().unwrap())
        }
    };
    for place in [
        "calls.caller",
        "legs.target",
        "segments.text",
        "segments.raw",
        "call_events.detail",
        "tickets.draft",
        "ticket_revisions.changes",
        "ticket_steps.note",
        "past_tickets.draft",
        "missed_calls.caller",
        "follow_ups.citizen",
        "follow_ups.earlier",
        "attempts.citizen",
        "follow_up_answers.text",
        "answer_corrections.note",
        "outbox.last_error",
        "outbox.payload",
        "idempotency_keys.body",
        "ticket_phones.reversed",
        "do_not_call.number",
        "quality_findings.quote",
        "quality_findings.remark",
    ] {
        assert!(named.contains(&column(place)), "{place} is not tried: {named:?}");
    }
    let planned = store.would_erase(&number()).await.unwrap();
    assert_eq!(dump(&store).await, before, "looking changes nothing");
    let reason = EraseReason::ConsentWithdrawn;
    let erased = store.erase_citizen(number(), reason, "admin").await.unwrap();
    assert!(erased.calls.contains(&known.call) && !erased.calls.contains(&known.other_call));
    let erased = erased.erasure;
    assert_eq!(erased, planned);
    let expected = Erasure {
        calls: 3,
        calls_of_others: 1,
        segments: 3,
        recordings: 3,
        tickets: 3,
        open_tickets: 1,
        past_tickets: 1,
        missed_calls: 1,
        // The second one comes after the ticket is handled again.
        follow_ups: 3,
        open_follow_ups: 2,
        unsent_messages: erased.unsent_messages,
        keeps_do_not_call: true,
        more: false,
    };
    assert_eq!(erased, expected);
    assert!(erased.unsent_messages >= 3, "{erased:?}");

    let after = dump(&store).await;
    assert_eq!(left(&after), [column("do_not_call.number")], "the wish not to be called stays");
    let index = |all: &[(String, String)], pair: &str| {
        all.iter()
            .filter(|(place, text)| place.starts_with("ticket_words") && text.contains(pair))
            .count()
    };
    for pair in pairs("烧烤店").into_iter().chain(pairs("幸福小区")) {
        assert_eq!(index(&after, &pair), 0, "{pair} is left in the index");
    }
    assert!(index(&after, "公交") > 0, "another's words stay in the index");
    check_what_stays(&store, &known).await;

    let again = store.erase_citizen(number(), reason, "admin").await.unwrap().erasure;
    assert_eq!(again, Erasure { keeps_do_not_call: true, ..Erasure::default() });
    let lines =
        store.audit_lines(&AuditQuery { limit: 50, ..AuditQuery::default() }).await.unwrap();
    let erased: Vec<_> = lines.iter().filter(|line| line.action == "citizen.erase").collect();
    assert!(erased[1].subject.starts_with("…8000 consent_withdrawn: calls 3"), "{lines:?}");
    assert!(store.verify_audit(None).await.unwrap().broken.is_none());
    if let Place::File(path) = store.place().clone() {
        check_copy(store, &path).await;
    }
}

async fn check_what_stays(store: &Store, known: &Known) {
    let call = store.call(known.call).await.unwrap().unwrap();
    assert_eq!((call.caller.expose().as_str(), call.recording), (crate::citizens::ERASED, None));
    assert!(call.answered_at.is_some() && call.quality.is_some());
    let (check, found) = store.quality_of(known.call).await.unwrap();
    assert_eq!((check.is_some(), found.len(), found[0].points), (true, 1, 20), "findings count");
    assert_eq!(store.quality_waiting().await.unwrap(), 0, "nothing is checked any more");
    let ticket = store.ticket(known.ticket).await.unwrap().unwrap();
    let value = |field| ticket.draft.field(field).unwrap().value.expose().clone();
    assert_eq!(
        (value(Field::Category), value(Field::Title)),
        ("生态环境/噪声污染".into(), "已删除".into())
    );
    assert_eq!(
        (ticket.handling.stage, ticket.handling.unit.as_deref()),
        (Stage::InHandling, Some("城管局"))
    );
    let history = store.revisions(known.ticket).await.unwrap();
    assert_eq!(history.last().unwrap().revision, ticket.revision);
    let erasures = history.iter().filter(|revision| revision.erased).count();
    assert!(history.last().unwrap().erased && erasures == 1, "{history:?}");
    assert!(history.iter().any(|revision| revision.by == "801"), "who edited stays");
    let missed =
        store.missed_calls(&MissedQuery { limit: 9, ..MissedQuery::default() }).await.unwrap();
    let states: Vec<_> = missed.iter().map(|row| row.state).collect();
    assert_eq!(states, [MissedState::Open, MissedState::Failed], "nobody is to be called back");
    let erased = missed[1].call;
    store.reopen_missed(erased, "901").await.unwrap();
    assert!(store.claim_missed(erased, "901").await.unwrap().is_none(), "there is no number");
    // The other citizen is as before.
    let other = store.call(known.other_call).await.unwrap().unwrap();
    assert!(other.caller.expose() == OTHER && other.recording.is_some());
    let other = store.ticket(known.other_ticket).await.unwrap().unwrap();
    assert_eq!(other.draft.field(Field::Place).unwrap().value.expose(), OTHER_WORD);
    let asked = TicketSearch {
        text: None,
        place: Some(OTHER_WORD.parse().unwrap()),
        limit: 9,
        ..Default::default()
    };
    assert_eq!(store.find_tickets(&asked).await.unwrap().len(), 1);
    let asked =
        TicketSearch { phone: Some(NUMBER.parse().unwrap()), limit: 9, ..Default::default() };
    assert!(store.find_tickets(&asked).await.unwrap().is_empty());
    // Those who follow the log hear that their copies must go.
    let page = store.log(Some(0), 500).await.unwrap();
    let crate::feed::LogPage::Rows { rows, .. } = page else { panic!("{page:?}") };
    assert_eq!(rows.iter().filter(|row| row.kind == "ticket.erased").count(), 3);
}

/// Nothing is left in a copy of the file that was made after it, between the rows either.
async fn check_copy(store: Store, path: &std::path::Path) {
    store.unrefuse_number(Pii::new(NUMBER.into()), "admin", clock::now()).await.unwrap();
    store.close().await;
    let copy = path.with_extension("copy");
    let mut source = crate::backup::Source::open(Place::File(path.to_owned())).await.unwrap();
    source.copy_to(&copy).await.unwrap();
    let bytes = std::fs::read(copy).unwrap();
    let is_in = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    let found: Vec<&str> = WORDS.into_iter().filter(|word| is_in(word)).collect();
    assert!(found.is_empty() && !is_in(NUMBER), "{found:?} are left in the copy");
    assert!(is_in(OTHER_WORD) && is_in(OTHER));
}

on_both!(the_files_of_an_erased_citizen_are_listed_until_they_are_gone);
async fn the_files_of_an_erased_citizen_are_listed_until_they_are_gone(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    store.answer_call(call, START, Some("a.wav".into())).await.unwrap();
    let refused = store.would_erase(&number()).await;
    assert!(matches!(refused, Err(EraseError::UnderWay)), "the call runs");
    store.end_call(ended(call)).await.unwrap();
    let refused = store.erase_citizen(number(), EraseReason::OtherLaw, "admin").await;
    assert!(matches!(refused, Err(EraseError::UnderWay)), "its last words may still come");
    store.captions_closed(call).await.unwrap();
    store.erase_citizen(number(), EraseReason::OtherLaw, "li").await.unwrap();
    assert!(
        store.recordings(call).await.unwrap()[0].deleted_at.is_some(),
        "nobody gets it any more"
    );
    // A crash lies between.
    let store = again(&store).await;
    let due = store.recordings_to_erase(None).await.unwrap();
    assert_eq!(due.iter().map(|it| it.file.as_str()).collect::<Vec<_>>(), ["a.wav"]);
    store.recording_erased(due[0].key).await.unwrap();
    store.recording_erased(due[0].key).await.unwrap();
    assert!(store.recordings_to_erase(None).await.unwrap().is_empty());
    let lines = store.audit_lines(&AuditQuery { limit: 9, ..AuditQuery::default() }).await.unwrap();
    let deleted: Vec<_> = lines.iter().filter(|line| line.action == "recording.delete").collect();
    assert_eq!((deleted.len(), deleted[0].by.as_str()), (1, "li"));
    store.put_whole(call, vec![said("晚了")]).await.unwrap();
    assert!(store.whole_transcript(call).await.unwrap().is_empty(), "a hearing that was under way");
}

on_both!(a_citizen_gets_all_that_is_known_and_nothing_of_others);
async fn a_citizen_gets_all_that_is_known_and_nothing_of_others(on: On) {
    let (_dir, store) = fresh(on).await;
    let known = everything(&store).await;
    let given = store.citizen_data(&number()).await.unwrap();
    let text = given.data.to_string();
    for word in WORDS.into_iter().filter(|word| *word != "转给儿子" && *word != "三千块钱")
    {
        assert!(text.contains(word), "{word} is missing");
    }
    assert!(text.contains("三千块钱"), "what was said");
    for others in [OTHER, OTHER_WORD, "转给儿子"] {
        assert!(!text.contains(others), "{others} is another's");
    }
    let count = |table: &str| given.data[table].as_array().unwrap().len();
    assert_eq!((count("calls"), count("tickets"), count("follow_ups")), (2, 3, 3));
    assert_eq!((count("past_tickets"), count("do_not_call"), count("missed_calls")), (1, 1, 1));
    let calls: Vec<_> = given.recordings.iter().map(|row| row.key.call).collect();
    assert!(calls.contains(&known.call) && calls.len() == 2, "{calls:?}");
    let nobody = store.citizen_data(&"13600136000".parse().unwrap()).await.unwrap();
    assert!(
        nobody.data.as_object().unwrap().values().all(|rows| rows.as_array().unwrap().is_empty())
    );
}

on_both!(an_erasure_leaves_the_counts_of_districts_as_they_were);
async fn an_erasure_leaves_the_counts_of_districts_as_they_were(on: On) {
    let (_dir, store) = fresh(on).await;
    everything(&store).await;
    let district_of = |place: &str| place.chars().take(2).collect::<String>();
    let count = async || {
        assert_eq!(store.read_facts(&district_of, 10_000).await.unwrap(), 0);
        let day = UnixMillis(START.0 + 86_400_000);
        let groups = store.count_tickets(UnixMillis(START.0 - 1), day).await.unwrap();
        groups.into_iter().map(|group| (group.of, group.tickets)).collect::<Vec<_>>()
    };
    let before = count().await;
    assert!(before.iter().any(|(of, _)| of.district == "幸福"), "{before:?}");
    store.erase_citizen(number(), EraseReason::Unlawful, "admin").await.unwrap();
    assert_eq!(count().await, before);
}

on_both!(a_file_that_may_lie_with_another_server_is_told_to_be_so);
async fn a_file_that_may_lie_with_another_server_is_told_to_be_so(on: On) {
    let (_dir, store) = fresh(on).await;
    // As before servers had names.
    let (call, _) = begun(&store).await;
    store.answer_call(call, START, Some("a.wav".into())).await.unwrap();
    store.end_call(ended(call)).await.unwrap();
    store.captions_closed(call).await.unwrap();
    store.name_server("one".into());
    assert_eq!(store.recorded_files().await.unwrap(), Some(Vec::new()), "of this server");
    store.erase_citizen(number(), EraseReason::OtherLaw, "li").await.unwrap();
    let due = store.recordings_to_erase(None).await.unwrap();
    assert_eq!((due.len(), due[0].is_ours), (1, on == On::Sqlite), "a file's server is alone");
    assert!(store.recordings_to_erase(Some(due[0].key)).await.unwrap().is_empty(), "behind it");
}

/// A call of the citizen's as it stands in the books, with a ticket.
async fn one_of_many(store: Store, n: usize) {
    let (call, ticket) = begun(&store).await;
    store.answer_call(call, START, Some(format!("{n}.wav"))).await.unwrap();
    for sentence in ["我住幸福小区三号楼", "楼下烧烤店太吵", "请你们来看看"] {
        let tags = [
            tag(Field::Title, "烧烤店扰民"),
            tag(Field::Place, &format!("幸福小区{n}号楼")),
            tag(Field::Description, &format!("第{n}次反映楼下烧烤店扰民，{sentence}")),
        ];
        store.record_final(call, said(sentence), &tags).await.unwrap();
    }
    let detail = serde_json::json!({ "to": NUMBER });
    let event = CallEvent { at: START, kind: "transfer".into(), detail: Pii::new(detail) };
    store.call_event(call, event).await.unwrap();
    store.end_call(ended(call)).await.unwrap();
    store.captions_closed(call).await.unwrap();
    let revision = store.ticket(ticket).await.unwrap().unwrap().revision;
    store.confirm_ticket(ticket, revision, "801").await.unwrap();
}

on_both!(an_erasure_that_was_cut_off_is_finished_by_the_next_start_or_order);
async fn an_erasure_that_was_cut_off_is_finished_by_the_next_start_or_order(on: On) {
    let (_dir, store) = fresh(on).await;
    let known = everything(&store).await;
    // More than one step.
    for n in 0..130 {
        one_of_many(store.clone(), n).await;
    }
    for steps in [0, 1, 3] {
        let (id, taken) = store.order_erasure(number(), "li").await.unwrap();
        for _ in 0..steps {
            store.erasure_step(&id).await.unwrap();
        }
        assert_eq!(store.erasures_unfinished().await.unwrap(), 1, "{steps}");
        // The process dies here, and another one opens the database.
        let store = again(&store).await;
        let calls = store.finish_erasures().await.unwrap();
        let named = store.would_erase(&number()).await.unwrap();
        assert_eq!(named, Erasure { keeps_do_not_call: true, ..Erasure::default() }, "{steps}");
        assert_eq!(store.erasures_unfinished().await.unwrap(), 0);
        assert!(left(&dump(&store).await).iter().all(|place| place.starts_with("do_not_call")));
        if steps == 0 {
            assert_eq!((taken.calls, taken.tickets), (133, 133));
            assert!(calls.contains(&known.call) && calls.len() == 133);
            let page = store.log(Some(0), 500).await.unwrap();
            assert!(matches!(page, crate::feed::LogPage::Rows { .. }));
        }
        one_of_many(store.clone(), 1).await;
        let (call, _) = begun(&store).await;
        over(&store, call, false).await;
    }
    // The next order finishes one of before, and takes what came since.
    let (id, _) = store.order_erasure(number(), "li").await.unwrap();
    store.erasure_step(&id).await.unwrap();
    one_of_many(store.clone(), 2).await;
    let erased = store.erase_citizen(number(), EraseReason::Unlawful, "wang").await.unwrap();
    assert_eq!((erased.erasure.calls, erased.calls.len()), (1, 3));
    let lines = AuditQuery { limit: 500, ..AuditQuery::default() };
    let lines = store.audit_lines(&lines).await.unwrap();
    let done: Vec<_> = lines.iter().filter(|line| line.action == "citizen.erased").collect();
    assert_eq!((done.len(), done[0].by.as_str(), done[1].by.as_str()), (5, "wang", "li"));
    assert_eq!(done[0].subject, "…8000");
    // Each step was done once.
    let history = store.revisions(known.ticket).await.unwrap();
    assert_eq!(history.iter().filter(|revision| revision.erased).count(), 1);
}

/// With `--nocapture` it tells how long a write waits behind an erasure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::disallowed_methods, reason = "it measures")]
async fn an_erasure_of_a_thousand_calls_is_in_steps_and_others_write_between_them() {
    let (_dir, store) = fresh(On::Sqlite).await;
    for first in (0..1_000).step_by(50) {
        let mut calls = JoinSet::new();
        (first..first + 50).for_each(|n| {
            calls.spawn(one_of_many(store.clone(), n));
        });
        calls.join_all().await;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut waits = JoinSet::new();
    {
        let (store, is_over) = (store.clone(), Arc::clone(&is_over));
        waits.spawn(async move {
            let mut longest = 0;
            while !is_over.load(Relaxed) {
                let asked = Instant::now();
                store.audit("801", "call.read", "x").await.unwrap();
                longest = longest.max(asked.elapsed().as_millis());
            }
            longest
        });
    }
    let began = Instant::now();
    let (id, erasure) = store.order_erasure(number(), "admin").await.unwrap();
    let (order, mut step, mut steps) = (began.elapsed().as_millis(), 0, 0);
    loop {
        let asked = Instant::now();
        let more = store.erasure_step(&id).await.unwrap();
        step = step.max(asked.elapsed().as_millis());
        if !more {
            break;
        }
        steps += 1;
    }
    let in_steps = began.elapsed().as_millis();
    let calls = store.finish_erasures().await.unwrap();
    let whole = began.elapsed().as_millis();
    is_over.store(true, Relaxed);
    let longest = waits.join_all().await[0];
    println!(
        "1,000 calls erased in {whole} ms: the order {order} ms, a step at most {step} ms, all steps after \
         {in_steps} ms; the longest wait of a write was {longest} ms"
    );
    assert_eq!((erasure.calls, erasure.tickets, calls.len()), (1_000, 1_000, 1_000));
    assert_eq!((erasure.more, steps), (false, 11), "ten parts and the rest");
    assert_eq!(store.would_erase(&number()).await.unwrap(), Erasure::default());
}
