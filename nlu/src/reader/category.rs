//! 事项分类, 承办单位 and 诉求类型 by what was learnt from past tickets.

use super::CallContext;
use super::transcript::Transcript;
use crate::classifier::{Answer, Matter, TicketModel};
use crate::draft::{Field, Tag};

/// Shorter texts are greetings.
const CHARS_MIN: usize = 8;

/// What the model stands by, with the words that decided.
pub(crate) fn read(
    model: &TicketModel,
    talk: &Transcript<'_>,
    place: &str,
    context: &CallContext,
) -> Vec<Tag> {
    let said = talk.chars.iter().filter(|c| c.is_alphanumeric()).count();
    if said < CHARS_MIN {
        return Vec::new();
    }
    // The text goes in with its breaks: spans then count as the transcript does.
    let text: String = talk.chars.iter().collect();
    let prediction = model.predict(&Matter {
        text: &text,
        place,
        called: &context.called,
        last_unit: &context.last_ticket.unit,
        last_category: &context.last_ticket.category,
    });
    [
        (Field::Category, prediction.category),
        (Field::HandlingUnit, prediction.unit),
        (Field::AppealKind, prediction.kind),
    ]
    .into_iter()
    .filter_map(|(field, answer)| tag(field, &answer?, talk))
    .collect()
}

fn tag(field: Field, answer: &Answer, talk: &Transcript<'_>) -> Option<Tag> {
    let sure = answer.sure.as_ref()?;
    let spans: Vec<_> =
        answer.spans.iter().map(|span| span.start as usize..span.end as usize).collect();
    (!spans.is_empty()).then(|| talk.tag(field, &sure.label, sure.probability, &spans))
}
