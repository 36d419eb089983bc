//! Models learnt from tickets: numbered files in a folder, and which of them is in use.
//!
//! **A version is never written over, and the file `current` names one that could be read when it was
//! chosen.** Both appear whole, by renaming.

use super::models;
use crate::cli;
use crate::config::Config;
use anyhow::{Context, Result, bail};
use qingting_nlu::classifier::TicketModel;
use serde::Serialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The model that comes with the program, and its name.
const SHIPPED: &[u8] = include_bytes!("../../../models/trained/category.qtm");
const SHIPPED_NAME: &str = "shipped";
/// Stands for the version that was in use before.
const PREVIOUS: &str = "previous";
/// Below the folder of models.
const FOLDER: &str = "tickets";
/// Names the version in use on its first line, the one before on its second.
const POINTER: &str = "current";
const EXTENSION: &str = "qtm";

/// The folder of the ticket models.
pub struct TicketModels(PathBuf);

/// What `current` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// In use.
    pub version: String,
    /// In use before.
    previous: Option<String>,
}

impl Default for Pointer {
    fn default() -> Self {
        Self { version: SHIPPED_NAME.into(), previous: None }
    }
}

impl TicketModels {
    /// Below a folder of models.
    pub fn below(models: &Path) -> Self {
        Self(models.join(FOLDER))
    }

    /// What is in use; the shipped model while nothing was chosen.
    pub fn pointer(&self) -> Result<Pointer> {
        let path = self.0.join(POINTER);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Pointer::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let mut lines = text.lines().map(|line| line.trim().to_owned());
        let version = lines.next().filter(|version| !version.is_empty());
        let version = version.with_context(|| {
            format!("{} names no version: run `qingting nlu use VERSION`", path.display())
        })?;
        Ok(Pointer { version, previous: lines.next() })
    }

    /// A version.
    pub fn load(&self, version: &str) -> Result<TicketModel> {
        if version == SHIPPED_NAME {
            return Ok(TicketModel::from_bytes(SHIPPED).expect("the program's own model is tested"));
        }
        let known = self.versions()?;
        if !known.iter().any(|known| known == version) {
            let known = [known.as_slice(), &[SHIPPED_NAME.to_owned()]].concat().join(", ");
            bail!(
                "there is no ticket model {version:?} in {}; there are: {known}",
                self.0.display()
            );
        }
        read(&self.file(version))
    }

    /// Where a version's file is.
    pub fn file(&self, version: &str) -> PathBuf {
        self.0.join(version).with_extension(EXTENSION)
    }

    /// All that were learnt, the oldest first.
    fn versions(&self) -> Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.0.display()));
            }
        };
        let mut versions = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(stem) = stem.filter(|_| path.extension().is_some_and(|e| e == EXTENSION)) {
                versions.push(stem.to_owned());
            }
        }
        versions.sort_unstable();
        Ok(versions)
    }

    /// Writes a new version and returns its name.
    pub fn add(&self, model: &TicketModel) -> Result<String> {
        std::fs::create_dir_all(&self.0)
            .with_context(|| format!("cannot create {}", self.0.display()))?;
        let numbers =
            self.versions()?.into_iter().filter_map(|version| version.parse::<u32>().ok());
        let version = format!("{:04}", numbers.max().unwrap_or(0) + 1);
        write(&self.file(&version), &model.to_bytes())?;
        Ok(version)
    }

    /// Chooses a version, which must be readable.
    pub fn choose(&self, version: &str) -> Result<String> {
        let now = self.pointer().unwrap_or_default();
        let version = match (version, now.previous) {
            (PREVIOUS, Some(previous)) => previous,
            (PREVIOUS, None) => bail!("no other ticket model was in use before {}", now.version),
            (version, _) => version.to_owned(),
        };
        self.load(&version)?;
        std::fs::create_dir_all(&self.0)
            .with_context(|| format!("cannot create {}", self.0.display()))?;
        write(&self.0.join(POINTER), format!("{version}\n{}\n", now.version).as_bytes())?;
        Ok(version)
    }
}

/// The model that the configuration names, else the one chosen, else the shipped one.
pub fn in_use(config: &Config) -> Result<TicketModel> {
    let own = &config.nlu.category_model;
    if !own.as_os_str().is_empty() {
        return read(own).with_context(|| format!("nlu.category_model = {}", own.display()));
    }
    let models = TicketModels::below(&config.data.models);
    models.load(&models.pointer()?.version)
}

/// Reads a model file.
pub fn read(path: &Path) -> Result<TicketModel> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    TicketModel::from_bytes(&bytes).with_context(|| format!("cannot use {}", path.display()))
}

/// A file that is there whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[derive(Serialize)]
struct Row {
    version: String,
    in_use: bool,
    bytes: u64,
    categories: usize,
    units: usize,
}

/// `qingting nlu models`.
pub fn list(args: &cli::NluModels) -> Result<()> {
    let models = TicketModels::below(&models::folder(&args.dir)?);
    let pointer = models.pointer()?;
    let mut rows = Vec::new();
    for version in std::iter::once(SHIPPED_NAME.to_owned()).chain(models.versions()?) {
        let model = models.load(&version)?;
        rows.push(Row {
            in_use: version == pointer.version,
            bytes: model.to_bytes().len() as u64,
            categories: model.categories().len(),
            units: model.units().len(),
            version,
        });
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    println!("{:<9} {:>6} {:>10} {:>6}  in use", "version", "MB", "categories", "units");
    for row in rows {
        let (mb, mark) = (row.bytes as f64 / 1e6, if row.in_use { "yes" } else { "" });
        let Row { version, categories, units, .. } = row;
        println!("{version:<9} {mb:>6.1} {categories:>10} {units:>6}  {mark}");
    }
    Ok(())
}

/// `qingting nlu use`.
pub fn run(args: &cli::NluUse) -> Result<()> {
    let models = TicketModels::below(&models::folder(&args.dir)?);
    let version = models.choose(&args.version)?;
    println!("In use: {version}. Back to the one before: qingting nlu use {PREVIOUS}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_and_the_one_before_is_one_step_away() {
        let folder = tempfile::tempdir().unwrap();
        let models = TicketModels::below(folder.path());
        assert_eq!(models.pointer().unwrap(), Pointer::default());
        let model = models.load(SHIPPED_NAME).unwrap();
        assert_eq!([models.add(&model).unwrap(), models.add(&model).unwrap()], ["0001", "0002"]);
        assert!(models.choose(PREVIOUS).is_err(), "nothing was chosen yet");
        models.choose("0001").unwrap();
        models.choose("0002").unwrap();
        assert_eq!(models.choose(PREVIOUS).unwrap(), "0001");
        assert_eq!(models.pointer().unwrap().version, "0001");
    }

    #[test]
    fn a_version_that_is_missing_or_damaged_is_never_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let models = TicketModels::below(folder.path());
        let version = models.add(&models.load(SHIPPED_NAME).unwrap()).unwrap();
        models.choose(&version).unwrap();
        let missing = models.choose("0007").unwrap_err().to_string();
        assert!(missing.contains("0001, shipped"), "{missing}");
        std::fs::write(models.file("0007"), b"QTLM\x02\x00").unwrap();
        assert!(models.choose("0007").is_err());
        assert_eq!(models.pointer().unwrap().version, version);
    }
}
