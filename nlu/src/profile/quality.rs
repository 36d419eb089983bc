//! What quality checks look for.

use super::build::{Build, Once, list};
use crate::quality::{Kind, Phrase, Rule, Rules, SCORE_MAX};
use crate::table::{Column, Row, Table};

/// Marks what holds a forbidden phrase and is fine.
const FINE: [char; 2] = ['!', '！'];
/// Most phrases of one rule, and syllables of one.
const PHRASES_MAX: usize = 500;
const SYLLABLES: std::ops::RangeInclusive<usize> = 2..=24;

pub(super) fn read(build: &mut Build<'_>, table: &Table) -> Option<Rules> {
    let check = build.column(table, ["check", "项目"]);
    let limit = build.column(table, ["limit", "限值"]);
    let points = build.column(table, ["points", "扣分"]);
    let most = build.column(table, ["points_max", "最多扣分"]);
    let words = build.column(table, ["phrases", "用语"]);
    let (check, limit, points, most, words) = (check?, limit?, points?, most?, words?);
    let mut once = Once::default();
    let mut rules = Vec::new();
    for row in table.rows() {
        let name = build.unique(table, row, &check, &mut once);
        let of = |name: &String| {
            Kind::ALL.into_iter().find(|kind| [kind.as_str(), kind.chinese()].contains(&&**name))
        };
        let kind = name.as_ref().and_then(of);
        if let (Some(name), None) = (&name, kind) {
            let known = Kind::ALL.map(Kind::chinese).join(" ");
            build.wrong(table, row, &check, format!("{name:?} is none of {known}"));
        }
        let Some(kind) = kind else { continue };
        let limit = match kind.limits() {
            Some((least, most)) => number(build, table, row, &limit, least, most),
            None if row.cell(&limit).is_empty() => Some(0),
            None => {
                build.wrong(table, row, &limit, "leave it empty: one word is enough");
                None
            }
        };
        let points = number(build, table, row, &points, 0, SCORE_MAX);
        let most = number(build, table, row, &most, 0, SCORE_MAX);
        let phrases = phrases(build, table, row, &words, kind);
        if let (Some(limit), Some(points), Some(points_max), Some((phrases, fine))) =
            (limit, points, most, phrases)
        {
            rules.push(Rule { kind, limit, points, points_max, phrases, fine });
        }
    }
    Some(Rules::new(rules))
}

fn number(
    build: &mut Build<'_>,
    table: &Table,
    row: &Row,
    column: &Column,
    least: u32,
    most: u32,
) -> Option<u32> {
    let cell = build.filled(table, row, column)?;
    let number = cell.parse().ok().filter(|number| (least..=most).contains(number));
    if number.is_none() {
        build.wrong(table, row, column, format!("must be a whole number from {least} to {most}"));
    }
    number
}

/// Phrases, and what is fine although it holds one.
fn phrases(
    build: &mut Build<'_>,
    table: &Table,
    row: &Row,
    column: &Column,
    kind: Kind,
) -> Option<(Vec<Phrase>, Vec<String>)> {
    let items = list(row.cell(column));
    let (fine, phrases): (Vec<String>, Vec<String>) =
        items.into_iter().partition(|item| item.starts_with(FINE));
    let fine: Vec<String> =
        fine.iter().map(|item| item.trim_start_matches(FINE).trim().to_owned()).collect();
    let phrases: Vec<Phrase> = phrases.iter().map(|item| Phrase::new(item)).collect();
    let is_unspeakable = |phrase: &&Phrase| !SYLLABLES.contains(&phrase.syllables());
    let what = match () {
        () if !(kind.has_phrases() || phrases.is_empty() && fine.is_empty()) => {
            "leave it empty: no words are looked for".to_owned()
        }
        () if kind.has_phrases() && phrases.is_empty() => {
            "name at least one phrase, divided by ；, or remove the row".to_owned()
        }
        () if kind != Kind::Forbidden && !fine.is_empty() => {
            "! is for 服务禁语 alone: what holds a forbidden phrase and is fine".to_owned()
        }
        () if phrases.len() + fine.len() > PHRASES_MAX => {
            format!("more than {PHRASES_MAX} phrases")
        }
        () => match phrases.iter().find(is_unspeakable) {
            Some(phrase) => {
                let (least, most) = (SYLLABLES.start(), SYLLABLES.end());
                format!("{phrase:?}: a phrase has {least} to {most} characters that are spoken")
            }
            None => return Some((phrases, fine)),
        },
    };
    build.wrong(table, row, column, what);
    None
}
