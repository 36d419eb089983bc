//! Which stretches of a text decided.

use super::features::GRAM_CHARS_MAX;

/// Spans given as evidence.
const SPANS_MAX: usize = 3;

/// Start, end and weight of the stretches whose characters lie most above the average positive contribution.
pub(crate) fn heaviest(mut per_char: Vec<f32>) -> Vec<(usize, usize, f32)> {
    let positive: Vec<f32> = per_char.iter().copied().filter(|c| *c > 0.0).collect();
    if positive.is_empty() {
        return Vec::new();
    }
    let floor = positive.iter().sum::<f32>() / positive.len() as f32;
    let mut spans = Vec::new();
    while spans.len() < SPANS_MAX {
        let (mut best, mut start, mut sum) = ((0, 0, 0.0f32), 0, 0.0f32);
        for (at, contribution) in per_char.iter().enumerate() {
            if sum <= 0.0 {
                (start, sum) = (at, 0.0);
            }
            sum += contribution - floor;
            if sum > best.2 {
                best = (start, at + 1, sum);
            }
        }
        let (start, end, above) = best;
        if above <= 0.0 {
            break;
        }
        spans.push((start, end, per_char[start..end].iter().sum()));
        per_char[start..end].fill(f32::MIN / GRAM_CHARS_MAX as f32 / 1e6);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_come_heaviest_first_and_do_not_overlap() {
        let spans = heaviest(vec![0.0, 1.0, 1.0, 0.0, 0.1, 0.0, 3.0, 0.0]);
        assert_eq!(spans[0], (6, 7, 3.0));
    }
}
