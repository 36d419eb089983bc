//! The way of outbox rows to the city's ticket system.
//!
//! **A row is noted as sent after the ticket system has said that it has it**: what is not noted is sent
//! again under the same idempotency key, by this process or the next. The store keeps the order of each
//! stream and gives a row to one process at a time.

pub mod content;
pub mod shape;

use super::Hotline;
use crate::clock;
use crate::config;
use anyhow::{Context, Result};
use content::{Unsendable, event};
use qingting_store::{OutboxClaim, OutboxFailure, OutboxRow, Store, StoreError};
use qingting_tickets::retry::{Width, after};
use qingting_tickets::{
    Circuit, Mapping, Outgoing, Reply, Retry, Scope, Secrets, TicketSystem, Verdict,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

/// How often it is looked for rows.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Rows under way at once.
const SENDING_MAX: usize = 8;
/// A lease outlives the longest wait for an answer, which includes that for a token, by this.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// What is sent, where, and how.
pub struct Link {
    pub system: TicketSystem,
    mapping: Mapping,
    source: String,
    kinds: Vec<String>,
    retry: Retry,
    lease: Duration,
}

impl Link {
    /// None if no ticket system is configured.
    pub fn new(config: &config::TicketSystem) -> Result<Option<Self>> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let secrets = secrets("ticket_system.secret_file", &config.secret_file)?;
        let mapping = config.mapping().map_err(anyhow::Error::msg)?;
        let answer_within = Duration::from_secs(config.answer_within_s);
        Ok(Some(Self {
            system: TicketSystem::new(&config.url, secrets, answer_within)
                .with_client(config.client()),
            mapping,
            source: config.source.clone(),
            kinds: config.kinds.clone(),
            retry: Retry {
                first: Duration::from_millis(config.retry_first_ms),
                max: Duration::from_secs(config.retry_max_s),
                tries_max: config.tries_max,
                give_up_after: Duration::from_secs(config.give_up_after_h.saturating_mul(3_600)),
            },
            lease: answer_within + LEASE_MARGIN,
        }))
    }

    /// Whether rows of a kind are sent.
    pub fn sends(&self, kind: &str) -> bool {
        qingting_tickets::feed::is_of(&self.kinds, kind)
    }

    /// Their fields that a row would leave empty, or fill with their default.
    pub async fn empty(&self, store: &Store, row: &OutboxRow) -> Result<Vec<String>, Unsendable> {
        let event = event(store, row).await?;
        Ok(self.mapping.empty(&event.kind, event.data.expose()))
    }

    /// The request of a row.
    pub async fn outgoing(&self, store: &Store, row: &OutboxRow) -> Result<Outgoing, Unsendable> {
        Ok(event(store, row).await?.outgoing(&self.mapping, &self.source)?)
    }
}

/// The secrets in the file that a setting names.
pub fn secrets(setting: &str, file: &Path) -> Result<Secrets> {
    std::fs::read_to_string(file)
        .map_err(anyhow::Error::from)
        .and_then(|text| Ok(Secrets::parse(&text)?))
        .with_context(|| format!("{setting} = {}", file.display()))
}

/// What happened since the start; for metrics. And the way to end it.
#[derive(Default)]
pub struct Counters {
    answers: Mutex<BTreeMap<&'static str, u64>>,
    down: AtomicBool,
    stop: watch::Sender<bool>,
}

impl Counters {
    pub fn answers(&self) -> BTreeMap<&'static str, u64> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Takes no more rows; [`run`] returns when those under way have their answers.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    fn count(&self, verdict: Verdict) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(verdict.as_str()).or_default() += 1;
    }
}

/// Runs until it is stopped.
pub async fn run(hotline: Arc<Hotline>, link: Option<Link>) {
    let Some(link) = link else { return };
    let owner = Uuid::now_v7().to_string();
    send_all(&hotline, &Arc::new(link), &owner).await;
}

async fn send_all(hotline: &Arc<Hotline>, link: &Arc<Link>, owner: &str) {
    let mut circuit = Circuit::default();
    let mut sending = JoinSet::new();
    let mut stop = hotline.relay.stop.subscribe();
    loop {
        let is_stopped = *stop.borrow_and_update();
        if is_stopped && sending.is_empty() {
            return;
        }
        let rows = match is_stopped {
            true => Vec::new(),
            false => claimed(hotline, link, owner, circuit, sending.len()).await,
        };
        for row in rows {
            sending.spawn(send(Arc::clone(hotline), Arc::clone(link), owner.to_owned(), row));
        }
        tokio::select! {
            Some(done) = sending.join_next() => match done {
                Ok(Some(verdict)) => note(hotline, link, &mut circuit, verdict),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "sending to the ticket system failed; its lease runs out"),
            },
            _ = stop.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Rows to send now.
async fn claimed(
    hotline: &Hotline,
    link: &Link,
    owner: &str,
    circuit: Circuit,
    under_way: usize,
) -> Vec<OutboxRow> {
    let now = clock::unix_now();
    let (at_once, fresh_first) = match circuit.width(now) {
        Width::Shut(_) => return Vec::new(),
        Width::Probe => (1, true),
        Width::Open => (SENDING_MAX, false),
    };
    let limit = at_once.saturating_sub(under_way);
    let claim = OutboxClaim {
        owner: owner.to_owned(),
        kinds: link.kinds.clone(),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        lease: link.lease,
        fresh_first,
    };
    let rows = async {
        if limit == 0 || !hotline.store.outbox_is_due(now).await? {
            return Ok(Vec::new());
        }
        hotline.store.claim_outbox(claim, now).await
    };
    rows.await.unwrap_or_else(|error: StoreError| {
        tracing::error!(%error, "what waits for the ticket system cannot be looked up");
        Vec::new()
    })
}

/// Sends a row and notes what came of it; none when nothing was asked of the ticket system.
async fn send(
    hotline: Arc<Hotline>,
    link: Arc<Link>,
    owner: String,
    row: OutboxRow,
) -> Option<Verdict> {
    let outgoing = match link.outgoing(&hotline.store, &row).await {
        Ok(outgoing) => outgoing,
        Err(Unsendable::Store(error)) => {
            tracing::error!(%error, row = row.id, "a message to the ticket system cannot be read");
            return None;
        }
        Err(error) => {
            tracing::error!(%error, row = row.id, kind = row.kind, "a message to the ticket system is parked");
            let why = error.with_value().into_inner();
            failed(&hotline, &row, &owner, &why, OutboxFailure::Park).await;
            return None;
        }
    };
    let reply = {
        let link = Arc::clone(&link);
        let sent = move || link.system.send(&outgoing, clock::unix_now());
        tokio::task::spawn_blocking(sent).await.ok()?
    };
    hotline.relay.count(reply.verdict);
    match reply.verdict {
        Verdict::Accepted | Verdict::AlreadyThere => {
            if let Err(error) = hotline.store.outbox_sent(row.id, clock::unix_now()).await {
                tracing::error!(%error, row = row.id, "what was sent could not be noted; it is sent again");
            }
        }
        Verdict::Refused | Verdict::TryLater { .. } => {
            let then = next_step(&link.retry, &row, &reply);
            if then == OutboxFailure::Park {
                let why = reply.failure.as_deref().unwrap_or_default();
                tracing::error!(
                    why,
                    row = row.id,
                    kind = row.kind,
                    "a message to the ticket system is parked"
                );
            }
            failed(&hotline, &row, &owner, reply.detail.expose(), then).await;
        }
    }
    Some(reply.verdict)
}

async fn failed(hotline: &Hotline, row: &OutboxRow, owner: &str, why: &str, then: OutboxFailure) {
    let now = clock::unix_now();
    match hotline.store.outbox_failed(row.id, owner, why, then, now).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(row = row.id, "another process sends this message now"),
        Err(error) => {
            tracing::error!(%error, row = row.id, "a failure of sending could not be noted; its lease runs out");
        }
    }
}

fn next_step(retry: &Retry, row: &OutboxRow, reply: &Reply) -> OutboxFailure {
    let Verdict::TryLater { after: asked, .. } = reply.verdict else { return OutboxFailure::Park };
    let (now, failures) = (clock::unix_now(), row.tries.saturating_add(1));
    let failing_ms = row.failing_since.map_or(0, |since| now.0.saturating_sub(since.0));
    let failing_for = Duration::from_millis(u64::try_from(failing_ms).unwrap_or_default());
    if retry.gives_up(failures, failing_for) {
        return OutboxFailure::Park;
    }
    OutboxFailure::Again(after(now, retry.wait(failures, rand::random(), asked)))
}

/// Tells once when the ticket system goes away and once when it is back.
fn note(hotline: &Hotline, link: &Link, circuit: &mut Circuit, verdict: Verdict) {
    let now = clock::unix_now();
    let (scope, asked) = match verdict {
        Verdict::TryLater { scope, after } => (scope, after),
        _ => (Scope::Event, None),
    };
    let changed = circuit.note(scope, &link.retry, rand::random(), asked, now);
    hotline.relay.down.store(circuit.is_down(), Ordering::Relaxed);
    match (changed, circuit.is_down()) {
        (true, true) => {
            tracing::warn!("the ticket system takes nothing now; what is to be sent waits");
        }
        (true, false) => tracing::info!("the ticket system answers again"),
        (false, _) => {}
    }
}
