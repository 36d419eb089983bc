//! What callers hear.

use super::ask;
use crate::{ApiState, Problem};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use qingting_common::limits::TELEPHONE_RATE_HZ;
use serde::Serialize;
use utoipa::ToSchema;

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PromptInfo {
    /// For its sound.
    pub id: String,
    /// What it is for, as the configuration calls it: `hotline.greeting`, `numbers.NAME.closed`, `menus.NAME.say`,
    /// `callbacks.SCRIPT`, or `music`.
    pub used: String,
    /// What is said; empty of music and tones.
    pub text: String,
    /// Whether there is a sound; others are still being made.
    pub made: bool,
    /// Its length.
    pub duration_ms: Option<u64>,
}

/// All prompts.
#[derive(Serialize, ToSchema)]
pub(crate) struct PromptList {
    /// As the configuration has them.
    prompts: Vec<PromptInfo>,
}

/// All that callers hear, with what is said.
#[utoipa::path(get, path = "/api/v1/prompts", responses((status = 200, body = PromptList)))]
pub(crate) async fn list(State(state): State<ApiState>) -> Result<Json<PromptList>, Problem> {
    let prompts = ask(&state, |installation| installation.prompts()).await?;
    Ok(Json(PromptList { prompts }))
}

/// A prompt as callers hear it: WAV, 8 kHz, 16 bit, one channel.
#[utoipa::path(get, path = "/api/v1/prompts/{id}/audio", params(("id" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "audio/wav"), (status = 404, body = Problem)))]
pub(crate) async fn audio(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let samples = ask(&state, move |installation| installation.prompt(&id)).await?;
    let samples = samples.ok_or_else(|| Problem::not_found("prompt"))?;
    let headers = [(CONTENT_TYPE, "audio/wav"), (CACHE_CONTROL, "private, no-cache")];
    Ok((headers, wav(&samples)).into_response())
}

/// Samples as a WAV file of one channel.
fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX - 36);
    let mut out = Vec::with_capacity(44 + samples.len() * 2);
    out.extend(b"RIFF");
    out.extend((bytes + 36).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    out.extend([1, 0, 1, 0]);
    out.extend(TELEPHONE_RATE_HZ.to_le_bytes());
    out.extend((TELEPHONE_RATE_HZ * 2).to_le_bytes());
    // Bytes of a frame, bits of a sample.
    out.extend([2, 0, 16, 0]);
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    samples.iter().for_each(|sample| out.extend(sample.to_le_bytes()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_a_wav_file_that_others_read() {
        let file = wav(&[1, -1, 256]);
        assert_eq!(file.len(), 50);
        assert_eq!(&file[..4], b"RIFF");
        assert_eq!(u32::from_le_bytes(file[4..8].try_into().unwrap()), 42);
        assert_eq!(u32::from_le_bytes(file[24..28].try_into().unwrap()), 8_000);
        assert_eq!(&file[40..], [6, 0, 0, 0, 1, 0, 255, 255, 0, 1]);
    }
}
