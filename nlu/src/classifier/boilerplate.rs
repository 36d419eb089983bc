//! What an operator writes and a caller never says. Left in a text it gives the answer away ("请住建局核实
//! 处理") and a model learns to read tickets, not callers.

use super::features::normalize;
use std::collections::{HashMap, HashSet};

/// Who is said to have called.
const CALLERS: [&str; 12] = [
    "市民",
    "来电人",
    "来电者",
    "来话人",
    "群众",
    "居民",
    "网民",
    "诉求人",
    "反映人",
    "投诉人",
    "当事人",
    "该市民",
];
/// How the words of a caller are led in, behind who called.
const LEAD_INS: [&str; 22] = [
    "来电反映",
    "致电反映",
    "来电咨询",
    "来电投诉",
    "来电举报",
    "来电求助",
    "来电建议",
    "来电表示",
    "来电称",
    "来电诉求",
    "来电",
    "致电",
    "再次反映",
    "反映称",
    "反映",
    "投诉称",
    "咨询",
    "投诉",
    "举报",
    "求助",
    "表示",
    "称",
];
/// How a request to a unit begins.
const REQUESTS: [&str; 22] = [
    "现请",
    "特请",
    "烦请",
    "恳请",
    "请求",
    "请",
    "希望",
    "盼望",
    "望",
    "要求",
    "诉求为",
    "现转",
    "已转",
    "转",
    "转派",
    "建议由",
    "派",
    "交由",
    "由",
    "故请",
    "特转",
    "请贵单位",
];
/// The last characters of what a unit is called.
const UNITS: [&str; 26] = [
    "部门",
    "单位",
    "局",
    "委",
    "委员会",
    "街道",
    "街道办",
    "办事处",
    "镇政府",
    "乡政府",
    "区政府",
    "县政府",
    "市政府",
    "政府",
    "管委会",
    "大队",
    "支队",
    "中心",
    "公司",
    "集团",
    "社区",
    "村委会",
    "居委会",
    "贵单位",
    "贵局",
    "办",
];
/// What units are asked to do, and the words around that.
const DUTIES: [&str; 44] = [
    "核实",
    "处理",
    "办理",
    "解决",
    "调查",
    "回复",
    "答复",
    "落实",
    "协调",
    "查处",
    "跟进",
    "处置",
    "核查",
    "阅处",
    "酌处",
    "介入",
    "督促",
    "整改",
    "反馈",
    "联系",
    "尽快",
    "及时",
    "尽早",
    "依法",
    "依规",
    "予以",
    "给予",
    "进行",
    "协助",
    "帮助",
    "此事",
    "此问题",
    "该问题",
    "该情况",
    "上述问题",
    "相关",
    "有关",
    "并",
    "结果",
    "情况",
    "市民",
    "来电人",
    "为盼",
    "谢谢",
];
/// Longest name of a unit within a request.
const UNIT_CHARS_MAX: usize = 16;
/// Letters and digits that may be left of a request that says nothing else.
const REST_CHARS_MAX: usize = 2;

/// A last clause in at least this share of the rows is a formula.
const FORMULA_SHARE_MIN: f64 = 0.002;
/// … and in at least this many.
const FORMULA_ROWS_MIN: usize = 10;
/// Shorter clauses may be a caller's.
const FORMULA_CHARS_MIN: usize = 5;
/// Last clauses of a text that may be a formula.
const LAST_CLAUSES: usize = 3;

/// The formulas with which the operators of one city end their tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boilerplate {
    formulas: HashSet<String>,
}

impl Boilerplate {
    /// Finds formulas: the same last clause in many tickets.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut rows = 0usize;
        let mut seen: HashMap<String, usize> = HashMap::new();
        for text in texts {
            rows += 1;
            let clauses = clauses(text);
            for (clause, _) in clauses.iter().rev().take(LAST_CLAUSES.min(clauses.len() - 1)) {
                let letters: String = normalize(clause).chars.into_iter().collect();
                if letters.chars().count() >= FORMULA_CHARS_MIN {
                    *seen.entry(letters).or_default() += 1;
                }
            }
        }
        let enough = FORMULA_ROWS_MIN.max((rows as f64 * FORMULA_SHARE_MIN) as usize);
        let formulas = seen.into_iter().filter(|(_, count)| *count >= enough);
        Self { formulas: formulas.map(|(clause, _)| clause).collect() }
    }

    /// The text without them, and without requests to units and lead-ins. A text that is nothing else
    /// stays as it is.
    pub fn strip(&self, text: &str) -> String {
        let clauses = clauses(text);
        let formulas_from = clauses.len().saturating_sub(LAST_CLAUSES);
        let mut kept = String::new();
        for (at, (clause, mark)) in clauses.iter().enumerate() {
            let letters: String = normalize(clause).chars.into_iter().collect();
            if at >= formulas_from && self.formulas.contains(&letters) {
                continue;
            }
            let clause = without_request(without_lead_in(clause));
            if !clause.is_empty() {
                kept.push_str(&clause);
                kept.extend(mark);
            }
        }
        if kept.chars().any(char::is_alphanumeric) { kept } else { text.to_owned() }
    }
}

/// Clauses with the mark behind each.
fn clauses(text: &str) -> Vec<(&str, Option<char>)> {
    let mut clauses = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_mark) {
        let mark = rest[at..].chars().next();
        clauses.push((&rest[..at], mark));
        rest = &rest[at + mark.map_or(0, char::len_utf8)..];
    }
    clauses.push((rest, None));
    clauses
}

fn is_mark(c: char) -> bool {
    matches!(
        c,
        '，' | '。' | '；' | '！' | '？' | '：' | '、' | ',' | ';' | '!' | '?' | ':' | '\n' | '\r'
    ) || matches!(c, '(' | ')' | '（' | '）' | '【' | '】' | '[' | ']')
}

/// "市民来电反映" and the like.
fn without_lead_in(clause: &str) -> &str {
    let clause = clause.trim();
    let Some(rest) = CALLERS.iter().find_map(|caller| clause.strip_prefix(caller)) else {
        return clause;
    };
    LEAD_INS.iter().find_map(|lead_in| rest.strip_prefix(lead_in)).unwrap_or(clause)
}

/// "望相关部门尽快处理" goes; of "请城管局处理占道经营" stays "处理占道经营": callers name the matter, operators
/// the unit.
fn without_request(clause: &str) -> String {
    let requests = || REQUESTS.iter().filter(|request| clause.starts_with(**request));
    let Some(request) = requests().max_by_key(|request| request.len()) else {
        return clause.to_owned();
    };
    let behind = &clause[request.len()..];
    let Some(unit) = unit_end(behind) else { return clause.to_owned() };
    let rest = &behind[unit..];
    let mut left = rest.to_owned();
    let mut duties: Vec<&str> = DUTIES.to_vec();
    duties.sort_by_key(|duty| std::cmp::Reverse(duty.len()));
    duties.iter().for_each(|duty| left = left.replace(duty, ""));
    let left = left.chars().filter(|c| c.is_alphanumeric()).count();
    if left <= REST_CHARS_MAX { String::new() } else { rest.to_owned() }
}

/// Where the unit's name at the beginning ends, in bytes; the last unit of several named side by side.
fn unit_end(text: &str) -> Option<usize> {
    let near = text.char_indices().nth(UNIT_CHARS_MAX).map_or(text.len(), |(at, _)| at);
    let ends = |unit: &str| Some(text[..near].find(unit)? + unit.len());
    let first = UNITS.iter().filter_map(|unit| ends(unit)).min()?;
    // "街道" is the shorter part of "街道办".
    UNITS.iter().filter_map(|unit| ends(unit)).filter(|end| *end <= first + 6).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(text: &str) -> String {
        Boilerplate::default().strip(text)
    }

    #[test]
    fn a_request_to_a_unit_goes_and_the_matter_stays() {
        for (text, left) in [
            ("小区停水三天，请水务局核实处理。", "小区停水三天，"),
            ("市民来电反映：公司拖欠工资，望相关部门尽快处理", "公司拖欠工资，"),
            ("路灯不亮，希望有关部门予以解决，谢谢。", "路灯不亮，谢谢。"),
            ("请城管局处理占道经营的摊贩", "处理占道经营的摊贩"),
            ("请问社保怎么转", "请问社保怎么转"),
            ("希望早点通车", "希望早点通车"),
            ("市民中心几点开门", "市民中心几点开门"),
        ] {
            assert_eq!(stripped(text), left, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_nothing_else_stays() {
        assert_eq!(stripped("请相关部门处理"), "请相关部门处理");
    }

    #[test]
    fn a_city_s_own_formula_is_found_by_its_frequency() {
        let texts: Vec<String> =
            (0..50).map(|n| format!("第{n}件事情各不相同，来电人要回电的哦。")).collect();
        let boilerplate = Boilerplate::of(texts.iter().map(String::as_str));
        assert_eq!(boilerplate.strip("桥坏了，来电人要回电的哦。"), "桥坏了，");
        assert_eq!(boilerplate.strip("第7件事情各不相同，桥坏了"), "第7件事情各不相同，桥坏了");
    }
}
