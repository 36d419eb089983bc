//! Chromium without a screen, driven through chromedriver (W3C WebDriver). Its microphone plays a WAV
//! file, and what it hears is measured in the page.

use super::process::Running;
use crate::clock::Deadline;
use crate::ports::free_port;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long Chromium gets for starting and for one command.
const COMMAND_MAX: Duration = Duration::from_secs(30);
/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The key Enter as WebDriver names it.
pub const ENTER: char = '\u{e007}';
/// The key Escape as WebDriver names it.
pub const ESCAPE: char = '\u{e00c}';

/// Looks at the spectrum of what is heard for a second.
const LEVELS: &str = r"
    const tones = TONES, call = window.qingtingCall;
    if (window.hearing?.call !== call) {
        const audio = new AudioContext();
        const ear = audio.createAnalyser();
        Object.assign(ear, { fftSize: 8192, smoothingTimeConstant: 0, minDecibels: -150 });
        audio.createMediaStreamSource(call.stream).connect(ear);
        window.hearing = { call, audio, ear, bins: new Float32Array(4096) };
    }
    const { audio, ear, bins } = window.hearing;
    const loudest = tones.map(() => -200);
    for (let look = 0; look < 20; look += 1) {
        await new Promise(done => setTimeout(done, 50));
        ear.getFloatFrequencyData(bins);
        tones.forEach((hz, tone) => {
            const bin = Math.round(hz * 8192 / audio.sampleRate);
            loudest[tone] = Math.max(loudest[tone], ...bins.slice(bin - 1, bin + 2));
        });
    }
    return loudest;
";

/// The process in which Chromium has its sockets.
const NETWORK: &str = "network.mojom.NetworkService";

/// What a page holds, after what nobody needs was collected.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Nodes of documents.
    pub nodes: u64,
    /// Handlers of events.
    pub listeners: u64,
    /// Bytes of JavaScript.
    pub bytes: u64,
}

/// A running Chromium with one window.
#[derive(Debug)]
pub struct Browser {
    agent: ureq::Agent,
    session: String,
    // Dropped in this order: the program first, then its folder.
    driver: Running,
    home: TempDir,
}

impl Browser {
    /// Starts one whose microphone plays this file over and over.
    pub fn start(microphone: &Path) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let port = free_port(0);
        let mut driver = Running::start("chromedriver", home.path(), |command| {
            command.arg(format!("--port={port}"));
        });
        let ready = driver.wait_for(Deadline::after(COMMAND_MAX), |output| {
            output.contains("started successfully").then_some(())
        });
        assert!(ready.is_some(), "chromedriver: {}", driver.output());
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(COMMAND_MAX))
            .build()
            .into();
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--use-fake-ui-for-media-stream".to_owned(),
            "--use-fake-device-for-media-stream".to_owned(),
            "--autoplay-policy=no-user-gesture-required".to_owned(),
            format!("--use-file-for-fake-audio-capture={}", microphone.display()),
            format!("--user-data-dir={}", home.path().join("profile").display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let base = format!("http://127.0.0.1:{port}");
        let mut browser = Self { agent, session: format!("{base}/session"), driver, home };
        let session = browser.command("POST", "", &wanted);
        let id = session["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{base}/session/{id}");
        browser
    }

    /// Opens a page.
    pub fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// Runs JavaScript in the page; a promise is waited for.
    pub fn run(&self, script: &str) -> Value {
        self.try_run(script).unwrap_or_else(|error| {
            panic!("{script}: {error}\n{}", self.driver.output());
        })
    }

    fn try_run(&self, script: &str) -> Result<Value, Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             (async () => {{ {script} }})().then(done, error => done('error: ' + error));"
        );
        self.try_command("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Types into the field of that id.
    pub fn type_into(&self, id: &str, text: &str) {
        let element = self.element(id);
        self.command("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Clicks what has that id.
    pub fn click(&self, id: &str) {
        let element = self.element(id);
        self.command("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Presses a key, wherever the focus is.
    pub fn press(&self, key: char) {
        let key = key.to_string();
        let steps = ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": steps }] });
        self.command("POST", "/actions", &actions);
    }

    /// How loud each of these tones is in what the page's call hears during the next second, in dB;
    /// the loudest moment counts.
    pub fn levels(&self, hz: &[f64]) -> Vec<f64> {
        let script = LEVELS.replace("TONES", &json!(hz).to_string());
        let levels = self.run(&script);
        let levels = levels.as_array().unwrap_or_else(|| panic!("{levels} {}", self.console()));
        levels.iter().map(|level| level.as_f64().unwrap_or(f64::NEG_INFINITY)).collect()
    }

    /// Sets the window's size.
    pub fn resize(&self, width: u32, height: u32) {
        self.command("POST", "/window/rect", &json!({ "width": width, "height": height }));
    }

    /// The text that the element of that id shows.
    pub fn text(&self, id: &str) -> String {
        let element = self.element(id);
        let text = self.command("GET", &format!("/element/{element}/text"), &Value::Null);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the script gives something other than null or false.
    pub fn wait_until(&self, what: &str, script: &str) -> Value {
        let found = Deadline::after(COMMAND_MAX).poll(|| {
            // A page that goes elsewhere takes its script along: no answer comes, and the next page is asked.
            let value = match self.try_run(script) {
                Err(error) if error["error"] == "script timeout" => Value::Null,
                Err(error) => panic!("{script}: {error}\n{}", self.driver.output()),
                Ok(value) => value,
            };
            (value != Value::Null && value != Value::Bool(false)).then_some(value)
        });
        found.unwrap_or_else(|| panic!("waited in vain until {what}; console: {}", self.console()))
    }

    /// What the page wrote to its console.
    pub fn console(&self) -> String {
        self.command("POST", "/se/log", &json!({ "type": "browser" })).to_string()
    }

    /// A picture of the page, PNG, base64.
    pub fn screenshot(&self) -> String {
        self.command("GET", "/screenshot", &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    /// Stops every way to the network, UDP too, until [`Browser::thaw_network`].
    pub fn freeze_network(&self) {
        self.signal_network("-STOP");
    }

    /// Lets it go on.
    pub fn thaw_network(&self) {
        self.signal_network("-CONT");
    }

    /// What the page holds.
    pub fn held(&self) -> Held {
        let ask = |method: &str| {
            self.command("POST", "/goog/cdp/execute", &json!({ "cmd": method, "params": {} }))
        };
        ask("Performance.enable");
        // What is let go of by one collection may hold what the next one finds.
        ask("HeapProfiler.collectGarbage");
        ask("HeapProfiler.collectGarbage");
        let told = ask("Performance.getMetrics");
        let metric = |name: &str| {
            let metrics = told["metrics"].as_array().cloned().unwrap_or_default();
            let found = metrics.iter().find(|metric| metric["name"] == name);
            let value = found.and_then(|metric| metric["value"].as_f64());
            value.unwrap_or_else(|| panic!("{name}: {told}")) as u64
        };
        Held {
            nodes: metric("Nodes"),
            listeners: metric("JSEventListeners"),
            bytes: metric("JSHeapUsedSize"),
        }
    }

    fn signal_network(&self, signal: &str) {
        let profile = self.home.path().display().to_string();
        let processes = std::fs::read_dir("/proc").expect("Linux");
        let ids = processes.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let id = ids.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).find(|id| {
            let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            command.contains(NETWORK) && command.contains(&profile)
        });
        let id = id.expect("Chromium has a process for its network");
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{signal} {id}");
    }

    fn element(&self, id: &str) -> String {
        let by = json!({ "using": "css selector", "value": format!("#{id}") });
        let found = self.command("POST", "/element", &by);
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("no element {id}")).to_owned()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_command(method, path, body).unwrap_or_else(|error| {
            panic!("{method} {path}: {error}\n{}", self.driver.output());
        })
    }

    /// The same, with WebDriver's error in place of a panic.
    fn try_command(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.session))
            .header("Content-Type", "application/json")
            .body(if body.is_null() { String::new() } else { body.to_string() })
            .expect("a request");
        let mut response = self.agent.run(request).expect("chromedriver answers");
        let status = response.status();
        let text = response.body_mut().read_to_string().unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let value = value.get("value").cloned().unwrap_or(value);
        if status.is_success() { Ok(value) } else { Err(value) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session; chromedriver alone would leave it behind.
        let _ = self.agent.delete(&self.session).call();
    }
}
