//! The operator's side: calls as an IMS trunk brings them, and our own calls by trunks that refuse,
//! challenge, say nothing or send their announcements early.

use qingting_tests::audio::{Wav, align, speech_like};
use qingting_tests::clock::{Deadline, Stopwatch};
use qingting_tests::peers::sipp::{self, Scenario, Sipp};
use qingting_tests::raw::{RawCall, header, rtp_port};
use qingting_tests::rtp::RtpEnd;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::trunk::{OnInvite, TrunkEnd, TrunkPlan};
use serde_json::Value;
use std::time::Duration;

/// Of a sent signal in its recording, A-law in between.
const SAME: f64 = 0.95;
const MOBILE: &str = "13912345678";
/// Whom the hotline calls in these tests, as it is dialled in China.
const EXPERT: &str = "13600136000";

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

/// Believes what 127.0.0.1 asserts, as it would a trunk.
fn for_a_trunk() -> ServerPlan {
    ServerPlan::deaf()
        .with("sip.trusted_peers", "[\"127.0.0.1\"]")
        .with("recording.encrypted", false)
}

/// Every call goes on to the expert, by these trunks: a name, the peer and further settings each.
fn forwarding(trunks: &[(&str, &TrunkEnd, &str)]) -> ServerPlan {
    let number =
        format!("[[numbers]]\nnumber = \"12345\"\nname = \"转接\"\ntransfer = \"{EXPERT}\"\n");
    trunks.iter().fold(
        ServerPlan::deaf().with("recording.encrypted", false).and(&number),
        |plan, (name, end, more)| {
            let address = end.address();
            let trunk = format!(
                "[[trunks]]\nname = \"{name}\"\nuri = \"sip:{address}\"\npeers = [\"127.0.0.2\"]\n\
                 caller_id = \"01012345\"\n{more}\n"
            );
            plan.and(&trunk)
        },
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A citizen whose call goes on by a trunk.
struct Caller {
    raw: RawCall,
    answer: String,
}

impl Caller {
    fn call(server: &Server) -> Self {
        let mut raw = RawCall::new(server.sip());
        let offer = raw.offer("8");
        let answer = raw.request("INVITE", "", &offer);
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        Self { raw, answer }
    }

    fn hang_up(&mut self) {
        assert!(self.raw.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    }
}

/// Waits until a trunk is up, or down.
fn wait_for_trunk(server: &Server, name: &str, up: f64) {
    let series = format!("qingting_trunk_up{{trunk=\"{name}\"}}");
    wait_until("the trunk is so", || (server.metric(&series) == up).then_some(()));
}

#[test]
fn an_ims_call_is_stored_with_its_numbers_its_voice_and_its_keys() {
    let menu = "[[numbers]]\nnumber = \"12345\"\nname = \"热线\"\nmenu = \"主菜单\"\n\
                [[queues]]\nname = \"综合\"\nskill = \"综合\"\n\
                [[queues]]\nname = \"企业\"\nskill = \"企业\"\n\
                [[menus]]\nname = \"主菜单\"\nsay = \"企业服务请按1，其他诉求请按2。\"\n\
                keys = { 1 = \"queue:企业\", 2 = \"queue:综合\" }\notherwise = \"queue:综合\"\n";
    let server = Server::start(&for_a_trunk().and(menu));
    let media = RtpEnd::bind();
    let scenario = Scenario::new("ims_call")
        .key("caller", MOBILE)
        .key("rtp_port", media.port())
        .deadline(seconds(30.0));
    let call = Sipp::call(server.sip(), &Scenario { pause: seconds(12.0), ..scenario });
    let Some(far_end) = media.first_sender(Deadline::after(seconds(10.0))) else {
        call.finish().expect_success();
        panic!("the server does not speak");
    };
    let said = speech_like(31, seconds(4.0));
    media.speak(far_end, &said, 1);
    // The number that the re-INVITE gave to telephone-event, not the first one.
    for turn in 0..30_u16 {
        media.press(far_end, '1', 110, 1, 200 + 8 * turn);
        if server.calls()[0]["queue"] == "企业" {
            break;
        }
    }
    call.finish().expect_success();
    let call = server.ended_calls(1).remove(0);
    let caller = text(&call["caller"]);
    assert!(caller.ends_with(MOBILE) && !caller.contains('@'), "{call}");
    assert_eq!(call["queue"], "企业", "{call}");
    assert_eq!(call["hung_up_by"], "caller", "{call}");
    assert!(text(&call["called"]).ends_with("12345"), "{call}");
    let recording = Wav::read(&server.recording_of(text(&call["id"])));
    let found = align(&said, &recording.channels[0]);
    assert!(found.correlation >= SAME, "{found:?}");
    server.wait_until_idle();
}

#[test]
fn an_ims_trunk_may_let_us_offer_and_may_lose_its_ack() {
    let server = Server::start(&for_a_trunk());
    for (number, name) in ["ims_late_offer", "ims_lost_ack"].into_iter().enumerate() {
        let media = RtpEnd::bind();
        let scenario = Scenario::new(name)
            .key("caller", MOBILE)
            .key("rtp_port", media.port())
            .deadline(seconds(20.0));
        let call = Sipp::call(server.sip(), &Scenario { pause: seconds(4.0), ..scenario });
        let Some(far_end) = media.first_sender(Deadline::after(seconds(10.0))) else {
            call.finish().expect_success();
            panic!("{name}: the server does not speak");
        };
        let said = speech_like(32, seconds(2.0));
        media.speak(far_end, &said, 1);
        let ran = call.finish();
        ran.expect_success();
        let accepted = ran.messages.matches("SIP/2.0 200 ").count();
        assert!(name != "ims_lost_ack" || accepted >= 4, "{accepted}:\n{}", ran.messages);
        let call = server.ended_calls(number + 1).remove(0);
        assert!(text(&call["caller"]).ends_with(MOBILE), "{name}: {call}");
        let recording = Wav::read(&server.recording_of(text(&call["id"])));
        let found = align(&said, &recording.channels[0]);
        assert!(found.correlation >= SAME, "{name}: {found:?}");
    }
    server.wait_until_idle();
}

#[test]
fn what_a_trunk_may_not_ask_is_refused_as_the_standards_say() {
    let server = Server::start(&for_a_trunk());
    let asked = |fields: &str| {
        let mut raw = RawCall::new(server.sip());
        let offer = raw.offer("8");
        raw.request("INVITE", fields, &offer)
    };
    let response = asked("Require: precondition\r\nSupported: precondition\r\n");
    assert!(response.starts_with("SIP/2.0 420 "), "{response}");
    assert_eq!(header(&response, "Unsupported"), Some("precondition"), "{response}");
    let response = asked("Supported: timer\r\nSession-Expires: 60\r\n");
    assert!(response.starts_with("SIP/2.0 422 "), "{response}");
    assert_eq!(header(&response, "Min-SE"), Some("90"), "{response}");
    for transport in [qingting_tests::peers::Transport::Udp, qingting_tests::peers::Transport::Tcp]
    {
        // Once each half minute, by every trunk there is.
        sipp::call(server.sip(), &Scenario::new("options").over(transport)).expect_success();
    }
    assert_eq!(server.calls().len(), 0);
    server.wait_until_idle();
}

#[test]
fn a_call_that_goes_on_says_where_it_was_sent_from_and_is_heard_both_ways() {
    let media = RtpEnd::bind();
    let plan = TrunkPlan::new(OnInvite::Answer { rtp_port: media.port() });
    let trunk = TrunkEnd::start(TrunkPlan { account: Some(("hotline", "a secret")), ..plan });
    let account = "user = \"hotline\"\npassword = \"a secret\"\nnumber_form = \"e164\"";
    let server = Server::start(&forwarding(&[("移动", &trunk, account)]));
    let mut caller = Caller::call(&server);
    let challenged = trunk.request("INVITE", 1);
    assert!(header(&challenged, "Proxy-Authorization").is_none(), "{challenged}");
    let invite = trunk.request("INVITE", 2);
    let target = format!("INVITE sip:+86{EXPERT}@{} ", trunk.address());
    assert!(invite.starts_with(&target), "{invite}");
    assert!(
        header(&invite, "P-Asserted-Identity").is_some_and(|of| of.contains("01012345")),
        "{invite}"
    );
    assert!(header(&invite, "Diversion").is_some_and(|of| of.contains("sip:12345@")), "{invite}");
    let far_end = media.first_sender(Deadline::after(seconds(10.0))).expect("media");
    let (asked, told) = (speech_like(33, seconds(2.0)), speech_like(34, seconds(2.0)));
    caller.raw.speak(&caller.answer, &asked);
    media.speak(far_end, &told, 1);
    let heard = align(&asked, &media.heard());
    assert!(heard.correlation >= SAME, "the expert: {heard:?}");
    let heard = align(&told, &caller.raw.rtp().heard());
    assert!(heard.correlation >= SAME, "the caller: {heard:?}");
    caller.hang_up();
    let bye = trunk.request("BYE", 1);
    assert!(bye.contains("SIP/2.0"), "{bye}");
    server.ended_calls(1);
    server.wait_until_idle();
}

#[test]
fn the_next_trunk_carries_what_one_refuses_or_does_not_answer() {
    for plan in [
        OnInvite::Refuse { code: 503, fields: "Retry-After: 5\r\n" },
        OnInvite::Refuse { code: 408, fields: "" },
        OnInvite::Silence,
    ] {
        let media = RtpEnd::bind();
        let first = TrunkEnd::start(TrunkPlan::new(plan.clone()));
        let second = TrunkEnd::start(TrunkPlan::new(OnInvite::Answer { rtp_port: media.port() }));
        let server = Server::start(&forwarding(&[
            ("联通", &second, "priority = 2\nnumber_form = \"9\""),
            ("移动", &first, "priority = 1"),
        ]));
        wait_for_trunk(&server, "移动", 1.0);
        wait_for_trunk(&server, "联通", 1.0);
        let watch = Stopwatch::start();
        let mut caller = Caller::call(&server);
        let invite = first.request("INVITE", 1);
        assert!(invite.starts_with(&format!("INVITE sip:{EXPERT}@")), "{plan:?}: {invite}");
        let invite = second.request("INVITE", 1);
        assert!(invite.starts_with(&format!("INVITE sip:9{EXPERT}@")), "{plan:?}: {invite}");
        // A caller does not wait 32 s for a trunk that is gone.
        assert!(watch.elapsed() < seconds(20.0), "{plan:?}: {:?}", watch.elapsed());
        assert!(media.first_sender(Deadline::after(seconds(5.0))).is_some(), "{plan:?}");
        if plan == (OnInvite::Refuse { code: 503, fields: "Retry-After: 5\r\n" }) {
            wait_for_trunk(&server, "移动", 0.0);
        }
        caller.hang_up();
        server.ended_calls(1);
        server.wait_until_idle();
    }
}

#[test]
fn a_redirection_is_not_followed() {
    let elsewhere = "Contact: <sip:13500135000@127.0.0.3>\r\n";
    let first = TrunkEnd::start(TrunkPlan::new(OnInvite::Refuse { code: 302, fields: elsewhere }));
    let second = TrunkEnd::start(TrunkPlan::new(OnInvite::Answer { rtp_port: 40_000 }));
    let server = Server::start(&forwarding(&[
        ("移动", &first, "priority = 1"),
        ("联通", &second, "priority = 2"),
    ]));
    wait_for_trunk(&server, "移动", 1.0);
    let mut caller = Caller::call(&server);
    first.request("INVITE", 1);
    // The caller is told that nobody is there, and the call ends.
    let bye = caller.raw.message();
    assert!(bye.starts_with("BYE "), "{bye}");
    caller.raw.answer(&bye);
    server.ended_calls(1);
    // The number was refused, not the trunk: no other is asked to do the same.
    assert_eq!((first.requests("INVITE").len(), second.requests("INVITE").len()), (1, 0));
    server.wait_until_idle();
}

#[test]
fn reliable_early_media_is_acknowledged() {
    let media = RtpEnd::bind();
    let plan = OnInvite::EarlyMedia { rtp_port: media.port() };
    let trunk = TrunkEnd::start(TrunkPlan::new(plan));
    let server = Server::start(&forwarding(&[("移动", &trunk, "")]));
    let mut caller = Caller::call(&server);
    let invite = trunk.request("INVITE", 1);
    assert!(header(&invite, "Supported").is_some_and(|of| of.contains("100rel")), "{invite}");
    let prack = trunk.request("PRACK", 1);
    assert_eq!(header(&prack, "RAck").map(|of| of.split(' ').next()), Some(Some("77")), "{prack}");
    trunk.request("ACK", 1);
    let said = speech_like(35, seconds(2.0));
    assert!(media.first_sender(Deadline::after(seconds(5.0))).is_some());
    caller.raw.speak(&caller.answer, &said);
    let heard = align(&said, &media.heard());
    assert!(heard.correlation >= SAME, "{heard:?}");
    caller.hang_up();
    server.ended_calls(1);
    server.wait_until_idle();
}

#[test]
fn a_trunk_that_wants_it_is_registered_with_and_left_at_the_end() {
    let plan = TrunkPlan::new(OnInvite::Silence);
    let account = Some(("hotline", "a secret"));
    let trunk = TrunkEnd::start(TrunkPlan { account, expires_s: 5, ..plan });
    let account = "user = \"hotline\"\npassword = \"a secret\"\nregister = true";
    let mut server = Server::start(&forwarding(&[("移动", &trunk, account)]));
    wait_for_trunk(&server, "移动", 1.0);
    let first = trunk.request("REGISTER", 2);
    assert!(header(&first, "Authorization").is_some(), "{first}");
    assert!(header(&first, "Contact").is_some_and(|of| of.contains("hotline@")), "{first}");
    // At four fifths of five seconds.
    let refreshed = trunk.request("REGISTER", 3);
    assert_eq!(header(&refreshed, "Call-ID"), header(&first, "Call-ID"));
    let before = trunk.requests("REGISTER").len();
    server.stop();
    let left: Vec<String> = trunk.requests("REGISTER").split_off(before);
    let expires = |text: &String| header(text, "Expires").map(str::to_owned);
    assert!(
        left.iter()
            .any(|text| expires(text).as_deref() == Some("0")
                && header(text, "Authorization").is_some()),
        "{left:#?}"
    );
}

#[test]
fn a_trunk_that_answers_options_with_503_is_passed_over() {
    let media = RtpEnd::bind();
    let first = TrunkEnd::start(TrunkPlan {
        options: 503,
        ..TrunkPlan::new(OnInvite::Answer { rtp_port: 40_000 })
    });
    let second = TrunkEnd::start(TrunkPlan::new(OnInvite::Answer { rtp_port: media.port() }));
    let server = Server::start(&forwarding(&[
        ("移动", &first, "priority = 1"),
        ("联通", &second, "priority = 2"),
    ]));
    first.request("OPTIONS", 1);
    wait_for_trunk(&server, "联通", 1.0);
    assert_eq!(server.metric("qingting_trunk_up{trunk=\"移动\"}"), 0.0);
    let mut caller = Caller::call(&server);
    second.request("INVITE", 1);
    assert_eq!(first.requests("INVITE").len(), 0);
    let answer = rtp_port(&caller.answer);
    assert_ne!(answer.port(), 0);
    caller.hang_up();
    server.ended_calls(1);
}
