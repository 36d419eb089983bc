//! Bad input and bad luck: each with a clear word, none with a loss.

use qingting_tests::audio::{self, Wav};
use qingting_tests::clock::Deadline;
use qingting_tests::disk::SmallDisk;
use qingting_tests::peers::talker::Talker;
use qingting_tests::raw::{RawCall, header, rtp_port};
use qingting_tests::rtp::RtpEnd;
use qingting_tests::server::{Server, ServerPlan, free_port, wait_until};
use qingting_tests::{call, qingting};
use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Starts a server that is expected to refuse, and gives what it said.
fn refused(settings: &str) -> Output {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("config.toml");
    std::fs::write(&file, settings).expect("writable");
    let output = serve(&file, home.path());
    assert!(!output.status.success());
    output
}

/// Runs a server to its end, with its temporary files in `home`.
fn serve(config: &Path, home: &Path) -> Output {
    Command::new(qingting())
        .args(["serve", "--config"])
        .arg(config)
        .env("TMPDIR", home)
        .output()
        .expect("qingting runs")
}

fn speech(seed: u64, seconds: u64) -> Vec<i16> {
    audio::speech_like(seed, Duration::from_secs(seconds))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn garbage_datagrams_are_counted_and_the_next_call_is_answered() {
    let server = Server::start(&ServerPlan::deaf());
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let garbage: [&[u8]; 6] = [
        b"",
        b"\r\n\r\n",
        b"\0\xff\xfe nonsense",
        b"INVITE sip:12345@x SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n",
        &[0x80; 1_400],
    ];
    for datagram in garbage.iter().cycle().take(600) {
        stranger.send_to(datagram, server.sip()).expect("sent");
    }
    assert_eq!(call(&server.uri(), &["--linger", "0.5"]).code, 0);
    assert!(server.metric("qingting_sip_garbage_total") >= 300.0);
    server.ended_calls(1);
}

#[test]
fn an_offer_without_a_common_codec_is_refused_with_the_reason_and_leaves_nothing() {
    let server = Server::start(&ServerPlan::deaf());
    let mut raw = RawCall::new(server.sip());
    let offer = raw.offer("18 4");
    let response = raw.request("INVITE", "", &offer);
    assert!(response.starts_with("SIP/2.0 488 "), "{response}");
    let warning = header(&response, "Warning").expect("a warning");
    assert!(warning.starts_with("305 ") && warning.contains("PCMA"), "{warning}");

    let mut raw = RawCall::new(server.sip());
    let response = raw.request("INVITE", "", "v=0\r\nthis is no session\r\n");
    assert!(response.starts_with("SIP/2.0 400 "), "{response}");
    assert!(header(&response, "Warning").is_some_and(|text| text.contains("line 2")), "{response}");
    assert_eq!(server.calls().len(), 0);
    server.wait_until_idle();
}

#[test]
fn a_number_that_takes_too_many_lines_is_busy_and_a_full_house_says_when_to_come_back() {
    let plan = ServerPlan::deaf()
        .with("sip.calls_per_caller_max", 1)
        .with("sip.concurrent_calls_max", 2)
        .with("sip.trusted_peers", "[\"127.0.0.1\"]");
    let server = Server::start(&plan);
    let mut first = RawCall::new(server.sip());
    let offer = first.offer("8");
    assert!(first.request("INVITE", "", &offer).starts_with("SIP/2.0 200 "));

    let mut second = RawCall::new(server.sip());
    let response = second.request("INVITE", "", &offer);
    assert!(response.starts_with("SIP/2.0 486 "), "{response}");
    assert!(
        header(&response, "Reason").is_some_and(|text| text.contains("cause=17")),
        "{response}"
    );

    let mut other = RawCall::new(server.sip());
    let asserted = "P-Asserted-Identity: <tel:+8613900000000>\r\n";
    let response = other.request("INVITE", asserted, &offer);
    assert!(response.starts_with("SIP/2.0 200 "), "{response}");
    let mut third = RawCall::new(server.sip());
    let response = third.request("INVITE", "P-Asserted-Identity: <tel:+8613700000000>\r\n", &offer);
    assert!(response.starts_with("SIP/2.0 503 "), "{response}");
    let seconds = header(&response, "Retry-After").and_then(|text| text.parse::<u32>().ok());
    assert!(seconds.is_some_and(|s| (1..=60).contains(&s)), "{response}");

    assert!(first.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    assert!(other.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    assert_eq!(server.ended_calls(2).len(), 2);
    server.wait_until_idle();
}

#[test]
fn a_strangers_rtp_is_neither_heard_nor_recorded() {
    let server = Server::start(&ServerPlan::deaf());
    let mut raw = RawCall::new(server.sip());
    let offer = raw.offer("8");
    let answer = raw.request("INVITE", "", &offer);
    let speech = speech(7, 2);
    let noise = audio::speech_like(8, Duration::from_secs(1));
    let stranger = RtpEnd::bind();
    let to = rtp_port(&answer);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(400));
            stranger.speak(to, &noise, 99);
        });
        raw.speak(&answer, &speech);
    });
    assert!(raw.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    let calls = server.ended_calls(1);
    let recording = server.recording_of(calls[0]["id"].as_str().expect("an id"));
    let left = Wav::read(&recording).channels.remove(0);
    let heard = audio::align(&speech, &left);
    assert!(heard.correlation >= 0.95, "{heard:?}");
    let stranger_heard = audio::align(&noise, &left);
    assert!(stranger_heard.correlation < 0.3, "{stranger_heard:?}");
    assert!(server.metric("qingting_calls_with_stranger_rtp_total") >= 1.0);
}

#[test]
fn a_truncated_recording_is_not_played() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("cut.wav");
    Wav::mono(speech(1, 1)).write(&file);
    let whole = std::fs::read(&file).expect("written");
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("writable");
    let called = call("sip:12345@127.0.0.1:9", &["--play", file.to_str().expect("UTF-8")]);
    assert_eq!(called.code, 1);
    for part in ["cut.wav", "cut off", "copy it again"] {
        assert!(called.stderr.contains(part), "{part} is not in: {}", called.stderr);
    }
}

#[test]
fn a_missing_model_names_itself_and_the_command_that_fetches_it() {
    let home = tempfile::tempdir().expect("a folder");
    let text = format!("[data]\nmodels = \"{}\"\n", home.path().display());
    let said = stderr(&refused(&text));
    for part in ["whisper-base", "silero-vad", "onnxruntime", "qingting models fetch"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let taken = Server::start(&ServerPlan::deaf());
    let (sip, free) = (taken.sip(), free_port());
    let prompts = taken.home().join("prompts");
    let second = |udp: &str, tcp: &str, http: &str| {
        let home = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(&prompts, home.path().join("prompts")).expect("new");
        let text = format!(
            "[sip]\nlisten_udp = [{udp}]\nlisten_tcp = [{tcp}]\n[asr]\nenabled = false\n\
             [hotline]\nnotice = \"本次通话将被录音。\"\ngreeting = \"您好，请讲。\"\n\
             [http]\nlisten = \"{http}\"\n[data]\nmodels = \"{}\"\n",
            qingting_tests::server::models_dir().display()
        );
        let file = home.path().join("config.toml");
        std::fs::write(&file, text).expect("writable");
        let output = serve(&file, home.path());
        assert!(!output.status.success());
        stderr(&output)
    };
    let (quoted, none) = (format!("\"{sip}\""), String::new());
    for (udp, tcp, http, key) in [
        (&quoted, &none, free.to_string(), "sip.listen_udp"),
        (&none, &quoted, free.to_string(), "sip.listen_tcp"),
        (&format!("\"{free}\""), &none, taken.http().to_string(), "http.listen"),
    ] {
        let said = second(udp, tcp, &http);
        let address = if key == "http.listen" { taken.http() } else { sip };
        assert!(said.contains(key) && said.contains(&address.to_string()), "{said}");
    }
    // The one that runs has noticed nothing.
    assert_eq!(call(&taken.uri(), &["--linger", "0.3"]).code, 0);
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let server = Server::start(&ServerPlan::deaf());
    let file = server.home().join("config.toml");
    let output = serve(&file, server.home());
    assert!(!output.status.success());
    let said = stderr(&output);
    assert!(said.contains("another qingting server") && said.contains("data.dir"), "{said}");
}

#[test]
fn a_wrong_key_is_explained_before_anything_starts() {
    let said = stderr(&refused("[sip]\nlisten_upd = [\"127.0.0.1:5060\"]\n"));
    for part in ["line 2", "sip.listen_upd", "Did you mean `listen_udp`?"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn a_full_disk_refuses_new_calls_and_loses_no_running_one() {
    let Some(disk) = SmallDisk::mount(3_000) else {
        let why = "a small disk can be mounted by root only: run this test with \
                   `sudo -E`, or in a container with `--cap-add SYS_ADMIN`";
        // Where nobody reads the output, a test that did not run must not look like one that passed.
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
        // Past the capture of output, which would hide it.
        writeln!(std::io::stderr(), "skipped: {why}").expect("standard error is open");
        return;
    };
    let data = disk.path().join("data");
    std::fs::create_dir(&data).expect("writable");
    let plan = ServerPlan::deaf().with("data.dir", format!("\"{}\"", data.display()));
    let server = Server::start(&plan);
    let mut running = RawCall::new(server.sip());
    let offer = running.offer("8");
    let answer = running.request("INVITE", "", &offer);
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    running.speak(&answer, &speech(3, 1));

    // Something else fills the disk.
    let ballast = disk.path().join("ballast");
    let _ = std::fs::write(&ballast, vec![1u8; 4_000_000]);
    let mut refused = RawCall::new(server.sip());
    let response = wait_until("a new call is refused", || {
        let response = refused.request("INVITE", "", &offer);
        if response.starts_with("SIP/2.0 200 ") {
            refused.request("BYE", "", "");
            refused = RawCall::new(server.sip());
            return None;
        }
        Some(response)
    });
    assert!(response.starts_with("SIP/2.0 503 "), "{response}");
    assert!(header(&response, "Retry-After").is_some(), "{response}");
    let (status, why) = server.request("GET", "/readyz", None);
    assert!(status == 503 && why.contains("the disk is full"), "{status} {why}");

    // The running call goes on, and when there is room again its end and its audio are kept.
    running.speak(&answer, &speech(4, 1));
    std::fs::remove_file(&ballast).expect("it was written");
    let last = speech(5, 2);
    running.speak(&answer, &last);
    assert!(running.request("BYE", "", "").starts_with("SIP/2.0 200 "));
    let id = running.id().to_owned();
    let ended = wait_until("the running call's end is stored", || {
        server
            .calls()
            .into_iter()
            .find(|call| call["sip_call_id"] == id.as_str() && call["state"] == "ended")
    });
    assert_eq!(ended["cause"], "caller_hung_up");
    let recording = server.recording_of(ended["id"].as_str().expect("an id"));
    let heard = audio::align(&last, &Wav::read(&recording).channels[0]);
    assert!(heard.correlation >= 0.95, "{heard:?}");
    assert!(server.log().contains("disk"), "{}", server.log());
}

#[test]
fn a_server_that_is_to_stop_takes_no_new_call_and_lets_the_running_one_end() {
    let mut server = Server::start(&ServerPlan::deaf());
    let citizen = Talker::call(server.sip(), 1_150.0);
    wait_until("the call runs", || (server.metric("qingting_calls_active") == 1.0).then_some(()));
    server.ask_to_finish();
    let told = "No new calls. 1 go on, for 300 s at most";
    wait_until("it says so", || server.log().contains(told).then_some(()));
    // Whoever spreads the load or asks whether it is ready goes elsewhere.
    let mut next = RawCall::new(server.sip());
    let offer = next.offer("8");
    let refused = next.request("INVITE", "", &offer);
    assert!(refused.starts_with("SIP/2.0 503 "), "{refused}");
    assert!(header(&refused, "Retry-After").is_some(), "{refused}");
    let asked = RawCall::new(server.sip()).request("OPTIONS", "", "");
    assert!(asked.starts_with("SIP/2.0 503 "), "{asked}");
    assert_eq!(server.request("GET", "/readyz", None).0, 503);
    // The running call does: it is heard, and written to its end.
    let heard = citizen.samples_heard();
    wait_until("sound comes still", || (citizen.samples_heard() > heard + 8_000).then_some(()));
    assert_eq!(server.calls()[0]["state"], "active");
    citizen.hang_up();
    assert!(server.ended(), "{}", server.log());
    server.start_again();
    let calls = server.ended_calls(1);
    assert_eq!(calls[0]["cause"], "caller_hung_up", "{}", calls[0]);
}

#[test]
fn calls_that_go_on_beyond_the_time_are_ended_properly() {
    let mut server = Server::start(&ServerPlan::deaf().with("sip.drain_s", 1));
    let citizen = Talker::call(server.sip(), 1_150.0);
    wait_until("the call runs", || (server.metric("qingting_calls_active") == 1.0).then_some(()));
    server.ask_to_finish();
    assert!(server.ended(), "{}", server.log());
    assert!(server.log().contains("calls are ended that did not end in time"), "{}", server.log());
    drop(citizen);
    server.start_again();
    assert_eq!(server.ended_calls(1)[0]["cause"], "draining");
}

#[test]
fn a_calls_messages_are_kept_and_a_capture_server_has_them_too() {
    let homer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    homer.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
    let to = homer.local_addr().expect("bound");
    let server = Server::start(&ServerPlan::deaf().with("sip.capture_server", format!("\"{to}\"")));
    let citizen = Talker::call(server.sip(), 1_150.0);
    citizen.hang_up();
    let call = server.ended_calls(1)[0]["id"].as_str().expect("an id").to_owned();
    let told = server.api_get(&format!("/api/v1/calls/{call}/sip-messages"));
    let texts: Vec<&str> = told["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["text"].as_str().expect("text"))
        .collect();
    let first = |text: &&str| text.lines().next().unwrap_or_default().to_owned();
    let begins: Vec<String> = texts.iter().map(first).collect();
    assert!(begins[0].starts_with("INVITE sip:12345@"), "{begins:?}");
    for wanted in ["SIP/2.0 200 OK", "ACK ", "BYE "] {
        assert!(begins.iter().any(|line| line.starts_with(wanted)), "{wanted} in {begins:?}");
    }
    assert!(texts[0].contains("\r\n\r\nv=0\r\n"), "with its offer");
    let mut packet = [0; 9_000];
    let length = homer.recv(&mut packet).expect("a message");
    assert!(packet.starts_with(b"HEP3"));
    let text = String::from_utf8_lossy(&packet[..length]);
    assert!(text.contains("INVITE sip:12345@"), "{text}");
}

#[test]
fn behind_a_nat_whoever_calls_from_this_machine_is_told_its_own_address() {
    let plan = ServerPlan::deaf().with("sip.advertised_ip", "\"203.0.113.5\"");
    let server = Server::start(&plan);
    let citizen = Talker::call(server.sip(), 1_150.0);
    citizen.hang_up();
    let call = server.ended_calls(1)[0].clone();
    assert_eq!(call["cause"], "caller_hung_up", "{call}");
    let id = call["id"].as_str().expect("an id");
    let told = server.api_get(&format!("/api/v1/calls/{id}/sip-messages"));
    let text = told.to_string();
    assert!(text.contains("c=IN IP4 127.0.0.1") && !text.contains("203.0.113.5"), "{text}");
}

/// What a server tells systemd, word by word.
struct Systemd(Receiver<String>);

impl Systemd {
    /// Listens at a path that is free.
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        let (told, words) = sync_channel(1_000);
        // It is read all the time: whoever tells would wait for a reader.
        std::thread::spawn(move || {
            let mut word = [0; 1_000];
            while let Ok(length) = socket.recv(&mut word) {
                if told.send(String::from_utf8_lossy(&word[..length]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self(words)
    }

    fn hears(&self, wanted: &str) {
        let deadline = Deadline::after(Duration::from_secs(60));
        while let Ok(word) = self.0.recv_timeout(deadline.left()) {
            if word.trim_end() == wanted {
                return;
            }
        }
        panic!("systemd does not hear {wanted}");
    }

    /// Whether nothing more comes for so long, after some words that were on their way.
    fn falls_silent_for(&self, time: Duration) -> bool {
        (0..10).any(|_| self.0.recv_timeout(time).is_err())
    }
}

#[test]
fn systemd_hears_that_a_server_is_ready_that_it_lives_and_that_it_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let systemd = Systemd::at(&path);
    let address = format!("NOTIFY_SOCKET={}", path.display());
    // Within 2 s, so every half second.
    let plan = ServerPlan::deaf().through(["env", &address, "WATCHDOG_USEC=2000000"]);
    let mut server = Server::start(&plan);
    systemd.hears("READY=1");
    for _ in 0..4 {
        systemd.hears("WATCHDOG=1");
    }
    server.signal("-STOP");
    assert!(systemd.falls_silent_for(Duration::from_secs(3)), "threads that hang say nothing");
    server.signal("-CONT");
    systemd.hears("WATCHDOG=1");
    server.stop();
    systemd.hears("STOPPING=1");
}
