//! A table of bounded size that forgets what was not touched for longest.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// **Never holds more than its cap**: a new key takes the place of the one touched longest ago.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: HashMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
    stamp: u64,
    max: usize,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), stamp: 0, max }
    }

    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some((stamp, _)) = self.entries.remove(key) {
            self.order.remove(&stamp);
        }
    }

    /// The value of a key, made when there is none, and counted as touched.
    pub(crate) fn touch(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        self.stamp += 1;
        let stamp = self.stamp;
        if let Some((old, _)) = self.entries.get(key) {
            self.order.remove(old);
        } else if self.entries.len() >= self.max
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.order.insert(stamp, key.clone());
        let entry = self.entries.entry(key.clone()).or_insert_with(|| (stamp, make()));
        entry.0 = stamp;
        &mut entry.1
    }
}

/// What counts as one source: an IPv4 address, or the /64 that one IPv6 subscriber has.
pub(crate) fn source_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_touched_longest_ago_makes_room() {
        let mut recent = Recent::new(2);
        recent.touch(&"a", || 1);
        recent.touch(&"b", || 2);
        recent.touch(&"a", || 9);
        recent.touch(&"c", || 3);
        let held = ["a", "b", "c"].map(|key| recent.peek(&key).copied());
        assert_eq!((held, recent.len()), ([Some(1), None, Some(3)], 2));
        recent.remove(&"a");
        assert_eq!((recent.len(), recent.order.len()), (1, 1));
    }

    #[test]
    fn one_subscriber_is_one_source() {
        let same =
            |a: &str, b: &str| source_of(a.parse().unwrap()) == source_of(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1") && !same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1") && !same("10.0.0.1", "10.0.0.2"));
    }
}
