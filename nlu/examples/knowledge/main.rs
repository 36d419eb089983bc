//! Figures of the search for knowledge entries on appeals with official replies, and its speed:
//! `cargo run --release -p qingting-nlu --example knowledge -- FOLDER`, where FOLDER holds
//! `appeals/replies_2816.csv`. Every second appeal, by its number, is for fitting the weights of a hit's
//! score, which are printed; the figures are of the others.

#[path = "../readings/clock.rs"]
mod clock;

use qingting_nlu::knowledge::{ANSWER_MIN, Day, Entry, Index, Shares};
use std::error::Error;
use std::path::{Path, PathBuf};

/// Characters of an appeal that are asked with: what a caller says first.
const ASKED_CHARS: usize = 60;
/// Entries of the speed's measurement.
const ENTRIES: usize = 20_000;
const QUESTIONS: usize = 2_000;
const STEPS: usize = 4_000;
const RATE: f32 = 0.5;

struct Appeal {
    id: String,
    topic: String,
    told: String,
    reply: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: knowledge FOLDER")?);
    let appeals = appeals(&folder.join("appeals/replies_2816.csv"))?;
    let (fitted, others): (Vec<&Appeal>, Vec<&Appeal>) =
        appeals.iter().partition(|appeal| appeal.id.bytes().last().is_some_and(|b| b % 2 == 0));
    println!("{} appeals to fit on, {} others", fitted.len(), others.len());

    let with_topics = |appeals: &[&Appeal]| index(appeals, |appeal| appeal.topic.clone());
    let without = |appeals: &[&Appeal]| index(appeals, |appeal| appeal.id.clone());
    let own = with_topics(&others);
    found("what was told finds topic and reply", &own, &others, |appeal| asked(&appeal.told));
    let replies = without(&others);
    found("the topic finds the reply alone", &replies, &others, |appeal| appeal.topic.clone());
    let foreign = with_topics(&fitted);
    answered("topics whose reply is not there", &foreign, others.iter().map(|of| of.topic.clone()));
    answered(
        "what was told, its reply not there",
        &foreign,
        others.iter().map(|of| asked(&of.told)),
    );
    let openings = openings(&folder.join("replies/outbound_openings.jsonl"));
    answered("first words of called people", &own, openings.into_iter());
    fit(&fitted, &others);
    speed(&appeals);
    Ok(())
}

fn appeals(file: &Path) -> Result<Vec<Appeal>, Box<dyn Error>> {
    let mut csv = csv::Reader::from_path(file)?;
    let header = csv.headers()?.clone();
    let column =
        |name: &str| header.iter().position(|known| known.trim() == name).ok_or("no such column");
    let columns =
        [column("留言编号")?, column("留言主题")?, column("留言详情")?, column("答复意见")?];
    let mut appeals = Vec::new();
    for row in csv.records() {
        let row = row?;
        let [id, topic, told, reply] = columns.map(|at| row[at].trim().to_owned());
        appeals.push(Appeal { id, topic, told, reply });
    }
    Ok(appeals)
}

fn openings(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let said =
        text.lines().filter_map(|line| line.split_once("[\"user\", \"")?.1.split('"').next());
    said.map(str::to_owned).collect()
}

fn asked(told: &str) -> String {
    told.chars().take(ASKED_CHARS).collect()
}

fn day() -> Day {
    Day::parse("2020-01-01").expect("a day")
}

fn index(appeals: &[&Appeal], title: impl Fn(&Appeal) -> String) -> Index {
    let entry = |appeal: &&Appeal| Entry {
        id: appeal.id.clone(),
        title: title(appeal),
        questions: Vec::new(),
        answer: appeal.reply.clone(),
        source: "答复".into(),
        valid_from: day(),
        valid_to: None,
        unit: None,
        tags: Vec::new(),
    };
    Index::new(appeals.iter().map(entry).collect())
}

fn found(what: &str, index: &Index, appeals: &[&Appeal], question: impl Fn(&Appeal) -> String) {
    let (mut first, mut among_three, mut sure, mut sure_right) = (0, 0, 0, 0);
    for appeal in appeals {
        let hits = index.ranked(&question(appeal), day());
        let is_own = |at: usize| hits.get(at).is_some_and(|hit| hit.entry.id == appeal.id);
        first += u32::from(is_own(0));
        among_three += u32::from((0..3).any(is_own));
        let is_sure = hits.first().is_some_and(|hit| hit.score >= ANSWER_MIN);
        sure += u32::from(is_sure);
        sure_right += u32::from(is_sure && is_own(0));
    }
    let share = |of: u32| f64::from(of) / appeals.len().max(1) as f64;
    println!(
        "{what}: top-1 {:.3}, top-3 {:.3}; answered {:.3}, of these right {:.3}",
        share(first),
        share(among_three),
        share(sure),
        f64::from(sure_right) / f64::from(sure.max(1))
    );
}

fn answered(what: &str, index: &Index, questions: impl Iterator<Item = String>) {
    let (mut asked, mut answered) = (0, 0);
    for question in questions {
        asked += 1;
        answered += u32::from(!index.search(&question, day(), 1).is_empty());
    }
    println!("{what}: {asked} asked, {answered} answered");
}

/// Logistic regression of "the best hit is the own reply" on its shares, by gradient descent; half of
/// the questions have no reply to find.
fn fit(fitted: &[&Appeal], others: &[&Appeal]) {
    let own = index(fitted, |appeal| appeal.topic.clone());
    let best = |question: &str| {
        own.ranked(question, day()).first().map(|hit| (hit.entry.id.clone(), hit.shares))
    };
    let mut rows: Vec<(Shares, f32)> = Vec::new();
    for appeal in fitted {
        if let Some((id, shares)) = best(&asked(&appeal.told)) {
            rows.push((shares, f32::from(u8::from(id == appeal.id))));
        }
    }
    let foreign = others.iter().filter_map(|appeal| best(&asked(&appeal.told)));
    rows.extend(foreign.map(|(_, shares)| (shares, 0.0)));
    let mut weights = [0.0f32; 3];
    for _ in 0..STEPS {
        let mut slope = [0.0f32; 3];
        for (Shares { title, question }, is_right) in &rows {
            let features = [1.0, *title, *question];
            let sum: f32 =
                weights.iter().zip(features).map(|(weight, feature)| weight * feature).sum();
            let error = is_right - 1.0 / (1.0 + (-sum).exp());
            slope.iter_mut().zip(features).for_each(|(slope, feature)| *slope += error * feature);
        }
        weights
            .iter_mut()
            .zip(slope)
            .for_each(|(w, slope)| *w += RATE * 10.0 * slope / rows.len() as f32);
    }
    println!(
        "fitted on {}: bias {:.2}, title {:.2}, question {:.2}",
        rows.len(),
        weights[0],
        weights[1],
        weights[2]
    );
}

fn speed(appeals: &[Appeal]) {
    let many: Vec<Appeal> = (0..ENTRIES)
        .map(|n| {
            let (of, other) = (&appeals[n % appeals.len()], &appeals[(n * 7 + 3) % appeals.len()]);
            // Each has another's reply, so that no two entries are the same.
            Appeal {
                id: n.to_string(),
                topic: of.topic.clone(),
                told: String::new(),
                reply: other.reply.clone(),
            }
        })
        .collect();
    let many: Vec<&Appeal> = many.iter().collect();
    let started = clock::now();
    let index = index(&many, |appeal| appeal.topic.clone());
    println!("{ENTRIES} entries are indexed in {} ms", started.elapsed().as_millis());
    let mut micros: Vec<u128> = (0..QUESTIONS)
        .map(|n| {
            let told = &appeals[n % appeals.len()].told;
            let question: String = told.chars().take(120).collect();
            let started = clock::now();
            std::hint::black_box(index.search(&question, day(), 3));
            started.elapsed().as_micros()
        })
        .collect();
    micros.sort_unstable();
    let at = |share: usize| micros[(QUESTIONS * share / 1_000).min(QUESTIONS - 1)];
    println!(
        "a question of 120 characters: p50 {} µs, p99 {} µs, max {} µs",
        at(500),
        at(990),
        at(1_000)
    );
}
