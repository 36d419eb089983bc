//! Hanzi to syllables: longest match in a table of words whose readings a character alone does not
//! give away, then the character's common reading.

use super::{Piece, Syllable};
use pinyin::ToPinyin;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Longest word of the tables, in characters.
const WORD_CHARS_MAX: usize = 5;

/// Words with a character of several readings, and words with a neutral syllable.
const READINGS: &str = include_str!("readings.txt");
/// Words of the hotline whose readings are regular: only their bounds matter.
const WORDS: &str = include_str!("words.txt");

/// Readings of single characters where the dictionary's first is not the common one.
const COMMON: &str = "的de5 了le5 着zhe5 吗ma5 呢ne5 吧ba5 们men5 得de5 地di4 不bu4 一yi1 还hai2 \
    为wei4 都dou1 和he2 么me5 过guo4 上shang4 好hao3 没mei2 大da4 会hui4 能neng2 说shuo1 行xing2 \
    长chang2 重zhong4 乐le4 调diao4 处chu4 差cha4 率lv4 便bian4 传chuan2 中zhong1 应ying1 当dang1 \
    分fen1 间jian1 相xiang1 量liang4 数shu4 更geng4 只zhi3 种zhong3 系xi4 结jie2 转zhuan3 供gong1 \
    省sheng3 教jiao4 车che1 什shen2 石shi2 单dan1 区qu1 期qi1 给gei3 嗯en4 喂wei2 幺yao1 个ge4 \
    啊a5 呀ya5 嘛ma5 发fa1 干gan4 将jiang1 解jie3 空kong1 难nan2 切qie4 少shao3 盛sheng4 似si4 \
    提ti2 降jiang4 假jia3 角jiao3 落luo4 校xiao4 兴xing1 要yao4 正zheng4 被bei4 打da3 看kan4 与yu3 \
    背bei4 场chang3 担dan1 倒dao4 度du4 恶e4 服fu2 观guan1 号hao4 几ji3 见jian4 据ju4 卡ka3 可ke3 \
    露lu4 模mo2 宁ning2 片pian4 强qiang2 任ren4 散san4 扫sao3 舍she4 属shu3 宿su4 吐tu4 咽yan4 \
    占zhan4 折zhe2 着zhe5 作zuo4 答da2 弹dan4 称cheng1 尽jin4 藏cang2 曾ceng2 朝chao2 冲chong1 \
    创chuang4 从cong2 待dai4 否fou3 否fou3 骑qi2 识shi2 削xue1 血xue4 压ya1 约yue1 择ze2 扎zha1";

static TABLE: LazyLock<HashMap<&'static str, Vec<(&'static str, u8)>>> = LazyLock::new(|| {
    let mut table = HashMap::new();
    for entry in COMMON.split_whitespace().chain(READINGS.lines()) {
        let split = entry.find(|c: char| c.is_ascii()).unwrap_or(entry.len());
        let (word, readings) = entry.split_at(split);
        table.insert(word, readings.split_whitespace().map(syllable).collect());
    }
    for word in WORDS.split_whitespace() {
        table.entry(word).or_default();
    }
    table
});

/// Divides normalised text into speech and pauses; what can be neither is dropped.
pub(crate) fn read(text: &str) -> Vec<Piece> {
    let chars: Vec<char> = text.chars().collect();
    let mut pieces = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        if let Some(mark) = mark(chars[i]) {
            if !matches!(pieces.last(), None | Some(Piece::Mark(_))) {
                pieces.push(Piece::Mark(mark));
            }
            i += 1;
            continue;
        }
        let length = word_length(&chars[i..]);
        let syllables = word(&chars[i..i + length]);
        match pieces.last_mut() {
            Some(Piece::Speech(speech)) => append(speech, syllables),
            _ if syllables.is_empty() => {}
            _ => pieces.push(Piece::Speech(syllables)),
        }
        i += length;
    }
    pieces
}

fn append(speech: &mut Vec<Syllable>, mut word: Vec<Syllable>) {
    let alone = word.len() == 1;
    if let (Some(last), Some(first)) = (speech.last_mut(), word.first_mut()) {
        if first.hanzi == '儿' && first.base == "er" && alone && last.base != "er" {
            last.base.push('r');
            return;
        }
        // A particle or one lone character leans on what stands before it.
        if first.tone == 5 {
            first.starts_word = false;
        }
    }
    speech.extend(word);
}

fn word_length(chars: &[char]) -> usize {
    let lengths = (2..=WORD_CHARS_MAX.min(chars.len())).rev();
    let known = |n: &usize| TABLE.contains_key(String::from_iter(&chars[..*n]).as_str());
    lengths.into_iter().find(known).unwrap_or(1)
}

fn word(chars: &[char]) -> Vec<Syllable> {
    let known = TABLE.get(String::from_iter(chars).as_str()).filter(|r| r.len() == chars.len());
    let reading = |(i, &hanzi): (usize, &char)| {
        let (base, tone) = match known {
            Some(readings) => (readings[i].0.to_owned(), readings[i].1),
            None => alone(hanzi)?,
        };
        Some(Syllable { hanzi, base, tone, starts_word: i == 0 })
    };
    chars.iter().enumerate().filter_map(reading).collect()
}

fn alone(hanzi: char) -> Option<(String, u8)> {
    let mut utf8 = [0; 4];
    if let Some([(base, tone)]) = TABLE.get(&*hanzi.encode_utf8(&mut utf8)).map(Vec::as_slice) {
        return Some(((*base).to_owned(), *tone));
    }
    let (base, tone) = syllable(hanzi.to_pinyin()?.with_tone_num_end());
    Some((base.replace('ü', "v"), tone))
}

/// `hao3` → (`hao`, 3); no digit is the neutral tone.
fn syllable(text: &str) -> (&str, u8) {
    match text.bytes().last() {
        Some(b @ b'1'..=b'5') => (&text[..text.len() - 1], b - b'0'),
        _ => (text, 5),
    }
}

fn mark(c: char) -> Option<char> {
    Some(match c {
        '，' | ',' | '、' | '（' | '）' | '(' | ')' | '…' | '—' => ',',
        '。' | '.' | '\n' => '.',
        '！' | '!' => '!',
        '？' | '?' => '?',
        '：' | ':' => ':',
        '；' | ';' => ';',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_has_one_syllable_a_character() {
        for (word, readings) in TABLE.iter().filter(|(_, r)| !r.is_empty()) {
            assert_eq!(word.chars().count(), readings.len(), "{word}");
            assert!(word.chars().count() <= WORD_CHARS_MAX, "{word}");
            for (base, tone) in readings {
                assert!(!super::super::ipa::of(base, *tone).is_empty(), "{word}: {base}{tone}");
            }
        }
    }
}
