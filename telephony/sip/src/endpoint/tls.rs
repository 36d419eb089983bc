//! Certificates, ours and those of peers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The files that say who we are.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    /// Our certificate and those between it and the root, PEM.
    pub certificate_pem: PathBuf,
    /// Its private key, PEM: PKCS#8, PKCS#1 or SEC1.
    pub key_pem: PathBuf,
}

impl TlsIdentity {
    fn written(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate_pem, &self.key_pem]
            .map(|file| file.metadata().and_then(|of| of.modified()).ok())
    }

    /// Whether both can be read and belong together.
    pub fn check(&self) -> Result<(), TlsError> {
        acceptor(self).map(drop)
    }
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("cannot read {}: {}", file.display(), remedy(source))]
    File {
        /// The file.
        file: PathBuf,
        /// What was wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The files could be read but do not fit.
    #[error(
        "{} and {} are no pair: give the certificate (its own first, then the chain) and the key \
         that it was made for",
        certificate.display(),
        key.display()
    )]
    Pair {
        /// Certificate file.
        certificate: PathBuf,
        /// Key file.
        key: PathBuf,
        /// What was wrong.
        #[source]
        source: rustls::Error,
    },
    /// A root certificate is none.
    #[error("{} holds no usable root certificate: give the PEM file of the peer's CA", file.display())]
    Root {
        /// The file.
        file: PathBuf,
    },
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

fn remedy(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "there is no such file; check its path"
        }
        pem::Error::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            "this user may not read it; change its owner or mode"
        }
        pem::Error::NoItemsFound => "nothing of the wanted kind is in it; it must be PEM text",
        _ => "it is no PEM text",
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |source| TlsError::File { file: file.to_owned(), source };
    let read = CertificateDer::pem_file_iter(file).map_err(fault)?;
    let found = read.collect::<Result<Vec<_>, _>>().map_err(fault)?;
    if found.is_empty() { Err(fault(pem::Error::NoItemsFound)) } else { Ok(found) }
}

/// How often the files are looked at for a renewed certificate.
const RENEWED_LOOK: Duration = Duration::from_secs(10);

/// What connections are accepted with: the certificate that is in its files. **A renewed one counts for
/// connections that come [`RENEWED_LOOK`] later, and one that cannot be used never takes the place of one that can.**
pub(super) struct Identity {
    acceptor: watch::Receiver<TlsAcceptor>,
}

impl Identity {
    /// With what looks at the files from then on.
    pub(super) fn new(files: TlsIdentity) -> Result<(Self, Renewal), TlsError> {
        let written = files.written();
        let (sender, receiver) = watch::channel(acceptor(&files)?);
        Ok((Self { acceptor: receiver }, Renewal { files, written, acceptor: sender }))
    }

    /// For a connection that comes now. Waits for no disk.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.borrow().clone()
    }
}

/// Looks at the files. A disk may hang: never on a thread that carries calls.
pub(super) struct Renewal {
    files: TlsIdentity,
    /// When the files that were read last had been written.
    written: [Option<SystemTime>; 2],
    acceptor: watch::Sender<TlsAcceptor>,
}

impl Renewal {
    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        self.every(RENEWED_LOOK).await;
    }

    async fn every(mut self, time: Duration) {
        loop {
            tokio::time::sleep(time).await;
            let looked = move || {
                self.look();
                self
            };
            self = match spawn_blocking(looked).await {
                Ok(renewal) => renewal,
                Err(error) => {
                    tracing::error!(%error, "the certificate's files are looked at no more");
                    return;
                }
            };
        }
    }

    fn look(&mut self) {
        let written = self.files.written();
        // While one of them is being replaced the pair does not fit; it is looked at again.
        if written == self.written || written.contains(&None) {
            return;
        }
        match acceptor(&self.files) {
            Ok(renewed) => {
                self.acceptor.send_replace(renewed);
                self.written = written;
                tracing::info!("the renewed certificate is in use");
            }
            Err(error) => {
                tracing::error!(%error, "the certificate's files have changed and are not used: the one before stays");
            }
        }
    }
}

/// What we accept TLS with.
fn acceptor(identity: &TlsIdentity) -> Result<TlsAcceptor, TlsError> {
    let TlsIdentity { certificate_pem, key_pem } = identity;
    let chain = certificates(certificate_pem)?;
    let key = PrivateKeyDer::from_pem_file(key_pem)
        .map_err(|source| TlsError::File { file: key_pem.clone(), source })?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Pair {
            certificate: certificate_pem.clone(),
            key: key_pem.clone(),
            source,
        })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What we connect with: the peers' CA, or the ones that browsers trust.
pub(super) fn connector(ca: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            for certificate in certificates(file)? {
                let unusable = |_| TlsError::Root { file: file.to_owned() };
                roots.add(certificate).map_err(unusable)?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.pem");
        std::fs::write(&text, "no certificate").unwrap();
        let missing = folder.path().join("none.pem");
        let error = |certificate: &Path| {
            let (certificate_pem, key_pem) = (certificate.to_owned(), text.clone());
            acceptor(&TlsIdentity { certificate_pem, key_pem }).err().unwrap().to_string()
        };
        assert!(error(&missing).contains("none.pem: there is no such file"), "{}", error(&missing));
        assert!(error(&text).contains("text.pem: nothing of the wanted kind"), "{}", error(&text));
        assert!(connector(None).is_ok());
        assert!(connector(Some(&missing)).is_err());
    }

    fn write(files: &TlsIdentity, other_key: bool) {
        let make = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (made, other) = (make(), make());
        let key = if other_key { other.signing_key } else { made.signing_key };
        std::fs::write(&files.certificate_pem, made.cert.pem()).unwrap();
        std::fs::write(&files.key_pem, key.serialize_pem()).unwrap();
        // Files of one moment look alike; a renewal is days later.
        #[allow(clippy::disallowed_methods, reason = "of files, not of the protocol")]
        let now = SystemTime::now();
        let later = now + Duration::from_secs(rand::random_range(1..1_000_000));
        std::fs::File::open(&files.key_pem).unwrap().set_modified(later).unwrap();
    }

    #[test]
    fn a_renewed_certificate_counts_and_one_that_cannot_be_used_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let files = TlsIdentity { certificate_pem: at("cert.pem"), key_pem: at("key.pem") };
        write(&files, false);
        let (identity, mut renewal) = Identity::new(files.clone()).unwrap();
        let used = || Arc::clone(identity.acceptor().config());
        let mut looked = || {
            renewal.look();
            used()
        };
        let first = used();
        write(&files, false);
        assert!(Arc::ptr_eq(&first, &used()), "a connection does not look at the files");
        let second = looked();
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &looked()), "nothing has changed");
        write(&files, true);
        assert!(Arc::ptr_eq(&second, &looked()), "the pair does not fit");
        std::fs::remove_file(&files.key_pem).unwrap();
        assert!(Arc::ptr_eq(&second, &looked()), "the key is gone");
        write(&files, false);
        assert!(!Arc::ptr_eq(&second, &looked()));
    }

    #[tokio::test]
    async fn the_files_are_looked_at_again_and_again_whether_or_not_anybody_comes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let files = TlsIdentity { certificate_pem: at("cert.pem"), key_pem: at("key.pem") };
        write(&files, false);
        let (identity, renewal) = Identity::new(files.clone()).unwrap();
        let first = Arc::clone(identity.acceptor().config());
        write(&files, false);
        let mut renewed = identity.acceptor.clone();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(renewal.every(Duration::from_millis(5)));
        for _ in 0..2 {
            let changed = tokio::time::timeout(RENEWED_LOOK, renewed.changed());
            changed.await.unwrap().unwrap();
            write(&files, false);
        }
        assert!(!Arc::ptr_eq(&first, identity.acceptor().config()));
    }
}
