//! Two servers on one PostgreSQL call the citizens of one campaign, and one of them dies at a crash point.

#[path = "../../store/tests/support/postgres.rs"]
mod postgres;

use qingting_tests::audio::{Wav, speech_like};
use qingting_tests::campaign::{self, answers, ended, outcomes};
use qingting_tests::citizens::Citizens;
use qingting_tests::clock::Deadline;
use qingting_tests::server::{Server, ServerPlan};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Citizens at first; more are added until the server that is to die has had its turn.
const CITIZENS: usize = 6;
const CITIZENS_MAX: usize = 40;
/// Longest wait for the turn of the server that dies: sentences may have to be spoken first.
const TURN_MAX: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(200);

fn plan(citizens: &Citizens, database: &Path) -> ServerPlan {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let weekly = days.map(|name| format!("{name} = [\"00:00-24:00\"]")).join(", ");
    ServerPlan::deaf()
        .with("callbacks.scripts", format!("\"{}\"", scripts.display()))
        .with("data.database_url_file", format!("\"{}\"", database.display()))
        .and(&citizens.trunk())
        .and(&format!("[[hours]]\nname = \"总是\"\nweekly = {{ {weekly} }}\n"))
}

fn number(n: usize) -> String {
    format!("138000000{n:02}")
}

/// What is left when one of two servers dies there: each follow-up with how often its citizen was called.
fn after_one_died_at(point: &str) -> Vec<(Value, usize)> {
    let folder = tempfile::tempdir().expect("a folder");
    let hello = folder.path().join("hello.wav");
    Wav::mono(speech_like(7, Duration::from_millis(700))).write(&hello);
    let file: String = (1..=CITIZENS_MAX)
        .map(|n| {
            format!(
                "[[citizens]]\nnumber = \"{}\"\nring_s = 0.2\ncalls = [{{ person = {{ greeting = \
                 {{ plays = \"{}\" }}, answers = [{{ keys = \"2\" }}, {{ keys = \"3\" }}, \
                 {{ keys = \"4\" }}] }} }}]\n",
                number(n),
                hello.display()
            )
        })
        .collect();
    let citizens = Citizens::start(&file);
    let database = folder.path().join("database.url");
    std::fs::write(&database, postgres::database()).expect("writable");
    let plan = plan(&citizens, &database);
    let living = Server::start(&plan);
    let mut dying = Server::start_beside(&living, &plan, point);
    let settings = json!({
        "script": "short", "hours": "总是", "attempts_max": 1, "days_min": 1, "concurrent_max": 3,
        "per_second_max": 5.0, "ring_s": 10,
    });
    campaign::create(&living, &settings);
    campaign::start(&living);
    let mut imported = 0;
    let mut import = || {
        imported += 1;
        campaign::import(&living, &format!("T{imported}"), &number(imported));
        imported
    };
    while import() < CITIZENS {}
    let died = Deadline::after(TURN_MAX).poll(|| {
        if !dying.is_running() {
            return Some(());
        }
        let waiting = living.api_get("/api/v1/follow-ups?state=waiting");
        let is_idle = waiting["follow_ups"].as_array().is_none_or(Vec::is_empty);
        assert!(!is_idle || import() < CITIZENS_MAX, "it never had its turn");
        std::thread::sleep(LOOK_EVERY);
        None
    });
    died.expect("it has its turn in time");
    dying.wait_for_crash();
    let all = (1..=imported).map(|n| {
        let (ticket, number) = (format!("T{n}"), number(n));
        let follow_up = ended(&living, &ticket);
        let results = living.api_get(&format!("/api/v1/outbox?stream=ticket:{ticket}"));
        assert_eq!(results["messages"].as_array().map(Vec::len), Some(1), "{ticket}: one result");
        (follow_up, citizens.calls_to(&number).len())
    });
    all.collect()
}

/// Each citizen was called once at most, and what the server that died left is as much as it had stored.
fn check(all: &[(Value, usize)], of_the_dead: (&str, &[(&str, &str)])) {
    let said = [("contacted", "no"), ("resolved", "no"), ("satisfied", "dissatisfied")];
    let mut left = Vec::new();
    for (follow_up, calls) in all {
        assert!(*calls <= 1, "{follow_up:#}");
        let (status, attempts) = outcomes(follow_up);
        let answers = answers(follow_up);
        assert!(said.starts_with(&answers), "{follow_up:#}");
        if attempts == ["unknown"] {
            left.push((status, answers));
        } else {
            assert_eq!((status, attempts), ("completed", vec!["completed"]), "{follow_up:#}");
            assert_eq!((answers.len(), *calls), (said.len(), 1), "{follow_up:#}");
        }
    }
    let (status, answers) = of_the_dead;
    assert!(left.contains(&(status, answers.to_vec())), "{left:?}");
}

#[test]
fn a_server_that_dies_before_its_call_leaves_it_unrung_and_the_rest_to_the_other() {
    check(&after_one_died_at("attempt-committed"), ("unreached", &[]));
}

#[test]
fn a_server_that_dies_after_an_answer_leaves_the_answer_and_the_rest_to_the_other() {
    check(&after_one_died_at("answer-stored"), ("partial", &[("contacted", "no")]));
}
