//! The waveform of a call: how loud each side was, in as many places as a screen shows.
//!
//! **Asking costs a bounded time**: two recordings at most are read at once, none longer than [`BYTES_MAX`], and the last
//! answers are kept.

use crate::auth::Principal;
use crate::recording::{Audio, RecordedAudio, find};
use crate::{ApiState, Problem, access};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

/// Points where none are asked for, and most.
const POINTS_DEFAULT: u32 = 1_000;
const POINTS_MAX: u32 = 4_000;
/// Longest recording, header included: nine hours of two sides.
const BYTES_MAX: u64 = 44 + 9 * 3_600 * 8_000 * 4;
/// Recordings that are read at the same time, and answers that are kept.
const READING_MAX: usize = 2;
const KEPT_MAX: usize = 64;
/// Bytes that are read and decrypted at a time; whole frames of two sides.
const BLOCK_BYTES: usize = 256 << 10;
/// What precedes the samples, and what it says where.
const HEADER_BYTES: u64 = 44;
const CHANNELS_AT: usize = 22;
const RATE_AT: usize = 24;
const BITS_AT: usize = 34;
/// What the loudest sample counts.
const FULL: u32 = 1_000;

/// How many points.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeaksQuery {
    /// 1 to 4000; 1000 when absent.
    points: Option<u32>,
}

/// The largest amplitude of each stretch, from 0 to 1000, which is full scale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Peaks {
    /// How long the recording is so far; it begins when the call was answered.
    duration_ms: u64,
    /// The citizen's, by time; as many stretches of the same length as were asked for, or fewer where there are fewer
    /// samples.
    citizen: Vec<u16>,
    /// Everybody else's; empty where the recording has one channel.
    others: Vec<u16>,
}

/// What was made lately.
#[derive(Debug)]
pub(crate) struct KeptPeaks {
    kept: Mutex<VecDeque<(String, Arc<Peaks>)>>,
    reading: Semaphore,
}

impl Default for KeptPeaks {
    fn default() -> Self {
        Self { kept: Mutex::default(), reading: Semaphore::new(READING_MAX) }
    }
}

impl KeptPeaks {
    fn find(&self, key: &str) -> Option<Arc<Peaks>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == key).map(|(_, peaks)| Arc::clone(peaks))
    }

    fn keep(&self, key: String, peaks: Arc<Peaks>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT_MAX - 1);
        kept.push_front((key, peaks));
    }
}

/// How loud the citizen and the others were over a call, from its recording. Each answer has a line of the audit.
#[utoipa::path(get, path = "/api/v1/calls/{id}/peaks", params(("id" = String, Path), PeaksQuery),
    responses((status = 200, body = Peaks), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    query: Result<Query<PeaksQuery>, QueryRejection>,
) -> Result<Json<Peaks>, Problem> {
    let Query(query) = query?;
    let points = query.points.unwrap_or(POINTS_DEFAULT);
    if !(1..=POINTS_MAX).contains(&points) {
        let detail = format!("points must be 1 to {POINTS_MAX}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("points"));
    }
    let call = access::call(&state, &who, &id).await?;
    let row = find(&state, call.id, None).await?;
    if row.deleted_at.is_some() {
        return Err(Problem::new(StatusCode::GONE, "the recording was deleted"));
    }
    let audio = Audio::open(&state, &row.info).await?;
    if audio.bytes > BYTES_MAX {
        let detail = "the recording is too long for a waveform";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    state.store.audit(&who.name, "recording.peaks", &call.id.to_string()).await?;
    let key = format!("{} {} {points}", call.id, audio.etag);
    if let Some(kept) = state.peaks.find(&key) {
        return Ok(Json(Peaks::clone(&kept)));
    }
    // It is never closed.
    let reading = state.peaks.reading.acquire().await.ok();
    let Audio { audio, bytes, .. } = audio;
    let work = tokio::task::spawn_blocking(move || peaks(audio, bytes, points));
    let made = work.await.map_err(io::Error::other).flatten();
    drop(reading);
    let made = made.map_err(|error| {
        tracing::error!(call = %call.id, %error, "a recording has no waveform");
        Problem::new(StatusCode::CONFLICT, "the recording cannot be read for a waveform")
    })?;
    let made = Arc::new(made);
    state.peaks.keep(key, Arc::clone(&made));
    Ok(Json(Peaks::clone(&made)))
}

/// May block.
fn peaks(mut audio: Box<dyn RecordedAudio>, bytes: u64, points: u32) -> io::Result<Peaks> {
    let mut header = [0; HEADER_BYTES as usize];
    fill(&mut *audio, 0, &mut header)?;
    let of = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let rate = u64::from(of(RATE_AT)) | u64::from(of(RATE_AT + 2)) << 16;
    let channels = usize::from(of(CHANNELS_AT));
    if !(1..=2).contains(&channels) || of(BITS_AT) != 16 || rate == 0 {
        let what = "not 16-bit samples of one or two channels";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let frame = channels * 2;
    let frames = (bytes - HEADER_BYTES) / frame as u64;
    let points = u64::from(points).min(frames);
    let mut sides = vec![vec![0_u16; points as usize]; channels];
    let mut block = vec![0; BLOCK_BYTES];
    let mut done = 0;
    // Up to which frame each point reaches: no division for each sample.
    let ends = (1..=points).map(|point| frames * point / points);
    for (point, end) in ends.enumerate() {
        let mut loudest = [0_u16; 2];
        while done < end {
            let count = (BLOCK_BYTES / frame).min((end - done) as usize);
            let part = &mut block[..count * frame];
            fill(&mut *audio, HEADER_BYTES + done * frame as u64, part)?;
            for samples in part.chunks_exact(frame) {
                for (side, sample) in samples.chunks_exact(2).enumerate() {
                    let loud = i16::from_le_bytes([sample[0], sample[1]]).unsigned_abs();
                    loudest[side] = loudest[side].max(loud);
                }
            }
            done += count as u64;
        }
        for (side, loudest) in sides.iter_mut().zip(loudest) {
            side[point] = (u32::from(loudest) * FULL / 32_768) as u16;
        }
    }
    let mut sides = sides.into_iter();
    let mut side = || sides.next().unwrap_or_default();
    Ok(Peaks { duration_ms: frames * 1_000 / rate, citizen: side(), others: side() })
}

fn fill(audio: &mut dyn RecordedAudio, at: u64, out: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < out.len() {
        match audio.read_at(at + done as u64, &mut out[done..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in memory.
    struct Wav(Vec<u8>);

    impl RecordedAudio for Wav {
        fn wav_len(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
            let rest = self.0.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(out.len()).min(1_000);
            out[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }
    }

    fn wav(channels: u16, samples: &[i16]) -> Wav {
        let mut bytes = vec![0; HEADER_BYTES as usize];
        bytes[CHANNELS_AT..CHANNELS_AT + 2].copy_from_slice(&channels.to_le_bytes());
        bytes[RATE_AT..RATE_AT + 4].copy_from_slice(&8_000_u32.to_le_bytes());
        bytes[BITS_AT..BITS_AT + 2].copy_from_slice(&16_u16.to_le_bytes());
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        Wav(bytes)
    }

    fn made(wav: Wav, points: u32) -> io::Result<Peaks> {
        let bytes = wav.wav_len();
        peaks(Box::new(wav), bytes, points)
    }

    #[test]
    fn each_point_has_the_loudest_sample_of_its_stretch_and_side() {
        let mut samples = vec![0; 16_000];
        samples[0] = -32_768;
        samples[7_999 * 2] = 16_384;
        samples[4_000 * 2 + 1] = 8_192;
        let all = made(wav(2, &samples), 4).unwrap();
        assert_eq!(
            (all.duration_ms, all.citizen, all.others),
            (1_000, vec![1_000, 0, 0, 500], vec![0, 0, 250, 0])
        );
        let one = made(wav(1, &[1_638, -3_277]), 9).unwrap();
        assert_eq!((one.citizen, one.others), (vec![49, 100], vec![]));
        assert!(made(wav(2, &[]), 9).unwrap().citizen.is_empty());
        assert!(made(wav(3, &[0; 9]), 9).is_err());
        assert!(made(Wav(vec![0; 50]), 9).is_err());
    }
}
