//! Citizens who answer the telephone: `qingting answer` on the address of the operator's trunks.

use crate::clock::Deadline;
use crate::qingting;
use crate::server::models_dir;
use crate::trunk::TRUNK_IP;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest wait for the first line: there may be texts to speak.
const START_MAX: Duration = Duration::from_secs(600);
/// Longest wait for a call to be over.
const CALL_MAX: Duration = Duration::from_secs(240);

/// A trunk with citizens behind it; gone when dropped.
#[derive(Debug)]
pub struct Citizens {
    child: Child,
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
    /// Holds the file.
    _folder: tempfile::TempDir,
}

impl Citizens {
    /// With this file; paths in it are absolute.
    pub fn start(file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("citizens.toml");
        std::fs::write(&path, file).expect("writable");
        let mut child = Command::new(qingting())
            .arg("answer")
            .arg(&path)
            .args(["--json", "--listen", &format!("{TRUNK_IP}:0"), "--models"])
            .arg(models_dir())
            .arg("--speech")
            .arg(qingting().with_file_name("test-speech"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qingting starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let calls: Arc<Mutex<Vec<Value>>> = Arc::default();
        let first: Arc<Mutex<Option<Option<Value>>>> = Arc::default();
        let reader = {
            let (calls, first) = (Arc::clone(&calls), Arc::clone(&first));
            std::thread::spawn(move || {
                let mut next = || serde_json::from_str(&lines.next()?.ok()?).ok();
                *first.lock().expect("no thread panicked") = Some(next());
                while let Some(call) = next() {
                    calls.lock().expect("no thread panicked").push(call);
                }
            })
        };
        let said = Deadline::after(START_MAX)
            .poll(|| first.lock().expect("no thread panicked").take())
            .expect("it says something in time");
        let said: Value = said.expect("it says where it listens");
        let address = said["listening"].as_str().and_then(|at| at.parse().ok());
        let address = address.expect("an address");
        Self { child, address, calls, reader: Some(reader), _folder: folder }
    }

    /// A `[[trunks]]` that leads to them.
    pub fn trunk(&self) -> String {
        format!(
            "[[trunks]]\nname = \"外线\"\nuri = \"sip:{}\"\npeers = [\"{TRUNK_IP}\"]\ncaller_id = \"12345\"\n",
            self.address
        )
    }

    /// The calls to a number that are over, in order.
    pub fn calls_to(&self, number: &str) -> Vec<Value> {
        let calls = self.calls.lock().expect("no thread panicked");
        calls.iter().filter(|call| call["number"] == number).cloned().collect()
    }

    /// Waits until this many calls to a number are over.
    pub fn wait_for_calls(&self, number: &str, count: usize) -> Vec<Value> {
        let enough = || Some(self.calls_to(number)).filter(|calls| calls.len() >= count);
        let found = Deadline::after(CALL_MAX).poll(enough);
        found.unwrap_or_else(|| panic!("{number} was not called: {:#?}", self.calls_to(number)))
    }
}

impl Drop for Citizens {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
