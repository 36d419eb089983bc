//! Several workers: streams are spread over them, a lost one's streams go on at another, and a worker
//! of another machine takes nobody who cannot prove itself.

use qingting_asr::bias::Hotwords;
use qingting_asr::client::Remote;
use qingting_asr::{AsrClient, AsrError, AsrEvent, AsrStatus, WorkerSource};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

const DEADLINE: Duration = Duration::from_secs(15);
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn scripted(socket: &Path) -> Command {
    let mut worker = std::env::current_exe().expect("a test has a path");
    worker.pop();
    worker.pop();
    worker.push("examples/scripted-worker");
    let mut command = Command::new(&worker);
    command.arg(socket);
    command
}

fn local(folder: &Path, name: &str) -> WorkerSource {
    let socket = folder.join(name);
    let at = socket.clone();
    WorkerSource::Local { socket, spawn: Box::new(move || scripted(&at)) }
}

async fn until_status(client: &AsrClient, wanted: impl Fn(&AsrStatus) -> bool) -> AsrStatus {
    let look = async {
        loop {
            let status = client.status();
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, look).await.expect("in time")
}

async fn next(events: &mut Receiver<AsrEvent>) -> AsrEvent {
    tokio::time::timeout(DEADLINE, events.recv()).await.expect("in time").expect("an event")
}

/// A second of speech and one of silence.
fn sentence() -> Vec<i16> {
    [vec![9_000; 8_000], vec![0; 8_000]].concat()
}

#[tokio::test]
async fn calls_are_spread_and_a_lost_workers_calls_go_on_at_the_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = AsrClient::connect(
        vec![local(folder.path(), "a"), local(folder.path(), "b")],
        Hotwords::none(),
    );
    let both = until_status(&client, |status| status.workers.iter().all(|w| w.up)).await;
    let mut streams: Vec<_> = (0..4).map(|key| client.open_stream(key)).collect();
    until_status(&client, |status| status.workers.iter().all(|w| w.streams == 2)).await;
    for (sender, events) in &mut streams {
        // Each worker has begun a segment of each of its streams, and finished none.
        sender.push(0, &vec![9_000; 8_000]);
        assert!(matches!(next(events).await, AsrEvent::SpeechStarted { .. }));
    }
    let kill = Command::new("kill").args(["-9", &both.workers[0].pid.to_string()]).status();
    assert!(kill.expect("kill runs").success());
    for (sender, _) in &streams {
        sender.push(8_000, &[0; 8_000]);
    }
    // Well before the lost one could be stuck for long enough to be noticed.
    for (_, events) in &mut streams {
        loop {
            match next(events).await {
                AsrEvent::Final(heard) => {
                    assert!(heard.start_ms < 200 && heard.end_ms >= 900, "{heard:?}");
                    break;
                }
                AsrEvent::Gap { .. } | AsrEvent::Ended => panic!("nothing was out of reach"),
                _ => {}
            }
        }
    }
    assert_eq!(client.status().workers[0].restarts, 1);
    until_status(&client, |status| status.workers[0].up).await;
}

/// A worker that listens for other machines, with a certificate of its own.
struct Elsewhere {
    folder: tempfile::TempDir,
    address: String,
    worker: Child,
}

impl Elsewhere {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_certificate(folder.path());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        let address = format!("127.0.0.1:{}", port.port());
        let worker = scripted(&folder.path().join("asr.sock"))
            .args(["0", "decoder", &address])
            .args([folder.path().join("certificate.pem"), folder.path().join("key.pem")])
            .arg(TOKEN)
            .spawn()
            .expect("the worker starts");
        let started = Self { folder, address, worker };
        let listens = async {
            while tokio::net::TcpStream::connect(&started.address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, listens).await.expect("it listens");
        started
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn client(&self, certificate: &Path, token: &str) -> AsrClient {
        let remote = Remote::new(&self.address, certificate, token).expect("usable");
        AsrClient::connect(vec![WorkerSource::Remote(remote)], Hotwords::none())
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

fn write_certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).expect("writable");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("writable");
}

#[tokio::test]
async fn a_worker_of_another_machine_hears_and_is_connected_to_again() {
    let elsewhere = Elsewhere::start().await;
    let client = elsewhere.client(&elsewhere.certificate(), TOKEN);
    let status = until_status(&client, AsrStatus::up).await;
    assert_eq!((status.workers[0].name.as_str(), status.workers[0].pid), (&*elsewhere.address, 0));
    let (sender, mut events) = client.open_stream(1);
    sender.push(0, &sentence());
    while !matches!(next(&mut events).await, AsrEvent::Final(_)) {}
}

#[tokio::test]
async fn a_wrong_token_and_a_wrong_certificate_are_refused() {
    let elsewhere = Elsewhere::start().await;
    let other = tempfile::tempdir().expect("a temporary folder");
    write_certificate(other.path());
    let token_client = elsewhere.client(&elsewhere.certificate(), &"x".repeat(32));
    let trust_client = elsewhere.client(&other.path().join("certificate.pem"), TOKEN);
    for client in [&token_client, &trust_client] {
        let status = until_status(client, |status| status.workers[0].restarts >= 2).await;
        assert!(!status.up());
    }
}

#[test]
fn what_cannot_be_used_is_told_before_anything_is_connected() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_certificate(folder.path());
    let certificate = folder.path().join("certificate.pem");
    let told = |address: &str, certificate: &Path, token: &str| match Remote::new(
        address,
        certificate,
        token,
    ) {
        Err(AsrError::Worker { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it cannot be used"),
    };
    assert!(told("asr1", &certificate, TOKEN).contains("host:port"));
    assert!(told("asr1:7012", &certificate, "short").contains("openssl rand"));
    assert!(told("asr1:7012", &folder.path().join("none.pem"), TOKEN).contains("none.pem"));
    assert!(told("asr1:7012", &folder.path().join("key.pem"), TOKEN).contains("key.pem"));
}
