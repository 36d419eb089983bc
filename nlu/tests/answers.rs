//! Answers of callbacks: precision and recall by question, and what must stay unclear. The files are
//! described in `tests/answers/README.md`.

mod support;

use qingting_nlu::answers::{Answer, AnswerReader, Question, Said};
use std::collections::BTreeMap;
use support::context;
use support::score::{self, Score, assert_floors};

const DEV: &str = include_str!("answers/dev.txt");
const HELD_OUT: &str = include_str!("answers/held_out.txt");
const MUST_NOT_GUESS: &str = include_str!("answers/must_not_guess.txt");

fn question(name: &str) -> Question {
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

/// The answer as the files have it. `later: WORDS` holds the time as it was said.
fn read(reader: &AnswerReader, name: &str, text: &str) -> String {
    let said = Said { text, confidence: 0.9, at: context().started };
    let reading = reader.read(question(name), &said);
    let words: String = text.chars().skip(reading.span.start).take(reading.span.len()).collect();
    match reading.answer {
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
    }
}

/// Question, words and expected answer of each line.
fn lines(file: &'static str) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lines = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| {
        let line = line.strip_prefix("~ ").unwrap_or(line);
        let (question, rest) = line.split_once(" | ").expect("question | words");
        let (words, expected) = rest.split_once(" => ").unwrap_or((rest, "unclear"));
        (question, words, expected)
    })
}

fn is_right(expected: &str, found: &str) -> bool {
    match (expected.strip_prefix("later: "), found.strip_prefix("later: ")) {
        (Some(expected), Some(found)) => found.contains(expected),
        _ => expected == found,
    }
}

/// Scores a file by question; its errors are listed only where rules may be made for them.
fn scores(file: &'static str, listed: bool) -> BTreeMap<&'static str, Score> {
    let reader = AnswerReader::new();
    let mut scores: BTreeMap<&'static str, Score> = BTreeMap::new();
    for (question, words, expected) in lines(file) {
        let found = read(&reader, question, words);
        let right = is_right(expected, &found);
        let score = scores.entry(question).or_default();
        score.count(expected != "unclear", found != "unclear", right);
        if listed && !right {
            println!("  {question} | {words} -> {found}, expected {expected}");
        }
    }
    scores
}

#[test]
fn answers_that_rules_were_made_for() {
    let scores = scores(DEV, true);
    score::print("dev", &scores);
    for (question, score) in &scores {
        assert!(score.precision() >= 0.95, "{question}: {score}");
        assert!(score.recall() >= 0.93, "{question}: {score}");
    }
}

#[test]
fn answers_that_no_rule_was_made_for() {
    let scores = scores(HELD_OUT, false);
    score::print("held out", &scores);
    let floors = [
        ("contacted", 0.95, 0.8),
        ("else", 0.95, 0.8),
        ("later", 0.95, 0.9),
        ("person", 0.95, 0.9),
        ("reason", 0.95, 0.9),
        ("resolved", 0.93, 0.9),
        ("satisfied", 0.95, 0.9),
    ];
    assert_floors(&scores, &floors);
}

#[test]
fn what_is_not_clear_is_not_guessed() {
    let reader = AnswerReader::new();
    let guessed: Vec<String> = lines(MUST_NOT_GUESS)
        .map(|(question, words, _)| (question, words, read(&reader, question, words)))
        .filter(|(.., found)| found != "unclear")
        .map(|(question, words, found)| format!("{question} | {words} -> {found}"))
        .collect();
    assert!(guessed.is_empty(), "{} guessed\n{}", guessed.len(), guessed.join("\n"));
}
