//! Answers of callbacks: precision and recall by question, and what must stay unclear. The files are
//! described in `tests/answers/README.md`.

mod support;

use qingting_nlu::answers::AnswerReader;
use std::collections::BTreeMap;
use support::answers::{is_right, lines, read};
use support::score::{self, Score, assert_floors};

const DEV: &str = include_str!("answers/dev.txt");
const HELD_OUT: &str = include_str!("answers/held_out.txt");
const MUST_NOT_GUESS: &str = include_str!("answers/must_not_guess.txt");
/// A good line's.
const CONFIDENCE: f32 = 0.9;

/// Scores a file by question; its errors are listed only where rules may be made for them.
fn scores(file: &'static str, listed: bool) -> BTreeMap<&'static str, Score> {
    let reader = AnswerReader::new();
    let mut scores: BTreeMap<&'static str, Score> = BTreeMap::new();
    for (question, words, expected) in lines(file) {
        let found = read(&reader, question, words, CONFIDENCE).0;
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
        .map(|(question, words, _)| (question, words, read(&reader, question, words, CONFIDENCE).0))
        .filter(|(.., found)| found != "unclear")
        .map(|(question, words, found)| format!("{question} | {words} -> {found}"))
        .collect();
    assert!(guessed.is_empty(), "{} guessed\n{}", guessed.len(), guessed.join("\n"));
}
