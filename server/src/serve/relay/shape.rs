//! Which fields the messages of each kind have: what a mapping may name.
//!
//! **A path that no message has is a misspelt one**: it would be left out, or be its default, for ever.

use qingting_nlu::draft::Field;
use std::collections::BTreeSet;

/// The kinds that a ticket system is sent, in the order of their names.
pub const KINDS: [&str; 5] =
    ["call.ended", "callback.result", "ticket.confirmed", "ticket.handling", "ticket.updated"];

/// Any place in a list.
const ANY: &str = "#";

const CALL: &str = "id direction caller called number_name queue queue_wait_ms seat started_at answered_at \
    ended_at hung_up_by cause missed ticket ticket_number recording recording.call recording.duration_ms \
    recording.sha256 recording.chain_head recording.incomplete";
const TICKET: &str =
    "id number status revision fields created_at updated_at confirmed_at confirmed_by";
const STEP: &str = "step stage unit deadline supervised note at by";
const RESULT: &str = "follow_up revision event_id ticket round status contacted contacted.value \
    contacted.valid resolved resolved.value resolved.valid satisfied satisfied.value satisfied.valid reason \
    reason_text redo final corrected ended_at recording_notice_heard attempts attempts.# attempts.#.number \
    attempts.#.call attempts.#.began_at attempts.#.answered_at attempts.#.ended_at attempts.#.outcome \
    attempts.#.sip_code recording recording.call recording.sha256 recording.chain_head recording.duration_ms";

/// The kinds that a name, or a beginning such as `ticket.*`, stands for.
pub fn kinds_of(wanted: &str) -> impl Iterator<Item = &'static str> {
    let wanted = [wanted.to_owned()];
    KINDS.into_iter().filter(move |kind| qingting_tickets::feed::is_of(&wanted, kind))
}

/// The kind, or the beginning of some, that is most like this one.
pub fn nearest_kind(wanted: &str) -> &'static str {
    nearest(wanted, KINDS.into_iter()).unwrap_or("ticket.confirmed")
}

/// None for a field that messages of one of the kinds can have; else the one that is most like it.
pub fn unknown(kinds: &[&str], path: &[String]) -> Option<String> {
    let known: BTreeSet<String> = kinds.iter().flat_map(|kind| fields(kind)).collect();
    let is_place = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let shape: Vec<&str> =
        path.iter().map(|name| if is_place(name) { ANY } else { name.as_str() }).collect();
    let shape = shape.join(".");
    if known.contains(&shape) {
        return None;
    }
    let like = nearest(&shape, known.iter().map(String::as_str)).unwrap_or_default();
    Some(like.replace(ANY, "0"))
}

fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.min_by_key(|known| strsim::levenshtein(known, wanted))
}

/// Every path of a kind's messages, objects and lists included.
fn fields(kind: &str) -> BTreeSet<String> {
    let below = |name: &str, paths: &str| -> Vec<String> {
        let inside = paths.split_whitespace().map(|path| format!("{name}.{path}"));
        std::iter::once(name.to_owned()).chain(inside).collect()
    };
    let of_ticket = || {
        let own = Field::ALL.iter().map(|field| format!("ticket.fields.{}", field.as_str()));
        let plain = ["revision", "changed", "changed.#"].map(str::to_owned);
        below("ticket", TICKET).into_iter().chain(below("call", CALL)).chain(own).chain(plain)
    };
    match kind {
        "call.ended" => below("call", CALL).into_iter().collect(),
        "ticket.confirmed" | "ticket.updated" => of_ticket().collect(),
        "ticket.handling" => of_ticket().chain(below("step", STEP)).collect(),
        "callback.result" => RESULT.split_whitespace().map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::content::tests as tests_of_content;
    use super::*;
    use serde_json::Value;

    fn path(dotted: &str) -> Vec<String> {
        dotted.split('.').map(str::to_owned).collect()
    }

    fn paths(value: &Value, at: &str, all: &mut BTreeSet<String>) {
        let below = |name: &str| if at.is_empty() { name.into() } else { format!("{at}.{name}") };
        if !at.is_empty() {
            all.insert(at.to_owned());
        }
        match value {
            Value::Object(inside) => {
                inside.iter().for_each(|(name, value)| paths(value, &below(name), all));
            }
            Value::Array(items) => items.iter().for_each(|item| paths(item, &below(ANY), all)),
            _ => {}
        }
    }

    #[test]
    fn what_is_sent_of_calls_tickets_and_steps_is_what_a_mapping_may_name() {
        let (ticket, step) = tests_of_content::ticket();
        for (kind, told) in [
            ("call.ended", tests_of_content::call()),
            ("ticket.updated", ticket.clone()),
            ("ticket.confirmed", ticket),
            ("ticket.handling", step),
        ] {
            let mut sent = BTreeSet::new();
            paths(&told, "", &mut sent);
            assert_eq!(sent, fields(kind), "{kind}");
        }
    }

    #[test]
    fn a_misspelt_field_is_told_with_the_one_that_is_meant() {
        for (kinds, from, like) in [
            (&["ticket.confirmed"][..], "ticket.fields.titel", Some("ticket.fields.title")),
            (&["ticket.confirmed"], "tiket.number", Some("ticket.number")),
            (&["ticket.confirmed"], "step.note", Some("ticket")),
            (&["callback.result"], "attempts.2.outcom", Some("attempts.0.outcome")),
            (&["ticket.confirmed", "ticket.handling"], "step.note", None),
            (&["call.ended"], "call.recording.chain_head", None),
            (&["callback.result"], "attempts.0.outcome", None),
            (&["ticket.updated"], "changed.0", None),
        ] {
            let found = unknown(kinds, &path(from));
            match like {
                Some("ticket") => assert!(found.is_some(), "{from}"),
                like => assert_eq!(found.as_deref(), like, "{from}"),
            }
        }
        assert_eq!(nearest_kind("ticekt.confirmed"), "ticket.confirmed");
        assert_eq!(kinds_of("ticket.*").count(), 3);
        assert_eq!(kinds_of("tickets.*").count(), 0);
    }
}
