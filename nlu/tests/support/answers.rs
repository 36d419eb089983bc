//! The files of `tests/answers/README.md`: questions, words and the answers expected.
#![allow(dead_code)]

use qingting_nlu::LocalTime;
use qingting_nlu::answers::{Answer, AnswerReader, AnswerReading, Hearing, Question, Said};

const AT: LocalTime = LocalTime { year: 2026, month: 3, day: 11, hour: 15, minute: 20 };

pub(crate) fn question(name: &str) -> Question {
    match name {
        "person" => Question::RightPerson,
        "contacted" => Question::Contacted,
        "resolved" => Question::Resolved,
        "satisfied" => Question::Satisfied,
        "reason" => Question::Reason,
        "else" => Question::AnythingElse,
        "later" => Question::WhenToCall,
        "confirm" => Question::Confirm,
        name => panic!("no question is called {name}"),
    }
}

/// The answer as the files have it, and its confidence. `later: WORDS` holds the time as it was said.
pub(crate) fn read(
    reader: &AnswerReader,
    name: &str,
    text: &str,
    confidence: f32,
) -> (String, f32) {
    let reading = reader.read(question(name), &Said { text, confidence, at: AT });
    written(&reading, text)
}

fn written(reading: &AnswerReading, text: &str) -> (String, f32) {
    let words: String = text.chars().skip(reading.span.start).take(reading.span.len()).collect();
    let answer = match reading.answer {
        Answer::Yes => "yes".into(),
        Answer::No => "no".into(),
        Answer::Partly => "partly".into(),
        Answer::Rated(level) => level.as_str().into(),
        Answer::Because(cause) => format!("reason: {}", cause.as_str()),
        Answer::WrongPerson => "wrong_person".into(),
        Answer::Busy => "busy".into(),
        Answer::CallLater { .. } => format!("later: {words}"),
        Answer::StopCalling => "stop".into(),
        Answer::HandToPerson => "human".into(),
        Answer::Unclear => "unclear".into(),
    };
    (answer, reading.confidence)
}

/// The same of what was heard twice: words and confidence without expectation, and with it.
pub(crate) fn read_both(
    reader: &AnswerReader,
    name: &str,
    plain: (&str, f32),
    expecting: (&str, f32),
) -> (String, f32) {
    let of = |(text, confidence)| Said { text, confidence, at: AT };
    let (reading, hearing) = reader.read_both(question(name), &of(plain), &of(expecting));
    let text = if hearing == Hearing::Plain { plain.0 } else { expecting.0 };
    written(&reading, text)
}

/// Question, words and expected answer of each line.
pub(crate) fn lines(
    file: &'static str,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lines = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| {
        let line = line.strip_prefix("~ ").unwrap_or(line);
        let (question, rest) = line.split_once(" | ").expect("question | words");
        let (words, expected) = rest.split_once(" => ").unwrap_or((rest, "unclear"));
        (question, words, expected)
    })
}

pub(crate) fn is_right(expected: &str, found: &str) -> bool {
    match (expected.strip_prefix("later: "), found.strip_prefix("later: ")) {
        (Some(expected), Some(found)) => found.contains(expected),
        _ => expected == found,
    }
}
