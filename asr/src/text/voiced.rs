//! Where in a segment somebody speaks, by level.
//!
//! Whisper is run without timestamp tokens, so whisper.cpp's own token times have nothing to rest on
//! but the length of each token; its alignment by attention (DTW) needs a second pass of the decoder
//! and ends the process when one of its assertions fails. Speech has an even enough pace for
//! captions: the characters are spread over the voiced time.

use std::ops::Range;

const SAMPLES_PER_MS: usize = 16;
const FRAME_MS: usize = 20;
/// Frames quieter than the loudest by this factor (26 dB) are not voice.
const QUIET_FACTOR: f32 = 0.05;
/// A shorter silence belongs to a word: a stop's closure lasts up to 150 ms.
const PAUSE_MS_MIN: u64 = 200;

/// Voiced stretches of samples at 16 kHz, in ms, in order and apart by 200 ms or more. All of it when
/// nothing stands out.
pub fn voiced(samples: &[f32]) -> Vec<Range<u64>> {
    let level =
        |frame: &[f32]| (frame.iter().map(|s| s * s).sum::<f32>() / frame.len() as f32).sqrt();
    let levels: Vec<f32> = samples.chunks(SAMPLES_PER_MS * FRAME_MS).map(level).collect();
    let loudest = levels.iter().copied().fold(0.0, f32::max);
    let all_ms = (samples.len() / SAMPLES_PER_MS) as u64;
    let mut stretches: Vec<Range<u64>> = Vec::new();
    for (number, level) in (0u64..).zip(levels) {
        if level <= loudest * QUIET_FACTOR {
            continue;
        }
        let start = number * FRAME_MS as u64;
        let end = (start + FRAME_MS as u64).min(all_ms);
        match stretches.last_mut() {
            Some(last) if start < last.end + PAUSE_MS_MIN => last.end = end,
            _ if start < end => stretches.push(start..end),
            _ => {}
        }
    }
    if stretches.is_empty() { std::iter::once(0..all_ms).collect() } else { stretches }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one stretch of voice is meant")]
mod tests {
    use super::*;

    #[test]
    fn a_pause_parts_and_a_closure_does_not() {
        let mut samples = Vec::new();
        for (ms, level) in
            [(300, 0.001), (400, 0.3), (100, 0.001), (200, 0.2), (400, 0.001), (200, 0.3)]
        {
            samples.extend(std::iter::repeat_n(level, ms * SAMPLES_PER_MS));
        }
        assert_eq!(voiced(&samples), [300..1_000, 1_400..1_600]);
    }

    #[test]
    fn silence_is_one_stretch() {
        assert_eq!(voiced(&[0.0; 16_000]), [0..1_000]);
        assert_eq!(voiced(&[]), [0..0]);
    }
}
