//! Tone sandhi of Standard Chinese: 一, 不, and third tones in a row.

use super::Syllable;

const NUMERALS: &str = "零幺一二三四五六七八九十";

/// Changes tones in place; `syllables` is one stretch without a pause.
pub(crate) fn apply(syllables: &mut [Syllable]) {
    for i in 0..syllables.len() {
        let tone = match syllables[i].hanzi {
            '一' if syllables[i].base == "yi" => tone_of_yi(syllables, i),
            '不' if doubled_around(syllables, i) => 5,
            '不' if tone_after(syllables, i) == Some(4) => 2,
            _ => syllables[i].tone,
        };
        syllables[i].tone = tone;
    }
    let bounds = feet(syllables);
    // Within feet first, then between them: 请领导 keeps its first third tone, 领导请 does not.
    for foot in bounds.windows(2) {
        third_tones(&mut syllables[foot[0]..foot[1]]);
    }
    let count = syllables.len();
    for i in bounds.into_iter().filter(|i| (1..count).contains(i)) {
        if syllables[i - 1].tone == 3 && syllables[i].tone == 3 {
            syllables[i - 1].tone = 2;
        }
    }
}

/// Where feet start, and the end: a word of several syllables is divided into twos, its first foot
/// taking an odd one; words of one syllable pair up.
fn feet(syllables: &[Syllable]) -> Vec<usize> {
    let is_digit = |i: usize| "零幺一二三四五六七八九".contains(syllables[i].hanzi);
    let starts = |i: usize| syllables[i].starts_word && !(i > 0 && is_digit(i) && is_digit(i - 1));
    let mut bounds = vec![];
    let mut at = 0;
    let mut was_single = false;
    while at < syllables.len() {
        let length = 1 + (at + 1..syllables.len()).take_while(|i| !starts(*i)).count();
        let single = length == 1;
        if !(single && was_single) {
            bounds.push(at);
            bounds.extend((2 + length % 2..length).step_by(2).map(|inner| at + inner));
        }
        was_single = single && !was_single;
        at += length;
    }
    bounds.push(syllables.len());
    bounds
}

/// In a foot every third tone before another rises.
fn third_tones(foot: &mut [Syllable]) {
    for i in 1..foot.len() {
        if foot[i - 1].tone == 3 && foot[i].tone == 3 {
            foot[i - 1].tone = 2;
        }
    }
}

fn tone_of_yi(syllables: &[Syllable], i: usize) -> u8 {
    let before = i.checked_sub(1).map(|b| syllables[b].hanzi);
    let after = syllables.get(i + 1).map(|s| s.hanzi);
    let numeral = |c: Option<char>| c.is_some_and(|c| NUMERALS.contains(c));
    let ends_word = !syllables[i].starts_word && syllables.get(i + 1).is_none_or(|s| s.starts_word);
    if before.is_some_and(|c| "第初周期".contains(c))
        || numeral(before)
        || numeral(after)
        || ends_word
    {
        return 1;
    }
    let key = before.is_some_and(|c| "按拨选键".contains(c)) && after != Some('下');
    if key || after.is_some_and(|c| "月号日楼栋幢级区环单".contains(c)) {
        return 1;
    }
    if doubled_around(syllables, i) {
        return 5;
    }
    match tone_after(syllables, i) {
        Some(4) => 2,
        Some(1..=3) => 4,
        // 一个: the measure word lost its fourth tone and still counts as one.
        Some(_) => 2,
        None => 1,
    }
}

fn tone_after(syllables: &[Syllable], i: usize) -> Option<u8> {
    syllables.get(i + 1).map(|s| s.tone)
}

/// 看一看, 好不好.
fn doubled_around(syllables: &[Syllable], i: usize) -> bool {
    i > 0 && syllables.get(i + 1).is_some_and(|s| s.hanzi == syllables[i - 1].hanzi)
}
