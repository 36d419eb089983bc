//! Stretches of time: what is left of one when others are taken away.

use std::ops::Range;

/// Stretches in order, none of which touches another.
pub(super) fn united(spans: impl IntoIterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = spans.into_iter().filter(|span| span.start < span.end).collect();
    all.sort_by_key(|span| span.start);
    let mut united: Vec<Range<u64>> = Vec::with_capacity(all.len());
    for span in all {
        match united.last_mut().filter(|last| last.end >= span.start) {
            Some(last) => last.end = last.end.max(span.end),
            None => united.push(span),
        }
    }
    united
}

/// What of `whole` lies in none of the stretches.
pub(super) fn without(whole: &Range<u64>, taken: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut left = Vec::new();
    let mut from = whole.start;
    for span in taken {
        if span.end <= from {
            continue;
        }
        if span.start >= whole.end {
            break;
        }
        if span.start > from {
            left.push(from..span.start);
        }
        from = span.end;
    }
    if from < whole.end {
        left.push(from..whole.end);
    }
    left
}

/// What two stretches have in common; empty where that is nothing.
pub(super) fn common(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

pub(super) const fn length(span: &Range<u64>) -> u64 {
    span.end.saturating_sub(span.start)
}

pub(super) fn touches(a: &Range<u64>, b: &Range<u64>) -> bool {
    length(&common(a, b)) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_no_stretch_covers() {
        let nothing = 40;
        let taken = united([10..20, 15..30, 50..60, nothing..nothing]);
        assert_eq!(taken, [10..30, 50..60]);
        assert_eq!(without(&(0..100), &taken), [0..10, 30..50, 60..100]);
        assert_eq!(without(&(12..55), &taken), vec![30..50; 1]);
        assert_eq!(without(&(12..20), &taken), []);
        assert_eq!(without(&(0..5), &taken), vec![0..5; 1]);
        assert!(common(&(0..5), &(9..12)).is_empty() && !touches(&(0..5), &(5..9)));
    }
}
