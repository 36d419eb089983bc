//! HMAC-SHA256 over `timestamp "." body`, both ways.
//!
//! A request carries [`TIMESTAMP_HEADER`], seconds since 1970, and [`SIGNATURE_HEADER`], `v1=` and the hex
//! digits of the code; several codes are separated by commas. While a secret is changed both sides may
//! have two: every request is signed with each, and one that fits is enough.

use hmac::{Hmac, KeyInit, Mac};
use qingting_common::{Pii, UnixMillis};
use sha2::Sha256;

/// Seconds since 1970 at which the request was signed.
pub const TIMESTAMP_HEADER: &str = "X-Qingting-Timestamp";
/// The codes.
pub const SIGNATURE_HEADER: &str = "X-Qingting-Signature";
/// How far a signature's time may be from now, in seconds, either way.
pub const WINDOW_S: u64 = 300;
/// Secrets at a time: the one in use and the one before or after.
pub const SECRETS_MAX: usize = 2;
/// Shortest secret, in characters: 128 bits in hex.
pub const SECRET_CHARS_MIN: usize = 32;
/// Codes of one request that are looked at.
const CODES_MAX: usize = 4;
const VERSION: &str = "v1=";
/// Hex digits of a secret's name.
const ID_DIGITS: usize = 16;

/// What both sides know.
#[derive(Clone, Debug)]
pub struct Secrets(Vec<Pii<String>>);

/// Why a secret file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// Nothing is in it.
    #[error("it has no secret: `openssl rand -hex 32` makes one")]
    Empty,
    /// More than [`SECRETS_MAX`].
    #[error("it has {0} lines: at most {SECRETS_MAX} secrets count, the newest first")]
    Many(usize),
    /// Shorter than [`SECRET_CHARS_MIN`].
    #[error(
        "line {0} is shorter than {SECRET_CHARS_MIN} characters: `openssl rand -hex 32` makes a secret"
    )]
    Short(usize),
}

/// Why a request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The time is no number of seconds.
    #[error("{TIMESTAMP_HEADER} is not the seconds since 1970")]
    NoTime,
    /// It was signed too long ago, or a clock is wrong.
    #[error("{TIMESTAMP_HEADER} is more than {WINDOW_S} s from this server's time")]
    OutsideWindow,
    /// No code is of any of the secrets.
    #[error("{SIGNATURE_HEADER} does not fit body and time")]
    Wrong,
}

/// The two headers of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The value of [`TIMESTAMP_HEADER`].
    pub timestamp: String,
    /// The value of [`SIGNATURE_HEADER`].
    pub signature: String,
}

impl Secrets {
    /// Reads a secret file: a secret a line, the newest first.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return Err(SecretsError::Empty);
        }
        if lines.len() > SECRETS_MAX {
            return Err(SecretsError::Many(lines.len()));
        }
        if let Some(at) = lines.iter().position(|line| line.chars().count() < SECRET_CHARS_MIN) {
            return Err(SecretsError::Short(at + 1));
        }
        Ok(Self(lines.into_iter().map(|line| Pii::new(line.to_owned())).collect()))
    }

    /// Signs a body with every secret.
    pub fn sign(&self, body: &[u8], now: UnixMillis) -> Signed {
        let timestamp = now.0.div_euclid(1_000).to_string();
        let codes: Vec<String> = self
            .macs(&timestamp, body)
            .map(|mac| format!("{VERSION}{}", hex::encode(mac.finalize().into_bytes())))
            .collect();
        Signed { timestamp, signature: codes.join(",") }
    }

    /// A digest that tells whether two texts are the same, and nothing else to who has not the secret: `ID:CODE`, in hex.
    /// `id` names the newest secret, with which the code is made; codes of different ids cannot be compared. One purpose's
    /// codes are none of another's, nor a signature.
    pub fn digest(&self, purpose: &str, parts: &[&[u8]]) -> String {
        let code = |purpose: &str, parts: &[&[u8]]| {
            let secret = self.0.first().map_or(&[][..], |secret| secret.expose().as_bytes());
            let mac = Hmac::<Sha256>::new_from_slice(secret);
            let mut mac = mac.expect("HMAC takes keys of any length (RFC 2104 section 3)");
            for part in [purpose.as_bytes()].iter().chain(parts) {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part);
            }
            hex::encode(mac.finalize().into_bytes())
        };
        format!("{}:{}", &code("id", &[])[..ID_DIGITS], code(purpose, parts))
    }

    fn macs<'a>(
        &'a self,
        timestamp: &'a str,
        body: &'a [u8],
    ) -> impl Iterator<Item = Hmac<Sha256>> + 'a {
        self.0.iter().map(move |secret| {
            let mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
            let mut mac = mac.expect("HMAC takes keys of any length (RFC 2104 section 3)");
            mac.update(timestamp.as_bytes());
            mac.update(b".");
            mac.update(body);
            mac
        })
    }
}

/// Whether a body is from who knows one of the secrets, and not from long ago. Codes are compared in
/// constant time. What is repeated within the window must be told apart by its event's id.
pub fn verify(
    secrets: &Secrets,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: UnixMillis,
) -> Result<(), SignatureError> {
    let seconds: i64 = timestamp.parse().map_err(|_| SignatureError::NoTime)?;
    if seconds.abs_diff(now.0.div_euclid(1_000)) > WINDOW_S {
        return Err(SignatureError::OutsideWindow);
    }
    let given: Vec<Vec<u8>> = signature
        .split(',')
        .take(CODES_MAX)
        .filter_map(|code| hex::decode(code.trim().strip_prefix(VERSION)?).ok())
        .collect();
    let mut fits = false;
    for mac in secrets.macs(timestamp, body) {
        for code in &given {
            fits |= mac.clone().verify_slice(code).is_ok();
        }
    }
    if fits { Ok(()) } else { Err(SignatureError::Wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";
    const NOW: UnixMillis = UnixMillis(1_767_196_800_500);

    fn secrets(lines: &[&str]) -> Secrets {
        Secrets::parse(&lines.join("\n")).unwrap()
    }

    #[test]
    fn the_code_is_the_one_that_openssl_makes() {
        // printf '1767196800.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        let signed = secrets(&[OLD]).sign(br#"{"a":1}"#, NOW);
        assert_eq!(signed.timestamp, "1767196800");
        assert_eq!(signed.signature, OPENSSL);
    }

    const OPENSSL: &str = "v1=6a4187a62eb23d4f27c40fd79c8d648e10e955caf45e48d4a50688e19e79d96b";

    #[test]
    fn a_secret_changes_without_a_moment_at_which_nothing_fits() {
        let body = "正文".as_bytes();
        let check = |theirs: &[&str], ours: &[&str]| {
            let Signed { timestamp, signature } = secrets(theirs).sign(body, NOW);
            verify(&secrets(ours), &timestamp, &signature, body, NOW)
        };
        // One side has both first, then the other, then the old one goes.
        for (theirs, ours) in [
            (&[OLD][..], &[OLD][..]),
            (&[NEW, OLD], &[OLD]),
            (&[OLD], &[NEW, OLD]),
            (&[NEW, OLD], &[NEW, OLD]),
            (&[NEW], &[NEW, OLD]),
        ] {
            assert_eq!(check(theirs, ours), Ok(()));
        }
        assert_eq!(check(&[OLD], &[NEW]), Err(SignatureError::Wrong));
    }

    #[test]
    fn what_was_changed_or_is_old_is_not_believed() {
        let ours = secrets(&[OLD]);
        let Signed { timestamp, signature } = ours.sign(b"body", NOW);
        let at = |seconds: i64| UnixMillis(NOW.0 + seconds * 1_000);
        let of = |timestamp: &str, signature: &str, body: &[u8], now| {
            verify(&ours, timestamp, signature, body, now)
        };
        assert_eq!(of(&timestamp, &signature, b"body", at(300)), Ok(()));
        assert_eq!(of(&timestamp, &signature, b"body", at(-300)), Ok(()));
        for now in [at(301), at(-301), UnixMillis(i64::MIN), UnixMillis(i64::MAX)] {
            let outside = of(&timestamp, &signature, b"body", now);
            assert_eq!(outside, Err(SignatureError::OutsideWindow));
        }
        assert_eq!(of("soon", &signature, b"body", NOW), Err(SignatureError::NoTime));
        let wrong = Err(SignatureError::Wrong);
        assert_eq!(of(&timestamp, &signature, b"Body", NOW), wrong);
        assert_eq!(of("1767196801", &signature, b"body", NOW), wrong);
        let digits = signature.strip_prefix("v1=").unwrap();
        for signature in ["", "v1=", "v1=zz", digits, &signature[..20], &"v1=00,".repeat(9_000)] {
            assert_eq!(of(&timestamp, signature, b"body", NOW), wrong, "{signature:.20}");
        }
        let padded = format!("v1=00, {signature}");
        assert_eq!(of(&timestamp, &padded, b"body", NOW), Ok(()));
    }

    #[test]
    fn a_secret_file_that_protects_nothing_is_refused() {
        let of = |text: &str| Secrets::parse(text).err();
        assert_eq!(of(" \n"), Some(SecretsError::Empty));
        assert_eq!(of(&format!("{OLD}\nshort")), Some(SecretsError::Short(2)));
        assert_eq!(of(&format!("{OLD}\n{NEW}\n{OLD}")), Some(SecretsError::Many(3)));
        assert_eq!(of(&format!("{OLD}\r\n\n{NEW}\n")), None);
        assert!(!format!("{:?}", secrets(&[OLD])).contains(OLD));
    }

    #[test]
    fn a_digest_compares_texts_and_needs_the_secret() {
        let of = |secret: &str| Secrets::parse(secret).unwrap();
        let one = of("0123456789abcdef0123456789abcdef");
        let digest = one.digest("calls", &[b"a", b"bc"]);
        assert_eq!(digest, one.digest("calls", &[b"a", b"bc"]));
        // While a secret is changed the newest counts.
        let other = of("fedcba9876543210fedcba9876543210\n0123456789abcdef0123456789abcdef");
        let others = [
            one.digest("calls", &[b"ab", b"c"]),
            one.digest("seats", &[b"a", b"bc"]),
            other.digest("calls", &[b"a", b"bc"]),
        ];
        let code = |digest: &str| digest.split_once(':').map(|(_, code)| code.to_owned());
        assert!(others.iter().all(|other| code(other) != code(&digest)), "{others:?}");
        let id = |digest: &str| digest.split_once(':').map(|(id, _)| id.to_owned());
        assert_eq!(id(&others[0]), id(&digest));
        assert_ne!(id(&others[2]), id(&digest));
    }
}
