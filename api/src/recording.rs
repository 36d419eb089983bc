//! Recordings, whole or in part (RFC 9110 §14), each read audited.

use crate::auth::Principal;
use crate::{ApiState, Problem, access};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream;
use qingting_common::CallId;
use qingting_store::{RecordingInfo, RecordingKind, RecordingRow};
use serde::Deserialize;
use sha2::{Digest, Sha512};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path as FilePath, PathBuf};
use std::time::UNIX_EPOCH;
use utoipa::IntoParams;

/// Bytes that are read and decrypted at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// The line of the audit that says who got these bytes, and which.
const PLAYBACK_HEADER: &str = "x-qingting-playback";

/// Where a WAV file says how many channels it has.
const WAV_CHANNELS_AT: u64 = 22;

/// Opens recordings; the server's knows the keys of encrypted ones.
pub trait RecordingSource: Send + Sync {
    /// Opens a file, which lies in the recordings folder; `key_id` is what the store knows of its
    /// key. An error of the kind `NotFound` is a recording that there is not, of
    /// `PermissionDenied` one whose key is not here. May block.
    fn open(&self, path: &FilePath, key_id: Option<&str>) -> io::Result<Box<dyn RecordedAudio>>;
}

/// An open recording, as if it were a WAV file.
pub trait RecordedAudio: Send {
    /// Its length in bytes, header included; does not change.
    fn wav_len(&self) -> u64;

    /// Reads bytes from an offset on, as many as there are room for and left. May block.
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<usize>;
}

/// Plain WAV files, and no encrypted ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainWav;

struct PlainFile {
    file: File,
    bytes: u64,
}

impl RecordingSource for PlainWav {
    fn open(&self, path: &FilePath, key_id: Option<&str>) -> io::Result<Box<dyn RecordedAudio>> {
        if key_id.is_some() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Box::new(PlainFile { file, bytes }))
    }
}

impl RecordedAudio for PlainFile {
    fn wav_len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(out, offset)
    }
}

/// Which recording.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TrackQuery {
    /// A leg's own track, as the call's recordings name it: `1.0` is the first use of slot 1, `1` the
    /// last. Absent: all legs together.
    track: Option<String>,
}

/// The audio of a call as WAV; of the mix of all legs, the citizen is left. Grows while the call
/// runs. Encrypted files are decrypted on the way. Each answer has a line of the audit with the bytes that were given,
/// and its id in `X-Qingting-Playback`.
#[utoipa::path(get, path = "/api/v1/calls/{id}/recording", params(("id" = String, Path), TrackQuery),
    responses((status = 200, content_type = "audio/wav"), (status = 206, content_type = "audio/wav"),
    (status = 404, body = Problem), (status = 410, body = Problem), (status = 416, body = Problem)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    method: Method,
    Path(id): Path<String>,
    query: Result<Query<TrackQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let call = access::call(&state, &who, &id).await?;
    let row = find(&state, call.id, query.track.as_deref()).await?;
    if row.deleted_at.is_some() {
        let detail = "the recording was deleted";
        return Err(Problem::new(StatusCode::GONE, detail));
    }
    let audio = Audio::open(&state, &row.info).await?;
    let (size, etag) = (audio.bytes, audio.etag.clone());

    let same = headers.get(IF_RANGE).is_none_or(|value| value == etag.as_str());
    let range = headers.get(RANGE).filter(|_| same).and_then(|value| value.to_str().ok());
    let common = [(ACCEPT_RANGES, "bytes".to_owned()), (ETAG, etag)];
    let (status, start, length) = match range.map_or(Span::Whole, |text| span(text, size)) {
        Span::Whole => (StatusCode::OK, 0, size),
        Span::Part { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Span::Outside => {
            let detail = format!("the recording has {size} bytes");
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).of_field("Range");
            return Ok(([(CONTENT_RANGE, format!("bytes */{size}"))], problem).into_response());
        }
    };
    let mut response = (status, common).into_response();
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, "audio/wav".parse().map_err(internal)?);
    out.insert(CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {start}-{}/{size}", start + length - 1);
        out.insert(CONTENT_RANGE, text.parse().map_err(internal)?);
    }
    if method == Method::HEAD {
        return Ok(response);
    }
    let (action, track) = match row.key.kind {
        RecordingKind::Mix => ("recording.read", String::new()),
        RecordingKind::Track => {
            ("recording.read_track", format!(" track {}.{}", row.key.slot, row.key.seq))
        }
    };
    let last = (start + length).saturating_sub(1);
    let subject = format!("{}{track} bytes {start}-{last}/{size}", call.id);
    let line = state.store.audit_line(&who.name, action, &subject).await?;
    response.headers_mut().insert(HeaderName::from_static(PLAYBACK_HEADER), line.into());
    *response.body_mut() = audio.body(start, length);
    Ok(response)
}

pub(crate) async fn find(
    state: &ApiState,
    call: CallId,
    track: Option<&str>,
) -> Result<RecordingRow, Problem> {
    let mut rows = state.store.recordings(call).await?;
    let found = match track {
        None => rows.into_iter().find(|row| row.key.kind == RecordingKind::Mix),
        Some(text) => {
            let wanted = slot_and_seq(text).ok_or_else(|| {
                let detail = "track: a slot such as 1, or slot and use such as 1.0";
                Problem::new(StatusCode::BAD_REQUEST, detail).of_field("track")
            })?;
            rows.retain(|row| row.key.kind == RecordingKind::Track && row.key.slot == wanted.0);
            rows.into_iter().rfind(|row| wanted.1.is_none_or(|seq| row.key.seq == seq))
        }
    };
    found.ok_or_else(|| Problem::not_found("recording"))
}

fn slot_and_seq(text: &str) -> Option<(u8, Option<u32>)> {
    match text.split_once('.') {
        None => Some((text.parse().ok()?, None)),
        Some((slot, seq)) => Some((slot.parse().ok()?, Some(seq.parse().ok()?))),
    }
}

/// An open recording with its length.
pub(crate) struct Audio {
    pub(crate) audio: Box<dyn RecordedAudio>,
    pub(crate) bytes: u64,
    pub(crate) etag: String,
}

impl Audio {
    /// Opens a recording, which must lie in the recordings folder whatever links say.
    pub(crate) async fn open(state: &ApiState, info: &RecordingInfo) -> Result<Self, Problem> {
        let path = confined(state, &info.file).await?;
        let (source, key) = (state.audio.clone(), info.key_id.clone());
        let opened = blocking(move || {
            let audio = source.open(&path, key.as_deref())?;
            let modified = std::fs::metadata(&path)?.modified()?;
            let bytes = audio.wav_len();
            let stamp = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            Ok(Self { audio, bytes, etag: format!("\"{bytes:x}-{stamp:x}\"") })
        });
        opened.await.map_err(unreadable)
    }

    /// A part as a stream. A read that fails breaks it off, and the client sees too few bytes.
    fn body(self, start: u64, length: u64) -> Body {
        let parts =
            stream::try_unfold((self.audio, start, length), |(audio, at, left)| async move {
                if left == 0 {
                    return Ok(None);
                }
                let (audio, block) = block(audio, at, left).await.inspect_err(|error| {
                    tracing::error!(%error, "a recording breaks off while it is read");
                })?;
                let read = block.len() as u64;
                Ok::<_, io::Error>(Some((block, (audio, at + read, left - read))))
            });
        Body::from_stream(parts)
    }

    /// `sha512-` and the base64url of the whole (vCon §2.2), and the number of channels.
    pub(crate) async fn digest(self) -> Result<(String, u16), Problem> {
        let Self { mut audio, bytes, .. } = self;
        let work = move || {
            let mut channels = [0; 2];
            audio.read_at(WAV_CHANNELS_AT, &mut channels)?;
            let mut hash = Sha512::new();
            let (mut buffer, mut at) = (vec![0; BLOCK_BYTES], 0);
            while at < bytes {
                let read = audio.read_at(at, &mut buffer)?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                hash.update(&buffer[..read]);
                at += read as u64;
            }
            let text = URL_SAFE_NO_PAD.encode(hash.finalize());
            Ok((format!("sha512-{text}"), u16::from_le_bytes(channels)))
        };
        blocking(work).await.map_err(unreadable)
    }
}

/// The bytes from a place on: as many as are read at a time, or fewer where fewer are left.
pub(crate) async fn block(
    mut audio: Box<dyn RecordedAudio>,
    at: u64,
    left: u64,
) -> io::Result<(Box<dyn RecordedAudio>, Bytes)> {
    blocking(move || {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK_BYTES);
        let mut bytes = vec![0; wanted];
        let read = audio.read_at(at, &mut bytes)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.truncate(read);
        Ok((audio, bytes.into()))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

async fn confined(state: &ApiState, file: &str) -> Result<PathBuf, Problem> {
    let folder = tokio::fs::canonicalize(&state.recordings).await.map_err(unreadable)?;
    let path = tokio::fs::canonicalize(folder.join(file)).await.map_err(unreadable)?;
    if !path.starts_with(&folder) {
        tracing::warn!("a recording outside the recordings folder was refused");
        return Err(Problem::not_found("recording"));
    }
    Ok(path)
}

fn unreadable(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => Problem::not_found("recording"),
        io::ErrorKind::PermissionDenied => {
            tracing::error!(%error, "a recording cannot be opened: its key is not loaded");
            let detail = "the key of this recording is not on this server";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
        _ => {
            tracing::error!(%error, "a recording cannot be read");
            internal(error)
        }
    }
}

fn internal<E>(_: E) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
}

#[derive(Debug, PartialEq, Eq)]
enum Span {
    Whole,
    Part { start: u64, length: u64 },
    Outside,
}

/// One byte range; several, other units and nonsense are ignored, as RFC 9110 §14.2 allows.
fn span(header: &str, size: u64) -> Span {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|set| set.split_once('-'))
    else {
        return Span::Whole;
    };
    let (start, end) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(start), Ok(last)) if start <= last => (start, last.saturating_add(1).min(size)),
        (Ok(start), Err(_)) if last.trim().is_empty() => (start, size),
        (Err(_), Ok(suffix)) if first.trim().is_empty() => (size.saturating_sub(suffix), size),
        _ => return Span::Whole,
    };
    if start >= end {
        return Span::Outside;
    }
    Span::Part { start, length: end - start }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let part = |start, length| Span::Part { start, length };
        assert_eq!(span("bytes=0-9", 100), part(0, 10));
        assert_eq!(span("bytes=90-", 100), part(90, 10));
        assert_eq!(span("bytes=-5", 100), part(95, 5));
        assert_eq!(span("bytes=-500", 100), part(0, 100));
        assert_eq!(span("bytes=50-5000", 100), part(50, 50));
        assert_eq!(span("bytes=100-", 100), Span::Outside);
        assert_eq!(span("bytes=-0", 100), Span::Outside);
        assert_eq!(span("bytes=9-1", 100), Span::Whole);
        assert_eq!(span("bytes=0-1,4-5", 100), Span::Whole);
        assert_eq!(span("lines=0-1", 100), Span::Whole);
    }
}
