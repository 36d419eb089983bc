//! The shipped model, and training on the data set that it comes from.

use qingting_nlu::classifier::{LinearModel, TrainOptions, train_csv};
use std::fs;
use std::path::PathBuf;

fn from_root(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", path].iter().collect()
}

#[test]
fn the_shipped_model_knows_its_seven_classes() {
    let bytes = fs::read(from_root("models/trained/category.qtm")).unwrap();
    let model = LinearModel::from_bytes(&bytes).unwrap();
    assert_eq!(model.labels().len(), 7);
    let said = [
        ("公司拖欠我三个月工资一直不给也没有签劳动合同", "劳动和社会保障"),
        ("学校周末还在收费补课老师强制学生参加", "教育文体"),
        ("旁边的工厂每天晚上排放废气味道特别臭污染很严重", "环境保护"),
    ];
    for (text, label) in said {
        assert_eq!(model.predict(text).ranked[0].label, label, "{text}");
    }
}

#[test]
fn training_reaches_its_measured_figures() {
    let Ok(file) = fs::File::open(from_root("../shared/data/appeals/full9210_split.csv")) else {
        println!("skipped: the data set of labelled appeals is not here");
        return;
    };
    let options = TrainOptions {
        label_column: "一级标签".into(),
        split_column: Some("split".into()),
        ..TrainOptions::default()
    };
    let (_, report) = train_csv(file, &options).unwrap();
    println!("accuracy {:.4} macro-F1 {:.4}", report.accuracy, report.macro_f1);
    assert_eq!((report.rows_train, report.rows_test), (7_222, 1_795));
    assert!(report.accuracy >= 0.918 && report.macro_f1 >= 0.913, "{report:?}");
    assert!(report.calibration.ece <= 0.03, "{:?}", report.calibration);
}
