//! 保密: whether the caller wants to stay unknown to the unit that handles the matter.
//!
//! His last word counts: 匿名 first and 算了实名吧 later is no wish. His 要 or 不用 counts where the
//! seat asked for it. Somebody else's leak of his data is a complaint, not a wish.

use super::lexicon::{Hit, Lexicon, holds};
use super::reply::agreement;
use super::transcript::Transcript;
use crate::draft::{Field, Tag};

/// How sure an answer to the seat's question is.
const ANSWERED: f32 = 0.9;

pub(crate) struct Wishes {
    lexicon: Lexicon,
}

impl Wishes {
    pub(crate) fn new() -> Self {
        Self { lexicon: Lexicon::built_in(include_str!("../lexicon/confidential.txt")) }
    }

    /// The wish, if the last word on it was one.
    pub(crate) fn read(&self, talk: &Transcript<'_>) -> Option<Tag> {
        let mut hits = self.lexicon.uncovered(&talk.words);
        hits.extend(answers(talk));
        let last = hits.into_iter().max_by_key(|hit| (hit.range.end, hit.range.len()))?;
        (last.value == "yes")
            .then(|| talk.tag_at(Field::Confidential, "true", last.weight, last.range))
    }
}

/// 需要为您保密吗 — 要.
fn answers(talk: &Transcript<'_>) -> Vec<Hit> {
    let asks = |chars: &[char]| holds(chars, "保密") || holds(chars, "匿名");
    let answers =
        talk.answers().filter(|(asked, _)| asks(&asked.chars) && is_question(&asked.chars));
    answers
        .filter_map(|(_, range)| {
            let yes = agreement(&talk.chars[range.clone()])?;
            let value = if yes { "yes" } else { "no" };
            Some(Hit {
                range: range.start..range.end.min(range.start + 6),
                value,
                weight: ANSWERED,
            })
        })
        .collect()
}

fn is_question(chars: &[char]) -> bool {
    ["吗", "么", "不需要", "是否", "要不要", "?"].iter().any(|word| holds(chars, word))
}
