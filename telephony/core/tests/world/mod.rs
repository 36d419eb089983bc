//! A call and its surroundings, in which time moves only when it is told to.

#![allow(dead_code, reason = "each test file uses its own part of the world")]

use qingting_common::Millis;
use qingting_core::call::{
    Call, CallConfig, Input, LegId, Origin, Output, Plan, PromptId, Record, Response,
};
use qingting_core::leg::LegEvent;

/// An offer of A-law with telephone-event under 97, with this direction.
pub(crate) fn offer(direction: &str) -> String {
    format!(
        "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 8 0 97\r\na=rtpmap:97 telephone-event/8000\r\na={direction}\r\n"
    )
}

/// A video-only offer, which nobody here can answer.
pub(crate) const VIDEO: &str =
    "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\nc=IN IP4 192.0.2.9\r\nm=video 4000 RTP/AVP 96\r\n";

/// A call, the time, and what it asked for.
pub(crate) struct World {
    pub(crate) call: Call,
    pub(crate) now: Millis,
    pub(crate) playing: PromptId,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            call: Call::new(CallConfig::default(), Origin::Citizen(Plan::default())),
            now: Millis(1_000),
            playing: PromptId(0),
        }
    }

    /// A call that was invited with this offer and is ringing.
    pub(crate) fn ringing() -> Self {
        let mut world = Self::new();
        world.feed(Input::Invite { offer: Some(offer("sendrecv")) });
        world.feed(Input::Persisted);
        assert_eq!(world.feed(opened()), "180");
        world
    }

    /// A call that was answered and not yet acknowledged.
    pub(crate) fn answered() -> Self {
        let mut world = Self::ringing();
        assert_eq!(world.wait(), "store answered | connect recvonly | 200 | recognise");
        world
    }

    /// A call whose notice is being played.
    pub(crate) fn established() -> Self {
        let mut world = Self::answered();
        let ack = world.feed(on(LegEvent::Ack { answer: None }));
        assert_eq!(ack, "connect sendrecv | play Notice");
        world
    }

    /// A call in which the caller has the word.
    pub(crate) fn listening() -> Self {
        let mut world = Self::established();
        assert_eq!(world.done(), "play Greeting");
        assert_eq!(world.done(), "");
        world
    }

    /// Feeds an input and tells what the call asks for, in one line.
    pub(crate) fn feed(&mut self, input: Input) -> String {
        self.call.handle_input(self.now, input);
        let mut said = Vec::new();
        while let Some(output) = self.call.poll_output() {
            if let Output::Play { id, .. } = output {
                self.playing = id;
            }
            said.extend(tell(&output));
        }
        said.join(" | ")
    }

    /// The prompt that is playing ends.
    pub(crate) fn done(&mut self) -> String {
        self.feed(Input::PromptDone { leg: FIRST, id: self.playing })
    }

    /// Time goes on to the next deadline.
    pub(crate) fn wait(&mut self) -> String {
        self.now = self.call.next_deadline().expect("the call waits for a time");
        self.feed(Input::Timer)
    }

    pub(crate) fn reinvite(&mut self, direction: &str) -> String {
        self.feed(on(LegEvent::Reinvite { offer: Some(offer(direction)) }))
    }
}

/// The citizen's leg.
pub(crate) const FIRST: LegId = LegId(0);

/// Something happens to the citizen's leg.
pub(crate) fn on(event: LegEvent) -> Input {
    Input::Leg { leg: FIRST, event }
}

pub(crate) fn opened() -> Input {
    on(LegEvent::MediaOpened { local: "192.0.2.1:30000".parse().expect("an address") })
}

/// What an output asks for, in a word or two; `None` for the rows of single legs.
fn tell(output: &Output) -> Option<String> {
    Some(match output {
        Output::Persist(Record::Begin) => "store begin".into(),
        Output::Persist(Record::Answered) => "store answered".into(),
        Output::Persist(Record::Ended(cause)) => format!("store ended {}", cause.as_str()),
        Output::Persist(
            Record::LegBegan { .. } | Record::LegAnswered { .. } | Record::LegEnded { .. },
        ) => return None,
        Output::OpenMedia { .. } => "open".into(),
        Output::ConnectMedia { remote, .. } => format!("connect {}", remote.direction.as_str()),
        Output::Respond { response: Response::Ringing, .. } => "180".into(),
        Output::Respond { response: Response::Answer { .. }, .. } => "200".into(),
        Output::Respond { response: Response::Reject(r), .. } => match r.retry_after {
            Some(after) => format!("{} retry-after {}", r.status, after.as_secs()),
            None => r.status.to_string(),
        },
        Output::AnswerReinvite { sdp, .. } => format!("re-200 {}", said(sdp)),
        Output::RejectReinvite { rejection, .. } => format!("re-{}", rejection.status),
        Output::Play { prompt, .. } => format!("play {prompt:?}"),
        Output::StopPrompts { .. } => "stop".into(),
        Output::StartRecognition { .. } => "recognise".into(),
        Output::SendBye { reason, .. } => format!("bye {}", reason.q850),
        Output::CloseMedia { .. } => "close".into(),
        Output::Finished => "finished".into(),
        other => format!("{other:?}"),
    })
}

/// The version and the direction of a description of ours.
fn said(sdp: &str) -> String {
    let direction = ["sendrecv", "sendonly", "recvonly", "inactive"]
        .into_iter()
        .find(|direction| sdp.contains(&format!("a={direction}\r\n")));
    let version = sdp.split_whitespace().nth(3).unwrap_or_default();
    format!("v{version} {}", direction.unwrap_or("-"))
}
