//! Numbers as they are said and as recognisers write them.

/// The digit that a character stands for; 幺 and 洞 are said for 1 and 0.
pub(crate) fn digit(c: char) -> Option<u8> {
    Some(match c {
        '0'..='9' => c as u8 - b'0',
        '零' | '〇' | '洞' | '○' => 0,
        '一' | '幺' | '壹' | '吆' => 1,
        '二' | '两' | '贰' => 2,
        '三' | '叁' => 3,
        '四' | '肆' => 4,
        '五' | '伍' => 5,
        '六' | '陆' => 6,
        '七' | '柒' | '拐' => 7,
        '八' | '捌' => 8,
        '九' | '玖' => 9,
        _ => return None,
    })
}

/// Whether the character may stand in a number.
pub(crate) fn in_number(c: char) -> bool {
    digit(c).is_some() || matches!(c, '十' | '百' | '千')
}

/// The number at the beginning of the text, up to 9999, and its length in characters: `23`,
/// 二十三, 一百零八, 二零二五.
pub(crate) fn number(chars: &[char]) -> Option<(u32, usize)> {
    let length = chars.iter().take_while(|c| in_number(**c)).count();
    let chars = &chars[..length];
    if chars.iter().all(|c| digit(*c).is_some()) {
        let value = chars.iter().filter_map(|c| digit(*c)).map(u32::from);
        return (1..=4).contains(&length).then(|| (value.fold(0, |sum, d| sum * 10 + d), length));
    }
    let (mut total, mut ones) = (0, None);
    for c in chars {
        let unit = match c {
            '十' => 10,
            '百' => 100,
            '千' => 1000,
            c => {
                ones = digit(*c).map(u32::from);
                continue;
            }
        };
        if total > 0 && total < unit * 10 {
            return None;
        }
        total += ones.take().unwrap_or(1).max(1) * unit;
    }
    Some((total + ones.unwrap_or(0), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_ways() {
        let said = [
            ("23点", Some((23, 2))),
            ("二十三号", Some((23, 3))),
            ("十", Some((10, 1))),
            ("一百零八号", Some((108, 4))),
            ("二零二五年", Some((2025, 4))),
            ("五零一", Some((501, 3))),
            ("三千二百", Some((3200, 4))),
            ("十百", None),
            ("号", None),
        ];
        for (text, expected) in said {
            let chars: Vec<char> = text.chars().collect();
            assert_eq!(number(&chars), expected, "{text}");
        }
    }
}
