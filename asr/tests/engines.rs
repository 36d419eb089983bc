//! The contract of recognisers, held by each kind of engine without a model; and what only one kind
//! does.

mod contract;

use contract::Subject;
use qingting_asr::{AsrClient, AsrEvent};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Loud for the voice detector, words for the live engine.
const WORDS: i16 = 12_000;
/// Loud for the voice detector alone.
const NOISE: i16 = 4_000;

fn worker(socket: &Path, engines: &str) -> Command {
    let mut program = std::env::current_exe().expect("a test has a path");
    program.pop();
    program.pop();
    program.push("examples/scripted-worker");
    let mut command = Command::new(program);
    command.arg(socket).args(["0", engines]);
    command
}

fn subject(worker: fn(&Path) -> Command) -> Subject {
    Subject { worker, speech: vec![WORDS; 16_000], haste: 10, says: None }
}

#[tokio::test]
async fn a_decoder_of_segments_keeps_the_contract() {
    subject(|socket| worker(socket, "decoder")).keeps_the_contract().await;
}

#[tokio::test]
async fn a_live_engine_keeps_the_contract() {
    subject(|socket| worker(socket, "live")).keeps_the_contract().await;
}

#[tokio::test]
async fn a_live_engine_with_a_second_pass_keeps_the_contract() {
    subject(|socket| worker(socket, "two-pass")).keeps_the_contract().await;
}

/// Hears a second of words, then noise that voice detection takes for speech.
async fn words_and_noise(engines: &'static str) -> Vec<AsrEvent> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("asr.sock");
    let client = AsrClient::connect_supervised(socket.clone(), move || worker(&socket, engines));
    let (sender, mut events) = client.open_stream(1);
    let mut heard = Vec::new();
    let sound = [vec![WORDS; 8_000], vec![NOISE; 32_000]].concat();
    for (number, piece) in sound.chunks(1_600).enumerate() {
        sender.push(number as u64 * 1_600, piece);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sender.finish();
    while let Some(event) = events.recv().await {
        heard.push(event);
    }
    heard
}

#[tokio::test]
async fn an_endpoint_of_the_engine_ends_a_segment_that_noise_keeps_open() {
    let finals_of = |events: Vec<AsrEvent>| {
        events.iter().filter(|event| matches!(event, AsrEvent::Final(_))).count()
    };
    assert_eq!(finals_of(words_and_noise("decoder").await), 1, "voice detection alone");
    assert!(finals_of(words_and_noise("live").await) > 1);
}

#[tokio::test]
async fn the_second_pass_replaces_what_the_live_engine_showed() {
    let events = words_and_noise("two-pass").await;
    let text = |event: &AsrEvent| match event {
        AsrEvent::Partial(heard) => Some((false, heard.raw.expose().to_string())),
        AsrEvent::Final(heard) => Some((true, heard.raw.expose().to_string())),
        _ => None,
    };
    let texts: Vec<(bool, String)> = events.iter().filter_map(text).collect();
    assert!(texts.iter().any(|(is_final, text)| !is_final && text.starts_with('二')));
    assert!(texts.iter().all(|(is_final, text)| !is_final || text.starts_with('一')));
}

#[tokio::test]
async fn what_is_expected_of_a_stream_reaches_its_decodes_and_no_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("asr.sock");
    let client = AsrClient::connect_supervised(socket.clone(), move || worker(&socket, "decoder"));
    let (asked, mut answers) = client.open_stream(1);
    let (other, mut others) = client.open_stream(2);
    client.expect(1, "满意");
    asked.push(0, &[WORDS; 8_000]);
    other.push(0, &[WORDS; 8_000]);
    asked.finish();
    other.finish();
    let expected = async |events: &mut tokio::sync::mpsc::Receiver<AsrEvent>| loop {
        if let AsrEvent::Final(heard) = events.recv().await.expect("a final") {
            return heard.expected.map(|expected| expected.expose().text.to_string());
        }
    };
    assert!(expected(&mut answers).await.is_some_and(|words| words.starts_with("满意")));
    assert_eq!(expected(&mut others).await, None);
}
