//! How much of the machine other processes use: a decode on two cores that shares one of them takes longer
//! than on one, because its threads wait for each other at every step.

use crate::clock::process_cpu_ms;

/// Cores in use by others from which on every decode keeps to one.
const BUSY_CORES_MAX: f64 = 0.25;
/// Shorter stretches are too coarse: the kernel counts in steps of 10 ms.
const STRETCH_MS_MIN: u64 = 500;
/// Linux's `USER_HZ`.
const MS_PER_TICK: u64 = 10;

/// Processor time at a moment, in ms.
#[derive(Clone, Copy)]
struct Spent {
    at_ms: u64,
    all_ms: u64,
    own_ms: u64,
}

/// What was spent when it was last looked.
#[derive(Default)]
pub(super) struct Neighbours(Option<Spent>);

impl Neighbours {
    /// Whether others are busy, once enough time has passed since the last answer. Where the system does not
    /// tell, they are.
    pub(super) fn are_busy(&mut self, now_ms: u64) -> Option<bool> {
        let before = self.0;
        if before.is_some_and(|before| now_ms - before.at_ms < STRETCH_MS_MIN) {
            return None;
        }
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let Some(all_ms) = busy_ms(&stat) else { return Some(true) };
        let now = Spent { at_ms: now_ms, all_ms, own_ms: process_cpu_ms() };
        self.0 = Some(now);
        Some(cores_of_others(before?, now) > BUSY_CORES_MAX)
    }
}

fn cores_of_others(before: Spent, now: Spent) -> f64 {
    let all = now.all_ms.saturating_sub(before.all_ms);
    let own = now.own_ms.saturating_sub(before.own_ms);
    all.saturating_sub(own) as f64 / now.at_ms.saturating_sub(before.at_ms).max(1) as f64
}

/// Everything but idle and waiting for disks, of all cores.
fn busy_ms(stat: &str) -> Option<u64> {
    let all = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = all.split_whitespace().map_while(|ticks| ticks.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    Some((user + nice + system + irq + softirq + steal) * MS_PER_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_use_is_all_but_ours() {
        let busy = busy_ms("cpu  100 20 30 9000 50 1 2 3 0 0\ncpu0 1 2 3\n");
        assert_eq!(busy, Some(1_560));
        assert_eq!(busy_ms(""), None);
        assert_eq!(busy_ms("cpu  1 2 3\n"), None);
        let spent = |at_ms, all_ms, own_ms| Spent { at_ms, all_ms, own_ms };
        let others = cores_of_others(spent(0, 1_000, 500), spent(1_000, 2_800, 1_500));
        assert!((others - 0.8).abs() < 1e-9);
        assert_eq!(cores_of_others(spent(0, 0, 0), spent(1_000, 90, 100)), 0.0);
    }

    #[test]
    fn it_is_asked_again_after_a_while() {
        let mut neighbours = Neighbours::default();
        assert_eq!(neighbours.are_busy(0), None, "nothing to compare with");
        assert_eq!(neighbours.are_busy(STRETCH_MS_MIN - 1), None);
        assert!(neighbours.are_busy(STRETCH_MS_MIN).is_some());
    }
}
