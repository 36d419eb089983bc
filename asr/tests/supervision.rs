//! The client and a worker process without models: captions, what `kill -9` and a stuck worker
//! cost, and that nothing is lost without a trace or kept without bound.

use qingting_asr::{AsrClient, AsrEvent, AsrStatus, Level};
use std::process::Command;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

const DEADLINE: Duration = Duration::from_secs(15);

fn client(folder: &tempfile::TempDir) -> AsrClient {
    slow_client(folder, 0)
}

/// A client whose worker takes so long for a decode.
fn slow_client(folder: &tempfile::TempDir, decode_ms: u32) -> AsrClient {
    let socket = folder.path().join("asr.sock");
    let mut worker = std::env::current_exe().expect("a test has a path");
    worker.pop();
    worker.pop();
    worker.push("examples/scripted-worker");
    AsrClient::connect_supervised(socket.clone(), move || {
        let mut command = Command::new(&worker);
        command.arg(&socket).arg(decode_ms.to_string());
        command
    })
}

/// A client whose worker never listens.
fn client_in_an_outage(folder: &tempfile::TempDir) -> AsrClient {
    AsrClient::connect_supervised(folder.path().join("asr.sock"), || {
        let mut command = Command::new("sleep");
        command.arg("60");
        command
    })
}

fn signal(name: &str, pid: u32) {
    let kill = Command::new("kill").args([name, &pid.to_string()]).status().expect("kill runs");
    assert!(kill.success());
}

/// Waits until the status is so.
async fn until_status(client: &AsrClient, wanted: impl Fn(&AsrStatus) -> bool) -> AsrStatus {
    let wait = async {
        loop {
            let status = client.status();
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("in time")
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
    assert!(!heard.display.expose().is_empty());
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
    let pid = client.status().workers[0].pid;
    signal("-9", pid);
    sender.push(8_000, &[9_000; 8_000]);
    sender.push(16_000, &[0; 16_000]);
    let AsrEvent::Final(heard) = until(&mut events, is_final).await else { unreachable!() };
    assert_eq!((heard.segment, heard.start_ms), (0, 0));
    assert!((1_900..=2_100).contains(&heard.end_ms), "{}", heard.end_ms);
    assert_eq!(client.status().workers[0].restarts, 1);
}

#[tokio::test]
async fn a_stuck_worker_is_replaced_and_costs_no_words_either() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = client(&folder);
    let (sender, mut events) = client.open_stream(1);
    sender.push(0, &[9_000; 8_000]);
    sender.push(8_000, &[0; 8_000]);
    until(&mut events, is_final).await;
    let stuck = until_status(&client, |status| status.up()).await.workers[0].pid;
    signal("-STOP", stuck);
    // The socket takes what the worker will never read.
    sender.push(16_000, &[9_000; 8_000]);
    sender.push(24_000, &[0; 8_000]);
    let silent = until_status(&client, |status| !status.up()).await;
    assert_eq!(
        (silent.workers[0].pid, silent.workers[0].restarts),
        (stuck, 0),
        "not up before it is given up"
    );
    let AsrEvent::Final(heard) = until(&mut events, is_final).await else { unreachable!() };
    assert_eq!(heard.segment, 1);
    assert!((1_900..=2_100).contains(&heard.start_ms), "{}", heard.start_ms);
    let status = until_status(&client, |status| status.up()).await;
    assert_eq!(status.workers[0].restarts, 1);
    assert_ne!(status.workers[0].pid, stuck);
}

#[tokio::test]
async fn a_consumer_that_does_not_read_is_told_what_it_missed() {
    const ROUNDS: u64 = 30;
    const SEGMENTS: u64 = 10;
    const SEGMENT_SAMPLES: usize = 10_400;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = client(&folder);
    let mut segment = vec![9_000; 1_600];
    segment.resize(SEGMENT_SAMPLES, 0);
    let (idle, mut unread) = client.open_stream(1);
    // Heard after the other one: its finals tell that those of the other were sent.
    let (pace, mut read) = client.open_stream(2);
    for at in 0..ROUNDS * SEGMENTS {
        idle.push(at * SEGMENT_SAMPLES as u64, &segment);
        pace.push(at * SEGMENT_SAMPLES as u64, &segment);
        if at % SEGMENTS == SEGMENTS - 1 {
            let last = |event: &AsrEvent| match event {
                AsrEvent::Final(heard) => u64::from(heard.segment) == at,
                _ => false,
            };
            until(&mut read, last).await;
        }
    }
    idle.finish();
    let (mut finals, mut gaps) = (0, Vec::new());
    loop {
        let event = tokio::time::timeout(DEADLINE, unread.recv()).await.expect("in time");
        match event.expect("it ends with its end") {
            AsrEvent::Final(heard) => {
                finals += 1;
                assert!(gaps.is_empty(), "{heard:?} lies within {gaps:?}");
            }
            AsrEvent::Gap { from_ms, to_ms } => gaps.push((from_ms, to_ms)),
            AsrEvent::Ended => break,
            AsrEvent::SpeechStarted { .. } | AsrEvent::Partial(_) => {}
        }
    }
    let [(from_ms, to_ms)] = gaps[..] else { panic!("one gap: {gaps:?}") };
    let lost = ROUNDS * SEGMENTS - finals;
    assert!(lost > 0);
    assert_eq!(client.status().events_lost, lost);
    assert!(from_ms.abs_diff(finals * 1_300) < 100, "{from_ms} after {finals} finals");
    assert!(to_ms.abs_diff((ROUNDS * SEGMENTS - 1) * 1_300 + 200) < 100, "{to_ms}");
}

#[tokio::test]
async fn a_consumer_that_reads_again_is_told_at_once_and_hears_the_rest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = client(&folder);
    let mut segment = vec![9_000; 1_600];
    segment.resize(10_400, 0);
    until_status(&client, |status| status.up()).await;
    let (sender, mut events) = client.open_stream(1);
    let mut at = 0;
    while client.status().events_lost == 0 {
        sender.push(at * 10_400, &segment);
        at += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(at < 2_000);
    }
    until(&mut events, |event| matches!(event, AsrEvent::Gap { .. })).await;
    sender.push(at * 10_400, &segment);
    until(&mut events, is_final).await;
}

#[tokio::test]
async fn an_outage_keeps_a_bounded_number_of_finished_streams() {
    const KEPT: usize = 256;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = client_in_an_outage(&folder);
    let mut consumers = Vec::new();
    // Keys fall, so that the oldest is not the smallest.
    for key in (0..KEPT as u64 + 2).rev() {
        let (sender, events) = client.open_stream(key);
        sender.push(0, &[9_000; 8_000]);
        sender.finish();
        consumers.push(events);
    }
    assert_eq!(client.status().streams, KEPT);
    for events in &mut consumers[..2] {
        assert_eq!(events.recv().await, Some(AsrEvent::Gap { from_ms: 0, to_ms: 1_000 }));
        assert_eq!(events.recv().await, Some(AsrEvent::Ended));
        assert_eq!(events.recv().await, None);
    }
    assert!(consumers[2].try_recv().is_err(), "this one still waits");
}

#[tokio::test]
async fn a_stream_without_a_consumer_is_forgotten_with_and_without_a_worker() {
    for make in [client, client_in_an_outage] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let client = make(&folder);
        let (sender, events) = client.open_stream(1);
        sender.push(0, &[9_000; 8_000]);
        drop(events);
        until_status(&client, |status| status.streams == 0).await;
        sender.push(8_000, &[9_000; 8_000]);
        assert_eq!(client.status().streams, 0);
    }
}

#[tokio::test]
async fn a_forgotten_stream_gives_its_place_at_the_worker_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let client = client(&folder);
    // The scripted worker takes 16 streams.
    for key in 0..40 {
        let (sender, mut events) = client.open_stream(key);
        sender.push(0, &[9_000; 8_000]);
        until(&mut events, |e| matches!(e, AsrEvent::SpeechStarted { .. })).await;
    }
}

#[tokio::test]
async fn ten_streams_on_a_slow_worker_lose_partials_and_no_final() {
    const STREAMS: u64 = 10;
    const SEGMENTS: u64 = 2;
    let folder = tempfile::tempdir().expect("a temporary folder");
    // All speech is there at once: twenty finals take 4 s.
    let client = slow_client(&folder, 200);
    until_status(&client, |status| status.up()).await;
    let mut segment = vec![9_000; 16_000];
    segment.resize(24_000, 0);
    let mut consumers = Vec::new();
    for key in 0..STREAMS {
        let (sender, events) = client.open_stream(key);
        for at in 0..SEGMENTS {
            sender.push(at * 24_000, &segment);
        }
        sender.finish();
        consumers.push(events);
    }
    until_status(&client, |status| status.level() >= Level::NoPartials).await;
    for events in &mut consumers {
        let (mut finals, mut gaps) = (0, 0);
        loop {
            match tokio::time::timeout(DEADLINE, events.recv()).await.expect("in time") {
                Some(AsrEvent::Final(_)) => finals += 1,
                Some(AsrEvent::Gap { .. }) => gaps += 1,
                Some(AsrEvent::Ended) | None => break,
                Some(_) => {}
            }
        }
        assert_eq!((finals, gaps), (SEGMENTS, 0));
    }
    assert_eq!(client.status().workers[0].finals_skipped, 0);
}
