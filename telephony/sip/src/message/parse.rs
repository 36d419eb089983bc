//! Bytes to messages.

use super::caps;
use super::text::{split_outside_quotes, text_from_bytes};
use super::uri::Scheme;
use super::{
    CSeq, HeaderName, Headers, Message, Method, NameAddr, Request, Response, SipUri,
    VALUE_BYTES_MAX, Via,
};
use bytes::Bytes;
use qingting_common::limits::SIP_MESSAGE_BYTES_MAX;
use std::borrow::Cow;

/// Header fields in one message, at most.
const HEADER_FIELDS_MAX: usize = 256;

/// How the end of a message is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The datagram ends it; octets past Content-Length are ignored (RFC 3261 §18.3).
    Datagram,
    /// Content-Length ends it; a missing one counts as 0.
    Stream,
}

/// What a refused request still tells: enough for a response.
#[derive(Clone, Debug)]
pub struct Head {
    /// Method token as written.
    pub method: String,
    /// The top Via.
    pub via: Via,
    /// The first of each field that a response repeats, none longer than its cap.
    pub headers: Headers,
}

/// Why bytes are not a message.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing that could be answered: not SIP, a broken response, or no usable Via.
    Garbage(&'static str),
    /// A request to be answered with this status and reason phrase.
    Refused {
        /// What could be read.
        head: Box<Head>,
        /// Status code.
        code: u16,
        /// Reason phrase that says what was wrong.
        reason: &'static str,
    },
}

/// Reads one message.
///
/// # Errors
/// [`Fault`], which says whether an answer is possible.
pub fn parse(bytes: &Bytes, framing: Framing) -> Result<Message, Fault> {
    let start = bytes.iter().take_while(|b| b"\r\n".contains(b)).count();
    let (head_len, body_at) =
        head_end(&bytes[start..]).unwrap_or((bytes.len() - start, bytes.len() - start));
    let mut lines = Lines(&bytes[start..start + head_len]);
    let first = lines.next().ok_or(Fault::Garbage("empty"))?;
    let rest = bytes.slice(start + body_at..);
    if let Some(status) = first.strip_prefix("SIP/") {
        return response(status, lines, rest, framing).map_err(Fault::Garbage);
    }
    if !first.contains("SIP/") {
        return Err(Fault::Garbage("no start line"));
    }
    request(&first, lines, rest, framing)
}

/// Length of the first message in a stream's buffer, its body included; `None` until the header
/// section is complete.
///
/// # Errors
/// A text when the stream cannot be framed any more and must be closed.
pub fn stream_message_len(buffer: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some((head_len, body_at)) = head_end(buffer) else {
        return if buffer.len() > SIP_MESSAGE_BYTES_MAX {
            Err("header section too long")
        } else {
            Ok(None)
        };
    };
    let mut lengths = ContentLength::default();
    Lines(&buffer[..head_len]).skip(1).filter_map(|line| split_field(&line)).for_each(
        |(name, value)| {
            if name == HeaderName::ContentLength {
                lengths.add(&value);
            }
        },
    );
    let total = body_at.saturating_add(lengths.value()?.unwrap_or(0));
    if total > SIP_MESSAGE_BYTES_MAX { Err("message too long") } else { Ok(Some(total)) }
}

fn request(first: &str, lines: Lines<'_>, rest: Bytes, framing: Framing) -> Result<Message, Fault> {
    let (headers, lengths, mut fault) = fields(lines);
    let mut parts = first.split(' ');
    let (method, uri, version) =
        (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let refuse = |headers: Headers, code, reason| {
        let via = headers.first(&HeaderName::Via).and_then(Via::salvage).and_then(Via::shortened);
        match via {
            Some(via) => {
                let (method, headers) = (method.to_owned(), caps::echo(&headers));
                Fault::Refused { head: Box::new(Head { method, via, headers }), code, reason }
            }
            None => Fault::Garbage("no usable Via"),
        }
    };
    if parts.next().is_some() || method.is_empty() || uri.is_empty() {
        return Err(refuse(headers, 400, "Malformed Request Line"));
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(refuse(headers, 505, "Version Not Supported"));
    }
    if uri.len() > VALUE_BYTES_MAX {
        return Err(refuse(headers, 400, "Request-URI Too Long"));
    }
    let body = match body(&lengths, rest, framing) {
        Ok(body) => body,
        Err(reason) => {
            fault = fault.or(Some(reason));
            Bytes::new()
        }
    };
    let core = Core::read(&headers);
    let (core, fault) = match core {
        Ok(core) => (Some(core), fault),
        Err(reason) => (None, fault.or(Some(reason))),
    };
    let (Some(core), None) = (core, fault) else {
        return Err(refuse(headers, 400, fault.unwrap_or("Bad Request")));
    };
    let Some(method) = Method::parse(method).filter(|method| *method == core.cseq.method) else {
        return Err(refuse(headers, 400, "CSeq Method Mismatch"));
    };
    let uri = match uri.parse::<SipUri>() {
        Ok(uri) if matches!(uri.scheme, Scheme::Other(_)) => {
            return Err(refuse(headers, 416, "Unsupported URI Scheme"));
        }
        Ok(uri) if uri.headers.is_some() => {
            return Err(refuse(headers, 400, "Headers in Request-URI"));
        }
        Ok(uri) => uri,
        Err(_) => return Err(refuse(headers, 400, "Malformed Request-URI")),
    };
    let max_forwards = match headers.first(&HeaderName::MaxForwards).map(small_number) {
        Some(None) => return Err(refuse(headers, 400, "Malformed Max-Forwards")),
        Some(number) => number,
        None => None,
    };
    let Core { via, from, to, call_id, cseq } = core;
    let request =
        Request { method, uri, via, from, to, call_id, cseq, max_forwards, headers, body };
    Ok(Message::Request(Box::new(request)))
}

fn response(
    status: &str,
    lines: Lines<'_>,
    rest: Bytes,
    framing: Framing,
) -> Result<Message, &'static str> {
    let status = status.strip_prefix("2.0 ").ok_or("response of another version")?;
    let (code, reason) = status.split_once(' ').unwrap_or((status, ""));
    let code = (code.len() == 3).then(|| code.parse::<u16>().ok()).flatten();
    let code = code.filter(|code| (100..700).contains(code)).ok_or("status code out of range")?;
    let (headers, lengths, fault) = fields(lines);
    if let Some(fault) = fault {
        return Err(fault);
    }
    let body = body(&lengths, rest, framing)?;
    let Core { via, from, to, call_id, cseq } = Core::read(&headers)?;
    let reason = reason.to_owned();
    Ok(Message::Response(Box::new(Response {
        code,
        reason,
        via,
        from,
        to,
        call_id,
        cseq,
        headers,
        body,
    })))
}

/// The fields and the body of one part of a multipart body, which may have no fields.
pub(super) fn fields_and_body(part: &Bytes) -> Option<(Headers, Bytes)> {
    let (head_len, body_at) = match &part[..] {
        [b'\n', ..] => (0, 1),
        [b'\r', b'\n', ..] => (0, 2),
        _ => head_end(part)?,
    };
    let (headers, _, fault) = fields(Lines(&part[..head_len]));
    fault.is_none().then(|| (headers, part.slice(body_at..)))
}

/// The fields that every message has (RFC 3261 §8.1.1).
struct Core {
    via: Via,
    from: NameAddr,
    to: NameAddr,
    call_id: String,
    cseq: CSeq,
}

impl Core {
    fn read(headers: &Headers) -> Result<Self, &'static str> {
        if let Some(reason) = caps::over(headers) {
            return Err(reason);
        }
        let first = |name| headers.first(name);
        let mut vias = headers.all(&HeaderName::Via).map(Via::parse);
        let via = vias.next().flatten().ok_or("Missing or Malformed Via")?;
        if vias.any(|via| via.is_none()) {
            return Err("Malformed Via");
        }
        let mut contacts = headers.all(&HeaderName::Contact).filter(|contact| *contact != "*");
        if contacts.any(|contact| NameAddr::parse(contact).is_none()) {
            return Err("Malformed Contact");
        }
        let address = |name| first(name).and_then(NameAddr::parse).filter(NameAddr::has_clear_tag);
        let from = address(&HeaderName::From).ok_or("Missing or Malformed From")?;
        let to = address(&HeaderName::To).ok_or("Missing or Malformed To")?;
        if let Some(reason) = caps::over_inside(&via, &from, &to) {
            return Err(reason);
        }
        Ok(Self {
            via,
            from,
            to,
            call_id: first(&HeaderName::CallId)
                .filter(|id| !id.is_empty() && !id.contains([' ', '\t', ',']))
                .ok_or("Missing or Malformed Call-ID")?
                .to_owned(),
            cseq: first(&HeaderName::CSeq)
                .and_then(CSeq::parse)
                .ok_or("Missing or Malformed CSeq")?,
        })
    }
}

/// All fields, what Content-Length says, and the first fault.
fn fields(lines: Lines<'_>) -> (Headers, ContentLength, Option<&'static str>) {
    let (mut headers, mut lengths, mut fault) =
        (Headers::default(), ContentLength::default(), None);
    for (count, line) in lines.enumerate() {
        if count == HEADER_FIELDS_MAX {
            fault = fault.or(Some("Too Many Header Fields"));
            break;
        }
        let Some((name, value)) = split_field(&line) else {
            fault = fault.or(Some("Malformed Header Field"));
            continue;
        };
        if name == HeaderName::ContentLength {
            lengths.add(&value);
        } else if name.is_list() {
            match split_outside_quotes(&value, b',') {
                // RFC 3261 §7.3.1 has no empty members; each would be echoed with a name of its own.
                Some(values) => values
                    .iter()
                    .map(|value| value.trim())
                    .filter(|value| !value.is_empty())
                    .for_each(|value| headers.push(name.clone(), value)),
                None => fault = fault.or(Some("Unterminated Quoted String")),
            }
        } else {
            if name.is_single() && headers.first(&name).is_some() {
                fault = fault.or(Some("Repeated Header Field"));
            }
            headers.push(name, value);
        }
    }
    (headers, lengths, fault)
}

fn split_field(line: &str) -> Option<(HeaderName, String)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_end();
    super::text::is_token(name).then(|| (HeaderName::parse(name), value.trim().to_owned()))
}

/// What the Content-Length fields of a message say together.
#[derive(Default)]
struct ContentLength {
    value: Option<usize>,
    fault: bool,
}

impl ContentLength {
    fn add(&mut self, text: &str) {
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        self.fault |= number.is_none() || self.value.is_some_and(|value| Some(value) != number);
        self.value = number;
    }

    fn value(&self) -> Result<Option<usize>, &'static str> {
        if self.fault { Err("Malformed Content-Length") } else { Ok(self.value) }
    }
}

fn body(lengths: &ContentLength, rest: Bytes, framing: Framing) -> Result<Bytes, &'static str> {
    match (lengths.value()?, framing) {
        (Some(len), _) if len <= rest.len() => Ok(rest.slice(..len)),
        (Some(_), _) => Err("Content-Length Larger Than Message"),
        (None, Framing::Datagram) => Ok(rest),
        (None, Framing::Stream) => Ok(Bytes::new()),
    }
}

fn small_number(text: &str) -> Option<u8> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse::<u32>().ok())
        .flatten()?
        .try_into()
        .ok()
}

/// End of the header section and start of the body.
fn head_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|b| *b == b'\n') {
        let end = at + step + 1;
        match &bytes[end..] {
            [b'\n', ..] => return Some((end, end + 1)),
            [b'\r', b'\n', ..] => return Some((end, end + 2)),
            _ => at = end,
        }
    }
    None
}

/// Header lines, unfolded (RFC 3261 §7.3.1).
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    /// Borrowed where it is plain ASCII and not folded, as nearly all lines are.
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        if self.0.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            end += self.0[end..]
                .iter()
                .position(|b| *b == b'\n')
                .map_or(self.0.len() - end, |n| n + 1);
            if !matches!(self.0.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, rest) = self.0.split_at(end);
        self.0 = rest;
        let line = line.trim_ascii_end_newline();
        let plain = std::str::from_utf8(line).ok().filter(|line| line.is_ascii());
        let line = plain.map_or_else(|| Cow::Owned(text_from_bytes(line)), Cow::Borrowed);
        let folded = line.bytes().any(|byte| b"\r\n\t".contains(&byte));
        Some(if folded { Cow::Owned(unfold(&line)) } else { line })
    }
}

trait TrimNewline {
    fn trim_ascii_end_newline(&self) -> &[u8];
}

impl TrimNewline for [u8] {
    /// Only the line end: a trailing space on a request line must be seen.
    fn trim_ascii_end_newline(&self) -> &[u8] {
        let line = self.strip_suffix(b"\n").unwrap_or(self);
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

fn unfold(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for piece in line.split(['\r', '\n']) {
        if !out.is_empty() && !piece.is_empty() {
            out.push(' ');
        }
        out.push_str(&if out.is_empty() {
            piece.to_owned()
        } else {
            piece.trim_start().replace('\t', " ")
        });
    }
    out
}
