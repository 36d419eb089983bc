//! What a recognition server can do wrong, each with its remedy.

use std::net::IpAddr;
use std::time::Duration;
use tokio_tungstenite::tungstenite;

/// Why an utterance has no text. None holds anything that was said.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its address cannot be used.
    #[error("{0}")]
    Address(String),
    /// A file of certificates cannot be used.
    #[error("{0}; give the PEM file of its CA, or of its own certificate, in `asr.remote.ca_file`")]
    CaFile(String),
    /// No such name, no route, nobody listens.
    #[error("cannot be reached: {0}; is it running, and do firewalls let this machine in?")]
    Unreachable(#[source] std::io::Error),
    /// The connection took too long.
    #[error("no connection within {} s: does a firewall drop it, or does something else listen?", .0.as_secs())]
    Unanswered(Duration),
    /// Voices would leave the private network in the clear.
    #[error(
        "{0} is no private address, and citizens' voices would travel to it unencrypted: use wss://, or \
         set `asr.remote.allow_unencrypted`"
    )]
    InClear(IpAddr),
    /// The TLS handshake failed.
    #[error(
        "no TLS connection: {0}; if its certificate is not known here, name its CA or the certificate \
         itself in `asr.remote.ca_file`"
    )]
    Tls(#[source] std::io::Error),
    /// It does not speak WebSocket.
    #[error("it is no WebSocket server: {0}; see `asr.remote.url`")]
    Handshake(#[source] Box<tungstenite::Error>),
    /// It was not reachable a moment ago.
    #[error("was not reachable; the next try is in {} ms", .0.as_millis())]
    Away(Duration),
    /// It closed the connection before the last result.
    #[error("it closed the connection before the end of an utterance; see its own log")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}; see its own log")]
    Broken(#[source] Box<tungstenite::Error>),
    /// It sent something else than results.
    #[error("it sent {bytes} bytes that are no two-pass result; is it `funasr-wss-server-2pass`?")]
    Nonsense {
        /// The message's length.
        bytes: usize,
    },
    /// It wrote more text than can be said in an utterance.
    #[error("it wrote more than {0} characters for one utterance; see its own log")]
    Endless(usize),
    /// No last result in time.
    #[error(
        "no last result within {} s of an utterance's end: it hangs or has too much to do; see \
         `asr.remote.answer_within_s`",
        .0.as_secs_f32()
    )]
    Silent(Duration),
    /// It does not take audio.
    #[error("it does not take audio as fast as it is spoken; has it too much to do?")]
    Slow,
    /// The utterance is longer than any that is cut here.
    #[error("an utterance of more than {0} ms")]
    TooLong(usize),
    /// More at once than are sent.
    #[error("more than {0} utterances at once")]
    TooMany(usize),
    /// The connection's task is gone without a word; a fault of ours.
    #[error("the connection's task ended without a result")]
    Lost,
}
