//! Counters of calls, and everything as Prometheus text.

use super::Hotline;
use crate::certificate::valid_until;
use crate::clock;
use qingting_asr::WorkerStatus;
use qingting_callbacks::attempt::Outcome;
use qingting_common::Histogram;
use qingting_common::histogram::Snapshot;
use qingting_core::call::{Cause, Role};
use qingting_sip::Endpoint;
use qingting_store::MediaQuality;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What happened to calls since the start.
pub struct Counters {
    answered: AtomicU64,
    strangers: AtomicU64,
    refused: Mutex<BTreeMap<u16, u64>>,
    ended: Mutex<BTreeMap<&'static str, u64>>,
    called_back: Mutex<BTreeMap<&'static str, u64>>,
    queue_wait: Histogram<10>,
    abandoned: AtomicU64,
    /// Of who is connected by the operator: the citizen's side of the network.
    lost_by_trunks: Histogram<8>,
    /// Of seats: the office's side.
    lost_by_seats: Histogram<8>,
    lost_by_others: Histogram<8>,
    final_caption: Histogram<9>,
}

/// 15 s is what a hotline is measured by.
const WAIT_SECONDS: [f64; 10] = [1.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0];
const LOST: [f64; 8] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
const CAPTION_SECONDS: [f64; 9] = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 15.0];

/// Packets sent to somebody of whom none came, after which that is a fault: two seconds of 20 ms each.
const SILENT_PACKETS_MIN: u64 = 100;

impl Default for Counters {
    fn default() -> Self {
        Self {
            answered: AtomicU64::default(),
            strangers: AtomicU64::default(),
            refused: Mutex::default(),
            ended: Mutex::default(),
            called_back: Mutex::default(),
            queue_wait: Histogram::new(WAIT_SECONDS),
            abandoned: AtomicU64::default(),
            lost_by_trunks: Histogram::new(LOST),
            lost_by_seats: Histogram::new(LOST),
            lost_by_others: Histogram::new(LOST),
            final_caption: Histogram::new(CAPTION_SECONDS),
        }
    }
}

impl Counters {
    pub fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    pub fn stranger(&self) {
        self.strangers.fetch_add(1, Ordering::Relaxed);
    }

    pub fn refused(&self, status: u16) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() +=
            1;
    }

    /// A citizen who waited reached nobody.
    pub fn gave_up(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    /// A citizen waited so long for a seat.
    pub fn waited(&self, wait: Duration) {
        self.queue_wait.record(wait.as_secs_f64());
    }

    /// What of a leg's packets came.
    pub fn leg_ended(&self, role: Role, quality: &MediaQuality) {
        let of = match role {
            Role::Citizen => &self.lost_by_trunks,
            Role::Seat | Role::SeatSecondLine | Role::Supervisor => &self.lost_by_seats,
            Role::Expert | Role::Emergency | Role::Other => &self.lost_by_others,
        };
        let sent = quality.packets_received + quality.packets_lost;
        if sent > 0 {
            of.record(quality.packets_lost as f64 / sent as f64);
        } else if quality.packets_sent > SILENT_PACKETS_MIN {
            // Who is spoken to and never heard has lost everything.
            of.record(1.0);
        }
    }

    /// A sentence was stored so long after its last word.
    pub fn captioned(&self, after: Duration) {
        self.final_caption.record(after.as_secs_f64());
    }

    pub fn called_back(&self, outcome: Outcome) {
        let mut called_back = self.called_back.lock().unwrap_or_else(PoisonError::into_inner);
        *called_back.entry(outcome.as_str()).or_default() += 1;
    }

    pub fn ended(&self, cause: Cause) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        *ended.entry(cause.as_str()).or_default() += 1;
    }
}

/// The metrics page, less what the API adds.
pub fn page(hotline: &Hotline, sip: &Endpoint) -> String {
    let mut page = Page::default();
    calls(&mut page, hotline);
    signalling(&mut page, sip);
    switchboard(&mut page, hotline);
    media(&mut page, hotline);
    storage(&mut page, hotline);
    process(&mut page, hotline);
    page.one("qingting_log_lines_lost_total", "counter", crate::logging::lines_lost());
    recognition(&mut page, hotline);
    relay(&mut page, hotline);
    traces(&mut page, hotline);
    certificate(&mut page, hotline);
    page.many("qingting_feed_receiver_up", "gauge", "receiver", hotline.feed.up());
    page.0
}

fn calls(page: &mut Page, hotline: &Hotline) {
    let counters = &hotline.counters;
    page.one("qingting_calls_active", "gauge", hotline.switchboard.calls.len());
    page.one("qingting_calls_answered_total", "counter", counters.answered.load(Ordering::Relaxed));
    let refused = counters.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
    page.many("qingting_calls_refused_total", "counter", "status", refused);
    let ended = counters.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
    page.many("qingting_calls_ended_total", "counter", "cause", ended);
    let called_back = counters.called_back.lock().unwrap_or_else(PoisonError::into_inner).clone();
    page.many("qingting_callbacks_total", "counter", "outcome", called_back);
    let strangers = counters.strangers.load(Ordering::Relaxed);
    page.one("qingting_calls_with_stranger_rtp_total", "counter", strangers);
}

fn signalling(page: &mut Page, sip: &Endpoint) {
    let sip = sip.metrics();
    for (name, kind, value) in [
        ("messages_received_total", "counter", sip.messages_in),
        ("messages_sent_total", "counter", sip.messages_out),
        ("garbage_total", "counter", sip.garbage),
        ("refused_4xx_total", "counter", sip.refused_4xx),
        ("refused_5xx_total", "counter", sip.refused_5xx),
        ("refused_admission_total", "counter", sip.refused_admission),
        ("refused_full_total", "counter", sip.refused_full),
        ("retransmissions_received_total", "counter", sip.retransmissions_in),
        ("retransmissions_sent_total", "counter", sip.retransmissions_out),
        ("stray_total", "counter", sip.stray),
        ("dialogs", "gauge", sip.dialogs as u64),
        ("calls_unacknowledged", "gauge", sip.unacked as u64),
        ("transactions", "gauge", sip.transactions as u64),
        ("connections", "gauge", sip.connections as u64),
        ("connections_refused_total", "counter", sip.connections_refused),
        ("handshakes_failed_total", "counter", sip.handshakes_failed),
        ("udp_receive_buffer_bytes", "gauge", sip.udp_receive_bytes as u64),
        ("users_registered", "gauge", sip.users_registered as u64),
        ("registers_total", "counter", sip.registers),
        ("challenges_total", "counter", sip.challenged),
        ("authentications_failed_total", "counter", sip.auth_failed),
        ("authentications_locked_total", "counter", sip.auth_locked),
        ("forbidden_total", "counter", sip.forbidden),
        ("source_rejected_total", "counter", sip.source_rejected),
        ("source_silenced_total", "counter", sip.source_silenced),
        ("calls_rejected_total", "counter", sip.calls_rejected),
        ("calls_reserved_total", "counter", sip.calls_reserved),
        ("strangers_rejected_total", "counter", sip.strangers_rejected),
        ("failed_over_total", "counter", sip.failed_over),
        ("unsent_total", "counter", sip.unsent),
        ("events_dropped_total", "counter", sip.events_dropped),
        ("commands_dropped_total", "counter", sip.commands_dropped),
    ] {
        page.one(&format!("qingting_sip_{name}"), kind, value);
    }
}

fn switchboard(page: &mut Page, hotline: &Hotline) {
    let trunks = hotline.switchboard.trunks.status();
    let up = trunks.into_iter().map(|trunk| (trunk.name, u8::from(trunk.up)));
    page.many("qingting_trunk_up", "gauge", "trunk", up.collect());
    let snapshot = hotline.switchboard.queues.snapshot();
    let cluster = &hotline.switchboard.cluster;
    if cluster.is_on() {
        page.one("qingting_cluster_other_servers", "gauge", cluster.others.servers());
        let keeps = u8::from(hotline.switchboard.queues.keeps());
        page.one("qingting_cluster_keeps_queues", "gauge", keeps);
    }
    let waiting = snapshot.queues.iter().map(|of| (of.name.to_string(), of.waiting.len()));
    page.many("qingting_queue_waiting", "gauge", "queue", waiting.collect());
    let at_work = snapshot.queues.iter().map(|of| (of.name.to_string(), of.seats_at_work));
    page.many("qingting_queue_seats_at_work", "gauge", "queue", at_work.collect());
    let wait = hotline.counters.queue_wait.snapshot();
    page.histogram("qingting_queue_wait_seconds", [("", wait)]);
    let abandoned = hotline.counters.abandoned.load(Ordering::Relaxed);
    page.one("qingting_queue_abandoned_total", "counter", abandoned);
}

fn storage(page: &mut Page, hotline: &Hotline) {
    page.histogram("qingting_store_write_seconds", [("", hotline.store.writes_took())]);
    page.one("qingting_store_writes_waiting", "gauge", hotline.store.writes_waiting());
    let gauges = &hotline.gauges;
    let get = |of: &AtomicU64| of.load(Ordering::Relaxed);
    let now = clock::unix_now().0;
    let age = |of: &AtomicI64| match of.load(Ordering::Relaxed) {
        0 => 0.0,
        at => (now - at).max(0) as f64 / 1e3,
    };
    page.one("qingting_follow_ups_waiting", "gauge", get(&gauges.follow_ups_waiting));
    page.one("qingting_tickets_to_index", "gauge", get(&gauges.tickets_to_index));
    page.one("qingting_erasures_unfinished", "gauge", get(&gauges.erasures_unfinished));
    page.one("qingting_store_last_answer_age_seconds", "gauge", age(&gauges.looked_at));
    page.one("qingting_disk_free_bytes", "gauge", get(&gauges.disk_free_bytes));
    let spool = hotline.spool.numbers();
    page.one("qingting_store_away", "gauge", u8::from(spool.is_away));
    page.one("qingting_spool_entries", "gauge", spool.entries);
    page.one("qingting_spool_bytes", "gauge", spool.bytes);
    page.one("qingting_spool_replayed_total", "counter", spool.replayed);
    page.one("qingting_spool_refused_total", "counter", spool.refused);
    page.one("qingting_spool_refused_calls", "gauge", spool.refused_calls);
}

/// What the kernel tells of the process, under the names that every Prometheus client has.
fn process(page: &mut Page, hotline: &Hotline) {
    page.head("qingting_build_info", "gauge");
    page.line(concat!("qingting_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
    page.one("qingting_uptime_seconds", "gauge", hotline.clock.now().0 as f64 / 1e3);
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
    let status = read("status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    if let Some(kib) = of("VmRSS:") {
        page.one("process_resident_memory_bytes", "gauge", kib << 10);
    }
    if let Some(threads) = of("Threads:") {
        page.one("process_threads", "gauge", threads);
    }
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    page.one("process_cpu_seconds_total", "counter", cpu);
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.one("process_open_fds", "gauge", open.count());
    }
    if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        page.one("process_max_fds", "gauge", most);
    }
}

fn media(page: &mut Page, hotline: &Hotline) {
    let media = hotline.media.metrics();
    page.one("qingting_media_legs", "gauge", media.legs);
    page.one("qingting_media_port_pairs_free", "gauge", media.ports_free);
    page.one("qingting_recording_write_errors_total", "counter", media.recording_write_errors);
    page.one("qingting_recording_bytes_total", "counter", media.recording_bytes);
    let counters = &hotline.counters;
    page.histogram(
        "qingting_leg_packets_lost_ratio",
        [
            ("party=\"citizen\"", counters.lost_by_trunks.snapshot()),
            ("party=\"seat\"", counters.lost_by_seats.snapshot()),
            ("party=\"other\"", counters.lost_by_others.snapshot()),
        ],
    );
    page.histogram("qingting_media_tick_lateness_seconds", [("", media.lateness)]);
}

fn recognition(page: &mut Page, hotline: &Hotline) {
    let Some(asr) = &hotline.asr else { return };
    let asr = asr.status();
    page.one("qingting_asr_up", "gauge", u8::from(asr.up()));
    let finals = hotline.counters.final_caption.snapshot();
    page.histogram("qingting_caption_final_seconds", [("", finals)]);
    page.one("qingting_asr_streams", "gauge", asr.streams);
    page.one("qingting_asr_events_lost_total", "counter", asr.events_lost);
    let mut of_workers = |name: &str, kind: &str, value: fn(&WorkerStatus) -> f64| {
        let values = asr.workers.iter().map(|worker| (&worker.name, value(worker))).collect();
        page.many(&format!("qingting_asr_{name}"), kind, "worker", values);
    };
    of_workers("worker_up", "gauge", |worker| f64::from(u8::from(worker.up)));
    of_workers("worker_restarts_total", "counter", |worker| worker.restarts as f64);
    of_workers("lag_seconds", "gauge", |worker| worker.lag_ms as f64 / 1e3);
    of_workers("level", "gauge", |worker| f64::from(worker.level as u8));
    of_workers("worker_streams", "gauge", |worker| worker.streams as f64);
    of_workers("worker_cpu_seconds", "gauge", |worker| worker.cpu_ms as f64 / 1e3);
    of_workers("partials_skipped_total", "counter", |worker| worker.partials_skipped as f64);
    of_workers("finals_skipped_total", "counter", |worker| worker.finals_skipped as f64);
}

fn relay(page: &mut Page, hotline: &Hotline) {
    if hotline.config.ticket_system.url.is_empty() {
        return;
    }
    page.one("qingting_relay_up", "gauge", u8::from(!hotline.relay.is_down()));
    let answers = hotline.relay.answers();
    page.many("qingting_relay_answers_total", "counter", "verdict", answers);
}

/// How long TLS goes on; 0 of one that is over or cannot be read.
fn certificate(page: &mut Page, hotline: &Hotline) {
    let file = &hotline.config.sip.tls_certificate;
    if file.as_os_str().is_empty() {
        return;
    }
    let until = valid_until(file).unwrap_or(0);
    let left = (until - clock::unix_now().0 / 1_000).max(0);
    page.one("qingting_tls_certificate_seconds_left", "gauge", left);
}

fn traces(page: &mut Page, hotline: &Hotline) {
    let Some(counters) = hotline.traces.counters() else { return };
    let (sent, dropped) = (&counters.sent, &counters.dropped);
    page.one("qingting_trace_spans_sent_total", "counter", sent.load(Ordering::Relaxed));
    page.one("qingting_trace_spans_dropped_total", "counter", dropped.load(Ordering::Relaxed));
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
    }

    fn line(&mut self, series: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{series} {value}");
    }

    /// One or several of the same name, each with its labels.
    fn histogram<const N: usize>(&mut self, name: &str, of: [(&str, Snapshot); N]) {
        self.head(name, "histogram");
        for (labels, Snapshot { at_most, count, sum }) in of {
            let joint = if labels.is_empty() { "" } else { "," };
            for (bound, at_most) in at_most {
                self.line(&format!("{name}_bucket{{{labels}{joint}le=\"{bound}\"}}"), at_most);
            }
            self.line(&format!("{name}_bucket{{{labels}{joint}le=\"+Inf\"}}"), count);
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            self.line(&format!("{name}_sum{labels}"), sum);
            self.line(&format!("{name}_count{labels}"), count);
        }
    }

    fn one(&mut self, name: &str, kind: &str, value: impl std::fmt::Display) {
        self.head(name, kind);
        self.line(name, value);
    }

    fn many<K: std::fmt::Display>(
        &mut self,
        name: &str,
        kind: &str,
        label: &str,
        values: BTreeMap<K, impl std::fmt::Display>,
    ) {
        self.head(name, kind);
        for (key, value) in values {
            let key =
                key.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.line(&format!("{name}{{{label}=\"{key}\"}}"), value);
        }
    }
}
