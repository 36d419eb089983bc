//! Puts models into a folder, verifies them, says where they are.

use crate::receipt::Receipt;
use crate::{Manifest, Model, ModelsError, Role, Source, archive, client, hash};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Kept free on the disk beyond what the models need.
const DISK_RESERVE_BYTES: u64 = 64 << 20;
const STAGE: &str = ".staging";

/// Why a conversion failed.
pub type ConvertFailure = Box<dyn std::error::Error + Send + Sync>;

/// A conversion supplied by the binary: step name, folder of verified inputs, file to write.
pub type Convert = Box<dyn Fn(&str, &Path, &Path) -> Result<(), ConvertFailure> + Send + Sync>;

/// Installs models under one folder: `root/<model>/<file>`.
pub struct Installer {
    root: PathBuf,
    manifest: Manifest,
    convert: Convert,
    search_path: Option<OsString>,
}

/// What [`Installer::ensure`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Model name and how it came to be there.
    pub outcomes: Vec<(String, Outcome)>,
    /// Bytes of archives that were fetched now.
    pub bytes_fetched: u64,
}

/// How a model came to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was installed and untouched.
    Present,
    /// It was installed now.
    Installed {
        /// The source used.
        source: String,
        /// Errors of the sources before it.
        failed: Vec<String>,
    },
}

/// One line of `models list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Model name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its licence.
    pub licence: String,
    /// One line for people.
    pub what: String,
    /// Whether it is there.
    pub state: State,
}

/// Whether a model is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// All files are there.
    Installed {
        /// The source used.
        source: String,
        /// Size on disk.
        bytes: u64,
    },
    /// Not installed.
    Missing,
    /// Files are there and are not the pinned ones.
    Damaged {
        /// The first file at fault.
        file: String,
    },
}

impl Installer {
    /// An installer of the embedded manifest. Creates nothing yet.
    pub fn new(root: PathBuf, convert: Convert) -> Self {
        Self { root, manifest: Manifest::embedded(), convert, search_path: None }
    }

    /// Uses another manifest.
    #[must_use]
    pub fn with_manifest(mut self, manifest: Manifest) -> Self {
        self.manifest = manifest;
        self
    }

    /// Looks for the registry clients here instead of in `PATH`.
    #[must_use]
    pub fn with_search_path(mut self, path: OsString) -> Self {
        self.search_path = Some(path);
        self
    }

    /// Makes sure that these models are installed; fetches what is missing. A second process that
    /// does the same on this folder waits for the first.
    ///
    /// # Errors
    /// The first model that no source could give, with every source's error. Models before it stay.
    pub fn ensure(&self, names: &[&str]) -> Result<Report, ModelsError> {
        let models = self.models(names)?;
        let mut report = Report::default();
        if models.iter().all(|m| self.quick(m)) {
            report.outcomes = models.iter().map(|m| (m.name.clone(), Outcome::Present)).collect();
            return Ok(report);
        }
        let _lock = self.lock()?;
        for model in models {
            let outcome = if self.present(model) {
                Outcome::Present
            } else {
                self.try_sources(model, &mut report.bytes_fetched)?
            };
            report.outcomes.push((model.name.clone(), outcome));
        }
        Ok(report)
    }

    /// Hashes every file of every installed model. A damaged model is installed anew by the next
    /// [`Self::ensure`].
    ///
    /// # Errors
    /// When the folder cannot be locked.
    pub fn verify(&self) -> Result<Vec<Status>, ModelsError> {
        let _lock = self.lock()?;
        Ok(self.manifest.models.iter().map(|m| status(m, self.hashed(m))).collect())
    }

    /// What there is, judged by size and time.
    pub fn list(&self) -> Vec<Status> {
        self.manifest.models.iter().map(|m| status(m, self.state(m))).collect()
    }

    /// Installs from a folder laid out as this one, such as a copy of another machine's; models
    /// that it lacks are left alone. Returns the names installed.
    ///
    /// # Errors
    /// [`ModelsError::Checksum`] for a wrong file, [`ModelsError::NotInFolder`] when there is no
    /// model at all.
    pub fn import(&self, dir: &Path) -> Result<Vec<String>, ModelsError> {
        let _lock = self.lock()?;
        let mut imported = Vec::new();
        for model in self.manifest.models.iter().filter(|m| dir.join(&m.name).is_dir()) {
            let from = dir.join(&model.name);
            let whole = |s: &&Source| s.files_here().all(|f| from.join(&f.name).is_file());
            let source = model.sources.iter().find(|s| whole(s) && same_sizes(s, &from));
            let source = source.or_else(|| model.sources.iter().find(whole));
            let source = source.ok_or_else(|| not_in_folder(dir, model))?;
            self.build(model, source, |file, to| {
                let path = from.join(&file.name);
                fs::copy(&path, to).map(|_| ()).map_err(ModelsError::io("copy", &path))
            })?;
            imported.push(model.name.clone());
        }
        match (imported.is_empty(), self.manifest.models.first()) {
            (true, Some(model)) => Err(not_in_folder(dir, model)),
            _ => Ok(imported),
        }
    }

    /// Where a file of a model is, or will be.
    pub fn path(&self, name: &str, file: &str) -> PathBuf {
        self.root.join(name).join(file)
    }

    fn models(&self, names: &[&str]) -> Result<Vec<&Model>, ModelsError> {
        names.iter().map(|name| self.manifest.model(name)).collect()
    }

    fn lock(&self) -> Result<fs::File, ModelsError> {
        let stage = self.root.join(STAGE);
        fs::create_dir_all(&stage).map_err(ModelsError::io("create", &stage))?;
        let path = stage.join("lock");
        let file = fs::File::create(&path).map_err(ModelsError::io("create", &path))?;
        file.lock().map_err(ModelsError::io("lock", &path))?;
        Ok(file)
    }

    /// The source recorded in the receipt, when the manifest still has it and all is as recorded.
    fn quick(&self, model: &Model) -> bool {
        matches!(self.state(model), State::Installed { .. })
    }

    fn state(&self, model: &Model) -> State {
        let dir = self.root.join(&model.name);
        let Some(receipt) = Receipt::read(&dir) else { return State::Missing };
        let pinned = model.sources.iter().any(|s| s.title == receipt.source && agrees(s, &receipt));
        if !pinned {
            return State::Missing;
        }
        if !receipt.untouched(&dir) {
            return State::Damaged { file: model.name.clone() };
        }
        let bytes = receipt.file.iter().map(|f| f.bytes).sum();
        State::Installed { source: receipt.source, bytes }
    }

    /// As [`Self::quick`], but believes the bytes where size and time do not agree, as after a copy
    /// that did not keep times.
    fn present(&self, model: &Model) -> bool {
        self.quick(model) || matches!(self.hashed(model), State::Installed { .. })
    }

    fn hashed(&self, model: &Model) -> State {
        let dir = self.root.join(&model.name);
        let Some(old) = Receipt::read(&dir) else { return State::Missing };
        let names: Vec<_> = old.file.iter().map(|e| e.name.as_str()).collect();
        if names.is_empty() {
            return State::Missing;
        }
        let now = Receipt::take(&dir, &old.source, &names);
        let bad = match &now {
            Ok(now) => now.file.iter().zip(&old.file).position(|(n, o)| n.sha256 != o.sha256),
            Err(_) => names.iter().position(|name| !dir.join(name).is_file()),
        };
        match (bad, now) {
            (None, Ok(now)) if now.write(&dir).is_ok() => self.state(model),
            (bad, _) => {
                Receipt::remove(&dir);
                State::Damaged { file: names[bad.unwrap_or(0)].to_owned() }
            }
        }
    }

    fn try_sources(&self, model: &Model, fetched: &mut u64) -> Result<Outcome, ModelsError> {
        let mut failures = Vec::new();
        for source in &model.sources {
            match self.try_source(model, source, fetched) {
                Ok(()) => {
                    let said = |(title, e): &(String, ModelsError)| format!("{title}: {e}");
                    let failed = failures.iter().map(said).collect();
                    return Ok(Outcome::Installed { source: source.title.clone(), failed });
                }
                Err(error) => {
                    tracing::warn!(model = model.name, source = source.title, %error, "source failed");
                    failures.push((source.title.clone(), error));
                }
            }
        }
        Err(ModelsError::EverySource { model: model.name.clone(), failures })
    }

    fn try_source(
        &self,
        model: &Model,
        source: &Source,
        fetched: &mut u64,
    ) -> Result<(), ModelsError> {
        let stage = self.root.join(STAGE);
        self.check_space(source)?;
        let bar = progress(&model.name, source.packages_here().map(|p| p.bytes).sum());
        let mut archives = HashMap::new();
        let mut done = 0;
        for package in source.packages_here() {
            let (path, new) = client::fetch(package, &stage, self.search_path.as_ref(), &bar)?;
            *fetched += if new { package.bytes } else { 0 };
            done += package.bytes;
            bar.set_position(done);
            archives.insert(package.name.as_str(), path);
        }
        bar.finish_and_clear();
        self.build(model, source, |file, to| {
            // One byte more than pinned is enough to see that a file is too long.
            archive::join(&file.from, &archives, to, file.bytes + 1)
        })?;
        for path in archives.values() {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    /// Builds a model's folder beside its place and moves it there in one step.
    fn build(
        &self,
        model: &Model,
        source: &Source,
        put: impl Fn(&crate::File, &Path) -> Result<(), ModelsError>,
    ) -> Result<(), ModelsError> {
        if source.files_here().next().is_none() {
            let (model, arch) = (model.name.clone(), std::env::consts::ARCH);
            return Err(ModelsError::Processor { model, arch });
        }
        let new = self.root.join(STAGE).join(format!("{}.new", model.name));
        let _ = fs::remove_dir_all(&new);
        fs::create_dir_all(&new).map_err(ModelsError::io("create", &new))?;
        let mut names = Vec::new();
        for file in source.files_here() {
            let to = new.join(&file.name);
            put(file, &to)?;
            hash::expect(&to, &file.sha256)?;
            names.push(file.name.as_str());
        }
        if let Some(convert) = &source.convert {
            let fault = |reason: String| ModelsError::Convert {
                model: model.name.clone(),
                step: convert.step.clone(),
                reason,
            };
            let out = new.join(&convert.file);
            (self.convert)(&convert.step, &new, &out).map_err(|e| fault(e.to_string()))?;
            let bytes = fs::metadata(&out).map_err(|e| fault(format!("no output: {e}")))?.len();
            if bytes == 0 || bytes > convert.bytes_max {
                return Err(fault(format!("its output has {bytes} bytes")));
            }
            names.push(&convert.file);
        }
        Receipt::take(&new, &source.title, &names)?.write(&new)?;
        let place = self.root.join(&model.name);
        let _ = fs::remove_dir_all(&place);
        fs::rename(&new, &place).map_err(ModelsError::io("move", &new))?;
        tracing::info!(model = model.name, source = source.title, "installed");
        Ok(())
    }

    fn check_space(&self, source: &Source) -> Result<(), ModelsError> {
        let stage = self.root.join(STAGE);
        let missing = source.packages_here().filter(|p| !stage.join(&p.archive).exists());
        let needed = missing.map(|p| p.bytes).sum::<u64>()
            + source.files_here().map(|f| f.bytes).sum::<u64>()
            + source.convert.as_ref().map_or(0, |c| c.bytes_max)
            + DISK_RESERVE_BYTES;
        let disk = rustix::fs::statvfs(&self.root)
            .map_err(|e| ModelsError::io("measure", &self.root)(e.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < needed {
            return Err(ModelsError::NoSpace { path: self.root.clone(), needed, free });
        }
        Ok(())
    }
}

fn agrees(source: &Source, receipt: &Receipt) -> bool {
    source
        .files_here()
        .all(|f| receipt.file.iter().any(|e| e.name == f.name && e.sha256 == f.sha256))
        && source.convert.iter().all(|c| receipt.file.iter().any(|e| e.name == c.file))
}

fn same_sizes(source: &Source, dir: &Path) -> bool {
    let size = |name: &str| fs::metadata(dir.join(name)).map(|m| m.len()).ok();
    source.files_here().all(|f| size(&f.name) == Some(f.bytes))
}

fn status(model: &Model, state: State) -> Status {
    let Model { name, role, licence, what, .. } = model.clone();
    Status { name, role, licence, what, state }
}

fn not_in_folder(dir: &Path, model: &Model) -> ModelsError {
    let names = model.sources.first().map(|s| s.files_here().map(|f| f.name.as_str()));
    let files = names.map(|n| n.collect::<Vec<_>>().join(", ")).unwrap_or_default();
    ModelsError::NotInFolder { dir: dir.to_owned(), model: model.name.clone(), files }
}

fn progress(model: &str, bytes: u64) -> ProgressBar {
    let style = "{prefix} [{bar:30}] {bytes}/{total_bytes} {eta} {msg}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style).with_prefix(model.to_owned())
}
