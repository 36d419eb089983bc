//! What one follow-up came to, from its raw answers.

use crate::attempt::Status;
use crate::script::AnswerName;
use qingting_common::Pii;
use qingting_nlu::answers::{Cause, Question};

/// The questions whose answers a result is made of.
pub const OF_RESULT: [Question; 3] = [Question::Contacted, Question::Resolved, Question::Satisfied];

/// An answer as it counts: the machine's, or the one that a person put in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// To which question.
    pub question: Question,
    /// What.
    pub answer: AnswerName,
    /// The kind of a reason.
    pub cause: Option<Cause>,
    /// The citizen's words.
    pub text: Pii<String>,
}

/// What one follow-up came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// How it ended.
    pub status: Status,
    /// 响应: none when it was not answered. **Silence and an unreached citizen are no answer.**
    pub contacted: Option<AnswerName>,
    /// 解决.
    pub resolved: Option<AnswerName>,
    /// 满意.
    pub satisfied: Option<AnswerName>,
    /// The kind of the reason.
    pub reason: Option<Cause>,
    /// The citizen's words.
    pub reason_text: Pii<String>,
    /// The unit has to handle it again: not satisfied in the first round.
    pub redo: bool,
    /// Nothing comes after this round.
    pub is_final: bool,
}

/// Which round of a ticket's follow-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Round {
    /// After the ticket was closed.
    First,
    /// After it was handled again; the answer is final.
    AfterRedo,
}

impl Verdict {
    /// What the answers of all attempts of a follow-up come to; the later one to a question counts.
    pub fn of(status: Status, round: Round, answers: &[Counted]) -> Self {
        let last = |question: Question| answers.iter().rfind(|given| given.question == question);
        let value = |question| {
            let given: Option<&Counted> = last(question);
            // A wish to be called later is no answer to what was asked.
            given.map(|given| given.answer).filter(|answer| !AnswerName::EXITS.contains(answer))
        };
        let reason = last(Question::Reason).filter(|given| given.answer == AnswerName::Because);
        let satisfied = value(Question::Satisfied);
        let is_dissatisfied =
            matches!(satisfied, Some(AnswerName::Dissatisfied | AnswerName::VeryDissatisfied));
        Self {
            status,
            contacted: value(Question::Contacted),
            resolved: value(Question::Resolved),
            satisfied,
            reason: reason.and_then(|given| given.cause),
            reason_text: reason.map(|given| given.text.clone()).unwrap_or_default(),
            redo: is_dissatisfied && round == Round::First,
            is_final: !is_dissatisfied || round == Round::AfterRedo,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(question: Question, answer: AnswerName) -> Counted {
        Counted { question, answer, cause: None, text: Pii::default() }
    }

    #[test]
    fn a_dissatisfied_citizen_is_heard_again_once() {
        let answers = [given(Question::Satisfied, AnswerName::Dissatisfied)];
        let first = Verdict::of(Status::Completed, Round::First, &answers);
        assert!(first.redo && !first.is_final);
        let second = Verdict::of(Status::Completed, Round::AfterRedo, &answers);
        assert!(!second.redo && second.is_final);
    }

    #[test]
    fn what_was_not_answered_has_no_value() {
        let answers = [given(Question::Contacted, AnswerName::CallLater)];
        let verdict = Verdict::of(Status::Unreached, Round::First, &answers);
        assert_eq!((verdict.contacted, verdict.resolved, verdict.satisfied), (None, None, None));
        assert!(!verdict.redo);
    }

    #[test]
    fn the_later_answer_counts() {
        let answers =
            [given(Question::Resolved, AnswerName::Yes), given(Question::Resolved, AnswerName::No)];
        let verdict = Verdict::of(Status::Completed, Round::First, &answers);
        assert_eq!(verdict.resolved, Some(AnswerName::No));
    }
}
