//! One task owns the only connection that writes.
//!
//! Commands that wait are run in one transaction, each in its own savepoint: a commit to the log
//! costs the same for one command as for a hundred, and a command that fails undoes only itself.
//! When the group as a whole fails (a full disk rolls back everything in SQLite), each command is
//! run again alone, so that each learns its own fate. A caller hears of success after the commit.

use crate::error::StoreError;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Commands in one transaction.
const GROUP_COMMANDS_MAX: usize = 256;

/// Commands waiting for the writer.
const QUEUE_COMMANDS_MAX: usize = 4_096;

/// How long a caller waits for a place in a full queue.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A write. `run` may be called twice, the second time after a rollback of the first: it must
/// depend on nothing but itself and the database.
pub(crate) trait Command: Send + Sync + 'static {
    type Output: Send + 'static;
    type Error: From<StoreError> + Send + 'static;

    fn run(
        &self,
        db: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

/// The way to the writer.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    stop: Arc<Notify>,
}

impl Writer {
    /// The handle, and the task to run until it is stopped or the last handle is gone.
    pub(crate) fn new(db: SqliteConnection) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, jobs) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let stop = Arc::new(Notify::new());
        (Self { queue, stop: stop.clone() }, serve(db, jobs, stop))
    }

    /// Runs a command and returns after its commit.
    pub(crate) async fn run<C: Command>(&self, command: C) -> Result<C::Output, C::Error> {
        let (reply, outcome) = oneshot::channel();
        let job = Box::new(Queued { command, outcome: None, reply });
        match self.queue.send_timeout(job, QUEUE_WAIT_MAX).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                return Err(StoreError::Overloaded.into());
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return Err(StoreError::Closed.into()),
        }
        outcome.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
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
    fn attempt<'a>(&'a mut self, db: &'a mut SqliteConnection) -> BoxFuture<'a, bool>;
    /// Tells the caller the outcome.
    fn deliver(self: Box<Self>);
    /// Tells the caller that the transaction failed.
    fn fail(self: Box<Self>, error: StoreError);
}

struct Queued<C: Command> {
    command: C,
    outcome: Option<Result<C::Output, C::Error>>,
    reply: oneshot::Sender<Result<C::Output, C::Error>>,
}

impl<C: Command> Job for Queued<C> {
    fn attempt<'a>(&'a mut self, db: &'a mut SqliteConnection) -> BoxFuture<'a, bool> {
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
        let _ = self.reply.send(Err(error.into()));
    }
}

async fn serve(
    mut db: SqliteConnection,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    stop: Arc<Notify>,
) {
    let mut group = Vec::with_capacity(GROUP_COMMANDS_MAX);
    loop {
        tokio::select! {
            biased;
            () = stop.notified() => {
                jobs.close();
                continue;
            }
            received = jobs.recv_many(&mut group, GROUP_COMMANDS_MAX) => {
                if received == 0 {
                    break;
                }
            }
        }
        if group.len() > 1 && together(&mut db, &mut group).await.is_ok() {
            group.drain(..).for_each(|job| job.deliver());
            continue;
        }
        for job in group.drain(..) {
            alone(&mut db, job).await;
        }
    }
    if let Err(error) = db.close().await {
        tracing::warn!(%error, "the database was not closed cleanly; the next start recovers its log");
    }
}

/// One transaction for all; on error nothing of it is kept.
async fn together(
    db: &mut SqliteConnection,
    group: &mut [Box<dyn Job>],
) -> Result<(), sqlx::Error> {
    let outcome = async {
        let last = group.len() - 1;
        db.execute("BEGIN IMMEDIATE; SAVEPOINT command").await?;
        for (number, job) in group.iter_mut().enumerate() {
            // One step to SQLite's thread where the statements need no answer in between.
            let steps = match (job.attempt(db).await, number == last) {
                (true, false) => "RELEASE command; SAVEPOINT command",
                (true, true) => "RELEASE command; COMMIT",
                (false, false) => "ROLLBACK TO command",
                (false, true) => "ROLLBACK TO command; RELEASE command; COMMIT",
            };
            db.execute(steps).await?;
        }
        Ok(())
    }
    .await;
    if outcome.is_err() {
        roll_back(db).await;
    }
    outcome
}

async fn alone(db: &mut SqliteConnection, mut job: Box<dyn Job>) {
    if let Err(error) = db.execute("BEGIN IMMEDIATE").await {
        return job.fail(error.into());
    }
    if !job.attempt(db).await {
        roll_back(db).await;
        return job.deliver();
    }
    match db.execute("COMMIT").await {
        Ok(_) => job.deliver(),
        Err(error) => {
            roll_back(db).await;
            job.fail(error.into());
        }
    }
}

async fn roll_back(db: &mut SqliteConnection) {
    // SQLite rolls back by itself on a full disk; then there is nothing left to undo and this is
    // an error without meaning.
    let _ = db.execute("ROLLBACK").await;
}
