//! The machine itself.

use super::{CallConfig, Input, LegId, Origin, Output};
use qingting_common::Millis;
use std::collections::VecDeque;

/// **One call: exactly one final response to every INVITE, a stored ticket draft before any answer,
/// and an end that leaves nothing open, whatever arrives in whatever order.**
///
/// Feed [`Call::handle_input`], drain [`Call::poll_output`], sleep to [`Call::next_deadline`] and
/// feed [`Input::Timer`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    config: CallConfig,
    origin: Origin,
    outputs: VecDeque<Output>,
}

impl Call {
    /// A call that has not begun.
    pub const fn new(config: CallConfig, origin: Origin) -> Self {
        Self { config, origin, outputs: VecDeque::new() }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to feed [`Input::Timer`]; `None` when nothing is waited for.
    pub fn next_deadline(&self) -> Option<Millis> {
        None
    }

    /// Whether the call is over and all that is left is in [`Call::poll_output`].
    pub const fn is_over(&self) -> bool {
        false
    }

    /// A leg for [`Input::SecondLine`] or [`Input::Replace`]; `None` when all are taken, and then
    /// the driver answers 486.
    pub fn free_leg(&self) -> Option<LegId> {
        None
    }

    /// Takes one input. Inputs must be fed in the order of their times.
    pub fn handle_input(&mut self, _now: Millis, _input: Input) {}
}
