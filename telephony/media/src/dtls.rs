//! The DTLS handshake that gives a leg its SRTP keys (RFC 5764): our certificate, and one handshake
//! without I/O.
//!
//! The protocol is the `dimpl` crate's, made for WebRTC: datagrams and time in, datagrams and keys
//! out, in Rust alone. `rtc-dtls` brings a second TLS library and three serialisers for the same.
//! A handshake allocates, and takes milliseconds of arithmetic: it is not for a media thread.

use crate::srtp::{Keys, Profile};
use dimpl::crypto::rust_crypto;
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest datagram that a handshake sends.
pub const DATAGRAM_BYTES_MAX: usize = 1_200;
/// From the first message of either side to the keys.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
/// First repetition of a flight that was not answered; doubled with each further one.
const FLIGHT_REPEAT: Duration = Duration::from_millis(200);
const FLIGHT_REPEATS_MAX: usize = 6;

/// Why there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// The peer showed a certificate that its session description does not name.
    #[error("the peer's certificate is not the one of its a=fingerprint")]
    Fingerprint,
    /// The peer agreed to no protection profile that we have.
    #[error("the peer agrees to no SRTP profile; it must offer use_srtp (RFC 5764)")]
    Profile,
    /// The peer did not answer in time.
    #[error("the peer did not finish the DTLS handshake in time")]
    Timeout,
    /// The peer broke the protocol, or has no version or suite in common.
    #[error("the DTLS handshake failed")]
    Protocol,
    /// Our certificate cannot be made.
    #[error("a certificate for DTLS cannot be made")]
    Certificate,
}

/// Our certificate: ECDSA on P-256, signed by itself, made at every start. Its fingerprint in the
/// session description is what the peer knows it by.
pub struct Certificate {
    config: Arc<Config>,
    own: DtlsCertificate,
    fingerprint: [u8; 32],
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint).finish()
    }
}

impl Certificate {
    /// Makes a key and its certificate.
    ///
    /// # Errors
    /// [`DtlsError::Certificate`], when the system gives no randomness.
    pub fn generate() -> Result<Self, DtlsError> {
        let key =
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|_| DtlsError::Certificate)?;
        let mut params = CertificateParams::default();
        // A name that says nothing: whoever calls may read it.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "WebRTC");
        let made = params.self_signed(&key).map_err(|_| DtlsError::Certificate)?;
        let own =
            DtlsCertificate { certificate: made.der().to_vec(), private_key: key.serialize_der() };
        let config = Config::builder()
            .mtu(DATAGRAM_BYTES_MAX)
            .handshake_timeout(HANDSHAKE_MAX)
            .flight_start_rto(FLIGHT_REPEAT)
            .flight_retries(FLIGHT_REPEATS_MAX)
            // The source is proven by ICE already; a cookie would cost a round trip.
            .use_server_cookie(false)
            .with_crypto_provider(rust_crypto::default_provider())
            .build()
            .map_err(|_| DtlsError::Certificate)?;
        let fingerprint = Sha256::digest(&own.certificate).into();
        Ok(Self { config: Arc::new(config), own, fingerprint })
    }

    /// SHA-256 of the certificate.
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// What we do in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We begin.
    Client,
    /// We wait.
    Server,
}

/// What a handshake wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// This datagram goes to the peer.
    Transmit(&'a [u8]),
    /// It is done; told once. The handshake stays useful: it repeats what the peer did not get.
    Keys {
        /// With which we send.
        send: Keys,
        /// With which the peer sends.
        receive: Keys,
    },
    /// It is over without keys; nothing more comes.
    Failed(DtlsError),
    /// Nothing until a datagram comes or this moment, which may be far away.
    Wait {
        /// On the clock of the caller.
        until_ns: u64,
    },
}

/// One handshake with one peer. **Keys come only from a peer whose certificate has the fingerprint
/// of its session description.**
pub struct Handshake {
    dtls: Dtls,
    role: Role,
    peer_fingerprint: [u8; 32],
    peer_known: bool,
    failed: Option<DtlsError>,
    /// A moment, on the caller's clock and on the protocol's.
    origin: (u64, Instant),
}

impl Handshake {
    /// A handshake that begins at `now_ns`, which is the instant `now`.
    pub fn new(
        certificate: &Certificate,
        role: Role,
        peer_fingerprint: [u8; 32],
        (now_ns, now): (u64, Instant),
    ) -> Self {
        let (config, own) = (Arc::clone(&certificate.config), certificate.own.clone());
        let mut dtls = Dtls::new_auto(config, own, now);
        dtls.set_active(role == Role::Client);
        let origin = (now_ns, now);
        let mut made =
            Self { dtls, role, peer_fingerprint, peer_known: false, failed: None, origin };
        made.handle_timeout(now_ns);
        made
    }

    /// Takes a datagram of the peer.
    pub fn handle_datagram(&mut self, now_ns: u64, bytes: &[u8]) {
        self.handle_timeout(now_ns);
        if self.failed.is_none() {
            let taken = self.dtls.handle_packet(bytes);
            self.failed = taken.err().map(reason);
        }
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now_ns: u64) {
        if self.failed.is_none() {
            let now = self.origin.1 + Duration::from_nanos(now_ns.saturating_sub(self.origin.0));
            self.failed = self.dtls.handle_timeout(now).err().map(reason);
        }
    }

    /// What is to be done. To be asked again until it is [`Step::Wait`] or [`Step::Failed`].
    pub fn poll<'a>(&mut self, out: &'a mut Vec<u8>) -> Step<'a> {
        loop {
            if let Some(error) = self.failed {
                return Step::Failed(error);
            }
            if out.is_empty() {
                out.resize(DATAGRAM_BYTES_MAX, 0);
            }
            let mut wanted = 0;
            let length = match self.dtls.poll_output(out) {
                Output::Packet(bytes) => bytes.len(),
                Output::BufferTooSmall { needed } => {
                    wanted = needed;
                    0
                }
                Output::Timeout(at) => {
                    let (origin_ns, origin) = self.origin;
                    let after = at.saturating_duration_since(origin).as_nanos();
                    let after = u64::try_from(after).unwrap_or(u64::MAX);
                    return Step::Wait { until_ns: origin_ns.saturating_add(after) };
                }
                Output::PeerCert(der) => {
                    self.peer_known =
                        <[u8; 32]>::from(Sha256::digest(der)) == self.peer_fingerprint;
                    if !self.peer_known {
                        self.failed = Some(DtlsError::Fingerprint);
                    }
                    0
                }
                Output::KeyingMaterial(material, profile) => {
                    match keys(&material, profile, self.role) {
                        Some((send, receive)) if self.peer_known => {
                            return Step::Keys { send, receive };
                        }
                        Some(_) => self.failed = Some(DtlsError::Fingerprint),
                        None => self.failed = Some(DtlsError::Profile),
                    }
                    0
                }
                // The call ends by SIP, and a browser's data is not for us.
                _ => 0,
            };
            if wanted > out.len() {
                out.resize(wanted, 0);
            }
            if length > 0 {
                return Step::Transmit(&out[..length]);
            }
        }
    }
}

/// Both master keys from what the handshake exports: keys of client and server, then their salts
/// (RFC 5764 §4.2).
fn keys(material: &[u8], profile: SrtpProfile, role: Role) -> Option<(Keys, Keys)> {
    let profile = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Profile::AesCm80,
        SrtpProfile::AEAD_AES_128_GCM => Profile::AeadGcm128,
        SrtpProfile::AEAD_AES_256_GCM => Profile::AeadGcm256,
        _ => return None,
    };
    let (key_bytes, salt_bytes) = (profile.key_bytes(), profile.salt_bytes());
    let (keys, salts) = material.split_at_checked(2 * key_bytes)?;
    let of = |index: usize| {
        Keys::new(profile, &keys[index * key_bytes..], salts.get(index * salt_bytes..)?)
    };
    let (client, server) = (of(0)?, of(1)?);
    Some(match role {
        Role::Client => (client, server),
        Role::Server => (server, client),
    })
}

fn reason(error: dimpl::Error) -> DtlsError {
    tracing::debug!(%error, "a DTLS handshake failed");
    match error {
        dimpl::Error::Timeout(_) => DtlsError::Timeout,
        _ => DtlsError::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND_NS: u64 = 1_000_000_000;

    struct Pair {
        sides: [Handshake; 2],
        outcomes: [Option<Result<(Keys, Keys), DtlsError>>; 2],
        now_ns: u64,
        sent: usize,
    }

    impl Pair {
        fn new(expected: impl Fn([u8; 32]) -> [u8; 32]) -> Self {
            let certificates = [(); 2].map(|()| Certificate::generate().unwrap());
            let print = |index: usize| expected(certificates[index].fingerprint());
            let start = (7, clock::instant());
            let sides = [
                Handshake::new(&certificates[0], Role::Client, print(1), start),
                Handshake::new(
                    &certificates[1],
                    Role::Server,
                    certificates[0].fingerprint(),
                    start,
                ),
            ];
            Self { sides, outcomes: [None; 2], now_ns: 7, sent: 0 }
        }

        /// Lets both talk until both have an outcome; `lost` says which datagrams are.
        fn run(&mut self, lost: impl Fn(usize) -> bool) {
            let mut out = Vec::new();
            for _ in 0..2_000 {
                for side in 0..2 {
                    loop {
                        match self.sides[side].poll(&mut out) {
                            Step::Transmit(bytes) => {
                                assert!(bytes.len() <= DATAGRAM_BYTES_MAX);
                                self.sent += 1;
                                let bytes = bytes.to_vec();
                                if !lost(self.sent) {
                                    self.sides[1 - side].handle_datagram(self.now_ns, &bytes);
                                }
                            }
                            Step::Keys { send, receive } => {
                                self.outcomes[side] = Some(Ok((send, receive)));
                            }
                            Step::Failed(error) => {
                                self.outcomes[side] = Some(Err(error));
                                break;
                            }
                            Step::Wait { .. } => break,
                        }
                    }
                }
                if self.outcomes.iter().all(Option::is_some) {
                    return;
                }
                self.now_ns += SECOND_NS / 50;
                self.sides.iter_mut().for_each(|side| side.handle_timeout(self.now_ns));
            }
        }
    }

    #[test]
    fn both_sides_agree_on_keys() {
        let mut pair = Pair::new(|print| print);
        pair.run(|_| false);
        let [Some(Ok(client)), Some(Ok(server))] = pair.outcomes else {
            panic!("{:?}", pair.outcomes)
        };
        assert_eq!(client, (server.1, server.0));
        assert_ne!(client.0, client.1);
        assert!(pair.now_ns < SECOND_NS / 10, "without waiting");
    }

    #[test]
    fn lost_datagrams_are_repeated() {
        for period in 2..5 {
            let mut pair = Pair::new(|print| print);
            pair.run(|number| number % period == 0);
            assert!(matches!(pair.outcomes, [Some(Ok(_)), Some(Ok(_))]), "{:?}", pair.outcomes);
        }
    }

    #[test]
    fn another_certificate_gets_no_keys() {
        let mut pair = Pair::new(|print| print.map(|byte| !byte));
        pair.run(|_| false);
        assert_eq!(pair.outcomes[0], Some(Err(DtlsError::Fingerprint)));
        assert!(!matches!(pair.outcomes[1], Some(Ok(_))), "{:?}", pair.outcomes);
    }

    #[test]
    fn a_peer_that_is_silent_is_given_up() {
        let mut pair = Pair::new(|print| print);
        pair.run(|_| true);
        assert_eq!(pair.outcomes[0], Some(Err(DtlsError::Timeout)));
        assert_eq!(pair.outcomes[1], None, "who waits has nothing to give up");
    }

    #[test]
    fn noise_does_not_end_a_handshake() {
        let mut pair = Pair::new(|print| print);
        for length in 0..60 {
            let noise: Vec<u8> = (0..length).map(|at: u32| (20 + at * 7 % 44) as u8).collect();
            pair.sides[1].handle_datagram(7, &noise);
        }
        assert_eq!(pair.sides[1].failed, None);
        pair.run(|_| false);
        assert!(matches!(pair.outcomes, [Some(Ok(_)), Some(Ok(_))]), "{:?}", pair.outcomes);
    }
}
