//! PostgreSQL is away while people talk, call and hang up: nobody notices, and later everything is in it.

use qingting_tests::audio::Wav;
use qingting_tests::clock::{Deadline, Stopwatch};
use qingting_tests::house::{House, NUMBER, QUEUE, leg};
use qingting_tests::peers::desk::{Desk, Manner, says};
use qingting_tests::postgres::Postgres;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::tone::{self, Hz};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// How long the database is away.
const AWAY: Duration = Duration::from_secs(15);
/// No longer than this does anybody who talks hear nothing: a wait for the database would be seconds. What less it
/// costs is measured where nothing else runs (`examples/fault_matrix.rs`).
const HOLE_MAX: Duration = Duration::from_secs(1);
const SEATS: [(&str, Hz); 3] = [("801", tone::FIRST), ("802", tone::SECOND), ("803", tone::THIRD)];

/// A hotline on a PostgreSQL of its own, with three seats.
struct City {
    house: House,
    database: Postgres,
    seats: Vec<Desk>,
    /// Opens the metrics also while the database is away.
    watcher: String,
    _folder: tempfile::TempDir,
}

impl City {
    fn open() -> Self {
        let database = Postgres::start();
        let folder = tempfile::tempdir().expect("a folder");
        let url = folder.path().join("database.url");
        std::fs::write(&url, database.address()).expect("writable");
        let plan =
            ServerPlan::deaf().with("data.database_url_file", format!("\"{}\"", url.display()));
        let house = House::of(plan, NUMBER, "");
        let seats = SEATS.map(|(extension, hz)| house.seat(extension, hz, Manner::Answers));
        let key = json!({ "name": "prometheus", "role": "metrics" });
        let (status, body) = house.server.request("POST", "/api/v1/api-keys", Some(&key));
        assert_eq!(status, 201, "{body}");
        let key: Value = serde_json::from_str(&body).expect("JSON");
        let watcher = key["secret"].as_str().expect("a secret").to_owned();
        let city = Self { house, database, seats: seats.into(), watcher, _folder: folder };
        // A key is known without the database once the database has said that it is right.
        assert_eq!(city.metric("qingting_store_away"), 0.0);
        city
    }

    fn server(&self) -> &Server {
        &self.house.server
    }

    /// A value of the metrics, with the watcher's key.
    fn metric(&self, series: &str) -> f64 {
        let mut response = ureq::get(format!("http://{}/metrics", self.server().http()))
            .header("Authorization", format!("Bearer {}", self.watcher))
            .call()
            .expect("the metrics");
        let page = response.body_mut().read_to_string().expect("text");
        page.lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or_else(|| panic!("no {series} in:\n{page}"))
    }

    /// A citizen calls; when it hears a seat, which one.
    fn call(&self, number: &str) -> (Desk, usize) {
        let mut citizen = Desk::citizen(number, says(tone::CITIZEN));
        citizen.dial(&self.server().uri());
        let heard = || match citizen.hears_now()?.as_slice() {
            [hz] => SEATS.iter().position(|(_, of)| of == hz),
            _ => None,
        };
        let seat = Deadline::after(Duration::from_secs(20)).poll(heard);
        let seat = seat.unwrap_or_else(|| panic!("no seat, but {:?}", citizen.hears_now()));
        (citizen, seat)
    }

    fn spool(&self) -> PathBuf {
        self.server().home().join("spool")
    }

    fn waiting(&self) -> usize {
        std::fs::read_dir(self.spool()).map_or(0, Iterator::count)
    }

    /// A call of that number once it is over, with all that is known of it.
    fn ended(&self, number: &str) -> Value {
        let calls = self.server().calls();
        let call = calls.iter().find(|call| call["caller"] == number);
        let call = call.unwrap_or_else(|| panic!("no call of it: {calls:#?}"));
        self.house.ended(call["id"].as_str().expect("an id"))
    }
}

/// A call that was answered by a seat: its legs are over, its timeline is in order, and both are heard in its recording.
#[track_caller]
fn is_whole(city: &City, call: &Value, seat: usize, cause: &str) {
    assert_eq!(
        (call["state"].as_str(), call["cause"].as_str()),
        (Some("ended"), Some(cause)),
        "{call}"
    );
    assert_eq!(call["queue"], QUEUE, "{call}");
    assert_eq!(call["seat"], SEATS[seat].0, "{call}");
    let legs = call["legs"].as_array().expect("legs");
    assert_eq!(legs.len(), 2, "{call}");
    for role in ["citizen", "seat"] {
        let leg = leg(call, role);
        assert!(leg["answered_at"].is_i64() && leg["ended_at"].is_i64(), "{leg}");
    }
    let events = call["events"].as_array().expect("events");
    let times: Vec<i64> =
        events.iter().map(|event| event["at"].as_i64().expect("a time")).collect();
    assert!(times.is_sorted(), "{events:?}");
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    for kind in ["queued", "seat_answered"] {
        assert_eq!(kinds.iter().filter(|of| **of == kind).count(), 1, "{kind} in {kinds:?}");
    }
    let ticket = city.server().ticket_of(call);
    assert_eq!(ticket["status"], "draft", "{ticket}");
    let id = call["id"].as_str().expect("an id");
    let recording = Wav::read(&city.server().recording_of(id));
    let hears = |channel: &[i16]| {
        channel.chunks_exact(2_400).any(|piece| {
            tone::heard(piece).is_some_and(|tones| {
                tones.contains(&tone::CITIZEN) || tones.contains(&SEATS[seat].1)
            })
        })
    };
    assert!(recording.channels.iter().all(|channel| hears(channel)), "{id} is silent");
}

#[test]
fn calls_go_on_begin_and_end_and_all_of_them_is_in_the_database_later() {
    all_goes_on(Postgres::stop, Postgres::start_again);
}

#[test]
fn so_it_is_when_the_database_hangs() {
    all_goes_on(Postgres::hang, Postgres::wake);
}

fn all_goes_on(goes_away: fn(&mut Postgres), comes_back: fn(&mut Postgres)) {
    let mut city = City::open();
    let (mut stays, first) = city.call("13800138001");
    let (mut leaves, second) = city.call("13800138002");
    // Long enough to be heard in its recording: a database hangs at once.
    std::thread::sleep(Duration::from_secs(1));
    let listening = stays.listens();
    goes_away(&mut city.database);
    let away = Stopwatch::start();
    // One ends, and its seat is free for the next.
    leaves.hang_up();
    city.seats[second].wait_until_talking();
    city.seats[second].wait_until_over();
    let began = Stopwatch::start();
    let (mut comes, third) = city.call("13800138003");
    let took = began.elapsed();
    println!("a new call talks after {:.1} s without the database", took.as_secs_f64());
    city.seats[third].hold();
    comes.hears(&[tone::MUSIC]);
    city.seats[third].resume();
    comes.hears(&[SEATS[third].1]);
    assert_eq!(city.metric("qingting_store_away"), 1.0);
    assert!(city.metric("qingting_spool_entries") >= 8.0);
    assert!(city.metric("qingting_spool_bytes") > 0.0);
    let (status, said) = city.server().request("GET", "/readyz", None);
    assert!(status == 200 && said.starts_with("degraded: "), "{status} {said}");
    // Of the one who only talks there was nothing to write.
    wait_until("a file for each call that something was written of", || {
        (city.waiting() == 2).then_some(())
    });
    // One more comes and goes.
    let (mut short, fourth) = city.call("13800138004");
    std::thread::sleep(Duration::from_secs(3));
    short.hang_up();
    away.sleep_until(AWAY);
    stays.hears(&[SEATS[first].1]);
    comes_back(&mut city.database);
    wait_until("all that waited is in the database", || {
        let is_back = city.metric("qingting_store_away") == 0.0;
        (is_back && city.metric("qingting_spool_entries") == 0.0).then_some(())
    });
    assert_eq!(city.server().request("GET", "/readyz", None), (200, "ready\n".to_owned()));
    let hole = stays.longest_hole(listening);
    assert!(hole < HOLE_MAX, "who talked all the time has a hole of {hole:?}");
    wait_until("no file is left", || (city.waiting() == 0).then_some(()));
    // Calls that run are there as ones that run, and go on as any.
    let active = city.server().calls().iter().filter(|call| call["state"] == "active").count();
    assert_eq!(active, 2);
    stays.hang_up();
    comes.hang_up();
    city.server().ended_calls(4);
    let of = [
        ("13800138001", first),
        ("13800138002", second),
        ("13800138003", third),
        ("13800138004", fourth),
    ];
    for (number, seat) in of {
        is_whole(&city, &city.ended(number), seat, "caller_hung_up");
    }
    let held = city.house.timeline(city.ended("13800138003")["id"].as_str().expect("an id"));
    let place = |kind| held.iter().position(|of| of == kind).unwrap_or_else(|| panic!("{held:?}"));
    assert!(place("seat_answered") < place("hold") && place("hold") < place("resume"), "{held:?}");
    assert_eq!(city.metric("qingting_spool_refused_total"), 0.0);
    assert!(city.metric("qingting_spool_replayed_total") >= 16.0);
    assert_eq!(city.waiting(), 0);
    // One that hangs may hang once more when its connections are closed.
    for told in ["the database is away", "the database is back"] {
        let times = city.server().log().matches(told).count();
        assert!((1..=2).contains(&times), "{told}: {times} times");
    }
}

/// The server ends while the database is away; all that was kept is there after the next start.
fn ends_meanwhile(end: impl FnOnce(&mut Server), cause: &str) {
    let mut city = City::open();
    let (mut leaves, first) = city.call("13800138001");
    city.database.stop();
    let (comes, second) = city.call("13800138002");
    leaves.hang_up();
    city.seats[first].wait_until_talking();
    city.seats[first].wait_until_over();
    // Its last entry follows when its recording is closed.
    wait_until("both calls wait", || {
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(entry.expect("readable").path()).expect("readable")
        };
        let files: Vec<String> =
            std::fs::read_dir(city.spool()).expect("a folder").map(read).collect();
        let has = |what: &str| files.iter().filter(|file| file.contains(what)).count();
        (has("captions_closed") == 1 && has("seat_answered") >= 1 && files.len() == 2).then_some(())
    });
    // What is recorded is sealed second by second.
    std::thread::sleep(Duration::from_secs(3));
    end(&mut city.house.server);
    assert_eq!(city.waiting(), 2, "the files stay");
    drop(comes);
    city.database.start_again();
    city.house.server.start_again();
    // Before it takes calls.
    assert_eq!(city.waiting(), 0);
    let calls = city.server().ended_calls(2);
    assert_eq!(calls.len(), 2);
    is_whole(&city, &city.ended("13800138001"), first, "caller_hung_up");
    is_whole(&city, &city.ended("13800138002"), second, cause);
    assert_eq!(city.metric("qingting_spool_refused_total"), 0.0);
}

#[test]
fn a_server_that_dies_meanwhile_has_lost_nothing_at_its_next_start() {
    ends_meanwhile(Server::kill, "server_restarted");
}

#[test]
fn a_server_that_is_stopped_meanwhile_leaves_all_to_its_next_start() {
    ends_meanwhile(Server::stop, "draining");
}
