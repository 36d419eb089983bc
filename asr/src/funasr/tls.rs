//! Whom we believe to be the server.

use super::FunAsrConfig;
use super::fault::Fault;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// TLS for the server, where its address asks for it.
pub(super) fn connector_for(config: &FunAsrConfig) -> Result<Option<TlsConnector>, Fault> {
    config.server.is_tls.then(|| connector(config.ca_file.as_deref())).transpose()
}

/// TLS with servers whose certificate the operating system's CAs signed, or those of a file instead,
/// or that is itself in the file.
fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, Fault> {
    let mut roots = RootCertStore::empty();
    let named = ca_file.map(certificates).transpose()?;
    let trusted = named.clone().unwrap_or_else(|| rustls_native_certs::load_native_certs().certs);
    let (usable, _) = roots.add_parsable_certificates(trusted);
    if usable == 0 {
        let of = ca_file.map_or("the operating system".into(), |file| file.display().to_string());
        return Err(Fault::CaFile(format!("{of} holds no usable certificate")));
    }
    let fault = |error: &dyn std::fmt::Display| Fault::CaFile(error.to_string());
    let provider = Arc::new(ring::default_provider());
    let by_roots = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| fault(&error))?;
    let verifier = Verifier { pinned: named.unwrap_or_default(), by_roots };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    read.map_err(|error| Fault::CaFile(format!("cannot read {}: {error}", file.display())))
}

/// The usual verification, and before it the very certificates that the operator named. FunASR's
/// servers mostly have one that signed itself, as a CA and for another name than theirs; who holds
/// its key is the server, whatever it says of itself.
#[derive(Debug)]
struct Verifier {
    pinned: Vec<CertificateDer<'static>>,
    by_roots: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.by_roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_roots.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_roots.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_roots.supported_verify_schemes()
    }
}
