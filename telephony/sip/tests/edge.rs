//! Real sockets: users register and call by every transport, browsers go without a word, floods.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use qingting_common::Pii;
use qingting_sip::admission::AdmissionLimits;
use qingting_sip::auth::{Answerer, Credentials, Directory, Ha1};
use qingting_sip::message::{HeaderName, Headers, Method, NameAddr, SipUri};
use qingting_sip::{
    BindError, DialogEvent, EdgeConfig, Endpoint, EndpointConfig, IncomingCall, IpNet,
    OutgoingInvite, OutgoingRequest, Reply, RequestError, TlsIdentity, Transport,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{WebSocketStream, client_async};

const LIMIT: Duration = Duration::from_secs(30);

struct Seats;

impl Directory for Seats {
    fn ha1(&self, user: &str) -> Option<Ha1> {
        (user == "1001").then(|| Ha1::new(user, "hotline", "secret"))
    }
}

/// A certificate for localhost that lasts as long as its test.
struct Identity {
    folder: tempfile::TempDir,
}

impl Identity {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn files(&self) -> TlsIdentity {
        TlsIdentity {
            certificate_pem: self.folder.path().join("cert.pem"),
            key_pem: self.folder.path().join("key.pem"),
        }
    }

    fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        let file = self.files().certificate_pem;
        roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    fn config(&self) -> EndpointConfig {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        EndpointConfig {
            udp: vec![any],
            tcp: vec![any],
            tls: vec![any],
            ws: vec![any],
            wss: vec![any],
            tls_identity: Some(self.files()),
            tls_ca: Some(self.files().certificate_pem),
            product: "test".to_owned(),
            calls_max: 100,
            edge: EdgeConfig {
                realm: "hotline".to_owned(),
                directory: Some(Arc::new(Seats)),
                ..EdgeConfig::default()
            },
            ..EndpointConfig::default()
        }
    }
}

fn address(endpoint: &Endpoint, wanted: Transport) -> SocketAddr {
    endpoint.bound().iter().find(|(transport, _)| *transport == wanted).unwrap().1
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A telephone's connection.
enum Wire {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
    Web(Box<WebSocketStream<Box<dyn Stream>>>),
}

impl Wire {
    async fn connect(identity: &Identity, transport: Transport, to: SocketAddr) -> Self {
        if transport == Transport::Udp {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.connect(to).await.unwrap();
            return Self::Datagrams(socket);
        }
        let stream = TcpStream::connect(to).await.unwrap();
        let stream: Box<dyn Stream> = if transport.is_secure() {
            let name = ServerName::try_from("localhost").unwrap();
            Box::new(identity.connector().connect(name, stream).await.unwrap())
        } else {
            Box::new(stream)
        };
        if !transport.is_web() {
            return Self::Stream(stream);
        }
        let mut request = "ws://localhost/".into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
        let (socket, response) = client_async(request, stream).await.unwrap();
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
        Self::Web(Box::new(socket))
    }

    async fn send(&mut self, text: &str) {
        match self {
            Self::Datagrams(socket) => drop(socket.send(text.as_bytes()).await.unwrap()),
            Self::Stream(stream) => stream.write_all(text.as_bytes()).await.unwrap(),
            Self::Web(socket) => socket.send(Message::text(text)).await.unwrap(),
        }
    }

    /// The next message; our messages have no body, so that an empty line ends one.
    async fn next(&mut self) -> String {
        timeout(LIMIT, self.read()).await.expect("a message in time")
    }

    async fn read(&mut self) -> String {
        match self {
            Self::Datagrams(socket) => {
                let mut buffer = vec![0; 65_535];
                let len = socket.recv(&mut buffer).await.unwrap();
                String::from_utf8(buffer[..len].to_vec()).unwrap()
            }
            Self::Stream(stream) => {
                let mut read = Vec::new();
                while !read.ends_with(b"\r\n\r\n") {
                    read.push(stream.read_u8().await.unwrap());
                }
                String::from_utf8(read).unwrap()
            }
            Self::Web(socket) => match socket.next().await.unwrap().unwrap() {
                Message::Text(text) => text.to_string(),
                other => panic!("not text: {other:?}"),
            },
        }
    }
}

/// A telephone of user 1001.
struct Phone {
    wire: Wire,
    via: &'static str,
    cseq: u32,
    /// The user of its Contact.
    place: &'static str,
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find(|line| line.starts_with(&format!("{name}:")));
    line.map_or("", |line| line[name.len() + 1..].trim())
}

impl Phone {
    async fn new(identity: &Identity, endpoint: &Endpoint, transport: Transport) -> Self {
        let to = address(endpoint, transport);
        let via = match transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        };
        Self { wire: Wire::connect(identity, transport, to).await, via, cseq: 0, place: "x" }
    }

    fn request(&mut self, method: &str, uri: &str, to: &str, extra: &str) -> String {
        self.cseq += 1;
        let (cseq, via, place) = (self.cseq, self.via, self.place);
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{via} a.invalid;rport;branch=z9hG4bK{cseq}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:1001@hotline>;tag=f\r\nTo: {to}\r\nCall-ID: {method}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{place}@a.invalid;transport=ws>\r\n{extra}\
             Content-Length: 0\r\n\r\n"
        )
    }

    /// Sends a request that is asked for a password; what comes then.
    async fn ask(&mut self, method: &str, uri: &str, to: &str) -> String {
        let text = self.request(method, uri, to, "");
        self.wire.send(&text).await;
        let challenge = self.wire.next().await;
        assert!(challenge.starts_with("SIP/2.0 401 "), "{challenge}");
        let mut headers = Headers::default();
        for line in challenge.lines().filter_map(|line| line.strip_prefix("WWW-Authenticate: ")) {
            headers.push(HeaderName::Other("WWW-Authenticate".to_owned()), line);
        }
        let credentials = secret("secret");
        let verb = Method::parse(method).unwrap();
        let (name, value) =
            Answerer::default().answer(&credentials, &headers, &verb, uri, "c").unwrap();
        let text = self.request(method, uri, to, &format!("{name}: {value}\r\n"));
        self.wire.send(&text).await;
        self.wire.next().await
    }

    async fn register(&mut self) {
        let done = self.ask("REGISTER", "sip:hotline", "<sip:1001@hotline>").await;
        assert!(done.starts_with("SIP/2.0 200 "), "{done}");
        assert!(done.contains(&format!("<sip:{}@a.invalid;transport=ws>;expires=", self.place)));
    }

    async fn answer(&mut self, request: &str, status: &str) {
        let tag = if header(request, "To").contains("tag=") { "" } else { ";tag=t" };
        let text = format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:x@a.invalid;transport=ws>\r\nContent-Length: 0\r\n\r\n",
            header(request, "Via"),
            header(request, "From"),
            header(request, "To"),
            header(request, "Call-ID"),
            header(request, "CSeq"),
        );
        self.wire.send(&text).await;
    }
}

fn secret(password: &str) -> Credentials {
    Credentials { user: "1001".to_owned(), password: Pii::new(password.to_owned()) }
}

fn us() -> NameAddr {
    NameAddr::parse("<sip:12345@another.example>").unwrap()
}

/// Waits until this holds.
async fn until_holds(holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, looking).await.expect("it holds in time");
}

async fn next(events: &mut mpsc::Receiver<DialogEvent>) -> Option<DialogEvent> {
    timeout(LIMIT, events.recv()).await.expect("an event or the end in time")
}

async fn incoming(calls: &mut mpsc::Receiver<IncomingCall>) -> IncomingCall {
    timeout(LIMIT, calls.recv()).await.expect("a call in time").unwrap()
}

/// A user registers, is called by the binding and hung up on, then calls and hangs up.
async fn registers_is_called_and_calls(transport: Transport) {
    let identity = Identity::new();
    let (endpoint, mut calls) = Endpoint::bind(identity.config()).await.unwrap();
    let mut events = endpoint.registrations();
    let mut phone = Phone::new(&identity, &endpoint, transport).await;
    phone.register().await;
    let event = timeout(LIMIT, events.recv()).await.unwrap().unwrap();
    assert_eq!((event.user.as_str(), event.registered), ("1001", true));
    let binding = endpoint.bindings("1001").remove(0);
    assert_eq!(binding.transport, transport);

    let (dialog, mut ours) = endpoint.invite(OutgoingInvite {
        flow: Some(binding.flow),
        ..OutgoingInvite::new(binding.contact, transport, us())
    });
    let invite = phone.wire.next().await;
    assert!(invite.starts_with("INVITE sip:x@"), "{invite}");
    assert!(header(&invite, "Via").starts_with(&format!("SIP/2.0/{} 127.0.0.1:", phone.via)));
    phone.answer(&invite, "200 OK").await;
    assert_eq!(next(&mut ours).await, Some(DialogEvent::Answered { body: None }));
    assert!(phone.wire.next().await.starts_with("ACK sip:x@a.invalid"));
    dialog.bye(None);
    let bye = phone.wire.next().await;
    assert!(bye.starts_with("BYE sip:x@a.invalid"), "{bye}");
    phone.answer(&bye, "200 OK").await;
    assert_eq!(next(&mut ours).await, Some(DialogEvent::ByeDone));

    let trying = phone.ask("INVITE", "sip:12345@hotline", "<sip:12345@hotline>").await;
    assert!(trying.starts_with("SIP/2.0 100 "), "{trying}");
    let mut call = incoming(&mut calls).await;
    assert_eq!((call.user.as_deref(), call.transport), (Some("1001"), transport));
    call.dialog.respond(Reply::new(200));
    let answer = phone.wire.next().await;
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    let to = header(&answer, "To").to_owned();
    phone.cseq -= 1;
    let ack = phone
        .request("ACK", "sip:12345@hotline", &to, "")
        .replace("Call-ID: ACK", "Call-ID: INVITE");
    phone.wire.send(&ack).await;
    assert_eq!(next(&mut call.events).await, Some(DialogEvent::Ack { body: None }));
    let bye = phone
        .request("BYE", "sip:12345@hotline", &to, "")
        .replace("Call-ID: BYE", "Call-ID: INVITE");
    phone.wire.send(&bye).await;
    assert!(phone.wire.next().await.starts_with("SIP/2.0 200 "));
    assert_eq!(next(&mut call.events).await, Some(DialogEvent::Bye { reason: None }));

    let metrics = endpoint.metrics();
    assert_eq!((metrics.registers, metrics.challenged, metrics.auth_succeeded), (1, 2, 2));
    assert_eq!(metrics.connections_web, usize::from(transport.is_web()));
    drop(phone);
    if transport != Transport::Udp {
        let event = timeout(LIMIT, events.recv()).await.unwrap().unwrap();
        assert!(!event.registered, "the binding went with its connection");
        assert!(endpoint.bindings("1001").is_empty());
    }
    endpoint.close().await;
}

#[tokio::test]
async fn a_user_by_udp() {
    registers_is_called_and_calls(Transport::Udp).await;
}

#[tokio::test]
async fn a_user_by_tcp() {
    registers_is_called_and_calls(Transport::Tcp).await;
}

#[tokio::test]
async fn a_user_by_tls() {
    registers_is_called_and_calls(Transport::Tls).await;
}

#[tokio::test]
async fn a_user_by_ws() {
    registers_is_called_and_calls(Transport::Ws).await;
}

#[tokio::test]
async fn a_user_by_wss() {
    registers_is_called_and_calls(Transport::Wss).await;
}

#[tokio::test]
async fn a_browser_must_speak_sip_and_its_keep_alives_are_answered() {
    let identity = Identity::new();
    let (endpoint, _calls) = Endpoint::bind(identity.config()).await.unwrap();
    let to = address(&endpoint, Transport::Ws);
    let stream = TcpStream::connect(to).await.unwrap();
    assert!(client_async("ws://localhost/", stream).await.is_err(), "without the subprotocol");
    let Wire::Web(mut socket) = Wire::connect(&identity, Transport::Ws, to).await else {
        unreachable!()
    };
    socket.send(Message::binary(&b"\r\n\r\n"[..])).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("\r\n"));
    socket.send(Message::Ping(Bytes::new())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(Bytes::new()));
    socket.send(Message::text("x".repeat(70_000))).await.unwrap();
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))), "too long");
    until_holds(|| endpoint.metrics().connections == 0).await;
    assert_eq!(endpoint.metrics().handshakes_failed, 1);
}

#[tokio::test]
async fn a_call_between_servers_by_tls_checks_the_name() {
    let identity = Identity::new();
    let (caller, _calls) = Endpoint::bind(identity.config()).await.unwrap();
    let (callee, mut calls) = Endpoint::bind(identity.config()).await.unwrap();
    let port = address(&callee, Transport::Tls).port();
    let call = |host: &str| {
        let target = SipUri::sip("12345", host, Some(port));
        caller.invite(OutgoingInvite::new(target, Transport::Tls, us()))
    };
    for host in ["localhost", "127.0.0.1"] {
        let (dialog, mut ours) = call(host);
        let arrived = incoming(&mut calls).await;
        assert_eq!((arrived.transport, arrived.user.as_deref()), (Transport::Tls, None));
        arrived.dialog.respond(Reply::new(486));
        assert!(matches!(next(&mut ours).await, Some(DialogEvent::Failed { code: 486, .. })));
        drop(dialog);
    }
    let stranger = EndpointConfig { tls_ca: None, ..identity.config() };
    let (stranger, _calls) = Endpoint::bind(stranger).await.unwrap();
    let target = SipUri::sip("12345", "localhost", Some(port));
    let (_dialog, mut ours) = stranger.invite(OutgoingInvite::new(target, Transport::Tls, us()));
    assert_eq!(next(&mut ours).await, Some(DialogEvent::TransportLost), "an unknown root");
    assert_eq!(stranger.metrics().handshakes_failed, 1);
}

#[tokio::test]
async fn tls_without_a_usable_certificate_says_what_to_do() {
    let identity = Identity::new();
    let bind = async |config: EndpointConfig| Endpoint::bind(config).await.err().unwrap();
    let none = EndpointConfig { tls_identity: None, ..identity.config() };
    assert!(matches!(bind(none).await, BindError::NoIdentity(Transport::Tls)));
    let mut files = identity.files();
    std::mem::swap(&mut files.certificate_pem, &mut files.key_pem);
    let swapped = EndpointConfig { tls_identity: Some(files), ..identity.config() };
    let error = bind(swapped).await.to_string();
    assert!(error.contains("key.pem: nothing of the wanted kind is in it"), "{error}");
    let other = Identity::new();
    let key_pem = other.files().key_pem;
    let foreign = TlsIdentity { key_pem, ..identity.files() };
    let foreign = EndpointConfig { tls_identity: Some(foreign), ..identity.config() };
    let error = bind(foreign).await.to_string();
    assert!(error.contains("are no pair"), "{error}");
}

#[tokio::test]
async fn our_requests_answer_challenges() {
    let identity = Identity::new();
    let (endpoint, mut calls) = Endpoint::bind(identity.config()).await.unwrap();
    let (seat, _calls) =
        Endpoint::bind(EndpointConfig { edge: EdgeConfig::default(), ..identity.config() })
            .await
            .unwrap();
    let to = address(&endpoint, Transport::Udp);
    let from = NameAddr::parse("<sip:1001@hotline>").unwrap();
    let register = |password| OutgoingRequest {
        to: Some(from.clone()),
        contact_user: Some("1001".to_owned()),
        credentials: Some(secret(password)),
        ..OutgoingRequest::new(
            Method::Register,
            SipUri::sip("", "127.0.0.1", Some(to.port())),
            Transport::Udp,
            from.clone(),
        )
    };
    let done = seat.request(register("secret")).await.unwrap();
    assert_eq!((done.code, done.cseq.number), (200, 2));
    assert_eq!(endpoint.bindings("1001").len(), 1);
    assert_eq!(seat.request(register("wrong")).await.unwrap().code, 401);
    assert_eq!(seat.metrics().authenticated_out, 2);

    let target = SipUri::sip("12345", "127.0.0.1", Some(to.port()));
    let (dialog, mut ours) = seat.invite(OutgoingInvite {
        credentials: Some(secret("secret")),
        ..OutgoingInvite::new(target, Transport::Udp, from.clone())
    });
    let call = incoming(&mut calls).await;
    assert_eq!((call.user.as_deref(), call.request.cseq.number), (Some("1001"), 2));
    call.dialog.respond(Reply::new(200));
    assert_eq!(next(&mut ours).await, Some(DialogEvent::Answered { body: None }));
    dialog.bye(None);
    assert_eq!(next(&mut ours).await, Some(DialogEvent::ByeDone));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let uri = SipUri::sip("", "127.0.0.1", Some(nobody.port()));
    let options = OutgoingRequest::new(Method::Options, uri, Transport::Tcp, us());
    assert_eq!(seat.request(options).await.err(), Some(RequestError::TransportLost));
    seat.close().await;
}

#[tokio::test]
async fn a_long_invite_goes_by_tcp_and_by_udp_where_there_is_none() {
    let identity = Identity::new();
    let (caller, _calls) = Endpoint::bind(identity.config()).await.unwrap();
    // The same port for both, as a peer has that takes TCP.
    let (callee, mut calls) = loop {
        let (first, _calls) = Endpoint::bind(identity.config()).await.unwrap();
        let both = vec![address(&first, Transport::Udp)];
        first.close().await;
        let config = EndpointConfig { udp: both.clone(), tcp: both, ..identity.config() };
        if let Ok(bound) = Endpoint::bind(config).await {
            break bound;
        }
    };
    let long = || vec![(HeaderName::Subject, "x".repeat(1_400))];
    let call = |to: SocketAddr| {
        let target = SipUri::sip("12345", "127.0.0.1", Some(to.port()));
        caller.invite(OutgoingInvite {
            headers: long(),
            ..OutgoingInvite::new(target, Transport::Udp, us())
        })
    };
    let (dialog, mut ours) = call(address(&callee, Transport::Udp));
    let mut arrived = incoming(&mut calls).await;
    assert_eq!(arrived.transport, Transport::Tcp);
    arrived.dialog.respond(Reply::new(200));
    assert_eq!(next(&mut ours).await, Some(DialogEvent::Answered { body: None }));
    assert_eq!(next(&mut arrived.events).await, Some(DialogEvent::Ack { body: None }));
    dialog.bye(None);
    assert_eq!(next(&mut ours).await, Some(DialogEvent::ByeDone));

    let (datagrams, mut calls) = Endpoint::bind(identity.config()).await.unwrap();
    let (_dialog, _ours) = call(address(&datagrams, Transport::Udp));
    assert_eq!(incoming(&mut calls).await.transport, Transport::Udp);
    assert_eq!(caller.metrics().switched_to_tcp, 2);
}

#[tokio::test]
async fn a_flood_is_refused_then_ignored_while_others_are_served() {
    let identity = Identity::new();
    let mut config = identity.config();
    config.edge.admission =
        Some(AdmissionLimits { source_others: (0, 5), ..AdmissionLimits::default() });
    let (endpoint, _calls) = Endpoint::bind(config).await.unwrap();
    let mut phone = Phone::new(&identity, &endpoint, Transport::Udp).await;
    for _ in 0..200 {
        let text = phone.request("OPTIONS", "sip:h", "<sip:h>", "");
        phone.wire.send(&text.replace("1001@", "nobody@")).await;
    }
    until_holds(|| endpoint.metrics().messages_in >= 200).await;
    let metrics = endpoint.metrics();
    assert!((20..30).contains(&metrics.source_rejected), "{metrics:?}");
    assert_eq!(metrics.source_rejected + metrics.source_silenced, 195);
    assert_eq!(metrics.messages_out, 5 + metrics.source_rejected);
    assert!(metrics.udp_receive_bytes > 0);
    let mut other = Phone::new(&identity, &endpoint, Transport::Wss).await;
    other.register().await;
}

#[tokio::test]
async fn one_source_takes_no_more_than_its_share_of_connections() {
    let identity = Identity::new();
    let refused = async |trusted: Vec<IpNet>| {
        let mut config = identity.config();
        config.edge.trusted = trusted;
        let (endpoint, _calls) = Endpoint::bind(config).await.unwrap();
        let mut open = Vec::new();
        for _ in 0..260 {
            open.push(TcpStream::connect(address(&endpoint, Transport::Tcp)).await.unwrap());
        }
        let count = || {
            let metrics = endpoint.metrics();
            (metrics.connections, metrics.connections_refused)
        };
        until_holds(|| count().0 + usize::try_from(count().1).unwrap() >= 260).await;
        count()
    };
    assert_eq!(refused(Vec::new()).await, (256, 4));
    assert_eq!(refused(vec!["127.0.0.0/8".parse().unwrap()]).await, (260, 0));
}

#[tokio::test]
async fn connections_that_say_nothing_make_room_and_registered_telephones_stay() {
    let identity = Identity::new();
    let config = EndpointConfig { connections_max: 4, ..identity.config() };
    let (endpoint, mut calls) = Endpoint::bind(config).await.unwrap();
    let tcp = address(&endpoint, Transport::Tcp);
    let until = async |made: u64| {
        let seen =
            || endpoint.metrics().connections as u64 + endpoint.metrics().connections_refused;
        until_holds(|| seen() >= made).await;
        assert!(endpoint.metrics().connections <= 4);
    };
    let mut first = Phone::new(&identity, &endpoint, Transport::Tcp).await;
    first.register().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(tcp).await.unwrap());
    }
    until(21).await;
    assert_eq!((endpoint.metrics().connections, endpoint.metrics().connections_refused), (4, 17));
    let closed = timeout(LIMIT, silent[0].read(&mut [0; 9])).await.expect("the oldest is closed");
    assert!(matches!(closed, Ok(0) | Err(_)));

    // Two more telephones come, by handshakes that take a while, and the first one is still there.
    let mut second = Phone::new(&identity, &endpoint, Transport::Tls).await;
    second.place = "y";
    second.register().await;
    let mut third = Phone::new(&identity, &endpoint, Transport::Wss).await;
    third.place = "z";
    third.register().await;
    for phone in [&mut first, &mut second, &mut third] {
        let text = phone.request("OPTIONS", "sip:h", "<sip:h>", "");
        phone.wire.send(&text).await;
        assert!(phone.wire.next().await.starts_with("SIP/2.0 200 "));
    }
    // We find a place for a call of ours, and nobody else one when all are of somebody whom we know.
    let (peer, _peers_calls) = Endpoint::bind(identity.config()).await.unwrap();
    let to = address(&peer, Transport::Tcp);
    let target: SipUri = format!("sip:b@{to};transport=tcp").parse().unwrap();
    let (_dialog, _ours) = endpoint.invite(OutgoingInvite::new(target, Transport::Tcp, us()));
    until_holds(|| peer.metrics().messages_in > 0).await;
    let refused = endpoint.metrics().connections_refused;
    let mut late = TcpStream::connect(tcp).await.unwrap();
    let closed = timeout(LIMIT, late.read(&mut [0; 9])).await.expect("refused");
    assert!(matches!(closed, Ok(0) | Err(_)));
    assert_eq!(endpoint.metrics().connections_refused, refused + 1);

    // A connection that goes is a place.
    drop(third);
    until_holds(|| endpoint.metrics().connections != 4).await;
    let mut stranger = Phone::new(&identity, &endpoint, Transport::Tcp).await;
    let text = stranger.request("INVITE", "sip:12345@h", "<sip:12345@h>", "");
    stranger.wire.send(&text.replace("1001@hotline", "me@a.invalid")).await;
    assert!(stranger.wire.next().await.starts_with("SIP/2.0 100 "));
    assert_eq!(incoming(&mut calls).await.user, None);
}
