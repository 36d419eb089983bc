//! From words to an answer: what he says to any question first, then what he says to this one.

use super::{
    ANSWER_CHARS_MAX, Answer, AnswerReading, CONFIRM_MIN, Cause, DOUBTED, Hearing, Question, Said,
    Satisfaction,
};
use crate::reader::lexicon::{Hit, Lexicon};
use crate::reader::sounds::Sounds;
use crate::reader::transcript::normal;
use crate::reader::when::{Later, all_later};

/// How sure a bare 对 or 没有 is, and a bare 嗯.
const BARE: f32 = 0.78;
const HUMMED: f32 = 0.56;
/// How sure a time is that was asked for, and one beside 再打.
const TIME_ASKED: f32 = 0.88;
/// How far behind a time the words of calling begin.
const LATER_CHARS: usize = 10;
/// From so many characters on a reason without a known word is one of another kind.
const OTHER_REASON_CHARS_MIN: usize = 8;
const OTHER_REASON: f32 = 0.55;
/// What says nothing at the ends of an answer.
const PARTICLES: &str = "嗯啊哦呃哎诶唉额呀呢吧嘛啦了的喂噢喔哟 ,.。、!?！？，~";
const BARE_YES: [&str; 14] = [
    "对",
    "对对",
    "对对对",
    "是",
    "是是",
    "是是是",
    "没错",
    "正确",
    "系",
    "中",
    "行",
    "好",
    "可以",
    "有",
];
const BARE_NO: [&str; 9] = ["没", "没有", "没没", "没有没有", "不", "不是", "不对", "错", "冇"];

/// Reads answers. Built once and shared: reading changes nothing.
pub struct AnswerReader {
    sounds: Sounds,
    exits: Lexicon,
    person: Lexicon,
    contacted: Lexicon,
    resolved: Lexicon,
    satisfied: Lexicon,
    reason: Lexicon,
    anything_else: Lexicon,
    confirm: Lexicon,
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self::new()
    }
}

impl AnswerReader {
    /// With the words that are built in.
    pub fn new() -> Self {
        Self {
            sounds: Sounds::built_in(include_str!("../lexicon/misheard_answers.txt")),
            exits: Lexicon::built_in(include_str!("../lexicon/answers_exits.txt")),
            person: Lexicon::built_in(include_str!("../lexicon/answers_person.txt")),
            contacted: Lexicon::built_in(include_str!("../lexicon/answers_contacted.txt")),
            resolved: Lexicon::built_in(include_str!("../lexicon/answers_resolved.txt")),
            satisfied: Lexicon::built_in(include_str!("../lexicon/answers_satisfied.txt")),
            reason: Lexicon::built_in(include_str!("../lexicon/answers_reason.txt")),
            anything_else: Lexicon::built_in(include_str!("../lexicon/answers_else.txt")),
            confirm: Lexicon::built_in(include_str!("../lexicon/answers_confirm.txt")),
        }
    }

    /// The answer to a question, [`Answer::Unclear`] where it is not certain. Of a longer text the
    /// first [`ANSWER_CHARS_MAX`] characters are read.
    pub fn read(&self, question: Question, said: &Said<'_>) -> AnswerReading {
        let chars: Vec<char> = said.text.chars().take(ANSWER_CHARS_MAX).map(normal).collect();
        let words = self.sounds.repaired(&chars);
        let exits = self.exits.uncovered(&words);
        let times = all_later(&words, said.at);
        let mut reading = exit(&exits)
            .or_else(|| self.answer(question, &words, &exits))
            .or_else(|| later(question, &exits, &times))
            .or_else(|| {
                exits.iter().find(|hit| hit.value == "busy").map(|hit| told(Answer::Busy, hit))
            })
            .unwrap_or(AnswerReading::UNCLEAR);
        reading.confidence *= 0.7 + 0.3 * heard(said.confidence);
        if reading.confidence < CONFIRM_MIN { AnswerReading::UNCLEAR } else { reading }
    }

    /// The answer of one who was heard twice: without expectation, and as an answer to the question, which an ear
    /// that expects it hears too readily. What both bear is the answer, as sure as the first hearing is; what one
    /// of them bears, or they bear differently, is doubted: below [`ACCEPT_MIN`](super::ACCEPT_MIN). A reason, which
    /// is never repeated, is read without expectation alone.
    pub fn read_both(
        &self,
        question: Question,
        plain: &Said<'_>,
        expecting: &Said<'_>,
    ) -> (AnswerReading, Hearing) {
        let (own, other) = (self.read(question, plain), self.read(question, expecting));
        let doubted = |reading: AnswerReading| AnswerReading {
            confidence: reading.confidence.min(DOUBTED),
            ..reading
        };
        let is_surer = expecting.confidence > plain.confidence;
        match (own.answer, other.answer) {
            (Answer::Because(_), _) | (_, Answer::Because(_)) => (own, Hearing::Plain),
            // The other hears what it expects: it makes nothing surer.
            (a, b) if a == b => (own, Hearing::Plain),
            (Answer::Unclear, _) => (doubted(other), Hearing::Expecting),
            (_, Answer::Unclear) if is_surer => (doubted(own), Hearing::Plain),
            (_, Answer::Unclear) => (own, Hearing::Plain),
            _ if is_surer => (doubted(other), Hearing::Expecting),
            _ => (doubted(own), Hearing::Plain),
        }
    }

    /// What the words answer to the question itself; none where they answer nothing or two things.
    fn answer(&self, question: Question, words: &[char], exits: &[Hit]) -> Option<AnswerReading> {
        let vague = exits.iter().any(|hit| hit.value == "unclear");
        let hits = self.lexicon(question).map(|lexicon| lexicon.uncovered(words));
        let hits = hits.unwrap_or_default();
        if vague || hits.iter().any(|hit| hit.value == "unclear") {
            return None;
        }
        match question {
            Question::Reason => reason(words, &hits, exits),
            Question::WhenToCall => None,
            Question::Satisfied => agreed(&hits),
            _ => agreed(&hits).or_else(|| bare(question, words)),
        }
    }

    fn lexicon(&self, question: Question) -> Option<&Lexicon> {
        match question {
            Question::RightPerson => Some(&self.person),
            Question::Contacted => Some(&self.contacted),
            Question::Resolved => Some(&self.resolved),
            Question::Satisfied => Some(&self.satisfied),
            Question::Reason => Some(&self.reason),
            Question::AnythingElse => Some(&self.anything_else),
            Question::Confirm => Some(&self.confirm),
            Question::WhenToCall => None,
        }
    }
}

fn heard(confidence: f32) -> f32 {
    if confidence.is_finite() { confidence.clamp(0.0, 1.0) } else { 0.0 }
}

fn told(answer: Answer, hit: &Hit) -> AnswerReading {
    AnswerReading { answer, confidence: hit.weight, span: hit.range.clone() }
}

/// What ends the dialogue, whatever was asked.
fn exit(exits: &[Hit]) -> Option<AnswerReading> {
    let first = |value: &str| exits.iter().find(|hit| hit.value == value);
    let stop = first("stop").map(|hit| told(Answer::StopCalling, hit));
    stop.or_else(|| first("human").map(|hit| told(Answer::HandToPerson, hit)))
}

/// The one answer that all hits agree on. A part beside a whole is a part.
fn agreed(hits: &[Hit]) -> Option<AnswerReading> {
    let heaviest = |value: &str| {
        let of_value = hits.iter().filter(|hit| hit.value == value);
        of_value.max_by(|a, b| a.weight.total_cmp(&b.weight))
    };
    let best = hits.iter().max_by(|a, b| a.weight.total_cmp(&b.weight))?;
    let partly = heaviest("partly");
    let sides = |side: &str| hits.iter().any(|hit| side_of(hit.value) == side);
    if sides("for") && sides("against") {
        return partly.and_then(reading);
    }
    partly.or(Some(best)).and_then(reading)
}

/// Answers of different sides contradict each other; levels of one side do not.
fn side_of(value: &str) -> &'static str {
    match value {
        "yes" | "满意" | "非常满意" | "基本满意" => "for",
        "no" | "不满意" | "非常不满意" | "wrong_person" => "against",
        _ => "neither",
    }
}

fn reading(hit: &Hit) -> Option<AnswerReading> {
    let answer = match hit.value {
        "yes" => Answer::Yes,
        "no" | "none" => Answer::No,
        "partly" => Answer::Partly,
        "wrong_person" => Answer::WrongPerson,
        value => Satisfaction::from_name(value)
            .map(Answer::Rated)
            .or_else(|| Cause::from_name(value).map(Answer::Because))?,
    };
    Some(told(answer, hit))
}

/// 对, 没有 and 嗯 as the whole answer.
fn bare(question: Question, words: &[char]) -> Option<AnswerReading> {
    let silent = |c: &&char| PARTICLES.contains(**c);
    let start = words.iter().take_while(silent).count();
    let end = words.len() - words[start..].iter().rev().take_while(silent).count();
    let span = start..end.max(start);
    let core: String = words[span.clone()].iter().collect();
    let named = question == Question::Confirm;
    let yes = |confidence| AnswerReading { answer: Answer::Yes, confidence, span: span.clone() };
    if core.is_empty() {
        let hums = words.iter().filter(|c| !c.is_whitespace());
        let hummed = words.contains(&'嗯') && hums.clone().all(|c| "嗯,.。，".contains(*c));
        let closed = question != Question::AnythingElse && hummed;
        return closed.then(|| AnswerReading { span: 0..words.len(), ..yes(HUMMED) });
    }
    if BARE_YES.contains(&core.as_str()) {
        let says_so = match core.as_str() {
            "行" | "好" | "可以" | "中" => named,
            "有" => matches!(question, Question::Contacted | Question::AnythingElse),
            _ => question != Question::AnythingElse,
        };
        return says_so.then(|| yes(BARE));
    }
    let no = BARE_NO.contains(&core.as_str());
    let answer = if question == Question::RightPerson { Answer::WrongPerson } else { Answer::No };
    no.then_some(AnswerReading { answer, confidence: BARE, span })
}

/// The heaviest cause; a longer reason without a known word is one of another kind.
fn reason(words: &[char], hits: &[Hit], exits: &[Hit]) -> Option<AnswerReading> {
    let best = hits.iter().max_by(|a, b| a.weight.total_cmp(&b.weight));
    if let Some(best) = best {
        return reading(best);
    }
    let silent = |c: &&char| PARTICLES.contains(**c);
    let core = words.len() - words.iter().filter(silent).count();
    (core >= OTHER_REASON_CHARS_MIN && exits.is_empty()).then_some(AnswerReading {
        answer: Answer::Because(Cause::Other),
        confidence: OTHER_REASON,
        span: 0..words.len(),
    })
}

/// A time with words of calling behind it, any time where it was asked for. 等会儿 of one who is
/// busy is no time.
fn later(question: Question, exits: &[Hit], times: &[Later]) -> Option<AnswerReading> {
    let busy = exits.iter().any(|hit| hit.value == "busy");
    let asked = question == Question::WhenToCall;
    if asked && exits.iter().any(|hit| hit.value == "unclear") {
        return None;
    }
    let called = |time: &Later| {
        let calls = |hit: &Hit| {
            let behind = time.range.end..time.range.end + LATER_CHARS;
            hit.value == "later" && behind.contains(&hit.range.start)
        };
        exits.iter().any(calls) || (busy && time.earliest.is_some())
    };
    let certain = |time: &&Later| time.earliest.is_some() || !busy;
    let time = times.iter().find(|time| (asked || called(time)) && certain(time))?;
    Some(AnswerReading {
        answer: Answer::CallLater { earliest: time.earliest },
        confidence: TIME_ASKED,
        span: time.range.clone(),
    })
}
