//! The shipped model, and training on the data set that it comes from.

use qingting_nlu::classifier::{Columns, Matter, Teaching, TicketModel, learn, tickets};
use qingting_nlu::table::Table;
use std::fs;
use std::path::PathBuf;

fn from_root(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", path].iter().collect()
}

#[test]
fn the_shipped_model_knows_its_seven_classes() {
    let bytes = fs::read(from_root("models/trained/category.qtm")).unwrap();
    let model = TicketModel::from_bytes(&bytes).unwrap();
    assert_eq!(model.categories().len(), 7);
    let said = [
        ("公司拖欠我三个月工资一直不给也没有签劳动合同", "劳动和社会保障"),
        ("学校周末还在收费补课老师强制学生参加", "教育文体"),
        ("旁边的工厂每天晚上排放废气味道特别臭污染很严重", "环境保护"),
    ];
    for (text, label) in said {
        let answer = model.predict(&Matter { text, ..Matter::default() }).category.unwrap();
        assert_eq!(answer.ranked[0].label, label, "{text}");
    }
}

#[test]
fn training_reaches_its_measured_figures() {
    let read = |name: &str| fs::read(from_root(&format!("../shared/data/appeals/{name}")));
    let (Ok(labelled), Ok(written)) = (read("full9210_split.csv"), read("raw_union.csv")) else {
        println!("skipped: the data set of labelled appeals is not here");
        return;
    };
    let columns = Columns {
        text: "text|留言详情".into(),
        category: vec!["一级标签".into()],
        split: Some("split".into()),
        ..Columns::default()
    };
    let further = Columns { title: Some("留言主题".into()), split: None, ..columns.clone() };
    let table = |name: &str, bytes: &[u8]| Table::from_csv(name, bytes).unwrap();
    let rows = tickets(&table("labelled", &labelled), &columns).unwrap().rows;
    let further = tickets(&table("written", &written), &further).unwrap().rows;
    let learning = learn(&rows, &further, &Teaching::default()).unwrap();
    let category = learning.report.target("category 1").unwrap();
    println!(
        "accuracy {:.4} macro-F1 {:.4} first 60 {:.4} top-3 {:.4} ece {:.4} threshold {}",
        category.accuracy,
        category.macro_f1,
        category.accuracy_first_chars,
        category.top3,
        category.calibration.ece,
        category.threshold,
    );
    println!("{} rows, {} left out", learning.report.rows_train, learning.report.rows_left_out);
    println!("{} bytes", learning.model.to_bytes().len());
    assert_eq!(learning.report.rows_test, 1_795);
    assert!(category.accuracy >= 0.92 && category.macro_f1 >= 0.915, "{category:?}");
    assert!(category.calibration.ece <= 0.03, "{:?}", category.calibration);
}
