//! The database: calls with their legs, events and recordings, transcripts, tickets with revisions,
//! seats, the duty list, missed calls, callbacks, outbox and log, keys, audit.
//!
//! **What a method has returned is committed.** A write is one transaction: a spoken sentence, the
//! draft that it filled and the outbox row that announces it are all there or none is. The only
//! crate with sqlx.
//!
//! It is SQLite or PostgreSQL ([`Place`]); the code is one.
//!
//! Durability in SQLite: write-ahead log with `synchronous=NORMAL`. A crash of the process loses nothing that
//! was returned. A power cut may lose the last seconds but never damages the file; the alternative,
//! an fsync per commit, costs 5 to 10 ms each on ordinary disks, and what the last seconds held is
//! also in the recording. PostgreSQL does what its server is set to, by default an fsync per commit.

pub mod audit;
pub mod backup;
pub mod bus;
pub mod call_events;
pub mod callbacks;
pub mod calls;
pub mod changes;
mod check;
pub mod china;
pub mod citizens;
mod clock;
mod database;
pub mod duty;
mod error;
pub mod feed;
pub mod handling;
pub mod insight;
pub mod keys;
pub mod legs;
pub mod lookups;
pub mod missed;
pub mod once;
pub mod outbox;
pub mod passes;
pub mod past;
pub mod people;
pub mod place;
pub mod profile;
pub mod quality;
mod readers;
pub mod recordings;
pub mod repeats;
mod rows;
pub mod search;
pub mod seats;
mod sql;
pub mod tickets;
pub mod transcript;
mod writer;

pub use audit::{AuditChain, AuditEntry, AuditQuery};
pub use backup::{Counts, KnownRecording, Proof, Source};
pub use bus::{BUS_PARTS_MAX, BusListener, BusMessage, BusSender};
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
pub use changes::TicketChange;
pub use citizens::{
    CitizenData, CitizenNumber, EraseError, EraseReason, Erased, Erasure, RecordingToErase,
};
pub use duty::{Date, Department, DutyError, DutyExpert, DutyList, DutyTarget, Shift, Weekdays};
pub use error::{EditError, StoreError};
pub use feed::LogPage;
pub use handling::{
    EventOutcome, Handling, HandlingFilter, Heard, Said, Stage, Step, StepError, StepFault,
    StepKind, StepRow, TicketEvent, UnitLoad,
};
pub use insight::{CallGroup, CountedTicket, TicketGroup, TicketKind, TopicCount};
pub use keys::{Credential, KeyInfo, NewKey, OwnPassword, Role};
pub use legs::{LegBegin, LegEnd, LegRef, LegRole, LegRow};
pub use lookups::RecentCall;
pub use missed::{MissedCall, MissedEnd, MissedQuery, MissedState};
pub use once::{KeptAnswer, KeyClaim, Once, RequestClaim, RequestKey};
pub use outbox::{OutboxClaim, OutboxFailure, OutboxQuery, OutboxRow, OutboxState, OutboxTotals};
pub use passes::{Pass, PassEnd, PassKind, PassState};
pub use past::{ImportError, PastImport, PastImported, PastRow};
pub use people::{
    NewPerson, NewPersonSession, PersonChange, PersonError, PersonInfo, PersonSession,
};
pub use place::{DatabaseUrl, Place, UrlError};
pub use profile::{GoneNames, NamedYet, ProfileSaveError, SavedTable};
pub use quality::{
    CallToCheck, CheckedCall, FindingState, QualityCheck, QualityCursor, QualityFinding,
    QualityQuery, ReviewError, SeatQuality, Verdict, score_of,
};
pub use recordings::{
    DueRecording, KeptRecordings, Pause, RecordingEnd, RecordingInfo, RecordingKey, RecordingKind,
    RecordingRow,
};
pub use repeats::{LikelyRepeat, RecentAppeal};
pub use search::{FoundStatus, FoundTicket, PhoneEnd, TicketSearch, Words};
pub use seats::{
    LogIn, NewSeat, NewSession, SeatChange, SeatCredential, SeatError, SeatInfo, SeatRole,
    SeatSession, Skills,
};
pub use tickets::{Confirmed, Revision, TicketQuery, TicketRow, TicketStatus};
pub use transcript::{DraftUpdate, FinalSegment, Gap, Segment, Transcript};

use qingting_nlu::profile::KindName;
use qingting_nlu::repeats::Repeats;
use readers::Readers;
use sqlx::Connection;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

/// Rows in one page of a list.
pub const PAGE_ROWS_MAX: u32 = 500;

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: writer::Writer,
    readers: Readers,
    place: Place,
    /// The writer's thread; it ends when it is told to or when the last handle is gone.
    task: Mutex<JoinSet<()>>,
    passwords: keys::PasswordCheck,
    /// Compares tickets.
    ranks: Repeats,
    /// Request types under the city's names.
    kinds: RwLock<Arc<[KindName]>>,
    /// Whose calls these are.
    server: OnceLock<String>,
    /// Counts revocations and new passwords of this process.
    credentials: watch::Sender<u64>,
}

impl Store {
    /// Opens the database and brings its schema up to date; what waits for the index is put into it by
    /// [`Store::index_what_waits`]. SQLite's file is created with mode 0600 and
    /// its folder with 0700 where they are missing; a database of PostgreSQL must be there.
    pub async fn open(place: impl Into<Place>) -> Result<Self, StoreError> {
        let database = database::Database::new(place.into())?;
        let place = database.place().clone();
        let mut db = database.writer().await?;
        database.migrate(&mut db).await?;
        let readers = database.readers().await?;
        // A connection to a server lives in the runtime that made it: the writer makes its own.
        let db = match database.is_file() {
            true => Some(db),
            false => {
                drop(db.close().await);
                None
            }
        };
        let (writer, serve) = writer::Writer::new(database, db);
        let mut task = JoinSet::new();
        // Each statement goes to SQLite's thread and back: from a thread that only waits for it
        // this costs a third of what it costs a runtime with many workers.
        let alone = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let alone = alone.map_err(StoreError::Thread)?;
        task.spawn_blocking(move || alone.block_on(serve));
        let store = Self {
            inner: Arc::new(Inner {
                writer,
                readers,
                place,
                task: Mutex::new(task),
                passwords: keys::PasswordCheck::new(),
                ranks: Repeats::new(),
                kinds: RwLock::default(),
                server: OnceLock::new(),
                credentials: watch::Sender::new(0),
            }),
        };
        store.chain_what_waits().await?;
        Ok(store)
    }

    /// Lets the queued writes finish and closes the database. Without it nothing committed is lost
    /// either; SQLite's next start then reads the log. Other clones may still exist: their writes
    /// that come after this one are refused.
    pub async fn close(self) {
        self.inner.writer.stop();
        while self.inner.task.lock().await.join_next().await.is_some() {}
        self.inner.readers.close().await;
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// Writes that wait now; for metrics.
    pub fn writes_waiting(&self) -> usize {
        self.inner.writer.depth()
    }

    /// How long writes took, from the wish to the commit, in seconds.
    pub fn writes_took(&self) -> qingting_common::histogram::Snapshot {
        self.inner.writer.took()
    }

    /// Whether the database answers and its writer runs; for readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.inner.writer.is_stopped() {
            return Err(StoreError::Closed);
        }
        sqlx::query("SELECT 1").execute(self.readers()).await?;
        Ok(())
    }

    /// Milliseconds since 1970 by PostgreSQL's clock, which all servers of a cluster share.
    ///
    /// # Errors
    /// [`StoreError::Away`] and the like when it does not answer; of SQLite any.
    pub async fn shared_time(&self) -> Result<u64, StoreError> {
        let time: i64 = sqlx::query_scalar(bus::TIME).fetch_one(self.readers()).await?;
        Ok(time.unsigned_abs())
    }

    /// Takes the city's names of request types: tickets may bear them from now on, and no others.
    pub fn name_kinds(&self, kinds: &[KindName]) {
        *self.inner.kinds.write().unwrap_or_else(PoisonError::into_inner) = kinds.into();
    }

    /// Takes the name of the server that uses this handle: the calls that it begins are its own. Without a
    /// name all calls are. The first call counts.
    pub fn name_server(&self, name: String) {
        let _ = self.inner.server.set(name);
    }

    /// The name that was given.
    pub fn server_name(&self) -> Option<&str> {
        self.inner.server.get().map(String::as_str)
    }

    fn server(&self) -> Option<String> {
        self.inner.server.get().cloned()
    }

    fn kinds(&self) -> Arc<[KindName]> {
        self.inner.kinds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ranks(&self) -> &Repeats {
        &self.inner.ranks
    }

    fn readers(&self) -> &Readers {
        &self.inner.readers
    }

    async fn write<C: writer::Command>(&self, command: C) -> Result<C::Output, C::Error> {
        self.inner.writer.run(command).await
    }
}

#[cfg(test)]
mod tests;
