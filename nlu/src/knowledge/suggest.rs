//! What a seat is shown while a caller talks: seldom something new, and never less than before.

use super::index::Hit;
use qingting_common::Millis;

/// Most entries that are suggested at once.
pub const SUGGESTIONS_MAX: usize = 3;
/// A call's suggestions change at most this often.
pub const SUGGEST_EVERY_MS: u64 = 3_000;
/// By so much another entry must fit better than the first that is shown.
const REPLACE_MARGIN: f32 = 0.1;
/// Characters of the caller's last words that are looked up.
const QUESTION_CHARS: usize = 120;

/// The suggestions of one call.
#[derive(Clone, Debug, Default)]
pub struct Suggestions {
    /// Ids of the entries that are shown, the likeliest first.
    shown: Vec<String>,
    changed_at: Option<Millis>,
}

impl Suggestions {
    /// What of the caller's sentences is looked up: the last ones, up to 120 characters.
    pub fn question<'a>(sentences: impl DoubleEndedIterator<Item = &'a str>) -> String {
        let mut last: Vec<&str> = Vec::new();
        let mut chars = 0;
        for sentence in sentences.rev() {
            chars += sentence.chars().count();
            if chars > QUESTION_CHARS && !last.is_empty() {
                break;
            }
            last.push(sentence);
        }
        last.reverse();
        last.join("，")
    }

    /// Takes what was found now and says whether it is to be shown. It is when nothing was shown yet, or
    /// when the best entry fits better by 0.1 than the one that is shown first, no sooner than
    /// [`SUGGEST_EVERY_MS`] after the last change. Nothing found changes nothing: a caller who
    /// gives his number has not taken back his question.
    pub fn changed(&mut self, now: Millis, hits: &[Hit<'_>]) -> bool {
        let Some(best) = hits.first() else { return false };
        let first = self.shown.first();
        let standing = first.and_then(|id| hits.iter().find(|hit| hit.entry.id == *id));
        if first.is_some_and(|id| *id == best.entry.id)
            || standing.is_some_and(|hit| best.score < hit.score + REPLACE_MARGIN)
            || self.changed_at.is_some_and(|at| now.0.saturating_sub(at.0) < SUGGEST_EVERY_MS)
        {
            return false;
        }
        let shown = hits.iter().take(SUGGESTIONS_MAX).map(|hit| hit.entry.id.clone());
        (self.shown, self.changed_at) = (shown.collect(), Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Day, Entry, Shares};
    use super::*;

    fn entry(id: &str) -> Entry {
        Entry {
            id: id.into(),
            title: String::new(),
            questions: Vec::new(),
            answer: String::new(),
            source: String::new(),
            valid_from: Day::parse("2026-01-01").unwrap(),
            valid_to: None,
            unit: None,
            tags: Vec::new(),
        }
    }

    #[test]
    fn suggestions_are_stable_and_seldom() {
        let (a, b) = (entry("a"), entry("b"));
        let shares = Shares { title: 0.5, question: 0.5 };
        let of_a = |score| Hit { entry: &a, score, shares };
        let of_b = |score| Hit { entry: &b, score, shares };
        let hits = |first, second| [of_a(first), of_b(second)];
        let turned = |first, second| [of_b(second), of_a(first)];
        let mut suggestions = Suggestions::default();
        assert!(!suggestions.changed(Millis(0), &[]));
        assert!(suggestions.changed(Millis(0), &hits(0.7, 0.6)));
        assert!(!suggestions.changed(Millis(10_000), &hits(0.9, 0.5)), "the same entry is first");
        assert!(!suggestions.changed(Millis(10_000), &turned(0.7, 0.75)), "not clearly better");
        assert!(!suggestions.changed(Millis(2_999), &turned(0.6, 0.9)), "too soon");
        assert!(suggestions.changed(Millis(3_000), &turned(0.6, 0.9)));
        assert!(!suggestions.changed(Millis(9_000), &[]));
        assert!(suggestions.changed(Millis(9_000), &[of_a(0.55)]), "b fits no more");
    }

    #[test]
    fn the_last_sentences_are_looked_up() {
        let long = "长".repeat(119);
        assert_eq!(Suggestions::question(["一", "二"].into_iter()), "一，二");
        assert_eq!(
            Suggestions::question([long.as_str(), "社保", "怎么办"].into_iter()),
            "社保，怎么办"
        );
        assert_eq!(Suggestions::question(["前", &"长".repeat(300)].into_iter()), "长".repeat(300));
    }
}
