//! The contract of recognisers, held by the worker on sherpa-onnx with the self-made models.

use crate::contract::Subject;
use crate::fixtures;
use qingting_asr::sherpa::{ModelAt, SecondPassKind, SherpaModels};
use qingting_asr::{AsrClient, AsrEvent};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A sound of the recording, however soft: a nasal that opens a phrase is.
const LOUD: u16 = 150;
/// Longest wait for a worker to load its models.
const START_MAX: Duration = Duration::from_secs(60);
/// Which recording is heard.
const PHRASE: &str = "没有人联系我";

/// What the second pass writes, whatever it hears: see `training/second_pass.py`.
const SECOND_PASS_SAYS: &str = "听到";

fn two_pass() -> Option<SherpaModels> {
    let (kind, folder) = (SecondPassKind::SenseVoice, fixtures::folder("second-pass"));
    Some(SherpaModels { second_pass: Some(ModelAt { kind, folder }), ..fixtures::live()? })
}

fn worker(socket: &Path, models: Option<SherpaModels>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qingting-sherpa-worker"));
    command.env("LD_LIBRARY_PATH", fixtures::libraries());
    command.arg("--socket").arg(socket).args(["--threads", "2"]);
    command.args(models.expect("looked for before").args());
    command
}

/// Without the silence around it.
fn speech() -> Vec<i16> {
    let phrases = fixtures::phrases();
    let phrase = phrases.into_iter().find(|phrase| phrase.text == PHRASE).expect("it is there");
    let is_loud = |sample: &i16| sample.unsigned_abs() > LOUD;
    let from = phrase.samples.iter().position(is_loud).expect("it is not silent");
    let to = phrase.samples.iter().rposition(is_loud).expect("it is not silent");
    phrase.samples[from..=to].to_vec()
}

#[tokio::test]
async fn a_live_model_alone_keeps_the_contract() {
    if fixtures::live().is_none() {
        return;
    }
    let worker = |socket: &Path| worker(socket, fixtures::live());
    let subject = Subject { worker, speech: speech(), haste: 5, says: Some(PHRASE) };
    subject.keeps_the_contract().await;
}

#[tokio::test]
async fn a_live_model_with_a_second_pass_keeps_the_contract() {
    if two_pass().is_none() {
        return;
    }
    let worker = |socket: &Path| worker(socket, two_pass());
    let subject = Subject { worker, speech: speech(), haste: 5, says: Some(SECOND_PASS_SAYS) };
    subject.keeps_the_contract().await;
}

#[tokio::test]
async fn the_second_pass_replaces_what_the_live_model_showed() {
    if two_pass().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("asr.sock");
    let client = AsrClient::connect_supervised(socket.clone(), move || worker(&socket, two_pass()));
    // What is said while it loads its models comes to it at once, and nobody reads along then.
    let up = async {
        while !client.status().up() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(START_MAX, up).await.expect("the worker starts");
    let (sender, mut events) = client.open_stream(1);
    let sound = [vec![0; 4_000], speech(), vec![0; 12_000]].concat();
    for (number, piece) in (0..).zip(sound.chunks(800)) {
        sender.push(number * 800, piece);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sender.finish();
    let (mut shown, mut last_words) = (Vec::new(), Vec::new());
    while let Some(event) = events.recv().await {
        match event {
            AsrEvent::Partial(heard) => shown.push((heard.segment, heard.raw.expose().to_string())),
            AsrEvent::Final(heard) => {
                last_words.push((heard.segment, heard.raw.expose().to_string()))
            }
            _ => {}
        }
    }
    assert_eq!(last_words, [(0, SECOND_PASS_SAYS.to_owned())]);
    // Before a segment is over its last word may be tried, and is then shown for what it is: not final.
    let (tried, live): (Vec<_>, Vec<_>) =
        shown.iter().partition(|(_, text)| text == SECOND_PASS_SAYS);
    assert!(tried.iter().chain(&live).all(|(segment, _)| *segment == 0), "{shown:?}");
    assert!(live.iter().all(|(_, text)| PHRASE.starts_with(text.as_str())), "{shown:?}");
    assert!(live.iter().any(|(_, text)| text.chars().count() > 1), "{shown:?}");
}
