//! Trains a category model: `train FILE.csv TEXT_COLUMN LABEL_COLUMN SPLIT_COLUMN OUT.qtm`.

use qingting_nlu::classifier::{TrainOptions, train_csv};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, text, label, split, out] = arguments.as_slice() else {
        return Err("usage: train FILE.csv TEXT_COLUMN LABEL_COLUMN SPLIT_COLUMN OUT.qtm".into());
    };
    let options = TrainOptions {
        text_column: text.clone(),
        label_column: label.clone(),
        split_column: Some(split.clone()),
        ..TrainOptions::default()
    };
    let (model, report) = train_csv(std::fs::File::open(file)?, &options)?;
    std::fs::write(out, model.to_bytes())?;
    println!("{} features, {report:#?}", model.features());
    Ok(())
}
