//! The client and a worker process without models: captions, and what `kill -9` costs.

use qingting_asr::{AsrClient, AsrEvent};
use std::process::Command;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

const DEADLINE: Duration = Duration::from_secs(15);

fn client(folder: &tempfile::TempDir) -> AsrClient {
    let socket = folder.path().join("asr.sock");
    let mut worker = std::env::current_exe().expect("a test has a path");
    worker.pop();
    worker.pop();
    worker.push("examples/scripted-worker");
    AsrClient::connect_supervised(socket.clone(), move || {
        let mut command = Command::new(&worker);
        command.arg(&socket);
        command
    })
}

async fn until(events: &mut Receiver<AsrEvent>, wanted: impl Fn(&AsrEvent) -> bool) -> AsrEvent {
    let wait = async {
        loop {
            let event = events.recv().await.expect("the stream is open");
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("in time")
}

fn is_final(event: &AsrEvent) -> bool {
    matches!(event, AsrEvent::Final(_))
}

#[tokio::test]
async fn speech_is_heard_and_the_stream_ends_after_its_finals() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = client(&folder);
    let (sender, mut events) = client.open_stream(1);
    sender.push(0, &[0; 4_000]);
    sender.push(4_000, &[9_000; 16_000]);
    let started = until(&mut events, |e| matches!(e, AsrEvent::SpeechStarted { .. })).await;
    let AsrEvent::SpeechStarted { at_ms } = started else { unreachable!() };
    assert!((450..=560).contains(&at_ms), "{at_ms}");
    sender.push(20_000, &[0; 8_000]);
    let AsrEvent::Final(heard) = until(&mut events, is_final).await else { unreachable!() };
    assert_eq!(heard.segment, 0);
    assert!((2_400..=2_600).contains(&heard.end_ms), "{}", heard.end_ms);
    assert!(!heard.text.expose().is_empty());
    sender.finish();
    until(&mut events, |e| *e == AsrEvent::Ended).await;
    assert_eq!(client.status().streams, 0);
}

#[tokio::test]
async fn a_killed_worker_costs_no_words_that_the_buffer_still_holds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = client(&folder);
    let (sender, mut events) = client.open_stream(1);
    sender.push(0, &[9_000; 8_000]);
    until(&mut events, |e| matches!(e, AsrEvent::SpeechStarted { .. })).await;
    let pid = client.status().worker_pid;
    let kill = Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill runs");
    assert!(kill.success());
    sender.push(8_000, &[9_000; 8_000]);
    sender.push(16_000, &[0; 16_000]);
    let AsrEvent::Final(heard) = until(&mut events, is_final).await else { unreachable!() };
    assert_eq!((heard.segment, heard.start_ms), (0, 0));
    assert!((1_900..=2_100).contains(&heard.end_ms), "{}", heard.end_ms);
    assert_eq!(client.status().restarts, 1);
}
