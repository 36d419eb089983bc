//! `qingting call`, as a script uses it: its exit code says how the call went.

use qingting_tests::audio::speech_like;
use qingting_tests::call;
use qingting_tests::peers::baresip::{Answer, Answering};
use qingting_tests::peers::sipp::{Scenario, Sipp};
use qingting_tests::rtp::RtpEnd;
use qingting_tests::server::free_port;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

fn uri(to: SocketAddr) -> String {
    format!("sip:12345@{to}")
}

#[test]
fn a_refused_call_ends_with_3_and_says_what_the_far_end_said() {
    let far_end = Sipp::answer(&Scenario::new("refuse").deadline(Duration::from_secs(20)));
    let called = call(&uri(far_end.sip()), &[]);
    assert_eq!(called.code, 3, "{called:?}");
    assert_eq!(called.result["result"], "not_answered", "{called:?}");
    assert_eq!(called.result["status"]["code"], 404, "{called:?}");
    far_end.finish().expect_success();
}

#[test]
fn a_call_to_nobody_ends_with_3() {
    let called = call(&uri(free_port()), &["--ring-max", "3"]);
    assert_eq!(called.code, 3, "{called:?}");
    assert_eq!(called.result["result"], "not_answered", "{called:?}");
}

#[test]
fn a_call_in_which_nothing_is_heard_ends_with_4() {
    // It takes what is said, and says nothing.
    let media = RtpEnd::bind();
    let answer = Scenario::new("answer").key("rtp_port", media.port());
    let far_end = Sipp::answer(&answer.deadline(Duration::from_secs(20)));
    let called = call(&uri(far_end.sip()), &["--linger", "1"]);
    assert_eq!(called.code, 4, "{called:?}");
    assert_eq!(called.result["rtp"]["packets_received"], 0, "{called:?}");
    far_end.finish().expect_success();
}

#[test]
fn a_call_that_the_far_end_ends_first_ends_with_5() {
    let far_end = Answering::start(Answer::AtOnce, speech_like(1, Duration::from_secs(1)));
    let called = call(&uri(far_end.sip()), &["--linger", "20"]);
    assert_eq!(called.code, 5, "{called:?}");
    assert_eq!(called.result["result"], "cut_off", "{called:?}");
    assert!(called.result["talked_ms"].as_u64().is_some_and(|ms| ms < 15_000), "{called:?}");
}

#[test]
fn a_recording_that_cannot_be_written_is_said_before_anybody_is_called() {
    let far_end = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("absent").join("heard.wav");
    let file = file.to_str().expect("UTF-8");
    let to = uri(far_end.local_addr().expect("bound"));
    let called = call(&to, &["--record", file, "--ring-max", "2"]);
    assert_eq!(called.code, 1, "{called:?}");
    assert!(called.stderr.contains(file), "{}", called.stderr);
    far_end.set_nonblocking(true).expect("a socket");
    let rang = far_end.recv_from(&mut [0; 4_096]);
    assert_eq!(rang.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock), "somebody rang");
}
