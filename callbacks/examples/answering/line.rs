//! The telephone between the called party and us.

use crate::audio::{Audio, RATE};
use crate::random::Random;
use qingting_media::g711::Law;
use qingting_media::plc::Concealer;
use std::f32::consts::{FRAC_1_SQRT_2, TAU};

/// Samples of a packet.
const PACKET: usize = RATE / 50;
/// Lower edge of the telephone's band.
const HIGH_PASS_HZ: f32 = 300.0;

/// What arrives: band, A-law, and of the packets a share that is lost and concealed.
pub(crate) fn carried(audio: &[f32], loss: f32, random: &mut Random) -> Vec<i16> {
    let mut samples: Vec<i16> = high_passed(audio)
        .into_iter()
        .map(|s| {
            Law::Pcma.decode(Law::Pcma.encode((s * 32_768.0).clamp(-32_768.0, 32_767.0) as i16))
        })
        .collect();
    let mut concealer = Concealer::default();
    for packet in samples.chunks_mut(PACKET) {
        if random.unit() < loss { concealer.conceal(packet) } else { concealer.heard(packet) }
    }
    samples
}

/// A Butterworth filter of second order.
fn high_passed(audio: &[f32]) -> Audio {
    let angle = TAU * HIGH_PASS_HZ / RATE as f32;
    let alpha = angle.sin() * FRAC_1_SQRT_2;
    let (a0, a1, a2) = (1.0 + alpha, -2.0 * angle.cos(), 1.0 - alpha);
    let edge = f32::midpoint(1.0, angle.cos());
    let (mut x, mut y) = ([0.0; 2], [0.0; 2]);
    let step = |sample: &f32| {
        let out = (edge * (sample - 2.0 * x[0] + x[1]) - a1 * y[0] - a2 * y[1]) / a0;
        x = [*sample, x[0]];
        y = [out, y[0]];
        out
    };
    audio.iter().map(step).collect()
}
