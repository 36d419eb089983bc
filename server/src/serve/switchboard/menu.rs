//! The menu of one call: the pure menu machine, its prompts and where it leads.

use super::Fault;
use crate::config::{self, Config};
use anyhow::{Context, Result, bail};
use qingting_common::{Millis, Pii};
use qingting_core::menu::{
    Destination, Input, Menu, MenuGraph, Node, NodeName, Output, PlayId, PromptName,
};
use qingting_core::numbers::Number;
use qingting_core::queue::QueueName;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Prompts of menus have ids of their own, so that no end of one is taken for the end of another.
pub const MENU_PROMPTS: u32 = 1 << 31;

/// The menus of the configuration, each with the node that it begins with.
pub(super) fn graphs(config: &Config) -> Result<HashMap<String, Arc<MenuGraph>>> {
    let starts = config.numbers.iter().map(|number| number.menu.as_str());
    let starts = starts.filter(|start| !start.is_empty());
    starts.map(|start| Ok((start.to_owned(), Arc::new(graph(start, &config.menus)?)))).collect()
}

/// Menus that nobody could walk through.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let place = |start: &str| config.menus.iter().position(|node| node.name == start);
    let starts = config.numbers.iter().map(|number| number.menu.as_str());
    let starts: BTreeSet<(usize, &str)> =
        starts.filter_map(|start| Some((place(start)?, start))).collect();
    let mut faults = Vec::new();
    for (place, start) in starts {
        let mut fault = |what: String| faults.push(("menus", place, what));
        match graph(start, &config.menus) {
            Err(error) => fault(format!("{error:#}")),
            Ok(graph) => {
                let has = |queue: &&QueueName| {
                    config.queues.iter().any(|known| known.name == queue.as_str())
                };
                for queue in graph.queues().filter(|queue| !has(queue)) {
                    fault(format!(
                        "it leads to the queue {:?}, which does not exist",
                        queue.as_str()
                    ));
                }
                for number in graph.transfers().filter(|number| Number::read(number, None).is_err())
                {
                    fault(format!("it transfers to {number:?}, which is no number"));
                }
                if config.trunks.is_empty() && graph.transfers().next().is_some() {
                    fault("it transfers to a number, and there is no [[trunks]]".to_owned());
                }
            }
        }
    }
    faults
}

/// The nodes that can be reached from `start`.
fn graph(start: &str, all: &[config::MenuNode]) -> Result<MenuGraph> {
    let mut nodes = BTreeMap::new();
    let mut open = vec![start.to_owned()];
    while let Some(name) = open.pop() {
        if nodes.contains_key(&NodeName::new(&name)) {
            continue;
        }
        let node = match name.split_once(':') {
            Some(("queue", queue)) => Node::Queue(QueueName::new(queue)),
            Some(("transfer", number)) => Node::Transfer(number.to_owned()),
            None if name == "callback" => Node::Callback,
            None if name == "hangup" => Node::Hangup,
            _ => {
                let node = all.iter().find(|node| node.name == name);
                let node = node.with_context(|| {
                    format!("[[menus]]: there is no node {name:?}; add it or correct the name")
                })?;
                let targets =
                    node.keys.values().chain(node.words.values()).chain([&node.otherwise]);
                open.extend(targets.filter(|target| !target.is_empty()).cloned());
                asking(node)?
            }
        };
        nodes.insert(NodeName::new(&name), node);
    }
    MenuGraph::new(NodeName::new(start), nodes).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("[[menus]] {start:?}: {}", errors.join("; "))
    })
}

fn asking(node: &config::MenuNode) -> Result<Node> {
    let prompt = PromptName::new(&node.say);
    if node.otherwise.is_empty() {
        bail!(
            "[[menus]] {:?}: say in `otherwise` where a caller goes who chooses nothing",
            node.name
        );
    }
    let otherwise = NodeName::new(&node.otherwise);
    if node.keys.is_empty() && node.words.is_empty() {
        return Ok(Node::Say { prompt, next: otherwise });
    }
    let keys = node.keys.iter().map(|(key, to)| match key.chars().collect::<Vec<_>>()[..] {
        [key] => Ok((key, NodeName::new(to))),
        _ => bail!("[[menus]] {:?}: {key:?} is not one key", node.name),
    });
    Ok(Node::Ask {
        prompt,
        keys: keys.collect::<Result<_>>()?,
        words: node.words.iter().map(|(word, to)| (word.clone(), NodeName::new(to))).collect(),
        retries: node.tries.saturating_sub(1),
        timeout: Duration::from_secs(node.wait_s),
        otherwise,
    })
}

/// A caller's walk through a menu.
pub struct MenuRun(Menu);

/// What the menu wants next.
pub enum MenuStep {
    /// Say this text under this id.
    Play(u32, String),
    /// Stop what is said.
    Stop,
    /// The menu is over.
    Goto(Destination),
}

impl MenuRun {
    /// At its first node.
    pub fn new(graph: Option<Arc<MenuGraph>>, now: Millis) -> Self {
        let mut menu = Menu::new(graph);
        menu.handle_input(now, Input::Begin);
        Self(menu)
    }

    pub fn key(&mut self, now: Millis, key: char) {
        self.0.handle_input(now, Input::Key(key));
    }

    pub fn words(&mut self, now: Millis, words: &str) {
        self.0.handle_input(now, Input::Words(Pii::new(words.to_owned())));
    }

    pub fn timer(&mut self, now: Millis) {
        self.0.handle_input(now, Input::Timer);
    }

    /// A prompt with an id of the menu's is over.
    pub fn prompt_done(&mut self, now: Millis, id: u32) {
        self.0.handle_input(now, Input::PromptDone { id: PlayId(id - MENU_PROMPTS) });
    }

    pub fn deadline(&self) -> Option<Millis> {
        self.0.next_deadline()
    }

    pub fn next(&mut self) -> Option<MenuStep> {
        Some(match self.0.poll_output()? {
            Output::Play { id, prompt } => {
                MenuStep::Play(MENU_PROMPTS + id.0, prompt.as_str().to_owned())
            }
            Output::StopPrompts => MenuStep::Stop,
            Output::Goto(destination) => MenuStep::Goto(destination),
        })
    }
}
