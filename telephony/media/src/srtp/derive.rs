//! Session keys from the master key (RFC 3711 §4.3, with a key derivation rate of 0).

use super::Keys;
use super::cipher::counter_mode;
use aes::cipher::KeyInit;
use aes::{Aes128Enc, Aes256Enc};

/// For what a session key is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Label {
    Cipher = 0,
    Authentication = 1,
    Salt = 2,
}

/// Which of the two protocols.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol {
    Rtp = 0,
    Rtcp = 3,
}

/// `N` bytes of the session key. The salt of 12 bytes counts as one of 14 that ends in zeros
/// (RFC 7714 §11).
pub(super) fn derive<const N: usize>(keys: &Keys, protocol: Protocol, label: Label) -> [u8; N] {
    let mut block = [0; 16];
    block[..14].copy_from_slice(&keys.salt);
    block[7] ^= protocol as u8 + label as u8;
    let mut out = [0; N];
    match <[u8; 16]>::try_from(keys.key()) {
        Ok(key) => counter_mode(&Aes128Enc::new(&key.into()), block, &mut out),
        Err(_) => counter_mode(&Aes256Enc::new(&keys.key.into()), block, &mut out),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;

    /// RFC 3711, appendix B.3.
    #[test]
    fn session_keys_are_those_of_the_standard() {
        let key = 0xE1F97A0D3E018BE0D64FA32C06DE4139_u128.to_be_bytes();
        let salt =
            [0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6];
        let keys = Keys::new(Profile::AesCm80, &key, &salt).unwrap();
        let cipher: [u8; 16] = derive(&keys, Protocol::Rtp, Label::Cipher);
        assert_eq!(u128::from_be_bytes(cipher), 0xC61E7A93744F39EE10734AFE3FF7A087);
        let salt: [u8; 14] = derive(&keys, Protocol::Rtp, Label::Salt);
        assert_eq!(salt[..8], 0x30CBBC08863D8C85_u64.to_be_bytes());
        assert_eq!(salt[8..], 0xD49DB34A9AE1_u64.to_be_bytes()[2..]);
        let authentication: [u8; 94] = derive(&keys, Protocol::Rtp, Label::Authentication);
        assert_eq!(authentication[..16], 0xCEBE321F6FF7716B6FD4AB49AF256A15_u128.to_be_bytes());
        assert_eq!(authentication[16..32], 0x6D38BAA48F0A0ACF3C34E2359E6CDBCE_u128.to_be_bytes());
        let last = 0x6B68642C59BBFC2F34DB60DBDFB2_u128.to_be_bytes();
        assert_eq!(authentication[80..], last[2..]);
    }
}
