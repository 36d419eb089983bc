//! A model's folder made out of archives or files, verified, and put in its place in one step.

use crate::archive::{self, Wanted};
use crate::local::Material;
use crate::receipt::Receipt;
use crate::{File, Model, ModelsError, Source, hash};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// Why a conversion failed.
pub type ConvertFailure = Box<dyn std::error::Error + Send + Sync>;

/// A conversion supplied by the binary: step name, folder of verified inputs, file to write.
pub type Convert = Box<dyn Fn(&str, &Path, &Path) -> Result<(), ConvertFailure> + Send + Sync>;

/// Where what is unpacked lies until it is joined.
const PARTS: &str = ".parts";

/// One model on its way into its place.
pub(crate) struct Build<'a> {
    pub(crate) model: &'a Model,
    pub(crate) source: &'a Source,
    pub(crate) convert: &'a Convert,
    /// Where the folder will be.
    pub(crate) place: &'a Path,
    /// Where it is made; on the same disk.
    pub(crate) new: &'a Path,
}

impl Build<'_> {
    /// Makes the folder and moves it into its place. Returns the files that nobody vouched for.
    pub(crate) fn run(&self, material: &Material) -> Result<Vec<String>, ModelsError> {
        if self.source.files_here().next().is_none() {
            let (model, arch) = (self.model.name.clone(), std::env::consts::ARCH);
            return Err(ModelsError::Processor { model, arch });
        }
        let _ = fs::remove_dir_all(self.new);
        fs::create_dir_all(self.new).map_err(ModelsError::io("create", self.new))?;
        match material {
            Material::Files(dir) => self.copy_files(dir)?,
            Material::Archives(archives) => self.unpack(archives)?,
        }
        let trusted = self.verify(material)?;
        self.run_conversion()?;
        let converted = self.source.convert.iter().map(|c| c.file.as_str());
        let names = self.source.files_here().map(|f| f.name.as_str()).chain(converted);
        let names: Vec<&str> = names.collect();
        Receipt::take(self.new, &self.source.title, &names)?.write(self.new)?;
        let _ = fs::remove_dir_all(self.place);
        fs::rename(self.new, self.place).map_err(ModelsError::io("move", self.new))?;
        tracing::info!(model = self.model.name, source = self.source.title, "installed");
        Ok(trusted)
    }

    fn copy_files(&self, dir: &Path) -> Result<(), ModelsError> {
        for file in self.source.files_here() {
            let from = dir.join(&file.name);
            fs::copy(&from, self.new.join(&file.name)).map_err(ModelsError::io("copy", &from))?;
        }
        Ok(())
    }

    /// Takes all parts out of each archive in one pass, then joins them.
    fn unpack(&self, archives: &HashMap<String, PathBuf>) -> Result<(), ModelsError> {
        let parts = self.new.join(PARTS);
        fs::create_dir(&parts).map_err(ModelsError::io("create", &parts))?;
        let mut wanted: BTreeMap<&Path, Vec<Wanted<'_>>> = BTreeMap::new();
        let mut joined: Vec<(&File, Vec<PathBuf>)> = Vec::new();
        for file in self.source.files_here() {
            let mut of_file = Vec::new();
            for (key, inner) in file.parts() {
                let path = archives.get(key).ok_or_else(|| ModelsError::Archive {
                    archive: key.into(),
                    reason: format!("there is none for {} processors", std::env::consts::ARCH),
                })?;
                let Some(inner) = inner else {
                    of_file.push(path.clone());
                    continue;
                };
                let to = parts.join(format!("{}.{}", file.name, of_file.len()));
                of_file.push(to.clone());
                let bytes_limit = file.bytes_limit();
                wanted.entry(path).or_default().push(Wanted { inner, to, bytes_limit });
            }
            joined.push((file, of_file));
        }
        wanted.into_iter().try_for_each(|(path, wanted)| archive::unpack(path, wanted))?;
        for (file, of_file) in joined {
            join(&of_file, &parts, &self.new.join(&file.name))?;
        }
        fs::remove_dir_all(&parts).map_err(ModelsError::io("remove", &parts))
    }

    /// Checks every file by the manifest, else by what earlier fetches recorded. Returns those for
    /// which there was neither, nor an archive with a checksum.
    fn verify(&self, material: &Material) -> Result<Vec<String>, ModelsError> {
        let recorded = self.recorded(material);
        let mut trusted = Vec::new();
        for file in self.source.files_here() {
            let path = self.new.join(&file.name);
            if let Some(pin) = &file.sha256 {
                hash::expect(&path, pin).map_err(|e| e.about(&file.name))?;
                continue;
            }
            check_size(file, &path)?;
            if let Some(expected) = recorded.iter().find_map(|r| r.sha256(&file.name)) {
                let found = hash::of_file(&path)?;
                if found != expected {
                    let (what, expected) = (file.name.clone(), expected.to_owned());
                    return Err(ModelsError::Changed { what, expected, found });
                }
            } else if !self.is_vouched(file, material) {
                trusted.push(file.name.clone());
            }
        }
        Ok(trusted)
    }

    /// What was recorded of the same source: here, and where the files were copied from.
    fn recorded(&self, material: &Material) -> Vec<Receipt> {
        let origin = match material {
            Material::Files(dir) => Receipt::read(dir),
            Material::Archives(_) => None,
        };
        let receipts = [Receipt::read(self.place), origin].into_iter().flatten();
        receipts.filter(|r| r.source == self.source.title).collect()
    }

    /// Whether every archive that a file came from has a checksum in the manifest.
    fn is_vouched(&self, file: &File, material: &Material) -> bool {
        let is_pinned =
            |key: &str| self.source.archives_here().any(|a| a.key == key && a.sha256.is_some());
        matches!(material, Material::Archives(_)) && file.parts().all(|(key, _)| is_pinned(key))
    }

    fn run_conversion(&self) -> Result<(), ModelsError> {
        let Some(convert) = &self.source.convert else { return Ok(()) };
        let fault = |reason: String| ModelsError::Convert {
            model: self.model.name.clone(),
            step: convert.step.clone(),
            reason,
        };
        let out = self.new.join(&convert.file);
        (self.convert)(&convert.step, self.new, &out).map_err(|e| fault(e.to_string()))?;
        let bytes = fs::metadata(&out).map_err(|e| fault(format!("no output: {e}")))?.len();
        if bytes == 0 || bytes > convert.bytes_max {
            return Err(fault(format!("its output has {bytes} bytes")));
        }
        Ok(())
    }
}

/// Joins parts in their order; a single one that was unpacked for this is moved.
fn join(of_file: &[PathBuf], parts: &Path, to: &Path) -> Result<(), ModelsError> {
    if let [only] = of_file
        && only.starts_with(parts)
    {
        return fs::rename(only, to).map_err(ModelsError::io("move", only));
    }
    let mut out = fs::File::create(to).map_err(ModelsError::io("write", to))?;
    for part in of_file {
        let mut part_file = fs::File::open(part).map_err(ModelsError::io("read", part))?;
        std::io::copy(&mut part_file, &mut out).map_err(ModelsError::io("write", to))?;
        if part.starts_with(parts) {
            // The next parts may need its space.
            let _ = fs::remove_file(part);
        }
    }
    out.sync_all().map_err(ModelsError::io("write", to))
}

fn check_size(file: &File, path: &Path) -> Result<(), ModelsError> {
    let found = fs::metadata(path).map_err(ModelsError::io("read", path))?.len();
    let fits = file.bytes.map_or(found <= file.bytes_limit(), |bytes| found == bytes);
    if fits {
        return Ok(());
    }
    let at_most = if file.bytes.is_some() { "" } else { "at most " };
    let expected = format!("{at_most}{}", file.bytes_limit());
    Err(ModelsError::Size { what: file.name.clone(), found, expected })
}
