//! What `deploy/` has fits the program: alerts and dashboard ask for metrics that there are, and alerts lead to pages
//! that there are.

use qingting_tests::certificate::certify;
use qingting_tests::peers::talker::Talker;
use qingting_tests::server::{Server, ServerPlan, free_port, wait_until};
use qingting_tests::ticket_system::TicketSystem;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of series in a text, without what histograms put behind them.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c| !is_part(c));
    let ours = words.filter(|word| word.starts_with("qingting_") || word.starts_with("process_"));
    let base = |word: &str| {
        let ends = ["_bucket", "_count", "_sum"];
        ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()
    };
    ours.map(base).collect()
}

/// Of a hotline of several servers (`tests/cluster/` waits for them).
const IN_CLUSTERS: [&str; 2] = ["qingting_cluster_keeps_queues", "qingting_cluster_other_servers"];

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let system = TicketSystem::start();
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path(), false);
    let file = |name: &str| format!("\"{}\"", folder.path().join(name).display());
    let plan = ServerPlan::hearing()
        .with("sip.listen_tls", format!("[\"{}\"]", free_port()))
        .with("sip.tls_certificate", file("cert.pem"))
        .with("sip.tls_key", file("key.pem"))
        .with("ticket_system.url", format!("\"{}\"", system.url()))
        .with("ticket_system.secret_file", format!("\"{}\"", system.secret_file().display()))
        .with("traces.otlp_url", "\"http://127.0.0.1:9/v1/traces\"")
        .and("[[trunks]]\nname = \"外线\"\nuri = \"sip:127.0.0.2:9\"\ncaller_id = \"12345\"\n")
        .and("[[queues]]\nname = \"综合\"\nskill = \"综合\"\n");
    let server = Server::start(&plan);
    let citizen = Talker::call(server.sip(), 1_150.0);
    wait_until("the call runs", || (server.metric("qingting_calls_active") == 1.0).then_some(()));
    citizen.hang_up();
    server.ended_calls(1);
    let lost = "qingting_leg_packets_lost_ratio_count{party=\"citizen\"}";
    wait_until("its leg is counted", || (server.metric(lost) == 1.0).then_some(()));
    assert!(server.metric("qingting_store_write_seconds_count") > 0.0);
    assert!(server.metric("process_cpu_seconds_total") > 0.0);
    assert!(server.metric("qingting_disk_free_bytes") > 0.0);
    assert!(server.metric("qingting_store_last_answer_age_seconds") < 60.0);

    let (status, page) = server.request("GET", "/metrics", None);
    assert_eq!(status, 200);
    let left = server.metric("qingting_tls_certificate_seconds_left");
    assert!((80_000.0..=86_400.0).contains(&left), "{left}");
    let mut there: BTreeSet<String> = IN_CLUSTERS.map(str::to_owned).into();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap_or_default();
            assert!(there.insert(name.to_owned()), "{name} is there twice");
        }
    }
    for file in [
        "deploy/prometheus/qingting-alerts.yml",
        "deploy/prometheus/qingting-alerts.test.yml",
        "deploy/grafana/qingting.json",
    ] {
        let asked = names(&read(file));
        assert!(asked.len() > 10, "{file}: {asked:?}");
        let missing: Vec<_> = asked.difference(&there).collect();
        assert!(missing.is_empty(), "{file} asks for {missing:?}");
    }
}

/// Where Prometheus is installed, which no other test wants.
#[test]
fn alerts_ring_at_what_they_are_tested_with() {
    let tests = root().join("deploy/prometheus/qingting-alerts.test.yml");
    let promtool = Command::new("promtool").args(["test", "rules"]).arg(&tests).output();
    match promtool {
        Ok(told) => assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("promtool is not installed: {} was not run", tests.display());
        }
        Err(error) => panic!("promtool: {error}"),
    }
}

#[test]
fn every_alert_leads_to_a_page_of_the_runbook_in_both_languages() {
    let alerts = read("deploy/prometheus/qingting-alerts.yml");
    let english = read("docs/operations.md");
    let anchor =
        |title: &str| title.trim().to_lowercase().replace(' ', "-").replace(['\'', ',', '?'], "");
    let anchors: BTreeSet<String> =
        english.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    let led: Vec<&str> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook: ")).collect();
    assert_eq!(led.len(), alerts.matches("- alert: ").count());
    for page in led {
        let (file, at) = page.trim_matches('"').split_once('#').expect("a page and a place");
        assert_eq!(file, "docs/operations.md");
        assert!(anchors.contains(at), "{at} is not among {anchors:?}");
    }
    let chinese = read("docs/operations.zh-CN.md");
    let count = |text: &str| text.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(count(&english), count(&chinese), "what one has the other has");
}
