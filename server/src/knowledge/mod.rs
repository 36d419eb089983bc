//! The folder of knowledge entries: CSV, XLSX, Markdown and HTML files, as the city keeps them.
//!
//! The files are the truth, beside the rest of the city's data: they can be compared, versioned and
//! copied, and a table in the database would be a second one. The running server looks at them every
//! [`LOOK_EVERY`] and takes them over whole or, where anything is wrong, not at all.

mod html;

use anyhow::{Context, Result};
use qingting_nlu::knowledge::{Entry, Import, markdown};
use qingting_nlu::table::TableError;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often the folder is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Largest file.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Most files.
const FILES_MAX: usize = 2_000;

/// Names of files that hold entries end so.
const TABLES: [&str; 4] = ["csv", "xlsx", "xls", "ods"];
const MARKDOWN: [&str; 2] = ["md", "markdown"];
const HTML: [&str; 2] = ["html", "htm"];

/// The files of a folder that may hold entries, in order of their names; none if there is no folder.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.with_context(|| format!("cannot read the folder {}", folder.display()))?,
    };
    let mut files = Vec::new();
    for file in listed {
        let path = file.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden && is_read(&path) {
            files.push(path);
        }
    }
    anyhow::ensure!(
        files.len() <= FILES_MAX,
        "{} holds more than {FILES_MAX} files",
        folder.display()
    );
    files.sort();
    Ok(files)
}

/// Whether a file's name says that entries may be in it.
pub fn is_read(path: &Path) -> bool {
    let ending = ending(path);
    TABLES.iter().chain(&MARKDOWN).chain(&HTML).any(|known| *known == ending)
}

fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

/// The entries of all files.
///
/// # Errors
/// Every problem with its file and row; then there are no entries at all.
pub fn read(files: &[PathBuf]) -> Result<Vec<Entry>> {
    let mut import = Import::default();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let size = std::fs::metadata(path).map_or(0, |file| file.len());
        anyhow::ensure!(
            size <= FILE_BYTES_MAX,
            "{name} has more than {FILE_BYTES_MAX} bytes: divide it"
        );
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        take(&mut import, path, &name, &bytes);
    }
    import.finish().map_err(|error| {
        let problems: Vec<String> =
            error.problems.iter().map(|problem| format!("  {problem}")).collect();
        anyhow::anyhow!(
            "{} problem(s), nothing is taken over:\n{}",
            problems.len(),
            problems.join("\n")
        )
    })
}

fn take(import: &mut Import, path: &Path, name: &str, bytes: &[u8]) {
    let ending = ending(path);
    if TABLES.contains(&ending.as_str()) {
        match qingting_workbook::table(name, bytes) {
            Ok(table) => import.table(&table),
            Err(error) => import.unreadable(error),
        }
        return;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if MARKDOWN.contains(&ending.as_str()) => import.document(name, &markdown(text)),
        Ok(text) => import.document(name, &html::document(text)),
        Err(error) => {
            let row =
                1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u64;
            let what = "no UTF-8";
            import.unreadable(TableError::Encoding { file: name.to_owned(), row, what });
        }
    }
}

/// What tells whether files changed: their names, sizes and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl Fingerprint {
    /// Of these files now.
    pub fn of(files: &[PathBuf]) -> Self {
        let one = |path: &PathBuf| {
            let file = std::fs::metadata(path).ok();
            let size = file.as_ref().map_or(0, std::fs::Metadata::len);
            (path.clone(), size, file.and_then(|file| file.modified().ok()))
        };
        Self(files.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "标题,答案,来源,生效日期\n怎样补办社保卡,带身份证到网点。,人社局,2025-01-01\n";
    const PAGE: &str = "<meta name=\"来源\" content=\"人社局\"><meta name=\"生效日期\" content=\"2025-01-01\">\
                        <h1>怎样领失业金</h1><p>在网上申领。</p>";

    #[test]
    fn a_folder_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("a.csv", TABLE);
        put("b.html", PAGE);
        put("notes.txt", "不读");
        put(".a.csv.swp", "不读");
        let found = files(folder.path()).unwrap();
        assert_eq!(read(&found).unwrap().len(), 2);
        let before = Fingerprint::of(&found);
        put("c.csv", "标题,答案,来源,生效日期\n怎样补办,,人社局,2025-01-01\n");
        let found = files(folder.path()).unwrap();
        assert_ne!(Fingerprint::of(&found), before);
        let error = read(&found).unwrap_err().to_string();
        assert!(error.contains("c.csv row 2") && error.contains("答案"), "{error}");
        assert!(files(&folder.path().join("missing")).unwrap().is_empty());
    }

    #[test]
    fn a_page_in_another_encoding_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.html");
        std::fs::write(&path, b"<h1>\n\xd4\xf5\xd1\xf9</h1>").unwrap();
        let error = read(&[path]).unwrap_err().to_string();
        assert!(error.contains("a.html row 2") && error.contains("UTF-8"), "{error}");
    }
}
