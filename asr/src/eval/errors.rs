//! Character errors: what counts as the same, and how many there are.

use serde::Serialize;

const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
/// Resamples of the bootstrap.
const RESAMPLES: usize = 2_000;

/// Errors of a cheapest alignment of what was heard with what was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// Wrong characters.
    pub substitutions: usize,
    /// Missing characters.
    pub deletions: usize,
    /// Characters too many.
    pub insertions: usize,
}

impl Errors {
    /// All of them.
    pub fn total(self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }
}

impl std::ops::Add for Errors {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            substitutions: self.substitutions + other.substitutions,
            deletions: self.deletions + other.deletions,
            insertions: self.insertions + other.insertions,
        }
    }
}

/// What is compared: lower case, simplified script, punctuation and spaces dropped, full-width
/// folded, digits read out one by one.
pub fn normalise(text: &str) -> Vec<char> {
    fast2s::convert(text)
        .chars()
        .map(|c| match u32::from(c) {
            code @ 0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap_or(c),
            _ => c,
        })
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .map(|c| c.to_digit(10).map_or(c, |d| DIGITS[d as usize]))
        .collect()
}

/// Errors of a cheapest alignment of two normalised texts.
pub fn errors(reference: &[char], heard: &[char]) -> Errors {
    let only = |insertions| Errors { insertions, ..Errors::default() };
    let mut row: Vec<Errors> = (0..=heard.len()).map(only).collect();
    for (i, expected) in reference.iter().enumerate() {
        let missing = Errors { deletions: i + 1, ..Errors::default() };
        let mut diagonal = std::mem::replace(&mut row[0], missing);
        for (j, found) in heard.iter().enumerate() {
            let mut substitute = diagonal;
            substitute.substitutions += usize::from(expected != found);
            diagonal = row[j + 1];
            let mut delete = diagonal;
            delete.deletions += 1;
            let mut insert = row[j];
            insert.insertions += 1;
            let cheapest = [substitute, delete, insert].into_iter().min_by_key(|e| e.total());
            row[j + 1] = cheapest.unwrap_or(substitute);
        }
    }
    row[heard.len()]
}

/// The middle 95 % of the error rate over lists of the same length drawn from these utterances, each
/// given as its errors and its characters. Deterministic.
pub fn interval(utterances: &[(usize, usize)]) -> (f64, f64) {
    let mut random = super::random::Random::new(utterances.len() as u64);
    let mut rates: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..utterances.len()).map(|_| utterances[random.below(utterances.len())]);
            let (errors, characters) =
                drawn.fold((0, 0), |sum, (errors, length)| (sum.0 + errors, sum.1 + length));
            errors as f64 / characters.max(1) as f64
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    (rates[RESAMPLES / 40], rates[RESAMPLES - 1 - RESAMPLES / 40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_kind() {
        let kinds = |reference: &str, heard: &str| {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            let e = errors(&chars(reference), &chars(heard));
            (e.substitutions, e.deletions, e.insertions)
        };
        assert_eq!(kinds("一二三四", "一二五四"), (1, 0, 0));
        assert_eq!(kinds("一二三", "一三"), (0, 1, 0));
        assert_eq!(kinds("一", "一一二"), (0, 0, 2));
    }

    #[test]
    fn writing_does_not_count_as_an_error() {
        assert_eq!(normalise("增长５成。 OK"), normalise("增长五成ok"));
    }

    #[test]
    fn the_interval_holds_the_rate_and_narrows_with_more_utterances() {
        let some: Vec<(usize, usize)> = (0..20).map(|i| (i % 5, 20)).collect();
        let many: Vec<(usize, usize)> = (0..500).map(|i| (i % 5, 20)).collect();
        let (low, high) = interval(&some);
        assert!(low < 0.1 && 0.1 < high, "{low} {high}");
        let (low_many, high_many) = interval(&many);
        assert!(high_many - low_many < (high - low) / 3.0);
    }
}
