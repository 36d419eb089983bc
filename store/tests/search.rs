//! Tickets are found by what is asked, our own as soon as they are written and past ones as a whole.

use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, TicketId, UnixMillis};
use qingting_nlu::draft::{Field, Tag};
use qingting_nlu::history::PastTicket;
use qingting_store::{
    AuditQuery, DatabaseUrl, Direction, FinalSegment, FoundStatus, FoundTicket, ImportError,
    NewCall, PastImport, PastImported, Place, Store, TicketSearch, TicketStatus,
};
use tempfile::TempDir;
use uuid::Uuid;

#[path = "support/postgres.rs"]
mod server;

use server::{On, on_both};

const START: i64 = 1_767_196_800_000;
const DAY_MS: i64 = 86_400_000;

async fn fresh(on: On) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let place = match on {
        On::Sqlite => Place::File(dir.path().join("qingting.db")),
        On::Postgres => server::database().parse::<DatabaseUrl>().unwrap().into(),
    };
    (dir, Store::open(place).await.unwrap())
}

/// A call and its ticket with these fields.
async fn called(store: &Store, caller: &str, at: i64, fields: &[(Field, &str)]) -> TicketId {
    let id = CallId::new(Uuid::now_v7());
    let call = NewCall {
        id,
        direction: Direction::Inbound,
        caller: Pii::new(caller.into()),
        called: "12345".into(),
        number_name: None,
        enterprise: false,
        dialog: None,
        started_at: UnixMillis(at),
    };
    let ticket = store.begin_call(call).await.unwrap();
    say(store, id, fields).await;
    ticket
}

async fn say(store: &Store, call: CallId, fields: &[(Field, &str)]) {
    let segment = FinalSegment {
        id: SegmentId::new(Uuid::now_v7()),
        party: Party::Caller,
        start_ms: 0,
        end_ms: 900,
        text: Pii::new("喂".into()),
        raw: Pii::new("喂".into()),
        confidence: 0.9,
    };
    let tag = |(field, value): &(Field, &str)| Tag {
        field: *field,
        value: (*value).into(),
        confidence: 0.9,
        evidence: Vec::new(),
    };
    let tags: Vec<Tag> = fields.iter().map(tag).collect();
    store.record_final(call, segment, &tags).await.unwrap();
}

fn past(number: &str, at: i64, fields: &[(Field, &str)]) -> PastTicket {
    PastTicket {
        number: number.into(),
        received_at: UnixMillis(at),
        closed_at: Some(UnixMillis(at + DAY_MS)),
        fields: fields.iter().map(|(field, text)| (*field, Pii::new((*text).into()))).collect(),
    }
}

fn import(tickets: Vec<PastTicket>) -> PastImport {
    PastImport { file: "past.csv".into(), by: "command line".into(), tickets }
}

async fn imported(store: &Store, tickets: Vec<PastTicket>) -> PastImported {
    store.import_past_tickets(import(tickets), |_| {}).await.unwrap()
}

/// `number=…`, `phone=…`, `text=…`, `place=…` as one asks for them.
fn asked(asked: &[(&str, &str)]) -> TicketSearch {
    let mut search = TicketSearch { limit: 50, ..TicketSearch::default() };
    for (name, text) in asked {
        match *name {
            "number" => search.number = Some((*text).into()),
            "phone" => search.phone = Some(text.parse().unwrap()),
            "text" => search.text = Some(text.parse().unwrap()),
            "place" => search.place = Some(text.parse().unwrap()),
            other => panic!("{other}"),
        }
    }
    search
}

fn number(found: &FoundTicket) -> String {
    match found {
        FoundTicket::Own(ticket) => ticket.number.clone(),
        FoundTicket::Past(ticket) => ticket.number.clone(),
    }
}

async fn numbers(store: &Store, search: &TicketSearch) -> Vec<String> {
    store.find_tickets(search).await.unwrap().iter().map(number).collect()
}

on_both!(a_ticket_is_found_by_number_telephone_words_and_place);
async fn a_ticket_is_found_by_number_telephone_words_and_place(on: On) {
    let (_dir, store) = fresh(on).await;
    let text = "反映翠湖小区三号楼的路灯，已经坏了三天。";
    let fields = [
        (Field::Title, "Ａ区路灯不亮"),
        (Field::Description, text),
        (Field::Place, "翠湖小区3号楼"),
        (Field::Phone, "057188886666"),
    ];
    called(&store, "13800138000", START, &fields).await;
    let other = [(Field::Title, "夜间噪音"), (Field::Place, "和平里")];
    called(&store, "+8613912348001", START + 1_000, &other).await;
    let (lamp, noise) = ("20260101-000001", "20260101-000002");
    for (what, expected) in [
        (&[("number", "20260101-000001")][..], &[lamp][..]),
        (&[("number", " 20260101000001 ")], &[lamp]),
        (&[("number", "000001")], &[]),
        (&[("phone", "13800138000")], &[lamp]),
        (&[("phone", "8000")], &[lamp]),
        (&[("phone", "0571-8888 6666")], &[lamp]),
        (&[("phone", "13912348001")], &[noise]),
        (&[("phone", "+86 139 1234 8001")], &[noise]),
        (&[("phone", "0138")], &[]),
        (&[("text", "路灯")], &[lamp]),
        (&[("text", "a区")], &[lamp]),
        (&[("text", "路灯已经坏了")], &[lamp]),
        (&[("text", "路灯坏了")], &[]),
        (&[("text", "三天 翠湖")], &[lamp]),
        (&[("text", "三天 和平")], &[]),
        (&[("text", "亮反")], &[]),
        (&[("place", "翠湖")], &[lamp]),
        (&[("place", "３号楼")], &[lamp]),
        (&[("place", "路灯")], &[]),
        (&[("text", "路灯"), ("place", "翠湖"), ("phone", "8000")], &[lamp]),
        (&[("text", "路灯"), ("phone", "8001")], &[]),
        (&[("text", "'or' 1=1")], &[]),
        (&[], &[noise, lamp]),
    ] {
        assert_eq!(numbers(&store, &asked(what)).await, expected, "{what:?}");
    }
}

on_both!(the_index_follows_every_change_of_a_ticket);
async fn the_index_follows_every_change_of_a_ticket(on: On) {
    let (_dir, store) = fresh(on).await;
    let ticket = called(&store, "anonymous", START, &[(Field::Description, "路灯")]).await;
    let found = async |name: &str, text: &str| {
        store.find_tickets(&asked(&[(name, text)])).await.unwrap().len()
    };
    let call = store.ticket(ticket).await.unwrap().unwrap().call;
    say(&store, call, &[(Field::Description, "路灯不亮，井盖也没了")]).await;
    assert_eq!((found("text", "路灯").await, found("text", "井盖").await), (1, 1));
    let edits = vec![
        (Field::Description, "水管漏水".to_owned()),
        (Field::Phone, "13700137000".to_owned()),
        (Field::Place, "文三路".to_owned()),
    ];
    let revision = store.ticket(ticket).await.unwrap().unwrap().revision;
    let row = store.edit_ticket(ticket, revision, edits, "1001").await.unwrap();
    assert_eq!((found("text", "路灯").await, found("text", "水管").await), (0, 1));
    assert_eq!((found("phone", "7000").await, found("place", "文三路").await), (1, 1));
    let edits = vec![(Field::Phone, String::new()), (Field::Place, String::new())];
    let row = store.edit_ticket(ticket, row.revision, edits, "1001").await.unwrap();
    assert_eq!((found("phone", "7000").await, found("place", "文三路").await), (0, 0));
    store.confirm_ticket(ticket, row.revision, "1001").await.unwrap();
    let status = |status| TicketSearch { status: Some(status), ..asked(&[("text", "水管")]) };
    let own = |is| status(FoundStatus::Own(is));
    assert_eq!(numbers(&store, &own(TicketStatus::Confirmed)).await.len(), 1);
    assert_eq!(numbers(&store, &own(TicketStatus::Draft)).await.len(), 0);
    assert_eq!(numbers(&store, &status(FoundStatus::Past)).await.len(), 0);
}

on_both!(past_tickets_are_found_among_our_own_in_the_order_of_their_time);
async fn past_tickets_are_found_among_our_own_in_the_order_of_their_time(on: On) {
    let (_dir, store) = fresh(on).await;
    called(&store, "13800138000", START, &[(Field::Title, "路灯不亮")]).await;
    // Most tables tell no more than the day.
    let day = START - 30 * DAY_MS;
    let tickets = (0..1_200)
        .map(|n| past(&format!("GD{n:04}"), day, &[(Field::Title, "路灯不亮")]))
        .collect();
    assert_eq!(imported(&store, tickets).await, PastImported { new: 1_200, known: 0 });
    let later = past(
        "GD-later",
        START + DAY_MS,
        &[(Field::Title, "路灯又不亮"), (Field::Phone, "0571-88886666")],
    );
    imported(&store, vec![later]).await;

    let mut search = TicketSearch { limit: 500, ..asked(&[("text", "路灯")]) };
    let mut all = Vec::new();
    loop {
        let page = store.find_tickets(&search).await.unwrap();
        let Some(last) = page.last() else { break };
        search.before = Some(last.id());
        all.extend(page.iter().map(number));
    }
    let mut expected = vec!["GD-later".to_owned(), "20260101-000001".to_owned()];
    expected.extend((0..1_200).rev().map(|n| format!("GD{n:04}")));
    assert!(all == expected, "{:?} of {}", &all[..5], all.len());

    let past =
        TicketSearch { status: Some(FoundStatus::Past), limit: 1, ..TicketSearch::default() };
    let found = store.find_tickets(&past).await.unwrap();
    let [FoundTicket::Past(row)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(row.number, "GD-later");
    assert_eq!(row.draft.field(Field::Phone).unwrap().value.expose(), "0571-88886666");
    assert_eq!(store.past_ticket(row.id).await.unwrap().as_ref(), Some(row));
    assert_eq!(numbers(&store, &asked(&[("phone", "057188886666")])).await, ["GD-later"]);
    assert!(store.ticket(row.id).await.unwrap().is_none(), "it is none of our own");
}

on_both!(a_number_is_imported_once_whoever_has_it);
async fn a_number_is_imported_once_whoever_has_it(on: On) {
    let (_dir, store) = fresh(on).await;
    called(&store, "13800138000", START, &[]).await;
    let tickets = |title: &str| {
        ["20260101-000001", "A1", "A2"].map(|it| past(it, START, &[(Field::Title, title)])).into()
    };
    assert_eq!(imported(&store, tickets("路灯")).await, PastImported { new: 2, known: 1 });
    assert_eq!(imported(&store, tickets("井盖")).await, PastImported { new: 0, known: 3 });
    assert_eq!(numbers(&store, &asked(&[("text", "路灯")])).await, ["A2", "A1"]);
    assert!(numbers(&store, &asked(&[("text", "井盖")])).await.is_empty());
    let query = AuditQuery { limit: 9, ..AuditQuery::default() };
    let lines = store.audit_lines(&query).await.unwrap();
    let lines: Vec<_> = lines.iter().map(|l| (l.action.as_str(), l.subject.as_str())).collect();
    assert_eq!(lines, [("ticket.import", "past.csv: 0 new"), ("ticket.import", "past.csv: 2 new")]);
}

on_both!(an_interrupted_import_is_in_no_answer_and_the_next_takes_its_place);
async fn an_interrupted_import_is_in_no_answer_and_the_next_takes_its_place(on: On) {
    let (_dir, store) = fresh(on).await;
    let tickets: Vec<PastTicket> = (0..1_100)
        .map(|n| {
            past(
                &format!("GD{n}"),
                START + n,
                &[(Field::Title, "路灯"), (Field::Phone, "13800138000")],
            )
        })
        .collect();
    // It ends after its first piece, as a program that is killed.
    let half = store.clone();
    let (first, done) = tokio::sync::oneshot::channel();
    let mut work = tokio::task::JoinSet::new();
    work.spawn({
        let import = import(tickets.clone());
        let mut first = Some(first);
        async move {
            half.import_past_tickets(import, |_| {
                if let Some(first) = first.take() {
                    first.send(()).unwrap();
                }
            })
            .await
        }
    });
    done.await.unwrap();
    work.abort_all();
    let over = work.join_next().await.unwrap();
    assert!(over.is_err_and(|error| error.is_cancelled()), "it was faster than the test");
    assert!(numbers(&store, &asked(&[("text", "路灯")])).await.is_empty());
    assert!(numbers(&store, &asked(&[("phone", "8000")])).await.is_empty());
    assert!(numbers(&store, &asked(&[("number", "GD1")])).await.is_empty());
    // It may still be under way, for all that others know.
    let refused = store.import_past_tickets(import(tickets.clone()), |_| {}).await;
    assert!(matches!(refused, Err(ImportError::UnderWay)), "{refused:?}");
}
