//! A citizen and a dialogue in virtual time.

#![allow(dead_code, reason = "each test uses some of it")]

use qingting_callbacks::dialogue::{Answered, Dialogue, Ending, Input, Output, PlayId, Words};
use qingting_callbacks::script::{AnswerName, EndingName, Facts, SATISFACTION, Script};
use qingting_common::{Millis, Pii};
use qingting_nlu::LocalTime;
use qingting_nlu::answers::{AnswerReader, Question};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a citizen speaks, and how long the recogniser takes.
const SPEAKS: Duration = Duration::from_millis(900);
const RECOGNISED_AFTER: Duration = Duration::from_millis(700);

pub(crate) struct Talk {
    pub(crate) dialogue: Dialogue,
    pub(crate) now: Millis,
    pub(crate) stored: Vec<Answered>,
    pub(crate) ending: Option<Ending>,
    pub(crate) endings: u32,
    pub(crate) stops: u32,
    pub(crate) listens: Option<Question>,
    pub(crate) hold_stores: bool,
    pub(crate) everything_said: String,
    playing: Option<(PlayId, String)>,
}

/// Something that a citizen does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Silence,
    PromptEnds,
    Voice,
    Key(char),
    Answer(&'static str),
}

impl Talk {
    /// A person has just answered.
    pub(crate) fn begin() -> Self {
        static READER: OnceLock<Arc<AnswerReader>> = OnceLock::new();
        let reader = READER.get_or_init(|| Arc::new(AnswerReader::new()));
        let script = Arc::new(Script::read(SATISFACTION).expect("a good script"));
        let facts = Facts {
            city: "临江市".into(),
            title: "路灯不亮".into(),
            unit: "城管局".into(),
            date: "9月12日".into(),
        };
        let mut talk = Self {
            dialogue: Dialogue::new(script, facts, Arc::clone(reader)),
            now: Millis(10_000),
            stored: Vec::new(),
            ending: None,
            endings: 0,
            stops: 0,
            listens: None,
            hold_stores: false,
            everything_said: String::new(),
            playing: None,
        };
        talk.feed(Input::Begin);
        talk
    }

    /// Answers well until a question with these words is being asked.
    pub(crate) fn at_question(words: &str) -> Self {
        let mut talk = Self::begin();
        for answer in ["", "是的", "", "联系过", "解决了", "满意"] {
            if talk.said().contains(words) {
                talk.stops = 0;
                return talk;
            }
            if answer.is_empty() { talk.prompt_ends() } else { talk.answer(answer) }
        }
        panic!("nobody asks {words}: {}", talk.everything_said)
    }

    pub(crate) fn feed(&mut self, input: Input) {
        self.dialogue.handle_input(self.now, input);
        while let Some(output) = self.dialogue.poll_output() {
            assert!(self.ending.is_none(), "{output:?} after the end");
            match output {
                Output::Listen(question) => self.listens = Some(question),
                Output::Play { id, text } => {
                    self.everything_said.push_str(&text.0.concat());
                    self.playing = Some((id, text.0.concat()));
                }
                Output::StopPrompts => {
                    self.stops += 1;
                    self.playing = None;
                }
                Output::Store(answered) => {
                    self.playing = None;
                    self.stored.push(answered);
                    if !self.hold_stores {
                        self.dialogue.handle_input(self.now, Input::Stored);
                    }
                }
                Output::End(ending) => {
                    self.ending = Some(ending);
                    self.endings += 1;
                    self.playing = None;
                }
            }
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Silence => self.silence(),
            Step::PromptEnds => self.prompt_ends(),
            Step::Voice => self.feed(Input::Voice),
            Step::Key(key) => self.key(key),
            Step::Answer(words) => self.answer(words),
        }
    }

    /// What is being said now.
    pub(crate) fn said(&self) -> &str {
        self.playing.as_ref().map_or("", |(_, text)| text)
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
    }

    pub(crate) fn prompt_ends(&mut self) {
        if let Some((id, _)) = self.playing.take() {
            self.wait_ms(3_000);
            self.feed(Input::PromptDone { id });
        }
    }

    /// Hears the question and says nothing until something happens.
    pub(crate) fn silence(&mut self) {
        self.prompt_ends();
        if let Some(deadline) = self.dialogue.next_deadline() {
            self.now = self.now.max(deadline);
            self.feed(Input::Timer);
        }
    }

    pub(crate) fn key(&mut self, key: char) {
        self.wait_ms(1_000);
        self.feed(Input::Key(key));
    }

    /// Hears the question to its end and answers.
    pub(crate) fn answer(&mut self, words: &str) {
        self.prompt_ends();
        self.words(words);
    }

    /// Speaks now.
    pub(crate) fn words(&mut self, words: &str) {
        self.wait_ms(600);
        let words = self.spoken(words);
        self.feed(Input::Voice);
        self.now = words.spoken.1 + RECOGNISED_AFTER;
        self.feed(Input::Words(words));
    }

    /// The same of words that were heard in two ways.
    pub(crate) fn answer_twice(&mut self, plain: &str, expecting: &str) {
        self.prompt_ends();
        let expected = Some((Pii::new(expecting.to_owned()), 0.9));
        let words = Words { confidence: 0.6, expected, ..self.spoken(plain) };
        self.feed(Input::Voice);
        self.now = words.spoken.1 + RECOGNISED_AFTER;
        self.feed(Input::Words(words));
    }

    /// Words that begin now.
    pub(crate) fn spoken(&self, words: &str) -> Words {
        let ends = self.now + SPEAKS;
        Words {
            text: Pii::new(words.to_owned()),
            confidence: 0.95,
            expected: None,
            is_final: true,
            spoken: (self.now, ends),
            clip_ms: (self.now.0, ends.0),
            at: LocalTime { year: 2026, month: 11, day: 26, hour: 10, minute: 0 },
        }
    }

    /// The answers as they stand: a later one replaces an earlier one.
    pub(crate) fn answers(&self) -> Vec<(Question, AnswerName)> {
        let mut answers: Vec<(Question, AnswerName)> = Vec::new();
        for kept in &self.stored {
            answers.retain(|(question, _)| *question != kept.question);
            answers.push((kept.question, kept.answer));
        }
        answers
    }

    pub(crate) fn script_end(&self) -> Option<EndingName> {
        match self.ending {
            Some(Ending::Script { name, .. }) => Some(name),
            _ => None,
        }
    }
}
