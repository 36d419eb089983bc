//! Learning from the tickets of a small city whose units own a territory or a matter.

use qingting_nlu::classifier::{
    Columns, Learning, Matter, ModelError, Teaching, TicketModel, learn, reliability_svg, tickets,
};
use qingting_nlu::draft::Field;
use qingting_nlu::reader::CONFIDENCE_MIN;
use qingting_nlu::table::Table;
use std::fmt::Write;
use std::sync::OnceLock;

#[path = "support/mod.rs"]
mod support;

/// Communities, and the street whose office answers for them.
const COMMUNITIES: [(&str, &str); 8] = [
    ("梅园社区", "东湖街道办"),
    ("翠竹社区", "东湖街道办"),
    ("向阳小区", "西山街道办"),
    ("红旗小区", "西山街道办"),
    ("丽景花园", "南桥街道办"),
    ("金地花园", "南桥街道办"),
    ("石头村", "北塘镇政府"),
    ("杨柳村", "北塘镇政府"),
];
/// Matters of a territory's office.
const LOCAL: [(&str, &str, &str); 3] = [
    ("城乡建设", "市政", "楼下的路灯坏了很久没有人来修"),
    ("城乡建设", "环卫", "垃圾堆了好几天一直没有清运很臭"),
    ("环境保护", "噪音", "楼上半夜放音乐噪音吵得睡不着"),
];
/// Matters of one unit everywhere.
const GENERAL: [(&str, &str, &str, &str); 3] = [
    ("社会保障", "养老", "退休以后养老金为什么没有按时发", "人社局"),
    ("教育", "入学", "孩子今年上小学报名要什么材料", "教育局"),
    ("社会保障", "欠薪", "工地老板拖欠工资不给我们工人", "人社局"),
];
const FILLERS: [&str; 6] = [
    "你好我想反映一下",
    "喂您好",
    "那个我住在这边",
    "麻烦你们看一下",
    "我打了几次电话了",
    "是这样的",
];

fn city() -> String {
    let mut csv = String::from("诉求内容,一级,二级,承办单位,类型\n");
    for n in 0..900usize {
        let (community, office) = COMMUNITIES[n % 8];
        let filler = FILLERS[n / 8 % 6];
        let day = n / 48;
        let (first, second, what, unit) = if n / 3 % 2 == 0 {
            let (first, second, what) = LOCAL[n % 3];
            (first, second, what, office)
        } else {
            GENERAL[n % 3]
        };
        let kind = if n % 3 == 1 { "咨询" } else { "投诉" };
        let ending =
            if n % 2 == 0 { format!("，请{unit}核实处理。") } else { String::new() };
        let _ = writeln!(
            csv,
            "{filler}{community}{what}{day}次{ending},{first},{second},{unit},{kind}"
        );
    }
    csv
}

fn learning() -> &'static Learning {
    static LEARNING: OnceLock<Learning> = OnceLock::new();
    LEARNING.get_or_init(|| {
        let table = Table::from_csv("city.csv", city().as_bytes()).unwrap();
        let columns = Columns {
            text: "诉求内容".into(),
            category: vec!["一级".into(), "二级".into()],
            unit: Some("承办单位".into()),
            kind: Some("类型".into()),
            ..Columns::default()
        };
        learn(&tickets(&table, &columns).unwrap().rows, &[], &Teaching::default()).unwrap()
    })
}

fn said(text: &str) -> Matter<'_> {
    Matter { text, ..Matter::default() }
}

#[test]
fn every_question_is_learnt_and_the_report_says_how_well() {
    let report = &learning().report;
    let names: Vec<&str> = report.targets.iter().map(|target| target.target.as_str()).collect();
    assert_eq!(names, ["category 1", "category 2", "unit", "kind"]);
    for target in &report.targets {
        assert!(target.accuracy >= 0.97, "{} {}", target.target, target.accuracy);
        assert!(target.top3 >= target.accuracy && target.accuracy_covered >= 0.97, "{target:?}");
        let svg = reliability_svg(target);
        assert!(
            svg.starts_with("<svg") && svg.contains(&target.target) && svg.ends_with("</svg>\n")
        );
    }
    assert!(report.rows_stripped > 300, "{}", report.rows_stripped);
    assert_eq!(report.rows_train + report.rows_test + report.rows_left_out, 900);
}

#[test]
fn the_same_matter_goes_to_the_office_of_its_place_and_another_to_its_bureau() {
    let model = &learning().model;
    let unit = |text: &str| model.predict(&said(text)).unit.unwrap().ranked[0].label.clone();
    assert_eq!(unit("翠竹社区的路灯坏了"), "东湖街道办");
    assert_eq!(unit("石头村的路灯坏了"), "北塘镇政府");
    assert_eq!(unit("我在石头村，养老金没有发"), "人社局");
}

#[test]
fn it_says_nothing_of_what_it_was_not_taught() {
    let model = &learning().model;
    let answer = model.predict(&said("qqq")).unit.unwrap();
    assert_eq!((answer.sure, answer.spans.len()), (None, 0));
}

#[test]
fn the_words_that_decided_are_shown() {
    let text = "你好，梅园社区垃圾堆了好几天";
    let prediction = learning().model.predict(&said(text));
    let span = prediction.category.unwrap().spans[0];
    let chars = text.chars().skip(span.start as usize).take((span.end - span.start) as usize);
    let quote: String = chars.collect();
    assert!("垃圾堆了好几天".contains(quote.trim_matches('，')) || quote.contains('堆'), "{quote}");
}

#[test]
fn a_file_is_the_model_and_a_changed_one_is_refused() {
    let model = &learning().model;
    let mut bytes = model.to_bytes();
    assert_eq!(&TicketModel::from_bytes(&bytes).unwrap(), model);
    assert_eq!(TicketModel::from_bytes(b"PK"), Err(ModelError::Magic));
    let cut = TicketModel::from_bytes(&bytes[..bytes.len() - 9]);
    assert_eq!(cut, Err(ModelError::Damaged { what: "checksum" }));
    bytes[4] = 9;
    assert_eq!(TicketModel::from_bytes(&bytes), Err(ModelError::Version { found: 9 }));
}

#[test]
fn one_class_and_no_rows_for_a_side_are_refused() {
    let refused = |csv: &str| {
        let table = Table::from_csv("t.csv", csv.as_bytes()).unwrap();
        let columns = Columns {
            text: "内容".into(),
            unit: Some("单位".into()),
            split: Some("split".into()),
            ..Columns::default()
        };
        let rows = tickets(&table, &columns).unwrap().rows;
        learn(&rows, &[], &Teaching::default()).unwrap_err().to_string()
    };
    let one = refused("内容,单位,split\n停水,水务局,train\n停电,水务局,train\n停气,水务局,test\n");
    assert!(one.contains("水务局") && one.contains("at least two classes"), "{one}");
    let none = refused("内容,单位,split\n停水,水务局,train\n停电,供电局,train\n");
    assert!(none.starts_with("no rows for test"), "{none}");
}

#[test]
fn a_city_s_gb18030_file_is_read_as_it_is() {
    // "内容,单位\n停水,水务局\n" as an old spreadsheet saves it.
    let bytes = [
        0xc4, 0xda, 0xc8, 0xdd, 0x2c, 0xb5, 0xa5, 0xce, 0xbb, 0x0a, 0xcd, 0xa3, 0xcb, 0xae, 0x2c,
        0xcb, 0xae, 0xce, 0xf1, 0xbe, 0xd6, 0x0a,
    ];
    let table = Table::from_csv("t.csv", &bytes).unwrap();
    let columns =
        Columns { text: "内容".into(), unit: Some("单位".into()), ..Columns::default() };
    let rows = tickets(&table, &columns).unwrap().rows;
    assert_eq!((rows[0].text.as_str(), rows[0].unit.as_deref()), ("停水", Some("水务局")));
}

#[test]
fn a_reader_changes_its_model_between_two_readings() {
    let reader = support::reader();
    let words =
        [(qingting_common::ids::Party::Caller, "你好我住在翠竹社区，楼下的路灯坏了很久没有人来修")];
    let tags = |reader: &qingting_nlu::Reader| {
        reader.read(&support::utterances(words.iter().copied()), &support::context())
    };
    assert!(
        support::shown(&tags(&reader), Field::HandlingUnit).is_none(),
        "the shipped model knows no unit"
    );
    reader.replace_model(learning().model.clone());
    let tags = tags(&reader);
    let unit = support::shown(&tags, Field::HandlingUnit).expect("a unit");
    assert_eq!(unit.value, "东湖街道办");
    assert!(unit.confidence >= CONFIDENCE_MIN && !unit.evidence.is_empty());
    assert_eq!(support::shown(&tags, Field::Category).unwrap().value, "城乡建设/市政");
}
