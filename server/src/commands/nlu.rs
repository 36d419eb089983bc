//! `qingting nlu train`: a city's category model from its past tickets.

use crate::cli;
use anyhow::{Context, Result};
use qingting_nlu::classifier::{TrainOptions, train_csv};

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
