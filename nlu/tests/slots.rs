//! Slots, alerts and existing-ticket intents in hand-written calls: precision and recall of each,
//! and what must stay empty. The files are described in `tests/slots/README.md`.

mod support;

use qingting_common::ids::Party;
use qingting_nlu::draft::{Field, Tag};
use std::collections::BTreeMap;
use support::score::{self, Score, assert_floors};
use support::{Case, cases, context, shown, utterances};

const DEV: &str = include_str!("slots/dev.txt");
const HELD_OUT: &str = include_str!("slots/held_out.txt");
const MUST_NOT_GUESS: &str = include_str!("slots/must_not_guess.txt");

/// Fields that are scored in every case.
const SCORED: [Field; 14] = [
    Field::AppealKind,
    Field::Emergency,
    Field::Enterprise,
    Field::Tourism,
    Field::Confidential,
    Field::CallerName,
    Field::Phone,
    Field::OccurredAt,
    Field::Respondent,
    Field::Amount,
    Field::Plate,
    Field::EarlierTicket,
    Field::CallbackTime,
    Field::Deadline,
];
/// Of the kinds these alone are scored here: what is wanted with an existing ticket.
const EXISTING: [&str; 4] = ["催办", "补充", "撤销", "反馈"];
/// 24 hours after the call of the labelled cases.
const DEADLINE: &str = "2026-03-12T15:20";

/// The value that is expected in whole, or a part of it.
enum Expected<'a> {
    Nothing,
    Whole(&'a str),
    Part(&'a str),
}

impl Expected<'_> {
    fn of(case: &Case, field: Field) -> Expected<'_> {
        if field == Field::Deadline && case.expected.contains_key(&Field::Tourism) {
            return Expected::Whole(DEADLINE);
        }
        let part = case.contains.iter().find(|(named, _)| *named == field);
        match (case.expected.get(&field), part) {
            (Some(value), _) => Expected::Whole(value),
            (None, Some((_, part))) => Expected::Part(part),
            (None, None) => Expected::Nothing,
        }
    }

    fn is(&self, found: Option<&str>) -> bool {
        match (self, found) {
            (Self::Nothing, found) => found.is_none(),
            (Self::Whole(value), Some(found)) => *value == found,
            (Self::Part(part), Some(found)) => found.contains(part),
            (_, None) => false,
        }
    }
}

fn found(tags: &[Tag], field: Field) -> Option<&str> {
    let value = shown(tags, field).map(|tag| tag.value.as_str());
    value.filter(|value| field != Field::AppealKind || EXISTING.contains(value))
}

/// Scores a file; its errors are listed only where rules may be made for them.
fn scores(file: &str, listed: bool) -> BTreeMap<&'static str, Score> {
    let reader = support::reader();
    let mut scores: BTreeMap<&'static str, Score> = BTreeMap::new();
    for case in cases(file) {
        let tags = case.tags(&reader);
        for field in SCORED {
            let expected = Expected::of(&case, field);
            let found = found(&tags, field);
            let (wanted, right) = (!matches!(expected, Expected::Nothing), expected.is(found));
            // Each intent has a row of its own.
            let named = case.expected.get(&field).map(String::as_str).or(found);
            let row = EXISTING
                .into_iter()
                .find(|kind| field == Field::AppealKind && named == Some(kind))
                .unwrap_or(field.as_str());
            if row != Field::AppealKind.as_str() {
                scores.entry(row).or_default().count(wanted, found.is_some(), right);
            }
            // An emergency may be missed nowhere: rules know those of every file.
            if !right && (listed || field == Field::Emergency) {
                println!("  {}: {} {found:?}", case.name, field.as_str());
            }
        }
    }
    scores
}

#[test]
fn calls_that_rules_were_made_for() {
    let scores = scores(DEV, true);
    score::print("dev", &scores);
    for (row, score) in &scores {
        assert!(score.precision() >= 0.7, "{row}: {score}");
        assert!(score.recall() >= 0.7, "{row}: {score}");
    }
}

#[test]
fn calls_that_no_rule_was_made_for() {
    let scores = scores(HELD_OUT, false);
    score::print("held out", &scores);
    let floors = [
        ("amount", 0.9, 0.85),
        ("callback_time", 0.9, 0.7),
        ("caller_name", 0.9, 0.9),
        ("confidential", 0.9, 0.9),
        ("deadline", 0.9, 0.9),
        ("earlier_ticket", 0.7, 0.9),
        ("emergency", 0.7, 0.85),
        ("enterprise", 0.9, 0.9),
        ("occurred_at", 0.6, 0.8),
        ("phone", 0.9, 0.7),
        ("plate", 0.9, 0.9),
        ("respondent", 0.5, 0.6),
        ("tourism", 0.9, 0.9),
        ("催办", 0.9, 0.7),
        ("反馈", 0.8, 0.7),
        ("撤销", 0.8, 0.7),
        ("补充", 0.8, 0.7),
    ];
    assert_floors(&scores, &floors);
}

#[test]
fn what_must_not_be_guessed_stays_empty() {
    let reader = support::reader();
    let lines = MUST_NOT_GUESS.lines().filter(|line| !line.starts_with('#'));
    let (mut count, mut guessed) = (0, Vec::new());
    for line in lines {
        let (field, talk) = line.split_once(" | ").expect("field | words");
        let field = Field::from_name(field).expect("a field's name");
        let said = talk.split(" / ").map(|said| match said.strip_prefix("s: ") {
            Some(said) => (Party::Seat, said),
            None => (Party::Caller, said),
        });
        let tags = reader.read(&utterances(said), &context());
        count += 1;
        if let Some(value) = found(&tags, field) {
            guessed.push(format!("{line} -> {value}"));
        }
    }
    assert!(count >= 100, "{count} lines");
    assert!(guessed.is_empty(), "{} of {count} guessed\n{}", guessed.len(), guessed.join("\n"));
}
