//! What recognition costs the category: the same texts clean, and spoken, telephoned and recognised.
//!
//!     heard prepare full9210_split.csv raw_union.csv COUNT > texts.tsv
//!     heard score MODEL list.tsv heard.tsv
//!
//! `prepare` takes test rows alone, as they were written where the second file has them (the first file's
//! texts were joined from words and lack function words), and cuts them to what a caller says in one breath.
//! Between the two come `prompts` of the voice crate and `qingting asr eval --telephone --heard`:
//! `benches/heard.sh` does all four.

mod score;
mod texts;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["prepare", labelled, written, count] => {
            texts::prepare(labelled.as_ref(), written.as_ref(), count.parse()?)
        }
        ["score", model, list, heard] => {
            score::score(model.as_ref(), list.as_ref(), heard.as_ref())
        }
        _ => Err("prepare LABELLED.csv WRITTEN.csv COUNT | score MODEL list.tsv heard.tsv".into()),
    }
}
