//! 联系人: only when the caller says 我姓王, 我叫李明 or the like.

use super::lexicon::words;
use super::transcript::Transcript;
use crate::draft::{Field, Tag};
use std::ops::Range;

/// Most candidates.
const CANDIDATES_MAX: usize = 3;
/// How a caller begins to say his full name.
const FULL: [&str; 7] =
    ["我的名字叫", "我的名字是", "我名字叫", "我名叫", "我叫", "本人叫", "姓名是"];
/// How he begins to say his family name.
const FAMILY: [&str; 5] = ["免贵姓", "我是姓", "我姓", "本人姓", "姓"];
/// How he says what he is to be called.
const CALLED: [&str; 5] = ["叫我", "称呼我", "喊我", "我是", "叫"];
/// What may follow a family name.
const STYLES: [&str; 6] = ["先生", "女士", "小姐", "老师", "师傅", "阿姨"];

const NAMES: &str = include_str!("../lexicon/family_names.txt");
const AFTER: &str = include_str!("../lexicon/after_name.txt");

/// The name, surest first: a full name before a styled one before a family name.
pub(crate) fn read(talk: &Transcript<'_>) -> Vec<Tag> {
    let chars = &talk.chars;
    let mut tags: Vec<Tag> = Vec::new();
    for at in 0..chars.len() {
        let Some((length, confidence, from)) = name_at(chars, at) else { continue };
        let value = talk.text(from..from + length);
        if tags.iter().all(|tag| tag.value != value) {
            tags.push(talk.tag_at(Field::CallerName, value, confidence, at..from + length));
        }
    }
    tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    tags.truncate(CANDIDATES_MAX);
    tags
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
    let family = family_name(&rest[from..])?;
    let styled = style(&rest[from + family..]);
    // 他叫王先生 is somebody else.
    let own = rest.starts_with(&['叫', '我'])
        || rest[0] != '叫'
        || at == 0
        || !chars[at - 1].is_alphanumeric();
    (styled > 0 && own).then_some((family + styled, 0.85, at + from))
}

fn begins(chars: &[char], prefixes: &[&str]) -> Option<usize> {
    prefixes.iter().find_map(|prefix| starts(chars, prefix))
}

fn starts(chars: &[char], prefix: &str) -> Option<usize> {
    let length = prefix.chars().count();
    chars.iter().take(length).copied().eq(prefix.chars()).then_some(length)
}

fn family_name(chars: &[char]) -> Option<usize> {
    words(NAMES).find_map(|name| starts(chars, name))
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
