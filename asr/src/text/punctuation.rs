//! Marks: those that the recogniser wrote made Chinese, and those that it left out where the rule is
//! safe: the end of a segment, a pause, a connective that opens a clause.

use super::{Edit, Text, ends, is_han, is_mark, starts};

/// A pause from here on parts clauses.
const PAUSE_MS_MIN: u64 = 350;
/// Shortest clause that a comma of ours makes, in characters.
const CLAUSE_CHARS_MIN: usize = 4;
/// They open a clause, unless one of these characters stands in front of them.
const CONNECTIVES: [(&str, &str); 5] =
    [("但是", "不"), ("所以", "之"), ("而且", ""), ("因为", "是就正只都要也为"), ("然后", "就再")];
/// No clause begins with them.
const NOT_FIRST: &str = "的地得了着过吗呢吧啊呀们里上下个%‰";
/// No clause ends with them.
const NOT_LAST: &str = "的地得在是把被给对向从和跟与第";
/// Words that ask.
const ASKING: [&str; 24] = [
    "什么",
    "怎么",
    "怎样",
    "哪里",
    "哪儿",
    "哪个",
    "哪位",
    "几点",
    "多少",
    "多久",
    "为啥",
    "咋",
    "是不是",
    "能不能",
    "可不可以",
    "有没有",
    "会不会",
    "要不要",
    "行不行",
    "该找谁",
    "谁管",
    "好不好",
    "几号",
    "何时",
];
/// Words with which a clause that holds an asking word does not ask.
const NOT_ASKING: [&str; 20] = [
    "不知道",
    "不晓得",
    "不清楚",
    "没什么",
    "什么都",
    "什么也",
    "怎么都",
    "怎么也",
    "怎么办都",
    "多少都",
    "无论",
    "不管",
    "什么的",
    "告诉我",
    "想问",
    "问一下",
    "想知道",
    "没怎么",
    "不怎么",
    "多少有",
];
/// How long a topic with 呢 is: 电话呢.
const TOPIC_CHARS_MAX: usize = 5;

/// Makes the marks that are there Chinese.
pub(super) fn widen(text: &Text) -> Text {
    text.edited(&chinese(&text.plain()))
}

/// Sets marks between clauses.
pub(super) fn part(text: &Text) -> Text {
    let text = text.edited(&tidy(&text.plain()));
    text.edited(&commas(&text))
}

/// Sets the mark at the end of a segment.
pub(super) fn end(text: &Text) -> Text {
    match last_mark(&text.plain()) {
        Some(edit) => text.edited(&[edit]),
        None => text.clone(),
    }
}

/// Marks of the width of Chinese, and a comma for a space between Chinese characters.
fn chinese(chars: &[char]) -> Vec<Edit> {
    let at = |at: usize| chars.get(at).copied().unwrap_or(' ');
    let edit = |i: usize| {
        let before = i.checked_sub(1).map_or(' ', at);
        let wide = match chars[i] {
            ',' => '，',
            '?' => '？',
            '!' => '！',
            ';' => '；',
            ':' => '：',
            '.' if i + 1 == chars.len() => '。',
            ' ' if is_han(at(i + 1)) => '，',
            _ => return None,
        };
        (is_han(before) || before == '%').then(|| Edit::new(i..i + 1, wide))
    };
    (0..chars.len()).filter_map(edit).collect()
}

/// No mark at the beginning, and one mark where several stand together: the one that ends a sentence
/// if there is one. A text of marks alone stays.
fn tidy(chars: &[char]) -> Vec<Edit> {
    if !chars.iter().any(|c| c.is_alphanumeric()) {
        return Vec::new();
    }
    let mut edits = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let length = chars[at..].iter().take_while(|c| is_mark(**c)).count();
        let marks = &chars[at..at + length];
        if at == 0 && length > 0 {
            edits.push(Edit::new(0..length, ""));
        } else if length > 1 {
            let strongest = marks.iter().find(|c| "。？！?!".contains(**c)).unwrap_or(&marks[0]);
            edits.push(Edit::new(at..at + length, *strongest));
        }
        at += length.max(1);
    }
    edits
}

fn commas(text: &Text) -> Vec<Edit> {
    let chars = text.plain();
    let mut clause = 0;
    let mut edits = Vec::new();
    for at in 1..chars.len() {
        if is_mark(chars[at]) {
            clause = at + 1;
            continue;
        }
        let rest = chars[at..].iter().take_while(|c| !is_mark(**c)).count();
        let is_long = at >= clause + CLAUSE_CHARS_MIN && rest >= CLAUSE_CHARS_MIN;
        let pause_ms = text.chars()[at].start_ms - text.chars()[at - 1].end_ms;
        if is_long && (opens(&chars, at) || (pause_ms >= PAUSE_MS_MIN && may_part(&chars, at))) {
            edits.push(Edit::new(at..at, '，'));
            clause = at;
        }
    }
    edits
}

fn opens(chars: &[char], at: usize) -> bool {
    let here = CONNECTIVES.iter().find(|(word, _)| starts(&chars[at..], word));
    here.is_some_and(|(_, unless)| is_han(chars[at - 1]) && !unless.contains(chars[at - 1]))
}

fn may_part(chars: &[char], at: usize) -> bool {
    let (before, after) = (chars[at - 1], chars[at]);
    let is_text = is_han(before) && is_han(after);
    is_text && !NOT_FIRST.contains(after) && !NOT_LAST.contains(before)
}

fn last_mark(chars: &[char]) -> Option<Edit> {
    let last = chars.iter().rposition(|c| !c.is_whitespace())?;
    let words =
        if matches!(chars[last], '，' | ',' | '、' | '；' | '：') { last } else { last + 1 };
    let sounds = chars.get(words.checked_sub(1)?)?;
    if !sounds.is_alphanumeric() && !matches!(sounds, '%' | '‰' | '”' | '）' | '》') {
        return None;
    }
    let clause = chars[..words].iter().rposition(|c| is_mark(*c)).map_or(0, |at| at + 1);
    let mark = if asks(&chars[clause..words]) { '？' } else { '。' };
    Some(Edit::new(words..chars.len(), mark))
}

fn asks(clause: &[char]) -> bool {
    let holds = |word: &str| (0..clause.len()).any(|at| starts(&clause[at..], word));
    if ends(clause, "吗") {
        return true;
    }
    if NOT_ASKING.iter().any(|word| holds(word)) {
        return false;
    }
    let is_topic = clause.len() <= TOPIC_CHARS_MAX && ends(clause, "呢") && !ends(clause, "着呢");
    let goes_on = ["还", "正", "在"].iter().any(|word| starts(clause, word));
    ASKING.iter().any(|word| holds(word)) || (is_topic && !goes_on)
}
