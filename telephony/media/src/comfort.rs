//! Comfort noise (RFC 3389): what is heard while the peer says that it is silent.

use std::f32::consts::SQRT_2;

/// The loudest noise made, in dB below overload: background, not an attack on ears.
const LOUDEST_DBOV: u8 = 30;
/// Quieter than this many dB below overload is silence: half a step of 16 bits.
const SILENT_DBOV: u8 = 96;

/// Noise of one level. Only the level is taken from the peer: its spectrum is that of the line.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    peak: f32,
    dice: u32,
    last: f32,
}

impl Noise {
    /// Reads a comfort noise payload; its first byte is the level in dB below overload (RFC 3389
    /// §3.1). None without one.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let below = (payload.first()? & 0x7f).max(LOUDEST_DBOV);
        let rms = 32_768.0 * 10.0f32.powf(-f32::from(below) / 20.0);
        // Even noise has √3 of its mean power as peak; the mean of two neighbours 1/√2 of it.
        let peak = if below >= SILENT_DBOV { 0.0 } else { rms * 3.0f32.sqrt() * SQRT_2 };
        Some(Self { peak, dice: 0x9e37_79b9, last: 0.0 })
    }

    /// The same noise at another level, without a seam.
    pub fn at_level_of(self, other: Self) -> Self {
        Self { peak: other.peak, ..self }
    }

    /// The next samples.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            self.dice ^= self.dice << 13;
            self.dice ^= self.dice >> 17;
            self.dice ^= self.dice << 5;
            let next = (self.dice as i32) as f32 / 2_147_483_648.0 * self.peak;
            // A telephone line has less above 2 kHz than below.
            *sample = ((next + self.last) / 2.0) as i16;
            self.last = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_dbov(payload: &[u8]) -> f32 {
        let mut out = [0; 8_000];
        Noise::parse(payload).unwrap().fill(&mut out);
        let power: f32 = out.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        20.0 * ((power / 8_000.0).sqrt() / 32_768.0).log10()
    }

    #[test]
    fn the_noise_has_the_level_that_the_peer_says() {
        for below in [40, 50, 60_u8] {
            let level = level_dbov(&[below, 127, 127]);
            assert!((level + f32::from(below)).abs() < 1.0, "{below}: {level}");
        }
        assert!((level_dbov(&[0]) + 30.0).abs() < 1.0, "no louder than background");
        assert_eq!(level_dbov(&[127]), f32::NEG_INFINITY);
        assert!(Noise::parse(&[]).is_none());
    }
}
