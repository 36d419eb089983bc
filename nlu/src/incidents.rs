//! Hints that many calls are about one thing: the same place, the same matter, within an hour.
//!
//! **A hint needs [`CALLS_MIN`] callers within [`WINDOW_MS`] and [`USUAL_FACTOR`] times the calls that the
//! place usually has in that time**: a large estate that calls every hour is no incident. One caller counts
//! once, and so does one call, however often it is looked at.

use crate::repeats::{PlaceMatch, Topic, Topics, compare_places, place_name};
use qingting_common::{CallId, UnixMillis};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

/// How far back calls are counted.
pub const WINDOW_MS: i64 = 3_600_000;
/// Callers from which on there is an incident.
pub const CALLS_MIN: usize = 5;
/// So many times the usual calls there must be.
pub const USUAL_FACTOR: f32 = 3.0;
/// How far back the usual rate reaches: a call of so long ago counts 1/e.
pub const USUAL_MS: i64 = 7 * 86_400_000;
/// From this likeness of words on, two calls are about one matter.
pub const ALIKE_MIN: f32 = 0.2;
/// Calls of the window that are remembered; beyond it the oldest go.
pub const CALLS_KEPT_MAX: usize = 5_000;
/// Places whose usual rate is remembered; beyond it the quietest go.
pub const PLACES_KEPT_MAX: usize = 20_000;

/// What a call is about, as far as it is known. `Debug` is not there: it holds the caller's words.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// The call.
    pub call: CallId,
    /// The caller's number; none if it was not shown.
    pub caller: Option<&'a str>,
    /// 事发地点.
    pub place: &'a str,
    /// 事项分类.
    pub category: Option<&'a str>,
    /// Title and description.
    pub words: &'a str,
    /// When the call came in.
    pub at: UnixMillis,
}

/// Many calls about one thing. `Debug` leaves out what was said.
#[derive(Clone, PartialEq)]
pub struct Incident {
    /// The place, without doors.
    pub place: String,
    /// What the calls have in common: words, at most three.
    pub words: Vec<String>,
    /// The calls, oldest first.
    pub calls: Vec<CallId>,
    /// When the first of them came in.
    pub since: UnixMillis,
    /// When the last did.
    pub last: UnixMillis,
    /// Calls that the place usually has in [`WINDOW_MS`].
    pub usual: f32,
}

impl fmt::Debug for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incident")
            .field("calls", &self.calls)
            .field("usual", &self.usual)
            .finish_non_exhaustive()
    }
}

/// Counts calls by place and matter.
pub struct Incidents {
    topics: Topics,
    seen: VecDeque<Seen>,
    usual: HashMap<String, Rate>,
    running: HashMap<String, Incident>,
}

struct Seen {
    call: CallId,
    caller: Option<String>,
    place: String,
    category: Option<String>,
    topic: Topic,
    at: UnixMillis,
}

/// Calls of a place, each worth less the longer ago it was.
#[derive(Clone, Copy)]
struct Rate {
    calls: f32,
    at: UnixMillis,
}

impl Rate {
    fn at(self, now: UnixMillis) -> f32 {
        let age = now.0.saturating_sub(self.at.0).max(0);
        self.calls * (-(age as f32) / USUAL_MS as f32).exp()
    }
}

impl Default for Incidents {
    fn default() -> Self {
        Self::new()
    }
}

impl Incidents {
    /// Nothing was seen yet.
    pub fn new() -> Self {
        Self {
            topics: Topics::new(),
            seen: VecDeque::new(),
            usual: HashMap::new(),
            running: HashMap::new(),
        }
    }

    /// Takes what is known of a call now; what was known of it before counts no more. Gives the incident
    /// that it belongs to when that has another call than before.
    pub fn observe(&mut self, report: &Report<'_>) -> Option<Incident> {
        let name = place_name(report.place)?;
        let is_new = !self.seen.iter().any(|seen| seen.call == report.call);
        self.seen.retain(|seen| seen.call != report.call);
        self.forget(report.at);
        self.seen.push_back(Seen {
            call: report.call,
            caller: report.caller.map(str::to_owned),
            place: report.place.to_owned(),
            category: report.category.map(str::to_owned),
            topic: self.topics.of(report.words, Some(report.place)),
            at: report.at,
        });
        let usual = self.usual(&name, report.at, is_new);
        let incident = self.incident(usual)?;
        let known = self.running.insert(incident.place.clone(), incident.clone());
        known.is_none_or(|known| known.calls != incident.calls).then_some(incident)
    }

    /// Incidents whose last call is not longer ago than [`WINDOW_MS`], the newest first.
    pub fn running(&self, now: UnixMillis) -> Vec<Incident> {
        let is_recent = |incident: &&Incident| now.0.saturating_sub(incident.last.0) <= WINDOW_MS;
        let mut running: Vec<Incident> = self.running.values().filter(is_recent).cloned().collect();
        running.sort_by_key(|incident| std::cmp::Reverse(incident.last.0));
        running
    }

    /// The calls around the last one, if they are enough.
    fn incident(&self, usual: f32) -> Option<Incident> {
        let last = self.seen.back()?;
        let mut callers = HashSet::new();
        let mut of_it: Vec<&Seen> = self
            .seen
            .iter()
            .filter(|seen| seen.is_about(last))
            .filter(|seen| seen.caller.as_ref().is_none_or(|caller| callers.insert(caller)))
            .collect();
        of_it.sort_by_key(|seen| seen.at.0);
        let enough = of_it.len() >= CALLS_MIN && of_it.len() as f32 >= USUAL_FACTOR * usual;
        let alike = of_it.iter().filter(|seen| seen.call != last.call);
        let alike = alike
            .max_by(|a, b| last.topic.likeness(&a.topic).total_cmp(&last.topic.likeness(&b.topic)));
        // Some callers say the road, too; the shortest name is the one that all have.
        let names = of_it.iter().filter_map(|seen| place_name(&seen.place));
        let place = names.min_by_key(|name| name.chars().count())?;
        enough.then(|| Incident {
            place,
            words: alike.map(|seen| last.topic.shared(&seen.topic)).unwrap_or_default(),
            calls: of_it.iter().map(|seen| seen.call).collect(),
            since: of_it[0].at,
            last: of_it[of_it.len() - 1].at,
            usual,
        })
    }

    /// What the place usually has in the window, without the call that is counted now.
    fn usual(&mut self, name: &str, now: UnixMillis, is_new: bool) -> f32 {
        let before = self.usual.get(name).map_or(0.0, |rate| rate.at(now));
        let calls = before + if is_new { 1.0 } else { 0.0 };
        self.usual.insert(name.to_owned(), Rate { calls, at: now });
        before * WINDOW_MS as f32 / USUAL_MS as f32
    }

    fn forget(&mut self, now: UnixMillis) {
        let is_old = |at: UnixMillis| now.0.saturating_sub(at.0) > WINDOW_MS;
        self.seen.retain(|seen| !is_old(seen.at));
        while self.seen.len() >= CALLS_KEPT_MAX {
            self.seen.pop_front();
        }
        self.running.retain(|_, incident| !is_old(incident.last));
        if self.usual.len() >= PLACES_KEPT_MAX {
            let mut rates: Vec<f32> = self.usual.values().map(|rate| rate.at(now)).collect();
            let middle = rates.len() / 2;
            let (_, median, _) = rates.select_nth_unstable_by(middle, f32::total_cmp);
            let median = *median;
            self.usual.retain(|_, rate| rate.at(now) > median);
        }
    }
}

impl Seen {
    fn is_about(&self, other: &Self) -> bool {
        let is_there = compare_places(&self.place, &other.place) != PlaceMatch::Other;
        let same_category = self.category.is_some() && self.category == other.category;
        is_there && (same_category || self.topic.likeness(&other.topic) >= ALIKE_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const MINUTE: i64 = 60_000;

    fn report<'a>(
        call: u128,
        caller: &'a str,
        place: &'a str,
        words: &'a str,
        minute: i64,
    ) -> Report<'a> {
        Report {
            call: CallId::new(Uuid::from_u128(call)),
            caller: Some(caller),
            place,
            category: None,
            words,
            at: UnixMillis(minute * MINUTE),
        }
    }

    const CALLERS: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];
    const OUTAGES: [&str; 5] = [
        "小区停水了一直没有来水",
        "家里停水没人通知",
        "从早上开始停水什么时候来水",
        "怎么又停水了",
        "停水两个小时了",
    ];

    #[test]
    fn five_callers_from_one_place_about_one_matter_are_an_incident() {
        let mut incidents = Incidents::new();
        let doors = [
            "幸福里小区三栋",
            "幸福里小区",
            "人民路幸福里小区5栋",
            "幸福里小区一单元",
            "幸福里小区",
        ];
        for at in 0..4 {
            let now = report(at as u128, CALLERS[at], doors[at], OUTAGES[at], at as i64 * 10);
            assert_eq!(incidents.observe(&now), None);
        }
        let last = report(4, CALLERS[4], doors[4], OUTAGES[4], 50);
        let incident = incidents.observe(&last).unwrap();
        assert_eq!((incident.calls.len(), incident.since), (5, UnixMillis(0)));
        assert_eq!(incident.place, "幸福里小区");
        assert_eq!(incident.words, ["停水"]);
        assert_eq!(incidents.observe(&last), None, "the same calls are no news");
        assert_eq!(incidents.running(UnixMillis(51 * MINUTE)).len(), 1);
        assert!(incidents.running(UnixMillis(50 * MINUTE + WINDOW_MS + 1)).is_empty());
    }

    #[test]
    fn one_caller_other_places_other_matters_and_a_longer_time_are_none() {
        let outage = OUTAGES[0];
        let mut of_one = Incidents::new();
        let mut apart = Incidents::new();
        let mut other_matters = Incidents::new();
        let mut slow = Incidents::new();
        let places = ["幸福里小区", "月亮湾小区", "阳光花园", "翡翠城小区", "碧水云天"];
        let matters = ["停水了", "垃圾没人清运", "广场舞太吵", "电梯故障停运", "路灯不亮"];
        for at in 0..5 {
            let (call, minute) = (at as u128, at as i64);
            assert_eq!(of_one.observe(&report(call, "1", places[0], outage, minute)), None);
            assert_eq!(apart.observe(&report(call, CALLERS[at], places[at], outage, minute)), None);
            let other = report(call, CALLERS[at], places[0], matters[at], minute);
            assert_eq!(other_matters.observe(&other), None);
            let later = report(call, CALLERS[at], places[0], outage, minute * 16);
            assert_eq!(slow.observe(&later), None);
        }
    }

    #[test]
    fn a_place_that_always_calls_needs_more() {
        let mut incidents = Incidents::new();
        let week = 7 * 24 * 60;
        // Six calls an hour for two weeks, each of another caller.
        let mut call = 0;
        let mut hints = 0;
        for minute in (0..2 * week).step_by(10) {
            let caller = format!("{call}");
            let now = report(call, &caller, "幸福里小区", OUTAGES[0], minute);
            let hinted = incidents.observe(&now).is_some();
            // Until the rate is known the first hours look unusual.
            hints += u32::from(hinted && minute > week);
            call += 1;
        }
        assert_eq!(hints, 0);
        let mut hinted = false;
        for minute in 2 * week..2 * week + 40 {
            let caller = format!("{call}");
            hinted |= incidents
                .observe(&report(call, &caller, "幸福里小区", OUTAGES[0], minute))
                .is_some();
            call += 1;
        }
        assert!(hinted);
    }
}
