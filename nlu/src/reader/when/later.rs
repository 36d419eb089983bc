//! Times at which somebody wants to be called: 明天下午三点以后, 下班以后, 过半个小时, 随时.

use super::super::LocalTime;
use super::super::lexicon::starts;
use super::super::number::{digit, in_number, number};
use super::clock::{self, Part};
use std::ops::Range;

/// A time that was said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Later {
    /// Where it stands.
    pub(crate) range: Range<usize>,
    /// The first minute that fits the words, where they and the clock make it certain. A day alone
    /// begins at midnight: the hours of calling are the caller's business.
    pub(crate) earliest: Option<LocalTime>,
}

/// Days from today.
const DAYS: [(&str, i64); 8] = [
    ("大后天", 3),
    ("今天", 0),
    ("今儿", 0),
    ("今晚", 0),
    ("明天", 1),
    ("明儿", 1),
    ("明晚", 1),
    ("后天", 2),
];
/// Days that are over, as they stand in front of a part of the day.
const PAST_DAYS: [&str; 7] = ["昨天", "前天", "那天", "当天", "昨", "前", "当"];
/// Longest of these, and of a week with its day.
const PAST_CHARS_MAX: usize = 5;
/// The same in front of a day of the week.
const PAST_WEEKS: [&str; 6] = ["上周", "上星期", "上礼拜", "上个周", "上个星期", "上个礼拜"];
/// Days without a date.
const VAGUE_DAYS: [&str; 9] = [
    "周末",
    "双休日",
    "休息日",
    "工作日",
    "平时",
    "星期六星期天",
    "周六周日",
    "礼拜六礼拜天",
    "周六日",
];
/// Times without a clock; the longest first where one begins another.
const SPECIAL: [&str; 36] = [
    "下班以后",
    "下班之后",
    "下班后",
    "下了班",
    "下班",
    "放学以后",
    "放学后",
    "吃完饭以后",
    "吃完饭",
    "吃过饭",
    "上班时间",
    "上班期间",
    "上班的时候",
    "上班之前",
    "上班前",
    "午休",
    "睡午觉",
    "随时随地",
    "随时",
    "任何时候",
    "任何时间",
    "什么时候都",
    "啥时候都",
    "几点都",
    "白天",
    "过一会儿",
    "过一会",
    "一会儿",
    "过会儿",
    "等会儿",
    "等会",
    "待会儿",
    "晚点",
    "晚些时候",
    "过两天",
    "过几天",
];
/// What may stand behind a clock time.
const SUFFIXES: [&str; 11] =
    ["以后", "之后", "过后", "以前", "之前", "左右", "之间", "后", "前", "都", "再"];
/// When a part of the day begins.
const PART_HOURS: [(Part, u8); 5] = [
    (Part::Early, 0),
    (Part::Morning, 8),
    (Part::Noon, 12),
    (Part::Afternoon, 13),
    (Part::Night, 18),
];

/// All times in the order of the text, none within another.
pub(crate) fn all(chars: &[char], now: LocalTime) -> Vec<Later> {
    let mut found: Vec<Later> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let runs_on = at > 0 && in_number(chars[at]) && in_number(chars[at - 1]);
        let later = if runs_on { None } else { later(chars, at, now) };
        let start = at;
        at = later.as_ref().map_or(at + 1, |later| later.range.end);
        found.extend(later.filter(|_| !is_behind_a_past_day(chars, start)));
    }
    found
}

/// 昨晚七点, 昨天下午三点, 上周三上午: what follows a past day is past, and so is the 周三 of 上周三.
fn is_behind_a_past_day(chars: &[char], at: usize) -> bool {
    let front: String = chars[at.saturating_sub(PAST_CHARS_MAX)..at].iter().collect();
    let week = front.char_indices().next_back().map_or("", |(last, _)| &front[..last]);
    let in_week = ["周", "星期", "礼拜"].iter().any(|unit| starts(&chars[at..], unit));
    let last_week = in_week && (front.ends_with('上') || front.ends_with("上个"));
    last_week
        || PAST_DAYS.iter().any(|day| front.ends_with(day))
        || PAST_WEEKS.iter().any(|past| week.ends_with(past))
}

fn later(chars: &[char], at: usize, now: LocalTime) -> Option<Later> {
    special(chars, at).or_else(|| relative(chars, at, now)).or_else(|| dated(chars, at, now))
}

fn special(chars: &[char], at: usize) -> Option<Later> {
    let word = SPECIAL.iter().find(|word| starts(&chars[at..], word))?;
    // 什么时候都可以 is said whole.
    let mut end = at + word.chars().count();
    if word.ends_with('都') {
        let tail =
            ["可以", "行", "成", "能接", "方便"].iter().find(|w| starts(&chars[end..], w))?;
        end += tail.chars().count();
    }
    Some(Later { range: at..end, earliest: None })
}

/// 过半个小时, 一个小时以后, 十分钟后.
fn relative(chars: &[char], at: usize, now: LocalTime) -> Option<Later> {
    let led = ["再过", "过", "等"].iter().find(|word| starts(&chars[at..], word));
    let from = at + led.map_or(0, |word| word.chars().count());
    let half = chars.get(from) == Some(&'半');
    let (count, length) = if half { (0, 1) } else { number(chars.get(from..)?)? };
    let rest = &chars[from + length..];
    let units: [(&str, i64); 6] =
        [("个小时", 60), ("小时", 60), ("个钟头", 60), ("个钟", 60), ("分钟", 1), ("天", 1_440)];
    let (unit, minutes) = units.into_iter().find(|(unit, _)| starts(rest, unit))?;
    let mut end = from + length + unit.chars().count();
    let suffix = ["以后", "之后", "后", "过后"].iter().find(|word| starts(&chars[end..], word));
    if led.is_none() && suffix.is_none() {
        return None;
    }
    end += suffix.map_or(0, |word| word.chars().count());
    let minutes = if half { minutes / 2 } else { minutes.checked_mul(i64::from(count))? };
    let start = if suffix.is_some() { from } else { at };
    Some(Later { range: start..end, earliest: Some(now.plus_minutes(minutes)) })
}

/// `[day] [part] [clock [到 clock]] [以后]`, at least one of the first three.
fn dated(chars: &[char], at: usize, now: LocalTime) -> Option<Later> {
    let (date, mut end) = day(chars, at, now);
    let named = end > at;
    let part_named = named.then(|| chars[end - 1]).filter(|c| *c == '晚').map(|_| Part::Night);
    let clock = clock::at(chars, end, part_named);
    if clock.end == end && !named {
        return None;
    }
    end = clock.end;
    let hour = clock.hour();
    if hour.is_some() || clock.part().is_some() {
        end = range_end(chars, end);
    }
    let suffix = SUFFIXES.iter().find(|word| starts(&chars[end..], word));
    let until = suffix.is_some_and(|word| word.ends_with('前'));
    if let Some(suffix) = suffix.filter(|word| !matches!(**word, "都" | "再")) {
        end += suffix.chars().count();
    }
    let vague = named && date.is_none();
    let earliest = (!until && !vague).then(|| first_minute(date, &clock, now)).flatten();
    Some(Later { range: at..end, earliest })
}

/// The day at a position, if it has a date, and where it ends.
fn day(chars: &[char], at: usize, now: LocalTime) -> (Option<LocalTime>, usize) {
    let rest = &chars[at..];
    let midnight = LocalTime { hour: 0, minute: 0, ..now };
    if let Some((word, days)) = DAYS.iter().find(|(word, _)| starts(rest, word)) {
        return (Some(midnight.plus_days(*days)), at + word.chars().count());
    }
    if let Some(word) = VAGUE_DAYS.iter().find(|word| starts(rest, word)) {
        return (None, at + word.chars().count());
    }
    weekday(rest, midnight).map_or((None, at), |(date, length)| (date, at + length))
}

/// 周五, 下周一, 礼拜天; 周一到周五 has no date.
fn weekday(rest: &[char], today: LocalTime) -> Option<(Option<LocalTime>, usize)> {
    let next = ["下个", "下"].iter().find(|word| starts(rest, word));
    let this = ["这个", "这", "本"].iter().find(|word| starts(rest, word));
    let prefix = next.or(this).map_or(0, |word| word.chars().count());
    let named = |from: usize| {
        let unit = ["星期", "礼拜", "周"].iter().find(|unit| starts(&rest[from..], unit))?;
        let at = from + unit.chars().count();
        let day = match rest.get(at)? {
            '日' | '天' => 7,
            c => digit(*c).map(i64::from).filter(|day| (1..=6).contains(day))?,
        };
        Some((day, at + 1))
    };
    let (day, end) = named(prefix)?;
    if rest.get(end).is_some_and(|c| "到至".contains(*c))
        && let Some((_, end)) = named(end + 1)
    {
        return Some((None, end));
    }
    let days = day - today.weekday() + if next.is_some() { 7 } else { 0 };
    let days = if next.is_none() && days < 0 { days + 7 } else { days };
    Some((Some(today.plus_days(days)), end))
}

/// 三点到五点: where the second time ends.
fn range_end(chars: &[char], end: usize) -> usize {
    if chars.get(end).is_some_and(|c| "到至".contains(*c)) {
        let second = clock::at(chars, end + 1, None);
        if second.hour().is_some() {
            return second.end;
        }
    }
    end
}

fn first_minute(
    date: Option<LocalTime>,
    clock: &clock::Clock,
    now: LocalTime,
) -> Option<LocalTime> {
    let today = LocalTime { hour: 0, minute: 0, ..now };
    let on = |date: LocalTime| match (clock.hour(), clock.part()) {
        (Some(_), Some(_)) => clock.on(date),
        // 三点 alone is in the hours in which people telephone.
        (Some((hour, minute)), None) => {
            let hour = if hour < 8 { hour + 12 } else { hour };
            Some(date.plus_minutes(i64::from(hour * 60 + minute)))
        }
        (None, Some(part)) => {
            let (_, hour) = PART_HOURS.iter().find(|(known, _)| *known == part)?;
            Some(date.plus_minutes(i64::from(*hour) * 60))
        }
        (None, None) => Some(date),
    };
    match date {
        Some(date) => on(date),
        None => on(today).filter(|at| *at > now).or_else(|| on(today.plus_days(1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wednesday 2026-03-11 15:20.
    const NOW: LocalTime = LocalTime { year: 2026, month: 3, day: 11, hour: 15, minute: 20 };

    #[test]
    fn times_to_call_are_found_and_made_certain_where_they_are() {
        let said = [
            ("下午四点以后", "下午四点以后", Some("2026-03-11T16:00")),
            ("下午三点以后", "下午三点以后", Some("2026-03-12T15:00")),
            ("明天上午吧", "明天上午", Some("2026-03-12T08:00")),
            ("后天下午三点", "后天下午三点", Some("2026-03-13T15:00")),
            ("过半个小时", "过半个小时", Some("2026-03-11T15:50")),
            ("一个小时以后", "一个小时以后", Some("2026-03-11T16:20")),
            ("下周一早上九点半", "下周一早上九点半", Some("2026-03-16T09:30")),
            ("周一吧", "周一", Some("2026-03-16T00:00")),
            ("周一到周五", "周一到周五", None),
            ("三点到五点之间", "三点到五点之间", Some("2026-03-12T15:00")),
            ("下班以后六点多", "下班以后", None),
            ("明晚八点", "明晚八点", Some("2026-03-12T20:00")),
            ("下午五点以前", "下午五点以前", None),
            ("什么时候都可以", "什么时候都可以", None),
        ];
        for (text, expected, earliest) in said {
            let chars: Vec<char> = text.chars().collect();
            let found = all(&chars, NOW);
            let later = found.first().unwrap_or_else(|| panic!("{text}"));
            let words: String = chars[later.range.clone()].iter().collect();
            assert_eq!(words, expected);
            assert_eq!(later.earliest.map(LocalTime::minute_iso).as_deref(), earliest, "{text}");
        }
        for past in ["昨晚七点左右", "昨天下午三点", "上周三上午九点", "前天晚上"]
        {
            let chars: Vec<char> = past.chars().collect();
            assert_eq!(all(&chars, NOW), [], "{past}");
        }
        assert_eq!(all(&"三栋五单元".chars().collect::<Vec<_>>(), NOW), []);
    }
}
