//! Files out of wheels (zip), npm packages (tar.gz) and releases (tar.bz2).
//!
//! **Nothing is unpacked where an archive says.** The manifest names the paths wanted inside; each is
//! written where the caller says, to at most the bytes the caller allows. An archive with a path that
//! leads out of it is refused.

use crate::ModelsError;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Component, Path, PathBuf};

/// The most that is decompressed of one archive: a small archive can hold zeros without end.
const UNPACKED_BYTES_MAX: u64 = 8 << 30;

/// A file wanted out of an archive.
pub(crate) struct Wanted<'a> {
    /// Its path inside, without a leading `./`.
    pub(crate) inner: &'a str,
    /// Where to write it.
    pub(crate) to: PathBuf,
    /// No more is written than this and one byte, which shows that it was too long.
    pub(crate) bytes_limit: u64,
}

/// Writes everything wanted, reading the archive once.
pub(crate) fn unpack(archive: &Path, wanted: Vec<Wanted<'_>>) -> Result<(), ModelsError> {
    let file = File::open(archive).map_err(ModelsError::io("read", archive))?;
    let file = BufReader::new(file);
    let name = archive.to_string_lossy();
    let unpacked = if name.ends_with(".tar.bz2") {
        from_tar(bzip2::read::MultiBzDecoder::new(file), wanted)
    } else if name.ends_with(".tgz") || name.ends_with(".tar.gz") {
        from_tar(flate2::read::MultiGzDecoder::new(file), wanted)
    } else {
        from_zip(file, wanted)
    };
    unpacked.map_err(|reason| ModelsError::Archive { archive: name.into_owned(), reason })
}

fn from_tar(decoder: impl Read, mut wanted: Vec<Wanted<'_>>) -> Result<(), String> {
    let mut tar = tar::Archive::new(decoder.take(UNPACKED_BYTES_MAX));
    for entry in tar.entries().map_err(|e| e.to_string())? {
        let mut entry = entry.map_err(|e| e.to_string())?;
        let path = entry.path().map_err(|e| e.to_string())?;
        let path = inside(&path)?;
        let here = wanted.iter().position(|w| Path::new(w.inner) == path);
        if let Some(at) = here.filter(|_| entry.header().entry_type().is_file()) {
            write(&mut entry, &wanted.swap_remove(at))?;
        }
        if wanted.is_empty() {
            return Ok(());
        }
    }
    Err(format!("it has no {}", wanted[0].inner))
}

fn from_zip(file: impl Read + Seek, wanted: Vec<Wanted<'_>>) -> Result<(), String> {
    let mut zip = zip::ZipArchive::new(file).map_err(|e| e.to_string())?;
    for one in &wanted {
        let mut entry = zip.by_name(one.inner).map_err(|e| format!("{}: {e}", one.inner))?;
        write(&mut entry, one)?;
    }
    Ok(())
}

fn write(entry: &mut dyn Read, wanted: &Wanted<'_>) -> Result<(), String> {
    let fault = |e: std::io::Error| format!("{}: {e}", wanted.inner);
    let mut out = File::create(&wanted.to).map_err(fault)?;
    std::io::copy(&mut entry.take(wanted.bytes_limit + 1), &mut out).map_err(fault)?;
    Ok(())
}

/// The path without `./`, if it stays inside the archive.
fn inside(path: &Path) -> Result<PathBuf, String> {
    let mut kept = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => kept.push(name),
            Component::CurDir => {}
            _ => return Err(format!("its path {} leads out of it", path.display())),
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A tar.bz2 of these paths, each holding its own path, as tools that check nothing would write
    /// it.
    fn archive(dir: &Path, paths: &[&str]) -> PathBuf {
        let mut tar = tar::Builder::new(Vec::new());
        for path in paths {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().expect("GNU").name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(path.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, path.as_bytes()).expect("appended");
        }
        let tar = tar.into_inner().expect("a tar");
        let file = dir.join("a.tar.bz2");
        let out = File::create(&file).expect("created");
        let mut out = bzip2::write::BzEncoder::new(out, bzip2::Compression::fast());
        out.write_all(&tar).expect("written");
        out.finish().expect("finished");
        file
    }

    fn want(inner: &'static str, dir: &Path, bytes_limit: u64) -> Vec<Wanted<'static>> {
        vec![Wanted { inner, to: dir.join("out"), bytes_limit }]
    }

    #[test]
    fn a_path_is_found_with_and_without_a_leading_dot() {
        let dir = tempfile::tempdir().expect("a folder");
        let archive = archive(dir.path(), &["other", "./m/model"]);
        unpack(&archive, want("m/model", dir.path(), 100)).expect("unpacked");
        assert_eq!(std::fs::read(dir.path().join("out")).expect("read"), b"./m/model");
    }

    #[test]
    fn an_archive_that_leads_out_of_its_folder_is_refused_whole() {
        for evil in ["../evil", "m/../../evil", "/tmp/evil"] {
            let dir = tempfile::tempdir().expect("a folder");
            let archive = archive(dir.path(), &[evil, "m/model"]);
            let refused = unpack(&archive, want("m/model", dir.path(), 100)).unwrap_err();
            assert!(refused.to_string().contains("leads out of it"), "{refused}");
            assert!(!dir.path().join("out").exists());
        }
    }

    #[test]
    fn no_more_is_written_than_shows_that_it_is_too_long() {
        let dir = tempfile::tempdir().expect("a folder");
        let archive = archive(dir.path(), &["m/model"]);
        unpack(&archive, want("m/model", dir.path(), 3)).expect("unpacked");
        assert_eq!(std::fs::read(dir.path().join("out")).expect("read"), b"m/mo");
    }
}
