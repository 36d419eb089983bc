//! 事项分类 by the city's model.

use super::transcript::Transcript;
use crate::classifier::LinearModel;
use crate::draft::{Field, Tag};

/// Shorter texts are greetings.
const CHARS_MIN: usize = 8;

/// The model's probability is right on average (its training report gives the calibration error);
/// below an even chance the first class would mostly be replaced by hand.
const PROBABILITY_MIN: f32 = 0.5;
/// The likeliest class with the words that decided, if it is likely enough.
pub(crate) fn read(model: &LinearModel, talk: &Transcript<'_>) -> Option<Tag> {
    let said = talk.chars.iter().filter(|c| c.is_alphanumeric()).count();
    if said < CHARS_MIN {
        return None;
    }
    // The text goes in with its breaks: spans then count as the transcript does.
    let text: String = talk.chars.iter().collect();
    let prediction = model.predict(&text);
    let spans: Vec<_> =
        prediction.spans.iter().map(|span| span.start as usize..span.end as usize).collect();
    let first = prediction.ranked.first().filter(|class| class.probability >= PROBABILITY_MIN)?;
    (!spans.is_empty()).then(|| talk.tag(Field::Category, first.label, first.probability, &spans))
}
