//! The database: calls with their legs, events and recordings, transcripts, tickets with revisions,
//! seats, the duty list, missed calls, callbacks, outbox, keys, audit.
//!
//! **What a method has returned is committed.** A write is one transaction: a spoken sentence, the
//! draft that it filled and the outbox row that announces it are all there or none is. The only
//! crate with sqlx.
//!
//! Durability: write-ahead log with `synchronous=NORMAL`. A crash of the process loses nothing that
//! was returned. A power cut may lose the last seconds but never damages the file; the alternative,
//! an fsync per commit, costs 5 to 10 ms each on ordinary disks, and what the last seconds held is
//! also in the recording.

pub mod audit;
pub mod call_events;
pub mod callbacks;
pub mod calls;
mod check;
pub mod china;
mod clock;
pub mod duty;
mod error;
pub mod keys;
pub mod legs;
pub mod lookups;
pub mod missed;
pub mod outbox;
pub mod passes;
pub mod recordings;
pub mod repeats;
mod rows;
pub mod seats;
pub mod tickets;
pub mod transcript;
mod writer;

pub use audit::{AuditEntry, AuditQuery};
pub use call_events::{CallEvent, EVENT_DETAIL_BYTES_MAX};
pub use callbacks::{
    AttemptEnd, AttemptRow, BeginAttempt, Begun, Campaign, CampaignCounts, CampaignError,
    CampaignState, Correction, CorrectionRow, Ended, FollowUp, FollowUpQuery, FollowUpResult,
    FollowUpState, Imported, NewFollowUp, Polled, Refusal, RefusalWhy, StoredAnswer,
};
pub use calls::{
    CallEnd, CallQuery, CallRoute, CallRow, CallState, CallerDialog, Direction, MediaQuality,
    NewCall, SERVER_RESTARTED,
};
pub use duty::{Date, Department, DutyExpert, DutyList, DutyTarget, Shift, Weekdays};
pub use error::{EditError, StoreError};
pub use keys::{Credential, KeyInfo, NewKey, Role};
pub use legs::{LegBegin, LegEnd, LegRef, LegRole, LegRow};
pub use lookups::RecentCall;
pub use missed::{MissedCall, MissedEnd, MissedQuery, MissedState};
pub use outbox::{OutboxClaim, OutboxFailure, OutboxQuery, OutboxRow, OutboxState, OutboxTotals};
pub use passes::{Pass, PassEnd, PassKind, PassState};
pub use recordings::{
    Pause, RecordingEnd, RecordingInfo, RecordingKey, RecordingKind, RecordingRow,
};
pub use repeats::{LikelyRepeat, RecentAppeal};
pub use seats::{
    NewSeat, NewSession, SeatChange, SeatCredential, SeatError, SeatInfo, SeatRole, SeatSession,
    Skills,
};
pub use tickets::{Confirmed, Revision, TicketQuery, TicketRow, TicketStatus};
pub use transcript::{DraftUpdate, FinalSegment, Gap, Segment, Transcript};

use qingting_nlu::profile::KindName;
use qingting_nlu::repeats::Repeats;
use sqlx::ConnectOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

/// Connections that read at the same time.
const READERS_MAX: u32 = 4;

/// How long a statement waits for another process's lock, e.g. a backup.
const BUSY_MS_MAX: u64 = 5_000;

/// Rows in one page of a list.
pub const PAGE_ROWS_MAX: u32 = 500;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: writer::Writer,
    readers: SqlitePool,
    path: PathBuf,
    /// The writer's thread; it ends when it is told to or when the last handle is gone.
    task: Mutex<JoinSet<()>>,
    passwords: keys::PasswordCheck,
    /// Compares tickets.
    ranks: Repeats,
    /// Request types under the city's names.
    kinds: OnceLock<Vec<KindName>>,
    /// Counts revocations and new passwords of this process.
    credentials: watch::Sender<u64>,
}

impl Store {
    /// Opens the file, creating it with mode 0600 and its folder with 0700 where they are missing,
    /// and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        create(path).map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(Duration::from_millis(BUSY_MS_MAX))
            .disable_statement_logging();
        let mut db = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .connect()
            .await
            .map_err(open)?;
        migrate(&mut db, path).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(open)?;
        let (writer, serve) = writer::Writer::new(db);
        let mut task = JoinSet::new();
        // Each statement goes to SQLite's thread and back: from a thread that only waits for it
        // this costs a third of what it costs a runtime with many workers.
        let alone = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let alone = alone.map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
        task.spawn_blocking(move || alone.block_on(serve));
        Ok(Self {
            inner: Arc::new(Inner {
                writer,
                readers,
                path: path.to_owned(),
                task: Mutex::new(task),
                passwords: keys::PasswordCheck::new(),
                ranks: Repeats::new(),
                kinds: OnceLock::new(),
                credentials: watch::Sender::new(0),
            }),
        })
    }

    /// Lets the queued writes finish and closes the file. Without it nothing committed is lost
    /// either; the next start then reads the log. Other clones may still exist: their writes
    /// that come after this one are refused.
    pub async fn close(self) {
        self.inner.writer.stop();
        while self.inner.task.lock().await.join_next().await.is_some() {}
        self.inner.readers.close().await;
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Writes that wait now; for metrics.
    pub fn writes_waiting(&self) -> usize {
        self.inner.writer.depth()
    }

    /// Whether the database answers and its writer runs; for readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.inner.writer.is_stopped() {
            return Err(StoreError::Closed);
        }
        sqlx::query("SELECT 1").execute(self.readers()).await?;
        Ok(())
    }

    /// Takes the city's names of request types: tickets may bear them from now on. The first call counts.
    pub fn name_kinds(&self, kinds: &[KindName]) {
        let _ = self.inner.kinds.set(kinds.to_vec());
    }

    fn kinds(&self) -> &[KindName] {
        self.inner.kinds.get().map_or(&[], Vec::as_slice)
    }

    fn ranks(&self) -> &Repeats {
        &self.inner.ranks
    }

    fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    async fn write<C: writer::Command>(&self, command: C) -> Result<C::Output, C::Error> {
        self.inner.writer.run(command).await
    }
}

/// SQLite gives its log the mode of the file, so the mode is set before SQLite sees it: a file that
/// holds telephone numbers is never readable by others, not even for a moment.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
}

async fn migrate(db: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    match MIGRATIONS.run(&mut *db).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => {
            Err(StoreError::NewerSchema { path: path.to_owned(), found, known })
        }
        Err(source) => Err(StoreError::Migrate { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests;
