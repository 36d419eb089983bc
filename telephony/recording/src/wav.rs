//! The header of the WAV file that a recording reads as.

use crate::Channels;
use qingting_common::limits::TELEPHONE_RATE_HZ;

/// Length of the RIFF, `fmt ` and `data` headers, in bytes.
pub const WAV_HEADER_BYTES: u32 = 44;

/// The header of a 16-bit, 8 kHz WAV file with so many bytes of audio, at most 4 GiB less itself.
pub fn wav_header(channels: Channels, audio_bytes: u32) -> [u8; WAV_HEADER_BYTES as usize] {
    let frame = channels.frame_bytes() as u32;
    let mut out = [0; WAV_HEADER_BYTES as usize];
    out[0..4].copy_from_slice(b"RIFF");
    out[4..8].copy_from_slice(&audio_bytes.saturating_add(WAV_HEADER_BYTES - 8).to_le_bytes());
    out[8..16].copy_from_slice(b"WAVEfmt ");
    out[16..20].copy_from_slice(&16u32.to_le_bytes());
    out[20..22].copy_from_slice(&1u16.to_le_bytes()); // PCM
    out[22..24].copy_from_slice(&(channels as u16).to_le_bytes());
    out[24..28].copy_from_slice(&TELEPHONE_RATE_HZ.to_le_bytes());
    out[28..32].copy_from_slice(&(TELEPHONE_RATE_HZ * frame).to_le_bytes());
    out[32..34].copy_from_slice(&(frame as u16).to_le_bytes());
    out[34..36].copy_from_slice(&16u16.to_le_bytes());
    out[36..40].copy_from_slice(b"data");
    out[40..44].copy_from_slice(&audio_bytes.to_le_bytes());
    out
}
