//! A mapping file as it is written, and its mistakes, all at once.

use super::date::DateFormat;
use super::{Convert, Envelope, Kind, Mapping, Rule, Source};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Deepest field of theirs, in names.
const DEPTH_MAX: usize = 8;

/// Why a mapping file cannot be used; every mistake in a line of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct MappingFault(pub Vec<String>);

impl fmt::Display for MappingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    envelope: Envelope,
    #[serde(default)]
    tables: BTreeMap<String, BTreeMap<String, Value>>,
    kinds: BTreeMap<String, KindEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindEntry {
    #[serde(default)]
    path: String,
    fields: BTreeMap<String, FieldEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldEntry {
    from: Option<String>,
    value: Option<Value>,
    table: Option<String>,
    date: Option<String>,
    default: Option<Value>,
    #[serde(default)]
    required: bool,
}

impl Mapping {
    /// Reads a mapping file (TOML).
    pub fn parse(text: &str) -> Result<Self, MappingFault> {
        let file: File = toml::from_str(text)
            .map_err(|error| MappingFault(vec![error.to_string().trim().to_owned()]))?;
        let mut faults = Vec::new();
        let kinds = file
            .kinds
            .iter()
            .map(|(name, entry)| (name.clone(), kind(name, entry, &file.tables, &mut faults)))
            .collect();
        if file.kinds.is_empty() {
            faults.push("kinds: there is none: nothing could be sent".into());
        }
        if !faults.is_empty() {
            return Err(MappingFault(faults));
        }
        Ok(Self { envelope: file.envelope, kinds: Some(kinds), tables: file.tables })
    }
}

fn kind(
    name: &str,
    entry: &KindEntry,
    tables: &BTreeMap<String, BTreeMap<String, Value>>,
    faults: &mut Vec<String>,
) -> Kind {
    let at = format!("kinds.{name:?}");
    if !is_path(&entry.path) {
        faults.push(format!(
            "{at}.path: {:?} is no path: it begins with / and has letters, digits and -_.~/ alone",
            entry.path
        ));
    }
    if entry.fields.is_empty() {
        faults.push(format!("{at}.fields: there is none"));
    }
    let mut rules = Vec::new();
    for (target, field) in &entry.fields {
        let place = format!("{at}.fields.{target:?}");
        match rule(target, field, tables) {
            Ok(rule) => rules.push(rule),
            Err(fault) => faults.push(format!("{place}: {fault}")),
        }
        let inside = format!("{target}.");
        if let Some(other) = entry.fields.keys().find(|other| other.starts_with(&inside)) {
            faults.push(format!("{place}: it cannot be a value and hold {other:?} as well"));
        }
    }
    Kind { path: entry.path.clone(), rules }
}

fn rule(
    target: &str,
    field: &FieldEntry,
    tables: &BTreeMap<String, BTreeMap<String, Value>>,
) -> Result<Rule, String> {
    let source = match (&field.from, &field.value) {
        (Some(from), None) => Source::From(names(from)?),
        (None, Some(value)) => Source::Value(value.clone()),
        _ => return Err("give `from`, a field of ours, or `value`, a constant, not both".into()),
    };
    let convert = match (&field.table, &field.date) {
        (None, None) => Convert::Nothing,
        (Some(table), None) if tables.contains_key(table) => Convert::Table(table.clone()),
        (Some(table), None) => return Err(no_table(table, tables)),
        (None, Some(format)) => Convert::Date(DateFormat::parse(format)?),
        (Some(_), Some(_)) => return Err("give `table` or `date`, not both".into()),
    };
    if matches!(source, Source::Value(_)) && (field.default.is_some() || field.required) {
        return Err("a constant is always there: leave `default` and `required` out".into());
    }
    if field.required && field.default.is_some() {
        return Err("with a `default` it is always there: leave `required` out".into());
    }
    Ok(Rule {
        target: names(target)?,
        source,
        convert,
        default: field.default.clone(),
        required: field.required,
    })
}

fn no_table(name: &str, tables: &BTreeMap<String, BTreeMap<String, Value>>) -> String {
    match tables.keys().min_by_key(|known| strsim::levenshtein(known, name)) {
        Some(nearest) => format!("there is no table {name:?}; did you mean {nearest:?}?"),
        None => format!("there is no table {name:?}: write it as [tables.{name}]"),
    }
}

fn names(dotted: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = dotted.split('.').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) || names.len() > DEPTH_MAX {
        return Err(format!("{dotted:?} is not one to {DEPTH_MAX} names with dots between"));
    }
    Ok(names)
}

/// Nothing that leads to another host or above the configured URL.
fn is_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~/".contains(c);
    path.is_empty()
        || (path.starts_with('/')
            && path.chars().all(plain)
            && !path.split('/').any(|part| matches!(part, "." | "..")))
}
