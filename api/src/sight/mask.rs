//! Masking of an answer or an event, whichever view made it.
//!
//! The rows of a page are citizens apart: each is looked through for its own names and numbers, so that a page of ten
//! times the rows takes ten times as long. Everything else is looked through as a whole.

use super::numbers::{self, Kind};
use super::{CONFIDENTIAL, NO_NUMBERS, SHOWN_FIRST, SHOWN_LAST, masked_name, masked_number};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Shortest name that is looked for in texts.
const NAME_CHARS_MIN: usize = 2;

/// What a name of JSON means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Number,
    Name,
    Other,
}

/// Roles of legs and parties whose number and name are not an office's own.
const OUTSIDERS: [&str; 6] = ["citizen", "customer", "expert", "sme", "other", "thirdparty"];

/// What names things of ours: digits in it are no telephone's.
const IDS: [&str; 10] = [
    "id",
    "number",
    "ticket",
    "ticket_number",
    "earlier_ticket",
    "call",
    "event_id",
    "follow_up",
    "sip_call_id",
    "file",
];

fn meaning(key: &str, beside: &Map<String, Value>) -> Meaning {
    let role = beside.get("role").and_then(Value::as_str).unwrap_or_default();
    match key {
        "caller" | "citizen" | "phone" => Meaning::Number,
        // Of the list of those who are not called.
        "number" if beside.contains_key("why") => Meaning::Number,
        "caller_name" => Meaning::Name,
        "target" | "tel" if role.is_empty() || OUTSIDERS.contains(&role) => Meaning::Number,
        "name" if OUTSIDERS.contains(&role) => Meaning::Name,
        _ => Meaning::Other,
    }
}

fn is_confidential(object: &Map<String, Value>) -> bool {
    let of =
        |name: &str| object.get(name).is_some_and(|value| value["confidential"]["value"] == "true");
    object.get("confidential").is_some_and(|value| *value == true) || of("fields") || of("draft")
}

/// Masks all of it; leaves names and numbers out where `is_hidden`. Whether anything was masked; every mask that stands
/// for a part of a text is put into `masks`.
pub(super) fn mask(
    value: &mut Value,
    is_hidden: bool,
    mut masks: Option<&mut BTreeSet<String>>,
) -> bool {
    let is_hidden = is_hidden || value.as_object().is_some_and(is_confidential);
    let mut all = Found::new();
    collect(value, is_hidden, &mut all);
    let rows = take_rows(value);
    let mut changed = Cover::new(all, masks.as_deref_mut()).all(value, is_hidden, "");
    let Some((list, mut rows)) = rows else { return changed };
    let mut beside = Found::new();
    collect(value, is_hidden, &mut beside);
    for row in &mut rows {
        let mut own = beside.clone();
        collect(row, is_hidden, &mut own);
        changed |= Cover::new(own, masks.as_deref_mut()).all(row, is_hidden, &list);
    }
    put_rows(value, &list, rows);
    changed
}

/// Leaves names and numbers out of what is told of confidential citizens, and shows all others. Whether anything was.
pub(super) fn conceal_confidential(value: &mut Value) -> bool {
    let mut any = false;
    match value {
        Value::Object(object) if is_confidential(object) => any = mask(value, true, None),
        Value::Object(object) => {
            object.values_mut().for_each(|value| any |= conceal_confidential(value));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|value| any |= conceal_confidential(value));
        }
        _ => {}
    }
    any
}

/// Takes the rows out of a page, with their name: a page is a list, or has one list of objects.
fn take_rows(value: &mut Value) -> Option<(String, Vec<Value>)> {
    let is_list = |value: &Value| {
        value.as_array().is_some_and(|rows| rows.first().is_some_and(Value::is_object))
    };
    let (name, list) = match value {
        Value::Array(_) => (String::new(), value),
        Value::Object(page) => {
            let mut lists = page.iter_mut().filter(|(_, value)| is_list(value));
            match (lists.next(), lists.next()) {
                (Some((name, list)), None) => (name.clone(), list),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some((name, std::mem::take(list.as_array_mut()?)))
}

fn put_rows(value: &mut Value, list: &str, rows: Vec<Value>) {
    match value {
        Value::Object(page) => page.insert(list.to_owned(), Value::Array(rows)),
        other => Some(std::mem::replace(other, Value::Array(rows))),
    };
}

/// What must stand nowhere, with what stands there instead.
type Found = BTreeMap<String, String>;

fn collect(value: &Value, is_hidden: bool, found: &mut Found) {
    match value {
        Value::Object(object) => {
            let is_hidden = is_hidden || is_confidential(object);
            for (key, value) in object {
                let meaning = meaning(key, object);
                // A field of a ticket is an object with its value.
                let text = value.as_str().or_else(|| value.get("value")?.as_str());
                let is_one = |text: &&str| {
                    text.chars().count() >= NAME_CHARS_MIN && !NO_NUMBERS.contains(text)
                };
                if let Some(text) = text.filter(is_one) {
                    let instead = match meaning {
                        Meaning::Other => None,
                        _ if is_hidden => Some(CONFIDENTIAL.to_owned()),
                        Meaning::Number => Some(masked_number(text)),
                        Meaning::Name => Some(masked_name(text)),
                    };
                    // A confidential one stays so beside another of the same citizen.
                    if let Some(instead) = instead
                        && found.get(text).is_none_or(|known| known != CONFIDENTIAL)
                    {
                        found.insert(text.to_owned(), instead);
                    }
                }
                collect(value, is_hidden, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, is_hidden, found)),
        _ => {}
    }
}

/// Masking of what has these names and numbers.
struct Cover<'m> {
    words: Vec<(String, String)>,
    finder: Option<AhoCorasick>,
    masks: Option<&'m mut BTreeSet<String>>,
    changed: bool,
}

impl<'m> Cover<'m> {
    fn new(found: Found, masks: Option<&'m mut BTreeSet<String>>) -> Self {
        let words: Vec<(String, String)> = found.into_iter().collect();
        let finder = (!words.is_empty()).then(|| {
            // Made for one answer: what is built fastest.
            let kind = Some(AhoCorasickKind::NoncontiguousNFA);
            let built = AhoCorasick::builder().kind(kind).build(words.iter().map(|(word, _)| word));
            built.expect("an answer is far shorter than an automaton may be")
        });
        Self { words, finder, masks, changed: false }
    }

    fn all(mut self, value: &mut Value, is_hidden: bool, key: &str) -> bool {
        self.cover(value, is_hidden, key);
        self.changed
    }

    fn cover(&mut self, value: &mut Value, is_hidden: bool, key: &str) {
        match value {
            Value::String(text) => {
                let kind = if IDS.contains(&key) { Kind::Token } else { Kind::of(text) };
                if let Some(covered) = self.covered(text, kind) {
                    self.put(text, covered);
                }
            }
            Value::Array(items) => {
                items.iter_mut().for_each(|item| self.cover(item, is_hidden, key));
            }
            Value::Object(object) => {
                let is_hidden = is_hidden || is_confidential(object);
                let own: Vec<(String, Meaning)> =
                    object.keys().map(|key| (key.clone(), meaning(key, object))).collect();
                for (key, meaning) in own {
                    let Some(value) = object.get_mut(&key) else { continue };
                    match meaning {
                        Meaning::Other => self.cover(value, is_hidden, &key),
                        meaning => self.whole(value, meaning, is_hidden),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// All texts below a number or a name: it itself, and what it was read from.
    fn whole(&mut self, value: &mut Value, meaning: Meaning, is_hidden: bool) {
        match value {
            Value::String(text) if text.is_empty() || NO_NUMBERS.contains(&text.as_str()) => {}
            Value::String(text) => {
                let masked = match meaning {
                    _ if is_hidden => CONFIDENTIAL.to_owned(),
                    Meaning::Number => masked_number(text),
                    _ => masked_name(text),
                };
                self.told(&masked);
                self.put(text, masked);
            }
            Value::Object(field) => {
                if let Some(value) = field.get_mut("value") {
                    self.whole(value, meaning, is_hidden);
                }
                if let Some(Value::Array(evidence)) = field.get_mut("evidence") {
                    for quote in evidence.iter_mut().filter_map(|one| one.get_mut("quote")) {
                        self.whole(quote, meaning, is_hidden);
                    }
                }
            }
            other => self.cover(other, is_hidden, ""),
        }
    }

    fn put(&mut self, text: &mut String, masked: String) {
        self.changed |= *text != masked;
        *text = masked;
    }

    fn told(&mut self, mask: &str) {
        if let Some(masks) = &mut self.masks {
            masks.insert(mask.to_owned());
        }
    }

    /// A text without the words and numbers in it; none where it holds none.
    fn covered(&mut self, text: &str, kind: Kind) -> Option<String> {
        let without = self.without_words(text);
        let Some((masked, masks)) = numbers::masked(without.as_deref().unwrap_or(text), kind)
        else {
            return without;
        };
        masks.iter().for_each(|mask| self.told(mask));
        Some(masked)
    }

    fn without_words(&mut self, text: &str) -> Option<String> {
        let found = self.finder.as_ref()?.find_overlapping_iter(text);
        let mut places: Vec<(usize, usize, usize)> = found
            .map(|found| (found.start(), found.end(), found.pattern().as_usize()))
            // Ids are no words.
            .filter(|(from, to, _)| !is_part_of_longer_digits(text, *from, *to))
            .collect();
        // A longer one may hold a shorter one.
        places.sort_by_key(|(from, to, _)| (std::cmp::Reverse(to - from), *from));
        let mut taken: BTreeMap<usize, (usize, &str)> = BTreeMap::new();
        for (from, to, word) in places {
            let before = taken.range(..to).next_back().map(|(from, (to, _))| (*from, *to));
            match before {
                Some((_, end)) if end > from => {
                    // What of it stands beside the other one.
                    for (at, c) in text[from..to].char_indices() {
                        let (at, end) = (from + at, from + at + c.len_utf8());
                        let is_free = taken
                            .range(..end)
                            .next_back()
                            .is_none_or(|(_, (taken_to, _))| *taken_to <= at);
                        if is_free {
                            taken.insert(at, (end, "*"));
                        }
                    }
                }
                _ => {
                    taken.insert(from, (to, &self.words[word].1));
                }
            }
        }
        if taken.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (from, (to, instead)) in &taken {
            out.push_str(&text[at..*from]);
            out.push_str(instead);
            at = *to;
        }
        out.push_str(&text[at..]);
        let masks: Vec<String> = taken.values().map(|(_, instead)| (*instead).to_owned()).collect();
        masks.iter().for_each(|mask| self.told(mask));
        Some(out)
    }
}

/// Whether a short number stands within a longer one, such as an extension within a time.
fn is_part_of_longer_digits(text: &str, from: usize, to: usize) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_digits(&text[from..to]) || to - from > SHOWN_FIRST + SHOWN_LAST {
        return false;
    }
    let (before, after) = (text[..from].chars().next_back(), text[to..].chars().next());
    [before, after].into_iter().flatten().any(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_that_overlap_leave_nothing_of_each_other() {
        let mut value = json!({"a": {"caller_name": "国王"}, "b": {"caller_name": "王建国"},
            "text": "国王建国与王建国"});
        assert!(mask(&mut value, false, None));
        assert_eq!(value["text"], "*王**与王**");
    }

    #[test]
    fn the_rows_of_a_page_are_citizens_apart() {
        let row = |name: &str, title: &str| json!({"caller_name": name, "title": title});
        let mut page = json!({"rows": [row("王建国", "王建国找高兴"), row("高兴", "高兴了")],
            "rates": {"note": "高兴"}, "next": null});
        mask(&mut page, false, None);
        assert_eq!(page["rows"][0]["title"], "王**找高兴");
        assert_eq!(page["rows"][1]["title"], "高*了");
        assert_eq!(page["rates"]["note"], "高*", "what stands beside is all citizens'");
        let mut two = json!({"revisions": [{"changes": {"caller_name": "王建国"}}],
            "steps": [{"note": "王建国不在"}]});
        mask(&mut two, false, None);
        assert_eq!(two["steps"][0]["note"], "王**不在", "two lists are one citizen's");
    }

    #[test]
    fn what_was_not_masked_is_told_to_be_as_it_was() {
        let mut value = json!({"rows": [{"id": "1", "at": 5}], "caller": ""});
        let before = value.clone();
        assert!(!mask(&mut value, false, None));
        assert_eq!(value, before);
    }

    /// A page of results, each with a citizen of its own.
    fn results(count: usize) -> Value {
        let row = |n: usize| {
            let (number, name) = (format!("138{n:08}"), format!("王{}", n % 97));
            json!({"follow_up": {"id": format!("0199a2b0-1234-7abc-8def-{n:012}"), "citizen": number,
                "caller_name": name, "ticket": format!("GD{n}"), "unit": "城管局",
                "title": format!("{name}反映路灯不亮，电话{number}"), "closed_at": 1_767_196_800_000_i64},
                "verdict": {"status": "completed", "reason_text": "没修好，还是不亮，请再来看看"}})
        };
        json!({"rates": {}, "results": (0..count).map(row).collect::<Vec<_>>(), "next": null})
    }

    /// What this takes grows with the rows, and no faster.
    #[test]
    fn every_row_of_a_large_page_is_masked() {
        let mut page = results(5_000);
        assert!(mask(&mut page, false, None));
        assert!(!page.to_string().contains("13800000001"));
    }
}
