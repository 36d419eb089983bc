//! What differs between the two databases: how they are opened, and how a write begins. Everything else is
//! SQL that both understand, through sqlx's driver that is chosen at run time:
//!
//! * values are `$1`, `$2`; of two one is chosen by `CASE`: neither `max(a, b)` nor `iif` is in PostgreSQL;
//! * an upsert names the table of the row that is there: `excluded` makes plain names ambiguous;
//! * `yes or no` is BOOLEAN in PostgreSQL and a number in SQLite ([`crate::rows::flag`]), and there are no
//!   unsigned numbers ([`crate::rows::number`]); sums are cast to BIGINT, which they are not in PostgreSQL.

use crate::error::{StoreError, code};
use crate::place::{DatabaseUrl, Place};
use crate::readers::Readers;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions, Executor, Row};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Connections of one server that read at the same time.
const READERS_MAX: u32 = 4;

/// How long a write waits for that of another process, and PostgreSQL's connection to be made.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);

/// Keeps with a server's connection which schema its statements were prepared on.
const REMEMBER_SCHEMA: &str = "SELECT set_config('qingting.schema',
    (SELECT max(version)::text FROM _sqlx_migrations), false)";

/// Whether that is the one that is there.
const IS_SAME_SCHEMA: &str =
    "SELECT current_setting('qingting.schema') = (SELECT max(version)::text FROM _sqlx_migrations)";

/// How long PostgreSQL keeps a transaction of a process that says nothing more: others wait for its lock.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The oldest PostgreSQL that the tests run on, as `server_version_num` says it.
const POSTGRES_MIN: u32 = 150_000;

/// Any number, as long as it is the same in all processes: whoever has this lock writes.
const WRITE_LOCK: i64 = 0x7169_6e67_7469_6e67;

static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

/// A database and how to reach it.
#[derive(Clone)]
pub(crate) struct Database {
    place: Place,
    options: AnyConnectOptions,
}

impl Database {
    /// Makes SQLite's file where it is missing. Nothing is connected yet.
    pub(crate) fn new(place: Place) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options = match &place {
            Place::File(path) => {
                create(path)
                    .map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
                let url = SqliteConnectOptions::new().filename(path).to_url_lossy();
                let options = AnyConnectOptions::from_url(&url);
                options.map_err(|source| StoreError::Open { path: path.to_owned(), source })?
            }
            Place::Server(url) => url.options().clone(),
        };
        Ok(Self { place, options: options.disable_statement_logging() })
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) const fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// The steps of the schema, in the order of their numbers, which both databases share.
    pub(crate) fn migrations(&self) -> &'static Migrator {
        migrations(self.is_file())
    }

    /// The schema that this program brings a database to.
    pub(crate) fn newest(&self) -> i64 {
        newest(self.is_file())
    }

    /// Begins a transaction that writes, and a savepoint in it. **Writes come one after the other, whoever
    /// writes**: SQLite has one writer, in PostgreSQL each takes the same lock first and sees what those
    /// before it have committed. So what is decided by reading and then writing is right without more.
    pub(crate) fn begin(&self) -> String {
        match self.place {
            Place::File(_) => "BEGIN IMMEDIATE; SAVEPOINT command".to_owned(),
            Place::Server(_) => {
                format!("BEGIN; SELECT pg_advisory_xact_lock({WRITE_LOCK}); SAVEPOINT command")
            }
        }
    }

    /// A connection that writes, once it is known that the database is ours.
    pub(crate) async fn writer(&self) -> Result<AnyConnection, StoreError> {
        let how = if self.is_file() {
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"
        } else {
            ""
        };
        self.connection(how).await
    }

    /// A connection that leaves a file as it is.
    pub(crate) async fn visitor(&self) -> Result<AnyConnection, StoreError> {
        self.connection("").await
    }

    async fn connection(&self, how: &'static str) -> Result<AnyConnection, StoreError> {
        let connected = async {
            let mut db = self.options.connect().await?;
            db.execute(AssertSqlSafe(self.session())).await?;
            if !how.is_empty() {
                db.execute(how).await?;
            }
            Ok(db)
        };
        match tokio::time::timeout(WAIT_MAX, connected).await {
            Ok(connected) => connected.map_err(|source| self.refused(source)),
            Err(_) => Err(self.refused(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
        }
    }

    /// Connections that only read.
    pub(crate) async fn readers(&self) -> Result<Readers, StoreError> {
        let reads_only = match self.place {
            Place::File(_) => "PRAGMA query_only = ON",
            Place::Server(_) => "SET default_transaction_read_only = on",
        };
        let mut session = format!("{}; {reads_only}", self.session());
        let mut pool = AnyPoolOptions::new().max_connections(READERS_MAX);
        // A file's readers wait for each other alone.
        if !self.is_file() {
            session = format!("{session}; {REMEMBER_SCHEMA}");
            // It says as well whether the connection stands.
            pool = pool
                .acquire_timeout(WAIT_MAX)
                .test_before_acquire(false)
                .before_acquire(|db, _| Box::pin(sqlx::query_scalar(IS_SAME_SCHEMA).fetch_one(db)));
        }
        pool.after_connect(move |db, _| {
            let session = session.clone();
            Box::pin(async move { db.execute(AssertSqlSafe(session)).await.map(drop) })
        })
        .connect_with(self.options.clone())
        .await
        .map(Readers::new)
        .map_err(|source| self.refused(source))
    }

    fn session(&self) -> String {
        let wait = WAIT_MAX.as_millis();
        match self.place {
            Place::File(_) => format!("PRAGMA busy_timeout = {wait}; PRAGMA foreign_keys = ON"),
            Place::Server(_) => format!(
                "SET lock_timeout = {wait}; SET client_min_messages = 'warning';
                 SET idle_in_transaction_session_timeout = {}",
                SILENCE_MAX.as_millis(),
            ),
        }
    }

    /// Brings the schema up to date. Of several processes that begin at once one does it, and of a server nobody writes
    /// meanwhile: a step and a write that met in the middle would wait for each other.
    pub(crate) async fn migrate(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        if let Place::Server(url) = &self.place {
            check_server(url, db).await?;
        }
        let migrations = self.migrations();
        let place = || self.place.to_string();
        let migrate =
            |source: sqlx::Error| StoreError::Migrate { place: place(), source: source.into() };
        if !self.is_file() {
            let lock = AssertSqlSafe(format!("SELECT pg_advisory_lock({WRITE_LOCK})"));
            db.execute(lock).await.map_err(migrate)?;
        }
        let outcome = migrations.run(&mut *db).await;
        let unlocked = if self.is_file() {
            Ok(())
        } else {
            let unlock = AssertSqlSafe(format!("SELECT pg_advisory_unlock({WRITE_LOCK})"));
            db.execute(unlock).await.map(drop).map_err(migrate)
        };
        // What a step failed of is told before the lock that went with its connection.
        match outcome {
            Ok(()) => unlocked,
            // A newer program was here; it has left word whether this one fits still.
            Err(MigrateError::VersionMissing(found)) if !self.runs_on_newer(db).await => {
                Err(StoreError::NewerSchema { place: place(), found, known: self.newest() })
            }
            Err(MigrateError::VersionMissing(found)) => {
                let known = self.newest();
                tracing::warn!(
                    found,
                    known,
                    "the database is a newer program's; this one runs on it"
                );
                unlocked
            }
            Err(source) => Err(StoreError::Migrate { place: place(), source }),
        }
    }

    /// Whether a newer schema keeps all that this program needs, and has all of its own steps. Changes nothing.
    pub(crate) async fn runs_on_newer(&self, db: &mut AnyConnection) -> bool {
        let known = self.newest();
        // A database without the table is of no program that knew of it.
        let oldest: Result<i64, _> =
            sqlx::query_scalar("SELECT oldest FROM schema_floor").fetch_one(&mut *db).await;
        let done = "SELECT count(*) FROM _sqlx_migrations WHERE success AND version <= $1";
        let done: Result<i64, _> = sqlx::query_scalar(done).bind(known).fetch_one(&mut *db).await;
        let own = self.migrations().iter().count();
        oldest.is_ok_and(|oldest| oldest <= known)
            && done.is_ok_and(|done| usize::try_from(done) == Ok(own))
    }

    fn refused(&self, source: sqlx::Error) -> StoreError {
        match &self.place {
            Place::File(path) => StoreError::Open { path: path.clone(), source },
            Place::Server(url) => {
                let server = url.to_string();
                // Class 28: who it is; class 3D: no such database; 42501: not allowed.
                let is_refusal = |code: &str| {
                    code.starts_with("28") || code.starts_with("3D") || code == "42501"
                };
                match code(&source).is_some_and(|code| is_refusal(&code)) {
                    true => StoreError::Refused { server, source },
                    false => StoreError::Unreachable { server, source },
                }
            }
        }
    }
}

/// The newest step of the schema that is there. **A newer program may bring it up to date while this one runs**: what was
/// prepared for a table with fewer columns PostgreSQL refuses from then on, and the connection has to be replaced.
pub(crate) async fn schema(db: &mut AnyConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(db).await
}

fn migrations(is_file: bool) -> &'static Migrator {
    if is_file { &SQLITE } else { &POSTGRES }
}

/// The schema that this program brings such a database to.
pub(crate) fn newest(is_file: bool) -> i64 {
    migrations(is_file).iter().map(|step| step.version).max().unwrap_or_default()
}

async fn check_server(url: &DatabaseUrl, db: &mut AnyConnection) -> Result<(), StoreError> {
    let unfit = |why| Err(StoreError::Unfit { server: url.to_string(), why });
    let row = sqlx::query(
        "SELECT current_setting('server_version_num') AS number,
            current_setting('server_version') AS version,
            current_setting('server_encoding') AS encoding",
    )
    .fetch_one(db)
    .await?;
    let number: String = row.try_get("number")?;
    if number.parse().is_ok_and(|number: u32| number < POSTGRES_MIN) {
        let (version, min) = (row.try_get::<String, _>("version")?, POSTGRES_MIN / 10_000);
        return unfit(format!("is PostgreSQL {version}; {min} or newer is needed"));
    }
    let encoding: String = row.try_get("encoding")?;
    if encoding != "UTF8" {
        return unfit(format!("keeps text as {encoding}; create it with ENCODING 'UTF8'"));
    }
    Ok(())
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
