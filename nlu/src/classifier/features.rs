//! Text to hashed character n-grams. Part of the model file's meaning: a change here needs a new
//! format version.

/// Longest n-gram, in characters.
pub(crate) const GRAM_CHARS_MAX: usize = 3;

/// Longest text that is read, in characters; the rest says little new and costs memory.
pub(crate) const TEXT_CHARS_MAX: usize = 4_000;

/// The characters of a text that carry meaning, with their place in the original.
pub(crate) struct Normalized {
    /// Letters and digits, lower case, full-width forms folded.
    pub(crate) chars: Vec<char>,
    /// For each of `chars` its index in the original text, in characters.
    pub(crate) origin: Vec<u32>,
}

/// Keeps letters and digits: a recogniser's text has no dependable punctuation or spacing.
pub(crate) fn normalize(text: &str) -> Normalized {
    let mut chars = Vec::new();
    let mut origin = Vec::new();
    for (index, c) in (0u32..).zip(text.chars()).take(TEXT_CHARS_MAX) {
        let c = fold_width(c);
        if c.is_alphanumeric() {
            chars.push(c.to_lowercase().next().unwrap_or(c));
            origin.push(index);
        }
    }
    Normalized { chars, origin }
}

/// Full-width ASCII (U+FF01–U+FF5E) to ASCII.
pub(crate) fn fold_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// Calls `f(bucket, start, length)` for every n-gram; `bucket` is below `1 << bits`.
pub(crate) fn for_each_gram(chars: &[char], bits: u32, mut f: impl FnMut(u32, usize, usize)) {
    for start in 0..chars.len() {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (length, c) in (1..=GRAM_CHARS_MAX).zip(&chars[start..]) {
            hash = (hash ^ u64::from(*c as u32)).wrapping_mul(0x0000_0100_0000_01b3);
            f(bucket(hash, bits), start, length);
        }
    }
}

/// The bucket counts of a text, sorted by bucket.
pub(crate) fn bucket_counts(chars: &[char], bits: u32) -> Vec<(u32, u32)> {
    let mut buckets = Vec::with_capacity(chars.len() * GRAM_CHARS_MAX);
    for_each_gram(chars, bits, |bucket, _, _| buckets.push(bucket));
    buckets.sort_unstable();
    let mut counts: Vec<(u32, u32)> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match counts.last_mut() {
            Some((last, count)) if *last == bucket => *count += 1,
            _ => counts.push((bucket, 1)),
        }
    }
    counts
}

/// Sublinear term frequency.
pub(crate) fn term_frequency(count: u32) -> f32 {
    1.0 + (count as f32).ln()
}

/// FNV leaves the high bits of short inputs poor: mix before cutting to `bits`.
fn bucket(hash: u64, bits: u32) -> u32 {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - bits)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_and_width_do_not_matter() {
        let a = normalize("Ａ１区，投诉！");
        let b = normalize("a1区投诉");
        assert_eq!(a.chars, b.chars);
        assert_eq!(a.origin, [0, 1, 2, 4, 5]);
    }

    #[test]
    fn every_gram_up_to_three_is_counted_once() {
        let counts = bucket_counts(&['停', '水', '停', '水'], 20);
        let total: u32 = counts.iter().map(|(_, count)| count).sum();
        assert_eq!((total, counts.len()), (4 + 3 + 2, 2 + 2 + 2));
    }
}
