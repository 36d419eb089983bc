//! Counters of calls, and everything as Prometheus text.

use super::Hotline;
use qingting_asr::WorkerStatus;
use qingting_callbacks::attempt::Outcome;
use qingting_core::call::Cause;
use qingting_media::lateness::BOUNDS_US;
use qingting_sip::Endpoint;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What happened to calls since the start.
#[derive(Default)]
pub struct Counters {
    answered: AtomicU64,
    strangers: AtomicU64,
    refused: Mutex<BTreeMap<u16, u64>>,
    ended: Mutex<BTreeMap<&'static str, u64>>,
    called_back: Mutex<BTreeMap<&'static str, u64>>,
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
    page.one("qingting_log_lines_lost_total", "counter", crate::logging::lines_lost());
    recognition(&mut page, hotline);
    relay(&mut page, hotline);
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
    let waiting = snapshot.queues.iter().map(|of| (of.name.to_string(), of.waiting.len()));
    page.many("qingting_queue_waiting", "gauge", "queue", waiting.collect());
    let at_work = snapshot.queues.iter().map(|of| (of.name.to_string(), of.seats_at_work));
    page.many("qingting_queue_seats_at_work", "gauge", "queue", at_work.collect());
}

fn media(page: &mut Page, hotline: &Hotline) {
    let media = hotline.media.metrics();
    page.one("qingting_media_legs", "gauge", media.legs);
    page.one("qingting_media_port_pairs_free", "gauge", media.ports_free);
    page.one("qingting_recording_write_errors_total", "counter", media.recording_write_errors);
    page.one("qingting_recording_bytes_total", "counter", media.recording_bytes);
    let name = "qingting_media_tick_lateness_seconds";
    page.head(name, "histogram");
    let mut ticks = 0;
    for (bound, count) in BOUNDS_US.iter().zip(media.lateness.buckets) {
        ticks += count;
        page.line(&format!("{name}_bucket{{le=\"{}\"}}", *bound as f64 / 1e6), ticks);
    }
    page.line(&format!("{name}_bucket{{le=\"+Inf\"}}"), media.lateness.count());
    page.line(&format!("{name}_sum"), media.lateness.sum_us as f64 / 1e6);
    page.line(&format!("{name}_count"), media.lateness.count());
}

fn recognition(page: &mut Page, hotline: &Hotline) {
    let Some(asr) = &hotline.asr else { return };
    let asr = asr.status();
    page.one("qingting_asr_up", "gauge", u8::from(asr.up()));
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
