//! Tone sandhi of Standard Chinese: 一, 不, and third tones in a row.

use super::Syllable;

const NUMERALS: &str = "零幺一二三四五六七八九十";

/// Changes tones in place; `syllables` is one stretch without a pause.
pub(crate) fn apply(syllables: &mut [Syllable]) {
    for i in 0..syllables.len() {
        match syllables[i].hanzi {
            '一' if syllables[i].base == "yi" => syllables[i].tone = tone_of_yi(syllables, i),
            '不' if doubled_around(syllables, i) => syllables[i].tone = 5,
            '不' if tone_after(syllables, i) == Some(4) => syllables[i].tone = 2,
            _ => {}
        }
    }
    let mut start = 0;
    for run in syllables.chunk_by_mut(|a, b| a.tone == 3 && b.tone == 3) {
        start += run.len();
        third_tones(run);
    }
    debug_assert_eq!(start, syllables.len());
}

/// A run is spoken in feet of two, the first foot taking the odd syllable: every third tone but
/// the last of a foot rises.
fn third_tones(run: &mut [Syllable]) {
    let last = run.len() - 1;
    let odd = run.len() % 2;
    for (i, syllable) in run.iter_mut().enumerate() {
        let ends_foot = i > odd && (i - odd) % 2 == 1 || i == last;
        if !ends_foot {
            syllable.tone = 2;
        }
    }
}

fn tone_of_yi(syllables: &[Syllable], i: usize) -> u8 {
    let before = i.checked_sub(1).map(|b| syllables[b].hanzi);
    let after = syllables.get(i + 1).map(|s| s.hanzi);
    let numeral = |c: Option<char>| c.is_some_and(|c| NUMERALS.contains(c));
    if before.is_some_and(|c| "第初周期".contains(c)) || numeral(before) || numeral(after) {
        return 1;
    }
    if after.is_some_and(|c| "月号日".contains(c)) {
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
