//! Real sockets on the loopback: a call by each transport, the route of responses, refusals.

use bytes::Bytes;
use qingting_sip::message::{NameAddr, SipUri};
use qingting_sip::{
    BindError, Dialog, DialogEvent, Endpoint, EndpointConfig, IncomingCall, OutgoingInvite, Reply,
    Transport,
};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(5);

fn config() -> EndpointConfig {
    let any = "127.0.0.1:0".parse().unwrap();
    EndpointConfig {
        udp: vec![any],
        tcp: vec![any],
        product: "test".to_owned(),
        calls_max: 100,
        ..EndpointConfig::default()
    }
}

async fn endpoint() -> (Endpoint, mpsc::Receiver<IncomingCall>) {
    Endpoint::bind(config()).await.unwrap()
}

fn address(endpoint: &Endpoint, wanted: Transport) -> SocketAddr {
    endpoint.bound().iter().find(|(transport, _)| *transport == wanted).unwrap().1
}

fn call(from: &Endpoint, host: &str, to: SocketAddr, transport: Transport) -> Talk {
    let target = SipUri::sip("12345", host, Some(to.port()));
    let (dialog, events) = from.invite(OutgoingInvite {
        offer: Some(Bytes::from_static(b"v=0 offer")),
        ..OutgoingInvite::new(target, transport, from_a())
    });
    Talk { dialog, events }
}

fn from_a() -> NameAddr {
    NameAddr::parse("\"a\" <sip:a@127.0.0.1>").unwrap()
}

/// One side of a call.
struct Talk {
    dialog: Dialog,
    events: mpsc::Receiver<DialogEvent>,
}

impl Talk {
    async fn next(&mut self) -> Option<DialogEvent> {
        timeout(LIMIT, self.events.recv()).await.expect("an event or the end in time")
    }
}

async fn incoming(calls: &mut mpsc::Receiver<IncomingCall>) -> IncomingCall {
    timeout(LIMIT, calls.recv()).await.expect("a call in time").unwrap()
}

fn body(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

async fn whole_call(transport: Transport, host: &str) {
    let ((caller, _calls), (callee, mut calls)) = (endpoint().await, endpoint().await);
    let to = address(&callee, transport);
    let mut ours = call(&caller, host, to, transport);
    let arrived = incoming(&mut calls).await;
    assert_eq!((arrived.transport, arrived.local), (transport, to));
    assert_eq!(arrived.request.sdp(), body("v=0 offer"));
    assert_eq!(arrived.dialog.call_id(), ours.dialog.call_id());
    let mut theirs = Talk { dialog: arrived.dialog, events: arrived.events };
    theirs.dialog.respond(Reply::new(180));
    let ringing = ours.next().await;
    assert!(matches!(ringing, Some(DialogEvent::Progress { code: 180, body: None, .. })));
    theirs.dialog.respond(Reply::with_body(200, "v=0 answer"));
    assert_eq!(ours.next().await, Some(DialogEvent::Answered { body: body("v=0 answer") }));
    assert_eq!(theirs.next().await, Some(DialogEvent::Ack { body: None }));
    ours.dialog.reinvite(body("v=0 hold"));
    assert_eq!(theirs.next().await, Some(DialogEvent::Reinvite { offer: body("v=0 hold") }));
    theirs.dialog.respond_reinvite(Reply::with_body(200, "v=0 held"));
    assert_eq!(ours.next().await, Some(DialogEvent::Answered { body: body("v=0 held") }));
    assert_eq!(theirs.next().await, Some(DialogEvent::Ack { body: None }));
    theirs.dialog.bye(Some("Q.850;cause=16".to_owned()));
    let reason = Some("Q.850;cause=16".to_owned());
    assert_eq!(ours.next().await, Some(DialogEvent::Bye { reason }));
    assert_eq!(ours.next().await, None);
    assert_eq!(theirs.next().await, Some(DialogEvent::ByeDone));
    assert_eq!(theirs.next().await, None);
    assert_eq!((caller.metrics().dialogs, callee.metrics().dialogs), (0, 0));
    timeout(LIMIT, caller.close()).await.unwrap();
    timeout(LIMIT, callee.close()).await.unwrap();
}

#[tokio::test]
async fn a_call_by_udp() {
    whole_call(Transport::Udp, "127.0.0.1").await;
}

#[tokio::test]
async fn a_call_by_tcp() {
    whole_call(Transport::Tcp, "127.0.0.1").await;
}

#[tokio::test]
async fn a_call_to_a_name() {
    whole_call(Transport::Udp, "localhost").await;
}

#[tokio::test]
async fn dropping_the_handles_hangs_up() {
    let ((caller, _calls), (callee, mut calls)) = (endpoint().await, endpoint().await);
    let to = address(&callee, Transport::Udp);
    let mut ours = call(&caller, "127.0.0.1", to, Transport::Udp);
    drop(incoming(&mut calls).await);
    let Some(DialogEvent::Failed { code: 480, .. }) = ours.next().await else { panic!("no 480") };
    assert_eq!(ours.next().await, None);

    let Talk { dialog, events: _events } = call(&caller, "127.0.0.1", to, Transport::Udp);
    let mut arrived = incoming(&mut calls).await;
    arrived.dialog.respond(Reply::new(180));
    drop(dialog);
    let event = timeout(LIMIT, arrived.events.recv()).await.unwrap();
    assert_eq!(event, Some(DialogEvent::Cancel));
}

/// A callee whose owner reads no events, and a caller who sends one re-INVITE after another.
#[tokio::test]
async fn an_owner_who_does_not_listen_is_spoken_for_and_still_hears_the_end() {
    let ((caller, _calls), (callee, mut calls)) = (endpoint().await, endpoint().await);
    let to = address(&callee, Transport::Udp);
    let mut ours = call(&caller, "127.0.0.1", to, Transport::Udp);
    let mut arrived = incoming(&mut calls).await;
    arrived.dialog.respond(Reply::new(200));
    assert_eq!(ours.next().await, Some(DialogEvent::Answered { body: None }));
    let refused = loop {
        ours.dialog.reinvite(None);
        let event = loop {
            // Has no effect until the re-INVITE is there.
            arrived.dialog.respond_reinvite(Reply::new(200));
            if let Ok(event) = timeout(Duration::from_millis(1), ours.events.recv()).await {
                break event;
            }
        };
        if event != Some(DialogEvent::Answered { body: None }) {
            break event;
        }
    };
    assert!(matches!(refused, Some(DialogEvent::Failed { code: 500, .. })), "{refused:?}");
    ours.dialog.bye(None);
    assert_eq!(ours.next().await, Some(DialogEvent::ByeDone));
    assert!(callee.metrics().events_dropped > 0);
    let mut last = None;
    while let Some(event) = timeout(LIMIT, arrived.events.recv()).await.unwrap() {
        last = Some(event);
    }
    assert_eq!(last, Some(DialogEvent::Bye { reason: None }));
}

#[tokio::test]
async fn closing_lets_the_last_messages_out() {
    let ((caller, _calls), (callee, mut calls)) = (endpoint().await, endpoint().await);
    let to = address(&callee, Transport::Tcp);
    let mut ours = call(&caller, "127.0.0.1", to, Transport::Tcp);
    let arrived = incoming(&mut calls).await;
    arrived.dialog.respond(Reply::new(486));
    callee.close().await;
    assert!(matches!(ours.next().await, Some(DialogEvent::Failed { code: 486, .. })));
    assert_eq!(calls.recv().await.map(|call| call.source), None);
}

#[tokio::test]
async fn nobody_at_a_tcp_port_is_a_lost_transport() {
    let (caller, _calls) = endpoint().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut ours = call(&caller, "127.0.0.1", port, Transport::Tcp);
    assert_eq!(ours.next().await, Some(DialogEvent::TransportLost));
    assert_eq!(ours.next().await, None);
}

#[tokio::test]
async fn a_lost_connection_is_made_anew_for_the_bye() {
    let ((caller, _calls), (callee, mut calls)) = (endpoint().await, endpoint().await);
    let mut theirs = {
        // The caller's connection goes with an endpoint of its own, its dialog is told by hand.
        let stream = TcpStream::connect(address(&callee, Transport::Tcp)).await.unwrap();
        let contact = address(&caller, Transport::Tcp);
        let invite = request("INVITE", "TCP", contact, "");
        let stream = exchange((stream, String::new()), &invite, "100 Trying").await;
        let arrived = incoming(&mut calls).await;
        arrived.dialog.respond(Reply::new(200));
        let ack = request("ACK", "TCP", contact, "");
        let mut stream = exchange(stream, "", "200 OK").await;
        let tag = stream.1.split("To: ").nth(1).unwrap().split("tag=").nth(1).unwrap();
        let tag = tag.split("\r\n").next().unwrap().to_owned();
        let ack = ack.replace("To: <sip:12345@h>", &format!("To: <sip:12345@h>;tag={tag}"));
        stream.0.write_all(ack.as_bytes()).await.unwrap();
        Talk { dialog: arrived.dialog, events: arrived.events }
    };
    assert_eq!(theirs.next().await, Some(DialogEvent::Ack { body: None }));
    while callee.metrics().connections > 0 {
        tokio::task::yield_now().await;
    }
    theirs.dialog.bye(None);
    // The caller's endpoint knows no such dialog and says so, by the new connection.
    assert_eq!(theirs.next().await, Some(DialogEvent::ByeDone));
    assert_eq!(caller.metrics().refused_4xx, 1);
}

fn request(method: &str, transport: &str, contact: SocketAddr, extra: &str) -> String {
    format!(
        "{method} sip:12345@h SIP/2.0\r\n\
         Via: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bK{method}{extra}\r\n\
         From: <sip:a@b>;tag=f\r\nTo: <sip:12345@h>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:a@{contact};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Writes, then reads until a text comes; the stream and all that was read.
async fn exchange(
    (mut stream, mut read): (TcpStream, String),
    out: &str,
    wanted: &str,
) -> (TcpStream, String) {
    stream.write_all(out.as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    while !read.contains(wanted) || !read.ends_with("\r\n\r\n") {
        let len = timeout(LIMIT, stream.read(&mut buffer)).await.expect("in time").unwrap();
        assert!(len > 0, "closed after {read}");
        read.push_str(std::str::from_utf8(&buffer[..len]).unwrap());
    }
    (stream, read)
}

#[tokio::test]
async fn keep_alives_and_broken_framing_on_a_stream() {
    let (callee, _calls) = endpoint().await;
    let mut stream = TcpStream::connect(address(&callee, Transport::Tcp)).await.unwrap();
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    timeout(LIMIT, stream.read_exact(&mut pong)).await.unwrap().unwrap();
    assert_eq!(&pong, b"\r\n");
    let here = "127.0.0.1:9".parse().unwrap();
    let broken = request("OPTIONS", "TCP", here, "").replace("Length: 0", "Length: -1");
    stream.write_all(broken.as_bytes()).await.unwrap();
    let mut rest = String::new();
    timeout(LIMIT, stream.read_to_string(&mut rest)).await.expect("closed in time").unwrap();
    assert!(rest.starts_with("SIP/2.0 400 Malformed Content-Length"), "{rest}");
}

#[tokio::test]
async fn responses_go_where_rport_says_and_else_to_the_sent_by_port() {
    let (callee, _calls) = endpoint().await;
    let to = address(&callee, Transport::Udp);
    let (sender, named) = (udp().await, udp().await);
    let port = named.local_addr().unwrap().port();
    let here = named.local_addr().unwrap();
    let options = request("OPTIONS", "UDP", here, "").replace("127.0.0.1:9", &here.to_string());
    sender.send_to(options.as_bytes(), to).await.unwrap();
    let reply = received(&named).await;
    assert!(reply.starts_with("SIP/2.0 200") && reply.contains("Allow: INVITE"), "{reply}");
    let rport = options.replace(";branch=z9hG4bK", ";rport;branch=z9hG4bKr");
    sender.send_to(rport.as_bytes(), to).await.unwrap();
    let reply = received(&sender).await;
    let source = sender.local_addr().unwrap().port();
    assert!(reply.contains(&format!("127.0.0.1:{port};rport={source};")), "{reply}");
}

async fn udp() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

async fn received(socket: &UdpSocket) -> String {
    let mut buffer = vec![0; 65_535];
    let (len, _) = timeout(LIMIT, socket.recv_from(&mut buffer)).await.expect("in time").unwrap();
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

#[tokio::test]
async fn a_draining_endpoint_refuses_calls_with_503() {
    let ((caller, _calls), (callee, _theirs)) = (endpoint().await, endpoint().await);
    callee.drain();
    let mut ours = call(&caller, "127.0.0.1", address(&callee, Transport::Udp), Transport::Udp);
    let Some(DialogEvent::Failed { code: 503, retry_after_s: Some(5..=15), .. }) =
        ours.next().await
    else {
        panic!("not refused")
    };
    assert_eq!(callee.metrics().refused_admission, 1);
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_says_what_to_do() {
    let (first, _calls) = endpoint().await;
    let mut taken = config();
    taken.udp = vec![address(&first, Transport::Udp)];
    let Err(error) = Endpoint::bind(taken).await else { panic!("bound twice") };
    assert!(error.to_string().contains("stop it or change sip.listen_udp"), "{error}");
    let nothing = EndpointConfig { udp: vec![], tcp: vec![], ..config() };
    assert!(matches!(Endpoint::bind(nothing).await, Err(BindError::NoAddress)));
}
