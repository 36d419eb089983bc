//! One queue and one set of seats over both servers.

use super::{City, seat_now, seconds};
use qingting_tests::clock::Deadline;
use qingting_tests::house::{BROWSER_PASSWORD, CITIZEN, QUEUE};
use qingting_tests::peers::browser::{Browser, ENTER};
use qingting_tests::peers::desk::{Desk, Manner, says};
use qingting_tests::server::{Server, wait_until};
use qingting_tests::{audio::Wav, audio::beeps, tone};
use serde_json::{Value, json};
use std::time::Duration;

/// The call that runs, and the place of the server that carries it.
fn running(city: &City) -> (usize, String) {
    let carried = |at: usize| {
        let server = &city.servers[at];
        (server.metric("qingting_calls_active") == 1.0).then_some(at)
    };
    let at = wait_until("a server carries a call", || (0..2).find_map(carried));
    let id = wait_until("the call is stored", || {
        let calls = city.servers[at].calls();
        let call = calls.iter().find(|call| call["state"] == "active")?;
        call["id"].as_str().map(str::to_owned)
    });
    (at, id)
}

fn command(server: &Server, call: &str, command: &Value) {
    let path = format!("/api/v1/calls/{call}/commands");
    let (status, body) = server.request("POST", &path, Some(command));
    assert!((200..300).contains(&status), "{command}: {status} {body}");
}

#[test]
fn a_call_on_either_server_rings_the_seat_and_is_seen_and_led_from_both() {
    let city = City::open(|plan| plan);
    let mut seat = city.seat("801", tone::FIRST, Manner::Answers);
    let mut carried = [0_u32; 2];
    // The edge chooses by Call-ID.
    while carried.contains(&0) {
        assert!(carried.iter().sum::<u32>() < 20, "one server gets no call: {carried:?}");
        let mut citizen = Desk::citizen(CITIZEN, says(tone::CITIZEN));
        citizen.dial(&format!("sip:12345@{}", city.edge.sip()));
        citizen.wait_until_talking();
        seat.wait_until_talking();
        citizen.hears(&[tone::FIRST]);
        seat.hears(&[tone::CITIZEN]);
        let (at, id) = running(&city);
        carried[at] += 1;
        // What the other server says of it, and does to it.
        let other = &city.servers[1 - at];
        for server in &city.servers {
            wait_until("both know whom the seat talks to", || {
                let now = seat_now(server, "801");
                (now["state"] == "talking" && now["calls"][0] == id.as_str()).then_some(())
            });
        }
        let seen = other.api_get(&format!("/api/v1/calls/{id}"));
        assert_eq!(seen["now"]["phase"], "talking", "{seen}");
        command(other, &id, &json!({ "command": "hold" }));
        citizen.hears(&[tone::MUSIC]);
        command(other, &id, &json!({ "command": "resume" }));
        citizen.hears(&[tone::FIRST]);
        citizen.hang_up();
        wait_until("the seat is free at both", || {
            let free = |server: &Server| seat_now(server, "801")["state"] == "ready";
            city.servers.iter().all(free).then_some(())
        });
        // The recording lies with the one and is played by either.
        wait_until("it is over", || {
            (other.api_get(&format!("/api/v1/calls/{id}"))["state"] == "ended").then_some(())
        });
        for server in &city.servers {
            let heard = Wav::read(&server.recording_of(&id));
            assert!(heard.duration() > seconds(1.0), "{:?}", heard.duration());
        }
    }
}

#[test]
fn a_seats_telephone_behind_the_edge_calls_a_colleague() {
    let city = City::open(|plan| plan);
    let mut first = city.seat("801", tone::FIRST, Manner::Waits);
    let mut second = city.seat("802", tone::SECOND, Manner::Answers);
    // Each time at the server that its Call-ID leads to: the password counts there.
    for _ in 0..3 {
        first.dial("802");
        first.wait_until_talking();
        second.wait_until_talking();
        first.hears(&[tone::SECOND]);
        second.hears(&[tone::FIRST]);
        first.hang_up();
        second.wait_until_over();
        wait_until("both are free", || {
            let free = |extension| seat_now(&city.servers[0], extension)["state"] == "ready";
            (free("801") && free("802")).then_some(())
        });
    }
}

#[test]
fn a_break_at_one_server_counts_at_the_other_and_callers_wait_in_one_line() {
    let city = City::open(|plan| plan);
    let mut seat = city.seat("801", tone::FIRST, Manner::Answers);
    let (keeper, member) = city.keeper();
    let be = |at: usize, wish: &Value| {
        let (status, body) =
            city.servers[at].request("POST", "/api/v1/seats/801/state", Some(wish));
        assert!((200..300).contains(&status), "{body}");
    };
    be(member, &json!({ "state": "break", "reason": "小休" }));
    wait_until("the break counts", || {
        (seat_now(&city.servers[keeper], "801")["state"] == "break").then_some(())
    });
    let mut citizens: Vec<Desk> = (0..2)
        .map(|n| {
            let mut citizen = Desk::citizen(&format!("1380013800{n}"), says(tone::CITIZEN));
            citizen.dial(&format!("sip:12345@{}", city.edge.sip()));
            wait_until("it waits", || {
                let queues = city.servers[member].api_get("/api/v1/queues");
                (queues[0]["queue"] == QUEUE && queues[0]["waiting"] == n + 1).then_some(())
            });
            citizen
        })
        .collect();
    be(member, &json!({ "state": "ready" }));
    // Whoever came first, at whichever server.
    citizens[0].wait_until_talking();
    seat.wait_until_talking();
    seat.hears(&[tone::CITIZEN]);
    citizens[0].hang_up();
    citizens[1].wait_until_talking();
    citizens[1].hang_up();
}

#[test]
fn telephones_ring_when_every_server_was_started_anew_before_they_register_again() {
    let mut city = City::open(|plan| plan);
    let long = Duration::from_secs(300);
    let seats = [("801", tone::FIRST), ("802", tone::SECOND)];
    let desks = seats.map(|(extension, hz)| city.seat_for(extension, hz, Manner::Answers, long));
    for at in 0..2 {
        city.servers[at].kill();
        city.servers[at].start_again();
        city.wait_until_joined();
        for server in &city.servers {
            wait_until("both seats can be reached", || {
                let is_there =
                    |(extension, _): &(&str, _)| seat_now(server, extension)["registered"] == true;
                seats.iter().all(is_there).then_some(())
            });
        }
    }
    // It is not that they have registered again.
    for server in &city.servers {
        assert_eq!(server.metric("qingting_sip_users_registered"), 0.0);
    }
    // One at each seat, at whichever server.
    let mut citizens =
        ["13800138001", "13800138002"].map(|number| super::fall::calls(&city, number));
    let heard = citizens.each_ref().map(super::fall::talks);
    assert!(heard.contains(&tone::FIRST) && heard.contains(&tone::SECOND), "{heard:?}");
    citizens.iter_mut().for_each(Desk::hang_up);
    drop(desks);
}

#[test]
fn a_browser_behind_the_edge_talks_and_its_page_shows_a_call_of_the_other_server() {
    let city = City::open(|plan| plan);
    city.hire("801");
    let microphone = city.edge.home().join("microphone.wav");
    Wav::mono(beeps(tone::FIRST.into(), seconds(12.0))).write(&microphone);
    let page = Browser::start(&microphone);
    page.open(&format!("http://{}/softphone", city.servers[0].http()));
    page.type_into("extension", "801");
    page.type_into("password", BROWSER_PASSWORD);
    page.press(ENTER);
    let page = &page;
    shows(page, "line", "话机已注册");
    shows(page, "seat-state", "空闲");
    // At whichever server.
    for _ in 0..3 {
        let mut citizen = Desk::citizen(CITIZEN, says(tone::CITIZEN));
        citizen.dial(&format!("sip:12345@{}", city.edge.sip()));
        shows(page, "call-state", "来电");
        page.press(ENTER);
        shows(page, "call-state", "通话中");
        citizen.wait_until_talking();
        citizen.hears(&[tone::FIRST]);
        let heard = Deadline::after(seconds(60.0)).poll(|| {
            let levels = page.levels(&[tone::CITIZEN.into()]);
            (levels[0] > -40.0).then_some(())
        });
        assert!(heard.is_some(), "the page hears the citizen");
        shows(page, "legs", "市民");
        citizen.hang_up();
        shows(page, "notice", "对方已挂机");
        shows(page, "seat-state", "空闲");
    }
}

#[track_caller]
fn shows(page: &Browser, id: &str, text: &str) {
    let is_shown =
        format!("return document.getElementById('{id}').innerText.includes({})", Value::from(text));
    page.wait_until(&format!("#{id} shows {text}"), &is_shown);
}
