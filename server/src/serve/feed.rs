//! The log of changes, pushed to those who want it, and its end after 30 days.
//!
//! **A receiver's place is noted after it has said that it has a batch**: what is not noted is sent again, by this
//! server or the next, under the same idempotency key. Each gets its changes in their order, and one that was away
//! goes on where it was.

use super::Hotline;
use super::relay::secrets;
use crate::clock;
use crate::config::Config;
use anyhow::{Context, Result};
use qingting_api::feed::change;
use qingting_common::{Pii, UnixMillis};
use qingting_store::{LogPage, OutboxRow, Store, StoreError};
use qingting_tickets::feed::{BATCH_JSON, is_of};
use qingting_tickets::{CloudEvent, Outgoing, Retry, Secrets, TicketSystem, Verdict};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

/// The secret that is made at the first start, in the data folder.
pub const SECRET_FILE: &str = "feed.secret";
/// How long changes are kept that nobody has to be told any more, and how often older ones are deleted.
const KEPT_MS: i64 = 30 * 86_400_000;
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// How often it is looked for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Changes in one request.
const BATCH_MAX: u32 = 100;
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Longer than an answer may take: meanwhile no other server sends the same.
const LEASE: Duration = Duration::from_secs(20);
/// What failed is tried again after this, then after twice that up to the longest wait, without end.
const RETRY: Retry = Retry {
    first: Duration::from_secs(1),
    max: Duration::from_secs(60),
    tries_max: u32::MAX,
    give_up_after: Duration::MAX,
};

/// A machine that is told of changes.
pub struct Receiver {
    name: String,
    kinds: Vec<String>,
    source: String,
    link: TicketSystem,
}

/// Which receivers took what they were told last; for metrics.
#[derive(Default)]
pub struct Counters(Mutex<BTreeMap<String, u8>>);

impl Counters {
    /// 1 for each that takes changes, 0 for each that takes none now.
    pub fn up(&self) -> BTreeMap<String, u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, receiver: &str, is_up: bool) {
        let mut up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        up.insert(receiver.to_owned(), is_up.into());
    }
}

/// What answers of the log are signed with; made at the first start.
pub fn own_secrets(config: &Config) -> Result<Secrets> {
    let file = &config.feed.secret_file;
    if !file.as_os_str().is_empty() {
        return secrets("feed.secret_file", file);
    }
    let file = config.data.dir.join(SECRET_FILE);
    if !file.exists() {
        make(&file).with_context(|| format!("cannot make the secret {}", file.display()))?;
    }
    secrets("feed.secret_file", &file)
}

fn make(path: &Path) -> std::io::Result<()> {
    let secret: [u8; 32] = rand::random();
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", hex::encode(secret))?;
    file.sync_all()
}

/// Those in the configuration.
pub fn receivers(config: &Config) -> Result<Vec<Receiver>> {
    let receiver = |of: &crate::config::FeedReceiver| {
        Ok(Receiver {
            name: of.name.clone(),
            kinds: of.kinds.clone(),
            source: config.ticket_system.source.clone(),
            link: TicketSystem::new(
                &of.url,
                secrets("feed.receivers", &of.secret_file)?,
                ANSWER_MAX,
            ),
        })
    };
    config.feed.receivers.iter().map(receiver).collect()
}

/// Runs until it is aborted.
pub async fn run(hotline: Arc<Hotline>, receivers: Vec<Receiver>) {
    let owner: Arc<str> = Uuid::now_v7().to_string().into();
    let mut pushing = JoinSet::new();
    for receiver in receivers {
        hotline.feed.note(&receiver.name, true);
        pushing.spawn(push(Arc::clone(&hotline), Arc::new(receiver), Arc::clone(&owner)));
    }
    loop {
        prune(&hotline.store).await;
        tokio::time::sleep(PRUNE_EVERY).await;
    }
}

/// Tells one receiver, for ever.
async fn push(hotline: Arc<Hotline>, receiver: Arc<Receiver>, owner: Arc<str>) {
    let store = &hotline.store;
    let mut failures = 0;
    let mut place = None;
    loop {
        let wait = match step(store, &receiver, &owner, place).await {
            Ok(Step::On(after)) => {
                if failures > 0 {
                    hotline.feed.note(&receiver.name, true);
                    tracing::info!(
                        receiver = receiver.name,
                        "a receiver of changes takes them again"
                    );
                }
                (failures, place) = (0, Some(after));
                continue;
            }
            Ok(Step::Nothing(after)) => {
                place = after;
                LOOK_EVERY
            }
            Ok(Step::Failed { why, after }) => {
                failures += 1;
                if failures == 1 {
                    hotline.feed.note(&receiver.name, false);
                    let receiver = &receiver.name;
                    tracing::warn!(
                        receiver,
                        why,
                        "a receiver of changes takes none now; they wait"
                    );
                }
                RETRY.wait(failures, rand::random(), after)
            }
            Err(error) => {
                tracing::error!(%error, receiver = receiver.name, "changes cannot be looked up");
                RETRY.first
            }
        };
        tokio::time::sleep(wait).await;
    }
}

enum Step {
    /// The receiver has everything up to there.
    On(i64),
    /// Nothing is to be told; the receiver's place, where it is known.
    Nothing(Option<i64>),
    /// It took nothing.
    Failed { why: String, after: Option<Duration> },
}

/// Tells one batch. Without a change behind the last known place nothing is written.
async fn step(
    store: &Store,
    receiver: &Arc<Receiver>,
    owner: &str,
    place: Option<i64>,
) -> Result<Step, StoreError> {
    if let Some(place) = place
        && matches!(store.log(Some(place), 1).await?, LogPage::Rows { rows, .. } if rows.is_empty())
    {
        return Ok(Step::Nothing(Some(place)));
    }
    let now = clock::unix_now();
    let Some(after) = store.claim_feed(&receiver.name, owner, LEASE, now).await? else {
        // Another server pushes to it.
        return Ok(Step::Nothing(None));
    };
    let (rows, next) = match store.log(Some(after), BATCH_MAX).await? {
        LogPage::Rows { rows, next } => (rows, next),
        LogPage::Gone => {
            let next = store.log_deleted().await?;
            tracing::error!(
                receiver = receiver.name,
                after,
                next,
                "a receiver was away for so long that changes are deleted which it has not had"
            );
            (Vec::new(), next.max(after))
        }
    };
    if rows.is_empty() && next == after {
        return Ok(Step::Nothing(Some(after)));
    }
    if let Some(batch) = receiver.batch(rows, next) {
        let to = Arc::clone(receiver);
        let sent = move || to.link.send(&batch, clock::unix_now());
        // Its own panic would be a fault of ours: it is tried again like any other failure.
        let reply = match tokio::task::spawn_blocking(sent).await {
            Ok(reply) => reply,
            Err(error) => return Ok(Step::Failed { why: error.to_string(), after: None }),
        };
        let why = reply.failure.unwrap_or_default();
        match reply.verdict {
            Verdict::Accepted | Verdict::AlreadyThere => {}
            Verdict::Refused => return Ok(Step::Failed { why, after: None }),
            Verdict::TryLater { after, .. } => return Ok(Step::Failed { why, after }),
        }
    }
    store.advance_feed(&receiver.name, owner, next, clock::unix_now()).await?;
    Ok(Step::On(next))
}

impl Receiver {
    /// A request with what it wants of these changes; none when it wants none of them.
    fn batch(&self, rows: Vec<OutboxRow>, next: i64) -> Option<Outgoing> {
        let wanted = rows.into_iter().filter(|row| is_of(&self.kinds, &row.kind));
        let events: Vec<CloudEvent> = wanted.map(|row| change(row).told(&self.source)).collect();
        if events.is_empty() {
            return None;
        }
        let body = serde_json::to_vec(&events).expect("ids and states are JSON");
        Some(Outgoing {
            path: String::new(),
            key: format!("{}:{next}", self.name),
            content_type: BATCH_JSON,
            body: Pii::new(body),
        })
    }
}

async fn prune(store: &Store) {
    if let Err(error) = store.prune_requests(clock::unix_now()).await {
        tracing::error!(%error, "old answers to requests could not be deleted");
    }
    let before = UnixMillis(clock::unix_now().0 - KEPT_MS);
    loop {
        match store.prune_outbox(before).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "old changes could not be deleted");
                return;
            }
        }
    }
}
