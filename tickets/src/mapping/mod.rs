//! Our fields in the names, codes and date formats of the city's ticket system, as a TOML file says.
//!
//! ```toml
//! envelope = "cloud_events"                 # or "none": the fields alone
//!
//! [kinds."ticket.confirmed"]                # or "callback.*"
//! path = "/case/add"                        # behind the configured URL; empty: the URL itself
//!
//! [kinds."ticket.confirmed".fields]         # theirs = ours
//! "case.no" = { from = "ticket.number", required = true }
//! "case.type" = { from = "ticket.fields.appeal_kind", table = "appeal_kinds", default = "9" }
//! "case.time" = { from = "ticket.created_at", date = "%Y-%m-%d %H:%M:%S" }
//! channel = { value = "01" }
//!
//! [tables.appeal_kinds]
//! "投诉" = "3"
//! "*" = "9"                                 # of everything else
//! ```
//!
//! What ours does not have is left out, unless it has a default or is required.

pub(crate) mod date;
mod file;

pub use file::MappingFault;

use date::DateFormat;
use qingting_common::{Pii, UnixMillis};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The entry of a code table for every value that has none.
const EVERYTHING_ELSE: &str = "*";

/// What surrounds the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Envelope {
    /// A CloudEvent, the fields in its `data`.
    #[default]
    CloudEvents,
    /// Nothing.
    None,
}

/// A checked mapping. The default one leaves everything as it is.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    envelope: Envelope,
    kinds: Option<BTreeMap<String, Kind>>,
    tables: BTreeMap<String, BTreeMap<String, Value>>,
}

#[derive(Clone, Debug)]
struct Kind {
    path: String,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    target: Vec<String>,
    source: Source,
    convert: Convert,
    default: Option<Value>,
    required: bool,
}

#[derive(Clone, Debug)]
enum Source {
    From(Vec<String>),
    Value(Value),
}

#[derive(Clone, Debug)]
enum Convert {
    Nothing,
    Table(String),
    Date(DateFormat),
}

/// Why an event cannot be written as the ticket system wants it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct MappingError {
    /// The event's kind.
    pub kind: String,
    /// Their field; none when the whole kind is missing.
    pub field: Option<String>,
    /// What is wrong, without the value.
    pub problem: String,
    /// The value that does not fit.
    pub value: Option<Pii<String>>,
}

/// Without the value: fit for a log.
impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the mapping of {}", self.kind)?;
        if let Some(field) = &self.field {
            write!(f, ", field {field}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl MappingError {
    /// With the value, for who mends the mapping; not for a log.
    pub fn with_value(&self) -> Pii<String> {
        Pii::new(match &self.value {
            Some(value) => format!("{self}: {:?}", value.expose()),
            None => self.to_string(),
        })
    }
}

/// An event's data in their shape.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) path: String,
    pub(crate) data: Value,
}

impl Mapping {
    pub(crate) fn envelope(&self) -> Envelope {
        self.envelope
    }

    /// Whether events of a kind, or of all kinds that a pattern such as `ticket.*` stands for, have an
    /// entry.
    pub fn covers(&self, kind: &str) -> bool {
        let Some(kinds) = &self.kinds else { return true };
        let start = kind.strip_suffix('*');
        self.kind(kind).is_some()
            || start.is_some_and(|start| kinds.keys().any(|known| known.starts_with(start)))
    }

    /// What every entry takes from ours: the entry's kind, or beginning of kinds, their field, and the names
    /// that lead to ours.
    pub fn sources(&self) -> impl Iterator<Item = (&str, String, &[String])> {
        let entries = self.kinds.iter().flatten();
        entries.flat_map(|(kind, entry)| {
            entry.rules.iter().filter_map(|rule| match &rule.source {
                Source::From(path) => Some((kind.as_str(), rule.target.join("."), path.as_slice())),
                Source::Value(_) => None,
            })
        })
    }

    /// The kinds, and beginnings of kinds, that have an entry; none without a file.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().flatten().map(|(kind, _)| kind.as_str())
    }

    /// Their fields for which `data` has nothing.
    pub fn empty(&self, kind: &str, data: &Value) -> Vec<String> {
        let rules = self.kind(kind).map_or(&[][..], |entry| &entry.rules);
        let lacks = |rule: &&Rule| match &rule.source {
            Source::From(path) => find(data, path).is_none_or(|ours| ours.as_str() == Some("")),
            Source::Value(_) => false,
        };
        rules.iter().filter(lacks).map(|rule| rule.target.join(".")).collect()
    }

    pub(crate) fn apply(&self, kind: &str, data: &Value) -> Result<Mapped, MappingError> {
        if self.kinds.is_none() {
            return Ok(Mapped { path: String::new(), data: data.clone() });
        }
        let Some(entry) = self.kind(kind) else {
            let problem = "the file has no entry for it".to_owned();
            return Err(MappingError { kind: kind.to_owned(), field: None, problem, value: None });
        };
        let mut theirs = Map::new();
        for rule in &entry.rules {
            let value = self.value(rule, data).map_err(|(problem, value)| MappingError {
                kind: kind.to_owned(),
                field: Some(rule.target.join(".")),
                problem,
                value: value.map(Pii::new),
            })?;
            if let Some(value) = value {
                put(&mut theirs, &rule.target, value);
            }
        }
        Ok(Mapped { path: entry.path.clone(), data: Value::Object(theirs) })
    }

    /// The entry of that name, else the longest beginning with a star.
    fn kind(&self, kind: &str) -> Option<&Kind> {
        let kinds = self.kinds.as_ref()?;
        kinds.get(kind).or_else(|| {
            kinds
                .iter()
                .filter(|(name, _)| name.strip_suffix('*').is_some_and(|it| kind.starts_with(it)))
                .max_by_key(|(name, _)| name.len())
                .map(|(_, entry)| entry)
        })
    }

    fn value(&self, rule: &Rule, data: &Value) -> Result<Option<Value>, (String, Option<String>)> {
        let ours = match &rule.source {
            Source::Value(value) => return Ok(Some(value.clone())),
            Source::From(path) => find(data, path),
        };
        let Some(ours) = ours else {
            return match (&rule.default, rule.required) {
                (Some(default), _) => Ok(Some(default.clone())),
                (None, false) => Ok(None),
                (None, true) => Err(("it is required, and ours has none".into(), None)),
            };
        };
        match &rule.convert {
            Convert::Nothing => Ok(Some(ours.clone())),
            Convert::Table(table) => self.code(table, ours).map(Some),
            Convert::Date(format) => {
                let at = ours.as_i64().and_then(|at| format.write(UnixMillis(at)));
                let wrong = || ("ours is no time in milliseconds".into(), Some(text(ours)));
                at.map(Some).ok_or_else(wrong)
            }
        }
    }

    fn code(&self, table: &str, ours: &Value) -> Result<Value, (String, Option<String>)> {
        let ours = text(ours);
        let codes = self.tables.get(table);
        let code = codes.and_then(|codes| codes.get(&ours).or_else(|| codes.get(EVERYTHING_ELSE)));
        let missing = || (format!("table {table:?} has no code for its value"), Some(ours.clone()));
        code.cloned().ok_or_else(missing)
    }
}

/// Null counts as absent.
fn find<'a>(data: &'a Value, path: &[String]) -> Option<&'a Value> {
    let found = path.iter().try_fold(data, |inside, name| match inside {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })?;
    (!found.is_null()).then_some(found)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn put(theirs: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((name, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        theirs.insert(name.clone(), value);
        return;
    }
    let inside = theirs.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
    // That no field is both value and object was checked when the file was read.
    if let Value::Object(inside) = inside {
        put(inside, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = r#"
        envelope = "none"
        [kinds."ticket.confirmed"]
        path = "/case/add"
        [kinds."ticket.confirmed".fields]
        "case.no" = { from = "ticket.number", required = true }
        "case.type" = { from = "ticket.fields.appeal_kind", table = "appeal_kinds", default = 9 }
        "case.time" = { from = "ticket.created_at", date = "%Y-%m-%d %H:%M:%S" }
        "case.secret" = { from = "ticket.secret", table = "flags" }
        first = { from = "changed.0" }
        channel = { value = "01" }
        [kinds."callback.*".fields]
        id = { from = "id" }
        [tables.appeal_kinds]
        "投诉" = 3
        "举报" = 4
        [tables.flags]
        "true" = "Y"
        "*" = "N"
    "#;

    fn ticket(appeal_kind: Value) -> Value {
        json!({
            "ticket": {
                "number": "20260101-000001", "created_at": 1_767_196_800_000_i64, "secret": true,
                "fields": { "appeal_kind": appeal_kind },
            },
            "changed": ["title"],
        })
    }

    fn applied(data: &Value) -> Result<Mapped, MappingError> {
        Mapping::parse(FILE).unwrap().apply("ticket.confirmed", data)
    }

    #[test]
    fn names_codes_dates_constants_and_defaults_are_theirs() {
        let mapped = applied(&ticket(json!("投诉"))).unwrap();
        let expected = json!({
            "case": { "no": "20260101-000001", "type": 3, "time": "2026-01-01 00:00:00", "secret": "Y" },
            "first": "title", "channel": "01",
        });
        assert_eq!((mapped.path.as_str(), mapped.data), ("/case/add", expected));
        let poor = json!({ "ticket": { "number": "1", "secret": null } });
        let empty = Mapping::parse(FILE).unwrap().empty("ticket.confirmed", &poor);
        assert_eq!(empty, ["case.secret", "case.time", "case.type", "first"]);
        let mapped = applied(&poor).unwrap();
        let expected = json!({ "case": { "no": "1", "type": 9 }, "channel": "01" });
        assert_eq!(mapped.data, expected);
    }

    #[test]
    fn what_cannot_be_written_names_kind_and_field_and_the_log_sees_no_value() {
        let error = applied(&ticket(json!("求助13800138000"))).unwrap_err();
        let told = "the mapping of ticket.confirmed, field case.type: table \"appeal_kinds\" has no code for its value";
        assert_eq!(error.to_string(), told);
        assert!(!format!("{error:?}").contains("求助"));
        assert!(error.with_value().expose().ends_with(": \"求助13800138000\""));
        let error = applied(&json!({ "ticket": { "created_at": "now", "number": "1" } }));
        assert_eq!(error.unwrap_err().field.as_deref(), Some("case.time"));
        let error = applied(&json!({})).unwrap_err();
        assert!(error.to_string().contains("case.no: it is required"), "{error}");
        let unknown = Mapping::parse(FILE).unwrap().apply("call.ended", &json!({})).unwrap_err();
        assert_eq!(unknown.to_string(), "the mapping of call.ended: the file has no entry for it");
    }

    #[test]
    fn a_kind_takes_its_own_entry_before_one_with_a_star() {
        let mapping = Mapping::parse(FILE).unwrap();
        let mapped = mapping.apply("callback.result", &json!({ "id": 7 })).unwrap();
        assert_eq!((mapped.path.as_str(), mapped.data), ("", json!({ "id": 7 })));
        for (kind, covered) in [
            ("ticket.confirmed", true),
            ("ticket.*", true),
            ("callback.*", true),
            ("callback.result", true),
            ("ticket.updated", false),
            ("call.*", false),
        ] {
            assert_eq!(mapping.covers(kind), covered, "{kind}");
        }
        assert!(Mapping::default().covers("call.ended"));
    }

    #[test]
    fn every_mistake_of_a_file_is_told_at_once_with_its_place() {
        let faults = Mapping::parse(
            r#"
            [kinds.a]
            path = "//evil.example/x?y"
            [kinds.a.fields]
            both = { from = "x", value = 1 }
            neither = {}
            code = { from = "x", table = "kind" }
            when = { from = "x", date = "%Q" }
            at = { from = "x" }
            "at.in" = { from = "x..y" }
            sure = { from = "x", required = true, default = 1 }
            [kinds.b]
            path = "/../admin"
            fields = {}
            [tables.kinds]
            "#,
        )
        .unwrap_err();
        let told = faults.to_string();
        for (place, word) in [
            ("kinds.\"a\".path", "is no path"),
            ("kinds.\"b\".path", "is no path"),
            ("kinds.\"b\".fields", "there is none"),
            ("fields.\"both\"", "not both"),
            ("fields.\"neither\"", "give `from`"),
            ("fields.\"code\"", "did you mean \"kinds\"?"),
            ("fields.\"when\"", "%Q"),
            ("fields.\"at\"", "hold \"at.in\" as well"),
            ("fields.\"at.in\"", "names with dots between"),
            ("fields.\"sure\"", "leave `required` out"),
        ] {
            let line = told.lines().find(|line| line.contains(place) && line.contains(word));
            assert!(line.is_some(), "{place} {word} in\n{told}");
        }
        let broken = Mapping::parse("[kinds.a.fields]\nx = { form = \"y\" }").unwrap_err();
        assert!(broken.to_string().contains("line 2"), "{broken}");
        assert!(Mapping::parse("kinds = {}").is_err());
    }
}
