//! The messages of RFC 4475 and RFC 5118 at a real endpoint, by UDP and by TCP: each earns what its
//! RFC asks for, and the next request is answered at once.

use qingting_sip::{Endpoint, EndpointConfig, IncomingCall, Reply, Transport};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How soon an OPTIONS is answered after whatever came before.
const NEXT_ANSWER_MAX: Duration = Duration::from_millis(100);

/// What an answer may take; silence is believed after it, and after the OPTIONS behind it.
const SILENCE: Duration = Duration::from_millis(30);

/// What the owner says to every call, so that the table shows which messages become calls.
const OWNER: u16 = 486;

/// What a message earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Earns {
    /// This status.
    Status(u16),
    /// It is a call: 100, then what its owner says.
    Call,
    /// A REGISTER that is read: this endpoint keeps no registrations and says so, by some 4xx
    /// that is not 400.
    Register,
    /// Nothing: a response to nothing, or the rest of the message is waited for.
    Silence,
    /// This status, and the connection is closed: nobody knows where the next message begins.
    Closed(u16),
    /// The first message is a REGISTER, the octets behind it are a call.
    RegisterAndCall,
}

use Earns::{Call, Closed, Register, RegisterAndCall, Silence, Status};

/// File, what it earns by UDP, what by TCP, and why.
const TABLE: [(&str, Earns, Earns, &str); 61] = [
    ("wsinv", Status(481), Status(481), "well-formed; its To tag names no dialog of ours"),
    ("intmeth", Status(501), Status(501), "well-formed; the method is not known"),
    ("esc01", Call, Call, "escapes are kept"),
    ("escnull", Register, Register, "%00 is a part of the user"),
    ("esc02", Status(501), Status(501), "RE%47IST%45R is not REGISTER"),
    ("lwsdisp", Status(200), Status(200), "no space before the bracket is needed"),
    ("longreq", Call, Call, "long values within our caps"),
    ("dblreq", Register, RegisterAndCall, "a datagram is one message, a stream is not"),
    ("semiuri", Status(200), Status(200), "a semicolon in the user"),
    ("transports", Status(200), Status(200), "transports that we do not know in Via"),
    ("mpart01", Status(405), Status(405), "read; MESSAGE is not for a hotline's endpoint"),
    ("unreason", Silence, Silence, "a response to nothing of ours"),
    ("noreason", Silence, Silence, "a response to nothing of ours"),
    ("badinv01", Status(400), Status(400), "separators that separate nothing"),
    ("clerr", Status(400), Silence, "a stream waits for the rest, a datagram has none"),
    ("ncl", Status(400), Closed(400), "a negative length"),
    ("scalar02", Status(400), Status(400), "numbers beyond their range"),
    ("scalarlg", Silence, Silence, "a broken response is dropped"),
    ("quotbal", Status(400), Status(400), "an open quote in To"),
    ("ltgtruri", Status(400), Status(400), "brackets around the Request-URI"),
    ("lwsruri", Status(400), Status(400), "spaces in the Request-URI"),
    ("lwsstart", Status(400), Status(400), "spaces in the request line"),
    ("trws", Status(400), Status(400), "a space at the end of the request line"),
    ("escruri", Status(400), Status(400), "header fields in the Request-URI"),
    ("baddate", Call, Call, "differs by choice: a Date that nobody uses is not read (allowed)"),
    ("regbadct", Status(400), Status(400), "a Contact with ? outside brackets"),
    ("badaspec", Status(400), Status(400), "spaces within an address"),
    ("baddn", Status(400), Silence, "no token, no quotes; without the empty line a stream waits"),
    ("badvers", Status(505), Status(505), "SIP/7.0"),
    ("mismatch01", Status(400), Status(400), "CSeq names another method"),
    ("mismatch02", Status(400), Status(400), "CSeq names another method, and neither is known"),
    ("bigcode", Silence, Silence, "a broken response is dropped"),
    ("badbranch", Status(200), Status(200), "the bare cookie: matched as RFC 2543 did"),
    ("insuf", Status(400), Status(400), "required fields are missing"),
    ("unkscm", Status(416), Status(416), "a scheme that we do not know"),
    ("novelsc", Status(416), Status(416), "a scheme that is not for SIP"),
    ("unksm2", Register, Register, "unknown schemes in fields are no fault"),
    ("bext01", Status(420), Status(420), "extensions that we do not know"),
    ("invut", Status(415), Status(415), "a body that we do not know"),
    ("regaut01", Register, Register, "nobody registers here, whatever the credentials"),
    ("multi01", Status(400), Status(400), "fields that come once came twice"),
    ("mcl01", Status(400), Closed(400), "two lengths"),
    ("bcast", Silence, Silence, "a response with a second Via is not ours"),
    ("zeromf", Status(200), Status(200), "we are the final recipient"),
    ("cparam01", Register, Register, "a parameter of the Contact"),
    ("cparam02", Register, Register, "a parameter of the URI"),
    ("regescrt", Register, Register, "a header in the URI of the Contact"),
    (
        "sdp01",
        Call,
        Call,
        "differs by choice: who offers SDP reads it, whatever Accept says (allowed)",
    ),
    ("inv2543", Call, Call, "an INVITE of RFC 2543"),
    ("rfc5118/4.1_ipv6-good", Register, Register, "brackets as they should be"),
    ("rfc5118/4.2_ipv6-bad", Status(400), Status(400), "no brackets"),
    ("rfc5118/4.3_port-ambiguous", Register, Register, "5070 is a part of the address"),
    ("rfc5118/4.4_port-unambiguous", Register, Register, "5070 is a port"),
    ("rfc5118/4.5_via-received-param-no-delim", Status(200), Status(200), "tolerated"),
    ("rfc5118/4.5_via-received-param-with-delim", Status(481), Status(481), "a BYE of no call"),
    ("rfc5118/4.6_ipv6-in-sdp", Call, Call, "addresses in the description are its reader's"),
    ("rfc5118/4.7_mult-ip-in-header", Status(481), Status(481), "a BYE of no call"),
    ("rfc5118/4.8_mult-ip-in-sdp", Call, Call, "both families in one description"),
    ("rfc5118/4.9_ipv4-mapped-ipv6", Call, Call, "mapped addresses"),
    ("rfc5118/4.10_ipv6-bug-abnf-3-colons", Status(200), Status(200), "tolerated, as asked"),
    ("rfc5118/4.10_ipv6-correct-abnf-2-colons", Status(200), Status(200), "two colons"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/sip-torture")
}

/// A message as its RFC means it. The files of RFC 5118 have lost their line ends, and §4.6 was
/// published with a length of 17 octets more than its body: both are made good.
fn message(name: &str) -> Vec<u8> {
    let ending = if name.starts_with("rfc5118/") { "sip" } else { "dat" };
    let bytes =
        std::fs::read(folder().join(format!("{name}.{ending}"))).expect("a file of the set");
    if ending == "dat" {
        return bytes;
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let body: String = body.lines().map(|line| format!("{line}\r\n")).collect();
    let head = head.lines().filter(|line| !line.starts_with("Content-Length"));
    let head: String = head.map(|line| format!("{line}\r\n")).collect();
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn every_message_earns_what_its_rfc_asks_for_and_the_next_is_answered_at_once() {
    if !folder().join("EXPECTED.tsv").exists() {
        println!("skipped: no torture messages at {}", folder().display());
        return;
    }
    let mut wrong = Vec::new();
    for (name, by_udp, by_tcp, why) in TABLE {
        let bytes = message(name);
        for (transport, wanted) in [(Transport::Udp, by_udp), (Transport::Tcp, by_tcp)] {
            let (endpoint, owner) = endpoint().await;
            let got = match transport {
                Transport::Tcp => Some(over_tcp(&endpoint, &bytes).await),
                _ => over_udp(&endpoint, &bytes).await,
            };
            let Some(got) = got else {
                println!("skipped: {name} by {transport}: somebody listens at its port already");
                continue;
            };
            if !got.is(wanted) {
                wrong.push(format!("{name} by {transport} ({why}): {got:?}, not {wanted:?}"));
            }
            let metrics = endpoint.metrics();
            assert_eq!(metrics.dialogs, 0, "{name}: a call is left");
            endpoint.close().await;
            owner.join_all().await;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What came back.
#[derive(Debug)]
struct Got {
    codes: Vec<u16>,
    closed: bool,
}

impl Got {
    fn is(&self, wanted: Earns) -> bool {
        let register = |code: &u16| (401..500).contains(code);
        match (wanted, &self.codes[..]) {
            (Status(code), [got]) => *got == code && !self.closed,
            (Closed(code), [got]) => *got == code && self.closed,
            (Call, [100, OWNER]) | (Silence, []) => !self.closed,
            (Register, [code]) | (RegisterAndCall, [code, 100, OWNER]) => {
                register(code) && !self.closed
            }
            _ => false,
        }
    }
}

async fn endpoint() -> (Endpoint, JoinSet<()>) {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let (endpoint, calls) = Endpoint::bind(EndpointConfig {
        udp: vec![any],
        tcp: vec![any],
        product: "torture".to_owned(),
        calls_max: 1_000,
        ..EndpointConfig::default()
    })
    .await
    .unwrap();
    let mut owner = JoinSet::new();
    owner.spawn(refuse_all(calls));
    (endpoint, owner)
}

async fn refuse_all(mut calls: mpsc::Receiver<IncomingCall>) {
    while let Some(call) = calls.recv().await {
        call.dialog.respond(Reply::new(OWNER));
    }
}

fn address(endpoint: &Endpoint, wanted: Transport) -> SocketAddr {
    endpoint.bound().iter().find(|(transport, _)| *transport == wanted).unwrap().1
}

/// The port that a response goes to: that of the top Via.
fn sent_by_port(message: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(message);
    let via = text.lines().skip(1).find(|line| {
        let name = line.split(':').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("via") || name.eq_ignore_ascii_case("v")
    });
    let sent_by = via.and_then(|via| via.split([';', ',']).next()?.split_whitespace().last());
    let port = sent_by.and_then(|sent_by| {
        let (host, port) = sent_by.rsplit_once(':')?;
        (host.ends_with(']') || !host.contains(':')).then(|| port.parse().ok())?
    });
    port.unwrap_or(5060)
}

/// Sends from an address of our own within 127/8, where the port of the Via is surely free; `None`
/// when somebody listens at it at every address.
async fn over_udp(endpoint: &Endpoint, bytes: &[u8]) -> Option<Got> {
    let ip = Ipv4Addr::new(127, rand::random(), rand::random(), rand::random_range(2..250));
    let socket = UdpSocket::bind((ip, sent_by_port(bytes))).await.ok()?;
    socket.send_to(bytes, address(endpoint, Transport::Udp)).await.unwrap();
    the_next_is_answered(endpoint).await;
    let (mut codes, mut buffer) = (Vec::new(), vec![0; 65_535]);
    while let Ok(read) = timeout(SILENCE, socket.recv_from(&mut buffer)).await {
        let len = read.unwrap().0;
        codes.push(status(&String::from_utf8_lossy(&buffer[..len])));
    }
    Some(Got { codes, closed: false })
}

async fn over_tcp(endpoint: &Endpoint, bytes: &[u8]) -> Got {
    let mut stream = TcpStream::connect(address(endpoint, Transport::Tcp)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    the_next_is_answered(endpoint).await;
    let (mut read, mut buffer, mut closed) = (String::new(), vec![0; 65_535], false);
    while let Ok(len) = timeout(SILENCE, stream.read(&mut buffer)).await {
        let len = len.unwrap();
        closed = len == 0;
        if closed {
            break;
        }
        read.push_str(&String::from_utf8_lossy(&buffer[..len]));
    }
    let messages = read.split("\r\n\r\n").filter(|text| text.starts_with("SIP/2.0 "));
    Got { codes: messages.map(status).collect(), closed }
}

fn status(message: &str) -> u16 {
    message["SIP/2.0 ".len()..][..3].parse().unwrap()
}

async fn the_next_is_answered(endpoint: &Endpoint) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let number: u64 = rand::random();
    let text = format!(
        "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bK{number}\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\n\r\n"
    );
    socket.send_to(text.as_bytes(), address(endpoint, Transport::Udp)).await.unwrap();
    let mut buffer = [0; 4_096];
    let read = timeout(NEXT_ANSWER_MAX, socket.recv_from(&mut buffer)).await;
    let len = read.expect("an answer in time").unwrap().0;
    assert_eq!(status(&String::from_utf8_lossy(&buffer[..len])), 200);
}
