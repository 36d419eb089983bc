//! One connection: a task that cuts the stream into messages and writes what is queued.

use super::web;
use crate::message::stream_message_len;
use crate::transport::{Link, Transport};
use bytes::{Bytes, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Messages that wait for one connection, at most. A peer that reads so slowly is cut off: it
/// would get its messages too late to be of use.
pub(super) const WRITES_MAX: usize = 256;

/// Messages of all connections that wait for the driver, at most; beyond, connections wait, and
/// TCP makes their peers wait.
pub(super) const EVENTS_MAX: usize = 1_024;

/// Connections at once, at most. When all places are taken, those make room that never said anything, the
/// oldest first, then those that were silent for longest, but for registered users' and those that are vouched for.
pub(super) const CONNECTIONS_MAX: usize = 4_096;

/// Connections of one source at once, at most, but for sources that are vouched for: put the
/// address of a proxy before browsers among [`EdgeConfig::trusted`](crate::EdgeConfig::trusted).
pub(super) const CONNECTIONS_PER_SOURCE_MAX: usize = 256;

/// How long the handshakes of TLS and WebSocket may take, each.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

const CONNECT_MAX: Duration = Duration::from_secs(5);
pub(super) const WRITE_MAX: Duration = Duration::from_secs(10);

/// TCP's own keep-alives, which only a peer that is gone does not answer.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// How long a connection may be silent between messages.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(3_600);

/// How long somebody whom nobody vouches for may take from its handshakes to the end of its first message. Whoever
/// has something to say says it at once.
pub(super) const FIRST_MESSAGE_MAX: Duration = Duration::from_secs(30);

/// How long a message may take from its first byte to its last: whoever sends it a byte at a time holds a
/// place no longer.
const MESSAGE_MAX: Duration = Duration::from_secs(30);

/// Pause after a failed accept: the system lacks descriptors, and asking at once changes nothing.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const READ_BYTES: usize = 16 << 10;

/// What a connection's task tells the driver.
pub(super) enum StreamEvent {
    /// Somebody connected to a listener of ours.
    Accepted { transport: Transport, stream: TcpStream, remote: SocketAddr, bound: SocketAddr },
    /// A connection of ours stands.
    Connected { link: Link },
    /// A message.
    Message { link: Link, bytes: Bytes },
    /// What is left when the stream cannot be cut any more; the connection wants to be closed.
    Broken { link: Link, bytes: Bytes },
    /// A keep-alive that wants its answer (RFC 5626 §3.5.1).
    Ping { link: Link },
    /// A handshake of TLS or WebSocket failed.
    Refused { link: Link },
    /// The connection is gone, or was never made.
    Closed { link: Link },
}

/// Accepts connections for ever.
pub(super) async fn accept(
    transport: Transport,
    listener: TcpListener,
    bound: SocketAddr,
    to: mpsc::Sender<StreamEvent>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let accepted = StreamEvent::Accepted { transport, stream, remote, bound };
                if to.send(accepted).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a SIP connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection from the address that our Via names, by which peers know us; from the kernel's choice where that
/// is not this machine's (the outside of a NAT).
async fn connect(from: IpAddr, remote: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if from.is_ipv4() == remote.is_ipv4() {
        // What cannot be bound is still free to connect.
        let _ = socket.bind(SocketAddr::new(from, 0));
    }
    socket.connect(remote).await
}

/// Connects and serves a connection of ours; with a name for the peer's certificate, by TLS.
pub(super) async fn dial(
    link: Link,
    (from, remote): (IpAddr, SocketAddr),
    tls: Option<(TlsConnector, ServerName<'static>)>,
    writes: mpsc::Receiver<Bytes>,
    to: mpsc::Sender<StreamEvent>,
) {
    let Ok(Ok(stream)) = timeout(CONNECT_MAX, connect(from, remote)).await else {
        return tell(&to, StreamEvent::Closed { link }).await;
    };
    let Some((connector, name)) = tls else {
        if to.send(StreamEvent::Connected { link }).await.is_ok() {
            serve(link, stream, IDLE_MAX, writes, to).await;
        }
        return;
    };
    match timeout(HANDSHAKE_MAX, Box::pin(connector.connect(name, stream))).await {
        Ok(Ok(stream)) => {
            if to.send(StreamEvent::Connected { link }).await.is_ok() {
                let (reader, writer) = tokio::io::split(stream);
                converse(link, (reader, writer), IDLE_MAX, writes, to).await;
            }
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "a SIP peer's certificate or TLS is not accepted");
            tell(&to, StreamEvent::Refused { link }).await;
        }
        Err(_) => tell(&to, StreamEvent::Refused { link }).await,
    }
}

/// Serves a connection that was made to us, after its handshakes; `first_max`: how long its first message may take.
pub(super) async fn serve_accepted(
    link: Link,
    transport: Transport,
    first_max: Duration,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    writes: mpsc::Receiver<Bytes>,
    to: mpsc::Sender<StreamEvent>,
) {
    // As in `serve`; and a telephone whose NAT forgot it is found out.
    let _ = stream.set_nodelay(true);
    let alive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&alive);
    let Some(tls) = tls.filter(|_| transport.is_secure()) else {
        return if transport.is_web() {
            serve_web(link, stream, first_max, writes, to).await;
        } else {
            serve(link, stream, first_max, writes, to).await;
        };
    };
    match timeout(HANDSHAKE_MAX, Box::pin(tls.accept(stream))).await {
        Ok(Ok(stream)) if transport.is_web() => {
            serve_web(link, stream, first_max, writes, to).await;
        }
        Ok(Ok(stream)) => {
            let ends = tokio::io::split(stream);
            converse(link, ends, first_max, writes, to).await;
        }
        // Scanners, and telephones that do not trust us: counted, not logged.
        Ok(Err(_)) | Err(_) => tell(&to, StreamEvent::Refused { link }).await,
    }
}

async fn serve_web<S: AsyncRead + AsyncWrite + Unpin>(
    link: Link,
    stream: S,
    first_max: Duration,
    writes: mpsc::Receiver<Bytes>,
    to: mpsc::Sender<StreamEvent>,
) {
    let event = match Box::pin(web::serve(link, stream, first_max, writes, &to)).await {
        Ok(()) => StreamEvent::Closed { link },
        Err(()) => StreamEvent::Refused { link },
    };
    tell(&to, event).await;
}

/// Serves a connection until the driver drops its queue, then writes what is left in it.
async fn serve(
    link: Link,
    stream: TcpStream,
    first_max: Duration,
    writes: mpsc::Receiver<Bytes>,
    to: mpsc::Sender<StreamEvent>,
) {
    // Latency matters more than packets; a failure costs only latency.
    let _ = stream.set_nodelay(true);
    converse(link, stream.into_split(), first_max, writes, to).await;
}

async fn converse(
    link: Link,
    (reader, writer): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    first_max: Duration,
    writes: mpsc::Receiver<Bytes>,
    to: mpsc::Sender<StreamEvent>,
) {
    let reading = async {
        read(Patience { first: first_max, message: MESSAGE_MAX }, link, reader, &to).await;
        tell(&to, StreamEvent::Closed { link }).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        // Ends by itself when the driver has dropped the queue.
        written = write(writer, writes) => if written.is_err() {
            tell(&to, StreamEvent::Closed { link }).await;
        }
    }
}

/// How long a reader waits: for the end of the first message, and for any message from its first byte.
struct Patience {
    first: Duration,
    message: Duration,
}

async fn read(
    patience: Patience,
    link: Link,
    mut reader: impl AsyncRead + Unpin,
    to: &mpsc::Sender<StreamEvent>,
) {
    let mut buffer = BytesMut::new();
    // Keep-alives before it say nothing.
    let first = timeout(patience.first, async {
        loop {
            match read_one(&patience, link, &mut reader, &mut buffer).await {
                Some(ping @ StreamEvent::Ping { .. }) => to.send(ping).await.ok()?,
                event => return event,
            }
        }
    });
    let mut event = first.await.unwrap_or_default();
    while let Some(heard) = event {
        let is_last = matches!(heard, StreamEvent::Broken { .. });
        if to.send(heard).await.is_err() || is_last {
            return;
        }
        event = read_one(&patience, link, &mut reader, &mut buffer).await;
    }
}

async fn read_one(
    patience: &Patience,
    link: Link,
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Option<StreamEvent> {
    if buffer.is_empty() && !matches!(timeout(IDLE_MAX, more(reader, buffer)).await, Ok(true)) {
        return None;
    }
    timeout(patience.message, next(link, reader, buffer)).await.ok().flatten()
}

/// The next event of a stream; `None` when it ends before.
async fn next(
    link: Link,
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Option<StreamEvent> {
    loop {
        let wanted = match cut(link, buffer) {
            Ok(event) => return Some(event),
            Err(wanted) => wanted,
        };
        while buffer.len() < wanted {
            if !more(reader, buffer).await {
                return None;
            }
        }
    }
}

/// Reads on; whether there was more.
async fn more(reader: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> bool {
    buffer.reserve(READ_BYTES);
    matches!(reader.read_buf(buffer).await, Ok(1..))
}

/// Takes the next event from the front of what was read; else how many bytes there must be before there can
/// be one. **A head is read once, however its body trickles in.**
fn cut(link: Link, buffer: &mut BytesMut) -> Result<StreamEvent, usize> {
    let not_yet = |buffer: &BytesMut| Err(buffer.len() + 1);
    loop {
        match &buffer[..] {
            [b'\r', b'\n', b'\r', b'\n', ..] => {
                drop(buffer.split_to(4));
                return Ok(StreamEvent::Ping { link });
            }
            // Half of a keep-alive, or a line end before a message (RFC 3261 §7.5).
            [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] | [] => return not_yet(buffer),
            [b'\r', b'\n', ..] => drop(buffer.split_to(2)),
            _ => break,
        }
    }
    match stream_message_len(buffer) {
        Ok(Some(len)) if len <= buffer.len() => {
            Ok(StreamEvent::Message { link, bytes: buffer.split_to(len).freeze() })
        }
        Ok(Some(len)) => Err(len),
        Ok(None) => not_yet(buffer),
        Err(_) => Ok(StreamEvent::Broken { link, bytes: buffer.split().freeze() }),
    }
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut writes: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    while let Some(bytes) = writes.recv().await {
        timeout(WRITE_MAX, writer.write_all(&bytes)).await??;
        // TLS keeps back what fills no record.
        timeout(WRITE_MAX, writer.flush()).await??;
    }
    timeout(WRITE_MAX, writer.shutdown()).await?
}

async fn tell(to: &mpsc::Sender<StreamEvent>, event: StreamEvent) {
    // Without a driver there is nobody to tell.
    let _ = to.send(event).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(input: &[u8]) -> (String, usize) {
        let mut buffer = BytesMut::from(input);
        let mut out = String::new();
        while let Ok(event) = cut(Link(1), &mut buffer) {
            out.push(match event {
                StreamEvent::Message { .. } => 'm',
                StreamEvent::Ping { .. } => 'p',
                StreamEvent::Broken { .. } => 'b',
                _ => '?',
            });
        }
        (out, buffer.len())
    }

    const MESSAGE: &str = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 2\r\n\r\nxy";

    #[test]
    fn messages_and_keep_alives_are_told_apart() {
        assert_eq!(events(MESSAGE.repeat(2).as_bytes()), ("mm".to_owned(), 0));
        assert_eq!(events(b"\r\n\r\n\r\n\r\n"), ("pp".to_owned(), 0));
        assert_eq!(events(b"\r\n\r"), (String::new(), 3));
        assert_eq!(events(format!("\r\n{MESSAGE}\r\n\r\nOPT").as_bytes()), ("mp".to_owned(), 3));
        assert_eq!(events(&MESSAGE.as_bytes()[..MESSAGE.len() - 1]).0, "");
    }

    #[test]
    fn once_its_head_is_read_a_message_is_waited_for_whole() {
        let wanted = |bytes: &[u8]| cut(Link(1), &mut BytesMut::from(bytes)).err();
        let (head, _) = MESSAGE.split_once("xy").unwrap();
        assert_eq!(wanted(head.as_bytes()), Some(MESSAGE.len()));
        assert_eq!(wanted(&head.as_bytes()[..20]), Some(21));
        assert_eq!((wanted(b""), wanted(b"\r\n")), (Some(1), Some(3)));
    }

    #[test]
    fn a_stream_that_cannot_be_cut_is_handed_over_whole() {
        let broken = MESSAGE.replace(": 2", ": -2");
        assert_eq!(events(broken.as_bytes()), ("b".to_owned(), 0));
    }

    #[tokio::test]
    async fn who_sends_a_message_a_byte_at_a_time_loses_its_place() {
        let (mut slow, ours) = tokio::io::duplex(64);
        let (to, mut events) = mpsc::channel(8);
        let limit = Duration::from_millis(200);
        let served = async {
            slow.write_all(MESSAGE.as_bytes()).await.expect("a whole message is taken");
            // Never silent for as long as the limit, and never done.
            while slow.write_all(b"O").await.is_ok() {
                sleep(limit / 10).await;
            }
        };
        let reading = async {
            read(Patience { first: IDLE_MAX, message: limit }, Link(1), ours, &to).await;
        };
        let both = async { tokio::join!(served, reading) };
        timeout(Duration::from_secs(20), both).await.expect("it was put out");
        assert!(matches!(events.recv().await, Some(StreamEvent::Message { .. })));
        assert!(events.try_recv().is_err());
    }
    #[tokio::test]
    async fn who_says_nothing_loses_its_place_whatever_keep_alives_it_sends() {
        for (heard, is_out) in [("\r\n\r\n", true), (MESSAGE, false)] {
            let (mut theirs, ours) = tokio::io::duplex(64);
            let (to, mut events) = mpsc::channel(64);
            let first = Duration::from_millis(100);
            let mut readings = tokio::task::JoinSet::new();
            readings.spawn(async move {
                read(Patience { first, message: MESSAGE_MAX }, Link(1), ours, &to).await;
            });
            for _ in 0..4 {
                // What was put out cannot be written to.
                let _ = theirs.write_all(heard.as_bytes()).await;
                sleep(first / 2).await;
            }
            assert!(events.recv().await.is_some());
            assert_eq!(readings.try_join_next().is_some(), is_out, "{heard:?}");
        }
    }
}
