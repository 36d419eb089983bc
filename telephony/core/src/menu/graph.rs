//! The nodes of a menu.

use super::phrase::{longest_in, plain};
use super::{MenuError, NodeName, PromptName, check};
use crate::queue::QueueName;
use std::collections::BTreeMap;
use std::time::Duration;

/// One place in a menu.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// Something is said, then it goes on.
    Say {
        /// What.
        prompt: PromptName,
        /// Where it goes on.
        next: NodeName,
    },
    /// The caller is asked, and answers with a key or in words.
    Ask {
        /// The question.
        prompt: PromptName,
        /// 1–9, `*`, `#`. 0 is taken.
        keys: BTreeMap<char, NodeName>,
        /// What the caller says contains the phrase; the longest counts. 人工 is taken.
        words: BTreeMap<String, NodeName>,
        /// How often the question is asked again.
        retries: u8,
        /// Longest wait for an answer after the question.
        timeout: Duration,
        /// Where it goes on without one.
        otherwise: NodeName,
    },
    /// The end: into a queue.
    Queue(QueueName),
    /// The end: to a target that the called number may transfer to.
    Transfer(String),
    /// The end: the caller is called back.
    Callback,
    /// The end.
    Hangup,
}

/// A menu in which every way ends: **a caller who does nothing at all reaches an end.**
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MenuGraph {
    start: NodeName,
    nodes: BTreeMap<NodeName, Node>,
}

impl MenuGraph {
    /// A menu from its nodes; all that is wrong with it otherwise.
    pub fn new(
        start: NodeName,
        mut nodes: BTreeMap<NodeName, Node>,
    ) -> Result<Self, Vec<MenuError>> {
        let errors = check::check(&start, &nodes);
        if !errors.is_empty() {
            return Err(errors);
        }
        for node in nodes.values_mut() {
            if let Node::Ask { words, .. } = node {
                *words = std::mem::take(words).into_iter().map(|(w, to)| (plain(&w), to)).collect();
            }
        }
        Ok(Self { start, nodes })
    }

    /// Where it begins.
    pub const fn start(&self) -> &NodeName {
        &self.start
    }

    /// The queues that it leads to: the configuration must have them.
    pub fn queues(&self) -> impl Iterator<Item = &QueueName> {
        self.nodes.values().filter_map(|node| match node {
            Node::Queue(queue) => Some(queue),
            _ => None,
        })
    }

    /// The targets that it transfers to: the called number must allow them.
    pub fn transfers(&self) -> impl Iterator<Item = &str> {
        self.nodes.values().filter_map(|node| match node {
            Node::Transfer(target) => Some(target.as_str()),
            _ => None,
        })
    }

    pub(super) fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.get(name)
    }
}

impl Node {
    /// Where words lead that were said to a question, in plain form.
    pub(super) fn answered_by(&self, said: &str) -> Option<&NodeName> {
        match self {
            Self::Ask { words, .. } => longest_in(words, said),
            _ => None,
        }
    }

    /// Where it goes on when the caller does nothing.
    pub(super) const fn untouched(&self) -> Option<&NodeName> {
        match self {
            Self::Say { next, .. } => Some(next),
            Self::Ask { otherwise, .. } => Some(otherwise),
            _ => None,
        }
    }

    /// All ways out, each with what leads there.
    pub(super) fn ways(&self) -> Vec<(String, &NodeName)> {
        match self {
            Self::Say { next, .. } => vec![("next".into(), next)],
            Self::Ask { keys, words, otherwise, .. } => {
                let keys = keys.iter().map(|(key, to)| (format!("key {key}"), to));
                let words = words.iter().map(|(word, to)| (format!("word {word}"), to));
                keys.chain(words).chain([("otherwise".into(), otherwise)]).collect()
            }
            _ => Vec::new(),
        }
    }
}
