//! Rates (响应率, 解决率, 满意率) from raw results, by formulas that a city sets.

use crate::attempt::Status;
use crate::result::Verdict;
use crate::script::AnswerName;
use qingting_nlu::answers::Question;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rate: the weights of the answers that count, over whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Formula {
    /// `contacted`, `resolved` or `satisfied`; empty for rates that count results alone.
    #[serde(default)]
    pub question: String,
    /// What each answer counts, 0 to 1; one that is not named counts 0.
    #[serde(default)]
    pub counts: BTreeMap<AnswerName, f64>,
    /// What each status counts, for rates without a question.
    #[serde(default)]
    pub statuses: BTreeMap<Status, f64>,
    /// Over whom.
    pub of: Whole,
}

/// Over whom a rate is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whole {
    /// Who answered the question.
    Answered,
    /// Who was reached.
    Reached,
    /// Everybody whose follow-up has ended.
    All,
}

/// A rate as it came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The weights of those who count.
    pub part: f64,
    /// Over how many it is taken.
    pub whole: u64,
}

impl Rate {
    /// Between 0 and 1; none over nobody.
    pub fn value(self) -> Option<f64> {
        (self.whole > 0).then(|| self.part / self.whole as f64)
    }
}

/// A formula that cannot be meant.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FormulaError {
    /// No such question.
    #[error("`question = {0:?}`: it is contacted, resolved or satisfied, or left out")]
    Question(String),
    /// A weight that is no part.
    #[error("a weight is {0}: it is 0 to 1")]
    Weight(f64),
    /// Answers without a question, or a question without answers.
    #[error("a rate counts either answers to a `question` in `counts`, or `statuses`")]
    Both,
}

impl Formula {
    /// Whether it can be meant.
    pub fn check(&self) -> Result<(), FormulaError> {
        let question = self.asked();
        if !self.question.is_empty() && question.is_none() {
            return Err(FormulaError::Question(self.question.clone()));
        }
        if question.is_some() == self.counts.is_empty()
            || question.is_none() == self.statuses.is_empty()
        {
            return Err(FormulaError::Both);
        }
        let weights = self.counts.values().chain(self.statuses.values());
        match weights.copied().find(|weight| !(0.0..=1.0).contains(weight)) {
            Some(weight) => Err(FormulaError::Weight(weight)),
            None => Ok(()),
        }
    }

    fn asked(&self) -> Option<Question> {
        match self.question.as_str() {
            "contacted" => Some(Question::Contacted),
            "resolved" => Some(Question::Resolved),
            "satisfied" => Some(Question::Satisfied),
            _ => None,
        }
    }

    /// The rate over these results.
    pub fn over<'a>(&self, verdicts: impl IntoIterator<Item = &'a Verdict>) -> Rate {
        let mut rate = Rate { part: 0.0, whole: 0 };
        for verdict in verdicts {
            let answer = match self.asked() {
                Some(Question::Contacted) => verdict.contacted,
                Some(Question::Resolved) => verdict.resolved,
                Some(Question::Satisfied) => verdict.satisfied,
                _ => None,
            };
            let is_in = match self.of {
                Whole::Answered => answer.is_some(),
                Whole::Reached => is_reached(verdict.status),
                Whole::All => verdict.status != Status::Cancelled,
            };
            if !is_in {
                continue;
            }
            rate.whole += 1;
            let weight = match (self.asked(), answer) {
                (Some(_), Some(answer)) => self.counts.get(&answer),
                (Some(_), None) => None,
                (None, _) => self.statuses.get(&verdict.status),
            };
            rate.part += weight.copied().unwrap_or_default();
        }
        rate
    }
}

/// Whether a person was spoken to.
pub const fn is_reached(status: Status) -> bool {
    matches!(status, Status::Completed | Status::Partial | Status::HandedOver | Status::Refused)
}

/// The formulas where a city sets none: contact and completion over everybody, 响应率, 解决率 and 满意率 over
/// those who answered; 基本满意 counts as satisfied, 部分解决 as half.
pub fn defaults() -> BTreeMap<String, Formula> {
    use AnswerName as A;
    let of_question = |question: &str, counts: &[(A, f64)]| Formula {
        question: question.to_owned(),
        counts: counts.iter().copied().collect(),
        statuses: BTreeMap::new(),
        of: Whole::Answered,
    };
    let of_status = |statuses: &[Status]| Formula {
        question: String::new(),
        counts: BTreeMap::new(),
        statuses: statuses.iter().map(|status| (*status, 1.0)).collect(),
        of: Whole::All,
    };
    let reached: Vec<Status> =
        Status::ALL.into_iter().filter(|status| is_reached(*status)).collect();
    BTreeMap::from([
        ("contact".to_owned(), of_status(&reached)),
        ("completion".to_owned(), of_status(&[Status::Completed])),
        ("contacted".to_owned(), of_question("contacted", &[(A::Yes, 1.0)])),
        ("resolved".to_owned(), of_question("resolved", &[(A::Yes, 1.0), (A::Partly, 0.5)])),
        (
            "satisfied".to_owned(),
            of_question(
                "satisfied",
                &[(A::VerySatisfied, 1.0), (A::Satisfied, 1.0), (A::FairlySatisfied, 1.0)],
            ),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Round;

    fn verdict(status: Status, satisfied: Option<AnswerName>) -> Verdict {
        let mut verdict = Verdict::of(status, Round::First, &[]);
        verdict.satisfied = satisfied;
        verdict
    }

    #[test]
    fn an_unreached_citizen_is_in_no_rate_of_satisfaction() {
        let verdicts = [
            verdict(Status::Completed, Some(AnswerName::Satisfied)),
            verdict(Status::Completed, Some(AnswerName::Dissatisfied)),
            verdict(Status::Unreached, None),
            verdict(Status::Cancelled, None),
        ];
        let rates = defaults();
        let rate = |name: &str| rates[name].over(&verdicts);
        assert_eq!(rate("satisfied"), Rate { part: 1.0, whole: 2 });
        assert_eq!(rate("contact"), Rate { part: 2.0, whole: 3 });
        assert_eq!(rate("resolved").value(), None);
    }

    #[test]
    fn a_city_weighs_as_it_likes() {
        let formula: Formula = toml::from_str(
            "question = \"satisfied\"\nof = \"reached\"\ncounts = { satisfied = 1.0, fairly_satisfied = 0.6 }",
        )
        .expect("a formula");
        formula.check().expect("a good one");
        let verdicts = [
            verdict(Status::Completed, Some(AnswerName::FairlySatisfied)),
            verdict(Status::Refused, None),
        ];
        assert_eq!(formula.over(&verdicts), Rate { part: 0.6, whole: 2 });
    }

    #[test]
    fn formulas_that_cannot_be_meant_are_refused() {
        let read = |text: &str| toml::from_str::<Formula>(text).expect("TOML").check();
        assert_eq!(
            read("question = \"happy\"\nof = \"all\""),
            Err(FormulaError::Question("happy".into()))
        );
        assert_eq!(read("of = \"all\""), Err(FormulaError::Both));
        assert_eq!(
            read("question = \"resolved\"\nof = \"all\"\ncounts = { yes = 2.0 }"),
            Err(FormulaError::Weight(2.0))
        );
        assert!(defaults().values().all(|formula| formula.check().is_ok()));
    }
}
