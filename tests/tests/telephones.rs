//! The telephones against far ends that are not the server: what they say arrives as it was said, and
//! how a call ended is reported. A failing call test is then about the server.

use qingting_tests::audio::{Wav, align, align_pieces, speech_like};
use qingting_tests::clock::Deadline;
use qingting_tests::peers::baresip::{self, Answer, Answering};
use qingting_tests::peers::sipp::{self, Scenario, Sipp};
use qingting_tests::peers::{CallPlan, Called, Codec, Ended, HangUp, Transport, linphone};
use qingting_tests::rtp::RtpEnd;
use std::time::Duration;

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

/// A call to sipp, whose media comes to a socket of ours.
fn to_sipp(transport: Transport, place: impl FnOnce(CallPlan) -> Called) -> (Called, RtpEnd) {
    let media = RtpEnd::bind();
    let answer = Scenario::new("answer").over(transport).key("rtp_port", media.port());
    let far_end = Sipp::answer(&answer.deadline(seconds(30.0)));
    let plan = CallPlan::new(far_end.sip(), speech_like(1, seconds(3.0))).over(transport);
    let called = place(plan);
    called.expect_hung_up();
    far_end.finish().expect_success();
    (called, media)
}

#[track_caller]
fn assert_said(media: &RtpEnd, at_least: f64) {
    let found = align(&speech_like(1, seconds(3.0)), &media.heard());
    assert!(found.correlation >= at_least, "{found:?}");
}

#[test]
fn baresip_says_the_file_and_presses_keys() {
    for transport in BOTH {
        let (called, media) = to_sipp(transport, |plan| baresip::call(&plan.keys("12#")));
        assert_said(&media, 0.95);
        assert_eq!(media.keys(), "12#");
        assert!(called.connected.abs_diff(seconds(3.0)) < seconds(1.0), "{:?}", called.connected);
    }
}

#[test]
fn linphone_says_the_file() {
    for transport in BOTH {
        let (_, media) = to_sipp(transport, |plan| linphone::call(&plan));
        assert_said(&media, 0.95);
    }
}

#[test]
fn linphone_presses_keys() {
    let (_, media) = to_sipp(Transport::Udp, |plan| linphone::call(&plan.keys("5*")));
    assert_eq!(media.keys(), "5*");
    // Its speech pauses while a key is down.
    assert_said(&media, 0.9);
}

#[test]
fn sipp_says_the_file() {
    for transport in BOTH {
        let far_end = Answering::start(Answer::AtOnce, speech_like(2, seconds(6.0)));
        let said = speech_like(1, seconds(3.0));
        let scenario = Scenario::new("call").over(transport).speech(said.clone());
        sipp::call(far_end.sip(), &scenario).expect_success();
        let heard = far_end.heard().expect("baresip records");
        let found = align(&said, &heard.channels[0]);
        assert!(found.correlation > 0.95, "{found:?}");
    }
}

#[test]
fn telephones_hear_what_the_far_end_says() {
    type Place = fn(&CallPlan) -> Called;
    for place in [baresip::call as Place, linphone::call] {
        let said = speech_like(2, seconds(3.0));
        let far_end = Answering::start(Answer::AtOnce, said.clone());
        let plan = CallPlan::new(far_end.sip(), speech_like(1, seconds(1.0)));
        let called = place(&plan.hang_up(HangUp::FarEnd));
        called.expect_hung_up();
        let heard = Wav::read(called.heard.as_ref().expect("a recording"));
        assert_eq!((heard.rate, heard.channels.len()), (8_000, 1));
        // linphone stretches what it plays now and then: by pieces, not as a whole.
        let pieces = align_pieces(&said, &heard.channels[0], seconds(0.25));
        let found = pieces.iter().filter(|piece| piece.correlation > 0.9).count();
        assert!(found * 4 >= pieces.len() * 3, "{pieces:?}");
    }
}

#[test]
fn a_telephone_hangs_up_when_told() {
    type Place = fn(&CallPlan) -> Called;
    for place in [baresip::call as Place, linphone::call] {
        let far_end = Answering::start(Answer::AtOnce, vec![0; 80_000]);
        let mut plan = CallPlan::new(far_end.sip(), speech_like(1, seconds(1.0)))
            .hang_up(HangUp::After(seconds(2.0)));
        plan.codec = Codec::Ulaw;
        let called = place(&plan);
        called.expect_hung_up();
        assert!(called.connected.abs_diff(seconds(2.0)) < seconds(1.0), "{:?}", called.connected);
    }
}

#[test]
fn a_call_that_nobody_takes_is_lost_at_the_deadline() {
    type Place = fn(&CallPlan) -> Called;
    for place in [baresip::call as Place, linphone::call] {
        let far_end = Answering::start(Answer::Never, vec![0; 8_000]);
        let mut plan = CallPlan::new(far_end.sip(), speech_like(1, seconds(1.0)));
        plan.deadline = seconds(2.0);
        let called = place(&plan);
        assert_eq!(called.ended, Ended::Lost("before an answer".to_owned()), "{}", called.output);
    }
}

#[test]
fn a_refused_call_says_why() {
    type Place = fn(&CallPlan) -> Called;
    for place in [baresip::call as Place, linphone::call] {
        let far_end = Sipp::answer(&Scenario::new("refuse").deadline(seconds(20.0)));
        let called = place(&CallPlan::new(far_end.sip(), speech_like(1, seconds(1.0))));
        let Ended::Refused(said) = &called.ended else { panic!("{called:?}") };
        assert_eq!(said, "404 Not Found");
        far_end.finish().expect_success();
    }
}

#[test]
fn scenarios_pass_against_another_stack() {
    let far_end = Answering::start(Answer::AtOnce, vec![0; 80_000]);
    for name in ["late_offer", "hold", "wrong_codec", "options"] {
        for transport in BOTH {
            sipp::call(far_end.sip(), &Scenario::new(name).over(transport)).expect_success();
        }
    }
    sipp::call(far_end.sip(), &Scenario::new("retransmitted_invite")).expect_success();
    let ringing = Answering::start(Answer::Never, vec![0; 8_000]);
    for transport in BOTH {
        sipp::call(ringing.sip(), &Scenario::new("cancel").over(transport)).expect_success();
    }
    let talker = Answering::start(Answer::AtOnce, vec![0; 8_000]);
    sipp::call(talker.sip(), &Scenario::new("remote_bye")).expect_success();
}

#[test]
fn media_that_moves_is_followed() {
    let far_end = Answering::start(Answer::AtOnce, vec![0; 80_000]);
    let (first, second) = (RtpEnd::bind(), RtpEnd::bind());
    let scenario =
        Scenario::new("moved").key("rtp_port", first.port()).key("rtp_port_2", second.port());
    let call = Sipp::call(far_end.sip(), &scenario);
    let deadline = Deadline::after(seconds(10.0));
    let before = first.first_sender(deadline).expect("media at the first port");
    let after = second.first_sender(deadline).expect("media at the second port");
    assert_eq!(before, after, "the far end keeps its own port");
    call.finish().expect_success();
}
