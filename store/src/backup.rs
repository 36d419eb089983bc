//! A database as a backup sees it: read beside whoever writes, its schema left as it is.
//!
//! **What is copied and what is counted is the database of one moment**: of SQLite the copy is counted, of
//! PostgreSQL the transaction whose snapshot `pg_dump` takes over.

use crate::database::{self, Database};
use crate::error::StoreError;
use crate::place::Place;
use crate::{audit, clock, rows};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row};
use std::path::Path;

/// The oldest schema that is read.
const SCHEMA_MIN: i64 = 9;

/// The first schema that has past tickets.
const SCHEMA_OF_PAST_TICKETS: i64 = 10;
/// The first schema that knows which lines of the audit are older than its chain.
const SCHEMA_OF_MARK: i64 = 22;

/// What a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls.
    pub calls: u64,
    /// Tickets of our own.
    pub tickets: u64,
    /// Imported ones of another system.
    pub past_tickets: u64,
    /// Recordings that were not deleted.
    pub recordings: u64,
}

/// What tells whether a recording is the one that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The head of an encrypted recording's chain, in hex.
    Chain(String),
    /// SHA-256 of a plain recording, in hex.
    Sha256(String),
}

/// A recording that the database knows and nobody deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRecording {
    /// Its path below the folder of recordings.
    pub file: String,
    /// None while its call runs, and of one that a crash left.
    pub proof: Option<Proof>,
    /// The key that it is encrypted with, where it is known.
    pub key_id: Option<String>,
}

/// A database that was there before, whatever schema it has.
pub struct Source {
    database: Database,
    db: AnyConnection,
    schema: i64,
}

impl Source {
    /// Opens a database of this or an earlier version of the product.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`]; [`StoreError::Empty`] where nothing of the product is.
    pub async fn open(place: Place) -> Result<Self, StoreError> {
        let database = Database::new(place)?;
        let mut db = database.visitor().await?;
        let unfit = |why| StoreError::Unfit { server: database.place().to_string(), why };
        if is_empty(&database, &mut db).await? {
            return Err(StoreError::Empty { place: database.place().to_string() });
        }
        let schema = "SELECT max(version) FROM _sqlx_migrations WHERE success";
        let schema: Option<i64> = sqlx::query_scalar(schema).fetch_one(&mut db).await?;
        let (found, known) = (schema.unwrap_or_default(), database.newest());
        if found > known && !database.runs_on_newer(&mut db).await {
            let place = database.place().to_string();
            return Err(StoreError::NewerSchema { place, found, known });
        }
        if found < SCHEMA_MIN {
            return Err(unfit(format!(
                "has schema version {found}, of which no backup is made: start the server of this version \
                 once, which brings it up to date"
            )));
        }
        Ok(Self { database, db, schema: found })
    }

    /// Its schema's number.
    pub const fn schema(&self) -> i64 {
        self.schema
    }

    /// Writes a line of the audit, as [`crate::Store::audit`] does.
    pub async fn note(&mut self, by: &str, action: &str, subject: &str) -> Result<(), StoreError> {
        self.db.execute(AssertSqlSafe(self.database.begin())).await?;
        let (db, at) = (&mut self.db, clock::now());
        let noted = match self.schema >= SCHEMA_OF_MARK {
            true => audit::insert(db, at, by, action, subject).await,
            false => audit::insert_unchained(db, at, by, action, subject).await,
        };
        let end = if noted.is_ok() { "RELEASE command; COMMIT" } else { "ROLLBACK" };
        self.db.execute(end).await?;
        noted
    }

    /// Copies SQLite's database of this moment into a new file, beside whoever writes.
    pub async fn copy_to(&mut self, file: &Path) -> Result<(), StoreError> {
        let path = file.to_string_lossy().into_owned();
        sqlx::query("VACUUM INTO $1").bind(path).execute(&mut self.db).await?;
        Ok(())
    }

    /// PostgreSQL's database of this moment is what this connection reads from now on; gives the name by which
    /// `pg_dump` reads the same.
    pub async fn freeze(&mut self) -> Result<String, StoreError> {
        // Nobody waits for it: it writes nothing.
        self.db.execute("SET idle_in_transaction_session_timeout = 0").await?;
        self.db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let name = sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&mut self.db);
        Ok(name.await?)
    }

    /// Ends what [`Source::freeze`] began: this connection sees what is written again.
    pub async fn thaw(&mut self) -> Result<(), StoreError> {
        self.db.execute("COMMIT").await?;
        Ok(())
    }

    /// Whether a recording was deleted by now.
    pub async fn is_deleted(&mut self, file: &str) -> Result<bool, StoreError> {
        let kept = "SELECT count(*) FROM recordings WHERE file = $1 AND deleted_at IS NULL";
        let kept: i64 = sqlx::query_scalar(kept).bind(file).fetch_one(&mut self.db).await?;
        Ok(kept == 0)
    }

    /// What it holds.
    pub async fn counts(&mut self) -> Result<Counts, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM calls) AS calls, (SELECT count(*) FROM tickets) AS tickets,
                (SELECT count(*) FROM recordings WHERE deleted_at IS NULL) AS recordings",
        )
        .fetch_one(&mut self.db)
        .await?;
        let count = |column: &str| Ok::<_, StoreError>(rows::unsigned(row.try_get(column)?));
        let past: i64 = match self.schema >= SCHEMA_OF_PAST_TICKETS {
            true => {
                let past = sqlx::query_scalar("SELECT count(*) FROM past_tickets");
                past.fetch_one(&mut self.db).await?
            }
            false => 0,
        };
        Ok(Counts {
            calls: count("calls")?,
            tickets: count("tickets")?,
            past_tickets: rows::unsigned(past),
            recordings: count("recordings")?,
        })
    }

    /// Whether there is a campaign of that name or id that is not stopped.
    pub async fn has_campaign(&mut self, which: &str) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM campaigns WHERE (name = $1 OR id = $1) AND state <> 'stopped'",
        )
        .bind(which)
        .fetch_optional(&mut self.db)
        .await?;
        Ok(row.is_some())
    }

    /// Recordings of a server's calls and of those that are nobody's, by file; without a name all.
    pub async fn recordings(
        &mut self,
        server: Option<&str>,
    ) -> Result<Vec<KnownRecording>, StoreError> {
        sqlx::query(
            "SELECT file, key_id, chain_head, sha256, bytes FROM recordings
             JOIN calls ON calls.id = call_id
             WHERE deleted_at IS NULL AND ($1 IS NULL OR server IS NULL OR server = $1) ORDER BY file",
        )
        .bind(server)
        .fetch_all(&mut self.db)
        .await?
        .iter()
        .map(known)
        .collect()
    }

    /// The version of PostgreSQL, such as 17.
    pub async fn server_major(&mut self) -> Result<u32, StoreError> {
        let number = "SELECT current_setting('server_version_num')";
        let number: String = sqlx::query_scalar(number).fetch_one(&mut self.db).await?;
        Ok(number.parse::<u32>().unwrap_or_default() / 10_000)
    }

    /// Lets it go.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.db.close().await?)
    }
}

/// The schema that this program brings a database of that kind to.
pub fn newest_schema(place: &Place) -> i64 {
    database::newest(matches!(place, Place::File(_)))
}

/// Whether a database of a server has nothing in it, and which version of PostgreSQL has it.
///
/// # Errors
/// [`StoreError::Unreachable`], [`StoreError::Refused`].
pub async fn look(place: &Place) -> Result<(bool, u32), StoreError> {
    let database = Database::new(place.clone())?;
    let mut db = database.visitor().await?;
    let empty = is_empty(&database, &mut db).await?;
    let mut source = Source { database, db, schema: 0 };
    let major = source.server_major().await?;
    source.close().await?;
    Ok((empty, major))
}

async fn is_empty(database: &Database, db: &mut AnyConnection) -> Result<bool, StoreError> {
    let tables = match database.is_file() {
        true => "SELECT count(*) FROM sqlite_schema",
        false => {
            "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        }
    };
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(db).await?;
    Ok(tables == 0)
}

fn known(row: &AnyRow) -> Result<KnownRecording, StoreError> {
    let is_finished = row.try_get::<Option<i64>, _>("bytes")?.is_some();
    let chain: Option<String> = row.try_get("chain_head")?;
    let sha256: Option<String> = row.try_get("sha256")?;
    let proof = chain.map(Proof::Chain).or(sha256.map(Proof::Sha256));
    Ok(KnownRecording {
        file: row.try_get("file")?,
        proof: proof.filter(|_| is_finished),
        key_id: row.try_get("key_id")?,
    })
}
