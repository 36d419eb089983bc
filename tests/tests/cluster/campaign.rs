//! A server that calls citizens and tells the ticket system of it dies, and the other one does the rest.

use super::HOLE_MAX;
use super::fall::{calls, one_call_each, talks};
use super::office::{ANSWER_WITHIN_MS, Attempt, Leased, NAMES, Office};
use qingting_tests::campaign;
use qingting_tests::peers::desk::Manner;
use qingting_tests::server::wait_until;
use qingting_tests::ticket_system::Fault;
use qingting_tests::tone;
use std::collections::BTreeSet;
use std::time::Duration;

const CITIZENS: usize = 60;
/// Of these, so many are not called yet when a server dies.
const LEFT_MIN: usize = 10;
/// How long an attempt, and a message, is a server's without word from it (`LEASE` of `serve/callbacks/runner.rs`,
/// `LEASE_MARGIN` of `serve/relay`).
const ATTEMPT_LEASE_MS: i64 = 30_000;
const MESSAGE_LEASE_MS: i64 = ANSWER_WITHIN_MS + 5_000;
/// The ticket system takes its time, so that something is always under way.
const ANSWERS_AFTER: Duration = Duration::from_secs(2);

/// Waits until a server dials and delivers, and the other one dials, too; gives who it is in the leases of messages.
fn in_the_middle(office: &Office, at: usize) -> String {
    let [dying, living] = [at, 1 - at].map(|at| office.city.servers[at].pid());
    let mut known = BTreeSet::new();
    wait_until("both dial, and it delivers", || {
        let booked = office.system.booked().into_iter();
        let new: Vec<_> = booked.filter(|booked| known.insert(booked.key.clone())).collect();
        let its: BTreeSet<_> = new
            .into_iter()
            .filter(|booked| booked.event["source"] == NAMES[at])
            .map(|booked| booked.key)
            .collect();
        let dial = office.running(dying).len() >= 2 && !office.running(living).is_empty();
        assert!(office.attempts().len() + LEFT_MIN <= CITIZENS, "all are called");
        let leased = office.leased();
        // Booked a moment ago, and not answered yet.
        leased.into_iter().find(|of| dial && its.contains(&of.key)).map(|of| of.owner)
    })
}

#[test]
fn a_server_that_dials_and_delivers_dies_and_the_other_does_the_rest_once() {
    let mut office = Office::open(CITIZENS, 0, |plan| plan);
    let mut seats = [
        office.city.seat("801", tone::FIRST, Manner::Answers),
        office.city.seat("802", tone::SECOND, Manner::Answers),
    ];
    let mut citizens = one_call_each(&office.city, &mut seats);
    office.system.will(std::iter::repeat_n(Fault::Slow(ANSWERS_AFTER), 10 * CITIZENS));
    campaign::start(&office.city.servers[0]);
    // The one that keeps the queues, so that nothing of it is left.
    let (dies, lives) = office.city.keeper();
    let owner = in_the_middle(&office, dies);
    let process = office.city.servers[dies].pid();
    let listening = citizens[lives].listens();
    office.city.servers[dies].kill();
    let died_at = office.now();
    let attempts = office.running(process);
    let is_its = |of: &Leased| of.owner == owner;
    let messages: Vec<Leased> = office.leased().into_iter().filter(is_its).collect();
    assert!(!attempts.is_empty() && !messages.is_empty(), "{attempts:?} {messages:?}");
    // What it had is the other's after one lease at the latest.
    for attempt in &attempts {
        assert!(attempt.lease_until <= died_at + ATTEMPT_LEASE_MS, "{attempt:?}");
    }
    for message in &messages {
        assert!(message.lease_until <= died_at + MESSAGE_LEASE_MS, "{message:?}");
    }

    // Who calls now talks to the seat of the call that is lost, and nothing happens to the other call.
    let mut new = calls(&office.city, "13800138003");
    talks(&new);
    talks(&citizens[lives]);
    let hole = citizens[lives].longest_hole(listening);
    assert!(hole < HOLE_MAX, "the call that goes on has a hole of {hole:?}");
    new.hang_up();
    citizens[lives].hang_up();

    office.wait_until_done();
    let all = office.assert_once();
    let living = office.city.servers[lives].pid();
    let (lost, rest): (Vec<&Attempt>, Vec<&Attempt>) =
        all.iter().partition(|of| attempts.iter().any(|lost| lost.ticket == of.ticket));
    let over = attempts.iter().map(|lost| lost.lease_until).max().expect("there is one");
    for of in &lost {
        // Nobody knows whether it rang: it counts, and not before the lease is over.
        assert_eq!((of.process, of.outcome.as_str()), (process, "unknown"), "{of:?}");
        let lease = attempts.iter().find(|lost| lost.ticket == of.ticket).expect("it is there");
        assert!(of.ended_at > lease.lease_until, "{of:?}");
    }
    for of in &rest {
        assert_eq!(of.outcome, "completed", "{of:?}");
        assert!(of.began_at < died_at || of.process == living, "{of:?}");
    }
    let went_on = rest.iter().filter(|of| of.began_at > died_at);
    assert!(went_on.clone().any(|of| of.began_at < over), "the other waited for the lease");
    println!("{} attempts were lost, {} made afterwards", lost.len(), went_on.count());

    let sent = office.sent();
    for message in &messages {
        assert!(sent[&message.key] > message.lease_until, "{message:?}");
        assert!(office.system.asked(&message.key) <= 2, "{message:?}");
    }
    let others = office.system.booked();
    let others = others.iter().filter(|of| messages.iter().all(|message| message.key != of.key));
    for booked in others {
        assert_eq!(office.system.asked(&booked.key), 1, "{}", booked.key);
        let is_late = sent[&booked.key] > died_at + ANSWER_WITHIN_MS;
        assert!(!is_late || booked.event["source"] == NAMES[lives], "{}", booked.key);
    }
    let over = messages.iter().map(|of| of.lease_until).max().expect("there is one");
    assert!(sent.values().any(|at| (died_at..over).contains(at)), "the other waited for the lease");
    println!("{} messages were under way, {} in all", messages.len(), sent.len());
}
