//! Entries from tables and pages, whole or not at all; searched by callers' questions.

use qingting_nlu::knowledge::{ANSWER_MIN, Day, Entry, Hit, Import, Index, markdown};
use qingting_nlu::table::Table;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn import(file: &str, text: &str) -> Result<Vec<Entry>, Vec<String>> {
    let mut import = Import::default();
    match Table::from_csv(file, text.as_bytes()) {
        Ok(table) => import.table(&table),
        Err(error) => import.unreadable(error),
    }
    import.finish().map_err(|error| error.problems.iter().map(ToString::to_string).collect())
}

fn entries() -> Vec<Entry> {
    import("entries.csv", include_str!("knowledge/entries.csv")).unwrap()
}

/// Questions with the id of the entry that answers.
fn questions() -> Vec<(Option<&'static str>, &'static str)> {
    let lines =
        include_str!("knowledge/questions.txt").lines().filter(|line| !line.starts_with('#'));
    let parted = lines.filter_map(|line| line.split_once(' '));
    parted.map(|(id, asked)| (Some(id).filter(|id| *id != "-"), asked)).collect()
}

fn ids(hits: &[Hit<'_>]) -> Vec<String> {
    hits.iter().map(|hit| hit.entry.id.clone()).collect()
}

#[test]
fn callers_questions_find_their_entry_or_nothing() {
    let index = Index::new(entries());
    let today = day("2026-03-11");
    let (mut asked, mut first, mut among_three, mut wrong) = (0, 0, 0, 0);
    let (mut unanswerable, mut answered) = (0, 0);
    for (expected, question) in questions() {
        let hits = index.search(question, today, 3);
        let found = ids(&hits);
        let best = found.first().map(String::as_str);
        match expected {
            Some(id) => {
                asked += 1;
                first += u32::from(best == Some(id));
                among_three += u32::from(found.iter().any(|found| found == id));
                wrong += u32::from(best.is_some_and(|best| best != id));
            }
            None => {
                unanswerable += 1;
                answered += u32::from(best.is_some());
            }
        }
        if best != expected || expected.is_none() {
            let near = index.ranked(question, today);
            let near: Vec<_> =
                near.iter().take(3).map(|hit| (&hit.entry.id, hit.score, hit.shares)).collect();
            println!("{question}: {found:?}, expected {expected:?}; near {near:?}");
        }
    }
    println!("of {asked}: first {first}, among three {among_three}, another first {wrong}");
    println!("of {unanswerable} without an answer: answered {answered}");
    assert!(
        first * 100 >= asked * 90 && among_three * 100 >= asked * 93 && wrong * 100 <= asked * 4
    );
    assert!(answered * 100 <= unanswerable * 6);
}

#[test]
fn an_entry_is_found_from_its_first_to_its_last_day() {
    let index = Index::new(entries());
    let asked = "买空调国家补贴以旧换新能补多少";
    let found = |on: &str| ids(&index.search(asked, day(on), 3)).contains(&"K041".to_owned());
    assert!(
        !found("2024-12-31") && found("2025-01-01") && found("2025-12-31") && !found("2026-01-01")
    );
    let asked = "今年企业退休人员养老金涨多少";
    let found = |on: &str| ids(&index.search(asked, day(on), 3)).contains(&"K024".to_owned());
    assert!(!found("2026-05-31") && found("2026-06-01"));
}

#[test]
fn scores_are_ordered_and_nothing_unlikely_is_an_answer() {
    let index = Index::new(entries());
    let (asked, today) = ("身份证丢了怎么补办", day("2026-03-11"));
    let all = index.ranked(asked, today);
    assert!(all.len() >= 3 && all.windows(2).all(|pair| pair[0].score >= pair[1].score));
    let hits = index.search(asked, today, 10);
    assert_eq!(hits[0].entry.id, "K006");
    assert_eq!(hits.len(), all.iter().filter(|hit| hit.score >= ANSWER_MIN).count());
    assert!(index.search("", day("2026-03-11"), 3).is_empty());
    assert!(Index::new(Vec::new()).search("社保卡", day("2026-03-11"), 3).is_empty());
}

#[test]
fn every_problem_of_a_table_is_told_by_row_and_nothing_is_imported() {
    let table = "编号,标题,答案,来源,生效日期,失效日期\n\
                 A1,怎样补办,带身份证,局,2026-01-01,\n\
                 A1,怎样退卡,到网点,局,2026-01-01,\n\
                 A2,,到网点,局,2026-01-01,\n\
                 A3,怎样查询,在网上,局,2026-02-30,\n\
                 A4,怎样变更,在网上,局,2026-02-01,2026-01-31\n";
    let problems = import("a.csv", table).unwrap_err();
    assert_eq!(
        problems,
        [
            "a.csv row 3: id \"A1\" is in a.csv row 2 already: give each entry an id (编号) of its own",
            "a.csv row 4: title (标题) is empty: fill it in or take the entry out",
            "a.csv row 5: valid_from (生效日期) is no day of the calendar: write it as 2026-03-11",
            "a.csv row 6: valid_to (失效日期) is before 2026-02-01: exchange the two days",
        ]
    );
    let problems = import("b.csv", "title,answer,source\n问,答,局\n").unwrap_err();
    assert!(
        problems[0].contains("b.csv row 1") && problems[0].contains("生效日期"),
        "{problems:?}"
    );
    let problems = import("c.csv", "").unwrap_err();
    assert!(problems[0].contains("c.csv is empty"), "{problems:?}");
}

#[test]
fn names_of_columns_may_be_english_and_a_missing_id_is_the_title() {
    let table = "Title,questions,answer,source,valid_from,valid_to,unit,tags\n\
                 怎样补办,丢了怎么办|坏了怎么换,带身份证,局,2026/1/1,长期,人社局,社保；补办\n";
    let entry = import("a.csv", table).unwrap().remove(0);
    assert_eq!((entry.id.as_str(), entry.questions.len()), ("怎样补办", 2));
    assert_eq!((entry.valid_from, entry.valid_to), (day("2026-01-01"), None));
    assert_eq!((entry.unit.as_deref(), entry.tags.len()), (Some("人社局"), 2));
}

#[test]
fn a_markdown_page_gives_an_entry_for_each_heading_with_text() {
    let page = "---\n来源: 市人社局\n生效日期: 2025-01-01\n---\n# 社保卡\n## 怎样补办社保卡\n生效日期：2026-01-01\n\
                带身份证到网点。\n## 怎样激活社保卡\n在银行激活。\n";
    let mut import = Import::default();
    import.document("card.md", &markdown(page));
    let entries = import.finish().unwrap();
    let read: Vec<_> = entries
        .iter()
        .map(|entry| (entry.title.as_str(), entry.answer.as_str(), entry.valid_from.to_string()))
        .collect();
    assert_eq!(
        read,
        [
            ("怎样补办社保卡", "带身份证到网点。", "2026-01-01".to_owned()),
            ("怎样激活社保卡", "在银行激活。", "2025-01-01".to_owned()),
        ]
    );
    let mut import = Import::default();
    import.document(
        "card.md",
        &markdown("# 社保卡\n## 怎样补办\n带身份证。\n## 怎样激活\n在银行。\n"),
    );
    let problems = import.finish().unwrap_err().problems;
    assert_eq!(
        problems[0].to_string(),
        "card.md row 2: source (来源) is empty: fill it in or take the entry out"
    );
    assert_eq!(problems.len(), 2);
}
