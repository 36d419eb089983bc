//! Texts of a script as one citizen hears them.

use super::read::error_at;
use super::{Node, Script, ScriptError};
use std::collections::BTreeSet;

/// What a text may have in braces. `{answer}` is for `confirm` alone.
pub const PLACEHOLDERS: [&str; 4] = ["city", "title", "unit", "date"];

/// What is said of one follow-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The city, as the hotline calls itself: 广州.
    pub city: String,
    /// What the ticket is about, in a few words.
    pub title: String,
    /// The unit that handled it.
    pub unit: String,
    /// The day on which it was opened or closed: 9月12日.
    pub date: String,
}

/// A text to say, in sentences: whatever is the same for everybody is spoken once and kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rendered(pub Vec<String>);

impl Facts {
    /// A text with its placeholders filled.
    pub fn fill(&self, text: &str) -> Rendered {
        self.fill_with(text, "")
    }

    pub(crate) fn fill_with(&self, text: &str, answer: &str) -> Rendered {
        let values = [&self.city, &self.title, &self.unit, &self.date];
        let mut filled = text.replace("{answer}", answer);
        for (name, value) in PLACEHOLDERS.iter().zip(values) {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        let sentences = filled.split_inclusive(['。', '？', '！']).map(str::trim);
        Rendered(sentences.filter(|sentence| !sentence.is_empty()).map(str::to_owned).collect())
    }
}

impl Script {
    /// Every sentence that a callback with these facts may say, each once: what must be spoken before
    /// anybody is dialled.
    pub fn sentences(&self, facts: &Facts) -> Vec<String> {
        let mut all = BTreeSet::new();
        for node in self.nodes.values() {
            for text in texts(node) {
                all.extend(facts.fill(text).0);
            }
        }
        all.extend(self.question_texts(facts).flat_map(|(.., text)| text.0));
        all.into_iter().collect()
    }
}

fn texts(node: &Node) -> Vec<&String> {
    match node {
        Node::Say { say, .. } | Node::End { say, .. } | Node::Seat { say } => vec![say],
        Node::Ask(ask) => [&ask.say, &ask.by_keys].into_iter().chain(&ask.again).collect(),
    }
}

/// Braces that nothing fills.
pub(super) fn check(script: &Script) -> Vec<ScriptError> {
    let mut errors = Vec::new();
    let nodes = script.nodes.iter().flat_map(|(name, node)| {
        texts(node).into_iter().map(move |text| (format!("node {:?}", name.0), text.clone()))
    });
    let confirm = script.confirm.say.replace("{answer}", "");
    for (place, text) in nodes.chain([("confirm".to_owned(), confirm)]) {
        let mut rest = text;
        for name in PLACEHOLDERS {
            rest = rest.replace(&format!("{{{name}}}"), "");
        }
        if let Some(at) = rest.find(['{', '}']) {
            let what: String = rest[at..].chars().take(12).collect();
            let known = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
            errors.push(error_at(place, &format!("nothing fills {what:?}; there are {known}")));
        }
    }
    errors
}
