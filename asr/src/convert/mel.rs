//! The mel filterbank that Whisper was trained with: Slaney's scale and area normalisation.

/// Mel bands.
pub(super) const BANDS: usize = 80;
/// Bins of a 400-point transform of real input.
pub(super) const BINS: usize = 201;

const RATE_HZ: f64 = 16_000.0;
/// Slaney's scale is linear below 1 kHz (15 mel) and logarithmic above.
const LINEAR_HZ_PER_MEL: f64 = 200.0 / 3.0;
const BREAK_HZ: f64 = 1_000.0;
const BREAK_MEL: f64 = BREAK_HZ / LINEAR_HZ_PER_MEL;

/// Triangular filters from 0 to 8 kHz, `BANDS` rows of `BINS` weights, each of unit area.
pub(super) fn filterbank() -> Vec<f32> {
    let top = mel(RATE_HZ / 2.0);
    let edges: Vec<f64> =
        (0..BANDS + 2).map(|i| hertz(top * i as f64 / (BANDS + 1) as f64)).collect();
    let mut weights = Vec::with_capacity(BANDS * BINS);
    for edge in edges.windows(3) {
        let area = 2.0 / (edge[2] - edge[0]);
        for bin in 0..BINS {
            let hz = bin as f64 * RATE_HZ / 400.0;
            let rise = (hz - edge[0]) / (edge[1] - edge[0]);
            let fall = (edge[2] - hz) / (edge[2] - edge[1]);
            weights.push((rise.min(fall).max(0.0) * area) as f32);
        }
    }
    weights
}

fn mel(hz: f64) -> f64 {
    if hz < BREAK_HZ {
        hz / LINEAR_HZ_PER_MEL
    } else {
        BREAK_MEL + (hz / BREAK_HZ).ln() / log_step()
    }
}

fn hertz(mel: f64) -> f64 {
    if mel < BREAK_MEL {
        mel * LINEAR_HZ_PER_MEL
    } else {
        BREAK_HZ * ((mel - BREAK_MEL) * log_step()).exp()
    }
}

/// 27 steps from 1 kHz to 6.4 kHz.
fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_band_has_weight_and_the_first_peak_is_slaneys() {
        let bank = filterbank();
        assert_eq!(bank.len(), BANDS * BINS);
        assert!(bank.chunks(BINS).all(|band| band.iter().any(|w| *w > 0.0)));
        // The published table's first non-zero weight: band 0, bin 1 (40 Hz).
        assert!((bank[1] - 0.024_862_6).abs() < 1e-6, "{}", bank[1]);
    }
}
