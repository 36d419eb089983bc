//! What a menu must fulfil before a caller enters it.

use super::phrase::{asks_for_a_person, plain};
use super::{Node, NodeName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most nodes of a menu.
const NODES_MAX: usize = 64;

/// Most questions before any node: whoever must answer more gives up.
const DEPTH_MAX: usize = 4;

/// Most phrases of a question.
const WORDS_MAX: usize = 64;

/// Most repetitions of a question.
const RETRIES_MAX: u8 = 5;

/// Shortest and longest wait for an answer.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// The key that always leads to a person.
pub(super) const PERSON_KEY: char = '0';

/// What is wrong with a menu, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node {node}, {at}: {problem}")]
pub struct MenuError {
    /// Which node.
    pub node: NodeName,
    /// Which key, word or other part of it.
    pub at: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

type Nodes = BTreeMap<NodeName, Node>;

pub(super) fn check(start: &NodeName, nodes: &Nodes) -> Vec<MenuError> {
    let mut errors = Vec::new();
    if !nodes.contains_key(start) {
        errors.push(error(start, "start", "there is no such node: add it or begin elsewhere"));
        return errors;
    }
    if nodes.len() > NODES_MAX {
        let problem = format!("{} nodes are more than {NODES_MAX}: make it smaller", nodes.len());
        errors.push(error(start, "menu", &problem));
        return errors;
    }
    for (name, node) in nodes {
        for (at, to) in node.ways() {
            if !nodes.contains_key(to) {
                let problem =
                    format!("leads to {to}, which does not exist: add it or lead elsewhere");
                errors.push(error(name, &at, &problem));
            }
        }
        check_question(name, node, &mut errors);
        check_silence(name, nodes, &mut errors);
    }
    check_depth(start, nodes, &mut errors);
    errors
}

fn check_question(name: &NodeName, node: &Node, errors: &mut Vec<MenuError>) {
    let Node::Ask { keys, words, retries, timeout, .. } = node else { return };
    let mut wrong = |at: &str, problem: &str| errors.push(error(name, at, problem));
    for key in keys.keys() {
        match key {
            '1'..='9' | '*' | '#' => {}
            &PERSON_KEY => wrong("key 0", "always leads to a person: use another key"),
            _ => wrong(&format!("key {key}"), "no such key: use 1–9, * or #"),
        }
    }
    let mut known = BTreeSet::new();
    for word in words.keys() {
        let (at, plain) = (format!("word {word}"), plain(word));
        if plain.is_empty() {
            wrong(&at, "holds nothing that can be said: write words");
        } else if asks_for_a_person(&plain) {
            wrong(&at, "人工 always leads to a person: use other words");
        } else if !known.insert(plain) {
            wrong(&at, "sounds like another one: keep one of them");
        }
    }
    if words.len() > WORDS_MAX {
        wrong("words", &format!("more than {WORDS_MAX}: keep the likely ones"));
    }
    if keys.is_empty() && words.is_empty() {
        wrong("keys", "nothing can be answered: add a key or make it a Say");
    }
    if *retries > RETRIES_MAX {
        wrong("retries", &format!("more than {RETRIES_MAX}: ask less often"));
    }
    if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(timeout) {
        wrong("timeout", "must be from 1 to 60 seconds");
    }
}

/// A caller who does nothing must not go round: then it reaches an end, because every node that is
/// no end has a way on.
fn check_silence(name: &NodeName, nodes: &Nodes, errors: &mut Vec<MenuError>) {
    let untouched = |name: &NodeName| nodes.get(name).and_then(Node::untouched);
    let mut at = name;
    for _ in 0..nodes.len() {
        match untouched(at) {
            None => return,
            Some(next) if next == name => {
                let way = match nodes.get(name) {
                    Some(Node::Say { .. }) => "next",
                    _ => "otherwise",
                };
                let problem =
                    "leads back here without an answer: let it end in a queue or a hang-up";
                errors.push(error(name, way, problem));
                return;
            }
            Some(next) => at = next,
        }
    }
}

/// Every node is reached, and with few questions.
fn check_depth(start: &NodeName, nodes: &Nodes, errors: &mut Vec<MenuError>) {
    let mut known = BTreeSet::from([start]);
    let mut level = vec![start];
    for _ in 0..=DEPTH_MAX {
        // What is only said costs no question: what follows it stands in the same level.
        let mut at = 0;
        while let Some(name) = level.get(at) {
            if let Some(Node::Say { next, .. }) = nodes.get(name)
                && known.insert(next)
            {
                level.push(next);
            }
            at += 1;
        }
        let mut deeper = Vec::new();
        for node in level.iter().filter_map(|name| nodes.get(name)) {
            deeper.extend(node.ways().into_iter().map(|(_, to)| to).filter(|to| known.insert(to)));
        }
        level = deeper;
    }
    for name in level {
        if nodes.contains_key(name) {
            let problem =
                format!("more than {DEPTH_MAX} questions lead here: make the menu flatter");
            errors.push(error(name, "depth", &problem));
            return;
        }
    }
    for name in nodes.keys().filter(|name| !known.contains(name)) {
        errors.push(error(name, "way in", "nothing leads here: lead to it or remove it"));
    }
}

fn error(node: &NodeName, at: &str, problem: &str) -> MenuError {
    MenuError { node: node.clone(), at: at.into(), problem: problem.into() }
}
