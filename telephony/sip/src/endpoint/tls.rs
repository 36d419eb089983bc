//! Certificates, ours and those of peers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
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

/// What we accept TLS with.
pub(super) fn acceptor(identity: &TlsIdentity) -> Result<TlsAcceptor, TlsError> {
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
}
