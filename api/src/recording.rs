//! Recordings, whole or in part (RFC 9110 §14), each read audited.

use crate::auth::Principal;
use crate::{ApiState, Problem, calls};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use std::io::SeekFrom;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// The audio of a call: stereo WAV, the caller left. Grows while the call runs.
#[utoipa::path(get, path = "/api/v1/calls/{id}/recording", params(("id" = String, Path)),
    responses((status = 200, content_type = "audio/wav"), (status = 206, content_type = "audio/wav"),
    (status = 404, body = Problem), (status = 416, body = Problem)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    method: Method,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let call = calls::row(&state, &id).await?;
    let info = call.recording.ok_or_else(|| Problem::not_found("recording"))?;
    let path = confined(&state, &info.file).await?;
    let mut file = tokio::fs::File::open(&path).await.map_err(unreadable)?;
    let meta = file.metadata().await.map_err(unreadable)?;
    let modified = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let etag = format!("\"{:x}-{:x}\"", meta.len(), modified.unwrap_or_default().as_nanos());

    let same = headers.get(IF_RANGE).is_none_or(|value| value == etag.as_str());
    let range = headers.get(RANGE).filter(|_| same).and_then(|value| value.to_str().ok());
    let common = [(ACCEPT_RANGES, "bytes".to_owned()), (ETAG, etag)];
    let (status, start, length) = match range.map_or(Span::Whole, |text| span(text, meta.len())) {
        Span::Whole => (StatusCode::OK, 0, meta.len()),
        Span::Part { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Span::Outside => {
            let detail = format!("the recording has {} bytes", meta.len());
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).of_field("Range");
            let size = [(CONTENT_RANGE, format!("bytes */{}", meta.len()))];
            return Ok((size, problem).into_response());
        }
    };
    let mut response = (status, common).into_response();
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, "audio/wav".parse().map_err(internal)?);
    out.insert(CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {start}-{}/{}", start + length - 1, meta.len());
        out.insert(CONTENT_RANGE, text.parse().map_err(internal)?);
    }
    if method == Method::HEAD {
        return Ok(response);
    }
    state.store.audit(&who.name, "recording.read", &call.id.to_string()).await?;
    file.seek(SeekFrom::Start(start)).await.map_err(unreadable)?;
    *response.body_mut() = Body::from_stream(ReaderStream::new(file.take(length)));
    Ok(response)
}

/// The file's true path, which must lie in the recordings folder whatever links say.
async fn confined(state: &ApiState, file: &str) -> Result<PathBuf, Problem> {
    let folder = tokio::fs::canonicalize(&state.recordings).await.map_err(unreadable)?;
    let path = tokio::fs::canonicalize(folder.join(file)).await.map_err(unreadable)?;
    if !path.starts_with(&folder) {
        tracing::warn!("a recording outside the recordings folder was refused");
        return Err(Problem::not_found("recording"));
    }
    Ok(path)
}

fn unreadable(error: std::io::Error) -> Problem {
    if error.kind() != std::io::ErrorKind::NotFound {
        tracing::error!(%error, "a recording cannot be read");
    }
    Problem::not_found("recording")
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
