//! The first call, as people live it: a spoken appeal becomes a ticket.

use qingting_tests::audio::{self, Wav};
use qingting_tests::raw::RawCall;
use qingting_tests::server::{CALLS_MAX, Server, ServerPlan, wait_until};
use qingting_tests::{call, cer, spoken};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const APPEAL: &str = "您好，我要投诉，幸福小区三号楼楼下的烧烤店每天晚上营业到十二点，\
                      噪音特别大，我的电话是一三八零零一三八零零零。";

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn id(call: &Value) -> &str {
    call["id"].as_str().expect("an id")
}

/// The whole transcript, once nothing is being recognised any more.
fn transcript(server: &Server, call: &Value) -> String {
    wait_until("everything is recognised", || {
        (server.metric("qingting_asr_streams") == 0.0).then_some(())
    });
    let transcript = server.api_get(&format!("/api/v1/calls/{}/transcript", id(call)));
    let segments = transcript["segments"].as_array().cloned().unwrap_or_default();
    segments.iter().filter_map(|segment| segment["raw"].as_str()).collect()
}

#[test]
fn a_spoken_appeal_becomes_a_ticket_with_transcript_tags_slots_and_recording() {
    let server = Server::start(&ServerPlan::hearing());
    let file = spoken(APPEAL, "jf_nezumi");
    let heard = server.home().join("heard.wav");
    let called = call(
        &server.uri(),
        &[
            "--play",
            text(&file),
            "--record",
            text(&heard),
            "--after-prompt",
            "--from",
            "13912345678",
        ],
    );
    assert_eq!(called.code, 0, "{called:?}");
    let calls = server.ended_calls(1);
    let call = &calls[0];
    assert_eq!(
        (call["caller"].as_str(), call["called"].as_str()),
        (Some("13912345678"), Some("12345"))
    );
    assert_eq!(call["hung_up_by"], "caller");
    assert!(call["quality"]["mos"].as_f64().is_some_and(|mos| mos > 4.0), "{call}");

    let said = transcript(&server, call);
    let errors = cer(APPEAL, &said);
    assert!(errors <= 0.35, "{errors:.3}: {said}");

    let ticket = server.ticket_of(call);
    let field =
        |name: &str| ticket["fields"][name]["value"].as_str().unwrap_or_default().to_owned();
    assert_eq!(field("appeal_kind"), "投诉", "{ticket}");
    assert!(!field("description").is_empty() && !field("title").is_empty(), "{ticket}");
    let kind = &ticket["fields"]["appeal_kind"];
    assert!(kind["confidence"].as_f64().is_some_and(|c| c > 0.5 && c <= 1.0), "{kind}");
    assert!(kind["evidence"][0]["quote"].as_str().is_some_and(|q| said.contains(q)), "{kind}");

    let recording = Wav::read(&server.recording_of(id(call)));
    let sent = Wav::read(&file);
    let kept = audio::kept(&sent.channels[0], &recording.channels[0]);
    assert!(kept >= 0.8, "{kept:.2} of what was said is in the recording");
    let talked = called.result["talked_ms"].as_u64().expect("a number");
    let recorded = recording.duration().as_millis() as u64;
    assert!(talked.abs_diff(recorded) <= 100, "talked {talked} ms, recorded {recorded} ms");

    // Both ends heard the same prompt: our right channel is what the caller heard.
    let callers = Wav::read(&heard);
    let prompt = &recording.channels[1][..8_000 * 3];
    let found = audio::align(prompt, &callers.channels[1]);
    assert!(found.correlation >= 0.95, "{found:?}");
}

#[test]
fn a_persons_value_stays_whatever_is_said_afterwards() {
    let server = Server::start(&ServerPlan::hearing());
    let first = spoken("您好，我要投诉，楼下的烧烤店噪音特别大。", "jf_nezumi");
    let words = Wav::read(&first).channels.remove(0);
    let mut raw = RawCall::new(server.sip());
    let offer = raw.offer("8");
    let answer = raw.request("INVITE", "", &offer);
    let silence = vec![0; 8_000 * 2];
    raw.speak(&answer, &words);
    raw.speak(&answer, &silence);
    let call = server.calls().remove(0);
    let ticket = wait_until("the machine has filled the draft", || {
        let ticket = server.ticket_of(&call);
        (ticket["fields"]["appeal_kind"]["value"] == "投诉").then_some(ticket)
    });
    let path = format!("/api/v1/tickets/{}", ticket["id"].as_str().expect("an id"));
    let edit = json!({ "revision": ticket["revision"], "fields": { "appeal_kind": "咨询" } });
    let (status, body) = server.request("PATCH", &path, Some(&edit));
    assert_eq!(status, 200, "{body}");
    let (status, body) = server.request("PATCH", &path, Some(&edit));
    assert_eq!(status, 409, "a stale revision: {body}");

    raw.speak(&answer, &words);
    raw.speak(&answer, &silence);
    assert!(raw.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    let call = server.ended_calls(1).remove(0);
    let said = transcript(&server, &call);
    let ticket = server.api_get(&path);
    assert_eq!(ticket["fields"]["appeal_kind"]["value"], "咨询", "{said}");
    assert_eq!(ticket["fields"]["appeal_kind"]["source"], "person");
    assert!(
        ticket["fields"]["description"]["value"].as_str().is_some_and(|t| t.chars().count() > 15)
    );

    let confirm = json!({ "revision": ticket["revision"] });
    let (status, body) = server.request("POST", &format!("{path}/confirm"), Some(&confirm));
    assert_eq!(status, 200, "{body}");
    assert_eq!(server.api_get(&path)["status"], "confirmed");
}

#[test]
fn a_killed_recogniser_costs_captions_and_no_call() {
    let server = Server::start(&ServerPlan::hearing());
    let words = Wav::read(&spoken("您好，我要投诉，楼下的烧烤店噪音特别大。", "jf_nezumi"))
        .channels
        .remove(0);
    let mut raw = RawCall::new(server.sip());
    let offer = raw.offer("8");
    let answer = raw.request("INVITE", "", &offer);
    raw.speak(&answer, &words[..words.len() / 2]);
    let killed = Command::new("pkill")
        .args(["-9", "-P", &server.pid().to_string(), "-f", "asr-worker"])
        .status()
        .expect("pkill runs");
    assert!(killed.success());
    raw.speak(&answer, &words[words.len() / 2..]);
    raw.speak(&answer, &vec![0; 8_000]);
    wait_until("there is a recogniser again", || {
        (server.metric("qingting_asr_up") == 1.0).then_some(())
    });
    raw.speak(&answer, &words);
    raw.speak(&answer, &vec![0; 8_000 * 2]);
    assert!(raw.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    let call = server.ended_calls(1).remove(0);
    assert_eq!(call["cause"], "caller_hung_up");
    let said = transcript(&server, &call);
    assert!(said.chars().count() >= 15, "{said}");
    assert_eq!(server.metric("qingting_asr_worker_restarts_total{worker=\"local\"}"), 1.0);
    let recording = Wav::read(&server.recording_of(id(&call)));
    let found = audio::align(&words, &recording.channels[0]);
    assert!(found.correlation >= 0.95, "{found:?}");
}

#[test]
fn a_killed_server_leaves_the_recording_and_the_ticket() {
    let mut server = Server::start(&ServerPlan::deaf());
    let mut raw = RawCall::new(server.sip());
    let offer = raw.offer("8");
    let answer = raw.request("INVITE", "", &offer);
    let speech = audio::speech_like(11, Duration::from_secs(4));
    raw.speak(&answer, &speech);
    server.kill();
    let call_id = {
        server.start_again();
        let call = server.ended_calls(1).remove(0);
        assert_eq!(call["cause"], "server_restarted");
        assert_eq!(server.ticket_of(&call)["status"], "draft");
        id(&call).to_owned()
    };
    let recording = Wav::read(&server.recording_of(&call_id));
    let seconds = recording.duration().as_secs_f64();
    assert!(seconds >= 3.0, "{seconds} s of 4 are left");
    let kept = speech.len().min(recording.channels[0].len()) - 8_000;
    let found = audio::align(&speech[..kept], &recording.channels[0]);
    assert!(found.correlation >= 0.95, "{found:?}");
}

#[test]
fn every_transport_and_codec_carries_the_voice_both_ways() {
    let server = Server::start(&ServerPlan::deaf());
    let file = server.home().join("speech.wav");
    let speech = audio::speech_like(21, Duration::from_secs(2));
    Wav::mono(speech.clone()).write(&file);
    let mut number = 0;
    for transport in ["udp", "tcp"] {
        for codec in ["pcma", "pcmu"] {
            let args = [
                "--play",
                text(&file),
                "--transport",
                transport,
                "--codec",
                codec,
                "--dtmf",
                "12#",
            ];
            let called = call(&server.uri(), &args);
            assert_eq!(called.code, 0, "{transport} {codec}: {called:?}");
            assert!(called.result["rtp"]["packets_received"].as_u64().is_some_and(|n| n > 100));
            number += 1;
            let call = server.ended_calls(number).remove(0);
            assert!(call["remote"].as_str().is_some_and(|remote| remote.starts_with(transport)));
            let recording = Wav::read(&server.recording_of(id(&call)));
            let found = audio::align(&speech, &recording.channels[0]);
            assert!(found.correlation >= 0.95, "{transport} {codec}: {found:?}");
        }
    }
    server.wait_until_idle();
}

#[test]
fn a_hang_up_at_any_moment_from_either_side_leaves_nothing_behind() {
    let server = Server::start(
        &ServerPlan::deaf()
            .with("hotline.ring_ms", 200)
            .with("sip.calls_per_caller_max", 0)
            // No stranger may call as often as this.
            .with("sip.trusted_peers", "[\"127.0.0.1\"]"),
    );
    let offer = RawCall::new(server.sip()).offer("8");
    let callers: Vec<_> = (0..24u64)
        .map(|number| {
            let (sip, offer) = (server.sip(), offer.clone());
            std::thread::spawn(move || {
                let mut raw = RawCall::new(sip);
                raw.send("INVITE", "", &offer);
                std::thread::sleep(Duration::from_millis(number * 20));
                // Before the answer, at the answer, after it: CANCEL, and BYE where it was too late.
                raw.send("CANCEL", "", "");
                let answer = raw.response_to("INVITE");
                raw.acknowledge("");
                let answered = answer.starts_with("SIP/2.0 200 ");
                if answered {
                    assert!(raw.request("BYE", "", "").starts_with("SIP/2.0 200 "));
                } else {
                    assert!(answer.starts_with("SIP/2.0 487 "), "{answer}");
                }
                (raw.id().to_owned(), answered)
            })
        })
        .collect();
    let answers: HashMap<String, bool> =
        callers.into_iter().map(|caller| caller.join().expect("a caller")).collect();

    let mut raw = RawCall::new(server.sip());
    assert!(raw.request("INVITE", "", &offer).starts_with("SIP/2.0 200 "));
    let running = wait_until("the call runs", || {
        server.calls().into_iter().find(|call| call["state"] == "active")
    });
    let (status, body) =
        server.request("POST", &format!("/api/v1/calls/{}/hangup", id(&running)), None);
    assert!((200..300).contains(&status), "{status} {body}");
    let bye = raw.message();
    assert!(bye.starts_with("BYE "), "{bye}");
    raw.answer(&bye);
    let calls = server.ended_calls(25);
    assert!(calls.iter().all(|call| server.ticket_of(call)["status"] == "draft"));
    assert_eq!(calls[0]["hung_up_by"], "operator");
    // What each caller was told is what its row says, however close the two came.
    for call in &calls[1..] {
        let answered = answers[call["sip_call_id"].as_str().expect("an id")];
        let cause = if answered { "caller_hung_up" } else { "caller_cancelled" };
        assert_eq!(call["cause"], cause, "answered: {answered}: {call}");
        assert_eq!(call["hung_up_by"], "caller", "{call}");
        assert_eq!(!call["answered_at"].is_null(), answered, "{call}");
    }
    server.wait_until_idle();
    assert_eq!(server.metric("qingting_media_port_pairs_free"), f64::from(CALLS_MAX));
}
