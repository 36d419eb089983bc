//! The log of changes as CloudEvents 1.0 for machines that follow it.
//!
//! **What is told is ids and states**: of every kind the fields that [`KINDS`] names and no others, so that whoever
//! may follow the log learns nothing of a citizen. What a receiver may know beyond that it reads by the id.

use crate::event::TYPE_PREFIX;
use crate::mapping::date::rfc3339;
use qingting_common::{Pii, UnixMillis};
use serde::Serialize;
use serde_json::{Map, Value};

/// `Content-Type` of several CloudEvents (CloudEvents 1.0, JSON format §4, HTTP binding §3.3).
pub const BATCH_JSON: &str = "application/cloudevents-batch+json; charset=utf-8";

const OF_FOLLOW_UP: &[&str] = &[
    "follow_up",
    "campaign",
    "ticket",
    "round",
    "state",
    "not_before",
    "attempt",
    "call",
    "outcome",
];
const OF_TICKET: &[&str] = &["ticket", "call", "revision", "changed"];
const OF_HANDLING: &[&str] =
    &["ticket", "call", "revision", "step", "stage", "deadline", "supervised"];

/// Every kind and what is told of it.
pub const KINDS: &[(&str, &[&str])] = &[
    ("call.began", &["call", "direction", "number_name", "enterprise"]),
    ("call.queued", &["call", "queue"]),
    ("call.answered", &["call", "answered_at"]),
    ("call.joined", &["call", "slot", "seq", "role", "seat"]),
    ("call.left", &["call", "slot", "seq", "role", "cause"]),
    ("call.ended", &["call", "ended_at", "cause"]),
    ("call.missed", &["call", "state", "why", "wanted", "callback_call", "called_again"]),
    ("ticket.created", OF_TICKET),
    ("ticket.updated", OF_TICKET),
    ("ticket.confirmed", OF_TICKET),
    ("ticket.dropped", OF_TICKET),
    ("ticket.erased", OF_TICKET),
    ("ticket.handling", OF_HANDLING),
    ("follow_up.waiting", OF_FOLLOW_UP),
    ("follow_up.awaiting_redo", OF_FOLLOW_UP),
    ("follow_up.calling", OF_FOLLOW_UP),
    (
        "callback.result",
        &["follow_up", "ticket", "revision", "round", "status", "redo", "final", "corrected"],
    ),
];

/// A change as it stands in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its place: greater than that of every change before.
    pub sequence: i64,
    /// The same for each telling, and of no other change.
    pub key: String,
    /// Such as `ticket.confirmed`.
    pub kind: String,
    /// What stays in order: the id of a call or a ticket.
    pub subject: String,
    /// When it became true.
    pub at: UnixMillis,
    /// All that the log has.
    pub payload: Pii<Value>,
}

/// A change as it is told (CloudEvents 1.0, with the extension `sequence`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CloudEvent {
    /// The version of CloudEvents.
    pub specversion: &'static str,
    /// The change's key.
    pub id: String,
    /// This hotline's name.
    pub source: String,
    /// `qingting.` and the kind.
    pub r#type: String,
    /// The call or ticket.
    pub subject: String,
    /// When it became true (RFC 3339).
    pub time: String,
    /// Of `data`.
    pub datacontenttype: &'static str,
    /// The place in the log: a cursor.
    pub sequence: String,
    /// Ids and states.
    pub data: Map<String, Value>,
}

/// Whether a kind is among names or beginnings such as `ticket.*`.
pub fn is_of(kinds: &[String], kind: &str) -> bool {
    kinds.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => kind == wanted,
    })
}

/// Whether there is a kind of that name, or with that beginning: who asks for another one would wait for ever.
pub fn is_known(wanted: &str) -> bool {
    KINDS.iter().any(|(kind, _)| is_of(&[wanted.to_owned()], kind))
}

/// What is told of a kind; of one that is not known nothing but that it happened.
fn told(kind: &str) -> &'static [&'static str] {
    KINDS.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, fields)| fields)
}

impl Change {
    /// The change as it is told. `source` is this server's name in CloudEvents.
    pub fn told(&self, source: &str) -> CloudEvent {
        let payload = self.payload.expose();
        let field = |name: &&str| Some(((*name).to_owned(), payload.get(*name)?.clone()));
        CloudEvent {
            specversion: "1.0",
            id: self.key.clone(),
            source: source.to_owned(),
            r#type: format!("{TYPE_PREFIX}{}", self.kind),
            subject: self.subject.clone(),
            time: rfc3339(self.at),
            datacontenttype: "application/json",
            sequence: self.sequence.to_string(),
            data: told(&self.kind).iter().filter_map(field).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(kind: &str, payload: Value) -> Change {
        Change {
            sequence: 17,
            key: "t1:3".into(),
            kind: kind.into(),
            subject: "t1".into(),
            at: UnixMillis(1_767_196_800_000),
            payload: Pii::new(payload),
        }
    }

    #[test]
    fn a_change_is_a_cloud_event_with_its_place() {
        let payload = json!({ "ticket": "t1", "call": "c1", "revision": 3, "changed": ["place"] });
        let event = serde_json::to_value(change("ticket.updated", payload.clone()).told("q"));
        let expected = json!({
            "specversion": "1.0", "id": "t1:3", "source": "q", "type": "qingting.ticket.updated",
            "subject": "t1", "time": "2026-01-01T00:00:00+08:00",
            "datacontenttype": "application/json", "sequence": "17", "data": payload,
        });
        assert_eq!(event.unwrap(), expected);
    }

    #[test]
    fn nothing_of_a_citizen_is_told() {
        let answer = json!({ "value": "dissatisfied", "valid": true });
        let payload = json!({ "follow_up": "f", "ticket": "T1", "status": "completed", "redo": true,
            "satisfied": answer, "reason_text": "我叫张三，电话13800138000", "phone": "13800138000",
            "recording": { "sha256": "ab" } });
        let of = |kind: &str| Value::Object(change(kind, payload.clone()).told("q").data);
        let expected =
            json!({ "follow_up": "f", "ticket": "T1", "status": "completed", "redo": true });
        assert_eq!(of("callback.result"), expected);
        assert_eq!(of("a.kind.of.a.later.version"), json!({}));
        let private = ["phone", "caller", "called", "name", "citizen", "text", "title", "place"];
        for (kind, fields) in KINDS {
            assert!(fields.iter().all(|field| !private.contains(field)), "{kind}");
        }
    }

    #[test]
    fn kinds_are_names_or_beginnings() {
        let wanted = ["ticket.*".to_owned(), "call.ended".to_owned()];
        for (kind, expected) in
            [("ticket.updated", true), ("call.ended", true), ("call.began", false), ("x", false)]
        {
            assert_eq!(is_of(&wanted, kind), expected, "{kind}");
        }
        assert!(["*", "ticket.*", "call.ended"].into_iter().all(is_known));
        assert!(!["", "tickets.*", "call", "ticket"].into_iter().any(is_known));
    }
}
