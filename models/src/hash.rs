//! SHA-256 of files, without holding them in memory.

use crate::ModelsError;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::Path;

const CHUNK_BYTES: usize = 1 << 16;

/// The hexadecimal SHA-256 of a file.
pub(crate) fn of_file(path: &Path) -> Result<String, ModelsError> {
    let mut file = std::fs::File::open(path).map_err(ModelsError::io("read", path))?;
    copy(&mut file, &mut std::io::sink()).map_err(ModelsError::io("read", path))
}

/// Copies `from` to `to`; returns the hexadecimal SHA-256 of what passed.
pub(crate) fn copy(from: &mut dyn Read, to: &mut dyn Write) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = from.read(&mut chunk)?;
        if n == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&chunk[..n]);
        to.write_all(&chunk[..n])?;
    }
}

/// Refuses a file that is not the pinned one.
pub(crate) fn expect(path: &Path, expected: &str) -> Result<(), ModelsError> {
    let found = of_file(path)?;
    if found == expected {
        return Ok(());
    }
    Err(ModelsError::Checksum {
        what: path.display().to_string(),
        expected: expected.into(),
        found,
    })
}
