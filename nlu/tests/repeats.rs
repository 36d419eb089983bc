//! Which earlier tickets a seat is shown as likely repeats, and why.

use qingting_common::UnixMillis;
use qingting_nlu::repeats::{Appeal, Earlier, REPEAT_MIN, Reason, Repeats};

const DAY_MS: i64 = 86_400_000;
const NOW: UnixMillis = UnixMillis(1_773_000_000_000);

struct Pair<'a> {
    is_repeat: bool,
    earlier: Appeal<'a>,
    present: Appeal<'a>,
    line: &'a str,
}

fn pairs(file: &str) -> Vec<Pair<'_>> {
    let lines = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(pair).collect()
}

fn pair(line: &str) -> Pair<'_> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let head: Vec<&str> = cells[0].split_whitespace().collect();
    let days: i64 = head[2].parse().unwrap();
    let appeal = |from: usize, caller, at| Appeal {
        caller: Some(caller),
        place: Some(cells[from]).filter(|place| *place != "-"),
        category: Some(cells[from + 1]),
        words: cells[from + 2],
        at,
    };
    let other = if head[1] == "same" { "13900000001" } else { "13900000002" };
    Pair {
        is_repeat: head[0] == "repeat",
        earlier: appeal(1, "13900000001", UnixMillis(NOW.0 - days * DAY_MS)),
        present: appeal(4, other, NOW),
        line,
    }
}

/// Precision and recall in percent.
fn figures(name: &str, file: &str, listed: bool) -> (u32, u32) {
    let repeats = Repeats::new();
    let (mut right, mut wrong, mut missed) = (0, 0, 0);
    let pairs = pairs(file);
    for pair in &pairs {
        let score = repeats.likeness(&pair.present, &pair.earlier);
        let is_shown = score >= REPEAT_MIN;
        right += u32::from(is_shown && pair.is_repeat);
        wrong += u32::from(is_shown && !pair.is_repeat);
        missed += u32::from(!is_shown && pair.is_repeat);
        if listed && is_shown != pair.is_repeat {
            println!("{score:.2} {}", pair.line);
        }
    }
    println!("{name}: {} pairs, right {right}, wrong {wrong}, missed {missed}", pairs.len());
    (right * 100 / (right + wrong).max(1), right * 100 / (right + missed).max(1))
}

#[test]
fn repeats_are_told_from_the_same_trouble_elsewhere_and_from_other_matters() {
    let (precision, recall) = figures("dev", include_str!("repeats/dev.txt"), true);
    assert!(precision >= 95 && recall >= 92, "{precision} {recall}");
    let (precision, recall) = figures("held out", include_str!("repeats/held_out.txt"), false);
    assert!(precision >= 90 && recall >= 80, "{precision} {recall}");
    let (precision, recall) = figures("fresh", include_str!("repeats/fresh.txt"), false);
    assert!(precision >= 75 && recall >= 65, "{precision} {recall}");
}

fn appeal<'a>(caller: &'a str, place: &'a str, words: &'a str, days_ago: i64) -> Appeal<'a> {
    let at = UnixMillis(NOW.0 - days_ago * DAY_MS);
    Appeal { caller: Some(caller), place: Some(place), category: None, words, at }
}

#[test]
fn reasons_say_what_the_rank_rests_on() {
    let repeats = Repeats::new();
    let present = appeal("1", "阳光花园小区三栋", "楼下饭店油烟很大", 0);
    let tickets = [
        ("20260301-000001", appeal("1", "阳光花园小区3栋", "楼下饭店的油烟呛人", 3)),
        ("20260302-000001", appeal("2", "阳光花园小区5栋", "楼下饭店油烟太大了", 2)),
        ("20260303-000001", appeal("1", "阳光花园小区", "孩子上学怎么报名", 1)),
    ];
    let tickets = tickets.iter().map(|(number, appeal)| (*number, *number, *appeal));
    let ranked = repeats.rank(&present, Earlier::default(), tickets);
    assert_eq!(ranked[0].ticket, "20260301-000001");
    let said: Vec<String> = ranked[0].reasons.iter().map(Reason::text_zh).collect();
    assert_eq!(
        said,
        ["同一来电号码", "同一地点：阳光花园小区3栋", "事项相近：楼下饭店、油烟", "3天前来电"]
    );
    assert!(ranked.iter().all(|repeat| repeat.ticket != "20260303-000001"));
}

#[test]
fn a_number_that_the_caller_says_finds_its_ticket_whatever_it_is_about() {
    let repeats = Repeats::new();
    let present = appeal("1", "月亮湾", "我上次的工单怎么样了", 0);
    let old = ("20250101-000123", appeal("2", "翠湖路", "路灯坏了", 400));
    let tickets = || [old].into_iter().map(|(number, appeal)| (number, number, appeal));
    assert!(repeats.rank(&present, Earlier::default(), tickets()).is_empty());
    let said = Earlier { number: Some("20250101000123"), meant: true };
    let ranked = repeats.rank(&present, said, tickets());
    assert_eq!(ranked[0].reasons[0], Reason::Number);
    let said = Earlier { number: Some("20250101000124"), meant: true };
    assert!(repeats.rank(&present, said, tickets()).is_empty());
}

#[test]
fn nothing_known_is_no_repeat() {
    let repeats = Repeats::new();
    let nothing = Appeal { caller: None, place: None, category: None, words: "", at: NOW };
    assert!(repeats.likeness(&nothing, &nothing) < REPEAT_MIN);
    let later = Appeal { at: UnixMillis(NOW.0 + 1), ..appeal("1", "翠湖路", "路灯坏了", 0) };
    assert_eq!(repeats.likeness(&appeal("1", "翠湖路", "路灯坏了", 0), &later), 0.0, "not earlier");
}
