//! How often a question is asked, in which words.

use crate::script::Ask;
use qingting_common::Millis;

/// Where a citizen is with one question.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asking {
    /// When it was asked first: what was said earlier answers another question.
    pub(super) since: Option<Millis>,
    silent: u8,
    unclear: u8,
    /// The wording that names the keys was used, or is wanted next.
    by_keys: bool,
    /// What was understood with little confidence was repeated already.
    pub(super) confirmed_once: bool,
}

/// Why a question is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Silent,
    Unclear,
    /// What was understood was wrong.
    Denied,
}

impl Asking {
    /// Counts another failure; whether the question is asked once more.
    pub(super) fn again(&mut self, ask: &Ask, why: Why) -> bool {
        let (count, most) = match why {
            Why::Silent => (&mut self.silent, ask.silent_max),
            Why::Unclear | Why::Denied => (&mut self.unclear, ask.unclear_max),
        };
        if *count >= most {
            return false;
        }
        *count += 1;
        // The last asking names the keys, and so does the one after a wrong guess.
        self.by_keys = *count == most || why == Why::Denied;
        true
    }

    /// The words for this asking.
    pub(super) fn wording<'a>(&self, ask: &'a Ask) -> &'a str {
        let times = usize::from(self.silent) + usize::from(self.unclear);
        if times == 0 {
            return &ask.say;
        }
        if self.by_keys && !ask.by_keys.is_empty() {
            return &ask.by_keys;
        }
        ask.again.get(times - 1).or(ask.again.last()).unwrap_or(&ask.say)
    }
}
