//! The operator's end of a trunk, made of a UDP socket and text: answers by its plan and keeps every
//! request. On 127.0.0.2, so that what comes from there is the trunk's and from 127.0.0.1 is not.

use crate::clock::Deadline;
use crate::raw::header;
use md5::{Digest, Md5};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where trunks are.
pub const TRUNK_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Longest wait for a request.
const REQUEST_MAX: Duration = Duration::from_secs(20);
/// How often the end of the test is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const REALM: &str = "ims.example";
const NONCE: &str = "f84f1cec41e6cbe5aea9c8e88d359";

/// What becomes of an INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnInvite {
    /// 100, 180 and 200 with this port's A-law.
    Answer {
        /// Where its RTP comes and goes.
        rtp_port: u16,
    },
    /// 100 and a reliable 183 with the port, which has to be acknowledged by PRACK; then 200.
    EarlyMedia {
        /// Where its RTP comes and goes.
        rtp_port: u16,
    },
    /// 100 and this status with these fields.
    Refuse {
        /// The status code.
        code: u16,
        /// Whole lines, each with its CRLF.
        fields: &'static str,
    },
    /// Nothing at all.
    Silence,
}

/// How a trunk behaves.
#[derive(Clone, Debug)]
pub struct TrunkPlan {
    /// The status of its answer to OPTIONS; 0: none.
    pub options: u16,
    /// What it does with calls.
    pub invite: OnInvite,
    /// Name and password that it asks for, by 401 and 407.
    pub account: Option<(&'static str, &'static str)>,
    /// The life of a registration, in seconds.
    pub expires_s: u32,
}

impl TrunkPlan {
    /// Lives, asks for no password.
    pub fn new(invite: OnInvite) -> Self {
        Self { options: 200, invite, account: None, expires_s: 600 }
    }
}

/// A trunk; gone when dropped.
#[derive(Debug)]
pub struct TrunkEnd {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    options: Arc<AtomicU16>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TrunkEnd {
    /// On a port that the kernel picks.
    pub fn start(plan: TrunkPlan) -> Self {
        let socket = UdpSocket::bind((TRUNK_IP, 0)).expect("a port");
        socket.set_read_timeout(Some(LOOK_EVERY)).expect("a live socket");
        let address = socket.local_addr().expect("bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let options = Arc::new(AtomicU16::new(plan.options));
        let exchange =
            Exchange { socket, plan, address, invite: None, options: Arc::clone(&options) };
        let thread = {
            let (requests, stop) = (Arc::clone(&requests), Arc::clone(&stop));
            std::thread::spawn(move || exchange.run(&requests, &stop))
        };
        Self { address, requests, options, stop, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers OPTIONS with this status from now on.
    pub fn answer_options(&self, code: u16) {
        self.options.store(code, Ordering::Relaxed);
    }

    /// The requests of this method so far, repetitions included.
    pub fn requests(&self, method: &str) -> Vec<String> {
        let requests = self.requests.lock().expect("no thread panicked");
        let of = |text: &&String| text.split(' ').next() == Some(method);
        requests.iter().filter(of).cloned().collect()
    }

    /// Waits for the request of this method with this number, from 1.
    pub fn request(&self, method: &str, number: usize) -> String {
        let deadline = Deadline::after(REQUEST_MAX);
        let found = deadline.poll(|| self.requests(method).into_iter().nth(number - 1));
        found.unwrap_or_else(|| panic!("no {method} {number}: {:#?}", self.requests(method)))
    }
}

impl Drop for TrunkEnd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Exchange {
    socket: UdpSocket,
    plan: TrunkPlan,
    address: SocketAddr,
    /// The INVITE that is not settled.
    invite: Option<(String, SocketAddr)>,
    options: Arc<AtomicU16>,
}

impl Exchange {
    fn run(mut self, requests: &Mutex<Vec<String>>, stop: &AtomicBool) {
        let mut buffer = [0; 65_535];
        while !stop.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.take(&text, from);
            requests.lock().expect("no thread panicked").push(text);
        }
    }

    fn take(&mut self, text: &str, from: SocketAddr) {
        match text.split(' ').next().unwrap_or_default() {
            "OPTIONS" => match self.options.load(Ordering::Relaxed) {
                0 => {}
                code => self.respond(text, from, code, "", ""),
            },
            "REGISTER" => self.register(text, from),
            "INVITE" => self.invite(text, from),
            "PRACK" => {
                self.respond(text, from, 200, "", "");
                if let Some((invite, from)) = self.invite.take() {
                    self.respond(&invite, from, 200, &self.contact(), "");
                }
            }
            "CANCEL" => {
                self.respond(text, from, 200, "", "");
                if let Some((invite, from)) = self.invite.take() {
                    self.respond(&invite, from, 487, "", "");
                }
            }
            "BYE" | "UPDATE" => self.respond(text, from, 200, "", ""),
            _ => {}
        }
    }

    fn register(&self, text: &str, from: SocketAddr) {
        if !self.is_proved(text, "Authorization") {
            return self.challenge(text, from, 401, "WWW-Authenticate");
        }
        let contact = header(text, "Contact").unwrap_or_default();
        let left = header(text, "Expires").is_some_and(|expires| expires == "0");
        let granted = match left {
            true => String::new(),
            false => format!("Contact: {contact};expires={}\r\n", self.plan.expires_s),
        };
        self.respond(text, from, 200, &granted, "");
    }

    fn invite(&mut self, text: &str, from: SocketAddr) {
        if self.plan.invite == OnInvite::Silence {
            return;
        }
        if !self.is_proved(text, "Proxy-Authorization") {
            return self.challenge(text, from, 407, "Proxy-Authenticate");
        }
        // Within a call, a refresh.
        let within = header(text, "To").is_some_and(|to| to.contains(";tag="));
        self.respond(text, from, 100, "", "");
        match self.plan.invite {
            OnInvite::Answer { rtp_port } => {
                if !within {
                    self.respond(text, from, 180, "", "");
                }
                self.respond(text, from, 200, &self.contact(), &description(rtp_port));
            }
            OnInvite::EarlyMedia { rtp_port } => {
                let fields = format!("{}Require: 100rel\r\nRSeq: 77\r\n", self.contact());
                self.respond(text, from, 183, &fields, &description(rtp_port));
                self.invite = Some((text.to_owned(), from));
            }
            OnInvite::Refuse { code, fields } => self.respond(text, from, code, fields, ""),
            OnInvite::Silence => {}
        }
    }

    fn contact(&self) -> String {
        format!(
            "Contact: <sip:{}>\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n",
            self.address
        )
    }

    fn challenge(&self, text: &str, from: SocketAddr, code: u16, name: &str) {
        let field = format!(
            "{name}: Digest realm=\"{REALM}\", nonce=\"{NONCE}\", algorithm=MD5, qop=\"auth\"\r\n"
        );
        self.respond(text, from, code, &field, "");
    }

    /// RFC 2617 §3.2.2 with `qop=auth`.
    fn is_proved(&self, text: &str, name: &str) -> bool {
        let Some((user, password)) = self.plan.account else { return true };
        let Some(field) = header(text, name) else { return false };
        let value = |name: &str| {
            let fields = field.trim_start_matches("Digest ").split(',');
            let found = fields.filter_map(|part| part.trim().split_once('='));
            let mut found = found.filter(|(key, _)| *key == name);
            found.next().map(|(_, value)| value.trim_matches('"').to_owned()).unwrap_or_default()
        };
        let method = text.split(' ').next().unwrap_or_default();
        let first = md5(&format!("{user}:{REALM}:{password}"));
        let second = md5(&format!("{method}:{}", value("uri")));
        let (nc, cnonce) = (value("nc"), value("cnonce"));
        let expected = md5(&format!("{first}:{NONCE}:{nc}:{cnonce}:auth:{second}"));
        value("username") == user && value("response") == expected
    }

    fn respond(&self, request: &str, to: SocketAddr, code: u16, fields: &str, body: &str) {
        let mut text = format!("SIP/2.0 {code} Said by the trunk\r\n");
        let copied = ["via:", "from:", "to:", "call-id:", "cseq:", "record-route:"];
        for line in request.lines().take_while(|line| !line.is_empty()) {
            let lower = line.to_ascii_lowercase();
            if !copied.iter().any(|name| lower.starts_with(name)) {
                continue;
            }
            let tag = lower.starts_with("to:") && !lower.contains(";tag=") && code > 100;
            let _ = write!(text, "{line}{}\r\n", if tag { ";tag=trunk" } else { "" });
        }
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let _ = write!(text, "{fields}{kind}Content-Length: {}\r\n\r\n{body}", body.len());
        self.socket.send_to(text.as_bytes(), to).expect("sent");
    }
}

fn description(rtp_port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {rtp_port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
    )
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
