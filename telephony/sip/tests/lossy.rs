//! Two agents over a network that loses, doubles, delays and reorders, in simulated time: every
//! call ends, and nothing is left of it.

use bytes::Bytes;
use qingting_common::Millis;
use qingting_sip::agent::{Agent, AgentConfig, CallKey, Command, Output};
use qingting_sip::message::{NameAddr, SipUri};
use qingting_sip::{DialogEvent, Flow, Link, OutgoingInvite, Reply, Transport};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;

const SEEDS: u64 = 40;
const CALLS: u64 = 40;

const SDP: Bytes = Bytes::from_static(b"v=0");

/// How often a datagram meets a fault, in percent.
const FAULTS_PERCENT: u32 = 20;

/// Calls begin within this time and every wish of a call comes within it, in ms.
const BUSY_MS: u64 = 20_000;

/// When everything must be over: the longest call, its BYE's 32 s, its transactions' 32 s, and
/// 2xx whose ACK never comes.
const END_MS: u64 = BUSY_MS * 2 + 200_000;

enum Thing {
    Datagram { to: usize, from: SocketAddr, bytes: Bytes },
    Wish { at: usize, command: Command },
}

struct World {
    rng: StdRng,
    now: u64,
    agents: [Agent; 2],
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    things: BTreeMap<u64, Thing>,
    number: u64,
    /// Calls of each agent whose channel is open.
    open: [BTreeMap<CallKey, u32>; 2],
    answered: u32,
    reliable: u32,
    updated: u32,
    referred: u32,
}

fn addresses() -> [SocketAddr; 2] {
    ["10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap()]
}

fn flow(at: usize) -> Flow {
    let addresses = addresses();
    let (local, remote) = (addresses[at], addresses[1 - at]);
    Flow { transport: Transport::Udp, link: Some(Link(0)), local, remote }
}

impl World {
    fn new(seed: u64) -> Self {
        let agent = |side: u8| {
            let (calls_max, calls_unacked_max) = (1_000, 1_000);
            let seed = [side; 32];
            Agent::new(AgentConfig {
                product: String::new(),
                calls_max,
                calls_unacked_max,
                seed,
                edge: Default::default(),
                session: Default::default(),
            })
        };
        Self {
            rng: StdRng::seed_from_u64(seed),
            now: 0,
            agents: [agent(1), agent(2)],
            queue: BinaryHeap::new(),
            things: BTreeMap::new(),
            number: 0,
            open: [BTreeMap::new(), BTreeMap::new()],
            answered: 0,
            reliable: 0,
            updated: 0,
            referred: 0,
        }
    }

    fn at(&mut self, after_ms: u64, thing: Thing) {
        self.number += 1;
        self.things.insert(self.number, thing);
        self.queue.push(Reverse((self.now + after_ms, self.number)));
    }

    fn wish(&mut self, at: usize, within_ms: u64, command: Command) {
        let after = self.rng.random_range(0..=within_ms);
        self.at(after, Thing::Wish { at, command });
    }

    fn run(&mut self) {
        while self.now < END_MS {
            let next = self.queue.peek().map(|Reverse((at, _))| *at);
            let deadlines = self.agents.iter().filter_map(Agent::next_deadline).map(|at| at.0);
            let Some(at) = deadlines.chain(next).min() else { return };
            self.now = self.now.max(at);
            for side in 0..2 {
                self.agents[side].fire(Millis(self.now));
                self.drain(side);
            }
            while let Some(Reverse((at, number))) = self.queue.peek().copied() {
                if at > self.now {
                    break;
                }
                self.queue.pop();
                let thing = self.things.remove(&number).unwrap();
                self.happen(thing);
            }
        }
    }

    fn happen(&mut self, thing: Thing) {
        let now = Millis(self.now);
        match thing {
            Thing::Datagram { to, from, bytes } => {
                self.agents[to].receive(now, Flow { remote: from, ..flow(to) }, &bytes);
                self.drain(to);
            }
            Thing::Wish { at, command } => {
                self.agents[at].command(now, command);
                self.drain(at);
            }
        }
    }

    fn drain(&mut self, at: usize) {
        while let Some(output) = self.agents[at].poll_output() {
            match output {
                Output::Send(outbound) => self.transmit(at, outbound.flow.remote, &outbound.bytes),
                Output::Incoming { call, .. } => {
                    self.open[at].insert(call, 0);
                    self.answer(at, call);
                }
                Output::Event { call, event } => {
                    let events = self.open[at].get_mut(&call).expect("no event after the end");
                    *events += 1;
                    self.react(at, call, &event);
                }
                Output::Over { call } => {
                    self.open[at].remove(&call).expect("one end for each call");
                }
                Output::Confirmed { .. } | Output::Heard { .. } => {}
                Output::Resolve { .. } => panic!("no names here"),
                Output::Registration { .. } | Output::Responded { .. } => {}
            }
        }
    }

    /// Loses, doubles and delays.
    fn transmit(&mut self, from: usize, to: SocketAddr, bytes: &Bytes) {
        assert_eq!(to, addresses()[1 - from]);
        let copies = match self.rng.random_range(0..100u32) {
            n if n < FAULTS_PERCENT => 0,
            n if n < FAULTS_PERCENT * 2 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let after = self.rng.random_range(1..=700);
            let datagram =
                Thing::Datagram { to: 1 - from, from: addresses()[from], bytes: bytes.clone() };
            self.at(after, datagram);
        }
    }

    fn answer(&mut self, at: usize, call: CallKey) {
        let respond = |reply| Command::Respond { call, reply };
        self.wish(at, 1_000, respond(Reply::new(180)));
        if self.rng.random() {
            self.wish(at, 2_000, respond(Reply::with_body(183, "v=0 early")));
        }
        match self.rng.random_range(0..10) {
            0 => self.wish(at, 3_000, respond(Reply::new(486))),
            1 => self.wish(at, 3_000, Command::Abandon { call }),
            2 => self.wish(at, 3_000, respond(Reply::new(200))),
            _ => self.wish(at, 3_000, respond(Reply::with_body(200, "v=0 answer"))),
        }
        // Whatever else happens, the owner lets go in the end.
        self.wish(at, BUSY_MS, Command::Bye { call, reason: None });
        self.at(BUSY_MS + 5_000, Thing::Wish { at, command: Command::Abandon { call } });
    }

    fn react(&mut self, at: usize, call: CallKey, event: &DialogEvent) {
        match event {
            DialogEvent::Cancel => {
                self.wish(at, 500, Command::Respond { call, reply: Reply::new(487) });
            }
            DialogEvent::Reinvite { .. } => {
                let reply = self.reply();
                self.wish(at, 2_000, Command::RespondReinvite { call, reply });
            }
            DialogEvent::Update { .. } => {
                let reply = self.reply();
                self.wish(at, 2_000, Command::RespondUpdate { call, reply });
            }
            DialogEvent::Prack { .. } => {
                let reply = self.reply();
                self.wish(at, 2_000, Command::RespondPrack { call, reply });
            }
            DialogEvent::Refer { .. } => {
                self.wish(at, 500, Command::AcceptRefer { call });
                let (code, reason) = (200, "OK".to_owned());
                self.wish(at, 4_000, Command::NotifyRefer { call, code, reason, is_final: true });
            }
            DialogEvent::Progress { reliable: true, body: Some(_), .. } => {
                self.reliable += 1;
                // Has an effect when it was an offer.
                self.wish(at, 2_000, Command::Prack { call, answer: SDP });
            }
            DialogEvent::Updated { .. } => self.updated += 1,
            DialogEvent::ReferProgress { code: 200, is_final: true, .. } => self.referred += 1,
            DialogEvent::AckTimeout => self.wish(at, 0, Command::Bye { call, reason: None }),
            DialogEvent::Answered { .. } | DialogEvent::Ack { .. } => {
                self.answered += 1;
                self.wish(at, 2_000, Command::Ack { call, answer: SDP });
                match self.rng.random_range(0..8) {
                    0 => self.wish(at, 3_000, Command::Reinvite { call, offer: None }),
                    1 => self.wish(at, 3_000, Command::Reinvite { call, offer: Some(SDP) }),
                    2 | 3 => self.wish(at, 3_000, Command::Update { call, offer: SDP }),
                    4 => {
                        let target = Box::new("sip:z@h".parse().unwrap());
                        self.wish(at, 3_000, Command::Refer { call, target, replaces: None });
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn reply(&mut self) -> Reply {
        if self.rng.random() { Reply::with_body(200, SDP) } else { Reply::new(488) }
    }

    fn invite(&mut self, at: usize, number: u64) {
        let call = CallKey(number * 2 + 1);
        let target: SipUri = format!("sip:x@{}", addresses()[1 - at]).parse().unwrap();
        let invite = Box::new(OutgoingInvite {
            target,
            transport: Transport::Udp,
            from: NameAddr::parse("<sip:y@h>").unwrap(),
            offer: self.rng.random::<bool>().then_some(SDP),
            headers: vec![],
            call_id: None,
            credentials: None,
            route: vec![],
            flow: None,
            silence_max: None,
        });
        let command = Command::Invite {
            call,
            invite,
            call_id: format!("{at}-{number}"),
            flow: Some(flow(at)),
            others: vec![],
        };
        self.open[at].insert(call, 0);
        let begin = self.rng.random_range(0..BUSY_MS);
        self.at(begin, Thing::Wish { at, command });
        if self.rng.random_ratio(1, 4) {
            self.at(begin + 800, Thing::Wish { at, command: Command::Cancel { call } });
        }
        let end = begin + self.rng.random_range(1_000..BUSY_MS);
        self.at(end, Thing::Wish { at, command: Command::Bye { call, reason: None } });
        self.at(end + BUSY_MS, Thing::Wish { at, command: Command::Abandon { call } });
    }
}

#[test]
fn every_call_ends_and_leaves_nothing() {
    let (mut answered, mut reliable, mut updated, mut referred) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for number in 0..CALLS {
            world.invite(usize::from(number % 2 == 1), number);
        }
        world.run();
        for side in 0..2 {
            let stats = world.agents[side].stats();
            let left = (stats.dialogs, stats.transactions, stats.unacked);
            assert_eq!(left, (0, 0, 0), "seed {seed}, side {side}");
            assert_eq!(world.open[side].len(), 0, "seed {seed}: channels left open");
        }
        answered += world.answered;
        reliable += world.reliable;
        updated += world.updated;
        referred += world.referred;
    }
    assert!(u64::from(answered) > SEEDS * CALLS, "most calls are answered: {answered}");
    let rest = [reliable, updated, referred];
    assert!(rest.iter().all(|n| u64::from(*n) > SEEDS), "each happens: {rest:?}");
}

#[test]
fn equal_seeds_give_equal_histories() {
    let history = || {
        let mut world = World::new(3);
        (0..CALLS).for_each(|number| world.invite(0, number));
        world.run();
        [world.agents[0].stats(), world.agents[1].stats()]
    };
    assert_eq!(history(), history());
}
