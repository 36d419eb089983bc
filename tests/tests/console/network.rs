//! What comes between a seat and the server: a network that goes away, and a server that starts again.

use super::{CITIZEN_HZ, HEARD, SEAT_HZ, seat_page, server, shows, sign_in, take};
use qingting_tests::audio::{Wav, beeps};
use qingting_tests::clock::{Deadline, Stopwatch};
use qingting_tests::peers::browser::Browser;
use qingting_tests::peers::cable::{Cable, NEAR};
use qingting_tests::peers::talker::Talker;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::spoken;
use serde_json::{Value, json};
use std::time::Duration;

const LOST_FOR: Duration = Duration::from_secs(30);

/// A seat whose browser reaches the server through a cable.
fn at_a_cable(server: &Server) -> (Cable, Browser) {
    let settings = server.request("GET", "/softphone/settings.json", None).1;
    let settings: Value = serde_json::from_str(&settings).expect("JSON");
    let ws = settings["ws_port"].as_u64().and_then(|port| u16::try_from(port).ok());
    let cable = Cable::lay(&[server.http().port(), ws.expect("a port for browsers")]);
    let microphone = server.home().join("microphone.wav");
    Wav::mono(beeps(SEAT_HZ, Duration::from_secs(12))).write(&microphone);
    let page = Browser::start(&microphone);
    page.resize(1366, 768);
    sign_in(&page, &format!("{NEAR}:{}", server.http().port()), "801");
    shows(&page, "seat-state", "空闲");
    (cable, page)
}

/// Sentences of the citizen that the page shows.
fn shown(page: &Browser) -> u64 {
    let count =
        page.run("return document.querySelectorAll('#captions li.caller:not(.partial)').length");
    count.as_u64().unwrap_or(0)
}

/// Sentences of the citizen that the server has.
fn stored(server: &Server) -> u64 {
    let call = server.calls()[0]["id"].as_str().expect("an id").to_owned();
    let transcript = server.api_get(&format!("/api/v1/calls/{call}/transcript"));
    let segments = transcript["segments"].as_array().cloned().unwrap_or_default();
    segments.iter().filter(|said| said["party"] == "caller").count() as u64
}

#[test]
fn a_call_outlives_thirty_seconds_without_network_and_captions_catch_up() {
    let server = server(ServerPlan::hearing(), "王芳");
    let (cable, page) = at_a_cable(&server);
    // A sentence, and the tone by which the seat is sure to hear the citizen.
    let words = spoken("您好，我要投诉，楼下的烧烤店噪音特别大。", "jf_nezumi");
    let mut words = Wav::read(&words).channels.remove(0);
    words.resize(words.len() / 160 * 160 + 160 * 50, 0);
    words.extend(beeps(CITIZEN_HZ, Duration::from_secs(1)));
    words.resize(words.len() / 160 * 160 + 160 * 50, 0);
    let citizen = Talker::call_saying(server.sip(), words);
    take(&page);
    wait_until("a first sentence is shown", || (shown(&page) > 0).then_some(()));

    page.freeze_network();
    cable.cut();
    let lost = Stopwatch::start();
    let before = stored(&server);
    lost.sleep_until(LOST_FOR);
    let meanwhile = stored(&server) - before;
    assert!(meanwhile > 0, "nothing was said meanwhile");
    cable.mend();
    page.thaw_network();

    shows(&page, "call-state", "通话中");
    let heard = Deadline::after(Duration::from_secs(30)).poll(|| {
        let to_citizen = citizen.level(SEAT_HZ, Duration::from_millis(500));
        (to_citizen > HEARD && page.levels(&[CITIZEN_HZ])[0] > HEARD).then_some(())
    });
    assert!(heard.is_some(), "they do not hear each other any more: {}", page.console());
    println!("heard again {:?} after the network came back", lost.elapsed() - LOST_FOR);
    let caught_up = Deadline::after(Duration::from_secs(20))
        .poll(|| (shown(&page) >= before + meanwhile).then_some(()));
    assert!(caught_up.is_some(), "{} of {} are shown", shown(&page), before + meanwhile);
    shows(&page, "line", "话机已注册");
    assert_eq!(server.calls()[0]["state"], "active");

    // The server reaches the browser on its new connection, too.
    citizen.hang_up();
    shows(&page, "call-state", "对方已挂机");
}

#[test]
fn pages_go_on_after_the_server_was_started_again() {
    let mut server = server(ServerPlan::deaf(), "王芳");
    let page = seat_page(&server);
    server.kill();
    shows(&page, "line", "话机未注册");
    server.start_again();
    shows(&page, "line", "话机已注册");
    shows(&page, "seat-state", "空闲");
    let is_online = "return !document.querySelector('header').innerText.includes('连接断开')";
    page.wait_until("the stream of events is back", is_online);

    let citizen = Talker::call(server.sip(), CITIZEN_HZ);
    take(&page);
    // What is done needs the session, which outlives the server.
    let edit = "document.getElementById('field-title').focus()";
    page.run(edit);
    page.type_into("field-title", "路灯不亮");
    page.press(qingting_tests::peers::browser::ENTER);
    shows(&page, "field-title-state", "已确认");
    let title = &server.ticket_of(&server.calls()[0])["fields"]["title"]["value"];
    assert_eq!(*title, json!("路灯不亮"));
    citizen.hang_up();
    shows(&page, "call-state", "对方已挂机");
}
