//! The mapping to the city's ticket system: whatever the file says, a request goes behind the configured address and
//! its body is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_common::{Pii, UnixMillis};
use qingting_tickets::{Event, Mapping};
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let Ok(mapping) = Mapping::parse(&text) else { return };
    for kind in ["ticket.confirmed", "ticket.changed", "callback.done", "call.ended"] {
        let event = Event {
            key: "t1:3".to_owned(),
            kind: kind.to_owned(),
            subject: "t1".to_owned(),
            at: UnixMillis(1_767_196_800_000),
            data: Pii::new(json!({
                "ticket": {
                    "number": "A1", "created_at": 1_767_196_800_000_i64, "closed_at": i64::MAX,
                    "fields": { "appeal_kind": "投诉", "phone": "13800138000", "empty": null },
                },
                "answers": [{ "answer": "satisfied" }, 7, true],
            })),
        };
        match event.outgoing(&mapping, "12345.city") {
            Ok(outgoing) => {
                assert!(mapping.covers(kind));
                let path = &outgoing.path;
                assert!(path.is_empty() || path.starts_with('/'), "{path:?}");
                assert!(!path.contains(['\r', '\n', ' ']), "{path:?}");
                assert_eq!(outgoing.key, "t1:3");
                let body: Result<Value, _> = serde_json::from_slice(outgoing.body.expose());
                assert!(body.is_ok(), "the body is JSON");
            }
            Err(error) => {
                let printed = format!("{error} {error:?}");
                assert!(!printed.contains("13800138000"), "{printed}");
            }
        }
    }
});
