//! Codecs between RTP payloads and the 8 kHz at which rooms mix.

use crate::g711::Law;
use crate::halfband::HalfBand;
use crate::mix::Samples;
use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};
use qingting_common::limits::{SAMPLES_PER_TICK, TELEPHONE_RATE_HZ};
use std::fmt;

/// Longest packet decoded, in samples at 8 kHz: 200 ms.
pub const PACKET_SAMPLES_MAX: usize = 1_600;
/// Longest payload of one tick that [`Coder::encode`] makes, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 400;
/// Opus, per second: speech of 4 kHz bandwidth is transparent well below.
const OPUS_BITS: i32 = 20_000;
/// Of ten. The last steps cost twice the processor for what no telephone shows.
const OPUS_COMPLEXITY: i32 = 5;
/// Losses for which Opus makes room in each packet, in percent.
const OPUS_LOSS_PERCENT: i32 = 10;

/// How a voice is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 A-law, static payload type 8.
    Pcma,
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.722 at 64 kbit/s, static payload type 9. Its RTP clock says 8,000 although it carries
    /// 16,000 samples a second (RFC 3551 §4.5.2).
    G722,
    /// Opus, mono (RFC 7587).
    Opus,
}

impl Codec {
    /// The clock of its RTP timestamps, and of the telephone events beside it.
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Pcma | Self::Pcmu | Self::G722 => 8_000,
            Self::Opus => 48_000,
        }
    }

    /// Timestamp units for one sample of a room.
    pub const fn units_per_sample(self) -> u32 {
        self.clock_hz() / TELEPHONE_RATE_HZ
    }
}

/// The state of a codec both ways. Made where allocating is allowed; nothing else here allocates
/// (libopus has its scratch on the stack).
pub struct Coder(State);

enum State {
    G711(Law),
    G722(Box<G722>),
    Opus(Box<Opus>),
}

struct G722 {
    decoder: G722Decoder,
    encoder: G722Encoder,
    down: HalfBand,
    up: HalfBand,
}

struct Opus {
    decoder: opus::Decoder,
    encoder: opus::Encoder,
}

impl Coder {
    /// Fresh state.
    pub fn new(codec: Codec) -> Self {
        Self(match codec {
            Codec::Pcma => State::G711(Law::Pcma),
            Codec::Pcmu => State::G711(Law::Pcmu),
            Codec::G722 => State::G722(Box::new(G722 {
                decoder: G722Decoder::new(),
                encoder: G722Encoder::new(),
                down: HalfBand::default(),
                up: HalfBand::default(),
            })),
            Codec::Opus => State::Opus(Box::new(
                Opus::new().expect("libopus refuses only rates and settings that it does not know"),
            )),
        })
    }

    /// Which codec this is.
    pub fn codec(&self) -> Codec {
        match &self.0 {
            State::G711(Law::Pcma) => Codec::Pcma,
            State::G711(Law::Pcmu) => Codec::Pcmu,
            State::G722(_) => Codec::G722,
            State::Opus(_) => Codec::Opus,
        }
    }

    /// Whether each packet builds on those before it: one that comes late or twice must not be
    /// decoded.
    pub fn has_memory(&self) -> bool {
        !matches!(self.0, State::G711(_))
    }

    /// A packet's payload as samples at 8 kHz; returns how many, 0 for what cannot be read.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16; PACKET_SAMPLES_MAX]) -> usize {
        match &mut self.0 {
            State::G711(law) => law.decode_into(payload, out),
            State::G722(g722) => g722.decode(payload, out),
            State::Opus(opus) => opus.decoder.decode(payload, out, false).unwrap_or(0),
        }
    }

    /// What can be said of `lost` samples that ended where the packet with this payload begins:
    /// what the packet itself says of them, and what goes on from before. Returns how many of the
    /// samples it made, 0 or all.
    pub fn recover(&mut self, payload: &[u8], lost: usize, out: &mut [i16]) -> usize {
        let State::Opus(opus) = &mut self.0 else { return 0 };
        let Some(out) = out.get_mut(..lost) else { return 0 };
        // The packet tells of one frame of its own length before it.
        let told = opus.decoder.get_nb_samples(payload).unwrap_or(0).min(lost);
        let (unknown, told) = out.split_at_mut(lost - told);
        for frame in unknown.chunks_mut(SAMPLES_PER_TICK) {
            if opus.conceal(&[], frame).is_none() {
                return 0;
            }
        }
        if !told.is_empty() && opus.conceal(payload, told).is_none() {
            return 0;
        }
        lost
    }

    /// A tick of audio as a payload; returns its length.
    pub fn encode(&mut self, audio: &Samples, out: &mut [u8; PAYLOAD_BYTES_MAX]) -> usize {
        match &mut self.0 {
            State::G711(law) => law.encode_into(audio, out),
            State::G722(g722) => g722.encode(audio, out),
            State::Opus(opus) => opus.encoder.encode(audio, out).unwrap_or(0),
        }
    }
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Coder").field(&self.codec()).finish()
    }
}

impl G722 {
    fn decode(&mut self, payload: &[u8], out: &mut [i16; PACKET_SAMPLES_MAX]) -> usize {
        let mut wide = [0; 2 * SAMPLES_PER_TICK];
        let mut done = 0;
        let payload = &payload[..payload.len().min(PACKET_SAMPLES_MAX)];
        for codes in payload.chunks(SAMPLES_PER_TICK) {
            let count = self.decoder.decode_into(codes, &mut wide).unwrap_or(0);
            let count = self.down.down(&mut wide[..count]);
            out[done..done + count].copy_from_slice(&wide[..count]);
            done += count;
        }
        done
    }

    fn encode(&mut self, audio: &Samples, out: &mut [u8]) -> usize {
        let mut wide = [0; 2 * SAMPLES_PER_TICK];
        self.up.up(audio, &mut wide);
        self.encoder.encode_into(&wide, out).unwrap_or(0)
    }
}

impl Opus {
    /// Fills a gap with what the packet after it tells of it, or from what was before when that is
    /// empty.
    fn conceal(&mut self, payload: &[u8], out: &mut [i16]) -> Option<()> {
        let made = self.decoder.decode(payload, out, !payload.is_empty()).ok()?;
        (made == out.len()).then_some(())
    }

    fn new() -> opus::Result<Self> {
        let decoder = opus::Decoder::new(TELEPHONE_RATE_HZ, opus::Channels::Mono)?;
        let (mono, voip) = (opus::Channels::Mono, opus::Application::Voip);
        let mut encoder = opus::Encoder::new(TELEPHONE_RATE_HZ, mono, voip)?;
        encoder.set_bitrate(opus::Bitrate::Bits(OPUS_BITS))?;
        encoder.set_vbr(true)?;
        encoder.set_inband_fec(true)?;
        encoder.set_packet_loss_perc(OPUS_LOSS_PERCENT)?;
        encoder.set_dtx(false)?;
        encoder.set_complexity(OPUS_COMPLEXITY)?;
        Ok(Self { decoder, encoder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Codec; 4] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];

    /// Voice-like: a 150 Hz pulse's harmonics up to 3 kHz.
    fn voice(tick: usize) -> Samples {
        std::array::from_fn(|n| {
            let t = (tick * SAMPLES_PER_TICK + n) as f32 / 8_000.0;
            let harmonic =
                |k: usize| (t * 150.0 * k as f32 * std::f32::consts::TAU).sin() / k as f32;
            ((1..20).map(harmonic).sum::<f32>() * 5_000.0) as i16
        })
    }

    /// The signal-to-error ratio of a second of voice, in dB, at the best delay up to 15 ms.
    fn fidelity(codec: Codec) -> f64 {
        let (mut near, mut far) = (Coder::new(codec), Coder::new(codec));
        let (mut said, mut heard) = (Vec::new(), Vec::<i16>::new());
        for tick in 0..50 {
            let (mut payload, mut out) = ([0; PAYLOAD_BYTES_MAX], [0; PACKET_SAMPLES_MAX]);
            let length = near.encode(&voice(tick), &mut payload);
            assert!(length > 0 && length <= 160, "{codec:?}: {length} bytes");
            assert_eq!(far.decode(&payload[..length], &mut out), SAMPLES_PER_TICK);
            said.extend(voice(tick));
            heard.extend(&out[..SAMPLES_PER_TICK]);
        }
        let square = |x: f64| x * x;
        let ratio = |delay: usize| {
            let pairs = said[1_600..7_000].iter().zip(&heard[1_600 + delay..]);
            let (signal, error) = pairs.fold((0.0, 0.0), |(signal, error), (a, b)| {
                let (a, b) = (f64::from(*a), f64::from(*b));
                (signal + square(a), error + square(a - b))
            });
            10.0 * (signal / error).log10()
        };
        (0..120).map(ratio).fold(f64::MIN, f64::max)
    }

    #[test]
    fn a_voice_survives_every_codec() {
        let figures = ALL.map(|codec| (codec, fidelity(codec)));
        for (codec, decibels) in figures {
            // Opus keeps what is heard, not the shape of the wave.
            let least = if codec == Codec::Opus { 4.0 } else { 20.0 };
            assert!(decibels > least, "{figures:?}");
        }
    }

    #[test]
    fn opus_tells_in_a_packet_of_the_one_before() {
        let (mut near, mut far) = (Coder::new(Codec::Opus), Coder::new(Codec::Opus));
        let mut out = [0; PACKET_SAMPLES_MAX];
        let energy = |samples: &[i16]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        let (mut whole, mut recovered) = (0.0, 0.0);
        for tick in 0..50 {
            let mut payload = [0; PAYLOAD_BYTES_MAX];
            let length = near.encode(&voice(tick), &mut payload);
            if tick % 10 == 8 {
                continue;
            }
            if tick % 10 == 9 {
                assert_eq!(far.recover(&payload[..length], 160, &mut out), 160);
                recovered += energy(&out[..160]);
            }
            far.decode(&payload[..length], &mut out);
            whole += if tick % 10 == 9 { energy(&out[..160]) } else { 0.0 };
        }
        assert!(recovered > whole * 0.5, "{recovered} of {whole}");
        let mut pcma = Coder::new(Codec::Pcma);
        assert_eq!(pcma.recover(&[0xd5; 160], 160, &mut out), 0, "others know nothing of it");
    }

    #[test]
    fn any_payload_is_read_without_panic() {
        let mut out = [0; PACKET_SAMPLES_MAX];
        let mut dice = 1_u32;
        for codec in ALL {
            let mut coder = Coder::new(codec);
            for length in (0..2_000).step_by(7) {
                let bytes: Vec<u8> = std::iter::repeat_with(|| {
                    dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (dice >> 24) as u8
                })
                .take(length)
                .collect();
                assert!(coder.decode(&bytes, &mut out) <= PACKET_SAMPLES_MAX);
                let made = coder.recover(&bytes, 480, &mut out);
                assert!(made == 0 || made == 480);
            }
        }
    }

    #[test]
    fn clocks() {
        assert_eq!(ALL.map(Codec::units_per_sample), [1, 1, 1, 6]);
        for codec in ALL {
            assert_eq!(Coder::new(codec).codec(), codec);
        }
    }
}
