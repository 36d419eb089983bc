//! Answers of callbacks: precision and recall by question, and what must stay unclear. The files are
//! described in `tests/answers/README.md`.

mod support;

use qingting_nlu::answers::{ACCEPT_MIN, AnswerReader};
use std::collections::BTreeMap;
use support::answers::{is_right, lines, read, read_both};
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

/// One who was heard twice: what both bear is the answer, what one of them bears is repeated to him.
#[test]
fn what_two_hearings_do_not_agree_on_is_doubted() {
    let reader = AnswerReader::new();
    let read = |question: &str, plain: &str, expecting: &str| {
        let (answer, sure) = read_both(&reader, question, (plain, 0.6), (expecting, 0.9));
        (answer, sure >= ACCEPT_MIN)
    };
    let told = |answer: &str, is_sure: bool| (answer.to_owned(), is_sure);
    // What was not understood, and sounds like an answer.
    assert_eq!(read("satisfied", "蛮耶", "满意。"), told("满意", false));
    assert_eq!(read("resolved", "姐姐呢", "解决了。"), told("yes", false));
    assert_eq!(read("satisfied", "不满意", "不满意。"), told("不满意", true));
    // Two answers, of which the surer is asked about; and one where the surer hears none.
    assert_eq!(read("satisfied", "自不满意吧", "十分满意吧。"), told("非常满意", false));
    let neither = "不能说解决也不能说没解决。";
    assert!(!read("resolved", "不能说姐姐也不能说没解决", neither).1);
    // A reason is never repeated: it is read without expectation.
    assert_eq!(read("reason", "除了两个多月", "太慢，拖了两个多月。").0, "unclear");
    assert_eq!(
        read("reason", "没人来修", "太慢，没人来修。").0,
        read("reason", "没人来修", "没人来修").0
    );
    // Nothing in either.
    assert_eq!(read("resolved", "这个不好说", "这个不好说。"), told("unclear", false));
}

#[test]
fn what_was_repeated_is_right_or_not_in_many_words() {
    let reader = AnswerReader::new();
    for (words, expected) in [
        ("对。", "yes"),
        ("对的，没错。", "yes"),
        ("没错，就是这样。", "yes"),
        ("你说得对", "yes"),
        ("不对，不是这样。", "no"),
        ("不是，你听错了。", "no"),
        ("是不是这样我哪知道", "unclear"),
        ("你说呢", "unclear"),
        ("对不对你自己看", "unclear"),
    ] {
        assert_eq!(read(&reader, "confirm", words, CONFIDENCE).0, expected, "{words}");
    }
    assert_eq!(read(&reader, "person", "以后不要再给我电话了", CONFIDENCE).0, "stop");
}
