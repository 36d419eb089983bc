//! Letters are sealed: whoever may connect to the database could read and send notifications.
//!
//! AES-256-GCM under a key of the cluster's secret and the sender's run; a letter counts once, and an earlier run's
//! no more once a later one was heard.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit, Nonce, Tag};
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;

/// Characters of a secret, at least: 16 random bytes in hexadecimal.
const SECRET_CHARS_MIN: usize = 32;

/// Bytes of a tag of AES-GCM.
const TAG_BYTES: usize = 16;

/// Seals the letters of one run and opens those of others.
pub struct Seal {
    secret: [u8; 32],
    run: Run,
    cipher: Aes256Gcm,
    sent: u64,
    heard: HashMap<String, Heard>,
}

/// When a process began, and a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run(u64, u64);

struct Heard {
    run: Run,
    last: u64,
    cipher: Aes256Gcm,
}

/// The cluster's secret, the same at all servers.
pub fn secret(file: &Path) -> Result<[u8; 32]> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!(
            "cannot read cluster.secret_file = {} (`openssl rand -hex 32` makes one, the same for all servers)",
            file.display()
        )
    })?;
    let text = text.trim();
    if text.len() < SECRET_CHARS_MIN {
        bail!(
            "cluster.secret_file = {} has fewer than {SECRET_CHARS_MIN} characters: `openssl rand -hex 32` makes one",
            file.display()
        );
    }
    Ok(Sha256::new_with_prefix(b"qingting cluster\n").chain_update(text).finalize().into())
}

impl Seal {
    /// Of a server of this name that began then.
    pub fn new(secret: [u8; 32], own: &str, began: u64) -> Self {
        let run = Run(began, rand::random());
        let cipher = cipher(&secret, own, run);
        Self { secret, run, cipher, sent: 0, heard: HashMap::new() }
    }

    /// A letter as it is sent; for everybody when `to` is `None`.
    pub fn seal(&mut self, to: Option<&str>, text: &str) -> Result<String> {
        self.sent += 1;
        let head = head(self.run, self.sent);
        let mut bytes = text.as_bytes().to_vec();
        let aad = format!("{head} {}", to.unwrap_or("*"));
        let tag = self
            .cipher
            .encrypt_inout_detached(
                &nonce(self.sent),
                aad.as_bytes(),
                InOutBuf::from(&mut bytes[..]),
            )
            .ok()
            .context("a letter is too long to be sealed")?;
        bytes.extend_from_slice(&tag);
        Ok(format!("{head} {}", STANDARD_NO_PAD.encode(bytes)))
    }

    /// What a letter says; `None` of one that was not sealed with the secret, or that came before.
    pub fn open(&mut self, from: &str, to: Option<&str>, sealed: &str) -> Option<String> {
        let (head, body) = sealed.rsplit_once(' ')?;
        let mut fields = head.split(' ').map(|field| u64::from_str_radix(field, 16).ok());
        let (run, number) = (Run(fields.next()??, fields.next()??), fields.next()??);
        let known = self.heard.get(from);
        if known.is_some_and(|of| of.run > run || (of.run == run && of.last >= number)) {
            return None;
        }
        let same = known.filter(|of| of.run == run).map(|of| of.cipher.clone());
        let cipher = same.unwrap_or_else(|| cipher(&self.secret, from, run));
        let mut bytes = STANDARD_NO_PAD.decode(body).ok()?;
        let tag: [u8; TAG_BYTES] =
            bytes.split_off(bytes.len().checked_sub(TAG_BYTES)?).try_into().ok()?;
        let aad = format!("{head} {}", to.unwrap_or("*"));
        let (text, tag) = (InOutBuf::from(&mut bytes[..]), Tag::from(tag));
        cipher.decrypt_inout_detached(&nonce(number), aad.as_bytes(), text, &tag).ok()?;
        self.heard.insert(from.to_owned(), Heard { run, last: number, cipher });
        String::from_utf8(bytes).ok()
    }
}

fn cipher(secret: &[u8; 32], server: &str, run: Run) -> Aes256Gcm {
    let key = Sha256::new_with_prefix(secret)
        .chain_update(run.0.to_be_bytes())
        .chain_update(run.1.to_be_bytes())
        .chain_update(server)
        .finalize();
    Aes256Gcm::new(&<[u8; 32]>::from(key).into())
}

fn head(run: Run, number: u64) -> String {
    format!("{:x} {:x} {number:x}", run.0, run.1)
}

/// Numbers are never used twice in a run, which has a key of its own.
fn nonce(number: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_counts_once_and_only_from_who_has_the_secret() {
        let secret = [7; 32];
        let (mut a, mut b) = (Seal::new(secret, "a", 1_000), Seal::new(secret, "b", 1_000));
        let first = a.seal(None, "市民 13800138000").unwrap();
        assert!(!first.contains("138"));
        assert_eq!(b.open("a", None, &first).as_deref(), Some("市民 13800138000"));
        assert_eq!(b.open("a", None, &first), None, "twice");
        let second = a.seal(Some("b"), "x").unwrap();
        assert_eq!(b.open("c", Some("b"), &second), None, "in another's name");
        assert_eq!(b.open("a", None, &second), None, "to somebody else");
        assert_eq!(b.open("a", Some("b"), &second).as_deref(), Some("x"));
        let mut forged = Seal::new([8; 32], "a", 9_000);
        assert_eq!(b.open("a", None, &forged.seal(None, "x").unwrap()), None);
        // Whoever begins anew is heard; its earlier letters are not any more.
        let third = a.seal(None, "y").unwrap();
        let mut again = Seal::new(secret, "a", 2_000);
        assert!(b.open("a", None, &again.seal(None, "z").unwrap()).is_some());
        assert_eq!(b.open("a", None, &third), None);
        assert_eq!(b.open("a", None, "nonsense"), None);
    }
}
