//! When the citizen waited, read off the call's timeline.

use std::ops::Range;

/// Stretches in which the citizen heard music: on hold, or while a seat asked somebody. `events` are the timeline's
/// times and kinds in their order; a wait that nothing ended lasts until `end_ms`.
pub fn holds<'a>(events: impl IntoIterator<Item = (u64, &'a str)>, end_ms: u64) -> Vec<Range<u64>> {
    let mut holds = Vec::new();
    let (mut held, mut asking): (Option<u64>, Option<u64>) = (None, None);
    let mut close = |since: &mut Option<u64>, at: u64| {
        if let Some(from) = since.take().filter(|from| *from < at) {
            holds.push(from..at);
        }
    };
    for (at, kind) in events {
        match kind {
            "hold" => held = held.or(Some(at)),
            "resume" => close(&mut held, at),
            "consult" => asking = asking.or(Some(at)),
            "joined" | "left" | "nobody_came" | "requeued" => close(&mut asking, at),
            "transfer" => {
                close(&mut held, at);
                close(&mut asking, at);
            }
            _ => {}
        }
    }
    close(&mut held, end_ms);
    close(&mut asking, end_ms);
    super::spans::united(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_the_citizen_is_taken_back_and_at_the_end_at_the_latest() {
        let events = [
            (0, "queued"),
            (5_000, "hold"),
            (9_000, "consult"),
            (9_500, "resume"),
            (20_000, "joined"),
            (30_000, "hold"),
        ];
        assert_eq!(holds(events, 42_000), [5_000..20_000, 30_000..42_000]);
        assert_eq!(holds([(7, "resume"), (8, "left")], 9), []);
        assert_eq!(holds([(1, "hold"), (4, "transfer")], 9), vec![1..4; 1]);
    }
}
