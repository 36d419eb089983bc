//! A caller made of UDP sockets and text, for what no well-behaved phone would send.

use crate::rtp::RtpEnd;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longest wait for a message.
const MESSAGE_MAX: Duration = Duration::from_secs(20);

static CALLS: AtomicU32 = AtomicU32::new(0);

/// One call of the raw caller.
#[derive(Debug)]
pub struct RawCall {
    sip: UdpSocket,
    rtp: RtpEnd,
    server: SocketAddr,
    id: String,
    cseq: u32,
    /// The To of the answer, with its tag.
    to: String,
    /// RTP streams begun, each with an SSRC of its own.
    streams: AtomicU32,
}

impl RawCall {
    /// A caller that has not called yet.
    pub fn new(server: SocketAddr) -> Self {
        let sip = UdpSocket::bind("127.0.0.1:0").expect("a port");
        sip.set_read_timeout(Some(MESSAGE_MAX)).expect("a socket");
        let rtp = RtpEnd::bind();
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        let id = format!("raw-{}-{number}", std::process::id());
        let to = format!("<sip:12345@{server}>");
        Self { sip, rtp, server, id, cseq: 0, to, streams: AtomicU32::new(1) }
    }

    /// The `Call-ID`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// An offer of these formats on our RTP socket.
    pub fn offer(&self, formats: &str) -> String {
        let port = self.rtp.port();
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {formats}\r\n"
        )
    }

    /// Sends a request and gives the final response. An INVITE that is answered is acknowledged,
    /// and so is one that is refused.
    pub fn request(&mut self, method: &str, more: &str, body: &str) -> String {
        self.send(method, more, body);
        let response = self.final_response();
        if method == "INVITE" {
            if let Some(to) = header(&response, "To") {
                self.to = to.to_owned();
            }
            self.acknowledge("");
        }
        response
    }

    /// Sends a request without waiting.
    pub fn send(&mut self, method: &str, more: &str, body: &str) {
        if method != "ACK" && method != "CANCEL" {
            self.cseq += 1;
        }
        let (id, cseq, to) = (&self.id, self.cseq, &self.to);
        let ours = self.sip.local_addr().expect("bound");
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let branch = if method == "CANCEL" { "INVITE" } else { method };
        let text = format!(
            "{method} sip:12345@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {ours};branch=z9hG4bK-{id}-{cseq}-{branch};rport\r\n\
             From: <sip:13800138000@{ours}>;tag=raw\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:13800138000@{ours}>\r\nMax-Forwards: 70\r\n{kind}{more}Content-Length: {length}\r\n\r\n{body}",
            server = self.server,
            length = body.len(),
        );
        self.sip.send_to(text.as_bytes(), self.server).expect("sent");
    }

    /// Sends the ACK of the newest INVITE.
    pub fn acknowledge(&mut self, body: &str) {
        self.send("ACK", "", body);
    }

    /// The next message that is not provisional and belongs to the newest request.
    pub fn final_response(&mut self) -> String {
        loop {
            let text = self.message();
            let code = text.split(' ').nth(1).unwrap_or_default();
            let ours = header(&text, "CSeq")
                .and_then(|cseq| cseq.split(' ').next()?.parse().ok())
                .is_some_and(|cseq: u32| cseq == self.cseq);
            if text.starts_with("SIP/2.0") && !code.starts_with('1') && ours {
                return text;
            }
        }
    }

    /// The next final response to a request of this method.
    pub fn response_to(&mut self, method: &str) -> String {
        loop {
            let text = self.message();
            let code = text.split(' ').nth(1).unwrap_or_default();
            let ours = header(&text, "CSeq").is_some_and(|cseq| cseq.ends_with(method));
            if text.starts_with("SIP/2.0") && !code.starts_with('1') && ours {
                if let Some(to) = header(&text, "To") {
                    self.to = to.to_owned();
                }
                return text;
            }
        }
    }

    /// Accepts a request of the server's.
    pub fn answer(&self, request: &str) {
        let mut text = "SIP/2.0 200 OK\r\n".to_owned();
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let value = header(request, name).unwrap_or_default();
            text += &format!("{name}: {value}\r\n");
        }
        text += "Content-Length: 0\r\n\r\n";
        self.sip.send_to(text.as_bytes(), self.server).expect("sent");
    }

    /// The next message, whatever it is.
    pub fn message(&mut self) -> String {
        let mut buffer = [0; 65_535];
        let (length, _) = self.sip.recv_from(&mut buffer).expect("a message in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// Its end of the media.
    pub fn rtp(&self) -> &RtpEnd {
        &self.rtp
    }

    /// Speaks A-law at the pace of a call, to the port of this answer, from the socket offered.
    pub fn speak(&self, answer: &str, samples: &[i16]) {
        let stream = self.streams.fetch_add(1, Ordering::Relaxed);
        self.rtp.speak(rtp_port(answer), samples, stream);
    }
}

/// The RTP address in a session description.
pub fn rtp_port(answer: &str) -> SocketAddr {
    let port = answer
        .lines()
        .find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("no audio in {answer}"));
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A header field of a message.
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
