//! Text in, text out: what is said and what a seat reads.

use qingting_asr::text::{Stage, Text, display};

fn shown(said: &str, stage: Stage) -> String {
    display(&Text::over(said, &[]), stage).to_string()
}

#[test]
fn what_is_said_is_written_as_people_write_it() {
    let rows = include_str!("written.tsv").lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    let mut wrong = Vec::new();
    for row in rows {
        let (said, expected) = row.split_once('\t').expect("two columns");
        count += 1;
        let found = shown(said, Stage::Partial);
        if found != expected {
            wrong.push(format!("{said} -> {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 150, "{count} rows");
}

#[test]
fn a_segment_ends_with_its_mark() {
    for (said, expected) in [
        ("路灯坏了", "路灯坏了。"),
        ("有人来修吗", "有人来修吗？"),
        ("这个归谁管", "这个归谁管？"),
        ("什么时候来水", "什么时候来水？"),
        ("怎么办", "怎么办？"),
        ("电话呢", "电话呢？"),
        ("还没来呢", "还没来呢。"),
        ("我不知道怎么办", "我不知道怎么办。"),
        ("没什么", "没什么。"),
        ("为快一点,人民路坏了", "为快一点，人民路坏了。"),
        ("路灯坏了，", "路灯坏了。"),
        ("你好。请问怎么走?", "你好。请问怎么走？"),
        ("订阅 转发", "订阅，转发。"),
        ("涨了百分之二十", "涨了20%。"),
        ("嗯", "嗯。"),
        ("…", "…"),
        ("", ""),
    ] {
        assert_eq!(shown(said, Stage::Final), expected, "{said}");
    }
}

#[test]
fn a_clause_that_opens_with_a_connective_gets_its_comma() {
    for (said, expected) in [
        ("我打过电话但是没有人来", "我打过电话，但是没有人来"),
        ("主要是因为楼上漏水", "主要是因为楼上漏水"),
        ("之所以打电话来问", "之所以打电话来问"),
        ("好但是不行", "好但是不行"),
    ] {
        assert_eq!(shown(said, Stage::Partial), expected, "{said}");
    }
}

#[test]
fn a_pause_parts_clauses_and_not_words() {
    let said = |text: &str, pause_after: u64| {
        let (pause, end) = (pause_after * 200, text.chars().count() as u64 * 200);
        let raw = Text::over(text, &[0..pause, pause + 500..end + 500]);
        display(&raw, Stage::Final).to_string()
    };
    assert_eq!(said("小区停水三天没有人管", 6), "小区停水三天，没有人管。");
    assert_eq!(said("小区停水三天没有人管", 9), "小区停水三天没有人管。");
    assert_eq!(said("小区停水三天了没有人", 6), "小区停水三天了没有人。");
    assert_eq!(said("小区，停水三天没有人", 5), "小区，停水三天没有人。");
}
