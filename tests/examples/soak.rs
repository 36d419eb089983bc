//! An hour at half load: calls that say tones and are recorded, some with seats, some waiting with music; experts who join;
//! captions by a recogniser without models and by the real one; a campaign of callbacks. Two servers, because one has one recogniser.
//!
//! `cargo run --release -p qingting-tests --example soak -- [MINUTES] [CALLS] [HEARD]`: 60 minutes, 60 calls at once, and 4 with the real
//! recogniser unless said: half of two cores. After `qingting models fetch`; with baresip. Each call takes 64 KiB of disk a second
//! (`TMPDIR`), until the end. Ends with 1 where a limit is broken.

use qingting_tests::audio::{RATE, Wav};
use qingting_tests::campaign;
use qingting_tests::citizens::Citizens;
use qingting_tests::clock::{Deadline, Stopwatch};
use qingting_tests::house::{QUEUE, music};
use qingting_tests::peers::desk::{Desk, Manner};
use qingting_tests::peers::talker::Talker;
use qingting_tests::server::{Server, ServerPlan};
use qingting_tests::{qingting, tone};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

const MINUTES: u64 = 60;
const CALLS: usize = 60;
const HEARD: usize = 4;
/// Seats of each server; each talks all the time.
const SEATS: usize = 6;
const PASSWORD: &str = "a-good-password";
/// A call lasts so many seconds; a telephone's own tone ends at 240.
const CALL_S: std::ops::Range<u64> = 15..100;
/// How often an expert is asked into a call, and a ticket is closed.
const EXPERT_EVERY: Duration = Duration::from_secs(20);
const TICKET_EVERY: Duration = Duration::from_secs(15);
/// Longest wait for the last calls: a seat and an expert whose citizen has gone talk on until the seat's tone ends.
const OVER_MAX: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Calls of a moment that each server has before the hour, some at once and so far apart: what has a most is full then, as in a server
/// that has run for days. The SIP messages of 1,000 calls are kept.
const CALLS_BEFORE: usize = 1_000;
const CALLERS_BEFORE: usize = 8;
const APART_BEFORE: Duration = Duration::from_secs(1);
/// Of the whole time, before memory is looked at.
const WARM_UP: f64 = 0.5;
const GROWTH_MAX: f64 = 1.0;
const RECORDING_MAX: Duration = Duration::from_millis(40);
/// A shorter call may have no recording.
const SOUND_MS_MIN: i64 = 200;
/// A worker's and a database's own connections come and go; a call has two sockets.
const FILES_LEFT_MAX: usize = 8;
/// Above what the kernel gives to everybody and what tests take: others may run in this hour.
static PORTS_FROM: AtomicU16 = AtomicU16::new(61_000);
const EXPERT: &str = "13900139001";
const NUMBERS: &str = "[[numbers]]\nnumber = \"12345\"\nname = \"热线\"\nqueue = \"综合\"\n";
const DUTY: &str = "部门代码,部门名称,别名,专家,电话,方式,星期,起始日期,结束日期,上班,下班,顺序\n\
    310,城管局,城管,乙,13900139001,外线,每天,,,00:00,24:00,1\n";

/// What all threads count.
#[derive(Default)]
struct Tally {
    is_over: AtomicBool,
    calls: AtomicU64,
    failed: AtomicU64,
    experts: AtomicU64,
    tickets: AtomicU64,
}

impl Tally {
    fn add(of: &AtomicU64) -> u64 {
        of.fetch_add(1, Ordering::Relaxed) + 1
    }
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// A server, its seats, and what is known of it.
struct Site {
    name: &'static str,
    server: Server,
    desks: Vec<Desk>,
    /// Files and sockets when it had had one call.
    files: (usize, usize),
    checked: BTreeSet<String>,
    /// When the last of the calls before the hour ended, in ms. Of those nothing is checked: they were too short for a recording.
    begins: i64,
    recordings_bad: usize,
    worst: Duration,
    /// When, in hours, and resident KiB of the server and of its recogniser.
    memory: Vec<(f64, f64, f64)>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).map(|word| word.parse::<u64>().expect("a number"));
    let time = Duration::from_secs(60 * number(0).unwrap_or(MINUTES));
    let calls = number(1).map_or(CALLS, |calls| calls as usize);
    let heard = number(2).map_or(HEARD, |calls| calls as usize);
    let folder = tempfile::tempdir().expect("a folder");
    let citizens = citizens(folder.path(), time);
    let mut sites = [
        Site::open("scripted", scripted(folder.path(), &citizens, calls), SEATS),
        Site::open("real", plan(&citizens, heard + 2, "asr.enabled", "true"), heard.min(SEATS)),
    ];
    let campaign = &sites[0].server;
    campaign::create(
        campaign,
        &json!({ "script": "short", "hours": "总是", "attempts_max": 1, "days_min": 1,
            "concurrent_max": 4, "per_second_max": 5.0, "ring_s": 10 }),
    );
    campaign::start(campaign);
    println!(
        "{} min, {calls} calls at once, {SEATS} seats, {heard} with the real recogniser; {} cores",
        time.as_secs() / 60,
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    let tally = Tally::default();
    let (addresses, spoken) = (sites.each_ref().map(|site| site.server.sip()), spoken());
    let before = (busy(), sites.each_ref().map(|site| processor(&site.server)));
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        for caller in 0..calls + heard {
            let (tally, spoken) = (&tally, &spoken);
            let words = if caller < calls {
                tone::of(tone::CITIZEN, Duration::from_secs(2))
            } else {
                spoken.clone()
            };
            let address = addresses[usize::from(caller >= calls)];
            scope.spawn(move || calls_again_and_again(caller as u64, address, &words, tally));
        }
        let mut looks = 0;
        while watch.elapsed() < time {
            looks += 1;
            watch.sleep_until((LOOK_EVERY * looks).min(time));
            for site in &mut sites {
                site.look(watch.elapsed());
            }
            let due = |every: Duration| watch.elapsed().as_secs() / every.as_secs();
            while tally.tickets.load(Ordering::Relaxed) < due(TICKET_EVERY) {
                let n = Tally::add(&tally.tickets);
                campaign::import(&sites[0].server, &format!("T{n}"), &citizen(n));
            }
            if tally.experts.load(Ordering::Relaxed) < due(EXPERT_EVERY)
                && sites[0].asks_an_expert()
            {
                Tally::add(&tally.experts);
            }
            if looks % 30 == 0 {
                report(&sites, &tally, watch.elapsed());
            }
        }
        tally.is_over.store(true, Ordering::Relaxed);
    });
    let (after, cpu) = (busy(), sites.each_ref().map(|site| processor(&site.server)));
    report(&sites, &tally, watch.elapsed());
    let share = (after.0 - before.0.0) / (after.1 - before.0.1) * 100.0;
    println!(
        "the machine was busy for {share:.0} % (all cores, telephones too, other programs of low priority not)"
    );
    for (site, (was, is)) in sites.iter().zip(before.1.iter().zip(cpu)) {
        println!(
            "{}: {:.1} % of a core",
            site.name,
            (is - was) / watch.elapsed().as_secs_f64() * 100.0
        );
    }
    let mut is_good = true;
    let mut check = |what: &str, is: f64, max: f64| {
        let is_kept = is <= max;
        is_good &= is_kept;
        println!("{what:<56} {is:>10.2} {max:>8.2}   {}", if is_kept { "ok" } else { "BROKEN" });
    };
    check("calls that failed", tally.failed.load(Ordering::Relaxed) as f64, 0.0);
    let tickets = tally.tickets.load(Ordering::Relaxed);
    let once = (1..=tickets).filter(|n| {
        let over = campaign::ended(&sites[0].server, &format!("T{n}"));
        campaign::outcomes(&over).0 == "completed" && citizens.calls_to(&citizen(*n)).len() == 1
    });
    check(
        "callbacks not carried out, or more than once",
        (tickets - once.count() as u64) as f64,
        0.0,
    );
    for site in &mut sites {
        site.finish(&mut check);
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The same telephone, until the time is over.
fn calls_again_and_again(caller: u64, server: std::net::SocketAddr, words: &[i16], tally: &Tally) {
    let mut random = caller.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    // Not all in the same second: a trunk's limit is of calls a second.
    std::thread::sleep(Duration::from_millis(100 * caller));
    while !tally.is_over() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let seconds = CALL_S.start + random % (CALL_S.end - CALL_S.start);
        let call = || {
            let talker = Talker::call_saying(server, words.to_vec());
            let watch = Stopwatch::start();
            while !tally.is_over() && watch.elapsed().as_secs() < seconds {
                std::thread::sleep(Duration::from_millis(200));
            }
            talker.hang_up();
        };
        Tally::add(&tally.calls);
        if catch_unwind(AssertUnwindSafe(call)).is_err() {
            Tally::add(&tally.failed);
        }
    }
}

/// Calls that are over as soon as they are answered.
fn has_had_calls(server: std::net::SocketAddr) {
    std::thread::scope(|scope| {
        for _ in 0..CALLERS_BEFORE {
            scope.spawn(|| {
                for _ in 0..CALLS_BEFORE / CALLERS_BEFORE {
                    Talker::call(server, f64::from(tone::CITIZEN)).hang_up();
                    std::thread::sleep(APART_BEFORE);
                }
            });
        }
    });
}

impl Site {
    fn open(name: &'static str, plan: ServerPlan, seats: usize) -> Self {
        let server = Server::start(&plan);
        let (status, body) = server.request_of("PUT", "/api/v1/duty-list", "text/csv", DUTY);
        assert_eq!(status, 204, "{body}");
        has_had_calls(server.sip());
        let desks = (0..seats).map(|index| {
            let extension = format!("{}", 801 + index);
            let seat = json!({ "extension": extension, "name": "测试", "role": "seat",
                "skills": { QUEUE: 1 }, "password": PASSWORD });
            let (status, body) = server.request("POST", "/api/v1/seats", Some(&seat));
            assert_eq!(status, 201, "{body}");
            let says = tone::of(tone::FIRST, Duration::from_secs(119));
            Desk::seat(server.sip(), &extension, PASSWORD, says, Manner::Answers)
        });
        let desks = desks.collect();
        // What is opened once is open now.
        let first = Talker::call(server.sip(), f64::from(tone::CITIZEN));
        std::thread::sleep(Duration::from_secs(3));
        first.hang_up();
        server.wait_until_idle();
        let files = files(server.pid());
        let ends = server.calls().iter().filter_map(|call| call["ended_at"].as_i64()).max();
        Self {
            name,
            server,
            desks,
            files,
            begins: ends.unwrap_or(0),
            checked: BTreeSet::new(),
            recordings_bad: 0,
            worst: Duration::ZERO,
            memory: Vec::new(),
        }
    }

    /// Its memory, and the recordings of the calls that ended.
    fn look(&mut self, since: Duration) {
        let pid = self.server.pid();
        let workers = children(pid).iter().map(|child| resident(*child)).sum();
        self.memory.push((since.as_secs_f64() / 3_600.0, resident(pid), workers));
        for call in self.server.calls() {
            let id = call["id"].as_str().expect("an id").to_owned();
            let (Some(answered), Some(ended)) =
                (call["answered_at"].as_i64(), call["ended_at"].as_i64())
            else {
                continue;
            };
            // Those before the hour, and one that ended before anything was heard.
            let is_none = answered <= self.begins || ended - answered < SOUND_MS_MIN;
            if is_none || !self.checked.insert(id.clone()) {
                continue;
            }
            let path = self.server.recording_of(&id);
            let samples = Wav::read(&path).channels[0].len();
            let _ = fs::remove_file(path);
            let recorded = Duration::from_secs_f64(samples as f64 / f64::from(RATE));
            let off = recorded.abs_diff(Duration::from_millis((ended - answered).unsigned_abs()));
            self.worst = self.worst.max(off);
            if off > RECORDING_MAX {
                self.recordings_bad += 1;
                println!("{}: {id} is off by {} ms", self.name, off.as_millis());
            }
        }
    }

    /// Of a citizen who talks to a seat and nobody else.
    fn asks_an_expert(&self) -> bool {
        let command = json!({ "command": "expert", "department": "310", "mode": "join" });
        let is_pair = |call: &Value| {
            let detail = self
                .server
                .api_get(&format!("/api/v1/calls/{}", call["id"].as_str().expect("an id")));
            let roles = |role: &str| {
                let legs = detail["legs"].as_array().expect("legs");
                legs.iter().any(|leg| leg["role"] == role && leg["answered_at"].is_i64())
            };
            roles("seat") && !roles("expert")
        };
        let calls = self.server.calls();
        let pair = calls.iter().find(|call| call["state"] == "active" && is_pair(call));
        pair.is_some_and(|call| {
            let path = format!("/api/v1/calls/{}/commands", call["id"].as_str().expect("an id"));
            let (status, body) = self.server.request("POST", &path, Some(&command));
            if status != 202 {
                println!("an expert was not asked: {status} {body}");
            }
            status == 202
        })
    }

    fn finish(&mut self, check: &mut impl FnMut(&str, f64, f64)) {
        let name = self.name;
        let runs = || -> Vec<Value> {
            let calls = self.server.calls().into_iter();
            calls.filter(|call| call["state"] != "ended").collect()
        };
        let _ = Deadline::after(OVER_MAX).poll(|| runs().is_empty().then_some(()));
        let left = runs();
        left.iter().for_each(|call| println!("{name}: still there: {call}"));
        check(&format!("{name}: calls that do not end"), left.len() as f64, 0.0);
        self.server.wait_until_idle();
        self.look(Duration::from_secs_f64(self.memory.last().map_or(0.0, |last| last.0) * 3_600.0));
        self.memory.pop();
        check(
            &format!("{name}: recordings off by more than 40 ms, of {}", self.checked.len()),
            self.recordings_bad as f64,
            0.0,
        );
        println!("{name}: the worst recording is off by {} ms", self.worst.as_millis());
        let whole = self.memory.last().map_or(0.0, |last| last.0);
        let warm: Vec<_> = self.memory.iter().filter(|(at, ..)| *at >= whole * WARM_UP).collect();
        let slope = |of: fn(&(f64, f64, f64)) -> f64| {
            let points: Vec<(f64, f64)> = warm.iter().map(|point| (point.0, of(point))).collect();
            percent_an_hour(&points)
        };
        check(
            &format!("{name}: memory of the server grows, % an hour"),
            slope(|p| p.1),
            GROWTH_MAX,
        );
        check(
            &format!("{name}: memory of the recogniser grows, % an hour"),
            slope(|p| p.2),
            GROWTH_MAX,
        );
        let log = self.server.log();
        check(&format!("{name}: panics"), log.matches("panicked at").count() as f64, 0.0);
        let errors = log.lines().filter(|line| line.contains(" ERROR "));
        errors.clone().take(5).for_each(|line| println!("{line}"));
        check(&format!("{name}: errors in the log"), errors.count() as f64, 0.0);
        // What was asked of the books a moment ago is given back.
        std::thread::sleep(Duration::from_secs(30));
        let (open, sockets) = files(self.server.pid());
        let more = |is: usize, was: usize| is.saturating_sub(was) as f64;
        check(&format!("{name}: files left open"), more(open, self.files.0), FILES_LEFT_MAX as f64);
        check(&format!("{name}: UDP sockets left open"), more(sockets, self.files.1), 0.0);
        let mut strays = Vec::new();
        stray_files(self.server.home(), &mut strays);
        strays.iter().take(5).for_each(|path| println!("left: {}", path.display()));
        check(
            &format!("{name}: files of unfinished work left on the disk"),
            strays.len() as f64,
            0.0,
        );
        let said: usize = self
            .server
            .calls()
            .iter()
            .take(50)
            .map(|call| {
                let path =
                    format!("/api/v1/calls/{}/transcript", call["id"].as_str().expect("an id"));
                let transcript = self.server.api_get(&path);
                transcript["segments"].as_array().map_or(0, Vec::len)
            })
            .sum();
        println!("{name}: {said} captions in the last 50 calls");
        check(&format!("{name}: no caption at all"), f64::from(u8::from(said == 0)), 0.0);
        self.desks.clear();
    }
}

fn report(sites: &[Site], tally: &Tally, since: Duration) {
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    print!(
        "{:>3} min: {} calls, {} failed, {} experts, {} tickets",
        since.as_secs() / 60,
        of(&tally.calls),
        of(&tally.failed),
        of(&tally.experts),
        of(&tally.tickets)
    );
    for site in sites {
        let (_, server, worker) = site.memory.last().copied().unwrap_or_default();
        print!(
            "; {}: {:.0} + {:.0} MiB, {} recordings, {} bad",
            site.name,
            server / 1024.0,
            worker / 1024.0,
            site.checked.len(),
            site.recordings_bad
        );
    }
    println!();
    let _ = std::io::stdout().flush();
}

fn plan(citizens: &Citizens, calls: usize, key: &'static str, value: &str) -> ServerPlan {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let weekly = days.map(|name| format!("{name} = [\"00:00-24:00\"]")).join(", ");
    // Seats, experts and callbacks have legs of their own.
    let ports = (calls * 2 + 60) as u16 * 2;
    let first = PORTS_FROM.fetch_add(ports, Ordering::Relaxed);
    ServerPlan::deaf()
        .with(key, value)
        .with("sip.calls_per_caller_max", 0)
        .with("sip.concurrent_calls_max", calls + 20)
        .with("sip.trusted_peers", "[\"127.0.0.1\"]")
        .with("sip.md5_only", true)
        .with("media.port_first", first)
        .with("media.port_last", first + ports - 1)
        .with("seats.music", format!("\"{}\"", music().display()))
        .with("seats.wrap_up_s", 0)
        .with("callbacks.scripts", format!("\"{}\"", scripts.display()))
        .and(&citizens.trunk())
        .and(&format!("[[hours]]\nname = \"总是\"\nweekly = {{ {weekly} }}\n"))
        .and(NUMBERS)
        .and(&format!("[[queues]]\nname = \"{QUEUE}\"\nskill = \"{QUEUE}\"\n"))
}

/// With a recogniser that needs no models and no time.
fn scripted(folder: &Path, citizens: &Citizens, calls: usize) -> ServerPlan {
    let program = folder.join("recogniser.sh");
    let worker = qingting().with_file_name("examples").join("scripted-worker");
    // Called as `PROGRAM --models DIR --socket FILE --threads N`.
    fs::write(&program, format!("#!/bin/sh\nexec {} \"$4\"\n", worker.display()))
        .expect("writable");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("ours");
    plan(citizens, calls, "asr.enabled", "true")
        .with("asr.program", format!("\"{}\"", program.display()))
}

fn citizen(n: u64) -> String {
    format!("1380{n:07}")
}

/// Those who are called back, and the expert, who says a tone until the others are gone.
fn citizens(folder: &Path, time: Duration) -> Citizens {
    let (hello, long) = (folder.join("hello.wav"), folder.join("expert.wav"));
    Wav::mono(qingting_tests::audio::speech_like(7, Duration::from_millis(700))).write(&hello);
    Wav::mono(tone::of(tone::OUTSIDE, Duration::from_secs(110))).write(&long);
    let called = time.as_secs() / TICKET_EVERY.as_secs() + 1;
    let mut file = format!(
        "[[citizens]]\nnumber = \"{EXPERT}\"\nring_s = 0.5\ncalls = [{{ person = {{ greeting = {{ plays = \"{}\" }}, answers = [] }} }}]\n",
        long.display()
    );
    for n in 1..=called {
        file += &format!(
            "[[citizens]]\nnumber = \"{}\"\nring_s = 0.5\ncalls = [{{ person = {{ greeting = {{ plays = \"{}\" }}, \
             answers = [{{ keys = \"2\" }}, {{ keys = \"3\" }}, {{ keys = \"4\" }}] }} }}]\n",
            citizen(n),
            hello.display()
        );
    }
    Citizens::start(&file)
}

/// Mandarin, as our own voice says its prompts, with pauses.
fn spoken() -> Vec<i16> {
    let prompts = fs::read_dir(qingting().with_file_name("test-prompts")).expect("they are spoken");
    let files = prompts.map(|entry| entry.expect("readable").path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|of| of == "wav")).collect();
    files.sort();
    let mut said = Vec::new();
    for file in files.iter().take(8) {
        said.extend(&Wav::read(file).channels[0]);
        said.extend(vec![0; RATE as usize]);
    }
    assert!(!said.is_empty(), "no prompt is spoken");
    said
}

/// How much these values grow in an hour, of their mean, by least squares.
fn percent_an_hour(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (at, value) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - at) * (point.1 - value)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - at).powi(2)).sum();
    if value > 0.0 && below > 0.0 { above / below / value * 100.0 } else { 0.0 }
}

/// Resident memory in KiB.
fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

/// Open files, and of these UDP sockets.
fn files(pid: u32) -> (usize, usize) {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let links: Vec<String> = open
        .filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.display().to_string()))
        .collect();
    let table = ["udp", "udp6"]
        .map(|name| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default());
    let inodes: BTreeSet<&str> = table
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.split_whitespace().nth(9))
        .collect();
    let is_udp = |link: &&String| {
        link.strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|inode| inodes.contains(inode))
    };
    (links.len(), links.iter().filter(is_udp).count())
}

fn children(pid: u32) -> Vec<u32> {
    let output = Command::new("pgrep").args(["-P", &pid.to_string()]).output().expect("procps");
    String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.parse().ok()).collect()
}

/// Processor time of a server and its recogniser, in seconds.
fn processor(server: &Server) -> f64 {
    let of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let ticks = |at: usize| {
            rest.split(' ').nth(at).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0)
        };
        (ticks(11) + ticks(12)) / 100.0
    };
    of(server.pid()) + children(server.pid()).into_iter().map(of).sum::<f64>()
}

/// Ticks of all cores that worked for programs of usual priority, and all ticks.
fn busy() -> (f64, f64) {
    let stat = fs::read_to_string("/proc/stat").expect("Linux");
    let ticks = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = ticks.filter_map(|word| word.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in user already.
    let busy = [0, 2, 5, 6].iter().filter_map(|&at| ticks.get(at)).sum();
    (busy, ticks.iter().take(8).sum())
}

/// What stands for work that has not come to its end.
fn stray_files(folder: &Path, strays: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_real = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_real {
            stray_files(&path, strays);
        } else if name.ends_with(".partial")
            || name.ends_with(".tmp")
            || name.ends_with(".part")
            || path.components().any(|part| part.as_os_str() == "spool")
        {
            strays.push(path);
        }
    }
}
