//! The first words of a reply to the seat, and the words that take back what was said before.

use super::lexicon::starts;
use std::ops::Range;

/// What people say before they answer.
const LEAD_INS: &str = "嗯啊哦呃哎诶唉额喔哟呀嘛,.。、!? ";
/// Longest first where one begins with another: 没错 is no denial.
const AGREEING: [&str; 20] = [
    "没错",
    "没问题",
    "没事",
    "对",
    "是的",
    "是",
    "好",
    "可以",
    "行",
    "中",
    "要得",
    "得行",
    "系",
    "成",
    "正确",
    "就用",
    "就打",
    "就这",
    "需要",
    "要",
];
const DENYING: [&str; 14] = [
    "是不是",
    "不",
    "错",
    "别",
    "没",
    "冇",
    "莫",
    "换",
    "好像不",
    "对不",
    "行不",
    "要不",
    "好几",
    "是吗",
];
/// How a caller takes back what he said.
const TAKING_BACK: [&str; 15] = [
    "不对",
    "说错",
    "错了",
    "更正",
    "纠正",
    "哦不",
    "不是",
    "记错",
    "看错",
    "报错",
    "念错",
    "应该是",
    "搞错",
    "弄错",
    "说岔",
];

/// Whether the words begin by agreeing or by denying; none when they do neither.
pub(crate) fn agreement(chars: &[char]) -> Option<bool> {
    let length = chars.iter().take_while(|c| LEAD_INS.contains(**c)).count();
    let rest = &chars[length..];
    if rest.is_empty() {
        return chars.contains(&'嗯').then_some(true);
    }
    let begins = |words: &[&str]| words.iter().any(|word| starts(rest, word));
    if begins(&AGREEING[..3]) {
        return Some(true);
    }
    if begins(&DENYING) {
        return Some(false);
    }
    begins(&AGREEING).then_some(true)
}

/// Whether the words take back what was said before them.
pub(crate) fn takes_back(chars: &[char]) -> bool {
    (0..chars.len()).any(|at| TAKING_BACK.iter().any(|word| starts(&chars[at..], word)))
}

/// 是六栋不是五栋: what stands behind 不是 is denied. Without 是 in front, 不是 takes back what was said
/// before it, as everywhere else: 六栋，不是，五栋. `first` is where the asserted one begins.
pub(crate) fn denies_the_next(chars: &[char], first: usize, between: &Range<usize>) -> bool {
    let front = &chars[..first];
    chars[between.clone()] == ['不', '是']
        && front.ends_with(&['是'])
        && !front.ends_with(&['不', '是'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_agree_deny_or_do_neither() {
        let said = [
            ("嗯对的", Some(true)),
            ("没错没错", Some(true)),
            ("嗯", Some(true)),
            ("不对不对", Some(false)),
            ("没有", Some(false)),
            ("是不是呢", Some(false)),
            ("你说啥", None),
            ("", None),
        ];
        for (text, expected) in said {
            let chars: Vec<char> = text.chars().collect();
            assert_eq!(agreement(&chars), expected, "{text}");
        }
    }
}
