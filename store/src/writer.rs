//! One task owns the only connection that writes.
//!
//! Commands that wait are run in one transaction, each in its own savepoint: a commit to the log
//! costs the same for one command as for a hundred, and a command that fails undoes only itself.
//! When the group as a whole fails (a full disk rolls back everything in SQLite), each command is
//! run again alone, so that each learns its own fate. A caller hears of success after the commit.
//!
//! A server's connection may break. What certainly was not kept may be done again on a new one; **a write
//! whose commit was under way is reported as [`StoreError::Unknown`] and never repeated here.** So is what failed because a
//! newer program has changed the schema meanwhile: the statements that were prepared before fit it no more.

use crate::database::{Database, WAIT_MAX, schema};
use crate::error::{StoreError, is_busy, is_leaving};
use qingting_common::Histogram;
use qingting_common::histogram::Snapshot;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

/// Commands in one transaction.
const GROUP_COMMANDS_MAX: usize = 256;

/// The same on a server, where each statement is a way through the network and others wait for the lock.
const SERVER_GROUP_COMMANDS_MAX: usize = 64;

/// Commands waiting for the writer.
const QUEUE_COMMANDS_MAX: usize = 4_096;

/// How long a caller waits for a place in a full queue.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a server may take for one group, whose first wait is for the lock.
const SERVER_ANSWER_MAX: Duration = Duration::from_secs(30);
const _: () = assert!(SERVER_ANSWER_MAX.as_secs() > 2 * WAIT_MAX.as_secs());

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A write. `run` may be called twice, the second time after a rollback of the first: it must
/// depend on nothing but itself and the database.
pub(crate) trait Command: Send + Sync + 'static {
    type Output: Send + 'static;
    type Error: From<StoreError> + Send + 'static;

    fn run(
        &self,
        db: &mut AnyConnection,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

/// The way to the writer.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    stop: Arc<Notify>,
    took: Arc<Histogram<10>>,
}

/// How long writes may take, in seconds: from the wish to the commit.
const SECONDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

impl Writer {
    /// The handle, and the task to run until it is stopped or the last handle is gone.
    /// `db` is the connection that writes; without one it is made for the first write.
    pub(crate) fn new(
        database: Database,
        db: Option<AnyConnection>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, jobs) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let stop = Arc::new(Notify::new());
        let session = Session { database, db, schema: None };
        let took = Arc::new(Histogram::new(SECONDS));
        (Self { queue, stop: stop.clone(), took }, serve(session, jobs, stop))
    }

    /// Runs a command and returns after its commit.
    pub(crate) async fn run<C: Command>(&self, command: C) -> Result<C::Output, C::Error> {
        let began = Instant::now();
        let (reply, outcome) = oneshot::channel();
        let job = Box::new(Queued { command, outcome: None, reply });
        match self.queue.send_timeout(job, QUEUE_WAIT_MAX).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                return Err(StoreError::Overloaded.into());
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return Err(StoreError::Closed.into()),
        }
        let outcome = outcome.await.unwrap_or_else(|_| Err(StoreError::Closed.into()));
        self.took.record(began.elapsed().as_secs_f64());
        outcome
    }

    /// How long writes took, those included that failed.
    pub(crate) fn took(&self) -> Snapshot {
        self.took.snapshot()
    }

    /// Refuses commands from now on; those that wait are still run.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Whether the writer's task has ended or is about to.
    pub(crate) fn is_stopped(&self) -> bool {
        self.queue.is_closed()
    }

    /// Commands waiting now.
    pub(crate) fn depth(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

/// A command with its caller, its types erased.
trait Job: Send {
    /// Runs the command and keeps the outcome; true when it succeeded.
    fn attempt<'a>(&'a mut self, db: &'a mut AnyConnection) -> BoxFuture<'a, bool>;
    /// Tells the caller the outcome.
    fn deliver(self: Box<Self>);
    /// Tells the caller its own error or, if it has none, that the transaction failed.
    fn fail(self: Box<Self>, error: StoreError);
}

struct Queued<C: Command> {
    command: C,
    outcome: Option<Result<C::Output, C::Error>>,
    reply: oneshot::Sender<Result<C::Output, C::Error>>,
}

impl<C: Command> Job for Queued<C> {
    fn attempt<'a>(&'a mut self, db: &'a mut AnyConnection) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let outcome = self.command.run(db).await;
            let succeeded = outcome.is_ok();
            self.outcome = Some(outcome);
            succeeded
        })
    }

    fn deliver(self: Box<Self>) {
        let outcome = self.outcome.unwrap_or_else(|| Err(StoreError::Closed.into()));
        // A caller that went away does not undo what it asked for.
        let _ = self.reply.send(outcome);
    }

    fn fail(self: Box<Self>, error: StoreError) {
        let outcome = match self.outcome {
            Some(Err(own)) => Err(own),
            _ => Err(error.into()),
        };
        let _ = self.reply.send(outcome);
    }
}

async fn serve(mut session: Session, mut jobs: mpsc::Receiver<Box<dyn Job>>, stop: Arc<Notify>) {
    let commands_max = match session.database.is_file() {
        true => GROUP_COMMANDS_MAX,
        false => SERVER_GROUP_COMMANDS_MAX,
    };
    let mut group = Vec::with_capacity(commands_max);
    loop {
        tokio::select! {
            biased;
            () = stop.notified() => {
                jobs.close();
                continue;
            }
            received = jobs.recv_many(&mut group, commands_max) => {
                if received == 0 {
                    break;
                }
            }
        }
        session.run(&mut group).await;
    }
    session.close().await;
}

/// Why a transaction failed.
enum Failure {
    /// Nothing of it was kept.
    Undone(sqlx::Error),
    /// There was no transaction to begin with, and there will be none for the next command.
    NotBegun {
        /// Whether another process was writing all the time.
        is_busy: bool,
        cause: String,
    },
    /// The connection broke when the commit was under way.
    Unknown(String),
    /// The schema is another than when the connection was made: nothing of it was kept, and it is done on a new one.
    OtherSchema,
}

/// The connection that writes; a server's is replaced when it breaks.
struct Session {
    database: Database,
    db: Option<AnyConnection>,
    /// Of a server: the newest step of its schema when the connection was made.
    schema: Option<i64>,
}

impl Session {
    /// Runs commands and tells their callers; none is left in the group.
    async fn run(&mut self, group: &mut Vec<Box<dyn Job>>) {
        if group.len() > 1 {
            match self.transaction(group).await {
                Ok(()) => return group.drain(..).for_each(|job| job.deliver()),
                // Alone, each learns its own fate.
                Err(Failure::Undone(_) | Failure::OtherSchema) => {}
                Err(Failure::NotBegun { is_busy, cause }) => {
                    return not_begun(group.drain(..), is_busy, &cause);
                }
                Err(Failure::Unknown(cause)) => {
                    return group
                        .drain(..)
                        .for_each(|job| job.fail(StoreError::Unknown(cause.clone())));
                }
            }
        }
        let mut jobs = group.drain(..);
        while let Some(mut job) = jobs.next() {
            match self.transaction(std::slice::from_mut(&mut job)).await {
                Ok(()) => job.deliver(),
                Err(Failure::Undone(error)) => job.fail(error.into()),
                // It has changed again meanwhile: the next try may meet none.
                Err(Failure::OtherSchema) => job.fail(StoreError::Overloaded),
                Err(Failure::Unknown(cause)) => job.fail(StoreError::Unknown(cause)),
                Err(Failure::NotBegun { is_busy, cause }) => {
                    return not_begun(std::iter::once(job).chain(jobs), is_busy, &cause);
                }
            }
        }
    }

    /// One transaction for all.
    async fn transaction(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        if self.database.is_file() {
            return self.steps(group).await;
        }
        let steps = async {
            match self.steps(group).await {
                Err(Failure::OtherSchema) => self.steps(group).await,
                outcome => outcome,
            }
        };
        match tokio::time::timeout(SERVER_ANSWER_MAX, steps).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.db = None;
                Err(Failure::Unknown("no answer".to_owned()))
            }
        }
    }

    async fn steps(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let (db, schema) = self.begin().await?;
        let last = group.len() - 1;
        for (number, job) in group.iter_mut().enumerate() {
            let succeeded = job.attempt(db).await;
            if !succeeded && is_other(db, schema).await {
                self.roll_back().await;
                self.db = None;
                return Err(Failure::OtherSchema);
            }
            // One step where the statements need no answer in between.
            let steps = match (succeeded, number == last) {
                (true, false) => "RELEASE command; SAVEPOINT command",
                (true, true) => "RELEASE command; COMMIT",
                (false, false) => "ROLLBACK TO command",
                (false, true) => "ROLLBACK TO command; RELEASE command; COMMIT",
            };
            if let Err(error) = db.execute(steps).await {
                self.roll_back().await;
                return Err(match number == last && is_silence(&error) {
                    true => Failure::Unknown(error.to_string()),
                    false => Failure::Undone(error),
                });
            }
        }
        Ok(())
    }

    /// A transaction. A connection may have died while nobody used it: nothing was asked of it yet, so
    /// that a new one can be asked.
    async fn begin(&mut self) -> Result<(&mut AnyConnection, Option<i64>), Failure> {
        let begin = self.database.begin();
        if let Some(db) = &mut self.db {
            match db.execute(AssertSqlSafe(begin.as_str())).await {
                Ok(_) => {}
                Err(error) if is_silence(&error) => self.db = None,
                Err(error) => {
                    self.roll_back().await;
                    return Err(error.into());
                }
            }
        }
        let db = match self.db.take() {
            Some(db) => db,
            None => {
                let mut db = self.database.writer().await.map_err(|error| Failure::NotBegun {
                    is_busy: false,
                    cause: error.to_string(),
                })?;
                if !self.database.is_file() {
                    self.schema = Some(schema(&mut db).await?);
                }
                db.execute(AssertSqlSafe(begin)).await?;
                db
            }
        };
        Ok((self.db.insert(db), self.schema))
    }

    /// Undoes what is left of a transaction. SQLite rolls back by itself on a full disk; then there is
    /// nothing left to undo and its error has no meaning. A server that does not even roll back has lost
    /// the connection.
    async fn roll_back(&mut self) {
        let Some(db) = &mut self.db else { return };
        if db.execute("ROLLBACK").await.is_err() && !self.database.is_file() {
            self.db = None;
        }
    }

    async fn close(self) {
        let Some(db) = self.db else { return };
        if let Err(error) = db.close().await {
            tracing::warn!(%error, "the database was not closed cleanly; SQLite's next start recovers its log");
        }
    }
}

/// A transaction did not begin.
impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::NotBegun { is_busy: is_busy(&error), cause: error.to_string() }
    }
}

fn not_begun(jobs: impl Iterator<Item = Box<dyn Job>>, is_busy: bool, cause: &str) {
    jobs.for_each(|job| match is_busy {
        true => job.fail(StoreError::Overloaded),
        false => job.fail(StoreError::Away(cause.to_owned())),
    });
}

/// Whether a server's schema is not this one any more, asked after a command failed.
async fn is_other(db: &mut AnyConnection, known: Option<i64>) -> bool {
    let Some(known) = known else { return false };
    if db.execute("ROLLBACK TO command").await.is_err() {
        return false;
    }
    schema(db).await.is_ok_and(|now| now != known)
}

/// Whether the database did not answer, or only said that it is leaving: what it did with the last
/// statement is not known then.
fn is_silence(error: &sqlx::Error) -> bool {
    !matches!(error, sqlx::Error::Database(_)) || is_leaving(error)
}
