//! Hold, consultation, three parties, supervisors: what is said to whom.

mod room;

use qingting_core::call::*;
use qingting_core::leg::LegEvent;
use room::*;

#[test]
fn hold_gives_the_citizen_music_and_the_seat_nothing() {
    let mut room = Room::talking();
    assert_eq!(room.order(Command::Hold), "ok | route | music 0 on");
    assert_eq!(room.heard(), "");
    assert_eq!(room.order(Command::Hold), "refused AlreadySo");
    assert_eq!(room.order(Command::Resume), "ok | music 0 off | route");
    assert_eq!(room.heard(), "0:1 1:0");
}

#[test]
fn hold_by_command_and_by_the_telephone_end_each_by_itself() {
    let mut room = Room::talking();
    room.order(Command::Hold);
    assert_eq!(room.on(SEAT, reinvite("sendonly")), "connect 1 recvonly | re-200 1");
    assert_eq!(room.order(Command::Resume), "reoffer 1 | ok", "the telephone is asked, too");
    assert_eq!(room.heard(), "");
    let taken = LegEvent::Answered { body: Some(sdp("sendrecv")) };
    assert_eq!(room.on(SEAT, taken), "connect 1 sendrecv | music 0 off | route");
    assert_eq!(
        room.on(SEAT, reinvite("inactive")),
        "connect 1 inactive | re-200 1 | route | music 0 on"
    );
    assert_eq!(
        room.on(SEAT, reinvite("sendrecv")),
        "connect 1 sendrecv | re-200 1 | music 0 off | route"
    );
}

#[test]
fn a_citizen_who_holds_is_not_played_to() {
    let mut room = Room::talking();
    assert_eq!(room.on(CITIZEN, reinvite("sendonly")), "connect 0 recvonly | re-200 0 | route");
    assert_eq!(room.heard(), "");
    assert_eq!(room.on(CITIZEN, reinvite("sendrecv")), "connect 0 sendrecv | re-200 0 | route");
}

#[test]
fn a_consultation_leaves_the_citizen_with_music_and_ends_in_three() {
    let mut room = Room::talking();
    let consult = Command::Consult { targets: experts(&["801"]), role: Role::Expert };
    assert_eq!(room.order(consult), "open 2 | ok | route | music 0 on | ringback 1 on");
    assert_eq!(room.on(EXPERT, opened()), "dial 2 801");
    assert_eq!(
        room.on(EXPERT, answered()),
        "connect 2 sendrecv | recognise 2 | ringback 1 off | route"
    );
    assert_eq!(room.heard(), "1:2 2:1");
    let consent = room.order(Command::JoinConsulted);
    assert_eq!(
        consent,
        "music 0 off | play 0 ThreePartyConsent | play 1 ThreePartyConsent | play 2 ThreePartyConsent | ok"
    );
    assert_eq!(room.heard(), "1:2 2:1", "not before it is heard");
    assert_eq!(room.done(CITIZEN), "route");
    assert_eq!(room.heard(), "0:12 1:02 2:01");
}

#[test]
fn an_expert_who_is_busy_at_each_stage_gives_way_to_the_next() {
    let mut room = Room::consulting();
    assert_eq!(room.on(EXPERT, LegEvent::Failed { code: 486 }), "open 3 | close 2");
    let third = LegId(3);
    assert_eq!(room.on(third, opened()), "dial 3 802");
    assert_eq!(room.on(third, LegEvent::Progress { code: 180, body: None }), "");
    assert_eq!(
        room.on(third, LegEvent::Failed { code: 603 }),
        "nobody came | close 3 | music 0 off | ringback 1 off | route"
    );
    assert_eq!(room.heard(), "0:1 1:0");
    let mut no_media = Room::talking();
    no_media.order(Command::Consult { targets: experts(&["801"]), role: Role::Expert });
    let failed = no_media.on(EXPERT, LegEvent::MediaFailed);
    assert_eq!(failed, "nobody came | close 2 | music 0 off | ringback 1 off | route");
    let mut slow = Room::talking();
    slow.order(Command::Consult { targets: experts(&["801"]), role: Role::Expert });
    slow.on(EXPERT, opened());
    let given_up = slow.wait();
    assert_eq!(given_up, "nobody came | cancel 2 | close 2 | music 0 off | ringback 1 off | route");
    let mut unusable = Room::consulting();
    let video = LegEvent::Answered { body: Some("v=0".into()) };
    assert_eq!(unusable.on(EXPERT, video), "open 3 | bye 2 58 | close 2");
}

#[test]
fn early_media_is_heard_by_whoever_waits_and_may_still_fail() {
    let mut room = Room::consulting();
    let early = |port: u16| LegEvent::Progress {
        code: 183,
        body: Some(sdp("sendrecv").replace("40000", &port.to_string())),
    };
    assert_eq!(room.on(EXPERT, early(4_000)), "connect 2 recvonly | ringback 1 off | route");
    assert_eq!(room.heard(), "1:2");
    // Another branch of a fork.
    assert_eq!(room.on(EXPERT, early(4_100)), "connect 2 recvonly");
    let mut other = room.clone();
    assert_eq!(
        room.on(EXPERT, LegEvent::Failed { code: 480 }),
        "open 3 | close 2 | route | ringback 1 on"
    );
    let bare = LegEvent::Answered { body: None };
    assert_eq!(
        other.on(EXPERT, bare),
        "connect 2 sendrecv | recognise 2 | route",
        "the last one counts"
    );
}

#[test]
fn one_of_three_may_leave_and_the_last_is_let_go() {
    let mut room = Room::three();
    assert_eq!(room.on(CITIZEN, LegEvent::Bye), "close 0 | route");
    assert_eq!(room.heard(), "1:2 2:1");
    assert_eq!(
        room.on(EXPERT, LegEvent::Bye),
        "store ended party_hung_up | bye 1 16 | close 1 | seat ended 7 | close 2 | finished"
    );
    let mut room = Room::three();
    assert_eq!(room.on(SEAT, LegEvent::Bye), "close 1 | seat ended 7 | route");
    assert_eq!(room.heard(), "0:2 2:0");
    let farewell = room.on(EXPERT, LegEvent::Bye);
    assert_eq!(farewell, "play 0 Farewell | close 2 | route");
    assert_eq!(
        room.done(CITIZEN),
        "stop 0 | store ended party_hung_up | bye 0 16 | close 0 | finished"
    );
}

#[test]
fn both_hang_up_at_once() {
    let mut room = Room::talking();
    assert_eq!(room.on(SEAT, LegEvent::Bye), "play 0 Farewell | close 1 | seat ended 7 | route");
    assert_eq!(
        room.on(CITIZEN, LegEvent::Bye),
        "stop 0 | store ended caller_hung_up | close 0 | finished"
    );
}

#[test]
fn a_seat_that_vanishes_leaves_the_citizen_to_the_expert_or_to_the_queue() {
    let queue = "store queued 1 | enqueue 1 front";
    let mut held = Room::talking();
    held.order(Command::Hold);
    assert_eq!(
        held.on(SEAT, LegEvent::Bye),
        format!("{queue} | music 0 off | play 0 PleaseWait | close 1 | seat ended 7")
    );
    assert_eq!(held.done(CITIZEN), "music 0 on");
    let mut by_phone = Room::talking();
    by_phone.on(SEAT, reinvite("sendonly"));
    let left = by_phone.on(SEAT, LegEvent::Bye);
    assert!(left.starts_with(queue), "{left}");
    let mut lost = Room::talking();
    assert_eq!(
        lost.on(SEAT, LegEvent::MediaInactive),
        format!("{queue} | play 0 PleaseWait | bye 1 27 | close 1 | seat ended 7 | route")
    );
    let mut rings = Room::consulting();
    assert_eq!(
        rings.on(SEAT, LegEvent::TransportLost),
        format!(
            "{queue} | music 0 off | play 0 PleaseWait | close 1 | seat ended 7 | cancel 2 | close 2"
        )
    );
    let mut consulted = Room::consulted();
    assert_eq!(
        consulted.on(SEAT, LegEvent::Bye),
        "store transferred 1>2 | close 1 | seat ended 7 | music 0 off | route"
    );
    assert_eq!(consulted.heard(), "0:2 2:0");
}

#[test]
fn a_citizen_who_is_gone_while_the_expert_rings_ends_it() {
    let mut room = Room::consulting();
    assert_eq!(
        room.on(CITIZEN, LegEvent::Bye),
        "store ended caller_hung_up | close 0 | bye 1 16 | close 1 | seat ended 7 | cancel 2 | close 2"
    );
    assert_eq!(room.on(EXPERT, answered()), "bye 2 16 | finished");
}

#[test]
fn a_supervisor_changes_nothing_for_anybody_by_coming() {
    let mut room = Room::talking();
    let watch = |mode| Command::Supervise { target: extension("900"), mode };
    assert_eq!(room.order(watch(SuperviseMode::Listen)), "open 2 | ok");
    room.on(EXPERT, opened());
    assert_eq!(room.on(EXPERT, answered()), "connect 2 sendrecv | store listen | route");
    assert_eq!(room.heard(), "0:1 1:0 2:01");
    assert_eq!(room.order(watch(SuperviseMode::Whisper)), "store whisper | ok | route");
    assert_eq!(room.heard(), "0:1 1:02 2:01");
    assert_eq!(room.order(watch(SuperviseMode::Barge)), "store barge | ok | route");
    assert_eq!(room.heard(), "0:12 1:02 2:01");
    room.order(watch(SuperviseMode::Listen));
    // Who is watched neither sends the watcher away nor silences it.
    assert_eq!(room.order_by(By::Leg(SEAT), Command::Drop { leg: EXPERT }), "refused NotAllowed");
    let mute = Command::Mute { leg: EXPERT, on: true };
    assert_eq!(room.order_by(By::Leg(SEAT), mute), "refused NotAllowed");
    assert_eq!(
        room.on(CITIZEN, LegEvent::Bye),
        "store ended caller_hung_up | close 0 | bye 1 16 | close 1 | seat ended 7 | bye 2 16 | close 2 | finished"
    );
}

#[test]
fn a_supervisor_does_not_hear_a_held_citizen_nor_is_heard_by_it() {
    let mut room = Room::talking();
    let mode = SuperviseMode::Barge;
    room.order(Command::Supervise { target: extension("900"), mode });
    room.on(EXPERT, opened());
    room.on(EXPERT, answered());
    room.order(Command::Hold);
    assert_eq!(room.heard(), "1:2 2:1");
}

#[test]
fn our_re_invite_that_meets_the_peers_goes_again() {
    let mut room = Room::talking();
    room.on(SEAT, reinvite("sendonly"));
    assert_eq!(room.order(Command::Resume), "reoffer 1 | ok");
    assert_eq!(room.on(SEAT, reinvite("sendonly")), "re-491 1");
    let update = || LegEvent::Update { offer: sdp("sendrecv") };
    assert_eq!(room.on(SEAT, update()), "up-491 1");
    assert_eq!(room.on(SEAT, LegEvent::Failed { code: 491 }), "");
    assert_eq!(room.wait(), "reoffer 1");
    assert_eq!(room.on(SEAT, LegEvent::Failed { code: 500 }), "");
    assert_eq!(room.on(SEAT, update()), "connect 1 sendrecv | up-200 1 | music 0 off | route");
}

#[test]
fn who_may_not_ask_is_told_so() {
    let mut room = Room::talking();
    assert_eq!(room.order_by(By::Leg(CITIZEN), Command::Hold), "refused NotAllowed");
    assert_eq!(room.order_by(By::Leg(EXPERT), Command::Hold), "refused NoSuchLeg");
    assert_eq!(room.order_by(By::Leg(SEAT), Command::Hold), "ok | route | music 0 on");
    assert_eq!(room.order(Command::CompleteTransfer), "refused Nobody");
    assert_eq!(room.order(Command::Transfer { targets: vec![], blind: true }), "refused Nobody");
    assert_eq!(Room::queued().order(Command::Hold), "refused NotNow");
    let mut busy = Room::consulting();
    let again = Command::Consult { targets: experts(&["803"]), role: Role::Expert };
    assert_eq!(busy.order(again), "refused Underway");
}

#[test]
fn mute_pause_and_hang_up() {
    let mut room = Room::talking();
    assert_eq!(room.order(Command::Mute { leg: SEAT, on: true }), "ok | route | music 0 on");
    assert_eq!(room.heard(), "1:0");
    room.order(Command::Mute { leg: SEAT, on: false });
    assert_eq!(room.order(Command::PauseRecording), "pause | store paused | ok");
    assert_eq!(room.order(Command::PauseRecording), "refused AlreadySo");
    let mut handed_on = room.clone();
    let blind = Command::Transfer { targets: experts(&["801"]), blind: true };
    let said = handed_on.order(blind);
    assert!(said.contains("store resumed | resume"), "a pause ends with who asked for it: {said}");
    assert_eq!(room.order(Command::ResumeRecording), "store resumed | resume | ok");
    assert_eq!(
        room.order(Command::HangUp),
        "ok | store ended operator_hung_up | bye 0 16 | close 0 | bye 1 16 | close 1 | seat ended 7 | finished"
    );
}

#[test]
fn who_is_dropped_leaves_and_who_is_dialled_is_let_go() {
    let mut room = Room::three();
    assert_eq!(room.order(Command::Drop { leg: EXPERT }), "ok | bye 2 16 | close 2 | route");
    assert_eq!(room.heard(), "0:1 1:0");
    assert_eq!(room.order(Command::Drop { leg: EXPERT }), "refused NoSuchLeg");
    let mut rings = Room::consulting();
    let dropped = rings.order(Command::Drop { leg: EXPERT });
    assert_eq!(dropped, "ok | cancel 2 | close 2 | music 0 off | ringback 1 off | route");
}

#[test]
fn a_consent_does_not_wait_for_who_is_gone_or_does_not_listen() {
    let mut room = Room::consulted();
    room.on(CITIZEN, reinvite("sendonly"));
    room.order(Command::JoinConsulted);
    assert_eq!(room.on(SEAT, LegEvent::Bye), "stop 1 | close 1 | seat ended 7 | route");
    assert_eq!(room.done(EXPERT), "");
    assert_eq!(room.on(CITIZEN, reinvite("sendrecv")), "connect 0 sendrecv | re-200 0 | route");
    assert_eq!(room.heard(), "0:2 2:0");
    let again = Command::Consult { targets: experts(&["803"]), role: Role::Expert };
    assert!(room.order(again).contains("ok"), "nothing is under way");
    let mut left = Room::consulted();
    left.on(CITIZEN, reinvite("sendonly"));
    left.order(Command::JoinConsulted);
    left.done(EXPERT);
    left.on(SEAT, LegEvent::Bye);
    left.on(CITIZEN, reinvite("sendrecv"));
    assert_eq!(left.heard(), "0:2 2:0", "the one whose prompt was left is gone");
}

#[test]
fn an_expert_who_holds_is_out_of_three_and_the_others_talk_on() {
    let mut room = Room::three();
    assert_eq!(room.on(EXPERT, reinvite("inactive")), "connect 2 inactive | re-200 2 | route");
    assert_eq!(room.heard(), "0:1 1:0");
}
