//! PostgreSQL goes away while citizens are called: they answer to the end, and later all of it counts, once.

use super::{citizen, plan, said, settings};
use qingting_tests::campaign::{self, answers, ended, outcomes};
use qingting_tests::citizens::Citizens;
use qingting_tests::clock::Stopwatch;
use qingting_tests::postgres::{Postgres, asked};
use qingting_tests::server::{Server, wait_until};
use std::time::Duration;

/// Longer than an attempt is a server's without word from it (30 s).
const AWAY: Duration = Duration::from_secs(33);
/// Who answers everything, who wants no more calls, and who hangs up after two answers.
const NUMBERS: [&str; 3] = ["13800000001", "13800000002", "13800000003"];

/// Ringing telephones, and a database that has just gone.
struct City {
    citizens: Citizens,
    server: Server,
    database: Postgres,
    _folder: tempfile::TempDir,
}

impl City {
    fn rings_and_the_database_goes() -> Self {
        let mut database = Postgres::start();
        let folder = tempfile::tempdir().expect("a folder");
        let hello = said(folder.path(), "hello", Duration::from_millis(700));
        let person = |more: &str| {
            format!("{{ person = {{ greeting = {{ plays = \"{}\" }}, {more} }} }}", hello.display())
        };
        let keys = "answers = [{ keys = \"2\" }, { keys = \"3\" }, { keys = \"4\" }]";
        let kinds = [keys, "answers = [{ keys = \"9\" }]", &format!("{keys}, hangs_up_after = 2")];
        let all = NUMBERS.iter().zip(kinds).map(|(number, kind)| citizen(number, &person(kind)));
        // Until all are ringing and the database is gone.
        let file: String = all.map(|one| one.replace("ring_s = 0.2", "ring_s = 8")).collect();
        let citizens = Citizens::start(&file);
        let url = folder.path().join("database.url");
        std::fs::write(&url, database.address()).expect("writable");
        let plan = plan(&citizens).with("data.database_url_file", format!("\"{}\"", url.display()));
        let server = Server::start(&plan);
        let mut settings = settings();
        settings["ring_s"] = 60.into();
        campaign::create(&server, &settings);
        let tickets = NUMBERS.map(|number| (format!("T{number}"), number.to_owned()));
        campaign::import_all(&server, tickets);
        campaign::start(&server);
        wait_until("all telephones ring", || {
            let calls = asked(database.address(), "SELECT count(*) FROM calls");
            (calls == [["3"]]).then_some(())
        });
        database.stop();
        Self { citizens, server, database, _folder: folder }
    }

    fn all_is_kept_and_each_was_called_once(&self) {
        let server = &self.server;
        let all = [("contacted", "no"), ("resolved", "no"), ("satisfied", "dissatisfied")];
        let wanted = [
            ("completed", "completed", &all[..]),
            ("refused", "stop_calling", &[("contacted", "stop_calling")]),
            ("partial", "hung_up", &all[..2]),
        ];
        for (number, (status, outcome, given)) in NUMBERS.iter().zip(wanted) {
            let ticket = format!("T{number}");
            let follow_up = ended(server, &ticket);
            assert_eq!(outcomes(&follow_up), (status, vec![outcome]), "{follow_up:#}");
            assert_eq!(answers(&follow_up), given, "{ticket}");
            let attempt = &follow_up["attempts"][0];
            assert!(
                attempt["answered_at"].is_i64() && attempt["notified_at"].is_i64(),
                "{attempt}"
            );
            let results = server.api_get(&format!("/api/v1/outbox?stream=ticket:{ticket}"));
            assert_eq!(results["messages"].as_array().map(Vec::len), Some(1), "{results:#}");
            assert_eq!(self.citizens.calls_to(number).len(), 1, "{number}");
        }
        // That one does not want to be called was said while the database was away, too.
        campaign::import(server, "T-again", NUMBERS[1]);
        assert_eq!(outcomes(&ended(server, "T-again")), ("refused", Vec::new()));
        wait_until("no file is left", || {
            let mut files = std::fs::read_dir(server.home().join("spool")).expect("a folder");
            files.next().is_none().then_some(())
        });
    }
}

#[test]
fn citizens_answer_to_the_end_while_the_database_is_away_longer_than_their_leases() {
    let mut city = City::rings_and_the_database_goes();
    let away = Stopwatch::start();
    for number in NUMBERS {
        city.citizens.wait_for_calls(number, 1);
    }
    away.sleep_until(AWAY);
    city.database.start_again();
    city.all_is_kept_and_each_was_called_once();
}

#[test]
fn what_they_answered_is_kept_though_the_server_dies_before_the_database_is_back() {
    let mut city = City::rings_and_the_database_goes();
    for number in NUMBERS {
        city.citizens.wait_for_calls(number, 1);
    }
    wait_until("all ends are on the disk", || {
        let files = std::fs::read_dir(city.server.home().join("spool")).expect("a folder");
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(file.expect("readable").path()).expect("readable")
        };
        let has_end = |text: &String| text.contains("attempt_ended");
        (files.map(read).filter(has_end).count() == NUMBERS.len()).then_some(())
    });
    city.server.kill();
    city.database.start_again();
    city.server.start_again();
    city.all_is_kept_and_each_was_called_once();
}
