//! The server dies while many talk.

use qingting_tests::audio::Wav;
use qingting_tests::clock::Stopwatch;
use qingting_tests::house::{House, NUMBER};
use qingting_tests::server::{ServerPlan, wait_until};
use qingting_tests::{call, tone};
use std::time::Duration;

/// Calls that run when it dies, and how many of so many programs at once may fail to begin one.
const CALLS: usize = 100;
const NOT_BEGUN_MAX: usize = 10;
/// How long they have been recorded by then, and how much of that may be lost.
const TALKED: Duration = Duration::from_secs(8);
/// A second, and what a busy disk takes.
const LOST_MAX: Duration = Duration::from_millis(2_500);
/// On a machine that does much else; it is a fraction of a second.
const READY_MAX: Duration = Duration::from_secs(15);

#[test]
fn a_killed_server_is_back_at_once_and_has_lost_a_second_of_no_call() {
    // All call at once: how many may is another test.
    let plan = ServerPlan::deaf()
        .with("sip.trusted_peers", "[\"127.0.0.1\"]")
        .with("sip.calls_per_second_max", 1_000);
    let mut house = House::of(plan, NUMBER, "call_back_s = 0");
    let _seat = house.away("801");
    let file = house.server.home().join("tone.wav");
    Wav::mono(tone::of(tone::CITIZEN, Duration::from_secs(60))).write(&file);
    let callers: Vec<_> = (0..CALLS)
        .map(|number| {
            let (uri, file) = (house.server.uri(), file.display().to_string());
            std::thread::spawn(move || {
                let from = format!("138001380{number:02}");
                call(&uri, &["--play", &file, "--from", &from])
            })
        })
        .collect();
    wait_until("all calls wait in the queue", || {
        let calls = house.server.calls();
        let waiting = calls.iter().filter(|call| call["queue"] == "综合").count();
        let begun = callers.iter().filter(|caller| !caller.is_finished()).count();
        (waiting >= begun && begun + NOT_BEGUN_MAX >= CALLS).then_some(())
    });
    let watch = Stopwatch::start();
    watch.sleep_until(TALKED);
    let before: Vec<(String, f64)> = house
        .server
        .calls()
        .iter()
        .map(|call| {
            let id = call["id"].as_str().expect("an id").to_owned();
            let seconds = Wav::read(&house.server.recording_of(&id)).duration().as_secs_f64();
            (id, seconds)
        })
        .collect();
    let looked = watch.elapsed();
    house.server.kill();
    let talked_on = (watch.elapsed() - looked).as_secs_f64();
    assert!(talked_on < 5.0);
    let watch = Stopwatch::start();
    house.server.start_again();
    let ready = watch.elapsed();
    assert!(ready <= READY_MAX, "{ready:?}");
    // Who had a break has it still.
    let seats = house.server.api_get("/api/v1/seats");
    assert_eq!(seats[0]["now"]["state"], "break", "{seats}");
    assert_eq!(seats[0]["now"]["reason"], "小休", "{seats}");

    assert!(before.len() + NOT_BEGUN_MAX >= CALLS, "{} calls", before.len());
    for (id, seconds) in &before {
        let call = house.ended(id);
        assert_eq!(call["cause"], "server_restarted", "{call}");
        let legs = call["legs"].as_array().expect("legs");
        assert!(!legs.is_empty() && legs.iter().all(|leg| !leg["ended_at"].is_null()), "{call}");
        let wav = Wav::read(&house.server.recording_of(id));
        let kept = wav.duration().as_secs_f64();
        assert!(kept + LOST_MAX.as_secs_f64() >= *seconds, "{kept} s of {seconds}");
        assert!(kept >= TALKED.as_secs_f64() - LOST_MAX.as_secs_f64(), "{kept} s");
        let tail = &wav.channels[0][wav.channels[0].len() - 8_000..][..4_000];
        assert_eq!(tone::heard(tail), Some(vec![tone::CITIZEN]), "{id}");
    }
    for caller in callers {
        let _ = caller.join().expect("a caller");
    }
}
