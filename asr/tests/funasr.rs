//! A FunASR server as the recogniser, against a fake one: the contract of recognisers, and every way
//! in which the server can fail. A real server's models are not part of the project.

mod contract;
mod fake;

use contract::Subject;
use fake::{Fake, Manner};
use qingting_asr::funasr::{Fault, FunAsr, FunAsrConfig, ServerAddress};
use qingting_asr::recognizer::{Live, LiveText, Recognizer};
use qingting_asr::scripted::Scripted;
use qingting_asr::text::Text;
use qingting_asr::{AsrClient, AsrError, AsrEvent};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const POLL: Duration = Duration::from_millis(5);
/// Polls until a test gives up: 10 s.
const POLLS_MAX: u32 = 2_000;
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

static PROPER: LazyLock<Fake> = LazyLock::new(|| Fake::start(Manner::Proper));

fn worker(socket: &Path, url: &str) -> Command {
    let mut program = std::env::current_exe().expect("a test has a path");
    program.pop();
    program.pop();
    program.push("examples/funasr-worker");
    let mut command = Command::new(program);
    command.arg(socket).arg(url);
    command
}

#[tokio::test]
async fn a_recognition_server_keeps_the_contract() {
    let subject = Subject {
        worker: |socket| worker(socket, &PROPER.url()),
        speech: vec![12_000; 16_000],
        haste: 10,
        says: Some("一一一一。"),
    };
    subject.keeps_the_contract().await;
}

fn recognizer(url: &str, ca_file: Option<PathBuf>) -> qingting_asr::Result<FunAsr> {
    let server = ServerAddress::parse(url, false).expect("a good address");
    let hotwords = vec!["网格员".to_owned()];
    let config = FunAsrConfig { server, ca_file, hotwords, answer_within: ANSWER_WITHIN };
    FunAsr::new(config, || Scripted::default().detector())
}

fn engine(url: &str, ca_file: Option<PathBuf>) -> Box<dyn Live> {
    let recognizer = recognizer(url, ca_file).expect("usable files");
    recognizer.live().expect("an engine").expect("a live one")
}

/// Audio at 16 kHz, loud and quiet in turns.
fn audio(turns_ms: &[usize]) -> Vec<f32> {
    let turn = |(number, ms): (usize, &usize)| {
        std::iter::repeat_n(if number % 2 == 0 { 0.4 } else { 0.0 }, ms * 16)
    };
    turns_ms.iter().enumerate().flat_map(turn).collect()
}

/// All that an engine says until the utterance is over.
fn rest(engine: &mut dyn Live) -> Vec<LiveText> {
    let mut said = Vec::new();
    for _ in 0..POLLS_MAX {
        said.extend(engine.step().texts);
        if said.last().is_some_and(|text: &LiveText| text.is_last) {
            return said;
        }
        std::thread::sleep(POLL);
    }
    panic!("the utterance does not end: {said:?}");
}

fn hear(engine: &mut dyn Live, id: u64, samples: &[f32]) -> Result<Text, AsrError> {
    for piece in samples.chunks(640) {
        engine.push(id, piece)?;
    }
    engine.finish(id);
    let last = rest(engine).pop().expect("a last word");
    Ok(last.decoded?.text)
}

fn fault(heard: Result<Text, AsrError>) -> (Fault, String) {
    let error = heard.expect_err("a failure");
    let words = error.to_string();
    let AsrError::Server { fault, .. } = error else { panic!("{words}") };
    (fault, words)
}

fn times(text: &Text) -> Vec<(u64, u64)> {
    text.chars().iter().map(|char| (char.start_ms, char.end_ms)).collect()
}

#[test]
fn increments_are_shown_and_sentences_replace_them_with_their_times() {
    let mut engine = engine(&PROPER.url(), None);
    let samples = audio(&[1_000, 900, 600]);
    engine.push(7, &samples).unwrap();
    let mut shown = Vec::new();
    // The second sentence's first increment comes while it is spoken.
    for _ in 0..POLLS_MAX {
        shown.extend(engine.step().texts.into_iter().map(|text| text.decoded.unwrap().text));
        if shown.last().is_some_and(|text| text.to_string() == "一一，二") {
            break;
        }
        std::thread::sleep(POLL);
    }
    engine.finish(7);
    let last = rest(&mut *engine).pop().unwrap();
    assert!(last.is_last && last.id == 7);
    let decoded = last.decoded.unwrap();
    assert_eq!(decoded.text.to_string(), "一一，一。");
    let expected = [(0, 500), (500, 1_000), (1_000, 1_000), (1_900, 2_500), (2_500, 2_500)];
    assert_eq!(times(&decoded.text), expected);
    assert!(decoded.confidence > 0.0);
}

#[test]
fn without_times_the_text_is_spread_over_the_voiced_time() {
    let fake = Fake::start(Manner::Timeless);
    let text = hear(&mut *engine(&fake.url(), None), 0, &audio(&[1_000, 900, 1_000])).unwrap();
    assert_eq!(text.to_string(), "一一，一一。");
    let expected =
        [(0, 500), (500, 1_000), (1_000, 1_000), (1_900, 2_400), (2_400, 2_900), (2_900, 2_900)];
    assert_eq!(times(&text), expected);
}

#[test]
fn utterances_at_the_same_time_are_kept_apart() {
    let mut engine = engine(&PROPER.url(), None);
    for id in 0..20 {
        engine.push(id, &audio(&[500 * ((id as usize + 1) % 4 + 1)])).unwrap();
        engine.finish(id);
    }
    let mut lasts = Vec::new();
    for _ in 0..POLLS_MAX {
        lasts.extend(engine.step().texts.into_iter().filter(|text| text.is_last));
        if lasts.len() == 20 {
            break;
        }
        std::thread::sleep(POLL);
    }
    lasts.sort_by_key(|last| last.id);
    assert_eq!(lasts.len(), 20);
    for last in lasts {
        let text = last.decoded.unwrap().text.to_string();
        let said = (last.id as usize + 1) % 4 + 1;
        assert_eq!(text, "一".repeat(said) + "。");
    }
}

#[test]
fn an_utterance_that_is_given_up_leaves_no_connection() {
    let fake = Fake::start(Manner::Silent);
    let mut engine = engine(&fake.url(), None);
    let becomes = |count: usize| {
        let is_so = || fake.open.load(Ordering::SeqCst) == count;
        assert!(
            (0..POLLS_MAX).any(|_| is_so() || {
                std::thread::sleep(POLL);
                false
            }),
            "{count}"
        );
    };
    engine.push(0, &audio(&[500])).unwrap();
    becomes(1);
    engine.forget(0);
    becomes(0);
}

#[test]
fn a_server_that_is_down_is_named_and_tried_again() {
    // An address that no other test has: a port of 127.0.0.1 would be the next one's.
    let listener = TcpListener::bind("127.0.77.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut engine = engine(&format!("ws://{address}"), None);
    let samples = audio(&[500]);
    let (down, words) = fault(hear(&mut *engine, 0, &samples));
    assert!(matches!(down, Fault::Unreachable(_)), "{words}");
    assert!(words.contains(&address.to_string()) && words.contains("is it running"), "{words}");
    let (away, words) = fault(hear(&mut *engine, 1, &samples));
    assert!(matches!(away, Fault::Away(_)), "{words}");
    let _fake = Fake::serve(TcpListener::bind(address).unwrap(), Manner::Proper, None);
    let mut tries = (2..).map(|id| hear(&mut *engine, id, &samples));
    let heard = tries.by_ref().take(POLLS_MAX as usize).find_map(|heard| {
        std::thread::sleep(POLL);
        heard.ok()
    });
    assert_eq!(heard.expect("the server is back").to_string(), "一。");
}

#[test]
fn a_server_that_misbehaves_costs_the_utterance_and_says_why() {
    let samples = audio(&[1_000]);
    let heard_from = |manner| {
        let fake = Fake::start(manner);
        let mut engine = engine(&fake.url(), None);
        let (fault, words) = fault(hear(&mut *engine, 0, &samples));
        assert!(words.contains(&fake.url()), "{words}");
        assert!(engine.step().texts.is_empty(), "it is over");
        fault
    };
    assert!(matches!(heard_from(Manner::HangsUp), Fault::Closed | Fault::Broken(_)));
    assert!(matches!(heard_from(Manner::Babbles), Fault::Nonsense { bytes: 14 }));
    assert!(matches!(heard_from(Manner::Silent), Fault::Silent(ANSWER_WITHIN)));
    assert!(matches!(heard_from(Manner::Endless), Fault::Endless(_)));
}

#[test]
fn what_is_no_websocket_server_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap();
    });
    let (fault, words) = fault(hear(&mut *engine(&url, None), 0, &audio(&[500])));
    assert!(matches!(fault, Fault::Handshake(_)) && words.contains("404"), "{words}");
}

#[test]
fn an_utterance_without_end_is_refused() {
    let mut engine = engine(&PROPER.url(), None);
    let minute = audio(&[0, 60_000]);
    engine.push(0, &minute).unwrap();
    let (fault, words) = fault(engine.push(0, &[0.0]).map(|()| Text::default()));
    assert!(matches!(fault, Fault::TooLong(60_000)), "{words}");
}

/// A certificate for a name, and what signed it: a CA's, or its own where it is one.
struct Identity {
    server: ServerConfig,
    certificate_pem: String,
    ca_pem: String,
}

fn identity(name: &str) -> Identity {
    let authority = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    authority(&mut params);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Identity { server, certificate_pem: certificate.pem(), ca_pem: ca.pem() }
}

#[test]
fn a_certificate_is_believed_if_named_or_signed_for_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let (here, elsewhere) = (identity("127.0.0.1"), identity("asr.example.org"));
    let (here_ca, elsewhere_ca) = (file("a", &here.ca_pem), file("b", &elsewhere.ca_pem));
    let (here_own, elsewhere_own) =
        (file("c", &here.certificate_pem), file("d", &elsewhere.certificate_pem));
    let (here, elsewhere) =
        (Fake::start_with_tls(here.server), Fake::start_with_tls(elsewhere.server));
    let url = |fake: &Fake| format!("wss://{}", fake.address);
    let heard = |fake: &Fake, ca_file: &Path| {
        hear(&mut *engine(&url(fake), Some(ca_file.to_owned())), 0, &audio(&[500]))
    };
    assert_eq!(heard(&here, &here_ca).unwrap().to_string(), "一。", "its CA");
    assert_eq!(heard(&here, &here_own).unwrap().to_string(), "一。", "itself");
    assert_eq!(heard(&elsewhere, &elsewhere_own).unwrap().to_string(), "一。", "whatever its name");
    for (fake, ca_file) in [
        (&elsewhere, &elsewhere_ca), // another name
        (&here, &elsewhere_ca),      // another CA
        (&here, &elsewhere_own),     // another certificate
    ] {
        let (fault, words) = fault(heard(fake, ca_file));
        assert!(matches!(fault, Fault::Tls(_)) && words.contains("ca_file"), "{words}");
    }
}

#[test]
fn files_without_certificates_are_refused_before_anybody_speaks() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.pem");
    std::fs::write(&text, "no certificate").unwrap();
    for file in [text, folder.path().join("none.pem")] {
        let error = recognizer("wss://127.0.0.1:1", Some(file.clone())).err().expect("refused");
        let words = error.to_string();
        assert!(words.contains("asr.remote.ca_file"), "{words}");
        assert!(words.contains(&*file.to_string_lossy()), "{words}");
    }
}

#[tokio::test]
async fn what_was_said_while_the_server_was_down_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("asr.sock");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = AsrClient::connect_supervised(socket.clone(), move || worker(&socket, &url));
    let (sender, mut events) = client.open_stream(1);
    let speech = [vec![12_000; 8_000], vec![0; 8_000]].concat();
    for (number, piece) in speech.chunks(1_600).enumerate() {
        sender.push(number as u64 * 1_600, piece);
    }
    sender.finish();
    let mut heard = Vec::new();
    while let Some(event) = events.recv().await {
        heard.push(event);
    }
    let is_gap = |event: &AsrEvent| matches!(event, AsrEvent::Gap { from_ms: 0..=100, to_ms } if *to_ms >= 900);
    assert!(heard.iter().any(is_gap), "{heard:?}");
    assert!(!heard.iter().any(|event| matches!(event, AsrEvent::Final(_))), "{heard:?}");
    assert_eq!(heard.last(), Some(&AsrEvent::Ended));
}
