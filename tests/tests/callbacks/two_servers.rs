//! Two servers on one PostgreSQL call the citizens of one campaign, and one of them dies at a crash point.

use super::{postgres, said};
use qingting_tests::campaign::{self, answers, ended, outcomes};
use qingting_tests::citizens::Citizens;
use qingting_tests::clock::Deadline;
use qingting_tests::server::{Server, ServerPlan};
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

/// Citizens of each death at first; more are added until the server that is to die has had its turn.
const CITIZENS: usize = 6;
const CITIZENS_MAX: usize = 40;
/// Longest wait for the turn of the server that dies: sentences may have to be spoken first.
const TURN_MAX: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(200);

fn plan(citizens: &Citizens, database: &Path) -> ServerPlan {
    super::plan(citizens).with("data.database_url_file", format!("\"{}\"", database.display()))
}

fn number(n: usize) -> String {
    format!("138000000{n:02}")
}

/// A server that lives on, the citizens of its campaign, and the database that others may share.
struct City {
    citizens: Citizens,
    living: Server,
    plan: ServerPlan,
    imported: usize,
    _folder: tempfile::TempDir,
}

impl City {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hello = said(folder.path(), "hello", Duration::from_millis(700));
        let hello = hello.display();
        let file: String = (1..=CITIZENS_MAX)
            .map(|n| {
                format!(
                    "[[citizens]]\nnumber = \"{}\"\nring_s = 0.2\ncalls = [{{ person = {{ greeting = \
                     {{ plays = \"{hello}\" }}, answers = [{{ keys = \"2\" }}, {{ keys = \"3\" }}, \
                     {{ keys = \"4\" }}] }} }}]\n",
                    number(n),
                )
            })
            .collect();
        let citizens = Citizens::start(&file);
        let database = folder.path().join("database.url");
        std::fs::write(&database, postgres::database()).expect("writable");
        let plan = plan(&citizens, &database);
        let living = Server::start(&plan);
        let settings = json!({
            "script": "short", "hours": "总是", "attempts_max": 1, "days_min": 1, "concurrent_max": 3,
            "per_second_max": 5.0, "ring_s": 10,
        });
        campaign::create(&living, &settings);
        campaign::start(&living);
        Self { citizens, living, plan, imported: 0, _folder: folder }
    }

    fn import(&mut self) {
        self.imported += 1;
        assert!(self.imported <= CITIZENS_MAX, "it never had its turn");
        let n = self.imported;
        campaign::import(&self.living, &format!("T{n}"), &number(n));
    }

    /// Another server dies there. Gives the citizens that came to its campaign meanwhile.
    fn one_dies_at(&mut self, point: &str) -> RangeInclusive<usize> {
        let mut dying = Server::start_beside(&self.living, &self.plan, point);
        let before = self.imported;
        for _ in 0..CITIZENS {
            self.import();
        }
        let died = Deadline::after(TURN_MAX).poll(|| {
            if !dying.is_running() {
                return Some(());
            }
            let waiting = self.living.api_get("/api/v1/follow-ups?state=waiting");
            if waiting["follow_ups"].as_array().is_none_or(Vec::is_empty) {
                self.import();
            }
            std::thread::sleep(LOOK_EVERY);
            None
        });
        died.expect("it has its turn in time");
        dying.wait_for_crash();
        before + 1..=self.imported
    }

    /// What is left of each when all leases are over.
    fn left(&self, citizens: RangeInclusive<usize>) -> Vec<Value> {
        citizens.map(|n| self.left_of(n)).collect()
    }

    /// A follow-up that ended: its citizen was called once at most, and there is one result.
    fn left_of(&self, n: usize) -> Value {
        let ticket = format!("T{n}");
        let follow_up = ended(&self.living, &ticket);
        let results = self.living.api_get(&format!("/api/v1/outbox?stream=ticket:{ticket}"));
        assert_eq!(results["messages"].as_array().map(Vec::len), Some(1), "{ticket}: one result");
        let (_, attempts) = outcomes(&follow_up);
        let calls = self.citizens.calls_to(&number(n)).len();
        assert!(calls <= 1, "{ticket}: {calls} calls");
        assert!(attempts == ["unknown"] || calls == 1, "{follow_up:#}");
        follow_up
    }
}

const ALL: [(&str, &str); 3] =
    [("contacted", "no"), ("resolved", "no"), ("satisfied", "dissatisfied")];

/// Whatever the server that died had not written, the other has: what is left unknown is as much as was stored.
/// Gives the status and number of answers of those.
fn unknown(all: &[Value]) -> Vec<(&str, usize)> {
    let mut left = Vec::new();
    for follow_up in all {
        let (status, attempts) = outcomes(follow_up);
        let answers = answers(follow_up);
        assert!(ALL.starts_with(&answers), "{follow_up:#}");
        if attempts == ["unknown"] {
            left.push((status, answers.len()));
        } else {
            assert_eq!((status, attempts), ("completed", vec!["completed"]), "{follow_up:#}");
            assert_eq!(answers.len(), ALL.len(), "{follow_up:#}");
        }
    }
    left
}

#[test]
fn a_server_that_dies_before_its_talk_leaves_it_unrung_or_unknown_and_the_rest_to_the_other() {
    let mut city = City::start();
    // Nothing was taken: the other makes the call.
    let nobody = city.one_dies_at("before-attempt");
    assert_eq!(unknown(&city.left(nobody)), []);
    // One that dies may have taken a citizen who came before it.
    let committed = city.one_dies_at("attempt-committed");
    let ringing = city.one_dies_at("ringing");
    let all = city.left(*committed.start()..=*ringing.end());
    let unrung = unknown(&all).into_iter().filter(|left| *left == ("unreached", 0)).count();
    assert!(unrung >= 2, "{all:#?}");
}

#[test]
fn a_server_that_dies_in_its_talk_or_after_it_leaves_every_answer_and_the_rest_to_the_other() {
    let mut city = City::start();
    let points = ["answer-stored", "hung-up", "attempt-ended"];
    let [one, _, written] = points.map(|point| city.one_dies_at(point));
    let all = city.left(*one.start()..=*written.end());
    for answers in [1, ALL.len()] {
        assert!(unknown(&all).contains(&("partial", answers)), "{all:#?}");
    }
    // Its end was written, and with it the result: the last that died left one completed.
    assert!(unknown(&all).len() < all.len(), "{all:#?}");
}
