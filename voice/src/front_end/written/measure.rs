//! What is counted: measure words and units.

use super::scan::starts;

/// Measure words by which a two is 两: 两个, 两元, 两公里.
const MEASURES: &str = "个位次件人名天年户条项台辆套份吨米亩公千万亿小分秒点岁周倍种元块角毛张根盏只头\
    棵间处起批场封本页句遍回顿趟声片排把瓶箱袋桶部支扇道笔口对双克升度平厘毫家多余来层颗艘架座枚";
/// Measure words after which a number is a quantity, while a two stays 二: 二楼, 二月, 二期.
const ORDINALS: &str = "月日号楼栋幢期级路环段组区届等季";
/// Words that begin like a measure and are none: 12345人工 is a number and a word.
const WORDS: [&str; 27] = [
    "人工", "人民", "人员", "人大", "人社", "个人", "名字", "公安", "公司", "公交", "公共", "公众",
    "分机", "分局", "点击", "小区", "小学", "家长", "家庭", "平台", "号码", "件事", "部门", "路径",
    "对话", "来电", "来访",
];
/// Units and how they are spoken; longer ones first where one begins another.
const UNITS: [(&str, &str); 58] = [
    ("km/h", "公里每小时"),
    ("km²", "平方公里"),
    ("km2", "平方公里"),
    ("kW·h", "千瓦时"),
    ("kWh", "千瓦时"),
    ("kwh", "千瓦时"),
    ("m³/h", "立方米每小时"),
    ("mg/L", "毫克每升"),
    ("μg/m³", "微克每立方米"),
    ("m/s", "米每秒"),
    ("Mbps", "兆比特每秒"),
    ("hPa", "百帕"),
    ("kPa", "千帕"),
    ("MPa", "兆帕"),
    ("kHz", "千赫兹"),
    ("MHz", "兆赫兹"),
    ("GHz", "吉赫兹"),
    ("cm²", "平方厘米"),
    ("mm²", "平方毫米"),
    ("m²", "平方米"),
    ("m2", "平方米"),
    ("m³", "立方米"),
    ("m3", "立方米"),
    ("㎡", "平方米"),
    ("㎥", "立方米"),
    ("km", "公里"),
    ("KM", "公里"),
    ("cm", "厘米"),
    ("mm", "毫米"),
    ("μm", "微米"),
    ("kg", "公斤"),
    ("KG", "公斤"),
    ("mg", "毫克"),
    ("μg", "微克"),
    ("mL", "毫升"),
    ("ml", "毫升"),
    ("kV", "千伏"),
    ("kW", "千瓦"),
    ("MW", "兆瓦"),
    ("Hz", "赫兹"),
    ("dB", "分贝"),
    ("GB", "吉字节"),
    ("MB", "兆字节"),
    ("TB", "太字节"),
    ("Pa", "帕"),
    ("min", "分钟"),
    ("ha", "公顷"),
    ("℃", "摄氏度"),
    ("°C", "摄氏度"),
    ("℉", "华氏度"),
    ("m", "米"),
    ("g", "克"),
    ("t", "吨"),
    ("L", "升"),
    ("W", "瓦"),
    ("V", "伏"),
    ("h", "小时"),
    ("s", "秒"),
];
const DEGREES: [&str; 2] = ["摄氏度", "华氏度"];

/// Whether `rest` begins with a measure word, so that the number before it is a quantity.
pub(super) fn is_counted(rest: &[char]) -> bool {
    let one = rest.first().is_some_and(|c| MEASURES.contains(*c) || ORDINALS.contains(*c));
    one && !WORDS.iter().any(|word| starts(rest, word))
}

/// Whether a two before `rest` is 两. 2年级 is no quantity, and 2℃ stays 二.
pub(super) fn takes_liang(rest: &[char]) -> bool {
    let counted = rest.first().is_some_and(|c| MEASURES.contains(*c)) && is_counted(rest);
    let unit = unit(rest).is_some_and(|(word, _)| !DEGREES.contains(&word));
    unit || counted && !starts(rest, "年级")
}

/// The unit that `rest` begins with: its word and its length. A letter after it makes it none.
pub(super) fn unit(rest: &[char]) -> Option<(&'static str, usize)> {
    let (sign, word) = UNITS.iter().find(|(sign, _)| {
        let after = rest.get(sign.chars().count());
        starts(rest, sign) && !after.is_some_and(char::is_ascii_alphanumeric)
    })?;
    Some((word, sign.chars().count()))
}
