//! The E-model (ITU-T G.107) for G.711 with packet-loss concealment: delay and loss to a MOS.

/// R of a perfect narrow-band G.711 call with all other inputs at their defaults (G.107 §7.7).
const R_DEFAULT: f64 = 93.2;
/// Equipment impairment of G.711 (G.113 appendix I, table I.3).
const IE_G711: f64 = 0.0;
/// Packet-loss robustness of G.711 with concealment (G.113 appendix I, table I.3).
const BPL_G711_PLC: f64 = 25.1;

/// What the listener's side of a call went through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairment {
    /// Mouth-to-ear delay in milliseconds: half the round trip, packet length and playout delay.
    pub delay_ms: f64,
    /// Packets that were not there when their audio was due, lost or late: 0..=1.
    pub loss: f64,
}

/// Mean opinion score, 1.0 to 4.5 (G.107 §7.7 and annex B), losses taken as random (BurstR = 1).
pub fn mos(impairment: Impairment) -> f64 {
    let r = R_DEFAULT - delay_impairment(impairment.delay_ms) - loss_impairment(impairment.loss);
    match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

/// Idd (G.107 §7.4): pure delay hurts above 100 ms.
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    let sixth = |base: f64| (1.0 + base.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

/// Ie-eff (G.107 §7.5).
fn loss_impairment(loss: f64) -> f64 {
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    IE_G711 + (95.0 - IE_G711) * percent / (percent + BPL_G711_PLC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(delay_ms: f64, loss: f64) -> f64 {
        mos(Impairment { delay_ms, loss })
    }

    #[test]
    fn a_clean_call_scores_as_the_standard_says() {
        assert!((at(50.0, 0.0) - 4.41).abs() < 0.01);
    }

    #[test]
    fn delay_and_loss_only_ever_hurt() {
        for step in 0..20 {
            let (delay, loss) = (f64::from(step) * 50.0, f64::from(step) * 0.02);
            assert!(at(delay + 50.0, 0.0) <= at(delay, 0.0) + 1e-9);
            assert!(at(50.0, loss + 0.02) < at(50.0, loss));
        }
        // By hand: R = 93.2 - 95 * 5 / (5 + 25.1) = 77.4 at 5 % loss.
        assert!((at(50.0, 0.05) - 4.0).abs() < 0.1, "{}", at(50.0, 0.05));
        assert!(at(400.0, 1.0) < 1.5);
    }
}
