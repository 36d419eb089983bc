//! How many calls may begin now.

use qingting_common::UnixMillis;

/// The caps of a campaign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caps {
    /// Its calls at once.
    pub concurrent_max: u32,
    /// Calls that begin in a second, over all servers; a fraction is one in several seconds.
    pub per_second_max: f64,
    /// Lines of the trunk that stay free for citizens who call.
    pub lines_reserved: u32,
}

/// What runs now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Attempts of this campaign that are under way, on all servers.
    pub running: u32,
    /// Lines of the trunk that are free here; none where the trunk has no known number of them.
    pub lines_free: Option<u32>,
    /// When the campaign's last attempt began.
    pub last_began: Option<UnixMillis>,
}

impl Caps {
    /// How many calls may begin now: none, or one where the pace allows it. More than one at once never
    /// begins; the next look comes soon enough.
    pub fn allows(&self, now: UnixMillis, load: Load) -> bool {
        let has_place = load.running < self.concurrent_max;
        let has_line = load.lines_free.is_none_or(|free| free > self.lines_reserved);
        has_place && has_line && self.soonest(load.last_began).is_none_or(|at| now >= at)
    }

    /// When the pace allows the next call.
    pub fn soonest(&self, last_began: Option<UnixMillis>) -> Option<UnixMillis> {
        let apart_ms = (1_000.0 / self.per_second_max.max(0.001)).ceil();
        last_began.map(|at| UnixMillis(at.0 + apart_ms as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps { concurrent_max: 2, per_second_max: 0.5, lines_reserved: 3 };

    fn load(running: u32, lines_free: Option<u32>, last_began: Option<i64>) -> Load {
        Load { running, lines_free, last_began: last_began.map(UnixMillis) }
    }

    #[test]
    fn places_lines_and_pace_are_kept() {
        let now = UnixMillis(10_000);
        assert!(CAPS.allows(now, load(1, Some(4), Some(8_000))));
        assert!(!CAPS.allows(now, load(2, Some(4), None)), "two run");
        assert!(!CAPS.allows(now, load(0, Some(3), None)), "three lines are for citizens");
        assert!(!CAPS.allows(now, load(0, None, Some(8_001))), "one in two seconds");
        assert!(CAPS.allows(now, load(0, None, None)));
    }
}
