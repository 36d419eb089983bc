//! `qingting doctor`: what it finds on a machine that is well, and on one that is not.

use qingting_tests::ports::rtp_ports;
use qingting_tests::qingting;
use qingting_tests::server::{Server, ServerPlan};
use qingting_tests::trunk::{OnInvite, TrunkEnd, TrunkPlan};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Its exit code and findings.
fn doctor(config: &Path) -> (i32, Vec<Value>) {
    let output = Command::new(qingting())
        .args(["doctor", "--json", "--config"])
        .arg(config)
        .env_remove("DATABASE_URL")
        .output()
        .expect("qingting runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let findings: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    (output.status.code().expect("it exits"), findings.as_array().expect("a list").clone())
}

fn of<'a>(findings: &'a [Value], what: &str) -> &'a Value {
    let found = findings.iter().find(|finding| finding["what"] == what);
    found.unwrap_or_else(|| panic!("nothing of {what}: {findings:#?}"))
}

fn trunk_at(address: std::net::SocketAddr) -> String {
    format!("[[trunks]]\nname = \"外线\"\nuri = \"sip:{address}\"\ncaller_id = \"12345\"\n")
}

#[test]
fn beside_a_running_server_with_a_trunk_nothing_is_bad() {
    let trunk = TrunkEnd::start(TrunkPlan::new(OnInvite::Silence));
    let server = Server::start(&ServerPlan::deaf().and(&trunk_at(trunk.address())));
    let calls = server.calls().len();
    // The server's own limit counts, whatever this shell's is.
    let limited = Command::new("prlimit")
        .args(["--pid", &server.pid().to_string(), "--nofile=3000:3000"])
        .status();
    assert!(limited.is_ok_and(|status| status.success()));
    let (code, findings) = doctor(&server.home().join("config.toml"));
    assert_eq!(code, 0, "{findings:#?}");
    let found = |what| of(&findings, what)["found"].as_str().expect("a text").to_owned();
    assert!(found("SIP UDP").contains("by the running server"), "{}", found("SIP UDP"));
    assert!(found("trunk 外线").contains("answers 200"), "{}", found("trunk 外线"));
    let files = found("open files");
    assert!(files.starts_with("3000 open files") && files.contains("running server"), "{files}");
    assert!(found("database").contains("0 calls"), "{}", found("database"));
    assert_eq!(of(&findings, "recordings' key")["verdict"], "good");
    // Every remedy is told where something is not good, and nowhere else.
    for finding in &findings {
        assert_eq!(finding["verdict"] == "good", finding["remedy"].is_null(), "{finding}");
    }
    // What waits for the database is told, and what it has refused.
    assert_eq!(of(&findings, "writes that wait")["verdict"], "good");
    for (end, told) in [("jsonl", "1 of 1 calls"), ("refused", "refused writes of 1 calls")] {
        let name = format!("spool/0192f0c1-2b3c-7d4e-8f50-123456789abc.{end}");
        std::fs::write(server.home().join(name), "0 {}\n").expect("the folder is there");
        let (_, findings) = doctor(&server.home().join("config.toml"));
        let found = of(&findings, "writes that wait");
        assert_eq!(found["verdict"], "warning", "{found}");
        assert!(found["found"].as_str().is_some_and(|text| text.contains(told)), "{found}");
    }
    // It has changed nothing and called nobody.
    assert_eq!(server.calls().len(), calls);
    assert!(trunk.requests("INVITE").is_empty() && !trunk.requests("OPTIONS").is_empty());
}

#[test]
fn what_would_keep_the_hotline_from_working_is_bad_and_has_a_remedy() {
    let home = tempfile::tempdir().expect("a folder");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path
    };
    let certificate = file("cert.pem", "this is no certificate");
    // None that the kernel gives to anybody, and too few for fifty calls with a seat each.
    let first = rtp_ports(102);
    let text = format!(
        "[sip]\nlisten_udp = [\"{}\"]\nlisten_tcp = []\nadvertised_ip = \"10.0.0.9\"\n\
         tls_certificate = {certificate:?}\ntls_key = {certificate:?}\nconcurrent_calls_max = 50\n\
         [media]\nport_first = {first}\nport_last = {}\n\
         [data]\nmodels = \"{}\"\n[llm]\nurl = \"http://127.0.0.1:9/v1\"\nmodel = \"x\"\n{}",
        taken.local_addr().expect("bound"),
        first + 101,
        home.path().join("models").display(),
        trunk_at("203.0.113.9:5060".parse().expect("an address")),
    );
    let config = file("config.toml", &text);
    let (code, findings) = doctor(&config);
    assert_eq!(code, 1);
    for what in ["SIP UDP", "own address", "certificate"] {
        assert_eq!(of(&findings, what)["verdict"], "bad", "{what}");
    }
    for what in ["RTP ports", "language model", "models", "database"] {
        assert_eq!(of(&findings, what)["verdict"], "warning", "{what}");
    }
    assert!(of(&findings, "models")["found"].as_str().is_some_and(|text| text.contains("whisper")));
    assert!(findings.iter().all(|finding| {
        finding["verdict"] == "good"
            || finding["remedy"].as_str().is_some_and(|text| text.len() > 5)
    }));

    // A configuration that cannot be read is the only thing that is told.
    let config = file("broken.toml", "[sip]\nlisten_udp = 5\n");
    let (code, findings) = doctor(&config);
    assert_eq!((code, findings.len()), (1, 1), "{findings:#?}");
    assert!(findings[0]["found"].as_str().is_some_and(|text| text.contains("line 2")));
}
