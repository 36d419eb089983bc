//! People: made, changed, signed in by password or subject.

use super::*;
use crate::people::{NewPerson, PersonChange, PersonError};

const PASSWORD: &str = "correct horse";

fn expert() -> NewPerson {
    NewPerson {
        login: "li.hua".into(),
        name: "李华".into(),
        role: Role::Expert,
        unit: Some("市城市管理局".into()),
        password: Some(Pii::new(PASSWORD.into())),
        subject: Some("sub-1".into()),
    }
}

async fn token(store: &Store, login: &str, password: &str) -> Option<String> {
    let opened = store.open_person_session(login, &Pii::new(password.into())).await.unwrap();
    opened.map(|opened| opened.token)
}

on_both!(a_person_signs_in_by_password_or_subject_and_out);
async fn a_person_signs_in_by_password_or_subject_and_out(on: On) {
    let (_dir, store) = fresh(on).await;
    let made = store.create_person(expert(), "admin", None).await.unwrap();
    assert_eq!(store.person("li.hua").await.unwrap().as_ref(), Some(&made));
    assert!(token(&store, "li.hua", "wrong horse").await.is_none());
    assert!(token(&store, "nobody", PASSWORD).await.is_none());
    let by_password = token(&store, "li.hua", PASSWORD).await.unwrap();
    let by_subject = store.open_subject_session("sub-1").await.unwrap().unwrap();
    assert!(store.open_subject_session("li.hua").await.unwrap().is_none());
    for token in [&by_password, &by_subject.token] {
        let session = store.verify_person_session(token).await.unwrap().unwrap();
        assert_eq!(session.person, made);
        // Nobody takes a person for a seat.
        assert!(store.verify_session(token).await.unwrap().is_none());
        assert!(store.stands(&Credential::PersonSession(session.id)).await.unwrap());
        assert!(!store.stands(&Credential::Session(session.id)).await.unwrap());
    }
    store.close_person_session(by_subject.session.id).await.unwrap();
    assert!(store.verify_person_session(&by_subject.token).await.unwrap().is_none());
    assert!(store.verify_person_session(&by_password).await.unwrap().is_some());
}

on_both!(what_changes_a_persons_rights_ends_its_sessions);
async fn what_changes_a_persons_rights_ends_its_sessions(on: On) {
    let (_dir, store) = fresh(on).await;
    store.create_person(expert(), "admin", None).await.unwrap();
    let renamed = PersonChange { name: Some("李小华".into()), ..PersonChange::default() };
    let open = token(&store, "li.hua", PASSWORD).await.unwrap();
    store.change_person("li.hua", Some(1), renamed, "admin").await.unwrap();
    assert!(store.verify_person_session(&open).await.unwrap().is_some());
    let changes = [
        PersonChange { unit: Some("市水务局".into()), ..PersonChange::default() },
        PersonChange { subject: Some("sub-2".into()), ..PersonChange::default() },
        PersonChange { role: Some(Role::Auditor), ..PersonChange::default() },
        PersonChange { password: Some(Pii::new(PASSWORD.into())), ..PersonChange::default() },
        PersonChange { disabled: Some(true), ..PersonChange::default() },
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let open = token(&store, "li.hua", PASSWORD).await.unwrap();
        let told = format!("{change:?}");
        assert!(!told.contains(PASSWORD));
        let changed = store.change_person("li.hua", Some(at as i64 + 2), change, "admin").await;
        let changed = changed.unwrap();
        assert!(store.verify_person_session(&open).await.unwrap().is_none(), "{told}");
        assert_eq!(changed.unit.is_some(), changed.role == Role::Expert, "{told}");
    }
    assert!(token(&store, "li.hua", PASSWORD).await.is_none(), "it is disabled");
    assert!(store.open_subject_session("sub-2").await.unwrap().is_none());
    let stale = store.change_person("li.hua", Some(1), PersonChange::default(), "admin").await;
    assert!(matches!(stale, Err(PersonError::Changed { current: 7 })), "{stale:?}");
}

on_both!(an_impossible_person_is_refused_with_its_field);
async fn an_impossible_person_is_refused_with_its_field(on: On) {
    let (_dir, store) = fresh(on).await;
    let without =
        |unit: Option<&str>, role| NewPerson { unit: unit.map(str::to_owned), role, ..expert() };
    let cases = [
        (NewPerson { login: "1001".into(), ..expert() }, "login"),
        (NewPerson { login: "Li".into(), ..expert() }, "login"),
        (NewPerson { login: "admin".into(), ..expert() }, "login"),
        (NewPerson { login: "李华".into(), ..expert() }, "login"),
        (NewPerson { name: " ".into(), ..expert() }, "name"),
        (NewPerson { password: Some(Pii::new("short".into())), ..expert() }, "password"),
        (NewPerson { password: None, subject: None, ..expert() }, "password"),
        (NewPerson { subject: Some("a\nb".into()), ..expert() }, "subject"),
        (without(None, Role::Expert), "unit"),
        (without(Some("市水务局"), Role::Auditor), "unit"),
        (without(None, Role::Supervisor), "role"),
        (without(None, Role::Feed), "role"),
    ];
    for (person, field) in cases {
        let told = format!("{person:?}");
        match store.create_person(person, "admin", None).await {
            Err(PersonError::Invalid { field: named, .. }) => assert_eq!(named, field, "{told}"),
            other => panic!("{told}: {other:?}"),
        }
    }
    store.create_person(expert(), "admin", None).await.unwrap();
    let again = store.create_person(expert(), "admin", None).await;
    assert!(matches!(again, Err(PersonError::SubjectExists | PersonError::Exists)), "{again:?}");
    let other = NewPerson { login: "other".into(), ..expert() };
    let other = store.create_person(other, "admin", None).await;
    assert!(matches!(other, Err(PersonError::SubjectExists)), "{other:?}");
    // Whoever signs with a name is one, whether it is a key or a person.
    assert!(store.create_key("Li.Hua", Role::Reader, "admin").await.is_err());
    store.create_key("Auditing", Role::Reader, "admin").await.unwrap();
    let taken = NewPerson { login: "auditing".into(), subject: None, ..expert() };
    let taken = store.create_person(taken, "admin", None).await;
    assert!(matches!(taken, Err(PersonError::Exists)), "{taken:?}");
    store.delete_person("li.hua", None, "admin").await.unwrap();
    assert!(store.people().await.unwrap().is_empty());
}

on_both!(an_own_password_ends_all_other_sessions);
async fn an_own_password_ends_all_other_sessions(on: On) {
    let (_dir, store) = fresh(on).await;
    store.create_person(expert(), "admin", None).await.unwrap();
    let (own, other) = (
        token(&store, "li.hua", PASSWORD).await.unwrap(),
        token(&store, "li.hua", PASSWORD).await.unwrap(),
    );
    let session = store.verify_person_session(&own).await.unwrap().unwrap().id;
    let change = async |current: &str, new: &str| {
        let [current, new] = [current, new].map(|text| Pii::new(text.to_owned()));
        store.change_own_password("li.hua", session, &current, &new).await
    };
    assert_eq!(change("wrong horse", "staple battery").await.unwrap(), OwnPassword::Wrong);
    assert_eq!(change(PASSWORD, PASSWORD).await.unwrap(), OwnPassword::Same);
    assert!(change(PASSWORD, "short").await.is_err());
    assert!(store.verify_person_session(&other).await.unwrap().is_some(), "nothing was changed");
    assert_eq!(change(PASSWORD, "staple battery").await.unwrap(), OwnPassword::Changed);
    assert!(store.verify_person_session(&own).await.unwrap().is_some());
    assert!(store.verify_person_session(&other).await.unwrap().is_none());
    assert!(token(&store, "li.hua", PASSWORD).await.is_none());
    assert!(token(&store, "li.hua", "staple battery").await.is_some());
}
