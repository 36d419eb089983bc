//! Writes of calls while the database is away: kept on this disk, a file for each call, until it is back.
//!
//! **What was told to be kept is in the database or in a file that was synced. Nothing of a call goes into the database
//! past what waits in its file**, so that each call's order is kept. A file is deleted when all of it is in the
//! database; a crash in between writes it twice, which every [`Write`] bears.

mod file;
mod line;
mod replay;
#[cfg(test)]
mod tests;
mod write;

pub use file::Left;
pub use write::Write;

use crate::clock;
use file::{Folder, Waiting};
use qingting_api::EventBus;
use qingting_common::CallId;
use qingting_store::{DraftUpdate, Place, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// The folder below `data.dir`.
pub const FOLDER: &str = "spool";
/// Bytes of all files together; a tenth of them is kept for calls that run already. A call of some minutes takes ten to
/// a hundred thousand.
const BYTES_MAX: u64 = 2 << 30;
/// Calls of which something waits.
const CALLS_MAX: usize = 50_000;
/// Longest wait for the database to take a write of a call, then it goes to the disk: a caller waits for the first one.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// So long a call that was refused for a full disk says that the next ones will be.
const REFUSED_MS: i64 = 15_000;
/// Longest wait for what a call is better with and goes on without.
pub const LOOK_UP_MAX: Duration = Duration::from_millis(500);

/// How much may wait.
#[derive(Clone, Copy)]
pub struct Limits {
    bytes_max: u64,
    calls_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: BYTES_MAX, calls_max: CALLS_MAX }
    }
}

/// Why nothing can be kept on the disk.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A limit is reached.
    #[error("{0}")]
    Full(&'static str),
    /// The disk does not take it.
    #[error("the disk does not take it: {0}")]
    Disk(#[source] std::io::Error),
    /// It would not be read back.
    #[error("it has a value that cannot be written down")]
    Unwritable,
    /// The server stops.
    #[error("the server stops")]
    Stopping,
}

/// Why a write of a call is neither in the database nor on the disk.
#[derive(Debug, thiserror::Error)]
pub enum Unkept {
    /// The database does not take it.
    #[error(transparent)]
    Refused(#[from] StoreError),
    /// The database is away, and the disk does not take it either.
    #[error("the database is away, and on this disk it cannot be kept: {0}")]
    Unspooled(#[from] SpoolError),
}

impl Unkept {
    /// Whether it may be taken later.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Refused(StoreError::DiskFull)
                | Self::Unspooled(SpoolError::Full(_) | SpoolError::Disk(_))
        )
    }
}

/// Where a write is kept.
#[derive(Debug)]
pub enum Kept {
    /// In the database; with what it did to the draft.
    Stored(Option<DraftUpdate>),
    /// On the disk.
    Spooled,
}

/// A call's file; none when all of it is in the database and the lane has left the register.
type Lane = tokio::sync::Mutex<Option<Waiting>>;

/// The way of a call's writes.
pub struct Spool {
    store: Store,
    events: EventBus,
    /// Where files are written.
    app: Handle,
    folder: Arc<Folder>,
    limits: Limits,
    /// Calls of which something waits, oldest first.
    lanes: Mutex<BTreeMap<CallId, Arc<Lane>>>,
    is_away: AtomicBool,
    /// The disk did not take what came last.
    is_disk_full: AtomicBool,
    /// When the database last refused a call because its disk is full, in Unix milliseconds.
    refused_at: AtomicI64,
    /// Something waits now.
    wake: Notify,
    replayed: AtomicU64,
    refused: AtomicU64,
}

/// What metrics tell.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    pub is_away: bool,
    pub entries: u64,
    pub bytes: u64,
    pub replayed: u64,
    pub refused: u64,
    pub refused_calls: u64,
}

impl Spool {
    /// Opens the folder below `data`, with what a run before has left. Blocks.
    pub fn open(
        data: &Path,
        store: Store,
        events: EventBus,
        app: Handle,
        limits: Limits,
    ) -> std::io::Result<Self> {
        let (folder, waiting) = Folder::open(&data.join(FOLDER), limits)?;
        let lanes = waiting
            .into_iter()
            .map(|(call, file)| (call, Arc::new(Lane::new(Some(file)))))
            .collect();
        Ok(Self {
            store,
            events,
            app,
            folder: Arc::new(folder),
            limits,
            lanes: Mutex::new(lanes),
            is_away: AtomicBool::new(false),
            is_disk_full: AtomicBool::new(false),
            refused_at: AtomicI64::new(0),
            wake: Notify::new(),
            replayed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Keeps a write of a call: in the database, or on the disk while that is away.
    pub async fn keep(&self, call: CallId, write: Write) -> Result<Kept, Unkept> {
        if !self.is_away() && !self.holds(call) {
            // One that comes too late for this wait is written all the same, and once more from the file.
            match tokio::time::timeout(WRITE_MAX, write.apply(&self.store, call)).await {
                Ok(Ok(update)) => return Ok(Kept::Stored(update)),
                Ok(Err(error)) if !self.can_wait(&error) => {
                    if matches!((&error, &write), (StoreError::DiskFull, Write::Begin { .. })) {
                        self.refused_at.store(clock::unix_now().0, Ordering::Relaxed);
                    }
                    return Err(error.into());
                }
                Ok(Err(error)) => self.went_away(&error.to_string()),
                Err(_) => self.went_away("no answer in time"),
            }
        }
        let appended = self.append(call, &write).await;
        let is_full = matches!(appended, Err(SpoolError::Disk(_)));
        self.is_disk_full.store(is_full, Ordering::Relaxed);
        self.wake.notify_one();
        appended?;
        Ok(Kept::Spooled)
    }

    /// Reads what a call is better with and goes on without; none while the database is away or slow.
    pub async fn look_up<T>(&self, read: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        if self.is_away() {
            return None;
        }
        match tokio::time::timeout(LOOK_UP_MAX, read).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::warn!(%error, "something of before cannot be read; the call goes on without it");
                None
            }
            Err(_) => {
                tracing::warn!(
                    "something of before was not read in time; the call goes on without it"
                );
                None
            }
        }
    }

    /// Others have found that the database does not answer.
    pub fn is_told_away(&self, error: &str) {
        self.went_away(error);
        self.wake.notify_one();
    }

    /// Whether a call was refused a moment ago because the database's disk is full. The next ones try it again.
    pub fn refuses_calls(&self) -> bool {
        let since = clock::unix_now().0 - self.refused_at.load(Ordering::Relaxed);
        (0..REFUSED_MS).contains(&since)
    }

    /// Whether the database did not take the last write.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Whether something of a call waits.
    pub fn holds(&self, call: CallId) -> bool {
        self.lanes().contains_key(&call)
    }

    /// Whether the disk takes a new call's first write.
    pub fn takes_calls(&self) -> bool {
        let is_room = self.folder.check_room(line::LINE_BYTES_MAX as u64, true).is_ok();
        let is_written = !self.is_disk_full.load(Ordering::Relaxed);
        is_room && is_written && self.lanes().len() < self.limits.calls_max
    }

    /// For metrics.
    pub fn numbers(&self) -> Numbers {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Numbers {
            is_away: self.is_away(),
            entries: of(&self.folder.entries),
            bytes: of(&self.folder.bytes),
            replayed: of(&self.replayed),
            refused: of(&self.refused),
            refused_calls: of(&self.folder.refused_calls),
        }
    }

    /// What was refused of these calls is not kept any more: their citizens were erased.
    pub fn forget(self: &Arc<Self>, calls: &BTreeSet<CallId>) {
        if self.folder.refused_calls.load(Ordering::Relaxed) == 0 {
            return;
        }
        let (folder, calls) = (Arc::clone(&self.folder), calls.clone());
        let forgetting = self.app.spawn_blocking(move || {
            for call in calls {
                if let Err(error) = folder.forget_refused(call) {
                    tracing::error!(%call, %error, "refused writes of an erased call cannot be deleted");
                }
            }
        });
        drop(forgetting);
    }

    /// Whether an error is one that waiting mends, and this disk may do better. SQLite's full disk is this one.
    fn can_wait(&self, error: &StoreError) -> bool {
        let is_elsewhere = !matches!(self.store.place(), Place::File(_));
        error.is_away() || (is_elsewhere && matches!(error, StoreError::DiskFull))
    }

    fn went_away(&self, error: &str) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::error!(
                error,
                "the database is away or does not keep up: calls go on, and what is to be written of them waits on this disk"
            );
        }
    }

    fn came_back(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::warn!("the database is back");
        }
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, BTreeMap<CallId, Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn append(&self, call: CallId, write: &Write) -> Result<(), SpoolError> {
        let line = line::of(write)?;
        self.folder.check_room(line.len() as u64, matches!(write, Write::Begin { .. }))?;
        loop {
            let mut file = self.lane(call)?.lock_owned().await;
            if file.is_none() {
                // All of it came into the database meanwhile.
                continue;
            }
            let folder = Arc::clone(&self.folder);
            let appended = self.app.spawn_blocking(move || match file.as_mut() {
                Some(file) => file.append(&folder, &line),
                None => Err(SpoolError::Stopping),
            });
            return appended.await.unwrap_or(Err(SpoolError::Stopping));
        }
    }

    /// The lane of a call, made where there is none.
    fn lane(&self, call: CallId) -> Result<Arc<Lane>, SpoolError> {
        let mut lanes = self.lanes();
        if let Some(lane) = lanes.get(&call) {
            return Ok(Arc::clone(lane));
        }
        if lanes.len() >= self.limits.calls_max {
            return Err(SpoolError::Full("more calls wait than may"));
        }
        let lane = Arc::new(Lane::new(Some(self.folder.new_file(call))));
        lanes.insert(call, Arc::clone(&lane));
        Ok(lane)
    }
}
