//! Puts models into a folder, verifies them, says where they are.

use crate::build::{Build, Convert};
use crate::local::{self, Material};
use crate::manifest::list;
use crate::{
    Client, Machine, Manifest, Mirror, Model, ModelsError, Source, State, Status, client, download,
    status,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Kept free on the disk beyond what the models need.
const DISK_RESERVE_BYTES: u64 = 64 << 20;
const STAGE: &str = ".staging";

/// Installs models under one folder: `root/<model>/<file>`.
pub struct Installer {
    root: PathBuf,
    manifest: Manifest,
    convert: Convert,
    mirror: Option<Mirror>,
    folder: Option<PathBuf>,
    search_path: Option<OsString>,
}

/// What [`Installer::ensure`] and [`Installer::import`] did.
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
        /// Files whose checksum nobody knew: recorded now, compared from now on.
        trusted: Vec<String>,
    },
}

impl Installer {
    /// An installer of the embedded manifest. Creates nothing yet.
    pub fn new(root: PathBuf, convert: Convert) -> Self {
        let manifest = Manifest::embedded();
        Self { root, manifest, convert, mirror: None, folder: None, search_path: None }
    }

    /// Uses another manifest.
    #[must_use]
    pub fn with_manifest(mut self, manifest: Manifest) -> Self {
        self.manifest = manifest;
        self
    }

    /// Fetches every URL from this mirror instead.
    #[must_use]
    pub fn with_mirror(mut self, mirror: Option<Mirror>) -> Self {
        self.mirror = mirror;
        self
    }

    /// Looks into this folder before any source, as [`Self::import`] does.
    #[must_use]
    pub fn with_folder(mut self, folder: Option<PathBuf>) -> Self {
        self.folder = folder;
        self
    }

    /// Looks for the registry clients here instead of in `PATH`.
    #[must_use]
    pub fn with_search_path(mut self, path: OsString) -> Self {
        self.search_path = Some(path);
        self
    }

    /// What can be installed.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Makes sure that these models are installed; fetches what is missing. A second process that
    /// does the same on this folder waits for the first.
    ///
    /// # Errors
    /// The first model that no source could give, with every source's error. Models before it stay.
    pub fn ensure(&self, names: &[&str]) -> Result<Report, ModelsError> {
        let models = names.iter().map(|name| self.manifest.model(name));
        let models = models.collect::<Result<Vec<_>, _>>()?;
        let mut report = Report::default();
        if models.iter().all(|m| self.quick(m).is_installed()) {
            report.outcomes = models.iter().map(|m| (m.name.clone(), Outcome::Present)).collect();
            return Ok(report);
        }
        let _lock = self.lock()?;
        for model in models {
            let outcome = if self.is_present(model) {
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
        Ok(self.statuses(|model| status::hashed(model, &self.place(model))))
    }

    /// What there is, judged by size and time.
    pub fn list(&self) -> Vec<Status> {
        self.statuses(|model| self.quick(model))
    }

    /// Whether a model is installed, judged by size and time.
    pub fn has(&self, name: &str) -> bool {
        self.manifest.model(name).is_ok_and(|model| self.quick(model).is_installed())
    }

    /// Installs from a folder that holds models as this one does, such as a copy of another
    /// machine's, or archives as they were downloaded. Models that it lacks are left alone.
    ///
    /// # Errors
    /// [`ModelsError::Checksum`] for a wrong file, [`ModelsError::NotInFolder`] when there is no
    /// model at all.
    pub fn import(&self, dir: &Path) -> Result<Report, ModelsError> {
        let _lock = self.lock()?;
        let mut report = Report::default();
        for model in &self.manifest.models {
            if let Some(outcome) = self.try_folder(model, dir)? {
                report.outcomes.push((model.name.clone(), outcome));
            }
        }
        match (report.outcomes.is_empty(), self.manifest.models.first()) {
            (true, Some(model)) => Err(not_in_folder(dir, model)),
            _ => Ok(report),
        }
    }

    /// Where a file of a model is, or will be.
    pub fn path(&self, name: &str, file: &str) -> PathBuf {
        self.root.join(name).join(file)
    }

    fn place(&self, model: &Model) -> PathBuf {
        self.root.join(&model.name)
    }

    fn stage(&self, model: &Model) -> PathBuf {
        self.root.join(STAGE).join(&model.name)
    }

    fn lock(&self) -> Result<fs::File, ModelsError> {
        let stage = self.root.join(STAGE);
        fs::create_dir_all(&stage).map_err(ModelsError::io("create", &stage))?;
        let path = stage.join("lock");
        let file = fs::File::create(&path).map_err(ModelsError::io("create", &path))?;
        file.lock().map_err(ModelsError::io("lock", &path))?;
        Ok(file)
    }

    fn statuses(&self, state: impl Fn(&Model) -> State) -> Vec<Status> {
        let machine = Machine::here();
        let status = |model| Status::of(model, &self.manifest, machine, state(model));
        self.manifest.models.iter().map(status).collect()
    }

    fn quick(&self, model: &Model) -> State {
        status::quick(model, &self.place(model))
    }

    /// As [`Self::quick`], but believes the bytes where size and time do not agree.
    fn is_present(&self, model: &Model) -> bool {
        self.quick(model).is_installed() || status::hashed(model, &self.place(model)).is_installed()
    }

    fn try_sources(&self, model: &Model, fetched: &mut u64) -> Result<Outcome, ModelsError> {
        let mut failures = Vec::new();
        if let Some(folder) = &self.folder {
            match self.try_folder(model, folder) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => {}
                Err(error) => failures.push((folder.display().to_string(), error)),
            }
        }
        for source in &model.sources {
            match self.try_source(model, source, fetched) {
                Ok(trusted) => {
                    let said = |(title, e): &(String, ModelsError)| format!("{title}: {e}");
                    let failed = failures.iter().map(said).collect();
                    return Ok(Outcome::Installed {
                        source: source.title.clone(),
                        failed,
                        trusted,
                    });
                }
                Err(error) => {
                    tracing::warn!(model = model.name, source = source.title, %error, "source failed");
                    failures.push((source.title.clone(), error));
                }
            }
        }
        let remedy = model.sources.first().map(|s| self.remedy(s)).unwrap_or_default();
        Err(ModelsError::EverySource { model: model.name.clone(), remedy, failures })
    }

    fn try_folder(&self, model: &Model, dir: &Path) -> Result<Option<Outcome>, ModelsError> {
        let Some((source, material)) = local::find(dir, model) else { return Ok(None) };
        let trusted = self.build(model, source, &material)?;
        let source = format!("{} in {}", source.title, dir.display());
        Ok(Some(Outcome::Installed { source, failed: Vec::new(), trusted }))
    }

    fn try_source(
        &self,
        model: &Model,
        source: &Source,
        fetched: &mut u64,
    ) -> Result<Vec<String>, ModelsError> {
        let stage = self.stage(model);
        fs::create_dir_all(&stage).map_err(ModelsError::io("create", &stage))?;
        self.check_space(source, &stage)?;
        let bar = progress(&model.name, source.archives_here().map(|a| a.bytes).sum());
        let mut archives = HashMap::new();
        for package in source.packages_here() {
            let (path, new) = client::fetch(package, &stage, self.search_path.as_ref(), &bar)?;
            *fetched += if new { package.bytes } else { 0 };
            archives.insert(package.name.clone(), path);
        }
        for one in &source.downloads {
            let url = self.mirror.as_ref().map_or_else(|| one.url.clone(), |m| m.of(&one.url));
            bar.set_message(one.archive.clone());
            let archive = source.archives_here().find(|a| a.key == one.archive);
            let archive = archive.expect("a source's archives are its packages and downloads");
            let (path, bytes) = download::fetch(&url, &archive, &stage, &bar)?;
            *fetched += bytes;
            archives.insert(one.archive.clone(), path);
        }
        bar.finish_and_clear();
        let built = self.build(model, source, &Material::Archives(archives));
        // What was fetched is of no more use: it is installed, or it is not what it should be.
        if built.as_ref().map_or_else(ModelsError::is_of_content, |_| true) {
            let _ = fs::remove_dir_all(&stage);
        }
        built
    }

    fn build(
        &self,
        model: &Model,
        source: &Source,
        material: &Material,
    ) -> Result<Vec<String>, ModelsError> {
        let new = self.root.join(STAGE).join(format!("{}.new", model.name));
        let (place, convert) = (self.place(model), &self.convert);
        Build { model, source, convert, place: &place, new: &new }.run(material)
    }

    /// What people can do elsewhere to get a source's archives.
    fn remedy(&self, source: &Source) -> String {
        let of = |client: Client| source.packages_here().filter(move |p| p.client == client);
        let pip = of(Client::Pip).map(|p| format!(" {}=={}", p.name, p.version));
        let pip: String = pip.collect();
        let pip = (!pip.is_empty()).then(|| format!("`pip download --no-deps{pip}`"));
        let npm = of(Client::Npm).map(|p| format!("`npm pack {}@{}`", p.name, p.version));
        let urls = source.downloads.iter().map(|d| d.url.clone());
        pip.into_iter().chain(npm).chain(urls).collect::<Vec<_>>().join(" ")
    }

    fn check_space(&self, source: &Source, stage: &Path) -> Result<(), ModelsError> {
        let missing = source.archives_here().filter(|a| !stage.join(a.file_name).exists());
        // Parts and what is joined out of them lie side by side for a moment.
        let unpacked = source.files_here().map(|f| f.bytes_limit() * f.from.len().min(2) as u64);
        let needed = missing.map(|a| a.bytes_limit).sum::<u64>()
            + unpacked.sum::<u64>()
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

fn not_in_folder(dir: &Path, model: &Model) -> ModelsError {
    let source = model.sources.first();
    let files = source.map(|s| list(s.files_here().map(|f| f.name.as_str()))).unwrap_or_default();
    let archives = source.map(|s| list(s.archives_here().map(|a| a.file_name)));
    let archives = archives.unwrap_or_default();
    ModelsError::NotInFolder { dir: dir.to_owned(), model: model.name.clone(), files, archives }
}

/// A bar where all sizes are known, else a count.
fn progress(model: &str, bytes: Option<u64>) -> ProgressBar {
    let (bar, style) = match bytes {
        Some(bytes) => {
            (ProgressBar::new(bytes), "{prefix} [{bar:30}] {bytes}/{total_bytes} {eta} {msg}")
        }
        None => (ProgressBar::no_length(), "{prefix} {spinner} {bytes} {bytes_per_sec} {msg}"),
    };
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_prefix(model.to_owned())
}
