//! Users of a directory in simulated time: digest, registration, who may call, who is heard.

mod world;

use qingting_common::{Millis, Pii};
use qingting_sip::admission::AdmissionLimits;
use qingting_sip::agent::{AgentConfig, Command, Output};
use qingting_sip::auth::{
    Answerer, Credentials, Directory, Ha1, NONCE_LIFE, PAIR_FAILURES_FREE, WAIT_MAX,
};
use qingting_sip::message::{HeaderName, Headers, Method};
use qingting_sip::registrar::BINDINGS_PER_USER_MAX;
use qingting_sip::{EdgeConfig, Link, Transport};
use std::sync::Arc;
use world::{Solo, code, config, header, request, to_tag};

struct Seats;

impl Directory for Seats {
    fn ha1(&self, user: &str) -> Option<Ha1> {
        ["1001", "1002"].contains(&user).then(|| Ha1::new(user, "hotline", "secret"))
    }
}

fn edge() -> EdgeConfig {
    EdgeConfig {
        realm: "hotline".to_owned(),
        directory: Some(Arc::new(Seats)),
        ..EdgeConfig::default()
    }
}

fn solo(edge: EdgeConfig) -> Solo {
    Solo::with(Transport::Udp, AgentConfig { edge, ..config() })
}

/// A client that asks, is asked and answers.
struct Phone {
    user: &'static str,
    password: &'static str,
    answerer: Answerer,
    cseq: u32,
    contact: String,
}

impl Phone {
    fn new(user: &'static str) -> Self {
        let contact = format!("<sip:{user}@10.9.8.7:5080>");
        Self { user, password: "secret", answerer: Answerer::default(), cseq: 0, contact }
    }

    fn message(&mut self, method: &str, extra: &str) -> String {
        self.cseq += 1;
        let branch = format!("{}{}{method}{}", self.user, self.cseq, extra.len());
        let text = request(method, self.cseq, &branch, "", extra);
        let text = text.replace("<sip:a@b>", &format!("<sip:{}@hotline>", self.user));
        let contact = if self.contact.is_empty() {
            String::new()
        } else {
            format!("Contact: {}\r\n", self.contact)
        };
        let text = text.replace("Contact: <sip:a@192.0.2.9>\r\n", &contact);
        if method != "REGISTER" {
            return text;
        }
        text.replace("REGISTER sip:12345@10.0.0.1", "REGISTER sip:hotline")
            .replace("<sip:12345@h>", &format!("<sip:{}@hotline>", self.user))
            .replace("Call-ID: in", &format!("Call-ID: reg-{}", self.user))
    }

    /// The field that answers the challenges of a 401.
    fn authorization(&mut self, method: &str, challenge: &str) -> Option<String> {
        let mut headers = Headers::default();
        for line in challenge.lines().filter_map(|line| line.strip_prefix("WWW-Authenticate: ")) {
            headers.push(HeaderName::Other("WWW-Authenticate".to_owned()), line);
        }
        let password = Pii::new(self.password.to_owned());
        let credentials = Credentials { user: self.user.to_owned(), password };
        let uri = if method == "REGISTER" { "sip:hotline" } else { "sip:12345@10.0.0.1" };
        let method = Method::parse(method).unwrap();
        let (name, value) = self.answerer.answer(&credentials, &headers, &method, uri, "cn")?;
        Some(format!("{name}: {value}\r\n"))
    }

    /// The last answer to a request, a challenge answered.
    fn ask(&mut self, solo: &mut Solo, method: &str, extra: &str) -> String {
        let text = self.message(method, extra);
        let first = solo.feed(&text).remove(0);
        if code(&first) != "401" {
            return first;
        }
        self.answerer = Answerer::default();
        let field = self.authorization(method, &first).expect("an answer");
        let text = self.message(method, &(field + extra));
        solo.feed(&text).remove(0)
    }

    fn register(&mut self, solo: &mut Solo, extra: &str) -> String {
        self.ask(solo, "REGISTER", extra)
    }
}

/// The bindings of the last change, as they were told to the driver.
fn contacts(message: &str) -> Vec<&str> {
    message.lines().filter_map(|line| line.strip_prefix("Contact: ")).collect()
}

#[test]
fn a_challenge_offers_the_strongest_first() {
    let mut solo = solo(edge());
    let refused = solo.feed(&Phone::new("1001").message("REGISTER", "")).remove(0);
    let offers: Vec<&str> =
        refused.lines().filter(|line| line.starts_with("WWW-Authenticate")).collect();
    assert_eq!(code(&refused), "401");
    assert!(offers[0].contains("algorithm=SHA-256, qop=\"auth\"") && offers[1].contains("=MD5"));
    assert_eq!((offers.len(), solo.agent.stats().transactions), (2, 0), "without state");
}

#[test]
fn a_user_registers_refreshes_and_leaves() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    let done = phone.register(&mut solo, "");
    assert_eq!(code(&done), "200");
    assert_eq!(contacts(&done), ["<sip:1001@10.9.8.7:5080>;expires=300"]);
    assert_eq!(solo.agent.stats().bindings, 1);
    solo.wait(100_000);
    assert_eq!(
        contacts(&phone.register(&mut solo, "Expires: 9999\r\n"))[0].split("expires=").nth(1),
        Some("300")
    );
    let done = phone.register(&mut solo, "Expires: 0\r\n");
    assert_eq!((code(&done).as_str(), contacts(&done).len()), ("200", 0));
    assert_eq!(solo.agent.stats().users_registered, 0);
    solo.assert_nothing_left();
}

#[test]
fn a_binding_ends_by_itself() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    phone.register(&mut solo, "Expires: 60\r\n");
    solo.wait(59_999);
    assert_eq!(solo.agent.stats().bindings, 1);
    solo.wait(1);
    assert_eq!(solo.agent.stats().bindings, 0);
}

#[test]
fn a_retransmitted_register_gets_the_same_answer() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    let challenge = solo.feed(&phone.message("REGISTER", "")).remove(0);
    let field = phone.authorization("REGISTER", &challenge).unwrap();
    let text = phone.message("REGISTER", &field);
    let (first, second) = (solo.feed(&text), solo.feed(&text));
    assert_eq!((code(&first[0]).as_str(), &first), ("200", &second));
    // The same credentials under another branch are a replay.
    let replay = solo.feed(&text.replace("z9hG4bK", "z9hG4bKother")).remove(0);
    assert!(code(&replay) == "401" && replay.contains("stale=true"), "{replay}");
}

#[test]
fn an_old_nonce_is_stale_and_a_count_past_0x100_is_taken() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    let challenge = solo.feed(&phone.message("REGISTER", "")).remove(0);
    let stale = challenge.replace("qop=\"auth\"", "qop=\"auth\", stale=true");
    for count in 1..=0x104 {
        let field = phone.authorization("REGISTER", &stale).unwrap();
        assert!(field.contains(&format!("nc={count:08x}")), "{field}");
        let text = phone.message("REGISTER", &field);
        assert_eq!(solo.codes(&text), ["200"], "{count:#x}");
    }
    solo.wait(u64::try_from(NONCE_LIFE.as_millis()).unwrap() + 1);
    let field = phone.authorization("REGISTER", &stale).unwrap();
    let text = phone.message("REGISTER", &field);
    let refused = solo.feed(&text).remove(0);
    assert!(code(&refused) == "401" && refused.contains("stale=true"));
    let field = phone.authorization("REGISTER", &refused).unwrap();
    let text = phone.message("REGISTER", &field);
    assert_eq!(solo.codes(&text), ["200"]);
}

/// What of a challenge may differ: the nonce and our tag.
fn masked(message: &str) -> String {
    let mut out = message.replace(&to_tag(message), "TAG");
    while let Some(at) = out.find("nonce=\"") {
        let end = at + 7 + out[at + 7..].find('"').unwrap();
        out.replace_range(at..=end, "NONCE");
    }
    out
}

#[test]
fn a_wrong_password_an_unknown_user_and_a_locked_one_get_the_same_answer() {
    let mut solo = solo(edge());
    let mut answers = Vec::new();
    for (user, password) in [("1001", "wrong"), ("9999", "secret"), ("9999", "wrong")] {
        let mut phone = Phone { password, ..Phone::new(user) };
        let answer = masked(&phone.register(&mut solo, ""));
        answers.push(answer.replace(user, "USER"));
    }
    for _ in 0..PAIR_FAILURES_FREE {
        Phone { password: "wrong", ..Phone::new("1001") }.register(&mut solo, "");
    }
    let locked = masked(&Phone::new("1001").register(&mut solo, ""));
    answers.push(locked.replace("1001", "USER"));
    assert!(answers.iter().all(|answer| *answer == answers[0] && code(answer) == "401"));
    assert_eq!(solo.agent.stats().auth.locked, 1);
    solo.wait(u64::try_from(WAIT_MAX.as_millis()).unwrap());
    assert_eq!(code(&Phone::new("1001").register(&mut solo, "")), "200");
}

#[test]
fn nobody_registers_for_another() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    let challenge = solo.feed(&phone.message("REGISTER", "")).remove(0);
    let field = phone.authorization("REGISTER", &challenge).unwrap();
    let text = phone.message("REGISTER", &field).replace("To: <sip:1001@", "To: <sip:1002@");
    assert_eq!(solo.codes(&text), ["403"]);
    assert_eq!(solo.agent.stats().bindings, 0);
}

#[test]
fn what_a_register_asks_for_is_checked() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    let brief = phone.register(&mut solo, "Expires: 59\r\n");
    assert_eq!((code(&brief).as_str(), header(&brief, "Min-Expires")), ("423", "60"));
    phone.contact = "*".to_owned();
    assert_eq!(code(&phone.register(&mut solo, "Expires: 60\r\n")), "400");
    phone.contact = format!("{}, <sip:b@h>", Phone::new("1001").contact);
    assert_eq!(contacts(&phone.register(&mut solo, "")).len(), 2);
    phone.contact = "*".to_owned();
    let done = phone.register(&mut solo, "Expires: 0\r\n");
    assert_eq!((code(&done).as_str(), contacts(&done).len()), ("200", 0));
    phone.contact.clear();
    assert_eq!(code(&phone.register(&mut solo, "")), "200", "a question");
}

#[test]
fn an_older_register_of_the_same_call_changes_nothing() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    phone.register(&mut solo, "");
    phone.cseq = 0;
    assert_eq!(code(&phone.register(&mut solo, "Expires: 0\r\n")), "500");
    assert_eq!(solo.agent.stats().bindings, 1);
}

#[test]
fn bindings_of_a_user_have_a_cap_and_a_restarted_telephone_takes_its_own_place() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    for port in 0..BINDINGS_PER_USER_MAX + 3 {
        phone.contact = format!("<sip:1001@10.9.8.7:{}>", 6_000 + port);
        solo.wait(1);
        phone.register(&mut solo, "");
    }
    phone.contact.clear();
    let told = phone.register(&mut solo, "");
    assert_eq!(contacts(&told).len(), BINDINGS_PER_USER_MAX);
    assert!(!told.contains(":6002>") && told.contains(":6003>"), "{told}");
    let mut other = Phone::new("1002");
    for port in 0..3 {
        other.contact = format!("<sip:1002@10.9.8.7:{}>;+sip.instance=\"<urn:x>\"", 6_000 + port);
        assert_eq!(contacts(&other.register(&mut solo, "")).len(), 1);
    }
}

#[test]
fn a_binding_leads_back_to_where_it_came_from_and_dies_with_its_connection() {
    let mut solo = solo(edge());
    let bindings = |solo: &mut Solo, text: &str| {
        solo.agent.receive(solo.now, solo.flow, &text.to_owned().into());
        let mut told = Vec::new();
        while let Some(output) = solo.agent.poll_output() {
            if let Output::Registration { bindings, .. } = output {
                told.push(bindings);
            }
        }
        told
    };
    let mut phone = Phone::new("1001");
    let challenge = solo.feed(&phone.message("REGISTER", "")).remove(0);
    let field = phone.authorization("REGISTER", &challenge).unwrap();
    let told = bindings(&mut solo, &phone.message("REGISTER", &field));
    let binding = told[0][0].clone();
    assert_eq!(binding.contact.to_string(), "sip:1001@192.0.2.9:5060", "not 10.9.8.7");
    assert_eq!((binding.flow, binding.transport), (solo.flow, Transport::Udp));
    (solo.flow.transport, solo.flow.link) = (Transport::Wss, Some(Link(77)));
    let mut browser =
        Phone { contact: "<sip:x@a.invalid;transport=ws>".to_owned(), ..Phone::new("1002") };
    assert_eq!(code(&browser.register(&mut solo, "")), "200");
    assert_eq!(solo.agent.stats().bindings, 2);
    solo.agent.link_closed(Link(78));
    solo.agent.link_closed(Link(77));
    assert_eq!(solo.agent.stats().bindings, 1);
    solo.command(Command::RecheckUsers);
    assert_eq!(solo.agent.stats().bindings, 1);
}

#[test]
fn a_user_who_calls_is_asked_and_then_known() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    assert_eq!(code(&phone.ask(&mut solo, "INVITE", "")), "100");
    assert_eq!((solo.calls, solo.user.as_deref()), (1, Some("1001")));
    let mut wrong = Phone { password: "wrong", ..Phone::new("1002") };
    assert_eq!(code(&wrong.ask(&mut solo, "INVITE", "")), "401");
    // A name that is another's.
    let mut other = Phone::new("1002");
    let challenge = solo.feed(&other.message("INVITE", "")).remove(0);
    let field = other.authorization("INVITE", &challenge).unwrap();
    let text = other.message("INVITE", &field).replace("1002@h", "1001@h");
    assert_eq!(solo.codes(&text), ["403"]);
    assert_eq!(solo.calls, 1);
}

#[test]
fn in_a_dialog_nobody_is_asked() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    phone.ask(&mut solo, "INVITE", "");
    let tag = to_tag(&solo.respond(200)[0]);
    let ack =
        request("ACK", phone.cseq, "ack", &tag, "").replace("<sip:a@b>", "<sip:1001@hotline>");
    assert!(solo.feed(&ack).is_empty());
    let bye = request("BYE", 9, "bye", &tag, "").replace("<sip:a@b>", "<sip:1001@hotline>");
    assert_eq!(solo.codes(&bye), ["200"]);
    solo.assert_nothing_left();
}

#[test]
fn our_requests_to_a_user_go_back_by_the_way_of_the_call() {
    let (mut solo, mut phone) = (solo(edge()), Phone::new("1001"));
    phone.ask(&mut solo, "INVITE", "");
    let tag = to_tag(&solo.respond(200)[0]);
    let ack =
        request("ACK", phone.cseq, "ack", &tag, "").replace("<sip:a@b>", "<sip:1001@hotline>");
    solo.feed(&ack);
    let bye = solo.bye().remove(0);
    assert!(bye.starts_with("BYE sip:1001@10.9.8.7:5080 "), "{bye}");
    assert_eq!(solo.last_flow, Some(solo.flow), "not to 10.9.8.7");
}

#[test]
fn strangers_call_unless_only_users_may() {
    let mut open = solo(edge());
    assert_eq!(open.codes(&world::invite("c")), ["100"]);
    assert_eq!(open.user, None);
    let closed = |nets: &[&str]| {
        let nets = nets.iter().map(|net| net.parse().unwrap()).collect();
        solo(EdgeConfig { authenticate_all_but: Some(nets), ..edge() })
    };
    let mut solo = closed(&["10.0.0.0/8"]);
    assert_eq!(solo.codes(&world::invite("c")), ["403"]);
    assert_eq!(solo.codes(&request("OPTIONS", 1, "o", "", "")), ["200"]);
    assert_eq!(code(&Phone::new("1001").ask(&mut solo, "INVITE", "")), "100");
    let elsewhere = Phone::new("1001").message("INVITE", "").replace("1001@hotline", "1001@other");
    assert_eq!(solo.codes(&elsewhere), ["403"], "as for any name");
    // Whether the name exists cannot be told from the answer.
    let answers = ["1001", "7777"].map(|user| {
        masked(&solo.feed(&Phone::new(user).message("INVITE", "")).remove(0)).replace(user, "U")
    });
    assert_eq!((code(&answers[0]).as_str(), &answers[0]), ("401", &answers[1]));
    // A trunk's caller is not asked, even with a number like a user's.
    let mut solo = closed(&["192.0.2.0/24"]);
    assert_eq!(solo.codes(&Phone::new("1001").message("INVITE", "")), ["100"]);
    assert_eq!(solo.user, None);
}

/// What a name is answered with that calls from a host.
fn told(solo: &mut Solo, method: &str, user: &str, host: &str) -> String {
    let branch = format!("t{method}{user}{host}");
    let text = request(method, 1, &branch, "", "")
        .replace("<sip:a@b>", &format!("<sip:{user}@{host}>"))
        .replace("Call-ID: in", &format!("Call-ID: {branch}"));
    let answer = masked(&solo.feed(&text).remove(0));
    answer.replace(&branch, "BRANCH").replace(user, "USER")
}

#[test]
fn no_answer_tells_which_users_exist() {
    let closed = EdgeConfig { authenticate_all_but: Some(vec![]), ..edge() };
    for edge in [edge(), closed] {
        let is_open = edge.authenticate_all_but.is_none();
        let mut solo = solo(edge);
        let methods = ["INVITE", "OPTIONS", "INFO", "REFER", "UPDATE", "BYE", "PRACK", "NOTIFY"];
        for method in methods.into_iter().chain(["MESSAGE", "SUBSCRIBE", "PUBLISH"]) {
            for host in ["hotline", "10.0.0.1", "elsewhere.example", "192.0.2.9", "203.0.113.4"] {
                let answers = ["1001", "7777"].map(|user| told(&mut solo, method, user, host));
                assert_eq!(answers[0], answers[1], "{method} from {host}");
                let ours = host == "hotline" || host == "10.0.0.1";
                let code = code(&answers[0]);
                match method {
                    "INVITE" if ours => assert_eq!(code, "401"),
                    "INVITE" if is_open => assert_eq!(code, "100", "a citizen from {host}"),
                    "INVITE" => assert_eq!(code, "403"),
                    "OPTIONS" => assert_eq!(code, "200"),
                    "MESSAGE" | "SUBSCRIBE" | "PUBLISH" => assert_eq!(code, "405"),
                    _ => assert_eq!(code, "481", "{method} is of no dialog, whoever asks"),
                }
            }
        }
    }
}

#[test]
fn who_is_on_this_machine_and_says_so_is_a_stranger_until_it_registers() {
    let mut solo = solo(edge());
    // The sender's address, and ours.
    solo.flow.remote = "10.0.0.1:5070".parse().unwrap();
    assert_eq!(code(&told(&mut solo, "INVITE", "1001", "10.0.0.1")), "100");
    assert_eq!((solo.calls, solo.user.as_deref()), (1, None));
    assert_eq!(code(&Phone::new("1001").register(&mut solo, "")), "200");
    assert_eq!(code(&told(&mut solo, "INVITE", "1002", "10.0.0.1")), "401");
}

fn numbered(number: usize) -> String {
    world::invite(&format!("c{number}")).replace("Call-ID: in", &format!("Call-ID: in{number}"))
}

fn limits() -> AdmissionLimits {
    AdmissionLimits {
        source_invites: (1, 3),
        source_others: (1, 3),
        calls: (1, 4),
        reserved_calls: (1, 2),
        ..AdmissionLimits::default()
    }
}

#[test]
fn a_flood_is_refused_then_ignored_and_calls_in_progress_still_end() {
    let mut solo = solo(EdgeConfig { admission: Some(limits()), ..edge() });
    let tag = solo.talking();
    let answers: Vec<Vec<String>> = (0..100).map(|n| solo.feed(&numbered(n))).collect();
    let codes: Vec<Option<String>> =
        answers.iter().map(|sent| sent.first().map(|message| code(message))).collect();
    assert_eq!(codes.iter().flatten().filter(|code| *code == "100").count(), 2);
    assert_eq!(codes.iter().flatten().filter(|code| *code == "503").count(), 20);
    assert_eq!(codes[22..], vec![None; 78]);
    let after: Vec<&str> =
        answers[2..22].iter().map(|sent| header(&sent[0], "Retry-After")).collect();
    assert!(after.iter().any(|s| *s != after[0]), "jittered: {after:?}");
    let stats = solo.agent.stats();
    assert_eq!((stats.admission.source_rejected, stats.admission.silenced), (20, 78));
    assert_eq!((stats.dialogs, solo.calls), (3, 3), "nothing kept of the flood");
    assert_eq!(solo.codes(&request("INVITE", 2, "re", &tag, "")), ["100"], "a re-INVITE");
    assert_eq!(solo.codes(&request("BYE", 3, "bye", &tag, ""))[0], "200");
}

#[test]
fn broken_requests_and_false_tags_are_held_to_the_limit_too() {
    let mut solo = solo(EdgeConfig { admission: Some(limits()), ..edge() });
    let broken = request("OPTIONS", 1, "o", "", "").replace("CSeq: 1", "CSeq: x");
    let codes: Vec<String> = (0..60).flat_map(|_| solo.codes(&broken)).collect();
    assert_eq!(codes, ["400"; 3]);
    let codes: Vec<String> =
        (0..60).flat_map(|n| solo.codes(&request("BYE", 1, &n.to_string(), "x", ""))).collect();
    assert_eq!(codes.len(), 0, "its refusals are used up");
}

#[test]
fn trunks_are_held_to_the_whole_servers_limit_alone_and_emergencies_have_room() {
    let trusted = vec!["192.0.2.9/32".parse().unwrap()];
    let mut solo = solo(EdgeConfig { admission: Some(limits()), trusted, ..edge() });
    let codes: Vec<String> = (0..30).flat_map(|n| solo.codes(&numbered(n))).collect();
    assert_eq!(
        (&codes[..4], &codes[4..]),
        (&["100"; 4].map(str::to_owned)[..], &["503"; 26].map(str::to_owned)[..])
    );
    let emergency = |n: usize| numbered(n).replace("INVITE sip:12345@", "INVITE sip:110@");
    let codes: Vec<String> = (40..44).flat_map(|n| solo.codes(&emergency(n))).collect();
    assert_eq!(codes, ["100", "100", "503", "503"]);
    assert_eq!(solo.agent.stats().admission.reserved_used, 2);
}

/// A call of a citizen from an address of its own, as far as anybody knows.
fn call_from(solo: &mut Solo, number: u32) -> Option<String> {
    let address = std::net::Ipv4Addr::from_bits(0xcb00_7100 + number);
    solo.flow.remote = std::net::SocketAddr::new(address.into(), 5060);
    let codes = solo.codes(&numbered(usize::try_from(number).unwrap()));
    solo.flow = world::flow(Transport::Udp);
    codes.first().cloned()
}

#[test]
fn invented_addresses_leave_the_trunk_its_calls_and_their_places_come_back() {
    let admission = AdmissionLimits {
        calls: (100, 100),
        strangers: (50, 50),
        strangers_running: 30,
        strangers_unproved: 10,
        ..AdmissionLimits::default()
    };
    let trusted = vec!["192.0.2.9/32".parse().unwrap()];
    let mut solo = solo(EdgeConfig { admission: Some(admission), trusted, ..edge() });
    let flood = |solo: &mut Solo, from: u32| {
        let codes: Vec<_> = (from..from + 1_000).filter_map(|n| call_from(solo, n)).collect();
        assert_eq!(codes.len(), 1_000);
        codes.iter().filter(|code| *code == "100").count()
    };
    assert_eq!(flood(&mut solo, 0), 10);
    let stats = solo.agent.stats();
    assert_eq!((stats.strangers, stats.strangers_unproved, stats.dialogs), (10, 10, 10));
    // Those that pass the bucket of strangers are refused for want of a place, the others before; none is a call of the trunk's.
    assert_eq!((stats.admission.strangers_rejected, stats.admission.calls_rejected), (990, 0));
    let codes: Vec<_> = (5_000..5_050).map(|n| solo.codes(&numbered(n)).remove(0)).collect();
    assert_eq!(codes, vec!["100"; 50], "the trunk's");
    // All are answered; nobody acknowledges.
    for call in 1..=10 {
        let call = qingting_sip::agent::CallKey(call * 2);
        solo.command(Command::Respond { call, reply: qingting_sip::Reply::new(200) });
        solo.command(Command::Bye { call, reason: None });
    }
    solo.wait(31_000);
    assert_eq!(flood(&mut solo, 2_000), 0);
    solo.wait(2_000);
    assert_eq!(solo.agent.stats().strangers_unproved, 0, "given up");
    assert_eq!(flood(&mut solo, 3_000), 10);
    solo.wait(31_000);
    assert_eq!(solo.agent.stats().strangers, 10, "the first were told BYE and are forgotten");
}

#[test]
fn a_caller_who_acknowledges_makes_room_for_the_next() {
    let admission = AdmissionLimits { strangers_unproved: 1, ..AdmissionLimits::default() };
    let mut solo = solo(EdgeConfig { admission: Some(admission), ..edge() });
    assert_eq!(solo.codes(&numbered(1)), ["100"]);
    let tag = to_tag(&solo.respond(200)[0]);
    assert_eq!(solo.codes(&numbered(2)), ["503"]);
    let emergency = numbered(3).replace("INVITE sip:12345@", "INVITE sip:119@");
    assert_eq!(solo.codes(&emergency), ["100"], "has half as much again");
    let ack = request("ACK", 1, "ack", &tag, "").replace("Call-ID: in", "Call-ID: in1");
    assert!(solo.feed(&ack).is_empty());
    assert_eq!(solo.agent.stats().strangers_unproved, 1, "the one for help");
    solo.respond(480);
    assert_eq!(solo.codes(&numbered(4)), ["100"]);
    assert_eq!((solo.agent.stats().strangers, solo.agent.stats().strangers_unproved), (2, 1));
}

/// The agent's peer is a proxy of ours.
fn behind_proxy() -> EdgeConfig {
    EdgeConfig { proxies: vec!["192.0.2.9/32".parse().unwrap()], ..edge() }
}

/// What such a proxy adds: whom it had it from.
fn had_from(source: &str, transport: &str) -> String {
    let (ip, port) = source.split_once(':').unwrap();
    format!("Via: SIP/2.0/{transport} x.invalid;branch=z9hG4bKx;received={ip};rport={port}\r\n")
}

const PATH: &str = "<sip:192.0.2.9:5060;lr;received=sip:198.51.100.7:40000%3Btransport%3Dws>";

#[test]
fn a_telephone_behind_our_proxy_is_reached_by_its_path() {
    let mut solo = solo(behind_proxy());
    let extra = had_from("198.51.100.7:40000", "WS") + &format!("Path: {PATH}\r\n");
    let done = Phone::new("1001").register(&mut solo, &extra);
    assert_eq!((code(&done).as_str(), header(&done, "Path")), ("200", PATH));
    let binding = &solo.bindings[0];
    assert_eq!(binding.contact.to_string(), "sip:1001@10.9.8.7:5080", "as it is written");
    assert_eq!((binding.path[0].to_string().as_str(), binding.transport), (PATH, Transport::Ws));
    // The way to the proxy may go and come again.
    solo.agent.link_closed(Link(0));
    assert_eq!(solo.agent.stats().bindings, 1);
}

#[test]
fn who_hides_behind_our_proxy_with_a_via_that_cannot_be_read_is_refused() {
    let mut solo = solo(EdgeConfig { admission: Some(limits()), ..behind_proxy() });
    for via in [
        "SIP/2.0/SCTP x.invalid;branch=z9hG4bKx;received=203.0.113.5",
        "SIP/2.0/UDP x.invalid;branch=z9hG4bKx",
    ] {
        let via = format!("Via: {via}\r\nMax-Forwards");
        assert_eq!(solo.codes(&numbered(1).replacen("Max-Forwards", &via, 1)), ["400"]);
    }
    // What the proxy asks by itself is held to no limit.
    let codes: Vec<String> = (0..50)
        .flat_map(|n| solo.codes(&request("OPTIONS", 1, &format!("o{n}"), "", "")))
        .collect();
    assert_eq!(codes, vec!["200"; 50]);
}

#[test]
fn a_path_and_a_via_of_anybody_else_count_for_nothing() {
    let mut solo = solo(edge());
    let extra = had_from("198.51.100.7:40000", "WS") + &format!("Path: {PATH}\r\n");
    let done = Phone::new("1001").register(&mut solo, &extra);
    assert!(code(&done) == "200" && !done.contains("Path:"), "{done}");
    let binding = &solo.bindings[0];
    assert_eq!(binding.contact.to_string(), "sip:1001@192.0.2.9:5060", "where it came from");
    assert!(binding.path.is_empty() && binding.transport == Transport::Udp);
    solo.feed(&numbered(1).replace("Max-Forwards", &(extra + "Max-Forwards")));
    assert_eq!(solo.sender.unwrap().addr.to_string(), "192.0.2.9:5060");
}

#[test]
fn behind_our_proxy_each_sender_has_its_own_share_and_a_trunk_is_who_it_is() {
    let trunk = vec!["198.51.100.1/32".parse().unwrap()];
    let edge = EdgeConfig { admission: Some(limits()), trusted: trunk, ..behind_proxy() };
    let mut solo = solo(edge);
    let mut ask = |source: &str, n: usize| {
        let via = had_from(source, "UDP") + "Max-Forwards";
        let codes = solo.codes(&numbered(n).replacen("Max-Forwards", &via, 1));
        solo.wait(200);
        (codes.first().cloned(), solo.sender.map(|sender| sender.addr.to_string()))
    };
    let flood: Vec<_> = (0..20).filter_map(|n| ask("203.0.113.5:5060", n).0).collect();
    // Three at once, then one a second.
    assert_eq!(flood.iter().filter(|code| *code == "100").count(), 6, "{flood:?}");
    let other = ask("203.0.113.6:5070", 30);
    assert_eq!(other, (Some("100".into()), Some("203.0.113.6:5070".into())));
    let (code, sender) = ask("198.51.100.1:5060", 31);
    assert_eq!((code, sender), (Some("100".into()), Some("198.51.100.1:5060".into())));
}

#[test]
fn registered_telephones_are_not_held_to_their_sources_limit() {
    let mut solo = solo(EdgeConfig { admission: Some(limits()), ..edge() });
    assert_eq!(code(&Phone::new("1001").register(&mut solo, "")), "200");
    let codes: Vec<String> = (0..50)
        .flat_map(|n| solo.codes(&request("OPTIONS", 1, &format!("o{n}"), "", "")))
        .collect();
    assert_eq!(codes, ["200"; 50]);
}

#[test]
fn whoever_takes_over_a_call_is_asked_who_it_is_first() {
    let closed = EdgeConfig { authenticate_all_but: Some(vec![]), ..edge() };
    let mut solo = solo(closed);
    Phone::new("1001").ask(&mut solo, "INVITE", "");
    let (old, tag) = (solo.call, to_tag(&solo.respond(200)[0]));
    solo.feed(&request("ACK", 2, "ack", &tag, ""));
    let replaces = format!("Replaces: in;to-tag={tag};from-tag=f\r\n");
    let stranger = request("INVITE", 7, "s", "", &replaces).replace("Call-ID: in", "Call-ID: s");
    assert_eq!(solo.codes(&stranger), ["403"]);
    let unknown = "Replaces: nothing;to-tag=1;from-tag=2\r\n";
    let stranger = request("INVITE", 8, "u", "", unknown).replace("Call-ID: in", "Call-ID: u");
    assert_eq!(solo.codes(&stranger), ["403"], "nobody learns which calls there are");
    let mut colleague = Phone::new("1002");
    let challenged = solo.feed(&colleague.message("INVITE", &replaces)).remove(0);
    assert_eq!((code(&challenged).as_str(), solo.calls), ("401", 1));
    colleague.cseq = 10;
    assert_eq!(code(&colleague.ask(&mut solo, "INVITE", &replaces)), "100");
    assert_eq!(solo.user.as_deref(), Some("1002"));
    assert_eq!(solo.replaces.as_ref().map(|replaced| replaced.call), Some(old));
}

#[test]
fn register_is_among_the_methods_of_who_knows_users() {
    let options = request("OPTIONS", 1, "o", "", "");
    let allowed = |edge: EdgeConfig| {
        let mut solo = solo(edge);
        let answer = solo.feed(&options).remove(0);
        let refused = solo.feed(&request("PUBLISH", 2, "p", "", "")).remove(0);
        assert_eq!(code(&refused), "405");
        assert_eq!(header(&refused, "Allow"), header(&answer, "Allow"));
        header(&answer, "Allow").to_owned()
    };
    let without = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO, REFER, NOTIFY";
    assert_eq!(allowed(EdgeConfig::default()), without);
    assert_eq!(allowed(edge()), format!("{without}, REGISTER"));
}

#[test]
fn without_users_register_is_not_a_method_of_ours() {
    let mut solo = solo(EdgeConfig::default());
    assert_eq!(solo.codes(&Phone::new("1001").message("REGISTER", "")), ["405"]);
    assert_eq!(solo.now, Millis(1_000));
}

#[test]
fn the_seed_of_all_nonces_does_not_print_itself() {
    let printed = format!("{:?}", config());
    assert!(printed.contains("calls_max") && !printed.contains("seed"), "{printed}");
}
