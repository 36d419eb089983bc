//! One worker from its start or connection to its end, again and again.

use super::pool::{Shared, WorkerIndex};
use super::{CARRY_EVERY, WORKER_SILENT_MAX, WorkerSource};
use crate::clock::Clock;
use crate::error::{AsrError, Result};
use crate::wire::{self, Message, WireError};
use qingting_common::Pii;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::Child;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const SILENCE_LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most silence that one look may count, however late it comes.
const SILENCE_COUNTED_MAX: Duration = Duration::from_millis(200);
/// Longest wait for a new worker to listen (it loads its models first).
const START_MS_MAX: u64 = 60_000;
/// Longest wait for a connection to another machine, TLS included.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const CONNECT_EVERY: Duration = Duration::from_millis(50);
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A worker that lived this long has its next failure treated as a first one.
const STEADY_MS: u64 = 30_000;

/// A worker of another machine (`qingting asr-worker --listen`): TLS, and a token that both have.
pub struct Remote {
    address: String,
    name: ServerName<'static>,
    tls: TlsConnector,
    token: Pii<Vec<u8>>,
}

impl Remote {
    /// `address` is `host:port`; `certificate` is the PEM file of the worker's certificate or of the
    /// authority that issued it: no other is trusted.
    ///
    /// # Errors
    /// [`AsrError::Worker`] naming what cannot be used.
    pub fn new(address: &str, certificate: &Path, token: &str) -> Result<Self> {
        let bad = |reason: String| AsrError::Worker { address: address.to_owned(), reason };
        let host = address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']));
        let host = host.ok_or_else(|| bad("its address is not host:port".to_owned()))?;
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| bad(error.to_string()))?;
        let unusable = |error: &dyn std::fmt::Display| {
            bad(format!("certificate {}: {error}", certificate.display()))
        };
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(certificate).map_err(|e| unusable(&e))? {
            roots.add(root.map_err(|e| unusable(&e))?).map_err(|e| unusable(&e))?;
        }
        if roots.is_empty() {
            return Err(unusable(&"there is none in this file"));
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let token = wire::checked_token(token).map_err(|reason| bad(reason.to_owned()))?;
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { address: address.to_owned(), name, tls, token: Pii::new(token) })
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    async fn connect(&self) -> Result<Box<dyn Connection>, WireError> {
        let connect = async {
            let plain = TcpStream::connect(&self.address).await?;
            plain.set_nodelay(true)?;
            let mut tls = self.tls.connect(self.name.clone(), plain).await?;
            let token = Message::Token(self.token.expose().clone());
            tls.write_all(&token.encode()).await?;
            Ok(Box::new(tls) as Box<dyn Connection>)
        };
        let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, "it does not answer");
        tokio::time::timeout(CONNECT_MAX, connect).await.map_err(late)?
    }
}

trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// What must go on whether there is a worker or not.
pub(super) async fn tend(shared: &Shared) {
    let mut ticks = tokio::time::interval(CARRY_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        shared.streams().tend();
        shared.place();
    }
}

/// Keeps one worker.
pub(super) async fn supervise(shared: &Shared, worker: WorkerIndex, source: &WorkerSource) {
    let mut backoff = BACKOFF_FIRST;
    let mut is_told = false;
    let name = shared.status(worker).name.clone();
    loop {
        let born = Clock::start();
        let ended = one_life(shared, worker, source).await;
        // Once for each loss, not for each try.
        let is_news = shared.status(worker).up || !is_told;
        if let (Err(error), true) = (ended, is_news) {
            is_told = true;
            tracing::warn!(worker = name, %error, "a recognition worker is gone; its calls go to others, and it is tried again");
        }
        shared.worker_lost(worker);
        if born.elapsed_ms() > STEADY_MS {
            backoff = BACKOFF_FIRST;
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// From the worker's start or connection to its end.
async fn one_life(
    shared: &Shared,
    worker: WorkerIndex,
    source: &WorkerSource,
) -> Result<(), WireError> {
    // A child lives for as long as this is kept.
    let (connection, _child, pid) = match source {
        WorkerSource::Local { socket, spawn } => {
            let (connection, child) = start(socket, spawn()).await?;
            let pid = child.id().unwrap_or(0);
            (connection, Some(child), pid)
        }
        WorkerSource::Remote(remote) => (remote.connect().await?, None, 0),
    };
    shared.is_not_silent(worker);
    tokio::select! {
        ended = converse(shared, worker, connection, pid) => ended,
        () = silent_too_long(shared, worker) => Err(WireError::Silent(WORKER_SILENT_MAX)),
    }
}

async fn start(socket: &Path, command: Command) -> Result<(Box<dyn Connection>, Child), WireError> {
    // A socket left by the previous worker would answer the first attempt with a refusal only.
    let _ = std::fs::remove_file(socket);
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let connection = connect(socket, &mut child).await?;
    Ok((Box::new(connection), child))
}

/// From the worker's greeting to the end of the connection.
async fn converse(
    shared: &Shared,
    worker: WorkerIndex,
    mut connection: Box<dyn Connection>,
    pid: u32,
) -> Result<(), WireError> {
    let (threads, capacity) = match wire::read_async(&mut connection).await? {
        Message::Hello { version: wire::VERSION, threads, capacity } => (threads, capacity),
        Message::Hello { version, .. } => return Err(WireError::Version(version)),
        _ => return Err(WireError::Malformed(0)),
    };
    {
        let mut status = shared.status(worker);
        (status.up, status.pid, status.threads) = (true, pid, threads);
        status.capacity = capacity;
    }
    let (mut reading, mut writing) = tokio::io::split(connection);
    let read = async {
        loop {
            match wire::read_async(&mut reading).await? {
                Message::Event(event) => shared.heard(worker, event),
                _ => return Err(WireError::Malformed(0)),
            }
        }
    };
    let write = async {
        let mut ticks = tokio::time::interval(CARRY_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let outgoing = shared.streams().outgoing(worker);
            writing.write_all(&outgoing).await?;
            writing.flush().await?;
        }
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
    }
}

/// Returns once the worker has been silent for [`WORKER_SILENT_MAX`] of this process's running time.
async fn silent_too_long(shared: &Shared, worker: WorkerIndex) {
    let mut ticks = tokio::time::interval(SILENCE_LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shared.silence(worker) <= WORKER_SILENT_MAX {
        let since = Clock::start();
        ticks.tick().await;
        shared.count_silence(worker, since.elapsed().min(SILENCE_COUNTED_MAX));
    }
}

async fn connect(socket: &Path, child: &mut Child) -> Result<UnixStream, WireError> {
    let started = Clock::start();
    loop {
        match UnixStream::connect(socket).await {
            Ok(connection) => return Ok(connection),
            Err(error) if started.elapsed_ms() > START_MS_MAX => return Err(error.into()),
            Err(_) => {}
        }
        if let Some(status) = child.try_wait()? {
            let reason = format!("the worker ended before it listened ({status})");
            return Err(std::io::Error::other(reason).into());
        }
        tokio::time::sleep(CONNECT_EVERY).await;
    }
}
