//! What a citizen answers to a question of a callback (回访). Pure.
//!
//! **An answer is never guessed.** [`AnswerReader::read`] is told the question and the words and returns
//! one [`Answer`] with its confidence and the words it rests on; what can be taken two ways, counter
//! questions, conditions and hearsay are [`Answer::Unclear`]. The dialogue that drives it
//!
//! * takes a reading from [`ACCEPT_MIN`] on as the answer;
//! * repeats a reading below that to the citizen and asks whether it is right, with
//!   [`Question::Confirm`];
//! * asks an unclear question again in other words, then by keys, then hands the call to a person.
//!
//! [`Answer::StopCalling`], [`Answer::HandToPerson`], [`Answer::CallLater`], [`Answer::Busy`] and
//! [`Answer::WrongPerson`] may come to any question. An answer to the question asked outweighs a
//! [`Answer::Busy`] and a [`Answer::CallLater`] in the same words, never the other way round: who says
//! 解决了，我在开车 has answered.

mod reader;

pub use reader::AnswerReader;

use crate::LocalTime;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// From this confidence on a reading is the answer.
pub const ACCEPT_MIN: f32 = 0.7;
/// Below this confidence a reading is [`Answer::Unclear`]; between the two it wants a confirmation.
pub const CONFIRM_MIN: f32 = 0.5;
/// How sure an answer is at most that only one of two hearings bears: it is repeated to the citizen.
const DOUBTED: f32 = 0.65;
const _: () = assert!(CONFIRM_MIN <= DOUBTED && DOUBTED < ACCEPT_MIN);
/// Most characters of one answer that are read.
pub const ANSWER_CHARS_MAX: usize = 400;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// 请问您是…本人吗: [`Answer::Yes`] or [`Answer::WrongPerson`].
    RightPerson,
    /// 承办单位联系过您吗 (响应): [`Answer::Yes`] or [`Answer::No`].
    Contacted,
    /// 问题解决了吗 (解决): [`Answer::Yes`], [`Answer::Partly`] or [`Answer::No`].
    Resolved,
    /// 您对处理结果是否满意: [`Answer::Rated`]. A bare 对 or 好 is no level.
    Satisfied,
    /// 主要是什么原因: [`Answer::Because`], or [`Answer::No`] when he gives none.
    Reason,
    /// 还有其他要反映的吗: [`Answer::Yes`] or [`Answer::No`].
    AnythingElse,
    /// 什么时候方便再打给您: [`Answer::CallLater`] or [`Answer::StopCalling`].
    WhenToCall,
    /// 您是说…，对吗: [`Answer::Yes`] or [`Answer::No`].
    Confirm,
}

impl Question {
    /// The question and what most answer to it, for a recogniser that can be told what to expect. The answers
    /// are given evenly, so that none is preferred. Nothing for a reason, which is told freely,
    /// and for a confirmation: neither is repeated, so that nothing would be left to mend what was only expected.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::RightPerson => "请问您是本人吗？是的，我是。不是，你打错了。",
            Self::Contacted => "有没有联系过您？有，联系过。没有，没联系过。",
            Self::Resolved => "问题解决了吗？解决了。没有解决。解决了一部分。",
            Self::Satisfied => "您对处理结果满意吗？非常满意。满意。基本满意。不满意。非常不满意。",
            Self::Reason | Self::Confirm => "",
            Self::AnythingElse => "您还有其他问题要反映吗？没有了。有，还有一个问题。",
            Self::WhenToCall => "什么时候方便再打给您？明天上午。晚上八点以后。",
        }
    }
}

/// The five levels of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Satisfaction {
    /// 非常满意.
    VerySatisfied,
    /// 满意.
    Satisfied,
    /// 基本满意.
    FairlySatisfied,
    /// 不满意.
    Dissatisfied,
    /// 非常不满意.
    VeryDissatisfied,
}

impl Satisfaction {
    /// Every level, the best first: keys 1 to 5.
    pub const ALL: [Self; 5] = [
        Self::VerySatisfied,
        Self::Satisfied,
        Self::FairlySatisfied,
        Self::Dissatisfied,
        Self::VeryDissatisfied,
    ];

    /// The level as citizens and tickets call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerySatisfied => "非常满意",
            Self::Satisfied => "满意",
            Self::FairlySatisfied => "基本满意",
            Self::Dissatisfied => "不满意",
            Self::VeryDissatisfied => "非常不满意",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// Why a citizen is not satisfied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// 未联系: nobody got in touch.
    NotContacted,
    /// 未解决: the matter is as it was.
    NotResolved,
    /// 推诿: every office names another.
    Shirking,
    /// 太慢.
    Slow,
    /// 态度差.
    Attitude,
    /// 答复不清: the reply explains nothing.
    UnclearReply,
    /// 反复: it came back.
    CameBack,
    /// 虚假办结: closed without having been handled.
    FalselyClosed,
    /// 其他: a cause of another kind.
    Other,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 9] = [
        Self::NotContacted,
        Self::NotResolved,
        Self::Shirking,
        Self::Slow,
        Self::Attitude,
        Self::UnclearReply,
        Self::CameBack,
        Self::FalselyClosed,
        Self::Other,
    ];

    /// The cause as reports call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotContacted => "未联系",
            Self::NotResolved => "未解决",
            Self::Shirking => "推诿",
            Self::Slow => "太慢",
            Self::Attitude => "态度差",
            Self::UnclearReply => "答复不清",
            Self::CameBack => "反复",
            Self::FalselyClosed => "虚假办结",
            Self::Other => "其他",
        }
    }

    /// The cause of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// In part.
    Partly,
    /// A level of satisfaction.
    Rated(Satisfaction),
    /// A reason of that kind; the citizen's own words are the reason's text.
    Because(Cause),
    /// Somebody else answered, or the number is not the citizen's.
    WrongPerson,
    /// He cannot talk now and says no time.
    Busy,
    /// He wants to be called at another time; [`AnswerReading::span`] holds it as he said it.
    CallLater {
        /// The first minute that fits his words, where they make it certain. A day alone begins at
        /// midnight, a part of the day at its first hour.
        earliest: Option<LocalTime>,
    },
    /// He does not want to be called again.
    StopCalling,
    /// He wants to talk to a person.
    HandToPerson,
    /// None of these for certain.
    Unclear,
}

/// An answer that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerReading {
    /// The answer.
    pub answer: Answer,
    /// 0 to 1, that of the recogniser included; 0 for [`Answer::Unclear`].
    pub confidence: f32,
    /// The words that it rests on, counted in characters of the text; empty for [`Answer::Unclear`].
    pub span: Range<usize>,
}

impl AnswerReading {
    /// Nothing certain.
    pub(crate) const UNCLEAR: Self = Self { answer: Answer::Unclear, confidence: 0.0, span: 0..0 };
}

/// Which of two hearings an answer was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Without any expectation.
    Plain,
    /// With [`Question::expected`] in the ear.
    Expecting,
}

/// What the citizen said.
#[derive(Clone, Copy, PartialEq)]
pub struct Said<'a> {
    /// The words as they were recognised.
    pub text: &'a str,
    /// The recogniser's confidence, 0 to 1; 1 where it tells none.
    pub confidence: f32,
    /// When he said them: 下午 and 明天 count from here.
    pub at: LocalTime,
}
