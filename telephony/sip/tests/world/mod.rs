//! One agent in simulated time: text in, text out.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use bytes::Bytes;
use qingting_common::Millis;
use qingting_sip::agent::{Agent, AgentConfig, CallKey, Command, Origin, Output, SessionConfig};
use qingting_sip::message::{NameAddr, Replaces, SipUri};
use qingting_sip::registrar::Binding;
use qingting_sip::{DialogEvent, Flow, Link, OutgoingInvite, Replaced, Reply, Sender, Transport};

pub const PEER: &str = "192.0.2.9:5060";
pub const US: &str = "10.0.0.1:5060";

pub struct Solo {
    pub agent: Agent,
    pub now: Millis,
    pub flow: Flow,
    /// The call that came last, or that we made.
    pub call: CallKey,
    /// Its caller, if it proved to be a user.
    pub user: Option<String>,
    pub calls: usize,
    pub over: usize,
    pub events: Vec<DialogEvent>,
    pub last_origin: Origin,
    pub last_flow: Option<Flow>,
    /// Whether [`Solo::wait`] keeps what is sent, and what it kept.
    pub keep: bool,
    pub kept: Vec<String>,
    /// What the last confirmed dialog is called.
    pub name: Option<Replaces>,
    /// What the last call replaces.
    pub replaces: Option<Replaced>,
    /// Who sent the last call.
    pub sender: Option<Sender>,
    /// Where the last answer to an INVITE of ours came from.
    pub source: Option<std::net::IpAddr>,
    /// Where the user whose registration changed last can be reached.
    pub bindings: Vec<Binding>,
}

pub fn config() -> AgentConfig {
    AgentConfig {
        product: "test".to_owned(),
        calls_max: 10_000,
        calls_unacked_max: 10_000,
        seed: [7; 32],
        edge: Default::default(),
        session: SessionConfig::default(),
    }
}

pub fn flow(transport: Transport) -> Flow {
    Flow {
        transport,
        link: Some(Link(0)),
        local: US.parse().unwrap(),
        remote: PEER.parse().unwrap(),
    }
}

impl Solo {
    pub fn new(transport: Transport) -> Self {
        Self::with(transport, config())
    }

    pub fn with(transport: Transport, config: AgentConfig) -> Self {
        Self {
            agent: Agent::new(config),
            now: Millis(1_000),
            flow: flow(transport),
            call: CallKey(0),
            user: None,
            calls: 0,
            over: 0,
            events: Vec::new(),
            last_origin: Origin::Nobody,
            last_flow: None,
            keep: false,
            kept: Vec::new(),
            name: None,
            replaces: None,
            sender: None,
            source: None,
            bindings: Vec::new(),
        }
    }

    /// Everything that is sent now.
    fn drain(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Send(outbound) => {
                    sent.push(String::from_utf8_lossy(&outbound.bytes).into_owned());
                    self.last_origin = outbound.origin;
                    self.last_flow = Some(outbound.flow);
                }
                Output::Incoming { call, user, replaces, sender, .. } => {
                    (self.call, self.user, self.replaces) = (call, user, replaces);
                    self.sender = Some(sender);
                    self.calls += 1;
                }
                Output::Event { event, .. } => self.events.push(event),
                Output::Over { .. } => self.over += 1,
                Output::Confirmed { replaces, .. } => self.name = Some(replaces),
                Output::Registration { bindings, .. } => self.bindings = bindings,
                Output::Heard { source, .. } => self.source = source,
                Output::Resolve { .. } | Output::Responded { .. } => {}
            }
        }
        sent
    }

    pub fn feed(&mut self, text: &str) -> Vec<String> {
        self.feed_bytes(text.as_bytes())
    }

    pub fn feed_bytes(&mut self, bytes: &[u8]) -> Vec<String> {
        self.agent.receive(self.now, self.flow, &Bytes::copy_from_slice(bytes));
        self.drain()
    }

    /// The status codes or methods that a message is answered with.
    pub fn codes(&mut self, text: &str) -> Vec<String> {
        self.feed(text).iter().map(|message| code(message)).collect()
    }

    pub fn command(&mut self, command: Command) -> Vec<String> {
        self.agent.command(self.now, command);
        self.drain()
    }

    pub fn respond(&mut self, code: u16) -> Vec<String> {
        self.command(Command::Respond { call: self.call, reply: reply(code) })
    }

    pub fn respond_reinvite(&mut self, code: u16) -> Vec<String> {
        self.command(Command::RespondReinvite { call: self.call, reply: reply(code) })
    }

    pub fn bye(&mut self) -> Vec<String> {
        self.command(Command::Bye { call: self.call, reason: None })
    }

    pub fn reinvite(&mut self) -> Vec<String> {
        self.command(Command::Reinvite { call: self.call, offer: Some("v=0".into()) })
    }

    pub fn send_failed(&mut self) {
        self.agent.send_failed(self.now, self.last_origin);
        assert!(self.drain().is_empty());
    }

    /// Makes a call; its INVITE.
    pub fn invite(&mut self, target: &str) -> String {
        self.invite_with(target, Some("v=0".into()))
    }

    /// Makes a call with or without an offer; its INVITE.
    pub fn invite_with(&mut self, target: &str, offer: Option<Bytes>) -> String {
        self.call = CallKey(1);
        let target: SipUri = target.parse().unwrap();
        let invite = Box::new(OutgoingInvite {
            target,
            transport: self.flow.transport,
            from: NameAddr::parse("<sip:us@10.0.0.1>").unwrap(),
            offer,
            headers: vec![],
            call_id: None,
            credentials: None,
            route: vec![],
            flow: None,
            silence_max: None,
        });
        let (call, call_id, flow) = (self.call, "out".to_owned(), Some(self.flow));
        let sent = self.command(Command::Invite { call, invite, call_id, flow, others: vec![] });
        assert_eq!(sent.len(), 1);
        sent[0].clone()
    }

    /// Lets time pass; what is sent meanwhile with its time since the beginning of the wait.
    pub fn wait(&mut self, ms: u64) -> Vec<(u64, String)> {
        let (begin, end) = (self.now, Millis(self.now.0 + ms));
        let mut sent = Vec::new();
        while let Some(at) = self.agent.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.agent.fire(self.now);
            let messages = self.drain();
            sent.extend(messages.iter().map(|m| (self.now.0 - begin.0, code(m))));
            if self.keep {
                self.kept.extend(messages);
            }
        }
        self.now = end;
        sent
    }

    pub fn events(&mut self) -> Vec<DialogEvent> {
        std::mem::take(&mut self.events)
    }

    /// A call that is answered and acknowledged; the To tag.
    pub fn talking(&mut self) -> String {
        self.feed(&invite("c"));
        let answer = self.respond(200).remove(0);
        let tag = to_tag(&answer);
        self.feed(&request("ACK", 1, "ack", &tag, ""));
        self.events();
        tag
    }

    pub fn assert_nothing_left(&mut self) {
        self.wait(33_000);
        let stats = self.agent.stats();
        assert_eq!((stats.dialogs, stats.transactions, stats.unacked), (0, 0, 0));
    }
}

pub fn reply(code: u16) -> Reply {
    if code / 100 == 2 { Reply::with_body(code, "v=0") } else { Reply::new(code) }
}

/// The status code of a response, the method of a request.
pub fn code(message: &str) -> String {
    let mut words = message.split(' ');
    let first = words.next().unwrap();
    if first == "SIP/2.0" { words.next().unwrap().to_owned() } else { first.to_owned() }
}

pub fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find(|line| line.starts_with(&format!("{name}:")));
    line.map_or("", |line| line[name.len() + 1..].trim())
}

pub fn to_tag(message: &str) -> String {
    header(message, "To").split("tag=").nth(1).unwrap_or("").to_owned()
}

pub fn invite(branch: &str) -> String {
    request("INVITE", 1, branch, "", "")
}

/// A request from the peer; `extra` is whole header lines.
pub fn request(method: &str, cseq: u32, branch: &str, to_tag: &str, extra: &str) -> String {
    let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:12345@10.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b>;tag=f\r\nTo: <sip:12345@h>{tag}\r\nCall-ID: in\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:a@192.0.2.9>\r\n{extra}Content-Length: 0\r\n\r\n"
    )
}

/// A response to a request of ours.
pub fn response(request: &str, code: u16, tag: &str, extra: &str) -> String {
    let to = match header(request, "To") {
        to if to.contains("tag=") || tag.is_empty() => to.to_owned(),
        to => format!("{to};tag={tag}"),
    };
    let user = if tag.is_empty() { "x" } else { tag };
    format!(
        "SIP/2.0 {code} Whatever\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\n\
         CSeq: {}\r\nContact: <sip:{user}@192.0.2.9>\r\n{extra}Content-Length: 0\r\n\r\n",
        header(request, "Via"),
        header(request, "From"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
    )
}

/// A message with a session description.
pub fn with_sdp(message: &str, body: &str) -> String {
    let length = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", body.len());
    message.replace("Content-Length: 0\r\n", &length) + body
}

/// A request of the peer within a call that we made.
pub fn of_our_call(text: &str) -> String {
    text.replace("Call-ID: in", "Call-ID: out").replace("<sip:a@b>;tag=f", "<sip:1@h>;tag=t")
}

/// Our tag in a request of ours.
pub fn from_tag(request: &str) -> String {
    header(request, "From").split("tag=").nth(1).unwrap_or("").to_owned()
}

pub fn codes(messages: &[String]) -> Vec<String> {
    messages.iter().map(|message| code(message)).collect()
}

pub fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

pub fn sdp(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}
