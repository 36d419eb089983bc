//! Hanzi and letters to syllables: words by jieba's dictionary, their readings by our own table of
//! words with a character of several readings, then by what stands around, then the common one.

use super::written::signs;
use super::{Piece, Syllable};
use jieba_rs::Jieba;
use pinyin::ToPinyin;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A line for each reading of a character: the character, the reading, the words that have it.
const READINGS: &str = include_str!("readings.txt");

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
    占zhan4 折zhe2 作zuo4 答da2 弹dan4 称cheng1 尽jin4 藏cang2 曾ceng2 朝chao2 冲chong1 \
    创chuang4 从cong2 待dai4 否fou3 骑qi2 识shi2 削xue1 血xue4 压ya1 约yue1 择ze2 扎zha1 阿a1 \
    诶ei4 欸ei4 六liu4 杆gan1 铺pu1 看kan4 亲qin1 脏zang1 塞sai1 载zai4 累lei4 尽jin3 \
    薄bao2 划hua4 圈quan1 参can1 血xue4 泊bo2 缝feng4 卷juan3 涨zhang3 帖tie3 挑tiao1 \
    晕yun1 炸zha4 钻zuan1 丧sang4 漂piao1 蒙meng2 禁jin4 荷he2 横heng2 冠guan4 曲qu3";

/// How the letters are called in Mandarin.
const LETTERS: [&str; 26] = [
    "ei1",
    "bi4",
    "sei1",
    "di4",
    "yi4",
    "ai2 fu5",
    "ji4",
    "ei1 chi5",
    "ai4",
    "zhei4",
    "kei4",
    "ai2 lou5",
    "ai2 mu5",
    "en1",
    "ou1",
    "pi4",
    "kiu4",
    "a4 er5",
    "ai2 si5",
    "ti4",
    "you4",
    "wei1",
    "da2 bu5 liu5",
    "ai2 ke5 si5",
    "wai4",
    "zei4",
];
/// Said twice, the second time lightly: kinship and 谢谢.
const DOUBLED: &str = "爸妈爷奶哥姐弟妹叔舅姑婶太宝娃谢看试说听问谈聊查";

type Reading = (&'static str, u8);

struct Lexicon {
    jieba: Jieba,
    /// A reading for each character that does not have its common one there.
    words: HashMap<&'static str, Vec<Option<Reading>>>,
    common: HashMap<char, Reading>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon {
        jieba: Jieba::new(),
        words: HashMap::new(),
        common: COMMON.split_whitespace().map(split_entry).collect(),
    };
    for line in READINGS.lines() {
        let mut fields = line.split_whitespace();
        let Some((hanzi, reading)) = fields.next().zip(fields.next().map(syllable)) else {
            continue;
        };
        for word in fields {
            if !lexicon.jieba.has_word(word) {
                lexicon.jieba.add_word(word, None, None);
            }
            let length = word.chars().count();
            let readings = lexicon.words.entry(word).or_insert_with(|| vec![None; length]);
            for (slot, _) in
                readings.iter_mut().zip(word.chars()).filter(|(_, c)| hanzi.starts_with(*c))
            {
                *slot = Some(reading);
            }
        }
    }
    lexicon
});

fn split_entry(entry: &'static str) -> (char, Reading) {
    let hanzi = entry.chars().next().unwrap_or_default();
    (hanzi, syllable(&entry[hanzi.len_utf8()..]))
}

/// `hao3` → (`hao`, 3); no digit is the neutral tone.
fn syllable(text: &str) -> (&str, u8) {
    match text.bytes().last() {
        Some(b @ b'1'..=b'5') => (&text[..text.len() - 1], b - b'0'),
        _ => (text, 5),
    }
}

/// Whether a character has a reading.
pub(crate) fn is_readable(hanzi: char) -> bool {
    alone(hanzi).is_some_and(|(base, tone)| !super::ipa::of(&base, tone).is_empty())
}

/// Divides normalised text into speech and pauses.
pub(crate) fn read(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut stretch = String::new();
    for c in text.chars().chain(std::iter::once('\n')) {
        let Some(mark) = signs::pause(c) else {
            stretch.push(c);
            continue;
        };
        let speech = speak(&stretch);
        stretch.clear();
        if !speech.is_empty() {
            pieces.push(Piece::Speech(speech));
            pieces.push(Piece::Mark(mark));
        } else if mark != ','
            && let Some(Piece::Mark(last)) = pieces.last_mut()
        {
            *last = mark;
        }
    }
    // The line end that was added is no mark of the text.
    if text.chars().next_back().is_none_or(|c| signs::pause(c).is_none()) {
        pieces.pop();
    }
    pieces
}

/// The syllables of a stretch without a pause.
fn speak(stretch: &str) -> Vec<Syllable> {
    let mut speech = Vec::new();
    let words: Vec<&str> = stretch
        .split(signs::is_silent)
        .flat_map(|run| LEXICON.jieba.cut(run, false))
        .map(|token| token.word)
        .collect();
    for (i, word) in words.iter().enumerate() {
        let before = i.checked_sub(1).map_or("", |i| words[i]);
        let after = words.get(i + 1).copied().unwrap_or_default();
        append(&mut speech, word, before, after);
    }
    speech
}

fn append(speech: &mut Vec<Syllable>, word: &str, before: &str, after: &str) {
    if word.bytes().all(|b| b.is_ascii_alphabetic()) {
        word.bytes().for_each(|letter| speech.extend(named(letter)));
        return;
    }
    let readings = readings(word, before, after);
    let second = is_one_and_two(word);
    for (i, (hanzi, (base, tone))) in word.chars().zip(readings).enumerate() {
        let is_last = i + 1 == word.chars().count();
        let listed = LEXICON.words.contains_key(word);
        let erhua = hanzi == '儿' && is_last && !listed && (i > 0 || word.chars().count() == 1);
        match speech.last_mut() {
            Some(last) if erhua && !last.base.ends_with('r') => last.base.push('r'),
            _ => speech.push(Syllable {
                hanzi,
                base,
                tone,
                // A particle leans on what stands before it.
                starts_word: i == 0 && (tone != 5 || speech.is_empty()) || i == 1 && second,
            }),
        }
    }
}

/// 小老虎 is 小 and 老虎, while 展览馆 is 展览 and 馆: third tones rise within those.
fn is_one_and_two(word: &str) -> bool {
    let mut chars = word.char_indices().map(|(at, _)| at);
    let (second, third) = (chars.nth(1), chars.next());
    let Some((second, third)) = second.zip(third).filter(|_| chars.next().is_none()) else {
        return false;
    };
    !LEXICON.jieba.has_word(&word[..third]) && LEXICON.jieba.has_word(&word[second..])
}

fn named(letter: u8) -> impl Iterator<Item = Syllable> {
    let name = LETTERS[usize::from(letter.to_ascii_uppercase() - b'A')];
    name.split(' ').enumerate().map(move |(i, part)| {
        let (base, tone) = syllable(part);
        Syllable { hanzi: char::from(letter), base: base.into(), tone, starts_word: i == 0 }
    })
}

fn readings(word: &str, before: &str, after: &str) -> Vec<(String, u8)> {
    let chars: Vec<char> = word.chars().collect();
    let owned = |(base, tone): Reading| (base.to_owned(), tone);
    if let [hanzi] = chars[..] {
        let found = around(before, hanzi, after).map(owned).or_else(|| alone(hanzi));
        return found.into_iter().collect();
    }
    let mut parts: Vec<Option<Reading>> = vec![None; chars.len()];
    let mut at = 0;
    while at < chars.len() {
        let known = (2..=chars.len() - at).rev().find_map(|length| {
            let part = String::from_iter(&chars[at..at + length]);
            LEXICON.words.get(part.as_str()).map(|readings| (length, readings))
        });
        let Some((length, readings)) = known else {
            at += 1;
            continue;
        };
        parts[at..at + length].copy_from_slice(readings);
        at += length;
    }
    soften(&chars, &mut parts);
    let full =
        chars.iter().zip(parts).filter_map(|(c, part)| part.map(owned).or_else(|| alone(*c)));
    full.collect()
}

/// The second syllable of 妈妈 and the 子 of 桌子 are neutral.
fn soften(chars: &[char], parts: &mut [Option<Reading>]) {
    let last = chars.len() - 1;
    if chars[last] == '子' && parts[last].is_none() {
        parts[last] = Some(("zi", 5));
    }
    if chars.len() == 2 && chars[0] == chars[1] && DOUBLED.contains(chars[0]) {
        let full = LEXICON.common.get(&chars[0]).copied();
        let dictionary = chars[0].to_pinyin().map(|p| syllable(p.with_tone_num_end()));
        parts[1] = full.or(dictionary).map(|(base, _)| (base, 5));
    }
}

/// A character that is a word by itself, by its neighbours.
fn around(before: &str, hanzi: char, after: &str) -> Option<Reading> {
    const COUNTS: &str = "零一二两三四五六七八九十百千万几每哪这那半";
    const NAMED: [&str; 16] = [
        "编号", "号码", "电话", "时间", "地址", "结果", "金额", "数量", "单位", "密码", "类型",
        "级别", "价格", "温度", "期限", "范围",
    ];
    let left = before.chars().next_back().unwrap_or(' ');
    let right = after.chars().next().unwrap_or(' ');
    let counted = COUNTS.contains(left);
    let is_title = ["先生", "女士", "小姐", "师傅", "老师"].contains(&after);
    Some(match hanzi {
        '单' if is_title => ("shan", 4),
        '任' if is_title => ("ren", 2),
        '解' if is_title => ("xie", 4),
        '查' if is_title => ("zha", 1),
        '仇' if is_title => ("qiu", 2),
        '曾' if is_title => ("zeng", 1),
        '区' if is_title => ("ou", 1),
        '得' if "我你您他她们都还就总才也又可必须".contains(left) => ("dei", 3),
        '地' if before.chars().count() > 1 && is_manner(before) => ("de", 5),
        '为' if COUNTS.contains(right) || right == '幺' || NAMED.contains(&before) => ("wei", 2),
        '只' if counted => ("zhi", 1),
        '行' if counted => ("hang", 2),
        '种' if "不能在了".contains(left) || "树菜地田花粮了".contains(right) => {
            ("zhong", 4)
        }
        '还' if "钱款给清贷债书".contains(right) => ("huan", 2),
        '重' if counted || "新装修建做写办交拨打发".contains(right) => ("chong", 2),
        '长' if "大出高满".contains(right) => ("zhang", 3),
        '数' if "一了清钱".contains(right) => ("shu", 3),
        '调' if "高低大小快慢".contains(right) => ("tiao", 2),
        _ => return None,
    })
}

/// 高兴地, 慢慢地: adverbs of manner, by jieba's tags of their words.
fn is_manner(word: &str) -> bool {
    let tags = LEXICON.jieba.tag(word, false);
    tags.last().is_some_and(|tag| ["a", "ad", "d", "z", "i", "l", "an"].contains(&tag.tag))
}

fn alone(hanzi: char) -> Option<(String, u8)> {
    if let Some((base, tone)) = LEXICON.common.get(&hanzi) {
        return Some(((*base).to_owned(), *tone));
    }
    let (base, tone) = syllable(hanzi.to_pinyin()?.with_tone_num_end());
    Some((base.replace('ü', "v"), tone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_is_a_syllable_of_its_word() {
        for (word, readings) in &LEXICON.words {
            assert_eq!(word.chars().count(), readings.len(), "{word}");
            for (base, tone) in readings.iter().flatten() {
                assert!(!super::super::ipa::of(base, *tone).is_empty(), "{word}: {base}{tone}");
            }
        }
        assert!(LETTERS.iter().flat_map(|l| l.split(' ')).all(|part| {
            let (base, tone) = syllable(part);
            !super::super::ipa::of(base, tone).is_empty()
        }));
    }
}
