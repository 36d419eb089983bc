//! G.711 A-law and µ-law (ITU-T G.711, tables 1 and 2), stateless, one byte per sample at 8 kHz.

/// Which companding law a stream uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// A-law, `PCMA`, static payload type 8 (RFC 3551 §6).
    Pcma,
    /// µ-law, `PCMU`, static payload type 0 (RFC 3551 §6).
    Pcmu,
}

impl Law {
    /// One 16-bit linear sample as one byte.
    #[inline]
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcma => encode_alaw(sample),
            Self::Pcmu => encode_ulaw(sample),
        }
    }

    /// One byte as a 16-bit linear sample.
    #[inline]
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Self::Pcma => ALAW[usize::from(code)],
            Self::Pcmu => ULAW[usize::from(code)],
        }
    }

    /// Encodes as many samples as both slices hold; returns how many.
    pub fn encode_into(self, samples: &[i16], codes: &mut [u8]) -> usize {
        for (code, sample) in codes.iter_mut().zip(samples) {
            *code = self.encode(*sample);
        }
        codes.len().min(samples.len())
    }

    /// Decodes as many bytes as both slices hold; returns how many.
    pub fn decode_into(self, codes: &[u8], samples: &mut [i16]) -> usize {
        for (sample, code) in samples.iter_mut().zip(codes) {
            *sample = self.decode(*code);
        }
        codes.len().min(samples.len())
    }
}

/// Even bits are inverted on the line (G.711 §3.1), so that silence is not a run of zeros.
const ALAW_TOGGLE: u8 = 0x55;
/// Added before µ-law segments are found (G.711 table 2: first decision value 0, step 8 after bias).
const ULAW_BIAS: i32 = 0x84;
/// Largest magnitude that stays inside the last µ-law segment after the bias.
const ULAW_CLIP: i32 = 32_635;

static ALAW: [i16; 256] = table(true);
static ULAW: [i16; 256] = table(false);

const fn table(alaw: bool) -> [i16; 256] {
    let mut out = [0; 256];
    let mut code = 0;
    while code < 256 {
        out[code] = if alaw { decode_alaw(code as u8) } else { decode_ulaw(code as u8) };
        code += 1;
    }
    out
}

const fn decode_alaw(code: u8) -> i16 {
    let bits = code ^ ALAW_TOGGLE;
    let segment = (bits >> 4) & 7;
    let mut magnitude = ((bits & 0x0f) as i16) << 4 | 8;
    if segment > 0 {
        magnitude = (magnitude + 0x100) << (segment - 1);
    }
    if bits & 0x80 != 0 { magnitude } else { -magnitude }
}

const fn decode_ulaw(code: u8) -> i16 {
    let bits = !code;
    let segment = (bits >> 4) & 7;
    let magnitude = ((((bits & 0x0f) as i32) << 3) + ULAW_BIAS) << segment;
    let magnitude = (magnitude - ULAW_BIAS) as i16;
    if bits & 0x80 != 0 { -magnitude } else { magnitude }
}

fn encode_alaw(sample: i16) -> u8 {
    // One's complement keeps the two halves symmetric and lets i16::MIN through without overflow.
    let (sign, magnitude) =
        if sample < 0 { (0, !sample as u16 >> 4) } else { (0x80, sample as u16 >> 4) };
    let segment = (16 - magnitude.leading_zeros()).saturating_sub(4) as u16;
    let bits = match segment {
        0 | 1 => magnitude,
        _ => segment << 4 | ((magnitude >> (segment - 1)) & 0x0f),
    };
    (sign | bits as u8) ^ ALAW_TOGGLE
}

fn encode_ulaw(sample: i16) -> u8 {
    let wide = i32::from(sample);
    let sign = if wide < 0 { 0x80 } else { 0 };
    let magnitude = wide.abs().min(ULAW_CLIP) + ULAW_BIAS;
    let segment = 24 - magnitude.leading_zeros() as i32;
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4 | mantissa) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_standard() {
        for (sample, alaw, ulaw) in
            [(0, 0xd5, 0xff), (i16::MAX, 0xaa, 0x80), (i16::MIN, 0x2a, 0x00), (-1, 0x55, 0x7f)]
        {
            assert_eq!(Law::Pcma.encode(sample), alaw, "A-law of {sample}");
            assert_eq!(Law::Pcmu.encode(sample), ulaw, "µ-law of {sample}");
        }
        assert_eq!(Law::Pcma.decode(0xaa), 32_256);
        assert_eq!(Law::Pcma.decode(0xd5), 8);
        assert_eq!(Law::Pcmu.decode(0x80), 32_124);
        assert_eq!(Law::Pcmu.decode(0xff), 0);
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=255u8 {
            assert_eq!(Law::Pcma.encode(Law::Pcma.decode(code)), code);
            // 0x7f is µ-law's negative zero: it decodes to 0, which encodes as positive zero.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(Law::Pcmu.encode(Law::Pcmu.decode(code)), expected);
        }
    }

    #[test]
    fn every_sample_lands_within_half_a_step_of_its_segment() {
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).unsigned_abs();
            // G.711 table 1a: steps of 16 below 512, then doubling with every segment.
            let segment = (32 - (magnitude >> 8).leading_zeros()).saturating_sub(1);
            let half_step = 8i32 << segment;
            let error = i32::from(Law::Pcma.decode(Law::Pcma.encode(sample))) - i32::from(sample);
            assert!(error.abs() <= half_step, "A-law {sample}: off by {error}");
            if magnitude < ULAW_CLIP as u32 {
                let segment = 24 - (magnitude as i32 + ULAW_BIAS).leading_zeros() as i32;
                let error =
                    i32::from(Law::Pcmu.decode(Law::Pcmu.encode(sample))) - i32::from(sample);
                assert!(error.abs() <= 4 << segment, "µ-law {sample}: off by {error}");
            }
        }
    }
}
