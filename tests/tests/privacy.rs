//! What a citizen says and who it was stays in the database and the recording: nothing of it is in
//! the log, on the metrics page or in the arguments of a process.

use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::{call, cer, spoken};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const NUMBER: &str = "13987654321";
const NAME: &str = "王建国";
const PLACE: &str = "幸福小区三号楼";
const SAID: &str = "您好，我叫王建国，我住在幸福小区三号楼，楼下的烧烤店每天晚上噪音特别大，\
                    我的电话是一三八零零一三八零零零。";
/// Fewer digits in a row than this also come in times and ids.
const DIGITS_MIN: usize = 6;

#[test]
fn nothing_of_a_call_is_in_the_log_the_metrics_or_the_arguments_of_a_process() {
    // The product's own DEBUG lines, too.
    let level = "\"info,qingting=trace\"";
    let server = Server::start(&ServerPlan::hearing().with("log.level", level));
    let file = spoken(SAID, "jf_nezumi");
    let play = file.to_str().expect("UTF-8");
    let mut arguments = BTreeSet::new();
    let called = std::thread::scope(|scope| {
        let args = ["--play", play, "--after-prompt", "--linger", "2", "--from", NUMBER];
        let uri = server.uri();
        let caller = scope.spawn(move || call(&uri, &args));
        wait_until("the call is over", || {
            arguments.extend(arguments_below(server.pid()));
            caller.is_finished().then_some(())
        });
        caller.join().expect("a caller")
    });
    assert_eq!(called.code, 0, "{called:?}");
    let call = server.ended_calls(1).remove(0);
    assert_eq!(call["caller"], NUMBER);
    wait_until("everything is recognised", || {
        (server.metric("qingting_asr_streams") == 0.0).then_some(())
    });
    let path = format!("/api/v1/calls/{}/transcript", call["id"].as_str().expect("an id"));
    let transcript = server.api_get(&path);
    let segments = transcript["segments"].as_array().cloned().unwrap_or_default();
    let said = |field: &str| -> String {
        segments.iter().filter_map(|segment| segment[field].as_str()).collect()
    };
    let (heard, shown) = (said("raw"), said("text"));
    assert!(cer(SAID, &heard) <= 0.5, "too little was heard to be found: {heard}");

    let ticket = server.ticket_of(&call);
    check_erasure(&server, &call);
    let (status, metrics) = server.request("GET", "/metrics", None);
    assert_eq!(status, 200);
    arguments.extend(arguments_below(server.pid()));
    let arguments: String = arguments.into_iter().collect();
    let log = server.log();
    assert!(!log.is_empty() && arguments.contains("asr-worker"), "{arguments}");
    let prompts = std::fs::read_to_string(server.home().join("config.toml")).expect("readable");
    let secrets = secrets(&heard, &shown, &ticket, &prompts);
    for (place, text) in [("log", &log), ("metrics", &metrics), ("arguments", &arguments)] {
        let found: Vec<&String> = secrets.iter().filter(|word| text.contains(*word)).collect();
        assert!(found.is_empty(), "{found:?} in the {place}:\n{text}");
    }
}

/// The citizen gets a copy, and is erased: neither is in the log, and the encrypted recording is gone.
fn check_erasure(server: &Server, call: &Value) {
    let id = call["id"].as_str().expect("an id");
    let is_there = || files_below(server.home()).iter().any(|file| file.contains(id));
    assert!(is_there(), "{:?}", files_below(server.home()));
    let ask = json!({ "phone": NUMBER });
    let (status, _) = server.request("POST", "/api/v1/citizens/export", Some(&ask));
    assert_eq!(status, 200);
    let ask = json!({ "phone": NUMBER, "reason": "purpose_over" });
    let erased = wait_until("the last words are written", || {
        let (status, body) = server.request("POST", "/api/v1/citizens/erase", Some(&ask));
        (status != 409).then_some((status, body))
    });
    assert_eq!(erased.0, 200, "{}", erased.1);
    assert!(!is_there(), "its file is left");
    let left = server.ticket_of(call).to_string() + &server.calls()[0].to_string();
    for word in [NUMBER, NAME, PLACE] {
        assert!(!left.contains(word), "{word} in {left}");
    }
}

/// The paths of all files.
fn files_below(folder: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    // Folders of a running server come and go.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(files_below(&path)),
            path => files.push(path.display().to_string()),
        }
    }
    files
}

/// The number, the name, the place, and every two neighbouring characters and long number of what
/// was heard and shown, unless the server itself says them to everybody.
fn secrets(heard: &str, shown: &str, ticket: &Value, prompts: &str) -> BTreeSet<String> {
    let mut secrets: BTreeSet<String> =
        [NUMBER, &NUMBER[3..], NAME, PLACE].map(str::to_owned).into();
    for field in ["caller_name", "phone", "place"] {
        let value = ticket["fields"][field]["value"].as_str().unwrap_or_default();
        secrets.extend((value.chars().count() >= 2).then(|| value.to_owned()));
    }
    for text in [heard, shown, SAID] {
        let characters: Vec<char> = text.chars().collect();
        let is_word = |pair: &&[char]| pair.iter().all(|c| ('\u{4e00}'..='\u{9fff}').contains(c));
        let pairs = characters.windows(2).filter(is_word).map(|pair| pair.iter().collect());
        secrets.extend(pairs);
        let digits = text.split(|c: char| !c.is_ascii_digit());
        secrets.extend(digits.filter(|digits| digits.len() >= DIGITS_MIN).map(str::to_owned));
    }
    secrets.retain(|word| !prompts.contains(word.as_str()));
    secrets
}

/// The command lines of a process and of all that descend from it, each with its line end.
fn arguments_below(pid: u32) -> Vec<String> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in std::fs::read_dir("/proc").expect("Linux").flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // "PID (NAME) STATE PARENT …", and a name may hold anything.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(2)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(id);
        }
    }
    let (mut waiting, mut arguments) = (vec![pid], Vec::new());
    while let Some(pid) = waiting.pop() {
        waiting.extend(children.get(&pid).into_iter().flatten());
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.push(String::from_utf8_lossy(&line).replace('\0', " ") + "\n");
    }
    arguments
}
