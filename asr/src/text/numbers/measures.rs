//! Shares, decimals, money, doors and counts.

use super::moments::numerals;
use super::parse::{self, digits, is_numeral};
use super::{Edit, Number, Page, starts};

/// Behind a decimal; without one 三点五 is a score, a version or a clock.
const DECIMAL_UNITS: [&str; 17] = [
    "公里",
    "千米",
    "米",
    "吨",
    "公斤",
    "斤",
    "平方",
    "平米",
    "亩",
    "倍",
    "万",
    "亿",
    "元",
    "度",
    "级",
    "个百分点",
    "小时",
];
/// Behind a count from ten on.
const MEASURES: [&str; 37] = [
    "个",
    "人",
    "天",
    "年",
    "名",
    "户",
    "台",
    "次",
    "公里",
    "千米",
    "米",
    "平方",
    "平米",
    "度",
    "吨",
    "斤",
    "公斤",
    "小时",
    "分钟",
    "秒",
    "岁",
    "周岁",
    "位",
    "辆",
    "家",
    "件",
    "条",
    "多个",
    "多人",
    "多天",
    "多年",
    "多户",
    "多岁",
    "多公里",
    "多米",
    "亩",
    "路公交",
];
/// Money in words.
const MONEY: [&str; 7] = ["块", "元", "万元", "亿元", "毛钱", "多块", "多元"];
/// Behind 块 they say what there are pieces of; behind 元 whose name it is.
const NOT_MONEY: [&str; 22] = [
    "块地", "块板", "块牌", "块砖", "块石", "块玻", "块田", "块儿", "块布", "块肉", "块草", "块绿",
    "块广", "块区", "块电", "块屏", "元桥", "元里", "元巷", "元路", "元街", "元村",
];
/// Parts of an address and what they are not.
const DOORS: [&str; 10] = ["号楼", "单元", "栋", "幢", "号院", "号线", "号", "楼", "层", "弄"];
const NOT_DOORS: [&str; 20] = [
    "栋楼", "栋房", "栋别", "幢楼", "幢房", "幢别", "楼梯", "楼道", "楼盘", "楼房", "楼宇", "层楼",
    "层意", "层皮", "层灰", "层关", "层高", "层的", "号称", "号召",
];
/// Doors that are counted as often as they are named: with 一 in front they stay.
const COUNTED: [&str; 4] = ["栋", "幢", "层", "号"];

/// 百分之二十 → 20%, 千分之三 → 3‰.
pub(super) fn shares(page: &mut Page<'_>) {
    for at in 0..page.chars.len() {
        let signs = [("百分之", '%'), ("千分之", '‰')];
        let Some((_, sign)) = signs.into_iter().find(|(word, _)| starts(&page.chars[at..], word))
        else {
            continue;
        };
        if at > 0 && is_numeral(page.chars[at - 1]) {
            continue;
        }
        let range = numerals(page.chars, at + 3);
        let hundred = page.chars[range.clone()] == ['百'];
        let number = Number::of(page.chars, range);
        let value = if hundred { Some(100) } else { number.exact() };
        let Some(value) = value else { continue };
        let written = value.to_string();
        let share = match fraction(page.chars, number.range.end) {
            Some((part, end)) => Edit::new(at..end, format!("{written}.{part}{sign}")),
            None => Edit::new(at..number.range.end, format!("{written}{sign}")),
        };
        page.put(share);
    }
}

/// 三点五公里 → 3.5公里.
pub(super) fn decimals(page: &mut Page<'_>) {
    for run in page.runs() {
        let number = Number::of(page.chars, run);
        let (Some(whole), Some((part, end))) =
            (number.exact(), fraction(page.chars, number.range.end))
        else {
            continue;
        };
        let unit = &page.chars[end..];
        if DECIMAL_UNITS.iter().any(|word| starts(unit, word)) {
            page.put(Edit::new(number.range.start..end, format!("{whole}.{part}")));
        }
    }
}

/// 点 and the digits behind it, with their end.
fn fraction(chars: &[char], at: usize) -> Option<(String, usize)> {
    if chars.get(at) != Some(&'点') {
        return None;
    }
    let length = chars[at + 1..].iter().take_while(|c| digits(&[**c]).is_some()).count();
    let end = at + 1 + length;
    let is_whole = !chars.get(end).is_some_and(|c| matches!(c, '十' | '百' | '千' | '两'));
    let part = digits(&chars[at + 1..end]).filter(|part| !part.is_empty() && is_whole)?;
    Some((part, end))
}

/// 三百五十块, 五块钱, 两块五.
pub(super) fn money(number: &Number<'_>) -> Option<Edit> {
    let cardinal = number.cardinal.filter(|_| !number.is_vague())?;
    let whole = parse::written(cardinal.value);
    if !number.precedes(&MONEY) || number.precedes(&NOT_MONEY) {
        return is_change(number).then(|| number.edit(whole));
    }
    let is_sure = cardinal.value >= 10
        || number.precedes(&["块钱", "元钱", "毛钱", "万元", "亿元"])
        || (cardinal.value != 1 && number.precedes(&["元"]))
        || starts_change(&number.after[1..]);
    is_sure.then(|| number.edit(whole))
}

/// 五 or 五毛 behind 块.
fn starts_change(rest: &[char]) -> bool {
    let Some((one, after)) = rest.split_first() else { return false };
    digits(&[*one]).is_some_and(|digit| digit != "0") && ends_change(after.first())
}

/// The digit behind 块 of a sum that is written by now or about to be.
fn is_change(number: &Number<'_>) -> bool {
    let [.., count, '块'] = number.before else { return false };
    let is_sum = is_numeral(*count) || count.is_ascii_digit();
    number.said.len() == 1 && is_sum && ends_change(number.after.first())
}

fn ends_change(c: Option<&char>) -> bool {
    c.is_none_or(|c| !c.is_alphanumeric() || "毛钱的左".contains(*c))
}

/// 三十二栋, 二单元, 九十号.
pub(super) fn door(number: &Number<'_>) -> Option<Edit> {
    let value = number.exact().filter(|value| (1..10_000).contains(value))?;
    let is_named =
        number.precedes(&DOORS) && !number.precedes(&NOT_DOORS) && !number.said.contains(&'两');
    let is_counted = value == 1
        && number.precedes(&COUNTED)
        && !number.precedes(&["号楼", "号线", "号院"])
        && !number.follows(&["小区", "苑", "园", "城", "庭", "府", "湾", "单元", "路", "楼", "栋"]);
    let is_room = number.precedes(&["室", "户"]) && value > 100;
    let is_unsure = value < 10 && number.precedes(&["弄"]);
    ((is_named && !is_counted && !is_unsure) || is_room).then(|| number.edit(parse::written(value)))
}

/// From ten on with a measure word, and exact numbers of three characters or more.
pub(super) fn count(number: &Number<'_>) -> Option<Edit> {
    let value = number.exact().filter(|value| *value >= 10)?;
    let is_measured = number.precedes(&MEASURES);
    let is_long = number.said.len() >= 3 && number.said.iter().any(|c| digits(&[*c]).is_some());
    (is_measured || is_long).then(|| number.edit(parse::written(value)))
}
