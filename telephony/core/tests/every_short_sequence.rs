//! Every sequence of inputs up to a length, against what must always hold. States that were seen
//! are not walked again, so the count of sequences does not matter.

mod world;

use qingting_common::Millis;
use qingting_core::call::{
    Call, CallConfig, Hangup, Input, Origin, Output, Plan, PromptId, Record, Response,
};
use qingting_core::leg::LegEvent;
use std::collections::HashSet;
use world::{FIRST, VIDEO, offer, on, opened};

const LENGTH: usize = 8;

/// What has been seen of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    invited: bool,
    stored: bool,
    begun: u8,
    answered_row: u8,
    ended: u8,
    opened: u8,
    closed: u8,
    finals: u8,
    answered: bool,
    acknowledged: bool,
    byes: u8,
    finished: bool,
    playing: u32,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    call: Call,
    now: Millis,
    seen: Seen,
}

impl Node {
    fn step(&self, step: &Step) -> Self {
        let mut next = self.clone();
        let input = match step {
            Step::Input(input) => input.clone(),
            Step::PromptDone => Input::PromptDone { leg: FIRST, id: PromptId(next.seen.playing) },
            Step::Deadline => {
                next.now = next.call.next_deadline().unwrap_or(next.now);
                Input::Timer
            }
        };
        next.seen.invited |= matches!(input, Input::Invite { .. });
        next.seen.stored |= matches!(input, Input::Persisted) && next.seen.begun == 1;
        let ack =
            is_leg(&input, |event| matches!(event, LegEvent::Ack { .. } | LegEvent::AckTimeout))
                || matches!(step, Step::Deadline);
        next.seen.acknowledged |= ack && next.seen.answered;
        let was_over = next.call.is_over();
        let reinvite = is_leg(&input, |event| matches!(event, LegEvent::Reinvite { .. }))
            && self.seen.invited
            && !was_over;
        let cancelled = is_leg(&input, |event| *event == LegEvent::Cancel)
            && self.seen.invited
            && !was_over
            && !self.seen.acknowledged;
        let before = next.seen.byes;
        next.call.handle_input(next.now, input);
        let mut re_finals = 0;
        while let Some(output) = next.call.poll_output() {
            let is_re =
                matches!(output, Output::AnswerReinvite { .. } | Output::RejectReinvite { .. });
            re_finals += u8::from(is_re);
            next.seen.take(&output);
        }
        assert_eq!(re_finals, u8::from(reinvite), "one final response per re-INVITE");
        let bye_early = next.seen.byes > before && !next.seen.acknowledged;
        assert!(!bye_early, "no BYE of ours before the ACK: {:?}", next.seen);
        let unconnected = next.seen.finished && next.seen.byes == 0;
        assert!(!cancelled || unconnected, "a CANCEL ends what is not connected: {:?}", next.seen);
        next.seen.hold();
        next
    }
}

impl Seen {
    fn take(&mut self, output: &Output) {
        assert!(!self.finished, "after Finished came {output:?}");
        match output {
            Output::Persist(Record::Begin) => self.begun += 1,
            Output::Persist(Record::Answered) => {
                assert!(self.stored, "answered before the draft was stored");
                self.answered_row += 1;
            }
            Output::Persist(Record::Ended(_)) => self.ended += 1,
            Output::OpenMedia { .. } => {
                assert_eq!(self.begun, 1, "media before the row");
                self.opened += 1;
            }
            Output::Respond { response: Response::Ringing, .. } => {
                assert!(self.stored && self.finals == 0)
            }
            Output::Respond { response: Response::Answer { .. }, .. } => {
                assert!(self.stored && self.answered_row == 1, "200 before its row");
                self.answered = true;
                self.finals += 1;
            }
            Output::Respond { response: Response::Reject(_), .. } => {
                assert_eq!(self.ended, self.begun, "refused before its row");
                self.finals += 1;
            }
            Output::SendBye { .. } => {
                assert!(self.answered && self.ended == 1, "BYE without answer or row");
                self.byes += 1;
            }
            Output::Play { id, .. } => {
                assert!(self.answered);
                self.playing = id.0;
            }
            Output::CloseMedia { .. } => {
                assert_eq!(self.ended, 1);
                self.closed += 1;
            }
            Output::ConnectMedia { remote, .. } => {
                assert!(self.acknowledged || !remote.direction.sends(), "RTP before the ACK");
                assert_eq!((self.answered_row, self.closed), (1, 0));
            }
            Output::StartRecognition { .. } => assert_eq!((self.answered_row, self.closed), (1, 0)),
            Output::AnswerReinvite { .. }
            | Output::RejectReinvite { .. }
            | Output::StopPrompts { .. }
            | Output::Persist(Record::LegBegan { .. } | Record::LegAnswered { .. })
            | Output::Persist(Record::LegEnded { .. }) => {}
            Output::Finished => self.finished = true,
            other => panic!("a call of one leg wants {other:?}"),
        }
    }

    fn hold(&self) {
        assert!(self.finals <= 1 && self.byes <= 1 && self.ended <= self.begun);
        assert!(self.opened <= 1 && self.closed <= self.opened);
        if self.finished {
            assert_eq!(self.finals, 1, "{self:?}");
            assert_eq!((self.ended, self.closed), (self.begun, self.opened), "{self:?}");
        }
    }
}

fn is_leg(input: &Input, is: impl Fn(&LegEvent) -> bool) -> bool {
    matches!(input, Input::Leg { event, .. } if is(event))
}

enum Step {
    Input(Input),
    PromptDone,
    Deadline,
}

fn alphabet() -> Vec<Step> {
    let inputs = [
        Input::Invite { offer: Some(offer("sendrecv")) },
        Input::Invite { offer: None },
        Input::Invite { offer: Some(VIDEO.into()) },
        Input::Persisted,
        Input::PersistFailed,
        opened(),
        on(LegEvent::MediaFailed),
        on(LegEvent::Ack { answer: None }),
        on(LegEvent::Ack { answer: Some(offer("sendrecv")) }),
        on(LegEvent::AckTimeout),
        on(LegEvent::Cancel),
        on(LegEvent::Bye),
        on(LegEvent::Reinvite { offer: Some(offer("sendonly")) }),
        on(LegEvent::Reinvite { offer: Some(offer("sendrecv")) }),
        on(LegEvent::Reinvite { offer: None }),
        Input::SpeechHeard { leg: FIRST },
        Input::Timer,
        on(LegEvent::MediaInactive),
        Input::Hangup(Hangup::Operator),
        on(LegEvent::TransportLost),
    ];
    let mut steps: Vec<Step> = inputs.into_iter().map(Step::Input).collect();
    steps.push(Step::PromptDone);
    steps.push(Step::Deadline);
    steps
}

/// Walks every sequence of `alphabet` from `start`, up to `length` steps, and hands each new state
/// to `visit`.
fn walk(start: Node, length: usize, mut visit: impl FnMut(&Node)) -> usize {
    let alphabet = alphabet();
    let mut known = HashSet::from([start.clone()]);
    let mut edge = vec![start];
    for _ in 0..length {
        let mut next_edge = Vec::new();
        for node in &edge {
            for step in &alphabet {
                let next = node.step(step);
                if known.insert(next.clone()) {
                    visit(&next);
                    next_edge.push(next);
                }
            }
        }
        edge = next_edge;
    }
    known.len()
}

fn start() -> Node {
    let call = Call::new(CallConfig::default(), Origin::Citizen(Plan::default()));
    Node { call, now: Millis(0), seen: Seen::default() }
}

/// An answered and acknowledged call, so that the short sequences reach far into it.
fn talking() -> Node {
    let invite = Step::Input(Input::Invite { offer: Some(offer("sendrecv")) });
    let ack = Step::Input(on(LegEvent::Ack { answer: None }));
    let steps = [invite, Step::Input(Input::Persisted), Step::Input(opened()), Step::Deadline, ack];
    let node = steps.iter().fold(start(), |node, step| node.step(step));
    assert!(node.seen.acknowledged);
    node
}

/// Whatever has happened, a hang-up and the passing of time end the call.
fn ends(node: &Node) {
    if !node.seen.invited {
        return;
    }
    let last = [
        on(LegEvent::Bye),
        Input::Hangup(Hangup::Drain),
        on(LegEvent::Cancel),
        on(LegEvent::TransportLost),
    ];
    for last in last {
        let mut node = node.step(&Step::Input(last.clone()));
        for _ in 0..16 {
            if node.seen.finished {
                break;
            }
            node = node.step(&Step::Deadline);
        }
        assert!(node.seen.finished, "after {last:?} the call never ends: {:?}", node.seen);
        assert_eq!(node.call.next_deadline(), None);
    }
}

#[test]
fn every_short_beginning_keeps_the_rules_and_can_be_ended() {
    let states = walk(start(), LENGTH, ends);
    assert!(states > 100, "{states} states");
}

#[test]
fn every_short_conversation_keeps_the_rules_and_can_be_ended() {
    let states = walk(talking(), LENGTH, ends);
    assert!(states > 500, "{states} states");
}
