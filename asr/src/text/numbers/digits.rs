//! Numbers that are said digit by digit: telephones, codes, rooms, emergency numbers.

use super::parse::{digit, digits};
use super::{Edit, Number, Page, ends, starts};
use std::ops::Range;

/// From this length on digits in a row are a number of something.
const PLAIN_DIGITS_MIN: usize = 7;
/// Groups of one telephone number.
const GROUPS_MAX: usize = 6;
/// Words in front of a code.
const CUES: [&str; 30] = [
    "电话",
    "号码",
    "尾号",
    "后四位",
    "后三位",
    "后两位",
    "后六位",
    "前三位",
    "验证码",
    "密码",
    "编号",
    "工号",
    "区号",
    "邮编",
    "手机",
    "座机",
    "分机",
    "单号",
    "门牌",
    "房号",
    "房间",
    "拨打",
    "拨",
    "打了",
    "打过",
    "拨了",
    "车牌",
    "学号",
    "警号",
    "热线",
];
/// What may stand between such a word and the code.
const LINKS: [&str; 6] = ["号码是", "是", "为", "号是", "：", "号"];
/// Words behind a code.
const CUED_BY: [&str; 6] = ["热线", "平台", "室", "房间", "号楼", "号"];
/// Behind them stands a room.
const DOORS: [&str; 7] = ["单元", "栋", "幢", "号楼", "座", "楼", "层"];

/// Telephone numbers, also in groups that pauses part: 幺三八，零零幺三，八零零零.
pub(super) fn telephones(page: &mut Page<'_>) {
    let groups = groups(page.chars);
    let mut first = 0;
    while first < groups.len() {
        let found = (1..=GROUPS_MAX.min(groups.len() - first)).rev().find_map(|count| {
            let groups = &groups[first..first + count];
            let is_one =
                groups.windows(2).all(|pair| is_gap(&page.chars[pair[0].end..pair[1].start]));
            let joined: Vec<char> =
                groups.iter().flat_map(|group| &page.chars[group.clone()]).copied().collect();
            let number = digits(&joined).filter(|number| is_one && is_telephone(number))?;
            Some((count, groups[0].start..groups[count - 1].end, number))
        });
        first += match found {
            // A number that is written already is no edit.
            Some((count, range, number)) => {
                if number.len() != range.len()
                    || page.chars[range.clone()].iter().any(|c| digit(*c).is_some())
                {
                    page.put(Edit::new(range, number));
                }
                count
            }
            None => 1,
        };
    }
}

/// Digits in a row, of both scripts, that are no part of another number.
fn groups(chars: &[char]) -> Vec<Range<usize>> {
    let is_digit = |c: &char| digit(*c).is_some() || c.is_ascii_digit();
    let mut groups: Vec<Range<usize>> = Vec::new();
    for at in (0..chars.len()).filter(|at| is_digit(&chars[*at])) {
        match groups.last_mut() {
            Some(group) if group.end == at => group.end += 1,
            _ => groups.push(at..at + 1),
        }
    }
    let is_other = |c: Option<&char>| {
        c.is_some_and(|c| "两十百千万亿个点几多.%".contains(*c) || c.is_ascii_alphabetic())
    };
    groups.retain(|group| {
        group.len() > 1 && !is_other(chars[..group.start].last()) && !is_other(chars.get(group.end))
    });
    groups
}

fn is_gap(between: &[char]) -> bool {
    matches!(between, ['，' | ',' | '、' | ' '] | ['，' | ',', ' '])
}

/// A mobile, a landline with its area code, or 400 and 800.
fn is_telephone(number: &str) -> bool {
    match number.as_bytes() {
        [b'1', b'3'..=b'9', ..] => number.len() == 11,
        [b'0', b'1'..=b'9', ..] => (11..=12).contains(&number.len()),
        [b'4' | b'8', b'0', b'0', ..] => number.len() == 10,
        _ => false,
    }
}

/// Other numbers that are said digit by digit.
pub(super) fn one_by_one(number: &Number<'_>) -> Option<Edit> {
    let written = digits(number.said)?;
    let length = number.said.len();
    let is_part = number.precedes(&["个", "点", "几"]) || number.follows(&["个", "点", "几", "第"]);
    if length < 3 || is_part || (is_counting(&written) && !is_cued(number)) {
        return None;
    }
    let is_year = length == 4
        && (written.starts_with("19") || written.starts_with("20"))
        && number.precedes(&["年"]);
    let is_room = (3..=4).contains(&length) && number.follows(&DOORS);
    let is_emergency = matches!(written.as_str(), "110" | "119" | "120" | "122")
        && (number.follows(&["打", "叫", "报"]) || number.precedes(&["急救", "报警", "救护"]));
    let is_plain = length >= PLAIN_DIGITS_MIN || number.said.contains(&'幺');
    let is_named = length >= 3 && number.precedes(&CUED_BY);
    (is_plain || is_year || is_room || is_emergency || is_named || is_cued(number))
        .then(|| number.edit(written))
}

/// 一二三四五: somebody counts.
fn is_counting(written: &str) -> bool {
    written.as_bytes().windows(2).all(|pair| pair[1] == pair[0] + 1)
}

fn is_cued(number: &Number<'_>) -> bool {
    let before = number.before;
    let links = LINKS.iter().filter(|link| ends(before, link)).map(|link| link.chars().count());
    let mut fronts = links.chain([0]).map(|length| &before[..before.len() - length]);
    let is_behind = fronts.any(|front| CUES.iter().any(|cue| ends(front, cue)));
    is_behind || ["热线", "平台"].iter().any(|word| starts(number.after, word))
}
