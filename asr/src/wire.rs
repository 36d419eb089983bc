//! What client and worker say to each other over a Unix socket, or over TLS.
//!
//! A frame is a u32 length (little-endian, of what follows), one byte of kind, and the body.
//! Numbers are little-endian. The worker speaks first ([`Message::Hello`]);
//! one that listens for other machines speaks to who has sent it the right [`Message::Token`].

use crate::degradation::Level;
use crate::recognizer::Expected;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use tokio::io::AsyncReadExt;

/// Version of this protocol; both sides must have the same.
pub const VERSION: u16 = 5;
/// Largest frame, in bytes, length field excluded.
pub const FRAME_BYTES_MAX: usize = 65_536;
/// Most samples in one [`Message::Audio`].
pub const AUDIO_SAMPLES_MAX: usize = 16_000;

/// Length of a token, in bytes.
pub const TOKEN_BYTES_MIN: usize = 32;
/// Longest [`Message::Expect`], in characters; more is cut.
pub const EXPECTED_CHARS_MAX: usize = 120;
/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 256;

/// One frame.
#[derive(Clone, PartialEq)]
pub enum Message {
    /// Worker: ready.
    Hello {
        /// [`VERSION`].
        version: u16,
        /// Most streams it takes.
        capacity: u32,
        /// Decode threads: what it can do beside other workers.
        threads: u16,
    },
    /// Client, first of all, to a worker of another machine: proves that it may speak.
    Token(Vec<u8>),
    /// Client: a new stream.
    Open {
        /// The client's number for it.
        stream: u64,
        /// 8,000 or 16,000 Hz.
        rate_hz: u32,
        /// Sample index of the first audio to come, at `rate_hz`.
        start_sample: u64,
        /// Number of the first segment.
        first_segment: u32,
        /// Nobody waits for its text: no partials, decoded when nothing else waits, never given up.
        is_offline: bool,
    },
    /// Client: audio. What is missing before `start_sample` is a gap in time.
    Audio {
        /// The stream.
        stream: u64,
        /// Index of the first sample, counted from the stream's sample 0.
        start_sample: u64,
        /// Linear samples.
        samples: Vec<i16>,
    },
    /// Client: what is decoded from here on may say this. Engines that can be told then hear each final twice.
    Expect {
        /// The stream.
        stream: u64,
        /// Context and likely words in the order of a talk; empty: anything may be said again.
        words: String,
    },
    /// Client: no more audio; remaining finals and [`Event::Ended`] follow.
    Close {
        /// The stream.
        stream: u64,
    },
    /// Worker: something was heard.
    Event(Event),
}

/// What the worker reports. Times are milliseconds since the stream's sample 0.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Speech began.
    Started {
        /// The stream.
        stream: u64,
        /// The segment that will hold it.
        segment: u32,
        /// Where it began.
        at_ms: u64,
    },
    /// Text of a segment; a later one of the same segment replaces it.
    Result {
        /// The stream.
        stream: u64,
        /// The segment.
        segment: u32,
        /// Last word on this segment?
        is_final: bool,
        /// Where its speech begins.
        start_ms: u64,
        /// Where its speech (so far) ends.
        end_ms: u64,
        /// As it was heard, in simplified Chinese; empty when it turned out to be noise. What a seat
        /// reads is made of it by [`crate::text::display`], on the client's side.
        text: Text,
        /// Mean token probability.
        confidence: f32,
        /// Of a final: the same by [`crate::recognizer::Decoded::expected`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<Expected>,
        /// As [`crate::recognizer::Decoded::took_ms`]; a worker of before it says nothing.
        #[serde(default)]
        took_ms: u32,
    },
    /// Instead of a final: it was given up because the worker is too far behind.
    Skipped {
        /// The stream.
        stream: u64,
        /// The segment.
        segment: u32,
        /// Where its speech begins.
        start_ms: u64,
        /// Where its speech ends.
        end_ms: u64,
    },
    /// All finals of a closed stream were sent.
    Ended {
        /// The stream.
        stream: u64,
    },
    /// Once a second.
    Stats {
        /// Age of the oldest decode still waiting.
        lag_ms: u64,
        /// Open streams.
        streams: u32,
        /// Processor time the worker has used since its start.
        cpu_ms: u64,
        /// Partials given up because finals were waiting, since the start.
        partials_skipped: u64,
        /// What is left out now.
        level: Level,
        /// Finals given up, since the start.
        finals_skipped: u64,
    },
}

/// The peer does not speak the protocol.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection broke.
    #[error("recognition connection: {0}")]
    Io(#[from] std::io::Error),
    /// A length beyond [`FRAME_BYTES_MAX`], or zero.
    #[error("recognition frame of {0} bytes (1 to {FRAME_BYTES_MAX} are allowed)")]
    Length(usize),
    /// A body that does not fit its kind.
    #[error("recognition frame of kind {0} is malformed")]
    Malformed(u8),
    /// The other side is of another release.
    #[error("the peer speaks recognition protocol {0}, this side {VERSION}: restart both")]
    Version(u16),
    /// A worker that does not even report.
    #[error("the recognition worker is stuck: it has said nothing for {} s", .0.as_secs())]
    Silent(std::time::Duration),
}

const HELLO: u8 = 1;
const OPEN: u8 = 2;
const AUDIO: u8 = 3;
const CLOSE: u8 = 4;
const EVENT: u8 = 5;
const TOKEN: u8 = 6;
const EXPECT: u8 = 7;

impl Message {
    /// The frame, length included.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; 4];
        match self {
            Self::Hello { version, capacity, threads } => {
                out.push(HELLO);
                out.extend(version.to_le_bytes());
                out.extend(capacity.to_le_bytes());
                out.extend(threads.to_le_bytes());
            }
            Self::Token(token) => {
                out.push(TOKEN);
                out.extend(token);
            }
            Self::Open { stream, rate_hz, start_sample, first_segment, is_offline } => {
                out.push(OPEN);
                out.extend(stream.to_le_bytes());
                out.extend(rate_hz.to_le_bytes());
                out.extend(start_sample.to_le_bytes());
                out.extend(first_segment.to_le_bytes());
                out.push(u8::from(*is_offline));
            }
            Self::Audio { stream, start_sample, samples } => {
                assert!(samples.len() <= AUDIO_SAMPLES_MAX, "senders cut audio into pieces");
                out.push(AUDIO);
                out.extend(stream.to_le_bytes());
                out.extend(start_sample.to_le_bytes());
                samples.iter().for_each(|sample| out.extend(sample.to_le_bytes()));
            }
            Self::Expect { stream, words } => {
                out.push(EXPECT);
                out.extend(stream.to_le_bytes());
                let words: String = words.chars().take(EXPECTED_CHARS_MAX).collect();
                out.extend(words.as_bytes());
            }
            Self::Close { stream } => {
                out.push(CLOSE);
                out.extend(stream.to_le_bytes());
            }
            Self::Event(event) => {
                out.push(EVENT);
                out.extend(serde_json::to_vec(event).expect("events hold nothing JSON cannot"));
            }
        }
        let length = u32::try_from(out.len() - 4).expect("every message is bounded");
        out[..4].copy_from_slice(&length.to_le_bytes());
        out
    }

    /// Reads a frame's content (kind and body, without the length).
    ///
    /// # Errors
    /// [`WireError::Malformed`]; never panics, whatever the bytes.
    pub fn decode(frame: &[u8]) -> Result<Self, WireError> {
        let (&kind, body) = frame.split_first().ok_or(WireError::Length(0))?;
        Self::decode_body(kind, body).ok_or(WireError::Malformed(kind))
    }

    fn decode_body(kind: u8, mut body: &[u8]) -> Option<Self> {
        let body = &mut body;
        let message = match kind {
            HELLO => Self::Hello {
                version: u16::from_le_bytes(take(body)?),
                capacity: u32::from_le_bytes(take(body)?),
                threads: u16::from_le_bytes(take(body)?),
            },
            TOKEN => Self::Token(std::mem::take(body).to_vec()),
            OPEN => Self::Open {
                stream: u64::from_le_bytes(take(body)?),
                rate_hz: u32::from_le_bytes(take(body)?),
                start_sample: u64::from_le_bytes(take(body)?),
                first_segment: u32::from_le_bytes(take(body)?),
                is_offline: match take(body)? {
                    [0] => false,
                    [1] => true,
                    _ => return None,
                },
            },
            AUDIO => {
                let stream = u64::from_le_bytes(take(body)?);
                let start_sample = u64::from_le_bytes(take(body)?);
                if !body.len().is_multiple_of(2) || body.len() / 2 > AUDIO_SAMPLES_MAX {
                    return None;
                }
                let samples = std::mem::take(body)
                    .chunks_exact(2)
                    .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                    .collect();
                Self::Audio { stream, start_sample, samples }
            }
            EXPECT => {
                let stream = u64::from_le_bytes(take(body)?);
                let words = std::str::from_utf8(std::mem::take(body)).ok()?;
                if words.chars().count() > EXPECTED_CHARS_MAX {
                    return None;
                }
                Self::Expect { stream, words: words.to_owned() }
            }
            CLOSE => Self::Close { stream: u64::from_le_bytes(take(body)?) },
            EVENT => Self::Event(serde_json::from_slice(std::mem::take(body)).ok()?),
            _ => return None,
        };
        body.is_empty().then_some(message)
    }
}

fn take<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = body.split_first_chunk::<N>()?;
    *body = rest;
    Some(*head)
}

/// The length of a frame, from its first four bytes.
///
/// # Errors
/// [`WireError::Length`].
pub fn frame_length(head: [u8; 4]) -> Result<usize, WireError> {
    let length = u32::from_le_bytes(head) as usize;
    if (1..=FRAME_BYTES_MAX).contains(&length) {
        Ok(length)
    } else {
        Err(WireError::Length(length))
    }
}

/// A token as it is written in a file, without the line's end.
///
/// # Errors
/// Why it cannot be one.
pub(crate) fn checked_token(text: &str) -> Result<Vec<u8>, &'static str> {
    let token = text.trim();
    if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
        return Err(
            "its token must have 32 to 256 characters, for example of `openssl rand -hex 32`",
        );
    }
    Ok(token.as_bytes().to_vec())
}

/// Reads a stranger's first frame: a token and nothing longer.
///
/// # Errors
/// A broken connection, or anything else.
pub(crate) async fn read_token(from: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<Vec<u8>> {
    let other =
        || std::io::Error::new(std::io::ErrorKind::InvalidData, "its first word is no token");
    let mut head = [0; 5];
    from.read_exact(&mut head).await?;
    let [a, b, c, d, kind] = head;
    let length = (u32::from_le_bytes([a, b, c, d]) as usize).saturating_sub(1);
    if kind != TOKEN || !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&length) {
        return Err(other());
    }
    let mut token = vec![0; length];
    from.read_exact(&mut token).await?;
    Ok(token)
}

/// Reads one frame.
///
/// # Errors
/// A broken connection or a malformed frame.
pub(crate) async fn read_async(
    from: &mut (impl AsyncReadExt + Unpin),
) -> Result<Message, WireError> {
    let mut head = [0; 4];
    from.read_exact(&mut head).await?;
    let mut frame = vec![0; frame_length(head)?];
    from.read_exact(&mut frame).await?;
    Message::decode(&frame)
}

/// Reads one frame, blocking; `None` at the end of the stream.
///
/// # Errors
/// A broken connection or a malformed frame.
pub fn read_message(from: &mut impl Read) -> Result<Option<Message>, WireError> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut frame = vec![0; frame_length(head)?];
    from.read_exact(&mut frame)?;
    Message::decode(&frame).map(Some)
}

/// Writes one frame, blocking.
///
/// # Errors
/// A broken connection.
pub fn write_message(to: &mut impl Write, message: &Message) -> Result<(), WireError> {
    Ok(to.write_all(&message.encode())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::decode(&frame);
            let _ = read_message(&mut &frame[..]);
        }

        #[test]
        fn audio_survives_the_wire(
            stream in any::<u64>(),
            start_sample in any::<u64>(),
            samples in proptest::collection::vec(any::<i16>(), 0..400),
        ) {
            let message = Message::Audio { stream, start_sample, samples };
            let read = read_message(&mut &message.encode()[..]).expect("well-formed");
            prop_assert!(read == Some(message));
        }
    }

    #[test]
    fn expected_words_survive_the_wire_and_too_many_are_cut() {
        let message = |chars: usize| Message::Expect { stream: 7, words: "满".repeat(chars) };
        let sent = message(EXPECTED_CHARS_MAX + 1).encode();
        let read = read_message(&mut &sent[..]).expect("well-formed");
        assert!(read == Some(message(EXPECTED_CHARS_MAX)));
        let bad = [&[EXPECT][..], &7u64.to_le_bytes(), &[0xff]].concat();
        assert!(matches!(Message::decode(&bad), Err(WireError::Malformed(EXPECT))));
    }

    #[test]
    fn a_length_beyond_the_cap_is_refused_before_anything_is_allocated() {
        let mut bytes = &[0xff, 0xff, 0xff, 0xff, 1][..];
        assert!(matches!(read_message(&mut bytes), Err(WireError::Length(_))));
    }
}
