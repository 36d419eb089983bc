//! The caller's words as somebody else writes them down: 我们小区 becomes 来电人所在小区.
//!
//! Only where it is safe: 物业说我没交费 stays as it was said, because the words may be the manager's.

use super::lexicon::{Hit, Lexicon};

/// Stands in a pattern's value for the pattern's own words behind the pronoun.
const TAIL: char = '*';

pub(crate) struct ThirdPerson {
    pronouns: Lexicon,
}

impl ThirdPerson {
    pub(crate) fn new() -> Self {
        Self { pronouns: Lexicon::built_in(include_str!("../lexicon/pronouns.txt")) }
    }

    /// The text with its pronouns replaced; of patterns at one place the longest counts.
    pub(crate) fn rewrite(&self, text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let mut hits = self.pronouns.hits(&chars);
        hits.sort_by_key(|hit| (hit.range.start, std::cmp::Reverse(hit.range.end)));
        let mut written = String::with_capacity(text.len());
        let mut at = 0;
        for hit in hits {
            if hit.range.start < at {
                continue;
            }
            written.extend(&chars[at..hit.range.start]);
            written.push_str(&replacement(&hit, &chars));
            at = hit.range.end;
        }
        written.extend(&chars[at..]);
        written
    }
}

/// What stands for a hit. A value `来电人所在*2` keeps the last two characters of what was said; 无
/// keeps all.
fn replacement(hit: &Hit, chars: &[char]) -> String {
    let said = &chars[hit.range.clone()];
    let Some((head, kept)) = hit.value.split_once(TAIL) else {
        return match hit.value {
            "无" => said.iter().collect(),
            value => value.to_owned(),
        };
    };
    let kept: usize = kept.parse().expect("the lexicon's tests parse every value");
    head.chars().chain(said[said.len().saturating_sub(kept)..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pronouns_become_the_caller_where_it_is_safe() {
        let said = [
            ("我们小区停水了", "来电人所在小区停水了"),
            ("我们这个村没有路灯", "来电人所在村没有路灯"),
            ("我家楼下有个饭店", "来电人家楼下有个饭店"),
            ("我们家这边停电了", "来电人家停电了"),
            ("我交了三千块钱", "来电人交了三千块钱"),
            ("我们是阳光花园的业主", "来电人是阳光花园的业主"),
            ("物业说我没交费", "物业说我没交费"),
            ("希望你们管一管", "希望有关部门管一管"),
            ("麻烦你们派人来看看", "请有关部门派人来看看"),
            ("你们快点派人来", "有关部门快点派人来"),
            ("你帮我查一下", "帮来电人查一下"),
            ("我国的政策", "我国的政策"),
            ("孩子要有自我保护意识", "孩子要有自我保护意识"),
            ("垃圾没人收", "垃圾没人收"),
        ];
        let person = ThirdPerson::new();
        for (said, written) in said {
            assert_eq!(person.rewrite(said), written);
        }
    }

    #[test]
    fn every_value_of_the_lexicon_can_be_written() {
        for line in include_str!("../lexicon/pronouns.txt").lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some(value) = line.split_whitespace().nth(1) else { continue };
            assert!(value.split_once(TAIL).is_none_or(|(_, kept)| kept.parse::<usize>().is_ok()));
        }
    }
}
