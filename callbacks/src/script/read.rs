//! A script's TOML.

use super::{
    ASKED_MAX, AnswerName, Ask, Confirm, EndingName, NODES_MAX, Node, NodeName, QUESTIONS, Script,
    TEXT_CHARS_MAX, check, question, render,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for an answer, in seconds.
const WAIT_S_MAX: u64 = 30;

/// Something that is wrong with a script: where, what, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ScriptError {
    /// The line, or the node.
    pub place: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    start: NodeName,
    exits: BTreeMap<AnswerName, NodeName>,
    confirm: RawConfirm,
    nodes: BTreeMap<NodeName, RawNode>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfirm {
    say: String,
    yes: char,
    no: char,
    wait_s: u64,
}

/// What kind of node it is follows from which of `ask`, `end`, `seat` and `next` it has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNode {
    #[serde(default)]
    say: String,
    next: Option<NodeName>,
    #[serde(default)]
    whole: bool,
    ask: Option<String>,
    #[serde(default)]
    again: Vec<String>,
    #[serde(default)]
    by_keys: String,
    #[serde(default)]
    keys: BTreeMap<String, AnswerName>,
    #[serde(default)]
    on: BTreeMap<AnswerName, NodeName>,
    #[serde(default = "wait_s")]
    wait_s: u64,
    #[serde(default = "asked_again")]
    silent_max: u8,
    #[serde(default = "asked_again")]
    unclear_max: u8,
    silent: Option<NodeName>,
    unclear: Option<NodeName>,
    end: Option<EndingName>,
    #[serde(default)]
    seat: bool,
}

const fn wait_s() -> u64 {
    6
}

const fn asked_again() -> u8 {
    2
}

pub(super) fn read(text: &str) -> Result<Script, Vec<ScriptError>> {
    let raw: Raw = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        vec![error_at(format!("line {line}"), error.message())]
    })?;
    let mut errors = Vec::new();
    if raw.nodes.len() > NODES_MAX {
        let what = format!("{} nodes are more than {NODES_MAX}: divide it", raw.nodes.len());
        errors.push(error_at("the script", &what));
    }
    let nodes = raw
        .nodes
        .into_iter()
        .filter_map(|(name, node)| node.read(&name, &mut errors).map(|node| (name, node)));
    let nodes: BTreeMap<NodeName, Node> = nodes.collect();
    let script = Script {
        name: raw.name,
        start: raw.start,
        nodes,
        exits: raw.exits,
        confirm: raw.confirm.read(&mut errors),
    };
    errors.extend(render::check(&script));
    // Ways are looked for only where every node could be read: what is missing would be named twice.
    if errors.is_empty() {
        errors.extend(check::check(&script));
    }
    if errors.is_empty() { Ok(script) } else { Err(errors) }
}

impl RawConfirm {
    fn read(self, errors: &mut Vec<ScriptError>) -> Confirm {
        for key in [self.yes, self.no] {
            check_key("confirm", key, errors);
        }
        if self.yes == self.no {
            errors.push(error_at("confirm", "yes and no have the same key"));
        }
        if !self.say.contains("{answer}") {
            errors.push(error_at(
                "confirm",
                "`say` has no {answer}: nobody would hear what was understood",
            ));
        }
        check_wait("confirm", self.wait_s, errors);
        Confirm { say: self.say, keys: [self.yes, self.no], wait: Duration::from_secs(self.wait_s) }
    }
}

impl RawNode {
    fn read(self, name: &NodeName, errors: &mut Vec<ScriptError>) -> Option<Node> {
        let place = format!("node {:?}", name.0);
        let texts = [&self.say, &self.by_keys].into_iter().chain(&self.again);
        for text in texts.filter(|text| text.chars().count() > TEXT_CHARS_MAX) {
            let what = format!(
                "a text has {} characters, more than {TEXT_CHARS_MAX}",
                text.chars().count()
            );
            errors.push(error_at(&place, &what));
        }
        match (&self.ask, self.end, self.seat, &self.next) {
            (Some(_), None, false, None) => self.question(&place, errors),
            (None, Some(ending), false, None) => Some(Node::End { say: self.say, ending }),
            (None, None, true, None) => Some(Node::Seat { say: self.say }),
            (None, None, false, Some(_)) => {
                if self.say.is_empty() {
                    errors.push(error_at(&place, "`next` without `say`: there is nothing to say"));
                }
                Some(Node::Say { say: self.say, next: self.next?, whole: self.whole })
            }
            _ => {
                let what = "give exactly one of `next` (says something), `ask` (asks), `end` and `seat = true`";
                errors.push(error_at(&place, what));
                None
            }
        }
    }

    fn question(self, place: &str, errors: &mut Vec<ScriptError>) -> Option<Node> {
        let name = self.ask?;
        let Some(question) = question(&name) else {
            let known: Vec<&str> = QUESTIONS.iter().map(|(name, _)| *name).collect();
            let what = format!("`ask = {name:?}` is no question; there are {}", known.join(", "));
            errors.push(error_at(place, &what));
            return None;
        };
        let mut fault = |what: &str| errors.push(error_at(place, what));
        if self.say.is_empty() {
            fault("`ask` without `say`");
        }
        if self.silent_max >= ASKED_MAX || self.unclear_max >= ASKED_MAX {
            fault(&format!("`silent_max` and `unclear_max` are below {ASKED_MAX}"));
        }
        if self.keys.is_empty() != self.by_keys.is_empty() {
            fault("`keys` and `by_keys` (the text that names them) come together");
        }
        if self.silent.is_none() || self.unclear.is_none() {
            fault(
                "say in `silent` and `unclear` where it goes on with whoever says nothing or is not understood",
            );
        }
        if self.on.is_empty() {
            fault("`on` says where the answers lead");
        }
        check_wait(place, self.wait_s, errors);
        let keys = self.keys.into_iter().filter_map(|(key, answer)| {
            match key.chars().collect::<Vec<_>>()[..] {
                [key] => {
                    check_key(place, key, errors);
                    Some((key, answer))
                }
                _ => {
                    errors.push(error_at(place, &format!("{key:?} is not one key")));
                    None
                }
            }
        });
        Some(Node::Ask(Ask {
            question,
            say: self.say,
            again: self.again,
            by_keys: self.by_keys,
            keys: keys.collect(),
            on: self.on,
            wait: Duration::from_secs(self.wait_s),
            silent_max: self.silent_max,
            unclear_max: self.unclear_max,
            silent: self.silent?,
            unclear: self.unclear?,
        }))
    }
}

fn check_key(place: &str, key: char, errors: &mut Vec<ScriptError>) {
    if !matches!(key, '0'..='9' | '*' | '#') {
        errors.push(error_at(place, &format!("{key:?} is no key of a telephone: 0–9, * and #")));
    }
}

fn check_wait(place: &str, wait_s: u64, errors: &mut Vec<ScriptError>) {
    if !(1..=WAIT_S_MAX).contains(&wait_s) {
        errors.push(error_at(place, &format!("`wait_s` is {wait_s}; it is 1 to {WAIT_S_MAX}")));
    }
}

pub(super) fn error_at(place: impl Into<String>, what: &str) -> ScriptError {
    ScriptError { place: place.into(), what: what.to_owned() }
}
