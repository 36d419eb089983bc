//! `qingting serve`, as users start it, in a folder of its own.

use crate::{qingting, wait_for};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;

/// A running server. Dropping it stops it.
pub struct Server {
    child: Child,
    home: TempDir,
    info: Value,
}

/// Each test server has its own stretch of RTP ports.
static NEXT_STRETCH: AtomicU16 = AtomicU16::new(0);
const STRETCH_PORTS: u16 = 400;

impl Server {
    /// Starts a server with the default configuration, short prompts, ports of its own, and
    /// `extra` lines of TOML.
    pub fn start(extra: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(home.path().join("config.toml"), Self::config(extra)).expect("config");
        Self::start_in(home)
    }

    /// The configuration of a test server.
    pub fn config(extra: &str) -> String {
        let stretch = NEXT_STRETCH.fetch_add(1, Ordering::Relaxed);
        let process = u16::try_from(std::process::id() % 20).expect("below 20");
        let first = 20_000 + (process * 5 + stretch % 5) * STRETCH_PORTS;
        let last = first + STRETCH_PORTS - 1;
        let models = models();
        let base = format!(
            r#"
[sip]
listen_udp = ["127.0.0.1:0"]
listen_tcp = ["127.0.0.1:0"]
concurrent_calls_max = 150
[media]
port_first = {first}
port_last = {last}
[hotline]
notice = "本次通话将被录音。"
greeting = "您好，请讲。"
[http]
listen = "127.0.0.1:0"
[data]
models = "{}"
"#,
            models.display()
        );
        merge(&base, extra)
    }

    /// Starts a server over an existing folder.
    pub fn start_in(home: TempDir) -> Self {
        share_prompts(home.path());
        let child = Command::new(qingting())
            .arg("serve")
            .env("QINGTING_HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::from(log(home.path(), "stdout.log")))
            .stderr(Stdio::from(log(home.path(), "stderr.log")))
            .spawn()
            .expect("the server starts");
        let mut server = Self { child, home, info: Value::Null };
        server.info = wait_for("the server is ready", 60, || {
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("the server ended with {status}:\n{}", server.log());
            }
            let text = std::fs::read_to_string(server.home.path().join("server.json")).ok()?;
            let info: Value = serde_json::from_str(&text).ok()?;
            (info["pid"].as_u64() == Some(server.child.id().into())).then_some(info)
        });
        server
    }

    /// Everything the server printed so far.
    pub fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.home.path().join(name)).unwrap_or_default();
        format!("{}{}", read("stdout.log"), read("stderr.log"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn sip_udp(&self) -> SocketAddr {
        self.address("sip_udp")
    }

    pub fn sip_tcp(&self) -> SocketAddr {
        self.address("sip_tcp")
    }

    pub fn http(&self) -> SocketAddr {
        self.address("http")
    }

    pub fn api_key(&self) -> &str {
        self.info["api_key"].as_str().expect("server.json holds a key")
    }

    fn address(&self, name: &str) -> SocketAddr {
        self.info[name].as_str().and_then(|text| text.parse().ok()).expect("an address")
    }

    /// GET of a JSON document below `/api/v1/`.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.request("GET", path, None);
        assert_eq!(status, 200, "GET {path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("GET {path} gave {body}"))
    }

    /// Any request below `/api/v1/` with the operator's key: status and body.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "-X", method, "-w", "\n%{http_code}"])
            .args(["-H", &format!("Authorization: Bearer {}", self.api_key())])
            .arg(format!("http://{}/api/v1/{path}", self.http()));
        if let Some(body) = body {
            command.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let output = command.output().expect("curl runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let (body, status) = text.rsplit_once('\n').expect("curl prints the status");
        (status.parse().expect("a status"), body.to_owned())
    }

    /// The only call of the server so far, once it has ended and its last words are stored.
    pub fn finished_call(&self) -> Value {
        self.finished_calls(1).remove(0)
    }

    /// The calls of the server, newest first, once there are `count` and all have ended.
    pub fn finished_calls(&self, count: usize) -> Vec<Value> {
        wait_for("the calls have ended", 90, || {
            let calls = self.get("calls?limit=500")["items"].as_array().cloned()?;
            let ended = calls.len() == count && calls.iter().all(|call| !call["ended_at"].is_null());
            ended.then_some(calls)
        })
    }

    /// The ticket of a call.
    pub fn ticket(&self, call: &Value) -> Value {
        self.get(&format!("tickets/{}", call["ticket"].as_str().expect("a ticket id")))
    }

    /// What the caller was heard to say, once `enough` says so.
    pub fn transcript(&self, call: &Value, enough: impl Fn(&str) -> bool) -> String {
        let path = format!("calls/{}/transcript", call["id"].as_str().expect("an id"));
        wait_for("the transcript is complete", 60, || {
            let transcript = self.get(&path);
            let text: String = transcript["segments"]
                .as_array()?
                .iter()
                .filter_map(|segment| segment["text"].as_str())
                .collect();
            enough(&text).then_some(text)
        })
    }

    /// The file of a call's recording.
    pub fn recording(&self, call: &Value) -> PathBuf {
        let id = call["id"].as_str().expect("an id");
        self.home.path().join("recordings").join(format!("{id}.wav"))
    }

    /// `kill -9`, and the folder for the next start.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server is gone");
        std::mem::replace(&mut self.home, tempfile::tempdir().expect("a temporary folder"))
    }

    /// Sends a signal to the server.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Waits for the server to end by itself; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        wait_for("the server ends", 60, || self.child.try_wait().ok().flatten()).code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            self.signal("TERM");
            let stopped = (0..100).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(50));
                self.child.try_wait().ok().flatten().is_some()
            });
            if !stopped {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

/// The models that `make test` fetched.
pub fn models() -> PathBuf {
    let home = std::env::var_os("QINGTING_HOME").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".local/share/qingting")
    });
    home.join("models")
}

/// Prompts are synthesised once for all test servers, not once for each.
fn share_prompts(home: &Path) {
    let shared = qingting().with_file_name("test-prompts");
    std::fs::create_dir_all(&shared).expect("a folder for prompts");
    let link = home.join("prompts");
    if !link.exists() {
        std::os::unix::fs::symlink(shared, link).expect("a link to the prompts");
    }
}

fn log(home: &Path, name: &str) -> std::fs::File {
    std::fs::OpenOptions::new().create(true).append(true).open(home.join(name)).expect("a log file")
}

/// Adds the keys of `extra` to those of `base`, section by section.
fn merge(base: &str, extra: &str) -> String {
    let mut merged: toml::Table = base.parse().expect("TOML");
    let extra: toml::Table = extra.parse().expect("TOML");
    for (section, keys) in extra {
        let keys = keys.as_table().cloned().expect("a section");
        merged
            .entry(section)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .expect("a section")
            .extend(keys);
    }
    merged.to_string()
}
