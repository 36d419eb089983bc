//! The dependency rules of ARCHITECTURE.md, checked on what cargo would really build.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The only crate that may use each of these, directly.
const OWNERS: &[(&str, &[&str])] = &[
    ("sqlx", &["qingting-store"]),
    ("axum", &["qingting-api"]),
    ("whisper-rs", &["qingting-asr"]),
    ("sherpa-onnx", &["qingting-sherpa"]),
    ("calamine", &["qingting-workbook"]),
    ("rust_xlsxwriter", &["qingting-workbook"]),
    ("krilla", &["qingting-workbook"]),
    ("ort", &["qingting-asr", "qingting-voice"]),
];

/// What must stay absent from everything that these crates use, however far down.
const PURE: &[&str] = &["qingting-common", "qingting-core", "qingting-nlu", "qingting-callbacks"];
const IMPURE: &[&str] =
    &["tokio", "mio", "socket2", "libc", "rustix", "sqlx", "rand", "tracing", "chrono"];

/// Which of our crates may use which, directly (normal dependencies).
const ALLOWED: &[(&str, &[&str])] = &[
    ("qingting-common", &[]),
    ("qingting-core", &["qingting-common"]),
    ("qingting-recording", &["qingting-common"]),
    ("qingting-media", &["qingting-common", "qingting-recording"]),
    ("qingting-sip", &["qingting-common"]),
    ("qingting-asr", &["qingting-common"]),
    ("qingting-sherpa", &["qingting-asr"]),
    ("qingting-voice", &["qingting-common"]),
    ("qingting-models", &["qingting-common"]),
    ("qingting-nlu", &["qingting-common"]),
    ("qingting-workbook", &["qingting-nlu"]),
    ("qingting-callbacks", &["qingting-common", "qingting-core", "qingting-nlu"]),
    ("qingting-tickets", &["qingting-common"]),
    ("qingting-store", &["qingting-callbacks", "qingting-common", "qingting-nlu"]),
    (
        "qingting-api",
        &[
            "qingting-callbacks",
            "qingting-common",
            "qingting-core",
            "qingting-nlu",
            "qingting-store",
            "qingting-tickets",
            "qingting-workbook",
        ],
    ),
];

#[test]
fn a_library_is_used_only_by_the_crate_that_owns_it() {
    let graph = Graph::load();
    for (library, owners) in OWNERS {
        for (user, deps) in &graph.ours {
            if deps.contains(*library) {
                assert!(owners.contains(&user.as_str()), "{user} must not use {library}");
            }
        }
    }
}

#[test]
fn pure_crates_reach_no_runtime_socket_clock_or_database() {
    for crate_name in PURE {
        let reached = closure(crate_name);
        assert!(reached.contains(*crate_name), "cargo tree says nothing of {crate_name}");
        for banned in IMPURE {
            assert!(!reached.contains(*banned), "{crate_name} reaches {banned}");
        }
    }
}

#[test]
fn dependencies_between_our_crates_point_one_way() {
    let graph = Graph::load();
    for (crate_name, allowed) in ALLOWED {
        let deps = graph.ours.get(*crate_name).unwrap_or_else(|| panic!("no crate {crate_name}"));
        for dep in deps.iter().filter(|dep| dep.starts_with("qingting-")) {
            assert!(allowed.contains(&dep.as_str()), "{crate_name} must not use {dep}");
        }
    }
}

/// What each of our crates uses directly: normal and build dependencies.
struct Graph {
    ours: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn load() -> Self {
        let metadata = cargo(&[
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ]);
        let metadata: Value = serde_json::from_str(&metadata).expect("cargo prints JSON");
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let members: BTreeSet<String> =
            list(&metadata["workspace_members"]).iter().map(text).collect();
        let mut graph = Self { ours: BTreeMap::new() };
        for node in list(&metadata["resolve"]["nodes"]) {
            let id = text(&node["id"]);
            let deps: BTreeSet<String> = list(&node["deps"])
                .iter()
                .filter(|dep| {
                    list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].as_str() != Some("dev"))
                })
                .map(|dep| names[&text(&dep["pkg"])].clone())
                .collect();
            if members.contains(&id) {
                graph.ours.insert(names[&id].clone(), deps);
            }
        }
        graph
    }
}

/// Every package that a crate builds with when it is built alone, itself included. Of the whole
/// workspace's graph the question would be answered wrongly: features add up there.
fn closure(crate_name: &str) -> BTreeSet<String> {
    let tree =
        cargo(&["tree", "--package", crate_name, "--edges", "normal,build", "--prefix", "none"]);
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}
