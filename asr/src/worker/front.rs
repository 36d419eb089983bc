//! The way to a worker from other machines: TLS, and a token before the first word. What comes
//! through is carried to the worker's own socket.

use super::CONNECTIONS_MAX;
use crate::error::{AsrError, Result};
use crate::wire;
use qingting_common::Pii;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Longest that a client may take for TLS and its token.
const GREETING_MAX: Duration = Duration::from_secs(2);
/// Clients that greet at the same time; whoever comes then is turned away.
const GREETINGS_MAX: usize = 256;

/// Where a worker listens for other machines.
#[derive(Clone, Debug)]
pub struct Front {
    /// The address.
    pub listen: SocketAddr,
    /// PEM file of its certificate, with those that lead to its authority.
    pub certificate: PathBuf,
    /// PEM file of the certificate's key.
    pub key: PathBuf,
    /// What a client must send, 32 to 256 bytes.
    pub token: Pii<String>,
}

impl Front {
    /// Listens from now on, on a thread of its own.
    ///
    /// # Errors
    /// When the certificate or the token cannot be used or the address cannot be listened on.
    pub(super) fn open(&self, socket: &Path) -> Result<()> {
        let bad = |reason: String| AsrError::Worker { address: self.listen.to_string(), reason };
        let of = |file: &Path, error: &dyn std::fmt::Display| {
            bad(format!("{}: {error}", file.display()))
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|error| of(&self.certificate, &error))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| of(&self.key, &error))?;
        let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        let tls = tls.map_err(|error| of(&self.certificate, &error))?;
        let token = wire::checked_token(self.token.expose()).map_err(|r| bad(r.to_owned()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(AsrError::io("runtime"))?;
        let listening = runtime.block_on(TcpListener::bind(self.listen));
        let listener = listening.map_err(|error| bad(error.to_string()))?;
        let gate = Arc::new(Gate {
            tls: TlsAcceptor::from(Arc::new(tls)),
            token: Pii::new(token),
            socket: socket.to_owned(),
        });
        std::thread::spawn(move || runtime.block_on(accept(listener, gate)));
        Ok(())
    }
}

struct Gate {
    tls: TlsAcceptor,
    token: Pii<Vec<u8>>,
    socket: PathBuf,
}

async fn accept(listener: TcpListener, gate: Arc<Gate>) {
    let (greetings, places) =
        (Arc::new(Semaphore::new(GREETINGS_MAX)), Semaphore::new(CONNECTIONS_MAX));
    let places = Arc::new(places);
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        let (plain, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the recognition worker failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(greeting) = Arc::clone(&greetings).try_acquire_owned() else { continue };
        let (gate, places) = (Arc::clone(&gate), Arc::clone(&places));
        clients.spawn(async move {
            if let Err(error) = gate.pass(plain, greeting, &places).await {
                tracing::warn!(%from, %error, "a client of the recognition worker was refused or is gone");
            }
        });
    }
}

impl Gate {
    /// A place is for who has the token: strangers take none.
    async fn pass(
        &self,
        plain: TcpStream,
        permit: OwnedSemaphorePermit,
        places: &Semaphore,
    ) -> std::io::Result<()> {
        plain.set_nodelay(true)?;
        let greeting = async {
            let mut tls = self.tls.accept(plain).await?;
            let token = wire::read_token(&mut tls).await?;
            let is_right = bool::from(token.as_slice().ct_eq(self.token.expose()));
            is_right.then_some(tls).ok_or_else(|| denied("a wrong token"))
        };

        let late = |_| denied("no token in time");
        let mut tls = tokio::time::timeout(GREETING_MAX, greeting).await.map_err(late)??;
        drop(permit);
        let _place = places.try_acquire().map_err(|_| denied("too many servers"))?;
        let mut worker = UnixStream::connect(&self.socket).await?;
        tokio::io::copy_bidirectional(&mut tls, &mut worker).await?;
        Ok(())
    }
}

fn denied(why: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::PermissionDenied, why)
}
