//! A ZIP file that is made while it is sent: a year of recordings needs no more memory than a block.

use crate::ApiState;
use crate::recording::{Audio, block};
use axum::body::Bytes;
use axum::http::StatusCode;
use futures_util::{Stream, stream};
use qingting_store::{RecordingKind, RecordingRow};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

/// Bytes that are sent at a time, about.
const PIECE_BYTES: usize = 64 << 10;

/// The file, as far as it is made.
pub(super) struct Zipped {
    state: ApiState,
    zip: ZipWriter<StreamWriter<Made>>,
    made: Made,
    todo: VecDeque<RecordingRow>,
    /// Names of recordings that could not be read.
    missing: Vec<String>,
    /// What comes last: it tells what is missing.
    data: Value,
    is_over: bool,
}

/// Bytes that were made and not sent.
#[derive(Clone, Default)]
struct Made(Arc<Mutex<Vec<u8>>>);

impl Made {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Write for Made {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Zipped {
    pub(super) fn new(
        state: ApiState,
        read_me: &str,
        data: Value,
        recordings: Vec<RecordingRow>,
    ) -> Self {
        let made = Made::default();
        let mut zip = ZipWriter::new_stream(made.clone());
        // What goes to memory cannot fail.
        let _ = zip.start_file("说明.txt", SimpleFileOptions::default());
        let _ = zip.write_all(read_me.as_bytes());
        let todo = recordings.into();
        Self { state, zip, made, todo, missing: Vec::new(), data, is_over: false }
    }

    /// The pieces; a read that fails in the middle of a recording breaks the file off.
    pub(super) fn pieces(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        let now = Doing { zipped: self, audio: None };
        stream::try_unfold(now, |mut now| async move {
            while now.zipped.made.len() < PIECE_BYTES && !now.zipped.is_over {
                now.step().await.inspect_err(|error| {
                    tracing::error!(%error, "a citizen's data break off while they are given out");
                })?;
            }
            let bytes = now.zipped.made.take();
            Ok((!bytes.is_empty()).then(|| (Bytes::from(bytes), now)))
        })
    }
}

/// The file, and the recording that is being read with where it is and how much is left.
struct Doing {
    zipped: Zipped,
    audio: Option<(Audio, u64, u64)>,
}

impl Doing {
    async fn step(&mut self) -> io::Result<()> {
        if let Some((audio, at, left)) = self.audio.take() {
            if left > 0 {
                let Audio { audio, bytes, etag } = audio;
                let (audio, block) = block(audio, at, left).await?;
                self.zipped.zip.write_all(&block)?;
                let read = block.len() as u64;
                self.audio = Some((Audio { audio, bytes, etag }, at + read, left - read));
            }
            return Ok(());
        }
        match self.zipped.todo.pop_front() {
            Some(row) => self.begin(&row).await,
            None => self.end(),
        }
    }

    async fn begin(&mut self, row: &RecordingRow) -> io::Result<()> {
        let key = row.key;
        let part = match key.kind {
            RecordingKind::Mix => "mix".to_owned(),
            RecordingKind::Track => format!("track-{}.{}", key.slot, key.seq),
        };
        let name = format!("recordings/{}-{part}.wav", key.call);
        match Audio::open(&self.zipped.state, &row.info).await {
            Ok(audio) => {
                let how = SimpleFileOptions::default()
                    .compression_method(CompressionMethod::Stored)
                    .large_file(true);
                self.zipped.zip.start_file(name, how)?;
                let bytes = audio.bytes;
                self.audio = Some((audio, 0, bytes));
            }
            Err(problem) => {
                if problem.status != StatusCode::NOT_FOUND.as_u16() {
                    tracing::warn!(call = %key.call, "a recording is missing in a citizen's data");
                }
                self.zipped.missing.push(name);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let zipped = &mut self.zipped;
        zipped.data["missing"] = json!(std::mem::take(&mut zipped.missing));
        zipped.zip.start_file("data.json", SimpleFileOptions::default())?;
        serde_json::to_writer_pretty(&mut zipped.zip, &zipped.data)?;
        let empty = ZipWriter::new_stream(Made::default());
        std::mem::replace(&mut zipped.zip, empty).finish()?;
        zipped.is_over = true;
        Ok(())
    }
}
