//! Text files that people write: lists of words, tables of recordings.

use anyhow::{Context, Result};
use std::path::Path;

/// The text of a file in UTF-8, in UTF-16 with its mark, or in GB18030.
pub fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = qingting_nlu::table::decode(&path.display().to_string(), &bytes)?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encodings_of_the_country_give_the_same_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words.txt");
        // 文三路 in UTF-8 with its mark, and in GB18030.
        for bytes in ["\u{feff}文三路\n".as_bytes(), b"\xce\xc4\xc8\xfd\xc2\xb7\n"] {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(read(&file).unwrap(), "文三路\n");
        }
        std::fs::write(&file, b"\xff\xff\x80\n").unwrap();
        let error = format!("{:#}", read(&file).unwrap_err());
        assert!(error.contains("words.txt row 1") && error.contains("UTF-8"), "{error}");
    }
}
