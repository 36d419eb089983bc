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
    /// The citizen is called once more after that.
    pub calls_again: bool,
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
    /// What somebody else has answered counts for nothing.
    pub fn of(status: Status, round: Round, answers: &[Counted]) -> Self {
        let answers = if status == Status::WrongNumber { &[] } else { answers };
        let last = |question: Question| answers.iter().rfind(|given| given.question == question);
        let value = |question| last(question).map(|given| given.answer).filter(is_value);
        let reason = last(Question::Reason).filter(|given| given.answer == AnswerName::Because);
        let satisfied = value(Question::Satisfied);
        let is_dissatisfied =
            matches!(satisfied, Some(AnswerName::Dissatisfied | AnswerName::VeryDissatisfied));
        let may_be_called = !matches!(status, Status::Refused | Status::Cancelled);
        Self {
            status,
            contacted: value(Question::Contacted),
            resolved: value(Question::Resolved),
            satisfied,
            reason: reason.and_then(|given| given.cause),
            reason_text: reason.map(|given| given.text.clone()).unwrap_or_default(),
            redo: is_dissatisfied && round == Round::First,
            calls_again: is_dissatisfied && round == Round::First && may_be_called,
            is_final: !is_dissatisfied || round == Round::AfterRedo || !may_be_called,
        }
    }
}

/// A wish to be called later is no answer to what was asked.
fn is_value(answer: &AnswerName) -> bool {
    !AnswerName::EXITS.contains(answer)
}

/// Whether one of the questions of a result has an answer.
pub fn has_answers(given: &[Counted]) -> bool {
    given.iter().any(|given| OF_RESULT.contains(&given.question) && is_value(&given.answer))
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
    fn whoever_refused_is_not_called_again_and_a_stranger_has_said_nothing() {
        let answers = [given(Question::Satisfied, AnswerName::Dissatisfied)];
        let refused = Verdict::of(Status::Refused, Round::First, &answers);
        assert!(refused.redo && !refused.calls_again && refused.is_final);
        let stranger = Verdict::of(Status::WrongNumber, Round::First, &answers);
        assert!(stranger.satisfied.is_none() && !stranger.redo && !stranger.calls_again);
        assert!(has_answers(&answers));
        assert!(!has_answers(&[given(Question::Contacted, AnswerName::CallLater)]));
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
