//! One heap for every timer, entries deleted lazily.

use super::call::CallKey;
use super::table::TxId;
use qingting_common::Millis;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Whose timer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    Server(TxId),
    Client(TxId),
    Call(CallKey),
}

/// Stale entries that are borne beside as many as there are owners.
const STALE_MIN: usize = 1_024;

/// **Setting and firing cost O(log n), forgetting nothing at all**: an entry whose owner has gone
/// or has another deadline is skipped when its time comes, or swept out when there are more of them
/// than of the others.
#[derive(Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Millis, Wake)>>);

impl Timers {
    /// Makes sure that an owner is woken by its deadline. `scheduled` is the owner's record of its
    /// earliest entry: a later deadline needs no entry of its own, it is set when that one fires.
    pub(super) fn arm(
        &mut self,
        scheduled: &mut Option<Millis>,
        deadline: Option<Millis>,
        wake: Wake,
    ) {
        let Some(deadline) = deadline else { return };
        if scheduled.is_none_or(|at| deadline < at) {
            *scheduled = Some(deadline);
            self.0.push(Reverse((deadline, wake)));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a sweep would pay: most entries are stale.
    pub(super) fn is_stale(&self, owners: usize) -> bool {
        self.0.len() > 2 * owners + STALE_MIN
    }

    /// Keeps the entries that still count.
    pub(super) fn sweep(&mut self, counts: impl Fn(Millis, Wake) -> bool) {
        self.0.retain(|Reverse((at, wake))| counts(*at, *wake));
    }

    pub(super) fn next(&self) -> Option<Millis> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// The next entry that is due.
    pub(super) fn pop(&mut self, now: Millis) -> Option<(Millis, Wake)> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_deadline_adds_no_entry_and_an_earlier_one_does() {
        let (mut timers, mut scheduled) = (Timers::default(), None);
        let wake = Wake::Server(TxId(1));
        for at in [500, 700, 500, 900, 200] {
            timers.arm(&mut scheduled, Some(Millis(at)), wake);
        }
        assert_eq!((timers.0.len(), timers.next()), (2, Some(Millis(200))));
        assert_eq!(timers.pop(Millis(100)), None);
        assert_eq!(timers.pop(Millis(300)), Some((Millis(200), wake)));
    }
}
