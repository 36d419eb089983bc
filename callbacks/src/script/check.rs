//! Whether every way through a script ends.

use super::read::error_at;
use super::{AnswerName, Node, NodeName, Script, ScriptError, question_name};
use qingting_nlu::answers::Question;
use std::collections::BTreeSet;

pub(super) fn check(script: &Script) -> Vec<ScriptError> {
    let mut errors = Vec::new();
    dead_ends(script, &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    unreached(script, &mut errors);
    answers_without_a_way(script, &mut errors);
    for exit in AnswerName::EXITS.iter().filter(|exit| !script.exits.contains_key(exit)) {
        let what = format!("`{}` may be said to any question: say where it leads", exit.as_str());
        errors.push(error_at("exits", &what));
    }
    if let Some(circle) = circle(script) {
        let what = "it leads back to itself: nobody may be kept in a circle";
        errors.push(error_at(place(&circle), what));
    }
    errors
}

fn place(name: &NodeName) -> String {
    format!("node {:?}", name.0)
}

/// Every way out of a node, with the exits that a question has.
fn ways<'a>(script: &'a Script, node: &'a Node) -> Vec<&'a NodeName> {
    match node {
        Node::Say { next, .. } => vec![next],
        Node::Ask(ask) => {
            let exits = script.exits.iter().filter(|(answer, _)| !ask.on.contains_key(answer));
            ask.on
                .values()
                .chain([&ask.silent, &ask.unclear])
                .chain(exits.map(|(_, to)| to))
                .collect()
        }
        Node::End { .. } | Node::Seat { .. } => Vec::new(),
    }
}

fn dead_ends(script: &Script, errors: &mut Vec<ScriptError>) {
    let mut missing = |from: String, to: &NodeName| {
        if !script.nodes.contains_key(to) {
            errors.push(error_at(from, &format!("it leads to {:?}, which there is not", to.0)));
        }
    };
    missing("start".into(), &script.start);
    for to in script.exits.values() {
        missing("exits".into(), to);
    }
    for (name, node) in &script.nodes {
        for to in ways(script, node) {
            missing(place(name), to);
        }
    }
}

fn unreached(script: &Script, errors: &mut Vec<ScriptError>) {
    let mut reached = BTreeSet::from([&script.start]);
    let mut open = vec![&script.start];
    while let Some(name) = open.pop() {
        let ways = script.node(name).map(|node| ways(script, node)).unwrap_or_default();
        open.extend(ways.into_iter().filter(|to| reached.insert(to)));
    }
    for name in script.nodes.keys().filter(|name| !reached.contains(name)) {
        errors.push(error_at(place(name), "nothing leads there: name it somewhere or remove it"));
    }
}

/// An answer that the reader gives to a question must lead somewhere.
fn answers_without_a_way(script: &Script, errors: &mut Vec<ScriptError>) {
    for (name, node) in &script.nodes {
        let Node::Ask(ask) = node else { continue };
        let lacks = |answer: &&AnswerName| script.way(ask, **answer).is_none();
        let known = answers_of(ask.question);
        for answer in known.iter().filter(lacks) {
            let what = format!(
                "the answer `{}` to `{}` leads nowhere: add it to `on`, or `other`",
                answer.as_str(),
                question_name(ask.question)
            );
            errors.push(error_at(place(name), &what));
        }
        let keyed = ask.keys.values().filter(|answer| !known.contains(answer));
        for answer in keyed.filter(|answer| !AnswerName::EXITS.contains(answer)) {
            let what = format!(
                "a key means `{}`, which is no answer to `{}`",
                answer.as_str(),
                question_name(ask.question)
            );
            errors.push(error_at(place(name), &what));
        }
    }
}

/// What the reader may answer to a question besides the exits.
pub const fn answers_of(question: Question) -> &'static [AnswerName] {
    use AnswerName as A;
    match question {
        Question::RightPerson => &[A::Yes],
        Question::Contacted | Question::AnythingElse | Question::Confirm => &[A::Yes, A::No],
        Question::Resolved => &[A::Yes, A::Partly, A::No],
        Question::Satisfied => &[
            A::VerySatisfied,
            A::Satisfied,
            A::FairlySatisfied,
            A::Dissatisfied,
            A::VeryDissatisfied,
        ],
        Question::Reason => &[A::Because, A::No],
        Question::WhenToCall => &[],
    }
}

/// A node from which a way leads back to it.
fn circle(script: &Script) -> Option<NodeName> {
    let mut ended: BTreeSet<&NodeName> = BTreeSet::new();
    // Kahn's way from the ends: what is left over is in a circle or leads into one.
    loop {
        let ends = |(name, node): &(&NodeName, &Node)| {
            !ended.contains(*name) && ways(script, node).iter().all(|to| ended.contains(*to))
        };
        let next: Vec<&NodeName> = script.nodes.iter().filter(ends).map(|(name, _)| name).collect();
        if next.is_empty() {
            return script.nodes.keys().find(|name| !ended.contains(name)).cloned();
        }
        ended.extend(next);
    }
}
