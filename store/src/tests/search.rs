//! What the index does behind the scenes: with tickets of before it, with imports that were cut off, and with
//! its plans.

use super::*;
use crate::search::{Reach, docs};
use qingting_nlu::history::PastTicket;
use std::sync::Mutex;

fn asked(text: &str) -> TicketSearch {
    TicketSearch { text: Some(text.parse().unwrap()), limit: 9, ..TicketSearch::default() }
}

on_both!(tickets_of_before_the_index_are_found_once_it_was_brought_up_to_date);
async fn tickets_of_before_the_index_are_found_once_it_was_brought_up_to_date(on: On) {
    let (_dir, store) = fresh(on).await;
    let mut tickets = Vec::new();
    // More than are done at a time.
    for _ in 0..600 {
        tickets.push(begun(&store).await);
    }
    let (call, ticket) = tickets[599];
    let tags = [tag(Field::Description, "路灯不亮"), tag(Field::Phone, "13900139000")];
    store.record_final(call, said("路灯不亮"), &tags).await.unwrap();
    // As the migration leaves it.
    for statement in [
        "DELETE FROM ticket_words",
        "DELETE FROM ticket_phones",
        "DELETE FROM ticket_docs",
        "INSERT INTO tickets_to_index SELECT id FROM tickets",
    ] {
        store.write(Sql(statement)).await.unwrap();
    }
    assert!(store.find_tickets(&asked("路灯")).await.unwrap().is_empty());
    // Before it is in the index it may change.
    let edit = vec![(Field::Place, "翠湖小区".to_owned())];
    store.edit_ticket(ticket, 1, edit, "1001").await.unwrap();
    // Opening waits for none of them, and none is told twice.
    let store = again(&store).await;
    assert!(store.find_tickets(&asked("路灯")).await.unwrap().is_empty());
    let told = Mutex::new(Vec::new());
    store.index_what_waits(|left| told.lock().unwrap().push(left)).await.unwrap();
    assert_eq!(*told.lock().unwrap(), [600, 500, 400, 300, 200, 100, 0, 0]);
    let found = store.find_tickets(&asked("路灯")).await.unwrap();
    assert_eq!(found.iter().map(FoundTicket::id).collect::<Vec<_>>(), [ticket]);
    let everywhere = TicketSearch {
        phone: Some("9000".parse().unwrap()),
        place: Some("翠湖".parse().unwrap()),
        ..asked("路灯")
    };
    assert_eq!(store.find_tickets(&everywhere).await.unwrap().len(), 1);
    let all = TicketSearch {
        phone: Some("13800138000".parse().unwrap()),
        limit: 500,
        ..TicketSearch::default()
    };
    let first = store.find_tickets(&all).await.unwrap();
    let rest = TicketSearch { before: first.last().map(FoundTicket::id), ..all };
    assert_eq!((first.len(), store.find_tickets(&rest).await.unwrap().len()), (500, 100));
}

on_both!(what_an_older_server_writes_beside_us_is_found_once_the_index_is_brought_up_to_date);
async fn what_an_older_server_writes_beside_us_is_found_once_the_index_is_brought_up_to_date(
    on: On,
) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    for statement in ["DELETE FROM ticket_phones", "DELETE FROM ticket_docs"] {
        store.write(Sql(statement)).await.unwrap();
    }
    store.record_final(call, said("路灯"), &[tag(Field::Title, "路灯不亮")]).await.unwrap();
    assert!(store.find_tickets(&asked("路灯")).await.unwrap().is_empty());
    store.index_what_waits(|_| ()).await.unwrap();
    let found = store.find_tickets(&asked("路灯")).await.unwrap();
    assert_eq!(found.iter().map(FoundTicket::id).collect::<Vec<_>>(), [ticket]);
}

on_both!(a_copy_an_erasure_and_an_import_wait_for_the_index);
async fn a_copy_an_erasure_and_an_import_wait_for_the_index(on: On) {
    let (_dir, store) = fresh(on).await;
    let citizen: CitizenNumber = "13700137000".parse().unwrap();
    let (call, ticket) = begun(&store).await;
    store.record_final(call, said("x"), &[tag(Field::Phone, "13700137000")]).await.unwrap();
    store.end_call(ended(call)).await.unwrap();
    store.captions_closed(call).await.unwrap();
    let unindexed = async || {
        for statement in
            ["DELETE FROM ticket_words", "DELETE FROM ticket_phones", "DELETE FROM ticket_docs"]
        {
            store.write(Sql(statement)).await.unwrap();
        }
    };
    unindexed().await;
    let given = store.citizen_data(&citizen).await.unwrap();
    assert_eq!(given.data["tickets"].as_array().unwrap().len(), 1);
    unindexed().await;
    let number = store.ticket(ticket).await.unwrap().unwrap().number;
    let known = PastTicket {
        number,
        received_at: START,
        closed_at: None,
        fields: vec![(Field::Title, Pii::new("路灯".into()))],
    };
    let import = PastImport { file: "a.csv".into(), by: "li".into(), tickets: vec![known] };
    let done = store.import_past_tickets(import, |_| {}).await.unwrap();
    assert_eq!(done, PastImported { new: 0, known: 1 });
    unindexed().await;
    assert_eq!(store.would_erase(&citizen).await.unwrap().tickets, 1);
    unindexed().await;
    let erased = store.erase_citizen(citizen, EraseReason::OtherLaw, "li").await.unwrap();
    assert_eq!(erased.erasure.tickets, 1);
}

on_both!(what_an_interrupted_import_has_left_makes_room_for_the_next);
async fn what_an_interrupted_import_has_left_makes_room_for_the_next(on: On) {
    let (_dir, store) = fresh(on).await;
    let past = |n: i64, title: &str| PastTicket {
        number: format!("GD{n}"),
        received_at: UnixMillis(START.0 + n),
        closed_at: None,
        fields: vec![(Field::Title, Pii::new(title.into()))],
    };
    let import = |title: &str| PastImport {
        file: "past.csv".into(),
        by: "admin".into(),
        tickets: (0..700).map(|n| past(n, title)).collect(),
    };
    store.import_past_tickets(import("路灯"), |_| {}).await.unwrap();
    // As if it had been killed two minutes ago.
    store.write(Sql("UPDATE past_imports SET finished_at = NULL, alive_at = 0")).await.unwrap();
    assert!(store.find_tickets(&asked("路灯")).await.unwrap().is_empty());
    let done = store.import_past_tickets(import("井盖"), |_| {}).await.unwrap();
    assert_eq!(done, PastImported { new: 700, known: 0 });
    assert!(store.find_tickets(&asked("路灯")).await.unwrap().is_empty());
    assert_eq!(store.find_tickets(&asked("井盖")).await.unwrap().len(), 9);
    let imports: i64 = sqlx::query_scalar("SELECT count(*) FROM past_imports")
        .fetch_one(store.readers())
        .await
        .unwrap();
    assert_eq!(imports, 1);
}

#[tokio::test]
async fn searches_follow_an_index_and_sort_few() {
    let (_dir, store) = fresh(On::Sqlite).await;
    let explained = async |search: &TicketSearch| {
        let sql = docs("EXPLAIN QUERY PLAN ", search, Some(1), store.index(), Reach::Newest);
        plan(&store, sql).await
    };
    let words = explained(&asked("路灯")).await;
    assert!(words[0].contains("ticket_words VIRTUAL TABLE"), "{words:#?}");
    assert!(words[1].contains("SEARCH docs USING INTEGER PRIMARY KEY"), "{words:#?}");
    assert!(!words.iter().any(|step| step.contains("TEMP")), "{words:#?}");
    let number = TicketSearch { number: Some("A".into()), ..TicketSearch::default() };
    let number = explained(&number).await;
    assert!(number[0].contains("ticket_docs_by_number"), "{number:#?}");
    let phone = TicketSearch { phone: Some("8000".parse().unwrap()), ..TicketSearch::default() };
    let phone = explained(&phone).await;
    assert!(phone[0].starts_with("SEARCH docs USING INTEGER PRIMARY KEY"), "{phone:#?}");
    assert!(phone.iter().any(|step| step.starts_with("SEARCH ticket_phones")), "{phone:#?}");
    let both = TicketSearch { phone: Some("8000".parse().unwrap()), ..asked("路灯") };
    let both = explained(&both).await;
    let place = |part: &str| both.iter().position(|step| step.contains(part));
    assert!(
        place("MATERIALIZE few").is_some_and(|at| at < place("ticket_words").unwrap()),
        "{both:#?}"
    );
    let all = explained(&TicketSearch::default()).await;
    assert!(all[0].contains("docs USING INTEGER PRIMARY KEY"), "{all:#?}");
}

on_both!(who_sees_masks_finds_numbers_by_what_a_mask_shows_or_whole);
async fn who_sees_masks_finds_numbers_by_what_a_mask_shows_or_whole(on: On) {
    let (_dir, store) = fresh(on).await;
    let (_, ticket) = begun(&store).await;
    let edit = vec![(Field::Phone, "88881234".to_owned())];
    store.edit_ticket(ticket, 0, edit, "801").await.unwrap();
    let found = async |phone: &str, is_masked: bool| {
        let phone = Some(phone.parse().unwrap());
        let asked = TicketSearch { phone, is_masked, limit: 9, ..TicketSearch::default() };
        store.find_tickets(&asked).await.unwrap().len()
    };
    for end in ["8000", "13800138000", "38000", "00138000", "1234", "88881234", "8881234"] {
        assert_eq!(found(end, false).await, 1, "{end}");
    }
    for shown in ["8000", "13800138000", "+86 138 0013 8000", "88881234"] {
        assert_eq!(found(shown, true).await, 1, "{shown}");
    }
    // A landline's mask shows no digit, and the end of a number is no number.
    for hidden in ["1234", "38000", "00138000", "8881234", "3800138000"] {
        assert_eq!(found(hidden, true).await, 0, "{hidden}");
    }
}
