//! The command-line tools, as a user meets them.

use qingting_tests::qingting;
use std::process::{Command, Output};

fn run(args: &[&str], home: &std::path::Path) -> Output {
    Command::new(qingting())
        .args(args)
        .env("QINGTING_HOME", home)
        .env_remove("QINGTING_CONFIG")
        .output()
        .expect("qingting runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_default_configuration_is_good_and_a_wrong_key_is_explained() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("config.toml");
    let path = file.display().to_string();
    assert!(run(&["check-config", "--write-default", &path], home.path()).status.success());
    assert!(run(&["check-config", &path], home.path()).status.success());

    let text = std::fs::read_to_string(&file).expect("it was written");
    std::fs::write(&file, text.replace("listen_udp", "listen_upd")).expect("writable");
    let output = run(&["check-config", &path], home.path());
    assert!(!output.status.success());
    let message = stderr(&output);
    for part in [path.as_str(), "line ", "sip.listen_upd", "Did you mean `listen_udp`?"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn a_missing_model_names_the_file_and_the_command_that_fetches_it() {
    let home = tempfile::tempdir().expect("a folder");
    let output = run(&["speak", "您好", "--out", "/dev/null"], home.path());
    assert!(!output.status.success());
    let message = stderr(&output);
    assert!(message.contains("kokoro") && message.contains("qingting models fetch"), "{message}");
}

#[test]
fn a_category_model_is_trained_from_a_table() {
    let home = tempfile::tempdir().expect("a folder");
    let table = home.path().join("tickets.csv");
    let mut rows = String::from("text,category\n");
    for number in 0..60 {
        rows.push_str(&format!("小区门口的路灯坏了第{number}天没有人修,市政\n"));
        rows.push_str(&format!("楼上半夜装修噪音很大{number}户人家睡不着,环保\n"));
    }
    std::fs::write(&table, rows).expect("writable");
    let model = home.path().join("category.qtm");
    let (table, out) = (table.display().to_string(), model.display().to_string());
    let output = run(&["nlu", "train", &table, "--out", &out, "--json"], home.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(report["accuracy"].as_f64().is_some_and(|share| share > 0.9), "{report}");
    assert!(model.metadata().is_ok_and(|file| file.len() > 0));

    let output = run(&["nlu", "train", &table, "--label", "类别", "--out", &out], home.path());
    assert!(!output.status.success());
    let message = stderr(&output);
    assert!(message.contains("类别") && message.contains("category"), "{message}");
}

#[test]
fn a_sentence_is_spoken_into_a_telephone_recording() {
    let home = tempfile::tempdir().expect("a folder");
    let models = models();
    let said = "您好，我要投诉，小区门口的路灯坏了三天了。";
    let wav = home.path().join("said.wav");
    let wav_arg = wav.display().to_string();
    let args = ["speak", said, "--models", &models, "--out", &wav_arg];
    let output = run(&args, home.path());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(wav.metadata().is_ok_and(|file| file.len() > 2 * 8_000 * 2), "over two seconds");
}

/// The folder that `make test` fetched the models into.
fn models() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("QINGTING_HOME")
        .or_else(|| set("XDG_DATA_HOME").map(|dir| format!("{dir}/qingting")))
        .or_else(|| set("HOME").map(|dir| format!("{dir}/.local/share/qingting")))
        .map(|home| format!("{home}/models"))
        .expect("HOME is set")
}
