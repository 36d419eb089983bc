//! What is said in a callback and where each answer leads: a graph of nodes, read from TOML.
//!
//! **A script is refused unless every way through it ends**: every node is reached, every question has a
//! most of askings and a way on for silence and for answers that nobody understands, and there is no
//! circle in which a citizen could be kept ([`check`](self)).

mod check;
mod read;
mod render;

pub use check::answers_of as answers_to;
pub use read::ScriptError;
pub use render::{Facts, PLACEHOLDERS, Rendered};

use qingting_nlu::answers::{Answer, Question, Satisfaction};
use std::collections::BTreeMap;
use std::time::Duration;

/// The script that the product ships.
pub const SATISFACTION: &str = include_str!("../../scripts/satisfaction.toml");

/// Most nodes of a script.
pub const NODES_MAX: usize = 200;
/// Most characters of one text.
pub const TEXT_CHARS_MAX: usize = 300;
/// Most times that one question is asked, the first one included.
pub const ASKED_MAX: u8 = 5;

/// The name of a node, unique in its script.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(transparent)]
pub struct NodeName(pub String);

/// A script whose every way ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    pub(crate) name: String,
    pub(crate) start: NodeName,
    pub(crate) nodes: BTreeMap<NodeName, Node>,
    /// Where an answer leads that may come to any question.
    pub(crate) exits: BTreeMap<AnswerName, NodeName>,
    pub(crate) confirm: Confirm,
}

/// How an answer that was read with little confidence is repeated to the citizen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The question; `{answer}` is what was understood.
    pub(crate) say: String,
    /// The keys for yes and no.
    pub(crate) keys: [char; 2],
    /// Longest wait for an answer.
    pub(crate) wait: Duration,
}

/// One place in a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Something is said, then it goes on.
    Say {
        /// What.
        say: String,
        /// Where it goes on.
        next: NodeName,
        /// Neither a voice nor a key cuts it.
        whole: bool,
    },
    /// The citizen is asked.
    Ask(Ask),
    /// The end.
    End {
        /// What is said first; may be empty.
        say: String,
        /// How the call counts.
        ending: EndingName,
    },
    /// The end: to a seat, which sees the ticket.
    Seat {
        /// What is said first; may be empty.
        say: String,
    },
}

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Which.
    pub question: Question,
    /// The first wording.
    pub say: String,
    /// Further wordings, for whoever was silent or not understood.
    pub again: Vec<String>,
    /// The wording that names the keys: the last that is tried.
    pub by_keys: String,
    /// What each key answers.
    pub keys: BTreeMap<char, AnswerName>,
    /// Where each answer leads; `other` is every answer that is not named.
    pub on: BTreeMap<AnswerName, NodeName>,
    /// Longest silence after the question.
    pub wait: Duration,
    /// How often silence is answered by asking again.
    pub silent_max: u8,
    /// How often words that are not understood are answered by asking again.
    pub unclear_max: u8,
    /// Where it goes on after that.
    pub silent: NodeName,
    /// Where it goes on after that.
    pub unclear: NodeName,
}

/// How a callback that came to an end of its script counts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum EndingName {
    /// All that the script asks was asked.
    Completed,
    /// It was not the citizen.
    WrongPerson,
    /// The citizen does not want to be called again.
    StopCalling,
    /// The citizen wants to be called at another time.
    CallLater,
    /// The citizen could not talk and said no time.
    Busy,
    /// The citizen said nothing.
    Silent,
    /// The citizen was not understood.
    Unclear,
}

/// An answer as scripts and results name it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum AnswerName {
    Yes,
    Partly,
    No,
    VerySatisfied,
    Satisfied,
    FairlySatisfied,
    Dissatisfied,
    VeryDissatisfied,
    /// A reason was given.
    Because,
    WrongPerson,
    Busy,
    CallLater,
    StopCalling,
    HandToPerson,
    /// Whatever is not named beside it.
    Other,
}

impl AnswerName {
    /// Answers that may come to any question, for which a script says once where they lead.
    pub const EXITS: [Self; 5] =
        [Self::StopCalling, Self::HandToPerson, Self::CallLater, Self::Busy, Self::WrongPerson];

    /// The name of an answer; none of an unclear one.
    pub const fn of(answer: &Answer) -> Option<Self> {
        Some(match answer {
            Answer::Yes => Self::Yes,
            Answer::No => Self::No,
            Answer::Partly => Self::Partly,
            Answer::Rated(level) => Self::rated(*level),
            Answer::Because(_) => Self::Because,
            Answer::WrongPerson => Self::WrongPerson,
            Answer::Busy => Self::Busy,
            Answer::CallLater { .. } => Self::CallLater,
            Answer::StopCalling => Self::StopCalling,
            Answer::HandToPerson => Self::HandToPerson,
            Answer::Unclear => return None,
        })
    }

    const fn rated(level: Satisfaction) -> Self {
        match level {
            Satisfaction::VerySatisfied => Self::VerySatisfied,
            Satisfaction::Satisfied => Self::Satisfied,
            Satisfaction::FairlySatisfied => Self::FairlySatisfied,
            Satisfaction::Dissatisfied => Self::Dissatisfied,
            Satisfaction::VeryDissatisfied => Self::VeryDissatisfied,
        }
    }

    /// The name in the database, the API and scripts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partly => "partly",
            Self::No => "no",
            Self::VerySatisfied => "very_satisfied",
            Self::Satisfied => "satisfied",
            Self::FairlySatisfied => "fairly_satisfied",
            Self::Dissatisfied => "dissatisfied",
            Self::VeryDissatisfied => "very_dissatisfied",
            Self::Because => "because",
            Self::WrongPerson => "wrong_person",
            Self::Busy => "busy",
            Self::CallLater => "call_later",
            Self::StopCalling => "stop_calling",
            Self::HandToPerson => "hand_to_person",
            Self::Other => "other",
        }
    }

    /// Every answer.
    pub const ALL: [Self; 15] = [
        Self::Yes,
        Self::Partly,
        Self::No,
        Self::VerySatisfied,
        Self::Satisfied,
        Self::FairlySatisfied,
        Self::Dissatisfied,
        Self::VeryDissatisfied,
        Self::Because,
        Self::WrongPerson,
        Self::Busy,
        Self::CallLater,
        Self::StopCalling,
        Self::HandToPerson,
        Self::Other,
    ];

    /// How it is repeated to a citizen who answered a question so; none where it is not repeated.
    pub const fn spoken(self, question: Question) -> Option<&'static str> {
        Some(match (question, self) {
            (Question::RightPerson, Self::Yes) => "您是本人",
            (Question::RightPerson, Self::WrongPerson) => "您不是本人",
            (Question::Contacted, Self::Yes) => "承办单位已经联系过您",
            (Question::Contacted, Self::No) => "承办单位没有联系过您",
            (Question::Resolved, Self::Yes) => "问题已经解决",
            (Question::Resolved, Self::Partly) => "问题部分解决",
            (Question::Resolved, Self::No) => "问题没有解决",
            (Question::Satisfied, Self::VerySatisfied) => "非常满意",
            (Question::Satisfied, Self::Satisfied) => "满意",
            (Question::Satisfied, Self::FairlySatisfied) => "基本满意",
            (Question::Satisfied, Self::Dissatisfied) => "不满意",
            (Question::Satisfied, Self::VeryDissatisfied) => "非常不满意",
            (Question::AnythingElse, Self::Yes) => "还有其他问题要反映",
            (Question::AnythingElse, Self::No) => "没有其他问题了",
            (_, Self::StopCalling) => "不希望再接到回访电话",
            (_, Self::HandToPerson) => "要转人工座席",
            (_, Self::CallLater | Self::Busy) => "现在不方便接听",
            (_, Self::WrongPerson) => "您不是本人",
            _ => return None,
        })
    }
}

impl Script {
    /// A script from its TOML; everything that is wrong with it otherwise.
    pub fn read(toml: &str) -> Result<Self, Vec<ScriptError>> {
        read::read(toml)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn questions(&self) -> impl Iterator<Item = &Ask> {
        self.nodes.values().filter_map(|node| match node {
            Node::Ask(ask) => Some(ask),
            _ => None,
        })
    }

    /// Every wording of every question, and of every repeated answer to it.
    pub fn question_texts(
        &self,
        facts: &Facts,
    ) -> impl Iterator<Item = (Question, Option<AnswerName>, Rendered)> {
        self.questions().flat_map(move |ask| {
            let wordings = [&ask.say, &ask.by_keys].into_iter().chain(&ask.again);
            let wordings = wordings.filter(|text| !text.is_empty());
            let asked = wordings.map(move |text| (ask.question, None, facts.fill(text)));
            let answers = check::answers_of(ask.question).iter().chain(&AnswerName::EXITS);
            let repeated = answers.filter_map(move |answer| {
                let text = self.confirmation(ask.question, *answer, facts)?;
                Some((ask.question, Some(*answer), text))
            });
            asked.chain(repeated)
        })
    }

    /// How an answer to a question is repeated to the citizen; none where it is not.
    pub fn confirmation(
        &self,
        question: Question,
        answer: AnswerName,
        facts: &Facts,
    ) -> Option<Rendered> {
        answer.spoken(question).map(|spoken| facts.fill_with(&self.confirm.say, spoken))
    }

    pub(crate) fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// Where an answer to a question leads; none where the script has no way for it.
    pub(crate) fn way<'a>(&'a self, ask: &'a Ask, answer: AnswerName) -> Option<&'a NodeName> {
        // An exit is never one of the answers that `other` stands for.
        let elsewhere = match AnswerName::EXITS.contains(&answer) {
            true => self.exits.get(&answer),
            false => ask.on.get(&AnswerName::Other),
        };
        ask.on.get(&answer).or(elsewhere)
    }
}

/// A question by the name that scripts and results give it.
pub fn question(name: &str) -> Option<Question> {
    QUESTIONS.iter().find(|(known, _)| *known == name).map(|(_, question)| *question)
}

/// The name that scripts and results give a question.
pub fn question_name(question: Question) -> &'static str {
    let known = QUESTIONS.iter().find(|(_, known)| *known == question);
    known.map_or("confirm", |(name, _)| name)
}

const QUESTIONS: [(&str, Question); 7] = [
    ("right_person", Question::RightPerson),
    ("contacted", Question::Contacted),
    ("resolved", Question::Resolved),
    ("satisfied", Question::Satisfied),
    ("reason", Question::Reason),
    ("anything_else", Question::AnythingElse),
    ("when_to_call", Question::WhenToCall),
];
