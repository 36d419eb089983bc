//! Comparing what was sent with what was recorded.

use std::path::Path;

/// A stereo or mono WAV file's channels, as samples, and its rate.
pub fn channels(path: &Path) -> (Vec<Vec<f32>>, u32) {
    let mut reader =
        hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let spec = reader.spec();
    let mut channels = vec![Vec::new(); usize::from(spec.channels)];
    for (index, sample) in reader.samples::<i16>().enumerate() {
        let sample = sample.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        channels[index % usize::from(spec.channels)].push(f32::from(sample));
    }
    (channels, spec.sample_rate)
}

/// Seconds of audio in a WAV file.
pub fn seconds(path: &Path) -> f64 {
    let reader =
        hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    f64::from(reader.duration()) / f64::from(reader.spec().sample_rate)
}

/// The best normalised correlation of `sent` anywhere within `heard`, and the offset in samples.
///
/// The offset is searched on decimated energy-free correlation first, then sample by sample.
pub fn best_correlation(sent: &[f32], heard: &[f32]) -> (f64, usize) {
    let span = heard.len().saturating_sub(sent.len());
    // A stretch of the middle finds the place, the whole then gives the figure.
    let probe_len = sent.len().min(8_000);
    let probe_at = (sent.len() - probe_len) / 2;
    let probe = &sent[probe_at..probe_at + probe_len];
    let mut best = (f64::MIN, 0);
    for offset in 0..=span {
        let part = &heard[offset + probe_at..offset + probe_at + probe_len];
        // Every fourth sample is enough to find the place of speech below 1 kHz.
        let score = correlation(probe.iter().step_by(4), part.iter().step_by(4));
        if score > best.0 {
            best = (score, offset);
        }
    }
    let mut whole = (f64::MIN, 0);
    for offset in best.1.saturating_sub(4)..=(best.1 + 4).min(span) {
        let score = correlation(sent.iter(), heard[offset..offset + sent.len()].iter());
        if score > whole.0 {
            whole = (score, offset);
        }
    }
    whole
}

fn correlation<'a>(
    left: impl Iterator<Item = &'a f32> + Clone,
    right: impl Iterator<Item = &'a f32> + Clone,
) -> f64 {
    let mut sums = (0.0_f64, 0.0_f64, 0.0_f64);
    for (a, b) in left.zip(right) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        sums = (sums.0 + a * b, sums.1 + a * a, sums.2 + b * b);
    }
    if sums.1 == 0.0 || sums.2 == 0.0 { 0.0 } else { sums.0 / (sums.1 * sums.2).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shifted_copy_is_found_where_it_is() {
        let mut noise = 1_u32;
        let sent: Vec<f32> = (0..12_000)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 16) as f32 - 32_768.0
            })
            .collect();
        let mut heard = vec![0.0; 777];
        heard.extend(&sent);
        heard.extend([0.0; 500]);
        let (score, offset) = best_correlation(&sent, &heard);
        assert!(score > 0.999 && offset == 777, "{score} at {offset}");
    }
}
