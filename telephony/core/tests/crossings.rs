//! Messages that cross, and hang-ups at awkward moments.

mod world;

use qingting_core::call::{Cause, Hangup, Input};
use qingting_core::leg::LegEvent;
use std::collections::HashSet;
use world::{FIRST, VIDEO, World, offer, on, opened};

#[test]
fn a_call_is_stored_rung_answered_and_greeted_and_the_caller_hangs_up() {
    let mut world = World::new();
    let invite = Input::Invite { offer: Some(offer("sendrecv")) };
    assert_eq!(world.feed(invite), "store begin | open");
    assert_eq!(world.feed(opened()), "", "nothing rings before the call is stored");
    assert_eq!(world.feed(Input::Persisted), "180");
    assert_eq!(world.wait(), "store answered | connect recvonly | 200 | recognise");
    let ack = world.feed(on(LegEvent::Ack { answer: None }));
    assert_eq!(ack, "connect sendrecv | play Notice");
    assert_eq!(world.done(), "play Greeting");
    assert_eq!(world.done(), "");
    assert_eq!(world.feed(on(LegEvent::Bye)), "store ended caller_hung_up | close | finished");
}

#[test]
fn a_cancel_that_crosses_the_answer_ends_the_call_without_bye() {
    let end = "store ended caller_cancelled | close | finished";
    let mut world = World::answered();
    assert_eq!(world.feed(on(LegEvent::Cancel)), end);
    assert_eq!(world.feed(on(LegEvent::Ack { answer: None })), "");
    let mut hung_up = World::answered();
    hung_up.feed(Input::Hangup(Hangup::Operator));
    assert_eq!(hung_up.feed(on(LegEvent::Cancel)), end, "the hang-up that waited is not needed");
    assert_eq!(late_offer().feed(on(LegEvent::Cancel)), end);
}

#[test]
fn a_cancel_after_the_ack_changes_nothing() {
    let mut world = World::established();
    assert_eq!(world.feed(on(LegEvent::Cancel)), "");
    assert_eq!(world.done(), "play Greeting");
}

#[test]
fn a_cancel_before_the_answer_ends_the_call() {
    let mut world = World::ringing();
    let end = "store ended caller_cancelled | 487 | close | finished";
    assert_eq!(world.feed(on(LegEvent::Cancel)), end);
    assert_eq!(world.feed(Input::Timer), "");
}

#[test]
fn a_bye_before_the_ack_ends_the_call() {
    let mut world = World::answered();
    assert_eq!(world.feed(on(LegEvent::Bye)), "store ended caller_hung_up | close | finished");
    assert_eq!(world.feed(on(LegEvent::Ack { answer: None })), "");
}

#[test]
fn an_answer_that_is_never_acknowledged_is_ended_with_bye() {
    let end = "store ended no_ack | bye 102 | close | finished";
    assert_eq!(World::answered().feed(on(LegEvent::AckTimeout)), end);
    assert_eq!(World::answered().wait(), end, "the call has a clock of its own");
}

#[test]
fn nothing_is_sent_to_the_offered_address_before_the_ack() {
    let mut world = World::answered();
    assert_eq!(world.reinvite("sendonly"), "re-200 v2 recvonly", "told nothing new");
    assert_eq!(world.reinvite("inactive"), "connect inactive | re-200 v3 inactive");
    assert_eq!(world.reinvite("sendrecv"), "connect recvonly | re-200 v4 sendrecv");
    let ack = world.feed(on(LegEvent::Ack { answer: None }));
    assert_eq!(ack, "connect sendrecv | play Notice");
    let mut held = World::answered();
    held.reinvite("sendonly");
    assert_eq!(held.feed(on(LegEvent::Ack { answer: None })), "");
    assert_eq!(held.reinvite("sendrecv"), "connect sendrecv | re-200 v3 sendrecv | play Notice");
}

#[test]
fn a_hang_up_of_ours_waits_for_the_ack() {
    let mut world = World::answered();
    assert_eq!(world.feed(Input::Hangup(Hangup::Operator)), "");
    let end = "store ended operator_hung_up | bye 16 | close | finished";
    assert_eq!(world.feed(on(LegEvent::Ack { answer: None })), end);
}

#[test]
fn a_hang_up_during_the_notice_stops_it() {
    let end = "stop | store ended draining | bye 41 | close | finished";
    assert_eq!(World::established().feed(Input::Hangup(Hangup::Drain)), end);
}

#[test]
fn a_greeting_cut_by_hold_begins_again_on_resume() {
    let mut world = World::established();
    world.done();
    let cut = world.playing;
    assert_eq!(world.reinvite("sendonly"), "connect recvonly | re-200 v2 recvonly | stop");
    assert_eq!(
        world.feed(Input::PromptDone { leg: FIRST, id: cut }),
        "",
        "its late end means nothing"
    );
    assert_eq!(world.feed(on(LegEvent::MediaInactive)), "", "a caller on hold owes no audio");
    assert_eq!(world.reinvite("sendonly"), "re-200 v2 recvonly", "nothing new, same version");
    assert_eq!(world.reinvite("sendrecv"), "connect sendrecv | re-200 v3 sendrecv | play Greeting");
    assert_eq!(world.done(), "");
}

#[test]
fn a_hold_stops_the_silence_clock() {
    let mut world = World::listening();
    world.reinvite("inactive");
    let start = world.now;
    assert_eq!(world.wait(), "store ended too_long | bye 16 | close | finished");
    assert!((world.now - start).as_secs() > 1_700);
}

#[test]
fn missing_audio_means_nothing_before_the_answer_and_ends_the_call_after_it() {
    assert_eq!(World::ringing().feed(on(LegEvent::MediaInactive)), "");
    let end = "store ended media_lost | bye 27 | close | finished";
    assert_eq!(World::listening().feed(on(LegEvent::MediaInactive)), end);
}

#[test]
fn a_call_that_cannot_be_stored_is_refused_and_its_media_closed() {
    let mut world = World::new();
    world.feed(Input::Invite { offer: Some(offer("sendrecv")) });
    world.feed(opened());
    let end = "store ended store_unavailable | 503 retry-after 10 | close | finished";
    assert_eq!(world.feed(Input::PersistFailed), end);
}

#[test]
fn a_store_that_says_nothing_is_not_waited_for_without_end() {
    let mut world = World::new();
    world.feed(Input::Invite { offer: Some(offer("sendrecv")) });
    let end = "store ended store_unavailable | 503 retry-after 10 | close | finished";
    assert_eq!(world.wait(), end);
}

#[test]
fn an_offer_that_cannot_be_met_costs_nothing() {
    let video = Input::Invite { offer: Some(VIDEO.into()) };
    assert_eq!(World::new().feed(video), "488 | finished");
    let garbage = Input::Invite { offer: Some("hello".into()) };
    assert_eq!(World::new().feed(garbage), "400 | finished");
}

#[test]
fn a_silent_caller_is_asked_once_and_then_let_go() {
    let mut world = World::listening();
    assert_eq!(world.wait(), "play AreYouThere");
    assert_eq!(world.done(), "");
    assert_eq!(world.wait(), "play Farewell");
    assert_eq!(world.done(), "stop | store ended caller_silent | bye 16 | close | finished");
}

#[test]
fn speech_and_keys_begin_the_silence_anew() {
    let mut world = World::listening();
    world.wait();
    assert_eq!(world.feed(Input::SpeechHeard { leg: FIRST }), "stop");
    assert_eq!(world.wait(), "play AreYouThere");
    world.done();
    assert_eq!(world.feed(Input::Dtmf { leg: FIRST, digit: '1' }), "");
    assert_eq!(world.wait(), "play AreYouThere");
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut world = late_offer();
    let answer = Some(offer("sendrecv"));
    assert_eq!(world.feed(on(LegEvent::Ack { answer })), "connect sendrecv | play Notice");
}

#[test]
fn a_late_offer_without_a_usable_answer_is_ended_with_bye() {
    let end = "store ended not_acceptable | bye 58 | close | finished";
    for answer in [None, Some("garbage".into()), Some(VIDEO.into())] {
        assert_eq!(late_offer().feed(on(LegEvent::Ack { answer })), end);
    }
}

#[test]
fn a_reinvite_without_an_offer_gets_ours_and_waits_for_the_ack() {
    let mut world = World::listening();
    let bare = || on(LegEvent::Reinvite { offer: None });
    assert_eq!(world.feed(bare()), "re-200 v2 sendrecv");
    assert_eq!(world.feed(bare()), "re-491");
    assert_eq!(world.feed(on(LegEvent::Ack { answer: Some(offer("sendrecv")) })), "");
    assert_eq!(world.reinvite("sendrecv"), "re-200 v3 sendrecv");
}

#[test]
fn a_bad_reinvite_is_refused_and_the_call_goes_on() {
    let mut world = World::listening();
    assert_eq!(world.feed(on(LegEvent::Reinvite { offer: Some(VIDEO.into()) })), "re-488");
    assert_eq!(world.wait(), "play AreYouThere");
}

#[test]
fn every_cause_has_its_own_name_and_a_refusal_status() {
    let names: HashSet<_> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
    assert_eq!(names.len(), Cause::ALL.len());
    assert!(Cause::ALL.iter().all(|cause| (400..700).contains(&cause.sip_status())));
    assert!(Cause::ALL.iter().all(|cause| cause.text().is_ascii()));
}

fn late_offer() -> World {
    let mut world = World::new();
    world.feed(Input::Invite { offer: None });
    world.feed(Input::Persisted);
    world.feed(opened());
    assert_eq!(world.wait(), "store answered | 200 | recognise");
    world
}
