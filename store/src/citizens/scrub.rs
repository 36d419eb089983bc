//! Taking a citizen out of what is stored as JSON.

use super::ERASED;
use qingting_nlu::draft::Field;
use serde_json::Value;

/// Whether a field of a ticket is the citizen's. What it is about by the city's own words counts, and stays.
pub(super) const fn is_personal(field: Field) -> bool {
    match field {
        Field::Title
        | Field::Description
        | Field::CallerName
        | Field::Phone
        | Field::OccurredAt
        | Field::Place
        | Field::Respondent
        | Field::Amount
        | Field::Plate
        | Field::CallbackTime => true,
        Field::AppealKind
        | Field::Category
        | Field::HandlingUnit
        | Field::Emergency
        | Field::Enterprise
        | Field::Tourism
        | Field::Confidential
        | Field::EarlierTicket
        | Field::Deadline => false,
    }
}

/// A name that no field has any more is taken for the citizen's.
fn is_personal_name(name: &str) -> bool {
    Field::from_name(name).is_none_or(is_personal)
}

/// A ticket's draft: values of the citizen's fields, and what was quoted of the citizen for any field.
pub(super) fn draft(draft: &mut Value) {
    let Some(fields) = draft.as_object_mut() else { return };
    for (name, field) in fields {
        let Some(field) = field.as_object_mut() else { continue };
        field.remove("evidence");
        if is_personal_name(name) && field.get("value").is_some_and(|value| value != "") {
            field.insert("value".to_owned(), ERASED.into());
        }
    }
}

/// What a revision changed: who changed which field stays.
pub(super) fn changes(changes: &mut Value) {
    let Some(fields) = changes.as_object_mut() else { return };
    for (name, change) in fields {
        let is_empty = change.is_null() || change == "";
        if is_personal_name(name) && !is_empty {
            *change = ERASED.into();
        }
    }
}

/// Every text that holds one of the forms of a number; whether there was one.
pub(super) fn numbers(value: &mut Value, forms: &[String]) -> bool {
    match value {
        Value::String(text) if forms.iter().any(|form| text.contains(form.as_str())) => {
            *value = ERASED.into();
            true
        }
        // All of them, whatever the first one held.
        Value::Array(items) => {
            items.iter_mut().map(|item| numbers(item, forms)).fold(false, |was, is| was | is)
        }
        Value::Object(fields) => {
            fields.values_mut().map(|item| numbers(item, forms)).fold(false, |was, is| was | is)
        }
        _ => false,
    }
}

/// The message with a follow-up's result: all but what the citizen said.
pub(super) fn result(payload: &mut Value) {
    if let Some(said) = payload.get_mut("reason_text").filter(|said| **said != "") {
        *said = ERASED.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_a_ticket_what_counts_it_stays() {
        let mut is = json!({
            "title": {"value": "路灯不亮", "confidence": 0.9, "source": "machine"},
            "category": {"value": "城市管理/路灯", "confidence": 0.9, "source": "machine",
                "evidence": [{"quote": "我家门口的路灯"}]},
            "phone": {"value": "", "confidence": 1.0, "source": "person"},
            "of_a_later_version": {"value": "王建国", "confidence": 1.0, "source": "person"},
        });
        draft(&mut is);
        assert_eq!(is["title"]["value"], ERASED);
        assert_eq!(is["category"]["value"], "城市管理/路灯");
        assert_eq!(is["phone"]["value"], "", "left empty by a person");
        assert_eq!(is["of_a_later_version"]["value"], ERASED);
        assert!(!is.to_string().contains("门口"));
        let mut was =
            json!({"place": {"keep": 32, "add": "三号"}, "deadline": "2026", "phone": null});
        changes(&mut was);
        assert_eq!(was, json!({"place": ERASED, "deadline": "2026", "phone": null}));
    }
}
