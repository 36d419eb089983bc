//! A backup that is taken while calls run brings back every ticket and every recording, and one that is
//! interrupted, damaged or in the wrong place is told so before anything is touched.

use qingting_tests::raw::RawCall;
use qingting_tests::server::{Server, ServerPlan};
use qingting_tests::{call, qingting};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

#[allow(unused, reason = "its macro makes tests that are asynchronous")]
#[path = "../../store/tests/support/postgres.rs"]
mod postgres;

use postgres::On;

fn run(server: &Server, args: &[&str], dir: &Path) -> Output {
    run_with(server, args, dir, "")
}

fn run_with(server: &Server, args: &[&str], dir: &Path, crash_at: &str) -> Output {
    Command::new(qingting())
        .args(args)
        .arg(dir)
        .arg("--config")
        .arg(server.home().join("config.toml"))
        .env("TMPDIR", server.home())
        .env_remove("DATABASE_URL")
        .env("QINGTING_CRASH_AT", crash_at)
        .output()
        .expect("qingting runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

fn backed_up(server: &Server, args: &[&str], dir: &Path) -> Value {
    let output = run(server, &[&["backup"], args].concat(), dir);
    assert!(output.status.success(), "{}", said(&output));
    let text = std::fs::read(dir.join("manifest.json")).expect("a manifest");
    serde_json::from_slice(&text).expect("JSON")
}

/// What must come back: each ticket, and the hash of each recording as it is heard.
type Kept = (BTreeMap<String, Value>, BTreeMap<String, String>);

fn kept(server: &Server, calls: &[Value]) -> Kept {
    let tickets = calls.iter().map(|call| {
        let ticket = server.ticket_of(call);
        (ticket["number"].as_str().expect("a number").to_owned(), ticket)
    });
    let recordings = calls.iter().map(|call| {
        let id = call["id"].as_str().expect("an id");
        let heard = std::fs::read(server.recording_of(id)).expect("a recording");
        (id.to_owned(), hex::encode(Sha256::digest(heard)))
    });
    (tickets.collect(), recordings.collect())
}

fn write_title(server: &Server, call: &Value, title: &str) {
    let ticket = call["ticket"].as_str().expect("an id");
    let edit = json!({ "revision": 0, "fields": { "title": title, "place": "翠湖小区三号楼" } });
    let (status, body) = server.request("PATCH", &format!("/api/v1/tickets/{ticket}"), Some(&edit));
    assert_eq!(status, 200, "{body}");
}

/// A server with five calls that are over, on either database.
fn house(on: On) -> (Server, Kept) {
    let mut plan = ServerPlan::deaf();
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "0123456789abcdef0123456789abcdef\n").expect("writable");
    let (_, secret) = secret.keep().expect("kept");
    plan = plan
        .with("callbacks.intake_campaign", "\"九月\"")
        .with("callbacks.intake_secret_file", format!("\"{}\"", secret.display()));
    let url = tempfile::NamedTempFile::new().expect("a file");
    if on == On::Postgres {
        std::fs::write(url.path(), postgres::database()).expect("writable");
        let (_, path) = url.keep().expect("kept");
        plan = plan.with("data.database_url_file", format!("\"{}\"", path.display()));
    }
    let server = Server::start(&plan);
    for number in 0..5 {
        let from = format!("1380013800{number}");
        assert_eq!(call(&server.uri(), &["--linger", "1.2", "--from", &from]).code, 0);
    }
    let calls = server.ended_calls(5);
    for (number, call) in calls.iter().enumerate() {
        write_title(&server, call, &format!("第{number}盏路灯不亮"));
    }
    let kept = kept(&server, &calls);
    (server, kept)
}

/// The folder of a day among recordings, which lie beside the mark that says whose they are.
fn a_day(recordings: &Path) -> PathBuf {
    let all = std::fs::read_dir(recordings).expect("recordings").flatten();
    all.map(|entry| entry.path()).find(|path| path.is_dir()).expect("a day")
}

/// The server's disk is gone, but for its configuration.
fn lose_files(server: &Server) {
    for name in [
        "qingting.db",
        "qingting.db-wal",
        "qingting.db-shm",
        "server.id",
        "feed.secret",
        "recording.key",
    ] {
        let _ = std::fs::remove_file(server.home().join(name));
    }
    std::fs::remove_dir_all(server.home().join("recordings")).expect("there were recordings");
}

/// Nothing is left of what the server had but its configuration, and on PostgreSQL a new database is named.
fn destroy(server: &Server, on: On) {
    lose_files(server);
    if on == On::Postgres {
        let config = server.home().join("config.toml");
        let text = std::fs::read_to_string(&config).expect("a configuration");
        let (_, rest) = text.split_once("database_url_file = \"").expect("it is set");
        let (file, _) = rest.split_once('"').expect("quoted");
        std::fs::write(file, postgres::database()).expect("writable");
    }
}

fn all_comes_back(on: On) {
    let (mut server, before) = house(on);
    let dir = tempfile::tempdir().expect("a folder");
    let backup = dir.path().join("backup");
    // While it is in use: one call runs all the time, others come and go.
    let mut running = RawCall::new(server.sip());
    let offer = running.offer("8");
    assert!(running.request("INVITE", "", &offer).starts_with("SIP/2.0 200 "));
    let is_over = AtomicBool::new(false);
    let manifest = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(call(&server.uri(), &["--linger", "0.2"]).code, 0);
            }
        });
        let manifest = backed_up(&server, &["--with-keys"], &backup);
        is_over.store(true, Ordering::Relaxed);
        manifest
    });
    assert!(running.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    assert!(manifest["calls"].as_u64().is_some_and(|calls| calls >= 6), "{manifest}");
    assert_eq!(manifest["faults"], json!([]));
    let left_out = manifest["secrets_left_out"].as_object().expect("by their settings");
    assert!(left_out.contains_key("callbacks.intake_secret_file"), "{manifest}");
    assert_eq!(left_out.contains_key("data.database_url_file"), on == On::Postgres);
    let secret = std::fs::read(server.home().join("feed.secret")).expect("made at the start");
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o077;
    assert_eq!(mode(&backup), 0);
    for file in manifest["files"].as_array().expect("files") {
        let path = backup.join(file["path"].as_str().expect("a path"));
        let bytes = std::fs::read(&path).expect("a file");
        assert_eq!(file["bytes"], bytes.len(), "{file}");
        assert_eq!(file["sha256"], hex::encode(Sha256::digest(&bytes)), "{file}");
        assert_eq!(mode(&path), 0, "{file}");
    }
    let waits = server.home().join("spool/0192f0c1-2b3c-7d4e-8f50-123456789abc.jsonl");
    std::fs::write(&waits, "0 {}\n").expect("the folder is there");
    let made = run(&server, &["backup"], &dir.path().join("another"));
    assert!(
        made.status.success() && said(&made).contains("1 writes of 1 calls wait"),
        "{}",
        said(&made)
    );
    std::fs::remove_file(&waits).expect("it is there");
    let again = run(&server, &["backup"], &backup);
    assert!(!again.status.success() && said(&again).contains("whole backup already"));

    let refused = run(&server, &["restore"], &backup);
    assert!(!refused.status.success(), "a server runs here");
    server.kill();
    let refused = run(&server, &["restore"], &backup);
    let why = if on == On::Postgres { "is not empty" } else { "writes over nothing" };
    assert!(!refused.status.success() && said(&refused).contains(why), "{}", said(&refused));

    destroy(&server, on);
    // What an earlier database did not take would come into this one.
    let waits = server.home().join("spool/0192f0c1-2b3c-7d4e-8f50-123456789abc.jsonl");
    std::fs::write(&waits, "0 {}\n").expect("the folder is there");
    let refused = run(&server, &["restore"], &backup);
    assert!(!refused.status.success() && said(&refused).contains("spool"), "{}", said(&refused));
    std::fs::remove_file(&waits).expect("it is there");
    let restored = run(&server, &["restore"], &backup);
    assert!(restored.status.success(), "{}", said(&restored));
    let calls = manifest["calls"].as_u64().expect("a number");
    assert!(said(&restored).contains(&format!("{calls} calls")), "{}", said(&restored));
    server.start_again();
    let own = std::fs::read(server.home().join("feed.secret")).expect("there");
    assert!(own == secret, "who follows the log believes no other");
    // The call that ran is closed as after a crash, and nothing else is lost.
    let calls = server.ended_calls(usize::try_from(calls).expect("few"));
    let of_before: Vec<Value> = calls
        .into_iter()
        .filter(|call| before.1.contains_key(call["id"].as_str().expect("an id")))
        .collect();
    assert_eq!(kept(&server, &of_before), before);
    let audit = server.api_get("/api/v1/audit?limit=500");
    let lines = audit["lines"].as_array().expect("lines");
    for action in ["backup.make", "backup.restore"] {
        assert!(lines.iter().any(|line| line["action"] == action), "{action} is not in {audit}");
    }
}

#[test]
fn all_comes_back_from_a_backup_that_was_taken_while_calls_ran_sqlite() {
    all_comes_back(On::Sqlite);
}

#[test]
fn all_comes_back_from_a_backup_that_was_taken_while_calls_ran_postgres() {
    all_comes_back(On::Postgres);
}

#[test]
fn a_data_folder_that_is_lost_comes_back_beside_its_living_database() {
    let (mut server, before) = house(On::Postgres);
    let dir = tempfile::tempdir().expect("a folder");
    let backup = dir.path().join("backup");
    backed_up(&server, &["--with-keys"], &backup);
    // One more, whose recording is in no backup.
    assert_eq!(call(&server.uri(), &["--linger", "0.2"]).code, 0);
    server.ended_calls(6);
    let name = std::fs::read(server.home().join("server.id")).expect("its name");
    server.kill();
    lose_files(&server);
    let restored = run(&server, &["restore", "--files-only"], &backup);
    let told = said(&restored);
    assert_eq!(restored.status.code(), Some(1), "one recording is lost: {told}");
    assert!(told.contains("6 calls") && told.contains("10 recordings verified"), "{told}");
    assert_eq!(std::fs::read(server.home().join("server.id")).expect("its name"), name);
    server.start_again();
    let calls = server.ended_calls(6);
    let known = |call: &Value| before.1.contains_key(call["id"].as_str().expect("an id"));
    let of_before: Vec<Value> = calls.into_iter().filter(known).collect();
    assert_eq!(kept(&server, &of_before), before);
}

#[test]
fn an_interrupted_backup_is_no_backup_and_is_gone_on_with() {
    let (mut server, before) = house(On::Sqlite);
    let dir = tempfile::tempdir().expect("a folder");
    let backup = dir.path().join("backup");
    let crashed = run_with(&server, &["backup"], &backup, "backup-copied");
    assert!(!crashed.status.success(), "{}", said(&crashed));
    let day = a_day(&backup.join("recordings"));
    let inodes = || -> BTreeMap<_, _> {
        let files = std::fs::read_dir(&day).expect("a folder").flatten();
        files.map(|file| (file.path(), file.metadata().expect("there").ino())).collect()
    };
    let of_before = inodes();
    assert!(of_before.len() >= 5);
    let refused = run(&server, &["restore"], &backup);
    assert!(!refused.status.success() && said(&refused).contains("no whole backup"));
    // Meanwhile a call came, and one recording was copied in part alone.
    assert_eq!(call(&server.uri(), &["--linger", "0.2"]).code, 0);
    server.ended_calls(6);
    let torn = of_before.keys().next().expect("one");
    std::fs::write(torn, b"torn").expect("writable");
    let manifest = backed_up(&server, &[], &backup);
    assert_eq!((&manifest["calls"], &manifest["faults"]), (&json!(6), &json!([])));
    let now = inodes();
    assert!(of_before.iter().skip(1).all(|(file, inode)| now[file] == *inode), "copied once");
    assert!(!backup.join("copied.jsonl").exists());

    server.kill();
    let key = std::fs::read(server.home().join("recording.key")).expect("a key");
    destroy(&server, On::Sqlite);
    let restored = run(&server, &["restore"], &backup);
    assert!(
        restored.status.success() && said(&restored).contains("put your copy"),
        "{}",
        said(&restored)
    );
    let path = server.home().join("recording.key");
    std::fs::write(&path, key).expect("writable");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
    server.start_again();
    let calls = server.ended_calls(6);
    assert_eq!(kept(&server, &calls[1..]), before);
}

#[test]
fn a_damaged_backup_and_one_of_a_newer_program_leave_the_target_as_it_is() {
    let (mut server, _) = house(On::Sqlite);
    let dir = tempfile::tempdir().expect("a folder");
    let backup = dir.path().join("backup");
    let manifest = backed_up(&server, &["--with-keys"], &backup);
    server.kill();
    destroy(&server, On::Sqlite);
    let nothing = || {
        let refused = run(&server, &["restore"], &backup);
        assert!(!refused.status.success());
        for name in [
            "qingting.db",
            "recordings",
            "server.id",
            "feed.secret",
            "recording.key",
            "restore.part",
        ] {
            assert!(!server.home().join(name).exists(), "{name}: {}", said(&refused));
        }
        said(&refused)
    };
    let path = backup.join("manifest.json");
    let mut newer = manifest.clone();
    newer["schema"] = json!(9_999);
    std::fs::write(&path, newer.to_string()).expect("writable");
    assert!(nothing().contains("schema version 9999"));
    std::fs::write(&path, manifest.to_string()).expect("writable");
    let names: Vec<&str> = manifest["files"]
        .as_array()
        .expect("files")
        .iter()
        .filter_map(|file| file["path"].as_str())
        .collect();
    for name in names {
        let file = backup.join(name);
        let whole = std::fs::read(&file).expect("a file");
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        std::fs::write(&file, changed).expect("writable");
        let told = nothing();
        assert!(told.contains(name) && told.contains("was changed"), "{name}: {told}");
        std::fs::write(&file, whole).expect("writable");
    }
    let restored = run(&server, &["restore"], &backup);
    assert!(restored.status.success(), "{}", said(&restored));
}

#[test]
fn a_recording_that_is_not_what_the_database_knows_is_told_at_once_and_carried_on() {
    let (mut server, _) = house(On::Sqlite);
    let calls = server.calls();
    let recordings = server.home().join("recordings");
    let day = a_day(&recordings).file_name().expect("a name").to_owned();
    let day = day.into_string().expect("UTF-8");
    let file = |call: &Value| format!("{day}/{}.qtr", call["id"].as_str().expect("an id"));
    let (gone, other) = (file(&calls[0]), file(&calls[1]));
    std::fs::remove_file(recordings.join(&gone)).expect("there");
    let mut bytes = std::fs::read(recordings.join(&other)).expect("there");
    bytes[1_000] ^= 1;
    std::fs::write(recordings.join(&other), bytes).expect("writable");
    let dir = tempfile::tempdir().expect("a folder");
    let backup = dir.path().join("backup");
    let made = run(&server, &["backup", "--with-keys"], &backup);
    let told = said(&made);
    assert!(made.status.success(), "{told}");
    assert!(
        told.contains(&format!("MISSING  {gone}")) && told.contains(&format!("CHANGED  {other}")),
        "{told}"
    );
    server.kill();
    destroy(&server, On::Sqlite);
    let restored = run(&server, &["restore"], &backup);
    let told = said(&restored);
    assert!(restored.status.success() && told.contains("2 were so already"), "{told}");
}
