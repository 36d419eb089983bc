//! Duty lists: read from rows, asked for experts.

use qingting_core::duty::{COLUMNS, DutyList, RowError, Target, read_rows};
use qingting_core::hours::{LocalDate, LocalDateTime};

/// Rows with `|` between fields, below the header.
fn read(text: &str) -> Result<DutyList, Vec<RowError>> {
    let header = COLUMNS.join("|");
    let lines: Vec<Vec<&str>> =
        std::iter::once(&*header).chain(text.lines()).map(|l| l.split('|').collect()).collect();
    read_rows((1..).zip(lines.iter().map(Vec::as_slice)))
}

const LIST: &str = "\
rs|市人力资源和社会保障局|社保;人社局|甲|010-12345678|外线|1-5|||09:00|18:00|1
rs|市人力资源和社会保障局|就业|乙|8001;8002|分机|一至五|||08:00|12:00|2
rs|市人力资源和社会保障局||甲|010-12345678||六、日|2026-10-01|2026-10-31|22:00|06:00|

yb|市医疗保障局|医保|丙|13800138000||每天|||00:00|00:00|1";

fn date(text: &str) -> LocalDate {
    text.parse().expect("a date")
}

fn at(day: &str, hour: u16) -> LocalDateTime {
    LocalDateTime::new(date(day), hour * 60).expect("a time")
}

fn names(list: &DutyList, code: &str, at: LocalDateTime) -> String {
    list.whom_to_ring(code, at).iter().map(|expert| expert.name.expose().as_str()).collect()
}

#[test]
fn experts_on_duty_are_rung_in_their_order() {
    let list = read(LIST).expect("a list");
    // 2026-10-09 is a Friday.
    assert_eq!(names(&list, "rs", at("2026-10-09", 8)), "乙");
    assert_eq!(names(&list, "rs", at("2026-10-09", 9)), "甲乙");
    assert_eq!(names(&list, "rs", at("2026-10-09", 12)), "甲");
    assert_eq!(names(&list, "rs", at("2026-10-09", 18)), "");
    assert_eq!(names(&list, "rs", at("2026-10-10", 22)), "甲", "Saturday night");
    assert_eq!(names(&list, "rs", at("2026-10-12", 5)), "甲", "Sunday's night, on Monday");
    assert_eq!(names(&list, "rs", at("2026-11-01", 5)), "甲", "begun on the last date");
    assert_eq!(names(&list, "rs", at("2026-11-01", 23)), "");
    assert_eq!(names(&list, "yb", at("2026-11-01", 23)), "丙");
    assert_eq!(names(&list, "zz", at("2026-11-01", 23)), "");
    let experts = list.whom_to_ring("rs", at("2026-10-09", 8));
    let extensions = ["8001", "8002"].map(|extension| Target::Extension(extension.into()));
    assert_eq!(experts[0].targets, extensions);
}

#[test]
fn a_department_is_found_by_what_people_call_it() {
    let list = read(LIST).expect("a list");
    let found = |text: &str| -> Vec<&str> {
        list.find_department(text).iter().map(|department| department.code.as_str()).collect()
    };
    assert_eq!(found("社保"), ["rs"]);
    assert_eq!(found(" 医 保 "), ["yb"]);
    assert_eq!(found("RS"), ["rs"]);
    assert_eq!(found("市"), ["rs", "yb"], "both begin so");
    assert_eq!(found("保障局"), ["rs", "yb"]);
    assert_eq!(found("我要找医保的人"), ["yb"]);
    assert!(found("公积金").is_empty() && found(" ").is_empty());
}

#[test]
fn every_wrong_field_is_told_with_its_line_and_without_what_stood_there() {
    let text = "\
rs|人社局||甲|13800138000|外线|1-5|||09:00|18:00|1
rs|社保局||乙|13800138001|外线|1-5|||09:00|18:00|1
|人社局||丙|手机|外线|1-8|2026-02-30||9|18:00|x
rs|人社局||甲|13900139000|传真|5-1|2026-10-02|2026-10-01|24:00|24:00|1
rs|人社局||甲|13900139000|外线||2026-10-02|2026-10-01|09:00|09:00|1
rs|人社局||甲|13900139000|外线||||09:00|10:00|1
rs";
    let errors = read(text).expect_err("refused");
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let at: Vec<(usize, &str)> = errors.iter().map(|error| (error.line, error.column)).collect();
    let expected = [
        (3, "部门名称"),
        (4, "部门代码"),
        (4, "电话"),
        (4, "星期"),
        (4, "起始日期"),
        (4, "上班"),
        (4, "顺序"),
        (5, "电话"),
        (5, "星期"),
        (5, "上班"),
        (5, "下班"),
        (5, "结束日期"),
        (6, "下班"),
        (6, "结束日期"),
        (7, "电话"),
    ];
    assert_eq!(at[..expected.len()], expected, "{told:#?}");
    assert!(at[expected.len()..].iter().all(|(line, _)| *line == 8));
    assert_eq!(told[14], "line 7, 电话: the same person has other numbers in line 2");
    assert!(told.iter().all(|line| !line.contains("138") && !line.contains('甲')));
}

#[test]
fn the_header_must_be_there() {
    let wrong = read_rows([(1, ["部门", "部门名称"].as_slice())]).expect_err("refused");
    assert_eq!(wrong[0].to_string(), "line 1, 部门代码: column 1 must be named 部门代码");
    assert_eq!(wrong.len(), COLUMNS.len() - 1);
    assert_eq!(read_rows([]).expect_err("refused").len(), 1);
    let bom = "\u{feff}部门代码";
    let mut header = COLUMNS;
    header[0] = bom;
    assert!(read_rows([(1, header.as_slice())]).is_ok(), "as spreadsheets write it");
}

#[test]
fn a_list_prints_no_name_and_no_number() {
    let printed = format!("{:?}", read(LIST).expect("a list"));
    for secret in ["甲", "丙", "12345678", "13800138000"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}
