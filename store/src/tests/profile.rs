//! Tables of the city's profile that were saved on the page, and which tickets changed.

use super::*;
use crate::profile::{GoneNames, ProfileSaveError};
use crate::{Step, StepKind};

fn district(_: &str) -> String {
    String::new()
}

fn of_unit(name: &str, is_rename: bool) -> GoneNames {
    let names = vec![name.to_owned()];
    match is_rename {
        true => GoneNames { renamed_units: names, ..GoneNames::default() },
        false => GoneNames { units: names, ..GoneNames::default() },
    }
}

on_both!(a_table_is_saved_at_the_revision_that_was_seen_and_taken_back);
async fn a_table_is_saved_at_the_revision_that_was_seen_and_taken_back(on: On) {
    let (_dir, store) = fresh(on).await;
    assert_eq!(store.profile_tables().await.unwrap(), (Vec::new(), 1));
    let save = async |csv: Option<&str>, revision| {
        let csv = csv.map(str::to_owned);
        store.save_profile_table("units", csv, GoneNames::default(), revision, "admin").await
    };
    assert_eq!(save(Some("编码\n1\n"), Some(1)).await.unwrap(), 2);
    let stale = save(Some("编码\n2\n"), Some(1)).await;
    assert!(matches!(stale, Err(ProfileSaveError::Changed { current: 2 })), "{stale:?}");
    assert_eq!(save(Some("编码\n3\n"), None).await.unwrap(), 3);
    let (tables, revision) = store.profile_tables().await.unwrap();
    assert_eq!((tables.len(), revision), (1, 3));
    assert_eq!((tables[0].csv.as_str(), tables[0].saved_by.as_str()), ("编码\n3\n", "admin"));
    assert_eq!(save(None, Some(3)).await.unwrap(), 4);
    assert_eq!(store.profile_tables().await.unwrap(), (Vec::new(), 4));
}

on_both!(names_of_tickets_and_people_stay);
async fn names_of_tickets_and_people_stay(on: On) {
    let (_dir, store) = fresh(on).await;
    let (_, ticket) = begun(&store).await;
    let edits =
        vec![(Field::HandlingUnit, "城管局".to_owned()), (Field::Category, "市容/路灯".to_owned())];
    store.edit_ticket(ticket, 0, edits, "801").await.unwrap();
    store.confirm_ticket(ticket, 1, "801").await.unwrap();
    while store.read_facts(&district, 100).await.unwrap() > 0 {}
    let stay = async |gone: GoneNames| store.names_that_stay(&gone).await.unwrap();
    assert!(stay(of_unit("水务局", false)).await.is_empty());
    for is_rename in [false, true] {
        let named = stay(of_unit("城管局", is_rename)).await;
        assert_eq!((named[0].tickets, named[0].is_rename), (1, is_rename));
    }
    let category = GoneNames {
        categories: vec!["市容/路灯".into(), "市容".into()],
        ..GoneNames::default()
    };
    assert_eq!(stay(category).await.len(), 1);
    let unit = Some("住建局".to_owned());
    let dispatch =
        Step { kind: StepKind::Dispatch, unit, deadline: None, note: Pii::new(String::new()) };
    store.step_ticket(ticket, 2, dispatch, None, "801").await.unwrap();
    // Once, although the draft names one unit and another has it.
    assert_eq!(stay(of_unit("住建局", false)).await[0].tickets, 1);
    let refused =
        store.save_profile_table("units", None, of_unit("住建局", true), None, "admin").await;
    assert!(matches!(refused, Err(ProfileSaveError::Named(_))), "{refused:?}");
    assert_eq!(store.profile_revision().await.unwrap(), 1);
    // Closed, another name may come; the row may not go.
    for (revision, kind) in [(3, StepKind::Sign), (4, StepKind::Close)] {
        let step = Step { kind, unit: None, deadline: None, note: Pii::new("好".into()) };
        store.step_ticket(ticket, revision, step, None, "801").await.unwrap();
    }
    assert!(stay(of_unit("住建局", true)).await.is_empty());
    assert_eq!(stay(of_unit("住建局", false)).await.len(), 1);
}

on_both!(changes_of_tickets_are_told_once_with_the_units_that_had_them);
async fn changes_of_tickets_are_told_once_with_the_units_that_had_them(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    let place = store.log_end().await.unwrap();
    assert_eq!(store.ticket_changes(place).await.unwrap(), (Vec::new(), place));
    store.edit_ticket(ticket, 0, vec![(Field::Title, "路灯".into())], "801").await.unwrap();
    store.confirm_ticket(ticket, 1, "801").await.unwrap();
    let mut revision = 2;
    for (kind, unit) in [
        (StepKind::Dispatch, Some("城管局")),
        (StepKind::Return, None),
        (StepKind::Dispatch, Some("住建局")),
    ] {
        let unit = unit.map(str::to_owned);
        let step = Step { kind, unit, deadline: None, note: Pii::new("不属于".into()) };
        store.step_ticket(ticket, revision, step, None, "801").await.unwrap();
        revision += 1;
    }
    let (changes, next) = store.ticket_changes(place).await.unwrap();
    assert_eq!(changes.len(), 1);
    let change = &changes[0];
    assert_eq!((change.ticket, change.call, change.revision), (ticket, call, revision));
    assert_eq!(change.units.iter().map(String::as_str).collect::<Vec<_>>(), ["住建局", "城管局"]);
    assert_eq!(next, store.log_end().await.unwrap());
    assert!(store.ticket_changes(next).await.unwrap().0.is_empty());
}
