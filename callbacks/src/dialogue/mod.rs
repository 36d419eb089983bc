//! One callback's talk with one citizen.
//!
//! [`Dialogue`] is told what is heard and when, says what to play, and gives each answer to be stored
//! before it says the next thing.

mod asking;
mod machine;

pub use machine::Dialogue;

use crate::script::{AnswerName, EndingName, Rendered};
use qingting_common::{Millis, Pii};
use qingting_nlu::LocalTime;
use qingting_nlu::answers::{Cause, Question};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A person has answered and can hear.
    Begin,
    /// A prompt was played to its end.
    PromptDone {
        /// Which; one that was stopped meanwhile is ignored.
        id: PlayId,
    },
    /// A key: 0–9, `*`, `#`, A–D.
    Key(char),
    /// A voice is heard; words may follow.
    Voice,
    /// The recogniser's words of one sentence.
    Words(Words),
    /// The answer of [`Output::Store`] is committed.
    Stored,
    /// It could not be committed.
    NotStored,
    /// It was a machine that answered, as its words show by now.
    Machine,
    /// The deadline of [`Dialogue::next_deadline`] has come.
    Timer,
}

/// What the recogniser heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// The words.
    pub text: Pii<String>,
    /// 0 to 1.
    pub confidence: f32,
    /// The same and its confidence, heard as an answer to [`Output::Listen`], where that differs.
    pub expected: Option<(Pii<String>, f32)>,
    /// They will change no more.
    pub is_final: bool,
    /// When they began and ended, on the clock of the inputs.
    pub spoken: (Millis, Millis),
    /// Where they are in the recording, in ms of the call.
    pub clip_ms: (u64, u64),
    /// The clock on the wall.
    pub at: LocalTime,
}

/// One thing to do, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A question comes next: what is said from here on answers it.
    Listen(Question),
    /// Play these sentences.
    Play {
        /// Comes back in [`Input::PromptDone`].
        id: PlayId,
        /// What.
        text: Rendered,
    },
    /// Stop what is playing.
    StopPrompts,
    /// Commit this answer; reported back as [`Input::Stored`] or [`Input::NotStored`]. A later one to the
    /// same question replaces it.
    Store(Answered),
    /// The talk is over; nothing comes after this.
    End(Ending),
}

/// One playing of a prompt, numbered from 1 within its talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlayId(pub u32);

/// How an answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// In words.
    Speech,
    /// By a key.
    Key,
}

/// An answer to be kept.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Answered {
    /// To which question.
    pub question: Question,
    /// What.
    pub answer: AnswerName,
    /// The kind of a reason.
    pub cause: Option<Cause>,
    /// The citizen's own words, or the key.
    pub text: Pii<String>,
    /// 0 to 1; 1 for a key and for what the citizen confirmed.
    pub confidence: f32,
    /// How.
    pub by: By,
    /// It was repeated to the citizen, who said that it is right.
    pub confirmed: bool,
    /// Where the words are in the recording, in ms of the call.
    pub clip_ms: Option<(u64, u64)>,
}

/// How a talk ended by itself. A citizen who hangs up ends it without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At an end of the script.
    Script {
        /// Which.
        name: EndingName,
        /// For [`EndingName::CallLater`]: the first minute that the citizen named, where it is certain.
        later: Option<LocalTime>,
    },
    /// A seat is wanted.
    Seat,
    /// A machine had answered.
    Machine,
    /// Answers could not be stored.
    Fault,
}
