//! 联系人: only when the caller says 我姓王, 我叫李明 or the like.

use super::lexicon::{holds, starts, words};
use super::reply::takes_back;
use super::transcript::{Transcript, ends_clause};
use crate::draft::{Field, Tag};
use std::ops::Range;

/// Most candidates.
const CANDIDATES_MAX: usize = 3;
/// Most characters of a given name.
const GIVEN_CHARS_MAX: usize = 2;
/// How far behind a family name the full name is said.
const FULL_BEHIND_CHARS: usize = 4;
/// How far behind a wrong name the right one ends.
const CORRECTION_CHARS: usize = 30;
/// From this confidence on a name may be corrected.
const CORRECTABLE_MIN: f32 = 0.85;
/// How the seat asks for the name.
const ASKING: [&str; 7] = ["贵姓", "怎么称呼", "姓名", "名字", "称呼您", "您姓", "哪位"];
/// Words that begin like a name and are none.
const NO_NAMES: [&str; 14] = [
    "谢谢", "马上", "方便", "明白", "高兴", "麻烦", "万一", "关于", "向您", "师傅", "何必", "安心",
    "路过", "成了",
];
/// What callers say before the name when they are asked for it.
const LEAD_INS: &str = "嗯啊哦呃哎诶唉额,. ";
/// How a caller begins to say his full name.
const FULL: [&str; 7] =
    ["我的名字叫", "我的名字是", "我名字叫", "我名叫", "我叫", "本人叫", "姓名是"];
/// How he begins to say his family name.
const FAMILY: [&str; 5] = ["免贵姓", "我是姓", "我姓", "本人姓", "姓"];
/// How he says what he is to be called.
const CALLED: [&str; 5] = ["叫我", "称呼我", "喊我", "我是", "叫"];
/// What may stand in front of one among people who know each other.
const FAMILIAR: [&str; 2] = ["老", "小"];
/// What may follow a family name.
const STYLES: [&str; 6] = ["先生", "女士", "小姐", "老师", "师傅", "阿姨"];

const NAMES: &str = include_str!("../lexicon/family_names.txt");
const AFTER: &str = include_str!("../lexicon/after_name.txt");

/// The name, surest first: a full name before a styled one before a family name.
pub(crate) fn read(talk: &Transcript<'_>) -> Vec<Tag> {
    let chars = &talk.words;
    let mut said: Vec<Said> = (0..chars.len())
        .filter_map(|at| {
            let (length, confidence, from) = name_at(chars, at)?;
            Some(Said { name: from..from + length, range: at..from + length, confidence })
        })
        .collect();
    said.extend(talk.answers().filter_map(|(asked, answer)| answered(chars, &asked.chars, answer)));
    said.extend(full_behind_family(chars, &said));
    said.sort_by_key(|said| said.range.end);
    said.extend(corrected(chars, &said));
    let mut tags: Vec<Tag> = Vec::new();
    for said in said {
        let value = talk.text(said.name);
        match tags.iter_mut().find(|tag| tag.value == value) {
            Some(known) => known.confidence = known.confidence.max(said.confidence),
            None => {
                tags.push(talk.tag_at(Field::CallerName, value, said.confidence, said.range));
            }
        }
    }
    tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    tags.truncate(CANDIDATES_MAX);
    tags
}

/// A name that was said.
struct Said {
    name: Range<usize>,
    /// The name and the words that lead to it.
    range: Range<usize>,
    confidence: f32,
}

/// 您贵姓 — 樊. The whole reply, or its beginning before a pause, is a name.
fn answered(chars: &[char], asked: &[char], answer: Range<usize>) -> Option<Said> {
    if !ASKING.iter().any(|word| holds(asked, word)) {
        return None;
    }
    let lead = chars[answer.clone()].iter().take_while(|c| LEAD_INS.contains(**c)).count();
    let from = answer.start + lead;
    let end = (from..answer.end).find(|at| ends_clause(chars[*at])).unwrap_or(answer.end);
    let rest = &chars[from..end];
    if begins(rest, &NO_NAMES).is_some() {
        return None;
    }
    let family = family_name(rest)?;
    let given = rest.len() - family;
    let styled = style(&rest[family..]);
    let whole = given <= GIVEN_CHARS_MAX && rest.iter().all(|c| is_name_char(*c));
    let ends_so = |c: &char| words(AFTER).any(|after| after.starts_with(*c));
    let confidence = if given > 0 { 0.85 } else { 0.8 };
    let bare = whole && !rest[family..].iter().any(ends_so);
    let length = if styled > 0 { family + styled } else { rest.len() };
    (styled > 0 || bare).then(|| Said {
        name: from..from + length,
        range: from..from + length,
        confidence,
    })
}

/// 我姓邱叫邱美华: the full name behind the family name, whatever leads to it.
fn full_behind_family(chars: &[char], said: &[Said]) -> Vec<Said> {
    let full = |said: &Said| {
        let family = family_name(&chars[said.name.clone()]).filter(|n| *n == said.name.len())?;
        let window = said.name.end..(said.name.end + FULL_BEHIND_CHARS).min(chars.len());
        let from = window.into_iter().find(|at| {
            chars[*at] == '叫'
                && chars[at + 1..].starts_with(&chars[said.name.start..said.name.start + family])
        })?;
        let length = full_name(&chars[from + 1..]).filter(|length| *length > family)?;
        let name = from + 1..from + 1 + length;
        Some(Said { range: said.range.start..name.end, name, confidence: 0.92 })
    };
    said.iter().filter_map(full).collect()
}

/// 我叫张晓红，不是红旗的红，张晓虹: a name as long with the same family name behind words that take the first
/// back. The last such name is meant.
fn corrected(chars: &[char], said: &[Said]) -> Option<Said> {
    let wrong = said.iter().rfind(|said| said.confidence >= CORRECTABLE_MIN)?;
    let family = family_name(&chars[wrong.name.clone()])?;
    let behind = wrong.name.end..(wrong.name.end + CORRECTION_CHARS).min(chars.len());
    let length = wrong.name.len();
    if length == family || !takes_back(&chars[behind.clone()]) {
        return None;
    }
    let same_family = &chars[wrong.name.start..wrong.name.start + family];
    let is_name = |at: &usize| {
        let name = &chars[*at..*at + length];
        name.starts_with(same_family)
            && name.iter().all(|c| is_name_char(*c))
            && *name != chars[wrong.name.clone()]
            && takes_back(&chars[wrong.name.end..*at])
    };
    let from = (behind.start..(behind.end + 1).saturating_sub(length)).rfind(is_name)?;
    Some(Said { name: from..from + length, range: from..from + length, confidence: 0.95 })
}

/// Length of the name, confidence and where it begins, if the words before it begin at `at`.
fn name_at(chars: &[char], at: usize) -> Option<(usize, f32, usize)> {
    let rest = &chars[at..];
    if let Some(from) = begins(rest, &FULL) {
        let length = full_name(&rest[from..])?;
        return Some((length, 0.9, at + from));
    }
    if let Some(from) = begins(rest, &FAMILY) {
        let bare = rest[0] == '姓';
        let own = at == 0 || !chars[at - 1].is_alphanumeric();
        let family = family_name(&rest[from..])?;
        let styled = style(&rest[from + family..]);
        let confidence = if styled > 0 { 0.85 } else { 0.8 };
        return (own || !bare).then_some((family + styled, confidence, at + from));
    }
    let from = begins(rest, &CALLED)?;
    // 叫我老孙.
    if let (Some(familiar), Some('我')) = (begins(&rest[from..], &FAMILIAR), rest.get(1)) {
        let length = familiar + family_name(&rest[from + familiar..])?;
        return Some((length, 0.8, at + from));
    }
    let family = family_name(&rest[from..])?;
    let styled = style(&rest[from + family..]);
    // 他叫王先生 is somebody else.
    let own = rest.starts_with(&['叫', '我'])
        || rest[0] != '叫'
        || at == 0
        || !chars[at - 1].is_alphanumeric();
    (styled > 0 && own).then_some((family + styled, 0.85, at + from))
}

/// Length of the first of these that the text begins with.
fn begins(chars: &[char], prefixes: &[&str]) -> Option<usize> {
    prefixes.iter().find(|prefix| starts(chars, prefix)).map(|prefix| prefix.chars().count())
}

fn family_name(chars: &[char]) -> Option<usize> {
    words(NAMES).find(|name| starts(chars, name)).map(|name| name.chars().count())
}

fn style(chars: &[char]) -> usize {
    begins(chars, &STYLES).unwrap_or(0)
}

/// A family name and one or two characters.
fn full_name(chars: &[char]) -> Option<usize> {
    let family = family_name(chars)?;
    let styled = style(&chars[family..]);
    if styled > 0 {
        return Some(family + styled);
    }
    let ends = |c: char| !is_name_char(c) || words(AFTER).any(|after| after.starts_with(c));
    let given: Range<usize> = family..(family + 2).min(chars.len());
    let length = chars[given].iter().take_while(|c| !ends(**c)).count();
    (length > 0).then_some(family + length)
}

fn is_name_char(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::super::{Utterance, transcript::Transcript};
    use qingting_common::{SegmentId, ids::Party};
    use uuid::Uuid;

    fn name(text: &str) -> Option<String> {
        let id = SegmentId::new(Uuid::from_u128(1));
        let said = [Utterance { id, party: Party::Caller, text, confidence: 1.0 }];
        let talk = Transcript::of_caller(&said, 1_000);
        super::read(&talk).first().map(|tag| tag.value.clone())
    }

    #[test]
    fn names_are_read_as_they_are_said() {
        let said = [
            ("我姓王", Some("王")),
            ("免贵姓欧阳", Some("欧阳")),
            ("我姓张弓长张", Some("张")),
            ("我叫李明我住阳光小区", Some("李明")),
            ("我叫诸葛小明电话是", Some("诸葛小明")),
            ("你叫我刘女士就行", Some("刘女士")),
            ("我姓陈陈先生", Some("陈")),
            ("我叫了救护车", None),
            ("老板叫王先生", None),
            ("老百姓王家的", None),
        ];
        for (text, expected) in said {
            assert_eq!(name(text).as_deref(), expected, "{text}");
        }
    }
}
