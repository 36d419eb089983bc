//! What is told to the ticket system, and how it lies in a request.

use crate::mapping::{Envelope, Mapping, MappingError};
use qingting_common::{Pii, UnixMillis};
use serde_json::{Value, json};
use std::fmt;

/// `Content-Type` of a CloudEvent in structured mode (CloudEvents 1.0, HTTP binding §3.2).
pub const CLOUD_EVENT_JSON: &str = "application/cloudevents+json; charset=utf-8";
/// `Content-Type` of data without an envelope.
pub const JSON: &str = "application/json; charset=utf-8";
/// The header by which the receiver knows what it has.
pub const KEY_HEADER: &str = "Idempotency-Key";
/// What precedes a kind in a CloudEvent's `type`.
pub(crate) const TYPE_PREFIX: &str = "qingting.";

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same for each try, and of no other event.
    pub key: String,
    /// Such as `ticket.confirmed`.
    pub kind: String,
    /// The ticket or call that it is about.
    pub subject: String,
    /// When it became true.
    pub at: UnixMillis,
    /// Our JSON; a citizen's number, words and answers.
    pub data: Pii<Value>,
}

/// A request as it is sent, but for its signature.
#[derive(Clone, PartialEq)]
pub struct Outgoing {
    /// What follows the configured URL; empty, or from `/` on.
    pub path: String,
    /// The value of [`KEY_HEADER`].
    pub key: String,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// UTF-8 JSON.
    pub body: Pii<Vec<u8>>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Event {
    /// The request, in the names, codes and formats of the ticket system. `source` is this server's name
    /// in CloudEvents.
    pub fn outgoing(&self, mapping: &Mapping, source: &str) -> Result<Outgoing, MappingError> {
        let mapped = mapping.apply(&self.kind, self.data.expose())?;
        let (content_type, body) = match mapping.envelope() {
            Envelope::CloudEvents => (CLOUD_EVENT_JSON, self.enveloped(mapped.data, source)),
            Envelope::None => (JSON, mapped.data),
        };
        let body = Pii::new(body.to_string().into_bytes());
        Ok(Outgoing { path: mapped.path, key: self.key.clone(), content_type, body })
    }

    fn enveloped(&self, data: Value, source: &str) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.key,
            "source": source,
            "type": format!("{TYPE_PREFIX}{}", self.kind),
            "subject": self.subject,
            "time": crate::mapping::date::rfc3339(self.at),
            "datacontenttype": "application/json",
            "data": data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_cloud_event_whose_id_is_its_key() {
        let event = Event {
            key: "t1:3".into(),
            kind: "ticket.confirmed".into(),
            subject: "t1".into(),
            at: UnixMillis(1_767_196_800_000),
            data: Pii::new(json!({ "phone": "13800138000" })),
        };
        let outgoing = event.outgoing(&Mapping::default(), "12345.hangzhou").unwrap();
        assert_eq!((outgoing.key.as_str(), outgoing.path.as_str()), ("t1:3", ""));
        assert_eq!(outgoing.content_type, "application/cloudevents+json; charset=utf-8");
        let body: Value = serde_json::from_slice(outgoing.body.expose()).unwrap();
        let expected = json!({
            "specversion": "1.0", "id": "t1:3", "source": "12345.hangzhou",
            "type": "qingting.ticket.confirmed", "subject": "t1",
            "time": "2026-01-01T00:00:00+08:00", "datacontenttype": "application/json",
            "data": { "phone": "13800138000" },
        });
        assert_eq!(body, expected);
        let printed = format!("{event:?} {outgoing:?}");
        assert!(!printed.contains("13800138000"), "{printed}");
    }
}
