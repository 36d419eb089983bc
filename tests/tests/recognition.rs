//! Recognition that cannot keep up, and recordings heard after their call.

use qingting_tests::audio::{self, Wav};
use qingting_tests::raw::RawCall;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::{call, cer, qingting, spoken};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How far a busy machine may put a sender's sentences out of their time.
const PACE_MAX_MS: u64 = 400;
const CALLERS: u64 = 10;
/// Each says so many sentences of a second, with a pause behind each that ends a segment.
const SENTENCES: usize = 7;
const SENTENCE_MS: usize = 1_000;
const PAUSE_MS: usize = 1_000;
/// What a decode takes the recogniser: with one thread it can carry four such callers, not ten.
const DECODE_MS: u32 = 450;

fn id(call: &Value) -> &str {
    call["id"].as_str().expect("an id")
}

/// A recogniser without models that takes its time, as a program for `asr.program`.
fn slow_recogniser(folder: &Path) -> PathBuf {
    let program = folder.join("recogniser.sh");
    let worker = qingting().with_file_name("examples").join("scripted-worker");
    // Called as `PROGRAM --models DIR --socket FILE --threads N`.
    let script = format!("#!/bin/sh\nexec {} \"$4\" {DECODE_MS}\n", worker.display());
    std::fs::write(&program, script).expect("writable");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("ours");
    program
}

/// Sentences that the recogniser takes for speech, and nobody else's.
fn talk(caller: u64) -> Vec<i16> {
    let mut samples = Vec::new();
    for sentence in 0..SENTENCES as u64 {
        samples.extend(noise(caller * 100 + sentence, SENTENCE_MS * 8));
        samples.extend(vec![0; PAUSE_MS * 8]);
    }
    samples
}

fn noise(seed: u64, samples: usize) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 48) as i16) / 3
    };
    (0..samples).map(|_| next()).collect()
}

fn transcript(server: &Server, call: &Value) -> Value {
    server.api_get(&format!("/api/v1/calls/{}/transcript", id(call)))
}

fn of_worker(server: &Server, name: &str) -> f64 {
    server.metric(&format!("qingting_asr_{name}{{worker=\"local\"}}"))
}

#[test]
fn ten_calls_on_a_recogniser_for_four_lose_partials_and_no_sentence_and_no_audio() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = slow_recogniser(folder.path());
    let plan = ServerPlan::hearing()
        .with("asr.program", format!("{:?}", program.display().to_string()))
        .with("sip.calls_per_caller_max", CALLERS);
    let server = Server::start(&plan);
    let mut callers: Vec<(RawCall, String)> = (0..CALLERS)
        .map(|_| {
            let mut raw = RawCall::new(server.sip());
            let offer = raw.offer("8");
            let answer = raw.request("INVITE", "", &offer);
            (raw, answer)
        })
        .collect();
    std::thread::scope(|scope| {
        for (number, (raw, answer)) in (0..).zip(&callers) {
            scope.spawn(move || raw.speak(answer, &talk(number)));
        }
    });
    let ids: Vec<String> = callers.iter().map(|(raw, _)| raw.id().to_owned()).collect();
    for (raw, _) in &mut callers {
        assert!(raw.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    }
    drop(callers);
    let calls = server.ended_calls(CALLERS as usize);
    wait_until("finals are given up", || {
        (of_worker(&server, "finals_skipped_total") > 0.0).then_some(())
    });
    assert!(of_worker(&server, "partials_skipped_total") > 0.0);
    for call in &calls {
        assert_eq!(call["cause"], "caller_hung_up");
        let number = ids.iter().position(|id| *id == call["sip_call_id"]).expect("a caller's");
        let said = wait_until("every sentence is there", || {
            let said = transcript(&server, call);
            let is_whole = said["gaps"].as_array().is_some_and(Vec::is_empty);
            (is_whole && said["segments"].as_array()?.len() >= SENTENCES).then_some(said)
        });
        let segments = said["segments"].as_array().expect("a list");
        assert_eq!(segments.len(), SENTENCES, "{said}");
        let starts = segments.iter().map(|segment| segment["start_ms"].as_u64().expect("ms"));
        let starts: Vec<u64> = starts.collect();
        for pair in starts.windows(2) {
            let apart = pair[1] - pair[0];
            assert!(apart.abs_diff((SENTENCE_MS + PAUSE_MS) as u64) <= PACE_MAX_MS, "{starts:?}");
        }
        let recording = Wav::read(&server.recording_of(id(call)));
        let kept = audio::kept(&talk(number as u64), &recording.channels[0]);
        assert!(kept >= 0.95, "{kept:.2} of a call is in its recording");
    }
    let of_any = |kind: &str, state: &str| {
        let passes = calls.iter().flat_map(|call| {
            transcript(&server, call)["passes"].as_array().cloned().unwrap_or_default()
        });
        passes.filter(|pass| pass["kind"] == kind && pass["state"] == state).count()
    };
    wait_until("all passes are done", || (of_any("gaps", "waiting") == 0).then_some(()));
    assert!(of_any("gaps", "done") > 0);
}

#[test]
fn a_whole_recording_is_heard_once_more_when_that_is_asked_for() {
    const APPEAL: &str = "您好，我要投诉，幸福小区三号楼楼下的烧烤店每天晚上营业到十二点，\
                          噪音特别大。";
    let server = Server::start(&ServerPlan::hearing());
    let file = spoken(APPEAL, "jf_nezumi");
    let args = ["--play", file.to_str().expect("UTF-8"), "--after-prompt"];
    assert_eq!(call(&server.uri(), &args).code, 0);
    let call = server.ended_calls(1).remove(0);
    let path = format!("/api/v1/calls/{}/transcript", id(&call));
    assert_eq!(server.api_get(&format!("{path}?pass=whole"))["segments"], serde_json::json!([]));
    assert_eq!(server.request("GET", &format!("{path}?pass=some"), None).0, 400);
    let (status, body) = server.request("POST", &format!("{path}/whole"), None);
    assert_eq!(status, 202, "{body}");
    let whole = wait_until("the recording is heard", || {
        let whole = server.api_get(&format!("{path}?pass=whole"));
        (whole["passes"][0]["state"] == "done").then_some(whole)
    });
    let segments = whole["segments"].as_array().expect("a list");
    let said: String = segments.iter().filter_map(|segment| segment["raw"].as_str()).collect();
    let errors = cer(APPEAL, &said);
    assert!(errors <= 0.35, "{errors:.3}: {said}");
    // The recording begins with the prompts, which the citizen only hears.
    assert!(segments[0]["start_ms"].as_u64().is_some_and(|ms| ms > 1_000), "{whole}");
    let none = "/api/v1/calls/00000000-0000-7000-8000-000000000000/transcript/whole";
    assert_eq!(server.request("POST", none, None).0, 404);
}

#[test]
fn a_recogniser_killed_in_the_middle_of_a_recording_costs_none_of_its_words_and_says_none_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = slow_recogniser(folder.path());
    let plan =
        ServerPlan::hearing().with("asr.program", format!("{:?}", program.display().to_string()));
    let server = Server::start(&plan);
    let mut raw = RawCall::new(server.sip());
    let offer = raw.offer("8");
    let answer = raw.request("INVITE", "", &offer);
    // Pauses that part sentences in a recording, too.
    let sentence = |number| [noise(number, SENTENCE_MS * 8), vec![0; 2 * PAUSE_MS * 8]].concat();
    raw.speak(&answer, &(0..SENTENCES as u64).flat_map(sentence).collect::<Vec<_>>());
    assert!(raw.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    let call = server.ended_calls(1).remove(0);
    let live = wait_until("the captions are there", || {
        let said = transcript(&server, &call);
        (said["segments"].as_array()?.len() >= SENTENCES).then_some(said)
    });
    let streams = |count: f64| (server.metric("qingting_asr_streams") == count).then_some(());
    wait_until("the recogniser is done with the call", || streams(0.0));
    let path = format!("/api/v1/calls/{}/transcript", id(&call));
    assert_eq!(server.request("POST", &format!("{path}/whole"), None).0, 202);
    // It takes the recogniser more than 3 s.
    wait_until("the recording is being heard", || streams(1.0));
    let worker = ["-9", "-P", &server.pid().to_string(), "-f", "scripted-worker"];
    assert!(Command::new("pkill").args(worker).status().expect("pkill runs").success());
    let whole = || server.api_get(&format!("{path}?pass=whole"));
    assert_eq!(whole()["passes"][0]["state"], "waiting", "it was killed before the end");
    let done = wait_until("the recording is heard", || {
        let whole = whole();
        (whole["passes"][0]["state"] == "done").then_some(whole)
    });
    assert_eq!(of_worker(&server, "worker_restarts_total"), 1.0);
    let starts = |said: &Value| -> Vec<u64> {
        let segments = said["segments"].as_array().expect("a list").iter();
        segments.map(|segment| segment["start_ms"].as_u64().expect("ms")).collect()
    };
    let (once, again) = (starts(&live), starts(&done));
    assert_eq!(again.len(), SENTENCES, "{done}");
    assert!(
        once.iter().zip(&again).all(|(a, b)| a.abs_diff(*b) <= PACE_MAX_MS),
        "{once:?} {again:?}"
    );
    assert_eq!(starts(&transcript(&server, &call)), once, "captions stay as they are");
}

#[test]
fn what_a_killed_server_had_not_written_down_is_heard_at_its_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = slow_recogniser(folder.path());
    let plan =
        ServerPlan::hearing().with("asr.program", format!("{:?}", program.display().to_string()));
    let mut server = Server::start(&plan);
    let mut raw = RawCall::new(server.sip());
    let offer = raw.offer("8");
    let answer = raw.request("INVITE", "", &offer);
    let sentence = || noise(3, SENTENCE_MS * 8);
    let pause = || vec![0; PAUSE_MS * 8];
    // The second sentence is not over when the server dies.
    raw.speak(&answer, &[sentence(), pause(), pause(), sentence(), sentence()].concat());
    server.kill();
    server.start_again();
    let call = server.ended_calls(1).remove(0);
    let said = wait_until("the rest is heard", || {
        let said = transcript(&server, &call);
        (said["passes"][0]["state"] == "done").then_some(said)
    });
    let segments = said["segments"].as_array().expect("a list");
    let from = |number: usize| segments[number]["start_ms"].as_u64().expect("ms");
    assert_eq!((segments.len(), &said["gaps"]), (2, &serde_json::json!([])), "{said}");
    let apart = (SENTENCE_MS + 2 * PAUSE_MS) as u64;
    assert!((from(1) - from(0)).abs_diff(apart) <= PACE_MAX_MS, "{said}");
}
