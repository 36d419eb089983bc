//! The user agent under a script of messages, time and its owner's wishes: whatever comes, what it sends are messages
//! and few, and when everybody has hung up nothing is left.
//!
//! A script is parts divided by NUL; the first byte of each says what it is (see [`World::part`]). In messages `$TAG`
//! stands for the tag that the agent gave last, and `$AUTH` for the answer to its last challenge.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use qingting_common::{Millis, Pii};
use qingting_sip::admission::AdmissionLimits;
use qingting_sip::agent::{
    Agent, AgentConfig, CallKey, Command, EdgeConfig, Outbound, Output, SessionConfig,
};
use qingting_sip::auth::{Answerer, Credentials, Directory, Ha1};
use qingting_sip::message::{Fault, Framing, Message, Method, NameAddr, parse};
use qingting_sip::{Flow, Link, OutgoingInvite, Reply, Transport};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Parts of one script, at most.
const PARTS_MAX: usize = 64;
/// Messages that one part makes the agent send at once, at most.
const SENT_MAX: usize = 64;
/// What a message of the agent's may be longer than everything that it was ever told.
const OWN_BYTES_MAX: usize = 4_096;
/// Longest target of a call of ours: a raw byte of it takes three.
const OWN_TARGET_BYTES_MAX: usize = 300;
/// A transaction ends in 32 s after its final response, a session in 1,800 s.
const ROUNDS: usize = 8;

struct OneUser;

impl Directory for OneUser {
    fn ha1(&self, user: &str) -> Option<Ha1> {
        (user == "8001").then(|| Ha1::new("8001", "qingting", "secret"))
    }
}

struct World {
    agent: Agent,
    now: Millis,
    /// Bytes of messages and bodies that it was told.
    told: usize,
    calls: BTreeSet<u64>,
    last: CallKey,
    tag: String,
    auth: String,
    next_ours: u64,
}

fuzz_target!(|data: &[u8]| {
    let (&mode, script) = data.split_first().unwrap_or((&0, &[]));
    let mut world = World::new(mode);
    for part in script.split(|byte| *byte == 0).take(PARTS_MAX) {
        if let Some((&kind, rest)) = part.split_first() {
            world.part(kind, rest);
        }
    }
    world.everybody_hangs_up();
});

impl World {
    fn new(mode: u8) -> Self {
        let trunks = vec!["192.0.2.0/24".parse().expect("a network")];
        let closed = mode & 1 != 0;
        let edge = EdgeConfig {
            directory: Some(Arc::new(OneUser)),
            authenticate_all_but: closed.then(|| trunks.clone()),
            trusted: trunks,
            md5_only: mode & 2 != 0,
            admission: (mode & 4 != 0).then(AdmissionLimits::default),
            ..EdgeConfig::default()
        };
        let agent = Agent::new(AgentConfig {
            product: "fuzz".to_owned(),
            calls_max: 16,
            calls_unacked_max: 8,
            seed: [7; 32],
            edge,
            session: SessionConfig::default(),
        });
        Self {
            agent,
            now: Millis(1_000),
            told: 0,
            calls: BTreeSet::new(),
            last: CallKey(0),
            tag: String::new(),
            auth: String::new(),
            next_ours: 1 << 32,
        }
    }

    fn part(&mut self, kind: u8, rest: &[u8]) {
        let text = || String::from_utf8_lossy(rest).into_owned();
        let number = || text().trim().parse::<u64>().unwrap_or(1);
        let call = self.last;
        match kind {
            b'm' => self.receive(flow(Transport::Udp, "198.51.100.9:5060"), rest),
            b'k' => self.receive(flow(Transport::Udp, "192.0.2.9:5060"), rest),
            b's' => self.receive(flow(Transport::Tcp, "198.51.100.9:40000"), rest),
            b'W' => self.receive(flow(Transport::Ws, "198.51.100.10:40001"), rest),
            b'w' => self.wait(number().min(4_000_000)),
            b'r' => {
                let code = number().clamp(100, 699) as u16;
                let body: Option<Bytes> = (code / 100 == 2).then(|| "v=0\r\n".into());
                self.command(Command::Respond { call, reply: Reply { body, ..Reply::new(code) } });
            }
            b'R' => {
                let code = number().clamp(100, 699) as u16;
                let reply = Reply::with_body(code, "v=0\r\n");
                self.command(Command::RespondReinvite { call, reply });
            }
            b'U' => self.command(Command::Update { call, offer: "v=0\r\n".into() }),
            b'u' => self.command(Command::RespondUpdate { call, reply: Reply::new(200) }),
            b'p' => self.command(Command::RespondPrack { call, reply: Reply::new(200) }),
            b'P' => self.command(Command::Prack { call, answer: "v=0\r\n".into() }),
            b'A' => self.command(Command::Ack { call, answer: "v=0\r\n".into() }),
            b'O' => self.command(Command::Reinvite { call, offer: Some("v=0\r\n".into()) }),
            b'b' => self.command(Command::Bye { call, reason: Some(text()) }),
            b'c' => self.command(Command::Cancel { call }),
            b'a' => self.command(Command::AcceptRefer { call }),
            b'j' => self.command(Command::RejectRefer { call, code: 603 }),
            b'l' => self.agent.link_closed(Link(1)),
            b'i' => self.invite(&text()),
            _ => {}
        }
        self.drain();
    }

    fn receive(&mut self, flow: Flow, bytes: &[u8]) {
        let bytes = replaced(bytes, b"$TAG", self.tag.as_bytes());
        let bytes: Bytes = replaced(&bytes, b"$AUTH", self.auth.as_bytes()).into();
        self.told += bytes.len();
        self.agent.receive(self.now, flow, &bytes);
    }

    fn command(&mut self, command: Command) {
        self.told += 256;
        self.agent.command(self.now, command);
    }

    fn invite(&mut self, target: &str) {
        // Whom to call is the owner's word, which keeps to the caps.
        if target.len() > OWN_TARGET_BYTES_MAX {
            return;
        }
        let Ok(target) = target.trim().parse() else { return };
        self.next_ours += 1;
        let call = CallKey(self.next_ours);
        let to = flow(Transport::Udp, "192.0.2.9:5060");
        let password = Pii::new("secret".to_owned());
        let invite = Box::new(OutgoingInvite {
            target,
            transport: to.transport,
            from: NameAddr::parse("<sip:us@10.0.0.1>").expect("an address"),
            offer: Some("v=0\r\n".into()),
            headers: vec![],
            call_id: None,
            credentials: Some(Credentials { user: "us".to_owned(), password }),
            flow: None,
            silence_max: None,
        });
        self.told += 1_024;
        let (call_id, flow) = (format!("out{}", self.next_ours), Some(to));
        self.calls.insert(call.0);
        self.last = call;
        self.command(Command::Invite { call, invite, call_id, flow, others: vec![] });
    }

    fn wait(&mut self, ms: u64) {
        let end = Millis(self.now.0 + ms);
        let mut wakes = 0;
        while let Some(at) = self.agent.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.agent.fire(self.now);
            self.drain();
            wakes += 1;
            assert!(wakes < 100_000, "time does not pass");
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let mut sent = 0;
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Send(outbound) => {
                    sent += 1;
                    self.sent(&outbound);
                }
                Output::Incoming { call, .. } => {
                    assert!(self.calls.insert(call.0), "a call twice");
                    self.last = call;
                }
                Output::Over { call } => assert!(self.calls.remove(&call.0), "over twice"),
                Output::Event { call, .. } => {
                    assert!(self.calls.contains(&call.0), "after its end")
                }
                _ => {}
            }
        }
        assert!(sent <= SENT_MAX, "{sent} messages at once");
    }

    fn sent(&mut self, outbound: &Outbound) {
        let bytes = &outbound.bytes;
        assert!(bytes.len() <= self.told + OWN_BYTES_MAX, "{} for {}", bytes.len(), self.told);
        match parse(bytes, Framing::Stream) {
            Ok(Message::Response(response)) => {
                if let Some(tag) = response.to.tag() {
                    self.tag = tag.to_owned();
                }
                if response.code == 401 {
                    let password = Pii::new("secret".to_owned());
                    let known = Credentials { user: "8001".to_owned(), password };
                    let (mut answerer, uri) = (Answerer::default(), "sip:10.0.0.1");
                    let method = Method::Register;
                    let answer = answerer.answer(&known, &response.headers, &method, uri, "cnonce");
                    if let Some((_, value)) = answer {
                        self.auth = value;
                    }
                }
            }
            Ok(Message::Request(request)) => {
                if let Some(tag) = request.from.tag() {
                    self.tag = tag.to_owned();
                }
            }
            // A peer may have a Contact of a scheme that we do not take ourselves.
            Err(Fault::Refused { code: 416, .. }) => {}
            // A request that was refused as it stood: its fields are echoed as they were.
            Err(_) => assert!(bytes.starts_with(b"SIP/2.0 "), "no request of ours is broken"),
        }
    }

    fn everybody_hangs_up(&mut self) {
        self.command(Command::Drain);
        self.drain();
        for _ in 0..ROUNDS {
            for call in self.calls.clone().into_iter().map(CallKey) {
                self.command(Command::Bye { call, reason: None });
                self.drain();
            }
            self.wait(70_000);
        }
        let stats = self.agent.stats();
        let left = (stats.dialogs, stats.unacked, stats.transactions, stats.transaction_bytes);
        assert_eq!(left, (0, 0, 0, 0), "{:?}", self.calls);
        assert!(self.calls.is_empty(), "calls without an end");
    }
}

fn flow(transport: Transport, remote: &str) -> Flow {
    let link = (transport != Transport::Udp).then_some(Link(1));
    let local = "10.0.0.1:5060".parse().expect("an address");
    Flow { transport, link: link.or(Some(Link(0))), local, remote: remote.parse().expect("one") }
}

fn replaced(bytes: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(name.len()).position(|window| window == name) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + name.len()..];
    }
    out.extend_from_slice(rest);
    out
}
