//! One of the servers dies, or stops, while people talk and wait.

use super::{City, HOLE_MAX, seat_now, seconds};
use qingting_tests::clock::{Deadline, Stopwatch};
use qingting_tests::peers::desk::{Desk, Manner, says};
use qingting_tests::postgres::Postgres;
use qingting_tests::server::{Server, wait_until};
use qingting_tests::tone;
use std::time::Duration;

/// Until a new call is answered and has somebody after one of the servers died, on a machine that does much else: how long it
/// takes is printed, and measured where nothing else runs (`benches/cluster.sh`).
const AGAIN_MAX: Duration = Duration::from_secs(30);

pub(crate) fn calls(city: &City, number: &str) -> Desk {
    let mut citizen = Desk::citizen(number, says(tone::CITIZEN));
    citizen.dial(&format!("sip:12345@{}", city.edge.sip()));
    citizen
}

/// Waits until a citizen talks to a seat; gives its tone.
#[track_caller]
pub(crate) fn talks(citizen: &Desk) -> u32 {
    let seats = [tone::FIRST, tone::SECOND, tone::THIRD];
    let seat = || match citizen.hears_now()?.as_slice() {
        [hz] => Some(*hz).filter(|hz| seats.contains(hz)),
        _ => None,
    };
    let seen = Deadline::after(seconds(60.0)).poll(seat);
    seen.unwrap_or_else(|| panic!("no seat talks, but {:?}", citizen.hears_now()))
}

fn active(city: &City, at: usize) -> f64 {
    city.servers[at].metric("qingting_calls_active")
}

/// Two seats talk, one call at each server; gives the citizens by their server.
pub(crate) fn one_call_each(city: &City, seats: &mut [Desk; 2]) -> [Desk; 2] {
    let mut citizens = [None, None];
    let mut n = 0;
    while citizens.iter().any(Option::is_none) {
        n += 1;
        let mut citizen = calls(city, &format!("1380013801{n}"));
        talks(&citizen);
        let at = (0..2).find(|at| active(city, *at) > f64::from(u8::from(citizens[*at].is_some())));
        let at = at.expect("somebody carries it");
        if citizens[at].is_none() {
            citizens[at] = Some(citizen);
            continue;
        }
        // The edge chooses by Call-ID: the next one.
        citizen.hang_up();
        wait_until("it is over", || (active(city, at) == 1.0).then_some(()));
    }
    for seat in seats.iter_mut() {
        seat.wait_until_talking();
    }
    citizens.map(|citizen| citizen.expect("one each"))
}

/// The keeper dies, or the other one: the calls of whoever lives go on, its caller who waits keeps its place, new calls
/// come through, and the seat of the dead one's call is free.
fn one_dies(keeper_dies: bool) {
    let mut city = City::open(|plan| plan);
    let mut seats = [
        city.seat("801", tone::FIRST, Manner::Answers),
        city.seat("802", tone::SECOND, Manner::Answers),
    ];
    let citizens = one_call_each(&city, &mut seats);
    let (keeper, member) = city.keeper();
    let (dies, lives) = if keeper_dies { (keeper, member) } else { (member, keeper) };
    // Somebody waits at the one that will live.
    let mut waits = loop {
        let before = active(&city, lives);
        let mut waiting = calls(&city, "13800138002");
        let somewhere = wait_until("it waits", || {
            let now = |at: usize| active(&city, at);
            if now(lives) > before { Some(lives) } else { (now(dies) > 1.0).then_some(dies) }
        });
        if somewhere == lives {
            break waiting;
        }
        // The edge chooses by Call-ID: the next one.
        waiting.hang_up();
        wait_until("it is gone", || (active(&city, dies) == 1.0).then_some(()));
    };
    let [mut citizens_0, mut citizens_1] = citizens;
    let (living, _dead) = if lives == 0 {
        (&mut citizens_0, &mut citizens_1)
    } else {
        (&mut citizens_1, &mut citizens_0)
    };
    let listening = living.listens();
    city.servers[dies].kill();
    let died = Stopwatch::start();
    // The seat of the call that is lost takes the one who waited; nobody else is disturbed.
    talks(&waits);
    println!("the caller who waited talks {:.1} s after the death", died.elapsed().as_secs_f64());
    let hole = living.longest_hole(listening);
    assert!(hole < HOLE_MAX, "the call that goes on has a hole of {hole:?}");
    waits.hang_up();
    wait_until("its seat is free", || {
        let free = |extension| seat_now(&city.servers[lives], extension)["state"] == "ready";
        (free("801") || free("802")).then_some(())
    });
    let again = Stopwatch::start();
    let mut new = calls(&city, "13800138003");
    talks(&new);
    let took = again.elapsed();
    println!("a new call talks after {:.1} s", took.as_secs_f64());
    assert!(took < AGAIN_MAX, "{took:?}");
    new.hang_up();
    living.hang_up();
    wait_until("both seats are free", || {
        let free = |extension| seat_now(&city.servers[lives], extension)["state"] == "ready";
        (free("801") && free("802")).then_some(())
    });
}

#[test]
fn the_keeper_dies_and_the_other_server_goes_on() {
    one_dies(true);
}

#[test]
fn a_server_dies_and_the_keeper_goes_on() {
    one_dies(false);
}

#[test]
fn without_the_database_each_server_goes_on_with_its_own_calls_and_takes_new_ones() {
    let mut database = Postgres::start();
    let city = City::on(database.address(), |plan| plan);
    let mut seats = [
        city.seat("801", tone::FIRST, Manner::Answers),
        city.seat("802", tone::SECOND, Manner::Answers),
    ];
    let mut citizens = one_call_each(&city, &mut seats);
    let _third = city.seat("803", tone::THIRD, Manner::Answers);
    let listening = citizens.each_ref().map(Desk::listens);
    database.stop();
    let away = Stopwatch::start();
    // The servers do not hear each other any more, and whoever gets the call has a seat for it.
    let mut new = calls(&city, "13800138003");
    talks(&new);
    let took = away.elapsed();
    println!("a new call talks after {:.1} s without database and bus", took.as_secs_f64());
    assert!(took < AGAIN_MAX, "{took:?}");
    new.hang_up();
    away.sleep_until(seconds(10.0));
    database.start_again();
    city.wait_until_joined();
    wait_until("all that waited is in the database", || {
        let waits = |server: &Server| server.metric("qingting_spool_entries");
        city.servers.iter().all(|server| waits(server) == 0.0).then_some(())
    });
    for (citizen, listening) in citizens.iter_mut().zip(listening) {
        talks(citizen);
        let hole = citizen.longest_hole(listening);
        assert!(hole < HOLE_MAX, "a call that goes on has a hole of {hole:?}");
        citizen.hang_up();
    }
    wait_until("all seats are free at both", || {
        let free = |server, extension| seat_now(server, extension)["state"] == "ready";
        let all = |server| ["801", "802", "803"].iter().all(|of| free(server, of));
        city.servers.iter().all(all).then_some(())
    });
    let ended = city.servers[0].ended_calls(city.servers[0].calls().len());
    let newest = &ended.iter().find(|call| call["caller"] == "13800138003").expect("it is there");
    assert_eq!(newest["cause"], "caller_hung_up", "{newest}");
}

#[test]
fn a_server_that_stops_gets_no_new_call_and_loses_none() {
    let mut city = City::open(|plan| plan.with("sip.drain_s", 60));
    let mut seats = [
        city.seat("801", tone::FIRST, Manner::Answers),
        city.seat("802", tone::SECOND, Manner::Answers),
    ];
    let mut citizens = one_call_each(&city, &mut seats);
    let (keeper, other) = city.keeper();
    city.servers[keeper].ask_to_finish();
    // It still talks, and so does the edge with the other one alone.
    citizens[other].hang_up();
    for n in 4..8 {
        wait_until("a seat is free", || {
            let free = |extension| seat_now(&city.servers[other], extension)["state"] == "ready";
            (free("801") || free("802")).then_some(())
        });
        let mut new = calls(&city, &format!("1380013800{n}"));
        talks(&new);
        assert_eq!(active(&city, other), 1.0);
        new.hang_up();
        wait_until("it is over", || (active(&city, other) == 0.0).then_some(()));
    }
    talks(&citizens[keeper]);
    citizens[keeper].hang_up();
    assert!(city.servers[keeper].ended(), "it ends by itself once its call is over");
    // The other one keeps the queues now.
    wait_until("the queues have a keeper", || {
        (super::keeps(&city.servers[other]) == 1.0).then_some(())
    });
    let mut new = calls(&city, "13800138009");
    talks(&new);
    new.hang_up();
}
