//! A server under test: the real binary with a folder of its own, on ports of its own.

use crate::clock::Deadline;
use crate::discretion::{self, Known};
use crate::{ports, qingting};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Calls that one server under test carries.
pub const CALLS_MAX: u16 = 110;
/// Longest wait for a server to take calls: it may have models to load and prompts to speak.
const START_MAX: Duration = Duration::from_secs(600);
/// Lines of a start that wait to be read; what comes after the start is thrown away.
const LINES_WAITING_MAX: usize = 64;
/// Longest wait for an answer over HTTP.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const TOO_MANY_REQUESTS: u16 = 429;
/// How often a state is looked at, and how often at most: 180 s.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS_MAX: u32 = 3_600;

/// How a server runs.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// Whether speech is recognised; without it a server starts at once.
    pub captions: bool,
    /// `section.key = value` that differ from the harness's own.
    pub settings: Vec<(&'static str, String)>,
    /// What follows them: the lists, as TOML.
    pub lists: String,
    /// The command that starts the server, with its own words; it must become the server's process.
    pub through: Vec<String>,
}

impl ServerPlan {
    /// Answers and records, recognises nothing.
    pub fn deaf() -> Self {
        Self { captions: false, settings: Vec::new(), lists: String::new(), through: Vec::new() }
    }

    /// With the real recogniser.
    pub fn hearing() -> Self {
        Self { captions: true, ..Self::deaf() }
    }

    /// The same with a setting of the configuration, in which [`HTTP`] is where its pages are.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.settings.push((key, value.to_string()));
        self
    }

    /// The same, started by another command (`env NAME=VALUE`), which becomes the server.
    #[must_use]
    pub fn through<'a>(mut self, command: impl IntoIterator<Item = &'a str>) -> Self {
        self.through = command.into_iter().map(str::to_owned).collect();
        self
    }

    /// The same with a piece of TOML, such as a `[[trunks]]`.
    #[must_use]
    pub fn and(mut self, list: &str) -> Self {
        self.lists += list;
        self
    }
}

/// Stands in settings for the address of the server's pages, which a test cannot know before.
pub const HTTP: &str = "{http}";

/// A running server; stopped when dropped. **Its log is looked through then**: the test fails where a number, a name or a
/// word of a citizen is in it ([`discretion`]).
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    through: Vec<String>,
    home: tempfile::TempDir,
    sip: SocketAddr,
    http: SocketAddr,
    password: String,
    known: Mutex<Known>,
}

impl Server {
    /// Starts one and waits until it takes calls.
    pub fn start(plan: &ServerPlan) -> Self {
        let mut server = Self::planned(plan);
        server.start_again();
        server
    }

    /// One that is to crash at this point, on the database of another, whose password it has.
    pub fn start_beside(other: &Self, plan: &ServerPlan, crash_at: &str) -> Self {
        let mut server = Self::planned(plan);
        server.password.clone_from(&other.password);
        server.start_crashing_at(crash_at);
        server
    }

    /// One on the database of another, whose password it has.
    pub fn start_joining(other: &Self, plan: &ServerPlan) -> Self {
        let mut server = Self::planned(plan);
        server.password.clone_from(&other.password);
        server.start_again();
        server
    }

    fn planned(plan: &ServerPlan) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let (sip, http) = (free_port(), free_port());
        let configuration = configuration(plan, sip, http);
        std::fs::write(home.path().join("config.toml"), &configuration).expect("writable");
        share_prompts(home.path());
        let known = Mutex::new(Known { open: configuration, names: BTreeSet::new() });
        let through = plan.through.clone();
        Self { child: None, through, home, sip, http, password: String::new(), known }
    }

    /// Starts the server of this folder, after [`Server::kill`] or [`Server::stop`].
    pub fn start_again(&mut self) {
        self.launch("");
    }

    /// The same with a crash point, at which it will end as `kill -9` ends it.
    pub fn start_crashing_at(&mut self, point: &str) {
        self.launch(point);
    }

    /// Waits until it has come to its crash point.
    pub fn wait_for_crash(&mut self) {
        let mut child = self.child.take().expect("it was started");
        // It may have sentences to speak before.
        let over = || child.try_wait().is_ok_and(|status| status.is_some()).then_some(());
        Deadline::after(START_MAX).poll(over).expect("it goes on running");
        assert!(self.log().contains("stopped at the crash point"));
    }

    fn launch(&mut self, crash_at: &str) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("writable");
        let qingting = qingting().into_os_string();
        let mut words = self.through.iter().map(OsString::from).chain([qingting]);
        let mut child = Command::new(words.next().expect("the server's own, if no other"))
            .args(words)
            .args(["serve", "--config"])
            .arg(self.home().join("config.toml"))
            .env("TMPDIR", self.home())
            .env("XDG_RUNTIME_DIR", self.home())
            // The level is the configuration's: some tests read the log.
            .env_remove("RUST_LOG")
            .env_remove("DATABASE_URL")
            .env("QINGTING_CRASH_AT", crash_at)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("qingting starts");
        let lines = lines(child.stdout.take().expect("it is piped"));
        self.child = Some(child);
        let deadline = Deadline::after(START_MAX);
        while let Ok(line) = lines.recv_timeout(deadline.left()) {
            if let Some(rest) = line.trim().strip_prefix("Password")
                && rest.contains("shown once")
            {
                self.password = rest.split_whitespace().next().unwrap_or_default().to_owned();
            }
            if line.contains("Stop with Ctrl-C") {
                return;
            }
        }
        panic!("the server did not start within {} s:\n{}", START_MAX.as_secs(), self.log());
    }

    /// Its SIP address, UDP and TCP.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Its SIP URI.
    pub fn uri(&self) -> String {
        format!("sip:12345@{}", self.sip)
    }

    /// Its HTTP address.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The administrator's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Its folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Whether it has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// A JSON resource of the API; panics unless it is answered with 200.
    pub fn api_get(&self, path: &str) -> Value {
        let (status, body) = self.request("GET", path, None);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Any request as the administrator: status and body.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        self.note(path, body);
        let body = body.map(Value::to_string).unwrap_or_default();
        self.request_of(method, path, "application/json", &body)
    }

    /// Takes from a request what the log may and what it may not tell.
    fn note(&self, path: &str, body: Option<&Value>) {
        let mut known = self.known.lock().expect("no thread panicked");
        let text = |key: &str| body.and_then(|body| body[key].as_str());
        let name = text("name").filter(|name| name.chars().count() > 1);
        match path.split('/').nth(3) {
            Some("seats" | "people") => known.names.extend(name.map(str::to_owned)),
            // An office names its campaigns and keys, and its log tells which it speaks of.
            Some("campaigns" | "api-keys") => {
                known.open += &format!("\n{}", name.unwrap_or_default())
            }
            _ => {}
        }
        for key in ["to", "phone", "caller", "citizen", "number", "target"] {
            text(key).map(discretion::dialled);
        }
    }

    /// Any request with any body.
    pub fn request_of(&self, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
        let mut response = self.ask(method, path, kind, body);
        let text = response.body_mut().read_to_string().unwrap_or_default();
        (response.status().as_u16(), text)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> ureq::http::Response<ureq::Body> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_MAX))
            .build()
            .into();
        let credentials = STANDARD.encode(format!("admin:{}", self.password));
        let asked = || {
            let request = ureq::http::Request::builder()
                .method(method)
                .uri(format!("http://{}{path}", self.http))
                .header("Authorization", format!("Basic {credentials}"))
                .header("Content-Type", kind)
                .body(body.to_owned())
                .expect("a request");
            let response = agent.run(request).expect("the server answers");
            let is_refused = response.status().as_u16() == TOO_MANY_REQUESTS;
            if is_refused {
                std::thread::sleep(LOOK_EVERY);
            }
            (!is_refused).then_some(response)
        };
        // Whoever asks too often waits, as any client of the interface does.
        Deadline::after(ANSWER_MAX).poll(asked).expect("it is let in again")
    }

    /// Calls, newest first.
    pub fn calls(&self) -> Vec<Value> {
        self.api_get("/api/v1/calls?limit=500")["calls"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until exactly `count` calls are stored and all are over; newest first.
    pub fn ended_calls(&self, count: usize) -> Vec<Value> {
        wait_until("calls are over", || {
            let calls = self.calls();
            let over = calls.iter().all(|call| call["state"] == "ended");
            (calls.len() == count && over).then_some(calls)
        })
    }

    /// The ticket of a call.
    pub fn ticket_of(&self, call: &Value) -> Value {
        self.api_get(&format!("/api/v1/tickets/{}", call["ticket"].as_str().expect("an id")))
    }

    /// A call's recording as the API gives it, in a file: what lies on the disk is encrypted.
    pub fn recording_of(&self, call_id: &str) -> PathBuf {
        self.fetched(&format!("/api/v1/calls/{call_id}/recording"), call_id)
    }

    /// The same of one leg alone: its slot, or slot and use such as `1.0`.
    pub fn track_of(&self, call_id: &str, track: &str) -> PathBuf {
        let path = format!("/api/v1/calls/{call_id}/recording?track={track}");
        self.fetched(&path, &format!("{call_id}-{track}"))
    }

    fn fetched(&self, path: &str, name: &str) -> PathBuf {
        let mut response = self.ask("GET", path, "application/json", "");
        let bytes = response.body_mut().read_to_vec().expect("a whole body");
        let status = response.status().as_u16();
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&bytes));
        let file = self.home().join(format!("{name}.wav"));
        std::fs::write(&file, bytes).expect("writable");
        file
    }

    /// A value of the metrics page.
    pub fn metric(&self, series: &str) -> f64 {
        let (status, page) = self.request("GET", "/metrics", None);
        assert_eq!(status, 200);
        page.lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or_else(|| panic!("no {series} in:\n{page}"))
    }

    /// Waits until no call, leg, dialog or transaction is left.
    pub fn wait_until_idle(&self) {
        wait_until("nothing is left of any call", || {
            let left = ["qingting_calls_active", "qingting_media_legs", "qingting_sip_dialogs"];
            left.iter().all(|series| self.metric(series) == 0.0).then_some(())
        });
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            let _ = child.wait();
        }
    }

    /// Tells it to come to its end: SIGTERM, as systemd does.
    pub fn ask_to_finish(&self) {
        self.signal("-TERM");
    }

    /// Sends it a signal, such as `-STOP`.
    pub fn signal(&self, name: &str) {
        let told = Command::new("kill").args([name, &self.pid().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()));
    }

    /// Waits until it has ended by itself: whether it ended well.
    pub fn ended(&mut self) -> bool {
        let mut child = self.child.take().expect("it was started");
        let over = Deadline::after(START_MAX).poll(|| child.try_wait().ok().flatten());
        over.expect("it ends").success()
    }

    /// Ends it as an operator does at a terminal.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        let asked = told.is_ok_and(|status| status.success());
        if !asked || !ends(&mut child) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn log_path(&self) -> PathBuf {
        self.home().join("serve.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
            return;
        }
        let known = self.known.lock().expect("no thread panicked");
        let found = discretion::indiscretions(&self.log(), &known);
        assert!(found.is_empty(), "the server's log tells:\n{}", found.join("\n"));
    }
}

/// Its lines as they come. Reads on when nobody takes them any more, so that a server is not held up
/// by what it prints.
fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = sync_channel(LINES_WAITING_MAX);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

fn ends(child: &mut Child) -> bool {
    (0..LOOKS_MAX).any(|_| {
        let over = child.try_wait().is_ok_and(|status| status.is_some());
        if !over {
            std::thread::sleep(LOOK_EVERY);
        }
        over
    })
}

/// Looks until there is a value; panics after 180 s.
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(value) = look() {
            return value;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("waited in vain until {what}");
}

/// A port of 127.0.0.1 that is free for UDP and TCP.
pub fn free_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, ports::free_port(0)).into()
}

fn configuration(plan: &ServerPlan, sip: SocketAddr, http: SocketAddr) -> String {
    let first = ports::rtp_ports(CALLS_MAX * 2);
    let mut settings: Vec<(&str, String)> = vec![
        ("sip.listen_udp", format!("[\"{sip}\"]")),
        ("sip.listen_tcp", format!("[\"{sip}\"]")),
        ("sip.concurrent_calls_max", CALLS_MAX.to_string()),
        ("media.port_first", first.to_string()),
        ("media.port_last", (first + CALLS_MAX * 2 - 1).to_string()),
        ("media.port_rest_s", "0".to_owned()),
        ("hotline.notice", "\"本次通话将被录音。\"".to_owned()),
        ("hotline.greeting", "\"您好，请讲。\"".to_owned()),
        ("hotline.ring_ms", "50".to_owned()),
        ("http.listen", format!("\"{http}\"")),
        ("asr.enabled", plan.captions.to_string()),
        ("data.models", format!("\"{}\"", models_dir().display())),
    ];
    for (key, value) in &plan.settings {
        settings.retain(|(known, _)| known != key);
        settings.push((key, value.replace(HTTP, &http.to_string())));
    }
    settings.sort();
    let mut text = String::new();
    let mut section = "";
    for (key, value) in &settings {
        let (of, name) = key.split_once('.').expect("section.key");
        if of != section {
            section = of;
            text += &format!("[{section}]\n");
        }
        text += &format!("{name} = {value}\n");
    }
    text + &plan.lists
}

/// Prompts are spoken once for all servers under test.
fn share_prompts(home: &Path) {
    let shared = qingting().with_file_name("test-prompts");
    std::fs::create_dir_all(&shared).expect("writable");
    std::os::unix::fs::symlink(&shared, home.join("prompts")).expect("a new folder");
}

/// The folder that `make test` fetched the models into.
pub fn models_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("QINGTING_HOME")
        .or_else(|| set("XDG_DATA_HOME").map(|dir| dir.join("qingting")))
        .or_else(|| set("HOME").map(|dir| dir.join(".local/share/qingting")))
        .expect("HOME is set")
        .join("models")
}
