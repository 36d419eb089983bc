//! Callbacks, from a closed ticket to what became of it, with citizens behind a real trunk. Answers are
//! keys: what is said and how it is understood is tested elsewhere.

mod away;
#[allow(dead_code, unused_imports, unused_macros, reason = "one database is all it needs")]
#[path = "../../../store/tests/support/postgres.rs"]
mod postgres;
mod two_servers;

use qingting_tests::audio::{Wav, speech_like};
use qingting_tests::campaign::{self, answers, ended, outcomes};
use qingting_tests::citizens::Citizens;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::ticket_system::{Fault, TicketSystem};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Calls at any hour, each number once.
fn plan(citizens: &Citizens) -> ServerPlan {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let day = "[\"00:00-24:00\"]";
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let weekly = days.map(|name| format!("{name} = {day}")).join(", ");
    ServerPlan::deaf()
        .with("callbacks.scripts", format!("\"{}\"", scripts.display()))
        .and(&citizens.trunk())
        .and(&format!("[[hours]]\nname = \"总是\"\nweekly = {{ {weekly} }}\n"))
}

fn settings() -> Value {
    json!({
        "script": "short", "hours": "总是", "attempts_max": 1, "days_min": 1, "per_second_max": 5.0,
        "ring_s": 10,
    })
}

/// A recording of so much speech.
fn said(folder: &Path, name: &str, time: Duration) -> PathBuf {
    let file = folder.join(format!("{name}.wav"));
    Wav::mono(speech_like(7, time)).write(&file);
    file
}

fn citizen(number: &str, calls: &str) -> String {
    format!("[[citizens]]\nnumber = \"{number}\"\nring_s = 0.2\ncalls = [{calls}]\n")
}

#[test]
fn each_citizen_gets_one_call_and_each_call_one_record_of_what_became_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let hello = said(folder.path(), "hello", Duration::from_millis(700));
    let mailbox = said(folder.path(), "mailbox", Duration::from_millis(3_000));
    let person = |more: &str| {
        format!("{{ person = {{ greeting = {{ plays = \"{}\" }}, {more} }} }}", hello.display())
    };
    let keys = "answers = [{ keys = \"2\" }, { keys = \"3\" }, { keys = \"4\" }]";
    let people = [
        ("13800000001", person(keys)),
        ("13800000002", "\"busy\"".to_owned()),
        ("13800000003", "\"no_answer\"".to_owned()),
        ("13800000004", format!("{{ voicemail = {{ plays = \"{}\" }} }}", mailbox.display())),
        ("13800000005", person(&format!("{keys}, hangs_up_after = 2"))),
        ("13800000006", person("answers = [{ keys = \"9\" }]")),
        ("13800000007", "\"reject\"".to_owned()),
        ("13800000008", person("answers = [{ silence = true }, { silence = true }]")),
    ];
    let file: String = people.iter().map(|(number, calls)| citizen(number, calls)).collect();
    let citizens = Citizens::start(&file);
    let server = Server::start(&plan(&citizens));
    campaign::create(&server, &settings());
    for (number, _) in &people {
        campaign::import(&server, &format!("T{number}"), number);
    }
    campaign::import(&server, "T-nobody", "13800000099");
    campaign::start(&server);

    let wanted = [
        ("T13800000001", "completed", "completed"),
        ("T13800000002", "unreached", "line_busy"),
        ("T13800000004", "unreached", "voicemail"),
        ("T13800000005", "partial", "hung_up"),
        ("T13800000006", "refused", "stop_calling"),
        ("T13800000007", "unreached", "rejected"),
        ("T13800000008", "unreached", "silent"),
        ("T-nobody", "wrong_number", "no_such_number"),
        // The last: it rings for long.
        ("T13800000003", "unreached", "no_answer"),
    ];
    for (ticket, status, outcome) in wanted {
        let follow_up = ended(&server, ticket);
        assert_eq!(outcomes(&follow_up), (status, vec![outcome]), "{ticket}: {follow_up:#}");
        let all = [("contacted", "no"), ("resolved", "no"), ("satisfied", "dissatisfied")];
        let given = match ticket {
            "T13800000001" => &all[..],
            // What was answered before the end is kept.
            "T13800000005" => &all[..2],
            "T13800000006" => &[("contacted", "stop_calling")],
            _ => &[],
        };
        assert_eq!(answers(&follow_up), given, "{ticket}");
        if ticket == "T13800000006" {
            // Whoever does not want to be called is not, for another ticket either.
            campaign::import(&server, "T-again", "13800000006");
        }
    }

    for (number, _) in &people {
        assert_eq!(citizens.wait_for_calls(number, 1).len(), 1, "{number} was called once");
    }
    assert_eq!(outcomes(&ended(&server, "T-again")), ("refused", Vec::new()));
    // How long the next prompt took is told for every answer; benches and documents judge it.
    let calls = citizens.calls_to("13800000001");
    let turns = calls.iter().flat_map(|call| call["turns"].as_array().into_iter().flatten());
    let of_keys = turns.filter(|turn| turn["by"] == "keys" && turn["latency_ms"].is_i64());
    assert_eq!(of_keys.count(), 3);
}

/// Calls of the crowd at once.
const CROWD_CALLS: usize = 30;

#[test]
fn two_hundred_citizens_are_called_by_the_rules_over_sip() {
    let folder = tempfile::tempdir().expect("a folder");
    let hello = said(folder.path(), "hello", Duration::from_millis(700));
    let person = |more: &str| {
        format!("{{ person = {{ greeting = {{ plays = \"{}\" }}, {more} }} }}", hello.display())
    };
    let keys = "answers = [{ keys = \"2\" }, { keys = \"3\" }, { keys = \"4\" }]";
    let kinds = [
        (person(keys), "completed"),
        ("\"busy\"".to_owned(), "unreached"),
        (person("answers = [{ keys = \"9\" }]"), "refused"),
        (person(&format!("{keys}, hangs_up_after = 2")), "partial"),
        ("\"not_found\"".to_owned(), "wrong_number"),
    ];
    let number = |n: usize| format!("1390000{n:04}");
    let of = |n: usize| &kinds[n % kinds.len()];
    let file: String = (0..200).map(|n| citizen(&number(n), &of(n).0)).collect();
    let citizens = Citizens::start(&file);
    let server = Server::start(&plan(&citizens));
    let mut settings = settings();
    settings["concurrent_max"] = json!(CROWD_CALLS);
    settings["per_second_max"] = json!(20.0);
    campaign::create(&server, &settings);
    // Every number has a second ticket: a number is called once within the spacing, whatever it is about.
    for round in ["a", "b"] {
        let tickets = (0..200).map(|n| (format!("{round}{n}"), number(n)));
        campaign::import_all(&server, tickets);
    }
    campaign::start(&server);

    for n in 0..200 {
        let first = ended(&server, &format!("a{n}"));
        let (status, attempts) = outcomes(&first);
        assert_eq!((status, attempts.len()), (of(n).1, 1), "{n}: {first:#}");
        let second = campaign::follow_up(&server, &format!("b{n}"));
        let state = &second["follow_up"]["state"];
        match of(n).1 {
            // Whoever refused ends without a call; the others wait for the spacing.
            "refused" => {
                assert_eq!(outcomes(&ended(&server, &format!("b{n}"))), ("refused", vec![]))
            }
            _ => assert_eq!(state, "waiting", "{n}"),
        }
        assert_eq!(citizens.wait_for_calls(&number(n), 1).len(), 1, "{n} was called once");
    }
    let (mut changes, mut at_once, mut most) = (Vec::new(), 0, 0);
    for n in 0..200 {
        for call in citizens.calls_to(&number(n)) {
            let time = |name: &str| call[name].as_i64().unwrap_or_default();
            let began = time("invited_at");
            let lasted = time("answered_after_ms") + time("talked_ms");
            changes.extend([(began, 1), (began + lasted, -1)]);
        }
    }
    changes.sort_unstable();
    for (_, change) in changes {
        at_once += change;
        most = most.max(at_once);
    }
    // A citizen may learn late of the end.
    assert!((10..=CROWD_CALLS as i32 + 2).contains(&most), "{most} at once");
}

/// What a city's ticket system lists of a ticket that it has closed.
fn closed(ticket: &str, citizen: &str) -> Value {
    json!({
        "event_id": format!("{ticket}-closed"), "ticket": ticket, "title": "路灯不亮",
        "unit": "城管局", "closed_at": 1_767_060_000_000_i64, "citizen": citizen,
    })
}

#[test]
fn closed_tickets_are_fetched_and_their_results_arrive_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let hello = said(folder.path(), "hello", Duration::from_millis(700));
    let keys = "answers = [{ keys = \"2\" }, { keys = \"3\" }, { keys = \"1\" }]";
    let person =
        format!("{{ person = {{ greeting = {{ plays = \"{}\" }}, {keys} }} }}", hello.display());
    let citizens =
        Citizens::start(&(citizen("13800000001", &person) + &citizen("13800000002", "\"busy\"")));
    let system = TicketSystem::start();
    // A page with one that nobody can call, and one with one that is known already.
    system.closes(json!([closed("T1", "13800000001"), closed("T-police", "110")]));
    system.closes(json!([closed("T1", "13800000001"), closed("T2", "13800000002")]));
    let plan = plan(&citizens)
        .with("callbacks.intake_campaign", "\"回访\"")
        .with("callbacks.intake_secret_file", format!("{:?}", system.secret_file()))
        .with("callbacks.poll_url", format!("{:?}", system.closed_url()))
        .with("callbacks.poll_every_s", 5)
        .with("ticket_system.url", format!("{:?}", system.url()))
        .with("ticket_system.secret_file", format!("{:?}", system.secret_file()))
        .with("ticket_system.kinds", "[\"callback.*\"]")
        .with("ticket_system.retry_first_ms", 200)
        .with("ticket_system.retry_max_s", 1);
    system.will([Fault::BookAndClose, Fault::AnswerTwice, Fault::Refuse(500, "")]);
    let server = Server::start(&plan);
    campaign::create(&server, &settings());
    campaign::start(&server);
    let booked = wait_until("both results are booked", || {
        Some(system.booked()).filter(|booked| booked.len() == 2)
    });
    let of = |ticket: &str| {
        let found = booked.iter().find(|booked| booked.event["data"]["ticket"] == ticket);
        &found.unwrap_or_else(|| panic!("{ticket} is not in {booked:#?}")).event["data"]
    };
    let done = of("T1");
    assert_eq!((&done["status"], &done["redo"]), (&json!("completed"), &json!(false)));
    assert_eq!(done["satisfied"], json!({ "value": "very_satisfied", "valid": true }));
    assert_eq!(done["event_id"], "T1-closed");
    assert_eq!(done["recording"]["chain_head"].as_str().map(str::len), Some(64), "{done:#}");
    let away = of("T2");
    assert_eq!(away["status"], "unreached");
    assert_eq!(
        away["satisfied"],
        json!({ "value": null, "valid": false }),
        "no answer is no answer"
    );
    assert_eq!(citizens.wait_for_calls("13800000001", 1).len(), 1);
    assert!(!server.log().contains("13800000001") && !server.log().contains("110\""));
    // Each list begins where the one before ended; the first was asked for until there was a campaign.
    let mut listed = wait_until("it goes on asking", || {
        Some(system.listed()).filter(|listed| listed.iter().filter(|at| *at == "2").count() >= 2)
    });
    listed.dedup();
    assert_eq!(listed, ["", "1", "2"]);
    assert_eq!(system.booked().len(), 2);
}

#[test]
fn a_server_that_dies_between_commit_and_call_rings_nobody_twice() {
    let citizens = Citizens::start(&citizen("13800000001", "\"no_answer\""));
    let mut server = Server::start(&plan(&citizens));
    campaign::create(&server, &settings());
    campaign::import(&server, "T1", "13800000001");
    server.stop();
    server.start_crashing_at("attempt-committed");
    campaign::start(&server);
    server.wait_for_crash();

    server.start_again();
    // It counts, for nobody knows whether it rang; its lease is what is waited for.
    assert_eq!(outcomes(&ended(&server, "T1")), ("unreached", vec!["unknown"]));
    assert!(citizens.calls_to("13800000001").is_empty(), "nobody was called");
}

/// What is left of a call whose server died there, and how many results were written. Whatever the point,
/// nobody was called twice.
fn after_a_crash_at(point: &str) -> (Value, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let hello = said(folder.path(), "hello", Duration::from_millis(700));
    let keys = "answers = [{ keys = \"2\" }, { keys = \"3\" }, { keys = \"4\" }]";
    let person =
        format!("{{ person = {{ greeting = {{ plays = \"{}\" }}, {keys} }} }}", hello.display());
    let citizens = Citizens::start(&citizen("13800000001", &person));
    let mut server = Server::start(&plan(&citizens));
    campaign::create(&server, &settings());
    campaign::import(&server, "T1", "13800000001");
    server.stop();
    server.start_crashing_at(point);
    campaign::start(&server);
    server.wait_for_crash();
    server.start_again();
    let follow_up = ended(&server, "T1");
    let calls = citizens.calls_to("13800000001").len();
    assert!(calls <= 1, "{calls} calls");
    let results = server.api_get("/api/v1/outbox?stream=ticket:T1");
    let results = results["messages"].as_array().map_or(0, Vec::len);
    (follow_up, results)
}

#[test]
fn a_crash_before_the_commit_costs_nothing() {
    let (follow_up, results) = after_a_crash_at("before-attempt");
    assert_eq!(outcomes(&follow_up), ("completed", vec!["completed"]));
    assert_eq!(results, 1);
}

#[test]
fn a_crash_while_it_rings_counts_as_an_attempt() {
    let (follow_up, results) = after_a_crash_at("ringing");
    assert_eq!(outcomes(&follow_up), ("unreached", vec!["unknown"]));
    assert_eq!(results, 1);
}

#[test]
fn a_crash_between_answers_keeps_what_was_answered_and_calls_nobody_again() {
    let (follow_up, results) = after_a_crash_at("answer-stored");
    assert_eq!(outcomes(&follow_up), ("partial", vec!["unknown"]));
    assert_eq!(answers(&follow_up), [("contacted", "no")]);
    assert_eq!(results, 1);
}

#[test]
fn a_crash_after_the_last_word_keeps_every_answer() {
    let (follow_up, results) = after_a_crash_at("hung-up");
    assert_eq!(outcomes(&follow_up), ("partial", vec!["unknown"]));
    let all = [("contacted", "no"), ("resolved", "no"), ("satisfied", "dissatisfied")];
    assert_eq!(answers(&follow_up), all);
    assert_eq!(results, 1);
}

#[test]
fn a_crash_after_the_end_was_written_tells_it_once() {
    let (follow_up, results) = after_a_crash_at("attempt-ended");
    assert_eq!(outcomes(&follow_up), ("completed", vec!["completed"]));
    assert_eq!(results, 1);
}
