//! Seats: made, changed, signed in, and their passwords nowhere.

use super::*;

const PASSWORD: &str = "correct horse";

pub(super) async fn make(store: &Store, extension: &str) -> SeatInfo {
    let seat = NewSeat {
        extension: extension.into(),
        name: "王芳".into(),
        role: SeatRole::Seat,
        skills: Skills::from([("综合".into(), 1), ("企业".into(), 3)]),
        realm: "qingting".into(),
        password: Pii::new(PASSWORD.into()),
    };
    store.create_seat(seat, "admin").await.unwrap()
}

async fn log_in(store: &Store, extension: &str, password: &str) -> Option<NewSession> {
    match store.open_session(extension, &Pii::new(password.into()), None).await.unwrap() {
        LogIn::Opened(session) => Some(session),
        LogIn::Wrong => None,
        other => panic!("{other:?}: it has no second factor"),
    }
}

on_both!(a_break_is_kept_until_it_ends);
async fn a_break_is_kept_until_it_ends(on: On) {
    let (_dir, store) = fresh(on).await;
    make(&store, "1001").await;
    make(&store, "1002").await;
    assert_eq!(store.resting_seats().await.unwrap(), []);
    store.seat_rests("1002", Some("午餐")).await.unwrap();
    store.seat_rests("9999", Some("午餐")).await.unwrap();
    assert_eq!(store.resting_seats().await.unwrap(), [("1002".into(), "午餐".into())]);
    store.seat_rests("1002", None).await.unwrap();
    assert_eq!(store.resting_seats().await.unwrap(), []);
}

on_both!(the_directory_has_hashes_and_the_file_no_password);
async fn the_directory_has_hashes_and_the_file_no_password(on: On) {
    let (dir, store) = fresh(on).await;
    let made = make(&store, "1001").await;
    assert_eq!(store.seats().await.unwrap(), std::slice::from_ref(&made));
    let [credential] = <[_; 1]>::try_from(store.seat_credentials().await.unwrap()).unwrap();
    assert_eq!((&credential.seat, credential.realm.as_str()), (&made, "qingting"));
    // printf '1001:qingting:correct horse' | md5sum, and sha256sum
    assert_eq!(credential.ha1_md5.expose(), "5905e9966769dc6a744386d0f041c7be");
    assert_eq!(
        credential.ha1_sha256.expose(),
        "1086d216cd7ffd98a465ba23d7fbbfabc0e6777736a32d89530531c098cd767a"
    );
    assert!(!format!("{credential:?}").contains(credential.ha1_md5.expose()));
    store.close().await;
    // Of a server's files a test sees nothing; what is written is the same.
    let files = std::fs::read_dir(dir.path().join("data")).ok();
    assert_eq!(files.is_some(), on == On::Sqlite);
    for file in files.into_iter().flatten() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()));
    }
}

on_both!(an_unknown_extension_costs_the_same_check_as_a_wrong_password);
async fn an_unknown_extension_costs_the_same_check_as_a_wrong_password(on: On) {
    let (_dir, store) = fresh(on).await;
    make(&store, "1001").await;
    let real = crate::keys::hash_password(PASSWORD).await.unwrap();
    let decoy = crate::keys::NOBODYS_HASH;
    let cost = |hash: &str| hash.splitn(5, '$').take(4).collect::<Vec<_>>().join("$");
    assert_eq!(cost(decoy), cost(&real), "the same algorithm with the same parameters");
    let right = store.inner.passwords.matches(PASSWORD, decoy).await;
    assert!(!right.expect("it is a readable hash"), "nobody's password");
    assert!(log_in(&store, "1009", PASSWORD).await.is_none());
    assert!(log_in(&store, "1001", "wrong horse").await.is_none());
}

on_both!(an_impossible_seat_is_refused_with_its_field);
async fn an_impossible_seat_is_refused_with_its_field(on: On) {
    let (_dir, store) = fresh(on).await;
    make(&store, "1001").await;
    let good = NewSeat {
        extension: "1002".into(),
        name: "李".into(),
        role: SeatRole::Supervisor,
        skills: Skills::new(),
        realm: "qingting".into(),
        password: Pii::new(PASSWORD.into()),
    };
    let cases = [
        (NewSeat { extension: "1".into(), ..good.clone() }, "extension"),
        (NewSeat { extension: "10a2".into(), ..good.clone() }, "extension"),
        (NewSeat { extension: "110".into(), ..good.clone() }, "extension"),
        (NewSeat { name: String::new(), ..good.clone() }, "name"),
        (NewSeat { skills: Skills::from([("综合".into(), 10)]), ..good.clone() }, "skills"),
        (NewSeat { skills: Skills::from([(String::new(), 1)]), ..good.clone() }, "skills"),
        (NewSeat { password: Pii::new("short".into()), ..good.clone() }, "password"),
    ];
    for (seat, wrong) in cases {
        let refused = store.create_seat(seat, "admin").await;
        assert!(
            matches!(refused, Err(SeatError::Invalid { field, .. }) if field == wrong),
            "{refused:?}"
        );
    }
    let taken = NewSeat { extension: "1001".into(), ..good };
    assert!(matches!(store.create_seat(taken, "admin").await, Err(SeatError::Exists)));
    let change = SeatChange::default();
    assert!(matches!(
        store.change_seat("1009", None, change, "admin").await,
        Err(SeatError::NotFound)
    ));
    assert!(matches!(store.delete_seat("1009", None, "admin").await, Err(SeatError::NotFound)));
}

on_both!(a_session_opens_until_it_is_closed_or_its_seat_changes);
async fn a_session_opens_until_it_is_closed_or_its_seat_changes(on: On) {
    let (_dir, store) = fresh(on).await;
    make(&store, "1001").await;
    assert!(log_in(&store, "1001", "wrong horse").await.is_none());
    assert!(log_in(&store, "1002", PASSWORD).await.is_none());
    let opened = log_in(&store, "1001", PASSWORD).await.unwrap();
    assert!(opened.token.starts_with(crate::seats::SESSION_PREFIX) && opened.token.len() == 68);
    assert!(!format!("{opened:?}").contains(&opened.token));
    let credential = Credential::Session(opened.session.id);
    assert_eq!(store.verify_session(&opened.token).await.unwrap(), Some(opened.session.clone()));
    assert_eq!(store.verify_session("qts_00").await.unwrap(), None);
    assert_eq!(store.verify_key(&opened.token).await.unwrap(), None);
    assert!(store.stands(&credential).await.unwrap());
    let credentials = store.credentials();
    store.close_session(opened.session.id).await.unwrap();
    assert!(credentials.has_changed().unwrap());
    assert_eq!(store.verify_session(&opened.token).await.unwrap(), None);
    assert!(!store.stands(&credential).await.unwrap());

    let password = Some((Pii::new("battery staple".into()), "qingting".to_owned()));
    let changes = [
        SeatChange { password, ..SeatChange::default() },
        SeatChange { disabled: Some(true), ..SeatChange::default() },
    ];
    for (change, password) in changes.into_iter().zip([PASSWORD, "battery staple"]) {
        let opened = log_in(&store, "1001", password).await.unwrap();
        store.change_seat("1001", None, change, "admin").await.unwrap();
        assert_eq!(store.verify_session(&opened.token).await.unwrap(), None);
        assert!(log_in(&store, "1001", password).await.is_none());
    }
    assert!(store.seat_credentials().await.unwrap().is_empty());
}

on_both!(a_removed_seat_takes_its_sessions_with_it_and_stays_in_the_audit);
async fn a_removed_seat_takes_its_sessions_with_it_and_stays_in_the_audit(on: On) {
    let (_dir, store) = fresh(on).await;
    make(&store, "1001").await;
    let opened = log_in(&store, "1001", PASSWORD).await.unwrap();
    let change = SeatChange { name: Some("李娜".into()), ..SeatChange::default() };
    assert_eq!(store.change_seat("1001", None, change, "chief").await.unwrap().name, "李娜");
    // A new name is no reason to log in again.
    assert!(store.verify_session(&opened.token).await.unwrap().is_some());
    store.delete_seat("1001", None, "chief").await.unwrap();
    assert_eq!(store.verify_session(&opened.token).await.unwrap(), None);
    let query = AuditQuery { limit: 9, subject: Some("1001".into()), before: None };
    let lines = store.audit_lines(&query).await.unwrap();
    let lines: Vec<_> = lines.iter().map(|l| (l.by.as_str(), l.action.as_str())).collect();
    let expected = [
        ("chief", "seat.delete"),
        ("chief", "seat.change"),
        ("1001", "session.open"),
        ("admin", "seat.create"),
    ];
    assert_eq!(lines, expected);
}

fn code(secret: &Pii<String>, steps_ahead: u64) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret.expose()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(crate::clock::now().0 as u64 / 1_000 + 30 * steps_ahead).to_string()
}

on_both!(a_second_factor_is_wanted_once_it_was_shown_and_each_code_counts_once);
async fn a_second_factor_is_wanted_once_it_was_shown_and_each_code_counts_once(on: On) {
    let (_dir, store) = fresh(on).await;
    make(&store, "1001").await;
    let before = log_in(&store, "1001", PASSWORD).await.unwrap();
    let secret = store.offer_totp("1001", "admin").await.unwrap();
    assert!(log_in(&store, "1001", PASSWORD).await.is_some(), "offered is not confirmed");
    assert!(!store.confirm_totp("1001", "wrong", "admin").await.unwrap());
    assert!(store.confirm_totp("1001", &code(&secret, 0), "admin").await.unwrap());
    assert!(store.seat("1001").await.unwrap().unwrap().has_totp);
    assert!(store.verify_session(&before.token).await.unwrap().is_none(), "sessions end");

    let password = Pii::new(PASSWORD.to_owned());
    let attempt =
        async |code: Option<&str>| store.open_session("1001", &password, code).await.unwrap();
    assert!(matches!(attempt(None).await, LogIn::WantsCode));
    let confirmed_with = code(&secret, 0);
    assert!(matches!(attempt(Some(&confirmed_with)).await, LogIn::WantsCode), "it counted before");
    let next = code(&secret, 1);
    assert!(matches!(attempt(Some(&next)).await, LogIn::Opened(_)));
    assert!(matches!(attempt(Some(&next)).await, LogIn::WantsCode), "once");
    let wrong = Pii::new("wrong horse".to_owned());
    let told = store.open_session("1001", &wrong, Some(&code(&secret, 1))).await.unwrap();
    assert!(matches!(told, LogIn::Wrong), "who has no password learns nothing of a code");

    store.remove_totp("1001", "admin").await.unwrap();
    assert!(log_in(&store, "1001", PASSWORD).await.is_some());
    for missing in [
        store.offer_totp("1009", "admin").await.map(drop),
        store.remove_totp("1009", "admin").await,
        store.confirm_totp("1009", "000000", "admin").await.map(drop),
    ] {
        assert!(matches!(missing, Err(SeatError::NotFound)));
    }
}

on_both!(ten_wrong_codes_in_a_row_lock_for_a_time_whoever_sent_them_and_wherever);
async fn ten_wrong_codes_in_a_row_lock_for_a_time_whoever_sent_them_and_wherever(on: On) {
    let (_dir, store) = fresh(on).await;
    // Another server on the same database.
    let other = again(&store).await;
    make(&store, "1001").await;
    let secret = store.offer_totp("1001", "admin").await.unwrap();
    assert!(store.confirm_totp("1001", &code(&secret, 0), "admin").await.unwrap());
    let password = Pii::new(PASSWORD.to_owned());
    let wrong = async |store: &Store| store.open_session("1001", &password, Some("no")).await;
    for n in 1..crate::seats::TOTP_WRONG_MAX {
        let store = if n % 2 == 0 { &store } else { &other };
        assert!(matches!(wrong(store).await.unwrap(), LogIn::WantsCode), "{n}");
    }
    assert!(matches!(store.open_session("1001", &password, None).await.unwrap(), LogIn::WantsCode));
    let LogIn::Locked(until) = wrong(&store).await.unwrap() else { panic!("the tenth locks") };
    let left = until.0 - crate::clock::now().0;
    assert!((800_000..=crate::seats::TOTP_LOCKED_MS).contains(&left), "{left}");
    let right = store.open_session("1001", &password, Some(&code(&secret, 1))).await.unwrap();
    assert!(matches!(right, LogIn::Locked(_)), "the right one, too");
    let nobody = Pii::new("wrong horse".to_owned());
    let told = store.open_session("1001", &nobody, Some("no")).await.unwrap();
    assert!(matches!(told, LogIn::Wrong), "who has no password learns nothing of it");
    assert_eq!(store.seat("1001").await.unwrap().unwrap().totp_locked_until, until);
    store.unlock_totp("1001", "admin").await.unwrap();
    for _ in 1..crate::seats::TOTP_WRONG_MAX {
        assert!(matches!(wrong(&store).await.unwrap(), LogIn::WantsCode));
    }
    // A right one wipes the slate.
    let right = store.open_session("1001", &password, Some(&code(&secret, 1))).await.unwrap();
    assert!(matches!(right, LogIn::Opened(_)));
    assert!(matches!(wrong(&store).await.unwrap(), LogIn::WantsCode));
    let query = AuditQuery { limit: 50, subject: Some("1001".into()), before: None };
    let lines = store.audit_lines(&query).await.unwrap();
    let of = |action: &str| lines.iter().filter(|line| line.action == action).count();
    assert_eq!((of("seat.totp_lock"), of("seat.totp_unlock")), (1, 1));
    let missing = store.unlock_totp("1009", "admin").await;
    assert!(matches!(missing, Err(SeatError::NotFound)));
    assert!(store.is_password("1001", &password).await.unwrap());
    assert!(!store.is_password("1001", &nobody).await.unwrap());
}
