//! What citizen and seat say is shown, each under its own name.

use qingting_tests::audio::{Wav, samples_in};
use qingting_tests::clock::Deadline;
use qingting_tests::house::{House, NUMBER};
use qingting_tests::peers::desk::Manner;
use qingting_tests::server::ServerPlan;
use qingting_tests::{cer, spoken};
use std::time::Duration;

const CITIZEN_SAYS: &str = "您好，我要投诉，楼下的烧烤店噪音特别大。";
const SEAT_SAYS: &str = "您好，我要投诉，小区门口的路灯坏了三天了，一直没有人来修。";
/// Two at once on a machine that also carries the telephones.
const ERROR_RATE_MAX: f64 = 0.5;

/// A sentence and silence after it, so that its end is heard before the call is over.
fn said(words: &str) -> Vec<i16> {
    let mut said = Wav::read(&spoken(words, "jf_nezumi")).channels.remove(0);
    said.resize(said.len() + samples_in(Duration::from_secs(20)), 0);
    said
}

#[test]
fn captions_say_who_spoke() {
    let house = House::of(ServerPlan::hearing(), NUMBER, "call_back_s = 0");
    let mut seat = house.seat_saying("801", said(SEAT_SAYS), Manner::Answers);
    let mut citizen = house.citizen_saying(said(CITIZEN_SAYS));
    seat.wait_until_talking();
    let call = house.running();
    for (party, words) in [("seat", SEAT_SAYS), ("caller", CITIZEN_SAYS)] {
        let mut written = String::new();
        let is_good = Deadline::after(Duration::from_secs(60)).poll(|| {
            let transcript = house.server.api_get(&format!("/api/v1/calls/{call}/transcript"));
            let segments = transcript["segments"].as_array().cloned().unwrap_or_default();
            let of_party = segments.iter().filter(|segment| segment["party"] == party);
            written = of_party.filter_map(|segment| segment["raw"].as_str()).collect();
            (cer(words, &written) <= ERROR_RATE_MAX).then_some(())
        });
        assert!(is_good.is_some(), "{party}: {written}");
    }
    citizen.hang_up();
    house.ended(&call);
}
