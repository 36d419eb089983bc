//! Likely repeats of an appeal among earlier tickets, with the reasons that a seat reads.
//!
//! **Ranks and explains, and decides nothing**: a person merges tickets, and no caller is refused.

mod place;
mod topic;

pub(crate) use place::name as place_name;
pub use place::{PlaceMatch, compare as compare_places, pairs as place_pairs};
pub(crate) use topic::{Topic, Topics};

use qingting_common::UnixMillis;
use std::fmt;

/// Most repeats that are listed.
pub const REPEATS_MAX: usize = 5;
/// From this score on an earlier ticket is a likely repeat.
pub const REPEAT_MIN: f32 = 0.5;
/// Older tickets are no repeats unless the caller says their number.
pub const REPEAT_DAYS_MAX: i64 = 60;

const DAY_MS: i64 = 86_400_000;

/// Log odds without anything known, and what each likeness adds. Set by hand on the pairs of
/// `tests/repeats/dev.txt`.
const BASE: f32 = -3.4;
const SAME_NUMBER: f32 = 12.0;
const SAME_CALLER: f32 = 2.0;
const SAME_PLACE: f32 = 2.2;
const WITHIN_PLACE: f32 = 1.9;
const NEAR_PLACE: f32 = 0.4;
const OTHER_PLACE: f32 = -2.0;
const ALIKE: f32 = 5.0;
const SAME_CATEGORY: f32 = 0.4;
const OTHER_CATEGORY: f32 = -0.5;
const ABOUT_EARLIER: f32 = 1.2;
const A_MONTH_LATER: f32 = -0.8;
/// Likeness of words that is worth naming.
const ALIKE_SHOWN_MIN: f32 = 0.15;
/// Below this likeness two matters have nothing in common.
const UNLIKE_MAX: f32 = 0.05;
/// What it adds that the words have nothing in common.
const UNLIKE: f32 = -1.4;

/// A ticket, or the appeal of a call that still runs, as far as it is known. There is no `Debug`: it
/// holds the caller's words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Appeal<'a> {
    /// The caller's number; none if it was not shown.
    pub caller: Option<&'a str>,
    /// 事发地点.
    pub place: Option<&'a str>,
    /// 事项分类.
    pub category: Option<&'a str>,
    /// Title and description.
    pub words: &'a str,
    /// When the call came in.
    pub at: UnixMillis,
}

/// What the caller says of an earlier ticket.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// Its number, as it was said.
    pub number: Option<&'a str>,
    /// Whether the appeal is a 催办, 补充 or 撤销: that there is an earlier one.
    pub meant: bool,
}

/// Why a ticket may be an earlier one of the same matter. `Debug` leaves out what was said.
#[derive(Clone, PartialEq, Eq)]
pub enum Reason {
    /// The caller said its number.
    Number,
    /// The same caller's number.
    Caller,
    /// The same place, as the earlier ticket has it.
    Place(String),
    /// Another door of the same compound, village or road.
    Nearby(String),
    /// Words that both have, at most three.
    Words(Vec<String>),
    /// So many days before.
    Days(i64),
}

impl Reason {
    /// What a seat reads.
    pub fn text_zh(&self) -> String {
        match self {
            Self::Number => "来电人报出此工单编号".into(),
            Self::Caller => "同一来电号码".into(),
            Self::Place(place) => format!("同一地点：{place}"),
            Self::Nearby(place) => format!("地点相近：{place}"),
            Self::Words(words) => format!("事项相近：{}", words.join("、")),
            Self::Days(0) => "当天来电".into(),
            Self::Days(days) => format!("{days}天前来电"),
        }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "Number",
            Self::Caller => "Caller",
            Self::Place(_) => "Place",
            Self::Nearby(_) => "Nearby",
            Self::Words(_) => "Words",
            Self::Days(_) => "Days",
        })
    }
}

/// A likely repeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat<T> {
    /// Which ticket.
    pub ticket: T,
    /// How likely it is the same matter, 0 to 1.
    pub score: f32,
    /// Why, the strongest first.
    pub reasons: Vec<Reason>,
}

/// Ranks earlier tickets. Built once and shared.
pub struct Repeats {
    topics: Topics,
}

impl Default for Repeats {
    fn default() -> Self {
        Self::new()
    }
}

impl Repeats {
    /// With the built-in words.
    pub fn new() -> Self {
        Self { topics: Topics::new() }
    }

    /// The likely repeats among earlier tickets, each with its number, the likeliest first.
    pub fn rank<'a, T>(
        &self,
        present: &Appeal<'_>,
        earlier: Earlier<'_>,
        tickets: impl IntoIterator<Item = (T, &'a str, Appeal<'a>)>,
    ) -> Vec<Repeat<T>> {
        let topic = self.topics.of(present.words, present.place);
        let mut repeats: Vec<Repeat<T>> = tickets
            .into_iter()
            .filter_map(|(ticket, number, appeal)| {
                let said = earlier.number.is_some_and(|said| is_number(said, number));
                let (score, reasons) =
                    self.compared(present, &topic, &appeal, earlier.meant, said)?;
                (score >= REPEAT_MIN).then_some(Repeat { ticket, score, reasons })
            })
            .collect();
        repeats.sort_by(|a, b| b.score.total_cmp(&a.score));
        repeats.truncate(REPEATS_MAX);
        repeats
    }

    /// How likely two appeals are one, whatever the score.
    pub fn likeness(&self, present: &Appeal<'_>, earlier: &Appeal<'_>) -> f32 {
        let topic = self.topics.of(present.words, present.place);
        self.compared(present, &topic, earlier, false, false).map_or(0.0, |(score, _)| score)
    }

    fn compared(
        &self,
        present: &Appeal<'_>,
        topic: &Topic,
        earlier: &Appeal<'_>,
        is_meant: bool,
        is_said: bool,
    ) -> Option<(f32, Vec<Reason>)> {
        let age_ms = present.at.0.checked_sub(earlier.at.0).filter(|age| *age >= 0)?;
        let days = age_ms / DAY_MS;
        if days > REPEAT_DAYS_MAX && !is_said {
            return None;
        }
        let mut odds = BASE + A_MONTH_LATER * (days as f32 / 30.0).min(2.0);
        let mut reasons = Vec::new();
        if is_said {
            odds += SAME_NUMBER;
            reasons.push(Reason::Number);
        }
        if present.caller.is_some() && present.caller == earlier.caller {
            odds += SAME_CALLER + if is_meant { ABOUT_EARLIER } else { 0.0 };
            reasons.push(Reason::Caller);
        }
        let (added, reason) = placed(present.place, earlier.place);
        odds += added;
        reasons.extend(reason);
        let other = self.topics.of(earlier.words, earlier.place);
        let alike = topic.likeness(&other);
        odds += if alike < UNLIKE_MAX { UNLIKE } else { ALIKE * alike };
        if alike >= ALIKE_SHOWN_MIN {
            reasons.push(Reason::Words(topic.shared(&other)));
        }
        odds += match (present.category, earlier.category) {
            (Some(a), Some(b)) if a == b => SAME_CATEGORY,
            (Some(_), Some(_)) => OTHER_CATEGORY,
            _ => 0.0,
        };
        reasons.push(Reason::Days(days));
        Some((1.0 / (1.0 + (-odds).exp()), reasons))
    }
}

fn placed(present: Option<&str>, earlier: Option<&str>) -> (f32, Option<Reason>) {
    let (Some(present), Some(earlier)) = (present, earlier) else { return (0.0, None) };
    match place::compare(present, earlier) {
        PlaceMatch::Same => (SAME_PLACE, Some(Reason::Place(earlier.to_owned()))),
        PlaceMatch::Within => (WITHIN_PLACE, Some(Reason::Place(earlier.to_owned()))),
        PlaceMatch::Nearby => (NEAR_PLACE, Some(Reason::Nearby(earlier.to_owned()))),
        PlaceMatch::Other => (OTHER_PLACE, None),
    }
}

/// Whether the said number is the ticket's: callers leave out dashes and the zeros in the middle.
fn is_number(said: &str, number: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (said, whole) = (digits(said), digits(number));
    !said.is_empty() && said == whole
}
