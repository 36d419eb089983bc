//! Whose connection makes room for another when all places are taken.

use crate::transport::Link;
use qingting_common::Millis;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// What claim a connection has to its place, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It never said anything.
    Silent,
    /// It did, but is nobody's whom we know.
    Heard,
    /// A registered user's, one that is vouched for, or made by us. It makes no room.
    Known,
}

/// How often all of those that we know are looked at again, at most: that is as much work as there are connections.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// **The connections in the order in which they make room**: by what claim they have, then by who was silent for longest.
#[derive(Default)]
pub(super) struct Places {
    order: BTreeSet<(Standing, u64, Link)>,
    of: HashMap<Link, (Standing, u64)>,
    last: u64,
    looked: Option<Millis>,
}

impl Places {
    /// A connection came, or said something.
    pub(super) fn set(&mut self, link: Link, standing: Standing) {
        self.remove(link);
        self.last += 1;
        self.of.insert(link, (standing, self.last));
        self.order.insert((standing, self.last, link));
    }

    /// One that we know may be nobody's meanwhile; it goes behind those that spoke lately.
    pub(super) fn set_if_changed(&mut self, link: Link, standing: Standing) {
        if self.of.get(&link).is_some_and(|(known, _)| *known != standing) {
            self.set(link, standing);
        }
    }

    /// A connection is gone.
    pub(super) fn remove(&mut self, link: Link) {
        if let Some((standing, stamp)) = self.of.remove(&link) {
            self.order.remove(&(standing, stamp, link));
        }
    }

    /// Who makes room first; `None` when all are of somebody whom we know.
    pub(super) fn least(&self) -> Option<Link> {
        let (standing, _, link) = self.order.first()?;
        (*standing < Standing::Known).then_some(*link)
    }

    /// Whether all may be looked at again.
    pub(super) fn may_look(&mut self, now: Millis) -> bool {
        let may = self.looked.is_none_or(|at| now - at >= LOOK_EVERY);
        if may {
            self.looked = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Heard, Known, Silent};

    #[test]
    fn the_silent_go_first_then_strangers_and_those_that_we_know_stay() {
        let mut places = Places::default();
        for (link, standing) in [(1, Known), (2, Silent), (3, Silent), (4, Silent), (5, Silent)] {
            places.set(Link(link), standing);
        }
        places.set(Link(2), Heard);
        places.set(Link(3), Heard);
        places.set(Link(4), Known);
        places.set(Link(2), Heard);
        let mut gone = Vec::new();
        while let Some(link) = places.least() {
            gone.push(link.0);
            places.remove(link);
        }
        assert_eq!(gone, [5, 3, 2]);
        places.set_if_changed(Link(1), Known);
        places.set_if_changed(Link(4), Heard);
        assert_eq!((places.least(), places.of.len()), (Some(Link(4)), 2));
        assert!(places.may_look(Millis(5)) && !places.may_look(Millis(1_004)));
        assert!(places.may_look(Millis(1_005)));
    }
}
