//! The files of `tests/answers/README.md`: questions, words and the answers expected.
#![allow(dead_code)]

use qingting_nlu::LocalTime;
use qingting_nlu::answers::{Answer, AnswerReader, Question, Said};

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
    let at = LocalTime { year: 2026, month: 3, day: 11, hour: 15, minute: 20 };
    let said = Said { text, confidence, at };
    let reading = reader.read(question(name), &said);
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
