//! What is installed, and what is wrong with it.

use crate::receipt::Receipt;
use crate::{Carries, Machine, Manifest, Model, Role, Source};
use serde::Serialize;
use std::path::Path;

/// One model of `models list`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Model name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// ISO 639 codes.
    pub languages: Vec<String>,
    /// Its licence.
    pub licence: String,
    /// One line for people.
    pub what: String,
    /// What people should know before they rely on it.
    pub note: Option<String>,
    /// The profiles that it belongs to.
    pub profiles: Vec<String>,
    /// Size on disk by the manifest, where it is known.
    pub bytes: Option<u64>,
    /// Whether this machine carries it.
    pub carries: Carries,
    /// Whether it is there.
    #[serde(flatten)]
    pub state: State,
}

/// Whether a model is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// All files are there.
    Installed {
        /// The source used.
        source: String,
        /// Size on disk.
        bytes_installed: u64,
    },
    /// Not installed.
    Missing,
    /// Files are there and are not the ones that were verified.
    Damaged {
        /// Every file at fault.
        faults: Vec<Fault>,
    },
}

/// What is wrong with an installed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its name.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

impl State {
    /// Whether all files are there.
    pub fn is_installed(&self) -> bool {
        matches!(self, Self::Installed { .. })
    }
}

impl Status {
    pub(crate) fn of(model: &Model, manifest: &Manifest, machine: Machine, state: State) -> Self {
        let is_in = |names: &[String]| names.contains(&model.name);
        let profiles = manifest.profiles.iter().filter(|p| is_in(&p.models));
        Self {
            name: model.name.clone(),
            role: model.role,
            languages: model.languages.clone(),
            licence: model.licence.clone(),
            what: model.what.clone(),
            note: model.note.clone(),
            profiles: profiles.map(|p| p.name.clone()).collect(),
            bytes: model.bytes(),
            carries: machine.carries(model),
            state,
        }
    }
}

/// The state by size and time: the receipt's source must still be in the manifest, and all must be
/// as recorded.
pub(crate) fn quick(model: &Model, dir: &Path) -> State {
    let Some(receipt) = Receipt::read(dir) else { return State::Missing };
    if !model.sources.iter().any(|s| s.title == receipt.source && agrees(s, &receipt)) {
        return State::Missing;
    }
    let reason = "its size or time is not the one it had when it was verified";
    let faults: Vec<_> = receipt.touched(dir).map(|file| fault(file, reason.into())).collect();
    if !faults.is_empty() {
        return State::Damaged { faults };
    }
    let bytes_installed = receipt.file.iter().map(|f| f.bytes).sum();
    State::Installed { source: receipt.source, bytes_installed }
}

/// The state by hashing every file. A good one is believed by size and time from now on, as after a
/// copy that did not keep times; a bad one no longer.
pub(crate) fn hashed(model: &Model, dir: &Path) -> State {
    let Some(old) = Receipt::read(dir).filter(|r| !r.file.is_empty()) else {
        return State::Missing;
    };
    let faults: Vec<Fault> =
        old.file.iter().filter_map(|e| compare(dir, &e.name, &e.sha256)).collect();
    let names: Vec<String> = old.file.iter().map(|e| e.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if faults.is_empty() {
        let now = Receipt::take(dir, &old.source, &names);
        return match now.and_then(|now| now.write(dir)) {
            Ok(()) => quick(model, dir),
            Err(error) => State::Damaged { faults: vec![fault(names[0], error.to_string())] },
        };
    }
    let bad: Vec<&str> = faults.iter().map(|f| f.file.as_str()).collect();
    // Where the receipt cannot be written the files are as bad, and said to be so.
    let _ = old.distrust(&bad).write(dir);
    State::Damaged { faults }
}

fn compare(dir: &Path, name: &str, expected: &str) -> Option<Fault> {
    match crate::hash::of_file(&dir.join(name)) {
        Ok(found) if found == expected => None,
        Ok(found) => Some(fault(name, format!("SHA-256 {found}, expected {expected}"))),
        Err(error) => Some(fault(name, error.to_string())),
    }
}

fn fault(file: &str, reason: String) -> Fault {
    Fault { file: file.to_owned(), reason }
}

fn agrees(source: &Source, receipt: &Receipt) -> bool {
    let is_right = |file: &crate::File| {
        let recorded = receipt.sha256(&file.name);
        recorded.is_some_and(|found| file.sha256.as_deref().is_none_or(|pin| pin == found))
    };
    source.files_here().all(is_right)
        && source.convert.iter().all(|c| receipt.sha256(&c.file).is_some())
}
