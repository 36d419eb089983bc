//! `qingting demo`, as an operator watches it.

use qingting_tests::qingting;
use qingting_tests::server::{Server, ServerPlan, models_dir};
use std::path::Path;
use std::process::Command;

/// Tells the story of one recording with the server of this folder, running or not.
fn demo(server: &Server, file: &Path) -> String {
    let output = Command::new(qingting())
        .args(["demo", "--only", "--config"])
        .arg(server.home().join("config.toml"))
        .arg("--play")
        .arg(file)
        .env("TMPDIR", server.home())
        .output()
        .expect("qingting runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    said
}

#[test]
fn the_demo_shows_captions_and_ticket_with_a_server_that_runs_and_with_one_of_its_own() {
    let mut server = Server::start(&ServerPlan::hearing());
    let file = server.home().join("said.wav");
    let words = "您好，我要投诉，楼下的烧烤店噪音特别大。";
    let spoken = Command::new(qingting())
        .args(["speak", words, "--models"])
        .arg(models_dir())
        .arg("--out")
        .arg(&file)
        .status()
        .expect("qingting runs");
    assert!(spoken.success());

    let story = demo(&server, &file);
    for part in
        ["answered, PCMA", "  » ", "工单", "诉求类型", "投诉", "Recording:", "MOS", "Times:"]
    {
        assert!(story.contains(part), "{part} is not in:\n{story}");
    }
    assert_eq!(server.ended_calls(1).len(), 1);
    let keys = server.api_get("/api/v1/api-keys");
    let keys = keys.as_array().expect("a list");
    assert!(!keys.is_empty() && keys.iter().all(|key| !key["revoked_at"].is_null()), "{keys:?}");

    server.stop();
    let story = demo(&server, &file);
    assert!(story.contains("starting one for the demo") && story.contains("工单"), "{story}");
    server.start_again();
    assert_eq!(server.ended_calls(2).len(), 2);
}
