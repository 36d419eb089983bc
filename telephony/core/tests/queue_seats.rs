//! What seats do, and what that does to the calls.

mod seats;

use qingting_core::queue::{Enqueue, Input, Output, SeatState};
use seats::{SECOND, World, call, config, skills};

fn wants(number: u32) -> Enqueue {
    Enqueue::new(call(number), "main".into())
}

#[test]
fn a_break_asked_for_during_a_call_begins_after_its_wrap_up() {
    let mut world = World::with_seats(config(), &["a"]);
    let lunch = || Input::SetBreak { seat: "a".into(), reason: "lunch".into() };
    world.enqueue(1);
    world.accept(1, "a");
    world.feed(lunch());
    assert!(matches!(world.state("a"), SeatState::Talking { .. }));
    world.feed(Input::CallEnded { call: call(1), seat: "a".into() });
    assert!(matches!(world.state("a"), SeatState::WrapUp { .. }));
    world.after(5);
    assert_eq!(world.state("a"), SeatState::Break { reason: "lunch".into() });
    assert_eq!(world.enqueue(2), "position 2 1 wait ?");
    assert_eq!(world.feed(Input::SetReady { seat: "a".into() }), "offer 2 a");
    assert!(world.feed(lunch()).starts_with("withdraw 2 a"), "asked for while it rings");
    world.feed(Input::SignOut { seat: "a".into() });
    assert_eq!(world.state("a"), SeatState::SignedOut);
}

#[test]
fn a_break_that_was_asked_for_is_taken_back() {
    let mut world = World::with_seats(config(), &["a"]);
    world.enqueue(1);
    world.accept(1, "a");
    world.feed(Input::SetBreak { seat: "a".into(), reason: "lunch".into() });
    assert_eq!(world.enqueue(2), "position 2 1 wait ?", "nobody will work");
    world.feed(Input::SetReady { seat: "a".into() });
    world.feed(Input::CallEnded { call: call(1), seat: "a".into() });
    assert_eq!(world.after(5), "offer 2 a");
}

#[test]
fn a_seat_that_calls_somebody_in_its_break_is_on_its_break_afterwards() {
    let mut world = World::with_seats(config(), &["a"]);
    world.feed(Input::SetBreak { seat: "a".into(), reason: "lunch".into() });
    world.feed(Input::CallBegan { call: call(1), seat: "a".into() });
    assert_eq!(world.state("a"), SeatState::Talking { calls: vec![call(1)] });
    world.feed(Input::CallEnded { call: call(1), seat: "a".into() });
    world.feed(Input::WrapUpDone { seat: "a".into() });
    assert_eq!(world.state("a"), SeatState::Break { reason: "lunch".into() });
}

#[test]
fn signing_out_during_a_call_waits_for_its_end_and_nobody_waits_for_that_seat() {
    let mut world = World::with_seats(config(), &["a"]);
    world.enqueue(1);
    world.accept(1, "a");
    world.feed(Input::SignOut { seat: "a".into() });
    assert_eq!(world.enqueue(2), "overflow 2 main Machine");
    world.feed(Input::CallEnded { call: call(1), seat: "a".into() });
    assert_eq!(world.state("a"), SeatState::SignedOut);
}

#[test]
fn a_telephone_that_is_not_registered_is_never_rung() {
    let mut world = World::new(config());
    world.feed(Input::SignIn { seat: "a".into(), skills: skills(&[("talk", 1)]) });
    assert_eq!(world.enqueue(1), "position 1 1 wait ?");
    assert_eq!(world.feed(Input::Registered { seat: "a".into() }), "offer 1 a");
    let gone = world.feed(Input::Unregistered { seat: "a".into() });
    assert_eq!(gone, "withdraw 1 a");
    assert_eq!(world.after(20), "");
    assert_eq!(world.feed(Input::Registered { seat: "a".into() }), "offer 1 a");
}

#[test]
fn a_seat_takes_a_call_by_hand_also_during_its_break_and_from_another() {
    let mut world = World::with_seats(config(), &["a", "b"]);
    world.feed(Input::SetBreak { seat: "b".into(), reason: "tea".into() });
    let take = |number, seat: &str| Input::Take { call: call(number), seat: seat.into() };
    assert_eq!(world.feed(take(1, "b")), "not taken 1 b NotWaiting");
    world.enqueue(1);
    assert_eq!(world.feed(take(1, "b")), "withdraw 1 a | offer 1 b");
    assert_eq!(world.feed(take(1, "b")), "not taken 1 b SeatBusy");
    assert_eq!(world.feed(take(1, "z")), "not taken 1 z NotAtWork");
    world.accept(1, "b");
    world.feed(Input::CallEnded { call: call(1), seat: "b".into() });
    world.after(5);
    assert_eq!(world.state("b"), SeatState::Break { reason: "tea".into() });
}

#[test]
fn a_call_that_a_seat_made_itself_keeps_offers_away() {
    let mut world = World::with_seats(config(), &["a"]);
    world.enqueue(1);
    let began = world.feed(Input::CallBegan { call: call(9), seat: "a".into() });
    assert_eq!(began, "withdraw 1 a | position 1 1 wait 180");
    world.feed(Input::CallEnded { call: call(9), seat: "a".into() });
    assert_eq!(world.after(5), "offer 1 a");
    let own = world.feed(Input::CallBegan { call: call(1), seat: "a".into() });
    assert_eq!(own, "connect 1 a after 5", "they came together by another way");
}

#[test]
fn a_seat_that_joins_the_call_of_another_is_offered_nothing_meanwhile() {
    let mut world = World::with_seats(config(), &["a", "b"]);
    world.enqueue(1);
    world.accept(1, "a");
    world.feed(Input::CallBegan { call: call(1), seat: "b".into() });
    assert_eq!(world.state("b"), SeatState::Talking { calls: vec![call(1)] });
    assert_eq!(world.enqueue(2), "position 2 1 wait 90");
    world.feed(Input::CallEnded { call: call(1), seat: "b".into() });
    assert_eq!(world.feed(Input::WrapUpDone { seat: "b".into() }), "offer 2 b");
    assert_eq!(world.state("a"), SeatState::Talking { calls: vec![call(1)] });

    world.accept(2, "b");
    world.feed(Input::CallBegan { call: call(1), seat: "b".into() });
    world.feed(Input::Abandon { call: call(1) });
    assert!(matches!(world.state("a"), SeatState::WrapUp { .. }), "everybody leaves it");
    assert_eq!(world.state("b"), SeatState::Talking { calls: vec![call(2)] });
}

#[test]
fn a_call_that_a_seat_gives_back_is_rung_elsewhere_before_all_others() {
    let mut world = World::with_seats(config(), &["a", "b"]);
    for number in 1..=3 {
        world.enqueue(number);
    }
    world.accept(1, "a");
    world.accept(2, "b");
    let back = Enqueue { returned: true, ..wants(1) };
    assert_eq!(world.feed(Input::Enqueue(back)), "position 1 1 wait 90");
    assert!(matches!(world.state("a"), SeatState::WrapUp { .. }));
    world.feed(Input::CallEnded { call: call(2), seat: "b".into() });
    assert_eq!(world.feed(Input::WrapUpDone { seat: "b".into() }), "offer 1 b");
}

#[test]
fn every_store_has_a_cap() {
    let mut config = config();
    config.queues.get_mut(&"main".into()).expect("main").waiting_calls_max = 1;
    config.seats_max = 1;
    config.seat_skills_max = 1;
    let mut world = World::with_seats(config, &["a"]);
    assert_eq!(world.sign_in("b", &[("talk", 1)]), "refused b");
    assert_eq!(world.sign_in("a", &[("talk", 1), ("sing", 1)]), "refused a");
    world.enqueue(1);
    assert_eq!(world.enqueue(2), "refused 2 Full");
    let nowhere = Enqueue::new(call(3), "nowhere".into());
    assert_eq!(world.feed(Input::Enqueue(nowhere)), "refused 3 UnknownQueue");
    world.feed(Input::SignOut { seat: "a".into() });
    world.feed(Input::Unregistered { seat: "a".into() });
    assert_eq!(world.sign_in("b", &[("talk", 1)]), "", "a is forgotten");
}

#[test]
fn a_change_of_a_seat_is_told() {
    let mut world = World::with_seats(config(), &["a"]);
    let told = world.outputs(Input::Enqueue(wants(1)));
    let state = SeatState::Reserved { call: call(1), until: world.now + 20 * SECOND };
    assert_eq!(told[0], Output::SeatState { seat: "a".into(), state, registered: true });
    assert!(matches!(told[1], Output::Offer(_)));
}
