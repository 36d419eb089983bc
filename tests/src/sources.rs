//! The program's own sources, for tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are not part of the program.
const LEFT_OUT: [&str; 5] = ["target", "node_modules", "tests", "examples", "fuzz"];

/// The folder of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Every source that is built into the program, by its path in the project, in order. Unit tests at the
/// end of a file are left out.
pub fn sources() -> Vec<(PathBuf, String)> {
    let (root, mut files) = (root(), Vec::new());
    below(&root, &mut files);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        (path.strip_prefix(&root).expect("below it").to_owned(), text)
    };
    let mut sources: Vec<_> = files.into_iter().map(read).collect();
    sources.sort();
    assert!(sources.len() > 300, "only {} sources", sources.len());
    sources
}

fn below(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !LEFT_OUT.contains(&name) && !name.starts_with('.') {
            below(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") && name != "tests.rs" {
            into.push(path);
        }
    }
}
