//! Both servers are restarted one after the other while citizens call, talk, and are called.

use super::fall::{calls, one_call_each, talks};
use super::office::Office;
use super::{City, HOLE_MAX};
use qingting_tests::peers::desk::{Desk, Manner};
use qingting_tests::server::{Server, wait_until};
use qingting_tests::{Called, call, campaign, tone};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Whose tickets are closed before each of the servers is restarted, so that there are some left to call on a busy machine, too.
const CITIZENS: usize = 48;
/// Errors of one server that cost nobody anything.
const HARMLESS_MAX: usize = 10;
/// Callers at once, one call after the other each.
const CALLERS: [&str; 2] = ["13900139001", "13900139002"];

/// Citizens who call through the edge and hang up while they are greeted, again and again.
struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Vec<Called>>>,
}

impl Load {
    fn start(city: &City) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let uri = format!("sip:12345@{}", city.edge.sip());
        let calls = |number: &'static str| {
            let (stop, uri) = (Arc::clone(&stop), uri.clone());
            std::thread::spawn(move || {
                let mut called = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    called.push(call(&uri, &["--linger", "0.5", "--from", number]));
                }
                called
            })
        };
        let callers = CALLERS.map(calls).into();
        Self { stop, callers }
    }

    fn end(self) -> Vec<Called> {
        self.stop.store(true, Ordering::Relaxed);
        let calls = self.callers.into_iter().map(|caller| caller.join().expect("no panic"));
        calls.flatten().collect()
    }
}

#[test]
fn both_servers_are_restarted_one_after_the_other_and_nothing_is_lost() {
    let mut office = Office::open(CITIZENS, CITIZENS, |plan| plan.with("sip.drain_s", 120));
    let mut seats = [
        office.city.seat("801", tone::FIRST, Manner::Answers),
        office.city.seat("802", tone::SECOND, Manner::Answers),
    ];
    let mut citizens = one_call_each(&office.city, &mut seats);
    let listening = citizens.each_ref().map(Desk::listens);
    campaign::start(&office.city.servers[0]);
    let load = Load::start(&office.city);
    for (at, (citizen, listening)) in citizens.iter_mut().zip(listening).enumerate() {
        if at == 1 {
            office.close_tickets(CITIZENS + 1..=2 * CITIZENS);
        }
        let process = office.city.servers[at].pid();
        wait_until("it dials", || (office.running(process).len() >= 2).then_some(()));
        let server = &office.city.servers[at];
        server.ask_to_finish();
        wait_until("it says so", || server.log().contains("No new calls. ").then_some(()));
        let told_at = office.now();
        // Its call goes on after it has left the campaign to the other and all of its callbacks are over.
        wait_until("its callbacks are over", || office.running(process).is_empty().then_some(()));
        let goes_on = |of: &super::office::Attempt| of.process != process && of.began_at > told_at;
        wait_until("the other dials", || office.attempts().iter().any(goes_on).then_some(()));
        talks(citizen);
        let hole = citizen.longest_hole(listening);
        assert!(hole < HOLE_MAX, "its call has a hole of {hole:?}");
        citizen.hang_up();
        assert!(office.city.servers[at].ended(), "it ends by itself once its call is over");
        assert!(office.attempts().iter().all(|of| of.process != process || of.began_at <= told_at));
        let log = office.city.servers[at].log();
        assert!(
            log.contains("Left for the next start, or for another server on this database"),
            "{log}"
        );
        if at == 0 {
            // The newer program: this one is the older from now on, and so is the other, which runs.
            office.widen_schema();
        }
        let arrived = |server: &Server| server.log().matches("arrivals: call ").count();
        let before = arrived(&office.city.servers[at]);
        office.city.servers[at].start_again();
        office.city.wait_until_joined();
        // Only then has the other somebody to leave its calls to.
        wait_until("the edge sends it calls again", || {
            (arrived(&office.city.servers[at]) > before).then_some(())
        });
        let log = office.city.servers[at].log();
        assert!(log.contains("the database is a newer program's; this one runs on it"), "{log}");
        // The seat is free, whichever server its telephone registered with.
        let mut new = calls(&office.city, &format!("1380013800{}", at + 3));
        talks(&new);
        new.hang_up();
        new.wait_until_over();
    }
    let called = load.end();
    println!("{} calls while both were restarted", called.len());
    let failed: Vec<_> = called.iter().filter(|called| called.code != 0).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    office.wait_until_done();
    let attempts = office.assert_once();
    assert!(attempts.iter().all(|of| of.outcome == "completed"), "{attempts:#?}");
    for booked in office.system.booked() {
        assert_eq!(office.system.asked(&booked.key), 1, "{}: sent once", booked.key);
    }
    let causes: Vec<_> =
        CALLERS.iter().flat_map(|caller| office.causes_of_calls_from(caller)).collect();
    let (carried, passed): (Vec<_>, Vec<_>) =
        causes.into_iter().partition(|cause| cause == "caller_hung_up");
    assert_eq!(carried.len(), called.len());
    // A server that says nothing for a second on a busy machine is passed over, and that call is another's.
    assert!(passed.iter().all(|cause| cause == "caller_cancelled"), "{passed:?}");
    for server in &office.city.servers {
        let log = server.log();
        // A busy machine leaves holes in recordings, and of several reads at once one that meets a step of the schema fails:
        // that is told, and costs nobody anything here.
        let is_harmless = |line: &str| {
            [
                "a recording is incomplete",
                "a campaign stands still for a moment",
                "callbacks stand still until this is over",
                "calls could not be checked",
                "its sentences cannot be spoken",
            ]
            .iter()
            .any(|told| line.contains(told))
        };
        let (harmless, faults): (Vec<_>, Vec<_>) =
            log.lines().filter(|line| line.contains(" ERROR ")).partition(|line| is_harmless(line));
        assert!(faults.is_empty() && harmless.len() <= HARMLESS_MAX, "{faults:?} {harmless:?}");
    }
}
