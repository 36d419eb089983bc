//! Models in a folder that was carried in: a copy of another machine's models folder, or the
//! archives as they were downloaded, in the folder itself or in one named for the model.

use crate::receipt::Receipt;
use crate::{Model, Source};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a source is made of.
pub(crate) enum Material {
    /// A folder with the finished files.
    Files(PathBuf),
    /// The archives, by key.
    Archives(HashMap<String, PathBuf>),
}

/// What `dir` holds of `model`: the source it fits, and the material.
pub(crate) fn find<'a>(dir: &Path, model: &'a Model) -> Option<(&'a Source, Material)> {
    let own = dir.join(&model.name);
    let receipt = Receipt::read(&own);
    let came_from = |s: &&Source| receipt.as_ref().is_some_and(|r| r.source == s.title);
    let whole = |s: &&Source| has_files(s, &own);
    let files = |s| (s, Material::Files(own.clone()));
    let sources = &model.sources;
    let by_receipt = sources.iter().filter(came_from).find(whole);
    let by_size = || sources.iter().filter(whole).find(|s| has_sizes(s, &own));
    let by_archives = || sources.iter().find_map(|s| Some((s, archives(s, dir, &own)?)));
    // Files that fit nothing are still tried, so that the checksum error names the wrong one.
    let by_name = || sources.iter().find(whole);
    by_receipt.or_else(by_size).map(files).or_else(by_archives).or_else(|| by_name().map(files))
}

fn has_files(source: &Source, own: &Path) -> bool {
    source.files_here().next().is_some() && source.files_here().all(|f| own.join(&f.name).is_file())
}

fn has_sizes(source: &Source, own: &Path) -> bool {
    source.files_here().all(|f| {
        let size = fs::metadata(own.join(&f.name)).map_or(0, |meta| meta.len());
        f.bytes.map_or(size <= f.bytes_limit(), |bytes| size == bytes)
    })
}

fn archives(source: &Source, dir: &Path, own: &Path) -> Option<Material> {
    let mut found = HashMap::new();
    for archive in source.archives_here() {
        // A bare file such as tokens.txt has a name that several models share.
        let is_bare = source
            .files_here()
            .flat_map(|f| f.parts())
            .any(|(key, inner)| key == archive.key && inner.is_none());
        let shared = (!is_bare).then(|| dir.join(archive.file_name));
        let path = [Some(own.join(archive.file_name)), shared].into_iter().flatten();
        found.insert(archive.key.to_owned(), path.into_iter().find(|path| path.is_file())?);
    }
    (!found.is_empty()).then_some(Material::Archives(found))
}
