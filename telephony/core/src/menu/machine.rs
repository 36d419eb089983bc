//! One caller in a menu.

use super::check::PERSON_KEY;
use super::phrase::{asks_for_a_person, plain};
use super::{MenuGraph, Node, NodeName, PromptName};
use crate::queue::QueueName;
use qingting_common::{Millis, Pii};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Longest that any prompt may take, in case its end is never reported.
const PROMPT_MAX: Duration = Duration::from_secs(60);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The caller has come.
    Begin,
    /// The caller pressed a key: 0–9, `*`, `#`, A–D.
    Key(char),
    /// The recogniser's final words of one sentence.
    Words(Pii<String>),
    /// A prompt was played to its end.
    PromptDone {
        /// Which; one that was stopped meanwhile is ignored.
        id: PlayId,
    },
    /// The deadline of [`Menu::next_deadline`] has come.
    Timer,
}

/// One thing to do, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Play a prompt to the caller.
    Play {
        /// Comes back in [`Input::PromptDone`].
        id: PlayId,
        /// Which prompt.
        prompt: PromptName,
    },
    /// Stop what is playing.
    StopPrompts,
    /// The menu is over; nothing comes after this.
    Goto(Destination),
}

/// One playing of a prompt, numbered from 1 within its menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlayId(pub u32);

/// Where a menu leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// To the queue of the called number: a person was asked for, or there is no menu.
    OwnQueue,
    /// To another queue.
    Queue(QueueName),
    /// To a target that the called number may transfer to.
    Transfer(String),
    /// The caller is called back.
    Callback,
    /// The call ends.
    Hangup,
}

/// **One caller's way through a menu: it ends exactly once, whatever the caller does or leaves, and
/// `0` or 人工 ends it in the queue of the number.**
///
/// Feed [`Menu::handle_input`], drain [`Menu::poll_output`], sleep to [`Menu::next_deadline`] and
/// feed [`Input::Timer`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Menu {
    graph: Option<Arc<MenuGraph>>,
    state: State,
    outputs: VecDeque<Output>,
    plays: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    /// A prompt is being played; of a question if `left` says how often it may be asked again.
    Playing {
        at: NodeName,
        id: PlayId,
        left: Option<u8>,
        until: Millis,
    },
    /// The question was asked; the caller has the word.
    Listening {
        at: NodeName,
        left: u8,
        until: Millis,
    },
    Over,
}

impl Menu {
    /// A caller before the menu; without one it leads straight to the queue of the number.
    pub const fn new(graph: Option<Arc<MenuGraph>>) -> Self {
        Self { graph, state: State::Idle, outputs: VecDeque::new(), plays: 0 }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to feed [`Input::Timer`]; `None` when nothing is waited for.
    pub const fn next_deadline(&self) -> Option<Millis> {
        match &self.state {
            State::Idle | State::Over => None,
            State::Playing { until, .. } | State::Listening { until, .. } => Some(*until),
        }
    }

    /// Takes one input.
    pub fn handle_input(&mut self, now: Millis, input: Input) {
        match (self.state.clone(), input) {
            (State::Idle, Input::Begin) => match self.graph.clone() {
                Some(graph) => self.enter(now, graph.start()),
                None => self.leave(Destination::OwnQueue),
            },
            (State::Playing { .. } | State::Listening { .. }, Input::Key(PERSON_KEY)) => {
                self.leave_for_a_person();
            }
            (State::Playing { .. } | State::Listening { .. }, Input::Words(said))
                if asks_for_a_person(&plain(said.expose())) =>
            {
                self.leave_for_a_person();
            }
            (State::Playing { at, left, .. }, Input::Key(key)) => self.key(now, &at, left, key),
            (State::Listening { at, left, .. }, Input::Key(key)) => {
                self.key(now, &at, Some(left), key);
            }
            (State::Playing { at, left, .. }, Input::Words(said)) => {
                // Words that nobody expects may be talk beside the telephone: the prompt goes on.
                if let Some(to) = left.and_then(|_| self.answer(&at, &said)) {
                    self.go(now, &to);
                }
            }
            (State::Listening { at, left, .. }, Input::Words(said)) => {
                match self.answer(&at, &said) {
                    Some(to) => self.go(now, &to),
                    None => self.ask_again(now, &at, left),
                }
            }
            (State::Playing { at, id, left, .. }, Input::PromptDone { id: done }) if id == done => {
                self.prompt_over(now, at, left);
            }
            (State::Playing { at, left, until, .. }, Input::Timer) if now >= until => {
                self.outputs.push_back(Output::StopPrompts);
                self.prompt_over(now, at, left);
            }
            (State::Listening { at, left, until }, Input::Timer) if now >= until => {
                self.ask_again(now, &at, left);
            }
            // Early timers, prompts that were stopped, and whatever comes before or after the menu.
            (_, Input::PromptDone { .. } | Input::Timer | Input::Begin)
            | (State::Idle | State::Over, Input::Key(_) | Input::Words(_)) => {}
        }
    }

    fn node(&self, at: &NodeName) -> Option<Node> {
        self.graph.as_ref()?.node(at).cloned()
    }

    /// Begins what stands at a node.
    fn enter(&mut self, now: Millis, at: &NodeName) {
        match self.node(at) {
            Some(Node::Say { prompt, .. }) => self.play(now, at, prompt, None),
            Some(Node::Ask { prompt, retries, .. }) => self.play(now, at, prompt, Some(retries)),
            Some(Node::Queue(queue)) => self.leave(Destination::Queue(queue)),
            Some(Node::Transfer(target)) => self.leave(Destination::Transfer(target)),
            Some(Node::Callback) => self.leave(Destination::Callback),
            Some(Node::Hangup) => self.leave(Destination::Hangup),
            // `MenuGraph::new` lets no such way in; a person is never wrong.
            None => self.leave(Destination::OwnQueue),
        }
    }

    /// An answer cuts what is being said.
    fn go(&mut self, now: Millis, to: &NodeName) {
        self.stop();
        self.enter(now, to);
    }

    /// A key answers the question, cuts what is only said, and is taken for the question behind it:
    /// who calls often types ahead.
    fn key(&mut self, now: Millis, at: &NodeName, left: Option<u8>, key: char) {
        let mut at = at.clone();
        while let Some(Node::Say { next, .. }) = self.node(&at) {
            at = next;
        }
        let to = match self.node(&at) {
            Some(Node::Ask { keys, .. }) => keys.get(&key).cloned(),
            _ => None,
        };
        match (to, left) {
            (Some(to), _) => self.go(now, &to),
            (None, Some(left)) => self.ask_again(now, &at, left),
            (None, None) => self.go(now, &at),
        }
    }

    fn answer(&self, at: &NodeName, said: &Pii<String>) -> Option<NodeName> {
        self.node(at)?.answered_by(&plain(said.expose())).cloned()
    }

    fn ask_again(&mut self, now: Millis, at: &NodeName, left: u8) {
        self.stop();
        let Some(Node::Ask { prompt, otherwise, .. }) = self.node(at) else { return };
        match left.checked_sub(1) {
            Some(left) => self.play(now, at, prompt, Some(left)),
            None => self.enter(now, &otherwise),
        }
    }

    fn prompt_over(&mut self, now: Millis, at: NodeName, left: Option<u8>) {
        match (self.node(&at), left) {
            (Some(Node::Ask { timeout, .. }), Some(left)) => {
                self.state = State::Listening { at, left, until: now + timeout };
            }
            (Some(Node::Say { next, .. }), _) => self.enter(now, &next),
            _ => self.leave(Destination::OwnQueue),
        }
    }

    fn play(&mut self, now: Millis, at: &NodeName, prompt: PromptName, left: Option<u8>) {
        self.plays += 1;
        let id = PlayId(self.plays);
        self.outputs.push_back(Output::Play { id, prompt });
        self.state = State::Playing { at: at.clone(), id, left, until: now + PROMPT_MAX };
    }

    fn leave_for_a_person(&mut self) {
        self.stop();
        self.leave(Destination::OwnQueue);
    }

    fn stop(&mut self) {
        if matches!(self.state, State::Playing { .. }) {
            self.outputs.push_back(Output::StopPrompts);
        }
    }

    fn leave(&mut self, to: Destination) {
        self.outputs.push_back(Output::Goto(to));
        self.state = State::Over;
    }
}
