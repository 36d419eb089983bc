//! Master keys: they wrap the data key of each recording, and nothing else.

use crate::error::{Error, Part};
use crate::header::{FIXED_BYTES, KEY_SLOT_BYTES};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Length of master and data keys.
pub(crate) const KEY_BYTES: usize = 32;
/// Longest key file read.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Master keys loaded at once.
const KEYS_MAX: usize = 64;
const NONCE_BYTES: usize = 12;
const KEY_ID_BYTES: usize = 8;
const SYSTEMD_FOLDER: &str = "CREDENTIALS_DIRECTORY";

/// Says which master key it is, and nothing about its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub(crate) [u8; KEY_ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why master keys could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is missing or cannot be read.
    #[error(
        "cannot read the master key {}: {source}. Make one with: (umask 077; openssl rand -hex 32 > {})",
        path.display(), path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read it.
    #[error(
        "the master key {} may be read by others (mode {mode:03o}): chmod 600 {}",
        path.display(), path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line is no key.
    #[error(
        "line {line} of the master key file {} is no key: expected 32 bytes as 64 hexadecimal digits or in base64, as made by: openssl rand -hex 32",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// No line is a key.
    #[error(
        "the master key file {} holds no key. Make one with: openssl rand -hex 32",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// More keys than anybody rotates.
    #[error("the master key file {} holds more than {KEYS_MAX} keys", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
    },
    /// systemd passed no credentials.
    #[error(
        "the master key credential {name:?} was asked for, but ${SYSTEMD_FOLDER} is not set: add LoadCredential={name}:/path/to/key to the unit"
    )]
    NoCredentials {
        /// The credential.
        name: String,
    },
}

/// The master keys: the first wraps, all open.
pub struct MasterKeys(Vec<MasterKey>);

struct MasterKey {
    id: KeyId,
    cipher: Aes256Gcm,
}

impl MasterKeys {
    /// Reads a key file: one key a line, the newest first, in hexadecimal digits or base64; empty
    /// lines and those with `#` are left out. Group and others must have no right to it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        Self::read_allowing(path, 0o077)
    }

    /// Reads a key file that systemd passed (`LoadCredential=`, `LoadCredentialEncrypted=`).
    pub fn from_credential(name: &str) -> Result<Self, KeyError> {
        let folder = std::env::var_os(SYSTEMD_FOLDER)
            .ok_or_else(|| KeyError::NoCredentials { name: name.into() })?;
        // The group's bits are the mask of the access list by which systemd lets the service in.
        Self::read_allowing(&PathBuf::from(folder).join(name), 0o007)
    }

    fn read_allowing(path: &Path, forbidden: u32) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { path: path.into(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
        if mode & forbidden != 0 {
            return Err(KeyError::Open { path: path.into(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = key_bytes(line)
                .ok_or_else(|| KeyError::Malformed { path: path.into(), line: number + 1 })?;
            keys.push(MasterKey::new(&bytes));
        }
        match keys.len() {
            0 => Err(KeyError::Empty { path: path.into() }),
            1..=KEYS_MAX => Ok(Self(keys)),
            _ => Err(KeyError::TooMany { path: path.into() }),
        }
    }

    /// The key that wraps the data keys of new recordings.
    pub fn newest(&self) -> KeyId {
        self.0[0].id
    }

    /// Wraps a data key with the newest master key, into a key slot.
    pub(crate) fn wrap(
        &self,
        data_key: &[u8; KEY_BYTES],
        fixed: &[u8; FIXED_BYTES],
    ) -> Result<[u8; KEY_SLOT_BYTES], Error> {
        let master = &self.0[0];
        let mut slot = [0; KEY_SLOT_BYTES];
        let (id, rest) = slot.split_at_mut(KEY_ID_BYTES);
        let (nonce, rest) = rest.split_at_mut(NONCE_BYTES);
        let (wrapped, tag) = rest.split_at_mut(KEY_BYTES);
        id.copy_from_slice(&master.id.0);
        getrandom::fill(nonce).map_err(Error::Random)?;
        wrapped.copy_from_slice(data_key);
        let sealed = seal(&master.cipher, nonce, fixed, wrapped);
        tag.copy_from_slice(&sealed);
        Ok(slot)
    }

    /// Opens the first slot whose master key is loaded.
    pub(crate) fn unwrap(
        &self,
        slots: [&[u8; KEY_SLOT_BYTES]; 2],
        fixed: &[u8; FIXED_BYTES],
    ) -> Result<(KeyId, Zeroizing<[u8; KEY_BYTES]>), Error> {
        let mut unknown = None;
        let mut failed = false;
        for slot in slots.into_iter().filter(|slot| slot.iter().any(|byte| *byte != 0)) {
            let (id, rest) = slot.split_at(KEY_ID_BYTES);
            let Some(master) = self.0.iter().find(|key| key.id.0 == id) else {
                unknown = id.try_into().ok().map(KeyId);
                continue;
            };
            let (nonce, rest) = rest.split_at(NONCE_BYTES);
            let (wrapped, tag) = rest.split_at(KEY_BYTES);
            let mut data_key = Zeroizing::new([0; KEY_BYTES]);
            data_key.copy_from_slice(wrapped);
            if open(&master.cipher, nonce, fixed, &mut data_key[..], tag) {
                return Ok((master.id, data_key));
            }
            failed = true;
        }
        match unknown {
            Some(wanted) if !failed => {
                let loaded: Vec<_> = self.0.iter().map(|key| key.id.to_string()).collect();
                Err(Error::UnknownKey { wanted, loaded: loaded.join(", ") })
            }
            _ => Err(Error::Broken(Part::Header)),
        }
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| key.id)).finish()
    }
}

impl MasterKey {
    fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(b"qingting-recording key id")
            .chain_update(bytes)
            .finalize()
            .into();
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&hash[..KEY_ID_BYTES]);
        Self { id: KeyId(id), cipher: Aes256Gcm::new(bytes.into()) }
    }
}

fn key_bytes(line: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let bytes = Zeroizing::new(if line.len() == 2 * KEY_BYTES {
        hex::decode(line).ok()?
    } else {
        STANDARD.decode(line).ok()?
    });
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

/// Encrypts in place. The nonce has 12 bytes.
pub(crate) fn seal(cipher: &Aes256Gcm, nonce: &[u8], aad: &[u8], text: &mut [u8]) -> [u8; 16] {
    let nonce: &Nonce<_> = nonce.try_into().expect("every caller's nonce has 12 bytes");
    let text = InOutBuf::from(text);
    let tag = cipher.encrypt_inout_detached(nonce, aad, text);
    tag.expect("a second is shorter than the 64 GiB of one GCM message").into()
}

/// Decrypts in place; the text is as it was, when it is not what was sealed.
#[must_use]
pub(crate) fn open(
    cipher: &Aes256Gcm,
    nonce: &[u8],
    aad: &[u8],
    text: &mut [u8],
    tag: &[u8],
) -> bool {
    let (Ok(nonce), Ok(tag)) = (nonce.try_into(), tag.try_into()) else { return false };
    cipher.decrypt_inout_detached(nonce, aad, InOutBuf::from(text), tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.key");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn hexadecimal_and_base64_are_one_key() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let (_folder, path) = file(&format!("# 2026\n\n{hex}\n  {base64}\n"), 0o400);
        let keys = MasterKeys::read(&path).unwrap();
        assert_eq!(keys.0.len(), 2);
        assert_eq!(keys.0[0].id, keys.0[1].id);
        let printed = format!("{keys:?}");
        assert!(printed.contains(&keys.newest().to_string()) && !printed.contains("0405"));
    }

    #[test]
    fn what_is_wrong_with_a_key_file_is_said_with_its_remedy() {
        let good = "00".repeat(32);
        for (text, mode, said) in [
            (good.as_str(), 0o640, "chmod 600"),
            (good.as_str(), 0o604, "chmod 600"),
            ("", 0o600, "openssl rand -hex 32"),
            ("# none\nsecret\n", 0o600, "line 2"),
            (&good[..62], 0o600, "line 1"),
        ] {
            let (_folder, path) = file(text, mode);
            let error = MasterKeys::read(&path).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let error = MasterKeys::read(Path::new("/nowhere/key")).unwrap_err().to_string();
        assert!(error.contains("openssl rand -hex 32 > /nowhere/key"), "{error}");
    }

    #[test]
    fn a_credential_may_carry_the_mask_of_its_access_list() {
        let (_folder, path) = file(&"ab".repeat(32), 0o440);
        assert!(MasterKeys::read(&path).is_err());
        assert!(MasterKeys::read_allowing(&path, 0o007).is_ok());
    }
}
