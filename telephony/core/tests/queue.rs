//! Who is rung for whom, rule by rule.

mod seats;

use qingting_core::queue::{
    ConfigError, Enqueue, Input, OfferFailure, Overflow, Queue, QueueConfig, QueueRules, SeatState,
};
use seats::{SECOND, World, call, comes_to_rest, config};
use std::time::Duration;

fn wants(number: u32) -> Enqueue {
    Enqueue::new(call(number), "main".into())
}

fn with(change: impl FnOnce(&mut QueueRules)) -> QueueConfig {
    let mut config = config();
    change(config.queues.get_mut(&"main".into()).expect("main"));
    config
}

fn fail(world: &mut World, number: u32, seat: &str, why: OfferFailure) -> String {
    let offer = world.offer(number, seat);
    world.feed(Input::OfferFailed { offer, why })
}

#[test]
fn a_call_is_offered_answered_written_up_and_the_seat_is_ready_again() {
    let mut world = World::with_seats(config(), &["a"]);
    assert_eq!(world.enqueue(1), "offer 1 a");
    world.after(3);
    let offer = world.offer(1, "a");
    world.feed(Input::OfferRinging(offer.clone()));
    assert!(matches!(world.state("a"), SeatState::Ringing { .. }));
    assert_eq!(world.accept(1, "a"), "connect 1 a after 3");
    assert_eq!(world.accept(1, "a"), "", "told twice");
    assert_eq!(world.feed(Input::OfferFailed { offer, why: OfferFailure::Busy }), "");
    assert_eq!(world.state("a"), SeatState::Talking { calls: vec![call(1)] });
    world.feed(Input::CallEnded { call: call(1), seat: "a".into() });
    assert!(matches!(world.state("a"), SeatState::WrapUp { .. }));
    assert_eq!(world.enqueue(2), "position 2 1 wait 180", "not during the wrap-up");
    assert_eq!(world.after(5), "offer 2 a");
}

#[test]
fn priority_goes_before_arrival_and_a_repeat_or_returned_call_before_both() {
    let mut world = World::new(with(|rules| rules.overflow_when_empty = false));
    let urgent = Enqueue { priority: 5, ..wants(2) };
    let repeat = Enqueue { repeat: true, ..wants(3) };
    let returned = Enqueue { returned: true, ..wants(4) };
    for wants in [wants(1), urgent, repeat, returned, wants(5)] {
        world.feed(Input::Enqueue(wants));
        world.after(1);
    }
    let mut order = Vec::new();
    world.sign_in("a", &[("talk", 1)]);
    while let Some(offer) = world.offers.last().cloned().filter(|o| !order.contains(&o.call)) {
        order.push(offer.call);
        world.feed(Input::OfferAccepted(offer.clone()));
        world.feed(Input::CallEnded { call: offer.call, seat: offer.seat });
        world.feed(Input::WrapUpDone { seat: "a".into() });
    }
    assert_eq!(order, [4, 3, 2, 1, 5].map(call));
}

#[test]
fn the_best_level_then_the_longest_idle_seat_is_rung() {
    let mut world = World::new(config());
    world.sign_in("a", &[("talk", 2)]);
    world.after(1);
    world.sign_in("c", &[("talk", 1)]);
    world.after(1);
    world.sign_in("b", &[("talk", 1)]);
    world.sign_in("d", &[("else", 1)]);
    assert_eq!(world.enqueue(1), "offer 1 c", "of two best ones the longer idle");
    assert_eq!(world.enqueue(2), "offer 2 b");
    assert_eq!(world.enqueue(3), "offer 3 a", "a lower level is better than waiting");
    assert_eq!(world.enqueue(4), "position 4 1 wait 60", "d cannot do it");
}

#[test]
fn a_caller_gets_its_own_seat_if_that_is_free_soon() {
    let mut world = World::with_seats(config(), &["a"]);
    world.after(1);
    world.sign_in("b", &[("talk", 1)]);
    let own = |number| Enqueue { sticky: Some("b".into()), ..wants(number) };
    assert_eq!(world.feed(Input::Enqueue(own(1))), "offer 1 b", "though a is idle for longer");
    world.accept(1, "b");
    assert_eq!(world.feed(Input::Enqueue(own(2))), "position 2 1 wait 90");
    assert_eq!(world.after(19), "");
    assert_eq!(world.after(1), "offer 2 a", "longer it does not wait");
    assert_eq!(world.feed(Input::Enqueue(own(3))), "position 3 1 wait 90");
    assert_eq!(world.handle(1, "b"), "offer 3 b");
    world.feed(Input::SetBreak { seat: "b".into(), reason: "lunch".into() });
    assert_eq!(world.handle(2, "a"), "offer 3 a", "it does not wait for a break");
}

#[test]
fn a_caller_does_not_wait_for_an_own_seat_that_missed_it_or_cannot_help() {
    let mut world = World::with_seats(config(), &["a", "b"]);
    world.sign_in("c", &[("else", 1)]);
    let own = |number, seat: &str| Enqueue { sticky: Some(seat.into()), ..wants(number) };
    assert_eq!(world.feed(Input::Enqueue(own(1, "b"))), "offer 1 b");
    assert_eq!(fail(&mut world, 1, "b", OfferFailure::NoAnswer), "offer 1 a");
    world.sign_in("d", &[("talk", 1)]);
    world.feed(Input::CallBegan { call: call(9), seat: "c".into() });
    assert_eq!(world.feed(Input::Enqueue(own(2, "c"))), "offer 2 d", "c is busy, and of no use");
}

#[test]
fn a_seat_that_does_not_answer_pauses_and_the_call_keeps_its_place() {
    let mut world = World::with_seats(config(), &["a"]);
    world.enqueue(1);
    world.enqueue(2);
    assert_eq!(world.after(20), "withdraw 1 a | position 1 1 wait 180");
    assert!(matches!(world.state("a"), SeatState::Paused { why: OfferFailure::NoAnswer, .. }));
    assert_eq!(world.accept(1, "a"), "withdraw 1 a", "too late");
    assert_eq!(world.after(9), "");
    assert!(world.after(1).starts_with("offer 1 a"), "nobody else can take it");
    world.sign_in("b", &[("talk", 9)]);
    assert_eq!(fail(&mut world, 1, "a", OfferFailure::Declined), "");
    assert_eq!(world.handle(2, "b"), "offer 1 b");
}

#[test]
fn a_seat_that_missed_a_call_gets_another_one_first() {
    let mut world = World::with_seats(config(), &["a", "b"]);
    world.enqueue(1);
    world.enqueue(2);
    fail(&mut world, 1, "a", OfferFailure::NoAnswer);
    world.feed(Input::SetReady { seat: "b".into() });
    fail(&mut world, 2, "b", OfferFailure::Busy);
    world.after(9);
    let rung = world.after(1);
    assert_eq!(rung, "offer 1 b | offer 2 a", "each the one that it has not missed");
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_costs_the_seat_nothing() {
    let mut world = World::with_seats(config(), &["a"]);
    world.after(1);
    world.sign_in("b", &[("talk", 1)]);
    world.after(1);
    assert_eq!(world.enqueue(1), "offer 1 a");
    assert_eq!(world.feed(Input::Abandon { call: call(1) }), "withdraw 1 a");
    assert_eq!(world.accept(1, "a"), "withdraw 1 a", "the answer crossed");
    assert_eq!(world.enqueue(2), "offer 2 a", "it is still its turn");
    world.accept(2, "a");
    world.feed(Input::Abandon { call: call(2) });
    assert!(matches!(world.state("a"), SeatState::WrapUp { .. }), "gone while talking");
}

#[test]
fn a_report_of_an_old_offer_is_not_one_of_the_new() {
    let mut world = World::with_seats(config(), &["a"]);
    world.enqueue(1);
    let old = world.offer(1, "a");
    world.feed(Input::SetBreak { seat: "a".into(), reason: "tea".into() });
    assert_eq!(world.feed(Input::SetReady { seat: "a".into() }), "offer 1 a");
    assert_eq!(world.feed(Input::OfferAccepted(old.clone())), "withdraw 1 a");
    assert_eq!(world.feed(Input::OfferFailed { offer: old, why: OfferFailure::Busy }), "");
    assert_eq!(world.accept(1, "a"), "connect 1 a after 0");
}

#[test]
fn helpers_are_rung_after_a_while() {
    let config = with(|rules| {
        rules.widen_to = vec!["else".into()];
        rules.widen_after = 7 * SECOND;
    });
    let mut world = World::with_seats(config, &["a"]);
    world.sign_in("b", &[("else", 1)]);
    world.enqueue(1);
    world.accept(1, "a");
    world.enqueue(2);
    world.enqueue(3);
    assert_eq!(world.after(6), "");
    world.sign_in("c", &[("talk", 9)]);
    assert_eq!(world.offer(2, "c").call, call(2));
    assert_eq!(world.after(1), "offer 3 b", "the very moment at which helpers may be rung");
}

#[test]
fn own_seats_are_rung_before_helpers_though_they_do_it_less_well() {
    let mut world = World::new(with(|rules| {
        rules.widen_to = vec!["else".into()];
        rules.widen_after = Duration::ZERO;
    }));
    world.sign_in("b", &[("else", 1)]);
    world.sign_in("c", &[("talk", 9)]);
    assert_eq!(world.enqueue(1), "offer 1 c");
    assert_eq!(world.enqueue(2), "offer 2 b");
}

#[test]
fn a_call_that_waited_long_enough_overflows_once_nobody_is_rung_for_it() {
    let mut world = World::with_seats(config(), &["a"]);
    world.enqueue(1);
    world.accept(1, "a");
    world.enqueue(2);
    world.after(290);
    world.feed(Input::CallEnded { call: call(1), seat: "a".into() });
    assert_eq!(world.after(5), "offer 2 a");
    assert_eq!(world.after(19), "", "it is being rung when its time is over");
    assert_eq!(world.after(1), "withdraw 2 a | overflow 2 main Machine");
}

#[test]
fn an_overflow_to_a_queue_keeps_the_arrival_and_finds_a_seat_there() {
    let mut config = with(|rules| rules.overflow = Overflow::Queue("night".into()));
    config.queues.insert("night".into(), QueueRules::new("wake".into()));
    let mut world = World::new(config);
    world.sign_in("n", &[("wake", 1)]);
    let told = world.enqueue(1);
    assert_eq!(told, r#"overflow 1 main Queue(QueueName(night)) | offer 1 n"#);
    world.after(2);
    assert_eq!(world.accept(1, "n"), "connect 1 n after 2");
}

#[test]
fn positions_are_told_at_once_and_from_time_to_time_and_a_call_back_is_offered_once() {
    let mut world =
        World::with_seats(with(|rules| rules.offer_callback_after = Some(60 * SECOND)), &["a"]);
    world.enqueue(1);
    world.accept(1, "a");
    assert_eq!(world.enqueue(2), "position 2 1 wait 180");
    assert_eq!(world.enqueue(3), "position 3 2 wait 360");
    assert_eq!(world.after(30), "position 2 1 wait 180 | position 3 2 wait 360");
    let told = world.after(30);
    assert!(told.ends_with("| callback? 2 | callback? 3"), "{told}");
    let listed = world.feed(Input::CallbackRequested { call: call(2) });
    assert_eq!(listed, "listed 2 main after 60");
    assert_eq!(world.after(30), "position 3 1 wait 180");
    assert_eq!(world.feed(Input::CallbackRequested { call: call(2) }), "");
}

#[test]
fn the_expected_wait_follows_what_was_measured() {
    let mut world = World::with_seats(config(), &["a"]);
    world.enqueue(1);
    world.accept(1, "a");
    world.after(95);
    world.feed(Input::CallEnded { call: call(1), seat: "a".into() });
    world.after(5);
    world.enqueue(2);
    assert_eq!(world.enqueue(3), "position 3 1 wait 170", "(7 × 180 + 100) ÷ 8");
}

#[test]
fn two_seats_that_never_answer_do_not_hold_a_call_for_ever() {
    let mut config = config();
    config.no_answer_pause = SECOND;
    let mut world = World::with_seats(config, &["a", "b"]);
    world.enqueue(1);
    comes_to_rest(world);
}

#[test]
fn rules_that_cannot_be_kept_are_named() {
    let refused = |config| Queue::new(config).expect_err("refused").to_string();
    assert_eq!(Queue::new(QueueConfig::default()), Err(ConfigError::NoQueue));
    let gone = with(|rules| rules.overflow = Overflow::Queue("gone".into()));
    assert_eq!(
        refused(gone),
        "queue main: overflows to gone, which does not exist: name a queue that does"
    );
    let itself = with(|rules| rules.overflow = Overflow::Queue("main".into()));
    assert!(refused(itself).contains("lead back"));
    let hasty = with(|rules| rules.announce_every = Some(Duration::ZERO));
    assert!(refused(hasty).starts_with("announce_every of queue main is below one second"));
}
