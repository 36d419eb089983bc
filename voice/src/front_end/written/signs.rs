//! What single characters are: pauses, silent marks, signs with a name.

/// Full-width letters, digits and signs in their usual form. Punctuation stays as it is: a
/// full-width comma never stands within a number.
pub(super) const fn narrow(c: char) -> char {
    match c {
        '０'..='９'
        | 'Ａ'..='Ｚ'
        | 'ａ'..='ｚ'
        | '％'
        | '＋'
        | '－'
        | '／'
        | '～'
        | '＃'
        | '＊'
        | '＠'
        | '＆'
        | '＄'
        | '＝'
        | '＜'
        | '＞'
        | '．'
        | '＿' => (c as u32 - 0xfee0) as u8 as char,
        '￥' => '¥',
        '−' | '‐' | '‑' | '–' => '-',
        '〜' | '∼' => '~',
        c => c,
    }
}

/// The pause that a mark stands for: one of `, . ! ? : ;`.
pub(crate) const fn pause(c: char) -> Option<char> {
    Some(match c {
        '，' | ',' | '、' | '（' | '）' | '(' | ')' | '【' | '】' | '[' | ']' | '〔' | '〕'
        | '…' | '—' | '-' | '/' | '|' | '~' => ',',
        '。' | '.' | '．' | '\n' | '\r' => '.',
        '！' | '!' => '!',
        '？' | '?' => '?',
        '：' | ':' => ':',
        '；' | ';' => ';',
        _ => return None,
    })
}

/// Marks that are written and not heard: quotes, titles, the dot within foreign names, blanks.
pub(crate) fn is_silent(c: char) -> bool {
    "“”‘’\"'《》〈〉「」『』·•・".contains(c)
        || c == '\t'
        || c == ' '
        || c == '\u{3000}'
        || c == '\u{a0}'
}

/// Signs that have a name wherever they stand.
pub(super) const fn name(c: char) -> Option<&'static str> {
    Some(match c {
        '%' => "百分号",
        '‰' => "千分号",
        '+' => "加",
        '×' => "乘",
        '÷' => "除以",
        '=' => "等于",
        '<' => "小于",
        '>' => "大于",
        '≤' => "小于等于",
        '≥' => "大于等于",
        '≈' => "约等于",
        '±' => "正负",
        '&' => "和",
        '@' => "艾特",
        '#' => "井号",
        '*' => "星号",
        '_' => "下划线",
        '\\' => "反斜杠",
        '¥' => "元",
        '$' => "美元",
        '€' => "欧元",
        '£' => "英镑",
        '℃' => "摄氏度",
        '℉' => "华氏度",
        '°' => "度",
        '′' => "分",
        '″' => "秒",
        '№' => "编号",
        '㎡' => "平方米",
        '㎥' => "立方米",
        '²' => "平方",
        '³' => "立方",
        '½' => "二分之一",
        '¼' => "四分之一",
        '¾' => "四分之三",
        '〇' => "零",
        _ => return None,
    })
}

/// Numbers in one character: ⅱ, Ⅳ, ③, ⑿.
pub(super) const fn enclosed(c: char) -> Option<u32> {
    Some(match c {
        'Ⅰ'..='Ⅻ' => c as u32 - 'Ⅰ' as u32 + 1,
        'ⅰ'..='ⅻ' => c as u32 - 'ⅰ' as u32 + 1,
        '①'..='⑳' => c as u32 - '①' as u32 + 1,
        '⑴'..='⒇' => c as u32 - '⑴' as u32 + 1,
        _ => return None,
    })
}

/// Whether a character that is no hanzi can be spoken or is a mark.
pub(crate) fn is_known(c: char) -> bool {
    let c = narrow(c);
    c.is_ascii_alphanumeric()
        || is_silent(c)
        || pause(c).is_some()
        || name(c).is_some()
        || enclosed(c).is_some()
}
