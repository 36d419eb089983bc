//! Connections: how many, how long they may say nothing, and how they end.
//!
//! **Strangers can hold at most [`HTTP_CONNECTIONS_MAX`] file descriptors, each for at most
//! [`HEADER_READ_MAX`] without a request.** Calls need descriptors too. When every place is taken, the
//! connection that waited longest without ever asking for anything makes room; when all have asked, a
//! new one waits in the kernel's queue, where it costs none, until another ends.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tower::ServiceExt;

/// Connections at the same time, event streams included.
pub const HTTP_CONNECTIONS_MAX: u32 = 512;

/// Longest time from the opening of a connection, or from its last answer, to the end of the next
/// request's header; then the connection is closed.
pub const HEADER_READ_MAX: Duration = Duration::from_secs(10);

/// Longest time that running requests get at the end; then their connections are dropped.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// Longest time that a listener may take none of what waits for it; a browser that paused a
/// recording asks for the rest by range.
const UNREAD_MAX: Duration = Duration::from_secs(60);

/// How long to wait when the system has no descriptor for a new connection.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(200);

#[derive(Clone, Copy)]
struct Limits {
    connections: u32,
    header_read: Duration,
    shutdown: Duration,
}

/// What a request knows of its connection. Who takes the connection over, as the event stream does,
/// keeps it: the place is given back when the last clone is gone.
#[derive(Clone)]
pub(crate) struct Connection {
    _place: Arc<OwnedSemaphorePermit>,
    stopping: watch::Receiver<bool>,
}

impl Connection {
    /// Returns when the server stops.
    pub(crate) async fn stopping(&mut self) {
        // An error is a server that is gone.
        let _ = self.stopping.wait_for(|stop| *stop).await;
    }
}

/// Serves until `shutdown` is done, then lets running requests finish for at most
/// [`SHUTDOWN_MAX`]. An error of a connection ends that connection alone.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = Limits {
        connections: HTTP_CONNECTIONS_MAX,
        header_read: HEADER_READ_MAX,
        shutdown: SHUTDOWN_MAX,
    };
    serve_within(limits, listener, router, shutdown).await;
    Ok(())
}

async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections as usize));
    let silent = Arc::new(Silent::default());
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(over) = connections.join_next() => report(over),
            Some((stream, peer, place)) = accept(&listener, &places, &silent) => {
                let place = match place {
                    Some(place) => place,
                    None => {
                        silent.make_room();
                        tokio::select! {
                            () = &mut shutdown => break,
                            place = Arc::clone(&places).acquire_owned() => match place {
                                Ok(place) => place,
                                Err(_) => break,
                            }
                        }
                    }
                };
                let connection = Connection { _place: Arc::new(place), stopping: stopping.clone() };
                let http = |said| run(limits, stream, peer, router.clone(), connection, said);
                silent.begin(|said| connections.spawn(http(said)));
            }
        }
    }
    // From here on nobody connects.
    drop(listener);
    stop.send_replace(true);
    // All places are free when every request and every event stream is over.
    let all = tokio::time::timeout(limits.shutdown, places.acquire_many(limits.connections)).await;
    if all.is_err() {
        let left = limits.connections as usize - places.available_permits();
        tracing::warn!(left, "HTTP connections did not end in time; they are dropped");
    }
    connections.shutdown().await;
}

/// The next connection, and its place if one is free; none when there is no connection after all.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    silent: &Silent,
) -> Option<(TcpStream, SocketAddr, Option<OwnedSemaphorePermit>)> {
    // A place first, or one that can be made: who has none stays in the kernel's queue.
    let place = match Arc::clone(places).try_acquire_owned() {
        Ok(place) => Some(place),
        Err(_) if silent.is_empty() => Some(Arc::clone(places).acquire_owned().await.ok()?),
        Err(_) => None,
    };
    // From here on nothing is waited for that could be given up with the connection in hand.
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) if is_of_peer(&error) => None,
        Err(error) => {
            tracing::warn!(%error, "cannot take an HTTP connection");
            tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            None
        }
    }
}

/// Connections that never asked for anything, the oldest first.
#[derive(Default)]
struct Silent {
    waiting: Mutex<(u64, BTreeMap<u64, AbortHandle>)>,
}

/// The first request of a connection, which takes it out of [`Silent`].
struct Said {
    silent: Arc<Silent>,
    number: u64,
    before: AtomicBool,
}

impl Silent {
    /// Starts a connection that has said nothing.
    fn begin(self: &Arc<Self>, spawn: impl FnOnce(Said) -> AbortHandle) {
        // Locked meanwhile, so that it cannot say anything before it is known.
        let mut waiting = self.lock();
        let (last, known) = &mut *waiting;
        *last += 1;
        let before = AtomicBool::new(false);
        let said = Said { silent: Arc::clone(self), number: *last, before };
        known.insert(*last, spawn(said));
    }

    fn is_empty(&self) -> bool {
        self.lock().1.is_empty()
    }

    /// Ends the one that waited longest.
    fn make_room(&self) {
        if let Some((_, oldest)) = self.lock().1.pop_first() {
            oldest.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, AbortHandle>)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    /// Whether a request is taken: not when its connection was just ended.
    fn something(&self) -> bool {
        let is_first = !self.before.swap(true, Ordering::Relaxed);
        !is_first || self.silent.lock().1.remove(&self.number).is_some()
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        self.silent.lock().1.remove(&self.number);
    }
}

fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn run(
    limits: Limits,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    connection: Connection,
    said: Said,
) {
    // An error is a connection that is gone already.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD_MAX));
    let mut stopped = connection.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(connection.clone());
        let answer = said.something().then(|| router.clone().oneshot(request.map(Body::new)));
        async move {
            let Ok(answer) = answer.ok_or(io::ErrorKind::ConnectionAborted)?.await;
            Ok::<_, io::Error>(answer)
        }
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut http = pin!(http);
    let outcome = tokio::select! {
        outcome = http.as_mut() => outcome,
        () = stopped.stopping() => {
            http.as_mut().graceful_shutdown();
            http.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

fn report(over: Result<(), JoinError>) {
    // Those that made room were ended by us.
    if let Some(error) = over.err().filter(|error| !error.is_cancelled()) {
        tracing::error!(%error, "an HTTP connection's task failed; others go on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    const DEADLINE: Duration = Duration::from_secs(10);
    const SOON: Duration = Duration::from_millis(100);
    const NEVER: Duration = Duration::from_secs(3_600);
    const REQUEST: &[u8] = b"GET /small HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

    /// A server of these limits, its address, and the end of both.
    async fn world(limits: Limits) -> (SocketAddr, oneshot::Sender<()>, JoinSet<()>) {
        let endless =
            || async { Body::from_stream(tokio_util::io::ReaderStream::new(tokio::io::repeat(0))) };
        let router =
            Router::new().route("/small", get(|| async { "ok" })).route("/endless", get(endless));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut server = JoinSet::new();
        server.spawn(serve_within(limits, listener, router, async {
            let _ = stopped.await;
        }));
        (address, stop, server)
    }

    async fn begun(address: SocketAddr, bytes: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        socket
    }

    /// What comes until the server closes.
    async fn rest(mut socket: TcpStream) -> String {
        let mut text = String::new();
        let read = socket.read_to_string(&mut text);
        // A reset is an end, too.
        let _ = tokio::time::timeout(DEADLINE, read).await.expect("the server keeps it open");
        text
    }

    #[tokio::test]
    async fn who_sends_half_a_header_is_put_out_and_makes_room() {
        let limits = Limits { connections: 2, header_read: SOON, shutdown: SOON };
        let (address, _stop, _server) = world(limits).await;
        let half = [begun(address, b"").await, begun(address, b"GET / HTTP/1.1\r\nHo").await];
        // The third waits until a place is free, and is then served.
        let third = begun(address, REQUEST).await;
        assert!(rest(third).await.starts_with("HTTP/1.1 200"));
        for socket in half {
            assert!(!rest(socket).await.contains(" 200 "));
        }
        let idle = begun(address, b"GET /small HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert!(rest(idle).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn when_all_places_have_asked_the_next_connection_waits_for_one() {
        let limits = Limits { connections: 1, header_read: NEVER, shutdown: SOON };
        let (address, _stop, _server) = world(limits).await;
        let mut first = begun(address, b"GET /endless HTTP/1.1\r\nHost: test\r\n\r\n").await;
        first.read_exact(&mut [0; 64]).await.unwrap();
        let mut second = begun(address, REQUEST).await;
        let mut byte = [0];
        assert!(tokio::time::timeout(SOON, second.read(&mut byte)).await.is_err());
        drop(first);
        assert!(rest(second).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn who_asks_for_nothing_makes_room_for_who_does_and_what_was_asked_for_goes_on() {
        let limits = Limits { connections: 3, header_read: NEVER, shutdown: SOON };
        let (address, _stop, _server) = world(limits).await;
        let mut running = begun(address, b"GET /endless HTTP/1.1\r\nHost: test\r\n\r\n").await;
        running.read_exact(&mut [0; 64]).await.unwrap();
        let mut idle = Vec::new();
        for number in 0..50 {
            idle.push(begun(address, if number % 2 == 0 { b"" } else { b"GET / HT" }).await);
        }
        let asked = tokio::time::timeout(DEADLINE, async {
            for _ in 0..20 {
                assert!(rest(begun(address, REQUEST).await).await.starts_with("HTTP/1.1 200"));
            }
        });
        asked.await.expect("answered while the idle ones stay");
        assert_eq!(rest(idle.remove(0)).await, "", "the oldest made room");
        running.read_exact(&mut [0; 1 << 20]).await.expect("it goes on");
    }

    #[tokio::test]
    async fn shutdown_drops_half_sent_requests_and_stalled_downloads() {
        let limits = Limits { connections: 8, header_read: NEVER, shutdown: SOON };
        let (address, stop, mut server) = world(limits).await;
        let _half = begun(address, b"GET /small HTTP/1.1\r\n").await;
        let mut stalled = begun(address, b"GET /endless HTTP/1.1\r\nHost: test\r\n\r\n").await;
        stalled.read_exact(&mut [0; 64]).await.unwrap();
        stop.send(()).unwrap();
        tokio::time::timeout(DEADLINE, server.join_next()).await.unwrap().unwrap().unwrap();
    }
}
