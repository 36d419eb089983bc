//! A recording as a plain WAV file.

use crate::error::Error;
use crate::keys::MasterKeys;
use crate::reader::Reader;
use crate::verify::Verified;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes decrypted at a time.
const COPY_BYTES: usize = 64 * 1024;

/// Verifies a recording and writes it as a WAV file of mode 0600 that must not exist yet. An
/// unfinished one is exported as far as it goes; the caller is told by its state. After an error
/// no file is left.
pub fn export_wav(path: &Path, keys: &MasterKeys, to: &Path) -> Result<Verified, Error> {
    let mut reader = Reader::open(path, keys)?;
    let verified = reader.verify()?;
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    copy(&mut reader, out).inspect_err(|_| {
        // Should it stay, the next try says so.
        let _ = std::fs::remove_file(to);
    })?;
    Ok(verified)
}

fn copy(reader: &mut Reader, mut out: File) -> Result<(), Error> {
    let mut bytes = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < reader.wav_len() {
        let read = reader.read_at(offset, &mut bytes)?;
        out.write_all(&bytes[..read])?;
        offset += read as u64;
    }
    out.sync_all()?;
    Ok(())
}
