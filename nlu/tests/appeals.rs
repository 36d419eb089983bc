//! What the reader makes of labelled appeals: precision and recall of each field.

mod support;

use qingting_nlu::draft::Field;
use std::collections::BTreeMap;
use support::score::Score;
use support::{cases, shown};

/// Fields that are scored in every case.
const SCORED: [Field; 7] = [
    Field::AppealKind,
    Field::Emergency,
    Field::Enterprise,
    Field::Tourism,
    Field::CallerName,
    Field::Phone,
    Field::OccurredAt,
];

/// Scores a file; its errors are listed only for the half that rules may be made for.
fn score(file: &str, listed: bool) -> BTreeMap<Field, Score> {
    let reader = support::reader();
    let cases = cases(file);
    let mut scores: BTreeMap<Field, Score> = BTreeMap::new();
    for case in &cases {
        let tags = case.tags(&reader);
        let fields = SCORED.iter().chain([&Field::Place]).chain(
            [&Field::Category].into_iter().filter(|field| case.expected.contains_key(field)),
        );
        for field in fields {
            let expected = case.expected.get(field);
            let found = shown(&tags, *field).map(|tag| &tag.value);
            let score = scores.entry(*field).or_default();
            score.count(expected.is_some(), found.is_some(), found == expected);
            if listed && found != expected {
                println!("  {}: {} {found:?}, expected {expected:?}", case.name, field.as_str());
            }
        }
        for (field, part) in &case.contains {
            let score = scores.entry(*field).or_default();
            let value = shown(&tags, *field).map(|tag| tag.value.clone()).unwrap_or_default();
            let right = value.contains(part);
            score.count(true, false, right);
            if listed && !right {
                println!("  {}: {} {value:?} lacks {part:?}", case.name, field.as_str());
            }
        }
    }
    println!("{} appeals", cases.len());
    for (field, score) in &scores {
        println!("{:<12} {score}", field.as_str());
    }
    scores
}

fn assert_floors(scores: &BTreeMap<Field, Score>, floors: &[(Field, f64, f64)]) {
    for (field, precision, recall) in floors {
        let score = &scores[field];
        assert!(score.precision() >= *precision, "{field:?} precision {}", score.precision());
        assert!(score.recall() >= *recall, "{field:?} recall {}", score.recall());
    }
}

#[test]
fn appeals_that_rules_were_made_for() {
    let scores = score(include_str!("appeals/dev.txt"), true);
    for (field, score) in &scores {
        assert!(score.precision() >= 0.9, "{field:?} precision {}", score.precision());
        let recall_min = if *field == Field::Emergency { 1.0 } else { 0.9 };
        assert!(score.recall() >= recall_min, "{field:?} recall {}", score.recall());
    }
}

#[test]
fn appeals_that_no_rule_was_made_for() {
    let scores = score(include_str!("appeals/held_out.txt"), false);
    let floors = [
        (Field::AppealKind, 0.9, 0.9),
        (Field::Emergency, 0.8, 1.0),
        (Field::Enterprise, 0.9, 0.9),
        (Field::Tourism, 0.9, 0.9),
        (Field::CallerName, 1.0, 0.9),
        (Field::Phone, 1.0, 0.9),
        (Field::OccurredAt, 0.9, 0.9),
        (Field::Place, 0.75, 0.75),
    ];
    assert_floors(&scores, &floors);
}

#[test]
fn appeals_that_were_written_last() {
    let scores = score(include_str!("appeals/fresh.txt"), false);
    let floors = [
        (Field::AppealKind, 0.85, 0.65),
        (Field::Emergency, 0.9, 1.0),
        (Field::Enterprise, 0.9, 0.5),
        (Field::Tourism, 0.9, 0.5),
        (Field::CallerName, 0.9, 0.9),
        (Field::Phone, 0.9, 0.9),
        (Field::OccurredAt, 0.7, 0.8),
        (Field::Place, 0.75, 0.8),
    ];
    assert_floors(&scores, &floors);
}
