//! Connections: one for each utterance, all on a thread of their own.
//!
//! The server's own clients close a connection after an utterance, and so the state of its models is
//! new for each; within a private network a connection costs milliseconds, in which audio waits here.

use super::FunAsrConfig;
use super::backoff::Backoff;
use super::fault::Fault;
use super::protocol::{self, Reply};
use super::tls;
use crate::clock::Clock;
use futures_util::{SinkExt, StreamExt};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Utterances at a time, each with a connection: as many as the worker takes streams.
const UTTERANCES_MAX: usize = 1_000;
/// Name, TCP, TLS and WebSocket together.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// For one message to leave.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// For a farewell that nobody waits for.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// Longest message of the server: a minute of text with its times is a tenth of it.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Messages of audio that wait while a connection is made; an utterance that has more is too fast
/// for the server.
const AUDIO_WAITING_MAX: usize = 4_096;
/// Results that wait for the engine's next step; beyond it the server's are not read.
const REPLIES_WAITING_MAX: usize = 64;

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}
type Socket = WebSocketStream<Box<dyn Bytes>>;

/// The way to one server.
pub(super) struct Link {
    /// None only while this is dropped.
    runtime: Option<Runtime>,
    dialer: Arc<Dialer>,
    places: Arc<Semaphore>,
}

impl Link {
    pub(super) fn new(config: FunAsrConfig) -> Result<Self, Fault> {
        let tls = tls::connector_for(&config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("funasr")
            .enable_all()
            .build()
            .map_err(Fault::Unreachable)?;
        let dialer = Dialer {
            start: protocol::start(&config.hotwords),
            config,
            tls,
            clock: Clock::start(),
            backoff: Mutex::default(),
        };
        let places = Arc::new(Semaphore::new(UTTERANCES_MAX));
        Ok(Self { runtime: Some(runtime), dialer: Arc::new(dialer), places })
    }

    /// Begins an utterance. Does not wait: audio is kept until there is a connection.
    pub(super) fn open(&self) -> Result<Conversation, Fault> {
        self.dialer.may_try()?;
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Fault::TooMany(UTTERANCES_MAX))?;
        let (audio, audio_waiting) = mpsc::channel(AUDIO_WAITING_MAX);
        let (sender, replies) = mpsc::channel(REPLIES_WAITING_MAX);
        let task = converse(self.dialer.clone(), audio_waiting, sender, place);
        self.runtime.as_ref().ok_or(Fault::Lost)?.spawn(task);
        Ok(Conversation { audio: Some(audio), replies })
    }

    /// The server's address, for messages.
    pub(super) fn server(&self) -> String {
        self.dialer.config.server.url.clone()
    }
}

impl Drop for Link {
    /// Does not wait for connections, and so may happen anywhere.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An utterance's connection, seen from the engine. Dropping it gives the utterance up.
pub(super) struct Conversation {
    /// None once the utterance is over.
    audio: Option<mpsc::Sender<Vec<u8>>>,
    replies: mpsc::Receiver<Result<Reply, Fault>>,
}

impl Conversation {
    pub(super) fn send(&self, pcm: Vec<u8>) -> Result<(), Fault> {
        match self.audio.as_ref().map(|audio| audio.try_send(pcm)) {
            Some(Err(mpsc::error::TrySendError::Full(_))) => Err(Fault::Slow),
            // Why it ended is among the replies.
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&mut self) {
        self.audio = None;
    }

    /// The next result that is there.
    pub(super) fn next(&mut self) -> Option<Result<Reply, Fault>> {
        match self.replies.try_recv() {
            Ok(reply) => Some(reply),
            Err(mpsc::error::TryRecvError::Empty) => None,
            Err(mpsc::error::TryRecvError::Disconnected) => Some(Err(Fault::Lost)),
        }
    }
}

/// Makes connections.
struct Dialer {
    config: FunAsrConfig,
    /// The message that begins an utterance.
    start: String,
    tls: Option<TlsConnector>,
    clock: Clock,
    backoff: Mutex<Backoff>,
}

impl Dialer {
    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn may_try(&self) -> Result<(), Fault> {
        self.backoff().may_try(self.clock.elapsed_ms()).map_err(Fault::Away)
    }

    async fn dial(&self) -> Result<Socket, Fault> {
        let connected = timeout(CONNECT_WITHIN, self.connect());
        match connected.await.unwrap_or(Err(Fault::Unanswered(CONNECT_WITHIN))) {
            Ok(socket) => {
                if self.backoff().succeed() {
                    tracing::info!(
                        server = self.config.server.url,
                        "the recognition server is back"
                    );
                }
                Ok(socket)
            }
            Err(fault) => {
                self.backoff().fail(self.clock.elapsed_ms());
                Err(fault)
            }
        }
    }

    async fn connect(&self) -> Result<Socket, Fault> {
        let stream = self.reach().await?;
        let stream: Box<dyn Bytes> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(self.config.server.host.clone());
                let name = name.map_err(|error| Fault::Address(error.to_string()))?;
                Box::new(tls.connect(name, stream).await.map_err(Fault::Tls)?)
            }
        };
        let refused = |error| Fault::Handshake(Box::new(error));
        let request = self.config.server.url.as_str().into_client_request().map_err(refused)?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let (socket, _) =
            client_async_with_config(request, stream, Some(limits)).await.map_err(refused)?;
        Ok(socket)
    }

    /// TCP to the first of the name's addresses that answers and may have voices.
    async fn reach(&self) -> Result<TcpStream, Fault> {
        let server = &self.config.server;
        let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(Fault::Unreachable)?.collect();
        let mut last = Fault::Unreachable(io::ErrorKind::NotFound.into());
        for address in addresses {
            let allowed = server.may_carry_voices_to(address.ip());
            let connected = match allowed {
                Ok(()) => TcpStream::connect(address).await.map_err(Fault::Unreachable),
                Err(fault) => Err(fault),
            };
            match connected {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(Fault::Unreachable)?;
                    return Ok(stream);
                }
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }
}

async fn converse(
    dialer: Arc<Dialer>,
    audio: mpsc::Receiver<Vec<u8>>,
    replies: mpsc::Sender<Result<Reply, Fault>>,
    _place: OwnedSemaphorePermit,
) {
    let given_up = replies.clone();
    let talk = async {
        let mut socket = dialer.dial().await?;
        let heard = hear(&mut socket, &dialer, audio, &replies).await;
        // What it answers is of no interest any more.
        let _ = timeout(CLOSE_WITHIN, socket.close(None)).await;
        heard
    };
    tokio::select! {
        outcome = talk => {
            if let Err(fault) = outcome {
                // The engine may have given the utterance up meanwhile.
                let _ = replies.send(Err(fault)).await;
            }
        }
        () = given_up.closed() => {}
    }
}

/// Sends an utterance and passes on its results until the last one.
async fn hear(
    socket: &mut Socket,
    dialer: &Dialer,
    mut audio: mpsc::Receiver<Vec<u8>>,
    replies: &mpsc::Sender<Result<Reply, Fault>>,
) -> Result<(), Fault> {
    let patience = dialer.config.answer_within;
    let mut answer_until = None;
    send(socket, Message::text(dialer.start.as_str())).await?;
    loop {
        let deadline = answer_until.unwrap_or_else(|| Instant::now() + patience);
        tokio::select! {
            piece = audio.recv(), if answer_until.is_none() => match piece {
                Some(pcm) => send(socket, Message::binary(pcm)).await?,
                None => {
                    send(socket, Message::text(protocol::END)).await?;
                    answer_until = Some(Instant::now() + patience);
                }
            },
            message = socket.next() => {
                let Some(mut reply) = result(message)? else { continue };
                // While somebody speaks it means the end of something else.
                reply.is_final &= answer_until.is_some();
                let is_last = reply.is_final;
                // A failure is seen by `given_up`.
                let _ = replies.send(Ok(reply)).await;
                if is_last {
                    return Ok(());
                }
            }
            () = sleep_until(deadline), if answer_until.is_some() => {
                return Err(Fault::Silent(patience));
            }
        }
    }
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), Fault> {
    match timeout(SEND_WITHIN, socket.send(message)).await {
        Ok(sent) => sent.map_err(broken),
        Err(_) => Err(Fault::Slow),
    }
}

/// A message's result; none in pings and the like.
fn result(message: Option<tungstenite::Result<Message>>) -> Result<Option<Reply>, Fault> {
    match message {
        None | Some(Ok(Message::Close(_))) => Err(Fault::Closed),
        Some(Err(error)) => Err(broken(error)),
        Some(Ok(Message::Text(text))) => protocol::reply(&text).map(Some),
        Some(Ok(Message::Binary(bytes))) => Err(Fault::Nonsense { bytes: bytes.len() }),
        Some(Ok(_)) => Ok(None),
    }
}

fn broken(error: tungstenite::Error) -> Fault {
    use tungstenite::error::{Error, ProtocolError};
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Fault::Closed,
        other => Fault::Broken(Box::new(other)),
    }
}
