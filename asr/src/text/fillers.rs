//! What people say while they look for words: 嗯, 呃, 那个那个, 我我我.
//!
//! Doubled words of the language stay (谢谢, 天天, 看看, 常常), and so does what may mean something:
//! 那个小区, 现在在修, 你告诉我我怎么办.

use super::{Edit, Text, is_mark, starts};

/// Sounds that mean nothing.
const SOUNDS: [char; 3] = ['嗯', '呃', '唔'];
/// Said twice or more in a row they are said once.
const WORDS: [&str; 11] =
    ["那个", "这个", "就是", "然后", "因为", "所以", "但是", "我们", "他们", "你们", "如果"];
/// At the beginning of a clause and before a mark they are nothing.
const OPENERS: [&str; 3] = ["那个", "这个", "就是说"];
/// Three or more in a row are one; two at the beginning of a clause are, too.
const STUTTERED: [char; 11] = ['我', '你', '他', '她', '它', '这', '那', '在', '就', '有', '没'];
const STUTTERED_AT_START: [char; 5] = ['我', '你', '他', '这', '那'];
const STUTTER_MIN: usize = 3;

/// Removes fillers; a text of nothing else stays as it is, for it may be an answer.
pub(super) fn remove(text: &Text) -> Text {
    let mut shown = text.clone();
    // What goes may bring together what then goes, too: each round makes the text shorter.
    loop {
        let edits = edits(&shown.plain());
        if edits.is_empty() {
            break;
        }
        shown = shown.edited(&edits);
    }
    if shown.chars().iter().any(|c| c.char.is_alphanumeric()) { shown } else { text.clone() }
}

fn edits(chars: &[char]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let length = filler(chars, at);
        if length > 0 {
            edits.push(Edit::new(at..at + length, ""));
        }
        at += length.max(1);
    }
    edits
}

/// How many characters from here on are filler.
fn filler(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    if SOUNDS.contains(&rest[0]) {
        return 1 + mark(rest, 1);
    }
    let is_start = at == 0 || is_mark(chars[at - 1]);
    if let Some(opener) = OPENERS.iter().find(|word| is_start && starts(rest, word)) {
        let length = opener.chars().count();
        if mark(rest, length) > 0 {
            return length + 1;
        }
    }
    if let Some(word) = WORDS.iter().find(|word| starts(rest, word)) {
        let length = word.chars().count();
        return if starts(&rest[length..], word) { length } else { 0 };
    }
    let count = rest.iter().take_while(|c| **c == rest[0]).count();
    let is_stutter = count >= STUTTER_MIN && STUTTERED.contains(&rest[0]);
    let is_start_again = count > 1 && is_start && STUTTERED_AT_START.contains(&rest[0]);
    if is_stutter || is_start_again { count - 1 } else { 0 }
}

fn mark(rest: &[char], at: usize) -> usize {
    usize::from(rest.get(at).is_some_and(|c| matches!(c, '，' | ',' | '、')))
}
