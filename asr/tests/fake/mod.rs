//! A FunASR two-pass server without models, made from FunASR's documentation and not from our client.
//! It takes loud for speech, says "二" for each 600 ms of it in the first pass, and ends a sentence
//! after 800 ms of quiet, which then says "一" for each half second.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Samples of a block: 50 ms at 16 kHz.
const BLOCK: usize = 800;
const BLOCK_MS: u64 = 50;
const LOUD: i32 = 1_600;
/// Blocks of a chunk of the first pass, of the quiet that ends a sentence, and of a character.
const CHUNK: usize = 12;
const QUIET: usize = 16;
const CHARACTER: usize = 10;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    /// As documented.
    Proper,
    /// As documented, but without times.
    Timeless,
    /// Hangs up at the first audio.
    HangsUp,
    /// Answers the first audio with what is no result.
    Babbles,
    /// Never answers.
    Silent,
    /// Writes on and on.
    Endless,
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    /// Connections that are open.
    pub(crate) open: Arc<AtomicUsize>,
    /// Dropped with the fake: the server's thread then ends.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Fake {
    pub(crate) fn start(manner: Manner) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").unwrap(), manner, None)
    }

    pub(crate) fn start_with_tls(config: ServerConfig) -> Self {
        let tls = TlsAcceptor::from(Arc::new(config));
        Self::serve(TcpListener::bind("127.0.0.1:0").unwrap(), Manner::Proper, Some(tls))
    }

    pub(crate) fn serve(listener: TcpListener, manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (open, (stop, stopped)) = (Arc::default(), tokio::sync::oneshot::channel());
        let counted = Arc::clone(&open);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = accept(listener, manner, tls, counted) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, open, _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}

async fn accept(
    listener: TcpListener,
    manner: Manner,
    tls: Option<TlsAcceptor>,
    open: Arc<AtomicUsize>,
) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, open) = (tls.clone(), open.clone());
        connections.spawn(async move {
            open.fetch_add(1, Ordering::SeqCst);
            // A client that goes away is none of its business.
            let _ = match tls {
                None => talk(stream, manner).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => talk(stream, manner).await,
                    Err(_) => None,
                },
            };
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner) -> Option<()> {
    let mut socket = tokio_tungstenite::accept_async(stream).await.ok()?;
    let mut utterance = None;
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).ok()?;
                let Some(heard) = &mut utterance else {
                    utterance = Some(Utterance::begin(&message)?);
                    continue;
                };
                if message["is_speaking"] == false && manner != Manner::Silent {
                    let last = Utterance::end(heard);
                    say(&mut socket, last, manner).await?;
                    utterance = None;
                }
            }
            Message::Binary(pcm) => match (manner, &mut utterance) {
                (Manner::Proper | Manner::Timeless, Some(heard)) => {
                    for reply in heard.hear(&pcm) {
                        say(&mut socket, reply, manner).await?;
                    }
                }
                (Manner::Babbles, _) => socket.send(Message::text("Internal error")).await.ok()?,
                (Manner::Endless, _) => loop {
                    let more = json!({"mode": "2pass-online", "text": "喂".repeat(100)});
                    socket.send(Message::text(more.to_string())).await.ok()?;
                },
                (Manner::Silent, _) => {}
                (Manner::HangsUp, _) | (_, None) => return None,
            },
            _ => {}
        }
    }
}

async fn say<S>(socket: &mut WebSocketStream<S>, mut reply: Value, manner: Manner) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    reply["wav_name"] = "qingting".into();
    if manner == Manner::Timeless
        && let Some(fields) = reply.as_object_mut()
    {
        fields.remove("timestamp");
    }
    socket.send(Message::text(reply.to_string())).await.ok()
}

#[derive(Default)]
struct Utterance {
    /// Less than a block.
    waiting: Vec<u8>,
    blocks: usize,
    /// Its first block, its loud blocks so far, and the quiet ones since.
    sentence: Option<(usize, usize, usize)>,
}

impl Utterance {
    /// None where the message lacks what the real server needs.
    fn begin(message: &Value) -> Option<Self> {
        let is_good = message["mode"] == "2pass"
            && message["wav_format"] == "pcm"
            && message["audio_fs"] == 16_000
            && message["is_speaking"] == true
            && message["chunk_size"].as_array()?.len() == 3;
        is_good.then(Self::default)
    }

    fn hear(&mut self, pcm: &[u8]) -> Vec<Value> {
        self.waiting.extend(pcm);
        let whole = self.waiting.len() / (BLOCK * 2) * BLOCK * 2;
        let blocks: Vec<u8> = self.waiting.drain(..whole).collect();
        blocks.chunks(BLOCK * 2).filter_map(|block| self.block(block)).collect()
    }

    fn block(&mut self, block: &[u8]) -> Option<Value> {
        let level = |pair: &[u8]| i32::from(i16::from_le_bytes([pair[0], pair[1]])).abs();
        let is_loud = block.chunks(2).map(level).sum::<i32>() / BLOCK as i32 > LOUD;
        self.blocks += 1;
        let Some((_, loud, quiet)) = &mut self.sentence else {
            self.sentence = is_loud.then_some((self.blocks - 1, 1, 0));
            return None;
        };
        if is_loud {
            *loud += *quiet + 1;
            *quiet = 0;
            let is_chunk = loud.is_multiple_of(CHUNK);
            return is_chunk
                .then(|| json!({"mode": "2pass-online", "text": "二", "is_final": false}));
        }
        *quiet += 1;
        (*quiet == QUIET).then(|| self.sentence("，", false)).flatten()
    }

    fn sentence(&mut self, mark: &str, is_final: bool) -> Option<Value> {
        let (first, loud, _) = self.sentence.take()?;
        let characters = ((loud + CHARACTER / 2) / CHARACTER).max(1);
        let at = |character: usize| (first + (character * CHARACTER).min(loud)) as u64 * BLOCK_MS;
        let mut stamps: Vec<[u64; 2]> = (0..characters).map(|c| [at(c), at(c + 1)]).collect();
        stamps[characters - 1][1] = (first + loud) as u64 * BLOCK_MS;
        Some(json!({
            "mode": "2pass-offline",
            "text": "一".repeat(characters) + mark,
            "timestamp": json!(stamps).to_string(),
            "is_final": is_final,
        }))
    }

    fn end(&mut self) -> Value {
        self.sentence("。", true).unwrap_or_else(|| json!({"text": "", "is_final": true}))
    }
}
