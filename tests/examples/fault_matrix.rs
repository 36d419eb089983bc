//! What each fault of the house costs those who talk: calls that say a tone, wait in a queue with music and announcements and are recorded,
//! while one thing after the other fails. For each fault a server of its own; prints a table.
//!
//! `cargo run --release -p qingting-tests --example fault_matrix -- [CALLS] [SECONDS] [FAULT…]`; 50 and 10 unless said. As
//! root, for a small disk and a name service of its own; with the package `faketime` for the clock.
//! Ends with 1 where a fault makes a gap above 40 ms in what citizens hear (beyond what the machine makes without one), ticks
//! late by more than 20 ms (p99), or loses a call or a recording.

use qingting_tests::audio::{RATE, Wav};
use qingting_tests::certificate::certify;
use qingting_tests::clock::Stopwatch;
use qingting_tests::disk::SmallDisk;
use qingting_tests::house::{NUMBER, QUEUE, music};
use qingting_tests::peers::talker::Talker;
use qingting_tests::postgres::Postgres;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::tone;
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

const CALLS: usize = 50;
const SECONDS: u64 = 10;
/// Before the fault, and after it.
const AROUND: Duration = Duration::from_secs(5);
const GAP_MAX: Duration = Duration::from_millis(40);
const LATE_MS_MAX: f64 = 20.0;
/// A recording may begin and end so far from where its call does.
const RECORDING_MAX: Duration = Duration::from_millis(40);
/// A sample of the citizen's tone is below this for a part of a millisecond only.
const SILENT: i16 = 400;
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// What may be needed for a fault; it stays until the table's next line.
struct Stage {
    folder: tempfile::TempDir,
    postgres: Option<Postgres>,
    disk: Option<SmallDisk>,
    mute: Option<TcpListener>,
    workers: Vec<String>,
    talkers: Vec<Talker>,
}

struct Fault {
    name: &'static str,
    plan: fn(&mut Stage, ServerPlan) -> Option<ServerPlan>,
    begins: fn(&mut Stage, &Server),
    ends: fn(&mut Stage, &Server),
    /// Whether what is recorded may have a hole, because the fault is one of the disk or of the citizen's line.
    may_have_hole: bool,
}

fn nothing(_: &mut Stage, _: &Server) {}

fn with_postgres(stage: &mut Stage, plan: ServerPlan) -> Option<ServerPlan> {
    let postgres = Postgres::start();
    let file = stage.folder.path().join("database.url");
    std::fs::write(&file, postgres.address()).expect("writable");
    stage.postgres = Some(postgres);
    Some(plan.with("data.database_url_file", quoted(&file)))
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "nothing",
        plan: |_, plan| Some(plan),
        begins: nothing,
        ends: nothing,
        may_have_hole: false,
    },
    Fault {
        name: "database-away",
        plan: with_postgres,
        begins: |stage, _| stage.postgres.as_mut().expect("planned").stop(),
        ends: |stage, _| stage.postgres.as_mut().expect("planned").start_again(),
        may_have_hole: false,
    },
    Fault {
        name: "database-hangs",
        plan: with_postgres,
        begins: |stage, _| stage.postgres.as_mut().expect("planned").hang(),
        ends: |stage, _| stage.postgres.as_mut().expect("planned").wake(),
        may_have_hole: false,
    },
    Fault {
        name: "disk-full",
        plan: |stage, plan| {
            let disk = SmallDisk::mount(300_000)?;
            let data = disk.path().join("data");
            std::fs::create_dir(&data).expect("writable");
            stage.disk = Some(disk);
            Some(plan.with("data.dir", quoted(&data)))
        },
        begins: |stage, _| {
            let ballast = stage.disk.as_ref().expect("planned").path().join("ballast");
            // It ends where the disk does.
            let _ = std::fs::write(ballast, vec![1_u8; 300 << 20]);
        },
        ends: |stage, _| {
            let ballast = stage.disk.as_ref().expect("planned").path().join("ballast");
            std::fs::remove_file(ballast).expect("it was written");
        },
        may_have_hole: true,
    },
    Fault {
        name: "clock-steps",
        plan: |stage, plan| {
            if !Path::new(FAKETIME).exists() {
                return None;
            }
            let file = stage.folder.path().join("time");
            std::fs::write(&file, "+0").expect("writable");
            let file = format!("FAKETIME_TIMESTAMP_FILE={}", file.display());
            let preload = format!("LD_PRELOAD={FAKETIME}");
            Some(plan.through([
                "env",
                &preload,
                &file,
                "FAKETIME_NO_CACHE=1",
                "FAKETIME_DONT_FAKE_MONOTONIC=1",
            ]))
        },
        begins: |stage, _| step(stage, "+3600"),
        ends: |stage, _| step(stage, "-1800"),
        may_have_hole: false,
    },
    Fault {
        name: "names-away",
        plan: |stage, plan| {
            let resolv = stage.folder.path().join("resolv.conf");
            // Asked there, nobody answers, and nobody refuses.
            std::fs::write(&resolv, "nameserver 192.0.2.53\noptions timeout:5 attempts:2\n")
                .expect("writable");
            let bind = format!("mount --bind {} /etc/resolv.conf && exec \"$@\"", resolv.display());
            let secret = stage.folder.path().join("secret");
            std::fs::write(&secret, "0123456789abcdef".repeat(4)).expect("writable");
            Some(
                plan.with("ticket_system.url", "\"https://tickets.example.org/hotline\"")
                    .with("ticket_system.secret_file", quoted(&secret))
                    .and("[[trunks]]\nname = \"外线\"\nuri = \"sip:trunk.example.org\"\n")
                    .through(["unshare", "--mount", "sh", "-c", &bind, "sh"]),
            )
        },
        // The trunk is looked for, and the ticket system, all the time.
        begins: nothing,
        ends: nothing,
        may_have_hole: false,
    },
    Fault {
        name: "ticket-system-mute",
        plan: |stage, plan| {
            // It takes connections and says nothing.
            let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = mute.local_addr().expect("it is bound");
            stage.mute = Some(mute);
            let secret = stage.folder.path().join("secret");
            std::fs::write(&secret, "0123456789abcdef".repeat(4)).expect("writable");
            Some(
                plan.with("ticket_system.url", format!("\"http://{address}/hotline\""))
                    .with("ticket_system.secret_file", quoted(&secret)),
            )
        },
        begins: nothing,
        ends: nothing,
        may_have_hole: false,
    },
    Fault {
        name: "recogniser-hung",
        plan: |_, plan| Some(ServerPlan { captions: true, ..plan }),
        begins: |stage, server| {
            stage.workers = children(server.pid());
            assert!(!stage.workers.is_empty(), "no recogniser runs");
            signal("-STOP", &stage.workers);
        },
        // One that says nothing is killed by the server, and another takes its place.
        ends: |stage, _| {
            let _ = Command::new("kill").arg("-CONT").args(&stage.workers).output();
        },
        may_have_hole: false,
    },
    Fault {
        name: "recogniser-killed",
        plan: |_, plan| Some(ServerPlan { captions: true, ..plan }),
        begins: |_, server| signal("-KILL", &children(server.pid())),
        ends: nothing,
        may_have_hole: false,
    },
    Fault {
        name: "a-task-panics",
        plan: |_, plan| Some(plan.through(["env", "QINGTING_PANIC_AT=call-over"])),
        // Its task dies when the call is over; the books end it.
        begins: |stage, _| stage.talkers.pop().expect("they talk").hang_up(),
        ends: nothing,
        may_have_hole: false,
    },
    Fault {
        name: "packets-lost-and-swapped",
        plan: |_, plan| Some(plan),
        begins: |stage, _| stage.talkers.iter().for_each(|talker| talker.media().spoil(true)),
        ends: |stage, _| stage.talkers.iter().for_each(|talker| talker.media().spoil(false)),
        may_have_hole: true,
    },
    Fault {
        // Nobody talks by TLS: that taking up another certificate disturbs nobody is what is seen.
        name: "certificate-expired",
        plan: |stage, plan| {
            if !Path::new(FAKETIME).exists() {
                return None;
            }
            certify(stage.folder.path(), false);
            let port = qingting_tests::ports::free_port(0);
            Some(
                plan.with("sip.listen_tls", format!("[\"127.0.0.1:{port}\"]"))
                    .with("sip.tls_certificate", quoted(&stage.folder.path().join("cert.pem")))
                    .with("sip.tls_key", quoted(&stage.folder.path().join("key.pem"))),
            )
        },
        begins: |stage, _| certify(stage.folder.path(), true),
        ends: |stage, _| certify(stage.folder.path(), false),
        may_have_hole: false,
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).map(|word| word.parse().expect("a number"));
    let calls = number(0).map_or(CALLS, |calls: u64| calls as usize);
    let time = Duration::from_secs(number(1).unwrap_or(SECONDS));
    let wanted = |name: &str| words.len() < 3 || words[2..].iter().any(|word| word == name);
    println!("{calls} calls with tones, recorded; each fault lasts {} s", time.as_secs());
    println!(
        "{:<26} {:>12} {:>12} {:>10} {:>12} {:>14} {:>16}",
        "fault",
        "gap before",
        "gap of it",
        "late p99",
        "calls lost",
        "recordings bad",
        "longest hole"
    );
    let mut is_good = true;
    for fault in FAULTS.iter().filter(|fault| wanted(fault.name)) {
        is_good &= suffer(fault, calls, time);
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the line of a fault: whether it was borne.
fn suffer(fault: &Fault, calls: usize, time: Duration) -> bool {
    let mut stage = Stage {
        folder: tempfile::tempdir().expect("a folder"),
        postgres: None,
        disk: None,
        mute: None,
        workers: Vec::new(),
        talkers: Vec::new(),
    };
    let plan = ServerPlan::deaf()
        .with("sip.calls_per_caller_max", 0)
        .with("sip.trusted_peers", "[\"127.0.0.1\"]")
        .with("seats.music", quoted(music()))
        .and(NUMBER)
        .and(&format!("[[queues]]\nname = \"{QUEUE}\"\nskill = \"{QUEUE}\"\n"));
    let Some(plan) = (fault.plan)(&mut stage, plan) else {
        println!("{:<26} NOT TRIED: it needs root, or the package faketime", fault.name);
        return false;
    };
    let server = Server::start(&plan);
    let said = tone::of(tone::CITIZEN, Duration::from_secs(2));
    for _ in 0..calls {
        stage.talkers.push(Talker::call_saying(server.sip(), said.clone()));
    }
    // Announcements and music: something is said all the time.
    let is_served = |talker: &Talker| talker.samples_heard() > 3 * RATE as usize;
    wait_until("all are answered", || stage.talkers.iter().all(is_served).then_some(()));

    let before = watch(&stage, AROUND);
    let late = lateness(&server);
    let fault_time = Stopwatch::start();
    let marks: Vec<Duration> = stage.talkers.iter().map(|talker| talker.media().time()).collect();
    (fault.begins)(&mut stage, &server);
    fault_time.sleep_until(time);
    (fault.ends)(&mut stage, &server);
    std::thread::sleep(AROUND);
    // Those that are still there: a fault may end one call, which is the last.
    let gap = stage.talkers.iter().zip(marks).map(|(talker, mark)| {
        let media = talker.media();
        media.longest_gap(mark, media.time())
    });
    let gap = gap.max().unwrap_or_default();
    let late = p99_ms(&late, &lateness(&server));
    stage.talkers.drain(..).for_each(Talker::hang_up);

    let over = || server.calls().iter().all(|call| call["state"] == "ended").then_some(());
    wait_until("no call runs", over);
    server.wait_until_idle();
    let ended: Vec<Value> = server.calls();
    let lost = calls - ended.len().min(calls);
    let (mut bad, mut longest) = (0, Duration::ZERO);
    for call in &ended {
        let recording = Wav::read(&server.recording_of(call["id"].as_str().expect("an id")));
        let hole = longest_hole(&recording.channels[0]);
        longest = longest.max(hole);
        let ms = |key: &str| call[key].as_i64().expect("a time");
        let talked = Duration::from_millis((ms("ended_at") - ms("answered_at")).unsigned_abs());
        let recorded =
            Duration::from_secs_f64(recording.channels[0].len() as f64 / f64::from(RATE));
        // The clock of the wall was turned: only the recording tells how long it was.
        let is_whole = recorded.abs_diff(talked) <= RECORDING_MAX || fault.name == "clock-steps";
        bad += usize::from(!is_whole || (!fault.may_have_hole && hole > GAP_MAX));
    }
    let is_borne =
        gap.saturating_sub(before) <= GAP_MAX && late <= LATE_MS_MAX && lost == 0 && bad == 0;
    println!(
        "{:<26} {:>9} ms {:>9} ms {:>7} ms {:>12} {:>14} {:>13} ms{}",
        fault.name,
        before.as_millis(),
        gap.as_millis(),
        late,
        lost,
        bad,
        longest.as_millis(),
        if is_borne { "" } else { "   BROKEN" },
    );
    is_borne
}

/// The longest gap that anybody hears for so long.
fn watch(stage: &Stage, time: Duration) -> Duration {
    let marks: Vec<Duration> = stage.talkers.iter().map(|talker| talker.media().time()).collect();
    std::thread::sleep(time);
    let gap = stage.talkers.iter().zip(marks).map(|(talker, mark)| {
        let media = talker.media();
        media.longest_gap(mark, media.time())
    });
    gap.max().unwrap_or_default()
}

/// The longest silence between the first and the last sound.
fn longest_hole(samples: &[i16]) -> Duration {
    let is_sound = |sample: &i16| sample.unsigned_abs() >= SILENT.unsigned_abs();
    let (Some(first), Some(last)) =
        (samples.iter().position(is_sound), samples.iter().rposition(is_sound))
    else {
        return Duration::from_secs_f64(samples.len() as f64 / f64::from(RATE));
    };
    let longest = samples[first..last].split(is_sound).map(<[i16]>::len).max().unwrap_or(0);
    Duration::from_secs_f64(longest as f64 / f64::from(RATE))
}

/// Media ticks by how late they were: bound in seconds, ticks up to it.
fn lateness(server: &Server) -> Vec<(f64, f64)> {
    let (status, page) = server.request("GET", "/metrics", None);
    assert_eq!(status, 200);
    let bucket = |line: &str| {
        let rest = line.strip_prefix("qingting_media_tick_lateness_seconds_bucket{le=\"")?;
        let (bound, count) = rest.split_once("\"} ")?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
        Some((bound, count.parse().ok()?))
    };
    page.lines().filter_map(bucket).collect()
}

/// The bound within which 99 of 100 ticks were between two looks, in ms.
fn p99_ms(before: &[(f64, f64)], after: &[(f64, f64)]) -> f64 {
    let ticks: Vec<(f64, f64)> =
        before.iter().zip(after).map(|((bound, was), (_, is))| (*bound, is - was)).collect();
    let all = ticks.last().map_or(0.0, |(_, count)| *count);
    assert!(all > 0.0, "no tick ran");
    let within = ticks.iter().find(|(_, count)| *count >= 0.99 * all);
    within.map_or(f64::INFINITY, |(bound, _)| bound * 1_000.0)
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

fn step(stage: &Stage, offset: &str) {
    // In one step: a half written one is none.
    let next = stage.folder.path().join("time.next");
    std::fs::write(&next, offset).expect("writable");
    std::fs::rename(&next, stage.folder.path().join("time")).expect("one folder");
}

fn children(pid: u32) -> Vec<String> {
    let output = Command::new("pgrep").args(["-P", &pid.to_string()]).output().expect("procps");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn signal(signal: &str, processes: &[String]) {
    let told = Command::new("kill").arg(signal).args(processes).status();
    assert!(told.is_ok_and(|status| status.success()), "kill {signal}");
}
