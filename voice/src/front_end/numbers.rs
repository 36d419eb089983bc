//! Digits and signs as they are spoken.

const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
/// After a count of these, a number is a quantity: 2个 is 两个 and 20000元 is 两万元.
const MEASURES: &str =
    "个位次件人名天年月日元块角号家户条项台辆套份吨米平公千万亿小分秒点层楼岁周倍种";
/// With these, a lone two stays 二.
const ORDINAL_MEASURES: &str = "月日号年楼层";
/// A number that follows one of these is read digit by digit.
const NUMBER_NAMES: [&str; 7] = ["尾号", "编号", "工号", "单号", "号码", "电话", "热线"];
/// From this length on, a number without a measure is a telephone or ticket number.
const SPELLED_DIGITS_MIN: usize = 5;

/// Writes digits as the hanzi that are spoken: 12345 → 幺二三四五, 14:30 → 十四点三十分,
/// 2024-05-06 → 二零二四年五月六日, 95% → 百分之九十五, ¥12.5 → 十二点五元.
pub fn normalise(text: &str) -> String {
    let text: Vec<char> = text.chars().map(narrow).collect();
    let mut out = String::new();
    let mut i = 0;
    while i < text.len() {
        let money = text[i] == '¥' && text.get(i + 1).is_some_and(char::is_ascii_digit);
        let start = i + usize::from(money);
        if !text[start].is_ascii_digit() {
            out.push(text[i]);
            i += 1;
            continue;
        }
        let (spoken, end) = number(&text, start, &out);
        out.push_str(&spoken);
        out.push_str(if money { "元" } else { "" });
        i = end;
        if text.get(i).is_some_and(|c| "-~～—至".contains(*c))
            && text.get(i + 1).is_some_and(char::is_ascii_digit)
        {
            out.push('到');
            i += 1;
        }
    }
    out
}

fn narrow(c: char) -> char {
    match c {
        '０'..='９' => char::from(b'0' + (c as u32 - '０' as u32) as u8),
        '％' => '%',
        '￥' => '¥',
        c => c,
    }
}

/// The words for the number at `start` and where it ends.
fn number(text: &[char], start: usize, before: &str) -> (String, usize) {
    let date = date(text, start);
    let found = date.or_else(|| time(text, start)).or_else(|| hyphenated(text, start));
    found.unwrap_or_else(|| plain(text, start, before))
}

/// 2024-05-06, 2024/5/6.
fn date(text: &[char], start: usize) -> Option<(String, usize)> {
    let (year, i) = digits(text, start);
    let separator = *text.get(i).filter(|c| "-/.".contains(**c))?;
    let (month, j) = digits(text, i + 1);
    let (day, end) = digits(text, (text.get(j) == Some(&separator)).then_some(j + 1)?);
    let (m, d) = (month.parse().ok()?, day.parse().ok()?);
    let valid = year.len() == 4 && (1..=12).contains(&m) && (1..=31).contains(&d);
    valid.then(|| (format!("{}年{}月{}日", spell(&year, '一'), cardinal(m), cardinal(d)), end))
}

/// 9:00, 14:30, 8:05:30.
fn time(text: &[char], start: usize) -> Option<(String, usize)> {
    let (hour, i) = digits(text, start);
    if !text.get(i).is_some_and(|c| ":：".contains(*c)) {
        return None;
    }
    let (minute, end) = digits(text, i + 1);
    let (h, m): (u64, u64) = (hour.parse().ok()?, minute.parse().ok()?);
    if h > 24 || m > 59 || minute.len() != 2 {
        return None;
    }
    let hour = if h == 2 { "两".into() } else { cardinal(h) };
    Some((
        match m {
            0 => format!("{hour}点"),
            1..=9 => format!("{hour}点零{}分", cardinal(m)),
            _ => format!("{hour}点{}分", cardinal(m)),
        },
        end,
    ))
}

/// 0571-8888-1234: a telephone number when it has enough digits.
fn hyphenated(text: &[char], start: usize) -> Option<(String, usize)> {
    let (first, mut end) = digits(text, start);
    let mut groups = vec![first];
    while text.get(end) == Some(&'-') && text.get(end + 1).is_some_and(char::is_ascii_digit) {
        let (group, next) = digits(text, end + 1);
        groups.push(group);
        end = next;
    }
    let count: usize = groups.iter().map(String::len).sum();
    let spoken = || groups.iter().map(|g| spell(g, '幺')).collect::<Vec<_>>().join("，");
    (groups.len() > 1 && count >= 7).then(|| (spoken(), end))
}

fn plain(text: &[char], start: usize, before: &str) -> (String, usize) {
    let (whole, mut end) = grouped(text, start);
    let mut fraction = String::new();
    if text.get(end) == Some(&'.') && text.get(end + 1).is_some_and(char::is_ascii_digit) {
        (fraction, end) = digits(text, end + 1);
    }
    let next = text.get(end).copied();
    if fraction.is_empty() && next != Some('%') && spelled(&whole, next, before) {
        let one = if next == Some('年') { '一' } else { '幺' };
        return (spell(&whole, one), end);
    }
    let measured = next.is_some_and(|c| MEASURES.contains(c) && !ORDINAL_MEASURES.contains(c));
    let mut spoken = match whole.parse() {
        Ok(2) if measured && fraction.is_empty() && !before.ends_with('第') => "两".into(),
        Ok(n) => cardinal(n),
        Err(_) => spell(&whole, '幺'),
    };
    if !fraction.is_empty() {
        spoken = format!("{spoken}点{}", spell(&fraction, '一'));
    }
    if next == Some('%') {
        return (format!("百分之{spoken}"), end + 1);
    }
    (spoken, end)
}

/// Whether a whole number is read digit by digit.
fn spelled(whole: &str, next: Option<char>, before: &str) -> bool {
    let measured = next.is_some_and(|c| MEASURES.contains(c));
    let year = whole.len() == 4 && next == Some('年');
    let named = whole.len() > 1 && NUMBER_NAMES.iter().any(|name| before.ends_with(name));
    let service = matches!(whole, "110" | "114" | "119" | "120" | "122") && !measured;
    let long = whole.len() >= SPELLED_DIGITS_MIN && !measured;
    let telephone = whole.len() == 11 && whole.starts_with('1');
    year || named
        || service
        || long
        || telephone
        || (whole.len() > 1 && whole.starts_with('0') && !measured)
}

/// The digits at `start` and where they end.
fn digits(text: &[char], start: usize) -> (String, usize) {
    let rest = text.get(start..).unwrap_or_default();
    let found: String = rest.iter().take_while(|c| c.is_ascii_digit()).collect();
    let end = start + found.len();
    (found, end)
}

/// As [`digits`], with groups of three apart by commas: 1,234,567.
fn grouped(text: &[char], start: usize) -> (String, usize) {
    let (mut whole, mut end) = digits(text, start);
    while whole.len() <= 15 && text.get(end) == Some(&',') {
        let (group, next) = digits(text, end + 1);
        if group.len() != 3 {
            break;
        }
        whole.push_str(&group);
        end = next;
    }
    (whole, end)
}

fn spell(digits: &str, one: char) -> String {
    let word = |d: u32| if d == 1 { one } else { DIGITS[d as usize] };
    digits.chars().filter_map(|c| c.to_digit(10)).map(word).collect()
}

/// A number in words: 10200 → 一万零二百.
fn cardinal(n: u64) -> String {
    if n == 0 {
        return DIGITS[0].into();
    }
    let mut out = String::new();
    let mut skipped = false;
    for (size, unit) in [(1_0000_0000_0000, "万亿"), (1_0000_0000, "亿"), (1_0000, "万"), (1, "")]
    {
        let group = n / size % 1_0000;
        if group == 0 {
            skipped |= !out.is_empty();
            continue;
        }
        if !out.is_empty() && (skipped || group < 1_000) {
            out.push('零');
        }
        skipped = false;
        if group == 2 && !unit.is_empty() {
            out.push('两');
        } else {
            out.push_str(&below_ten_thousand(group, out.is_empty()));
        }
        out.push_str(unit);
    }
    out
}

fn below_ten_thousand(n: u64, first: bool) -> String {
    let mut out = String::new();
    let mut zero = false;
    for (size, unit) in [(1_000, "千"), (100, "百"), (10, "十"), (1, "")] {
        let digit = n / size % 10;
        if digit == 0 {
            zero |= !out.is_empty();
            continue;
        }
        if zero {
            out.push('零');
            zero = false;
        }
        // 十二, but 一百一十二.
        if !(size == 10 && digit == 1 && out.is_empty() && first) {
            out.push(DIGITS[digit as usize]);
        }
        out.push_str(unit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_words_out() {
        for (text, expected) in [
            ("12345热线", "幺二三四五热线"),
            ("拨打110", "拨打幺幺零"),
            ("13800138000", "幺三八零零幺三八零零零"),
            ("0571-88881234", "零五七幺，八八八八幺二三四"),
            ("尾号0417", "尾号零四幺七"),
            ("2024年11月2日", "二零二四年十一月二日"),
            ("2024-05-06", "二零二四年五月六日"),
            ("9:00-12:00", "九点到十二点"),
            ("14:05", "十四点零五分"),
            ("满意请按1，不满意请按2", "满意请按一，不满意请按二"),
            ("2个工作日", "两个工作日"),
            ("95%", "百分之九十五"),
            ("¥12.50", "十二点五零元"),
            ("20000元", "两万元"),
            ("10200个", "一万零二百个"),
            ("100010000件", "一亿零一万件"),
            ("1,234人", "一千二百三十四人"),
            ("112个", "一百一十二个"),
            ("24小时", "二十四小时"),
            ("１２３４５", "幺二三四五"),
            ("¥", "¥"),
        ] {
            assert_eq!(normalise(text), expected, "{text}");
        }
    }

    #[test]
    fn a_number_too_long_for_words_is_spelled() {
        assert!(normalise("99999999999999999999999个").starts_with("九九九"));
    }
}
