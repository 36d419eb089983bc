//! What can go wrong between the product and its database, and how to mend it.

use qingting_nlu::draft::Field;
use std::path::PathBuf;

/// SQLite's primary result code for a full disk or a reached `max_page_count`.
const SQLITE_FULL: i64 = 13;

/// PostgreSQL's codes (SQLSTATE) have five characters, SQLite's never more than four digits.
const SQLSTATE_CHARS: usize = 5;

/// A failure of the store. Messages never hold personal data.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder cannot be made or opened.
    #[error(
        "cannot create {path:?}: {source}. Check that the folder exists, belongs to this user and is writable"
    )]
    Create {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The thread that writes cannot begin.
    #[error("cannot begin the thread that writes: {0}. Check the limits of this user")]
    Thread(#[source] std::io::Error),
    /// SQLite refuses the file.
    #[error(
        "cannot open the database {path:?}: {source}. Check that it is a Qingting database and not in use by another program that locks it; if it is damaged, restore a backup"
    )]
    Open {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// Nobody answers at the server's address.
    #[error(
        "cannot connect to the database {server}: {source}. Check that PostgreSQL runs there and lets this machine in (listen_addresses, pg_hba.conf)"
    )]
    Unreachable {
        /// Host, port and database.
        server: String,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The server does not let this user in, or there is no such database.
    #[error(
        "the database {server} lets this user not in: {source}. Check user, password and name, and that the user owns the database"
    )]
    Refused {
        /// Host, port and database.
        server: String,
        /// What PostgreSQL said.
        source: sqlx::Error,
    },
    /// The server cannot hold what the product keeps.
    #[error("the database {server} {why}")]
    Unfit {
        /// Host, port and database.
        server: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Nothing of the product is in the database.
    #[error("the database {place} holds nothing of Qingting")]
    Empty {
        /// Path, or host, port and database.
        place: String,
    },
    /// The database was written by a later version of the product.
    #[error(
        "the database {place} has schema version {found}, this program knows up to {known}. Run the newer program, or restore the backup made before the upgrade"
    )]
    NewerSchema {
        /// Where it is.
        place: String,
        /// The unknown schema version.
        found: i64,
        /// The latest version that this program has.
        known: i64,
    },
    /// Bringing the schema up to date failed; the database is as before.
    #[error(
        "cannot bring the schema of {place} up to date: {source}. Nothing was changed; on PostgreSQL the user must own the database or its schema"
    )]
    Migrate {
        /// Where it is.
        place: String,
        /// The failed step.
        source: sqlx::migrate::MigrateError,
    },
    /// No room for the write. Nothing of it was kept.
    #[error("the disk of the database is full: nothing was written. Free space on that disk")]
    DiskFull,
    /// The row that the write belongs to does not exist.
    #[error("there is no {what} {id}")]
    NotFound {
        /// `call`, `ticket` or `key`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The same id was begun twice, or the name is taken.
    #[error("{what} {id} exists already")]
    Exists {
        /// `call` or `key`.
        what: &'static str,
        /// The call's id, the key's name.
        id: String,
    },
    /// A name that the product signs with itself.
    #[error("no {what} may be called {id}: choose another name")]
    Reserved {
        /// `key`.
        what: &'static str,
        /// The name.
        id: String,
    },
    /// Another request has the idempotency key now: this one took too long, and was not done.
    #[error("another request with this key was begun meanwhile: nothing was done for this one")]
    TakenOver,
    /// A stored value does not read back.
    #[error("the database holds an unreadable {what}: {cause}. Restore a backup")]
    Unreadable {
        /// Table and column.
        what: &'static str,
        /// Why it does not parse; never the value.
        cause: String,
    },
    /// PostgreSQL keeps every character but NUL. Nothing was written.
    #[error("a text holds the character NUL, which cannot be kept")]
    Unkeepable,
    /// The write queue stayed full for as long as a caller waits.
    #[error("the database does not keep up: its write queue is full. Check the disk's speed")]
    Overloaded,
    /// The database does not answer. Nothing was written.
    #[error("the database does not answer: {0}. Check its server and the network, or its disk")]
    Away(String),
    /// The connection broke while a write was being committed.
    #[error(
        "the connection to the database broke during a commit: {0}. Whether the write was kept is not known: read before repeating it"
    )]
    Unknown(String),
    /// The writer has stopped.
    #[error("the store is closed")]
    Closed,
    /// Anything else that the database reports.
    #[error("the database failed: {0}. Check its disk and its log")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the database is away or does not keep up: the same write may be taken later. A disk that is full is
    /// another matter, and so is what it refuses for good.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Away(_) | Self::Unknown(_) | Self::Overloaded | Self::Unreachable { .. } => true,
            Self::Database(error) => is_passing(error),
            _ => false,
        }
    }
}

/// Whether an error that has no name of its own is one of the connection, the machine or the moment, and not of
/// what was asked.
fn is_passing(error: &sqlx::Error) -> bool {
    let Some(code) = code(error) else {
        return !matches!(
            error,
            sqlx::Error::RowNotFound
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::Encode(_)
                | sqlx::Error::TypeNotFound { .. }
        );
    };
    if code.len() == SQLSTATE_CHARS {
        // A server that only reads, transactions that met another, what this user may, resources, operators, the
        // system, faults of the server itself.
        let passing = ["25", "40", "42501", "53", "55", "57", "58", "XX"];
        return passing.iter().any(|class| code.starts_with(class));
    }
    // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CANTOPEN, PROTOCOL.
    code.parse().is_ok_and(|code: i64| [5, 6, 7, 8, 9, 10, 14, 15].contains(&(code & 0xff)))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = code(&error);
        match code.as_deref() {
            // disk_full
            Some("53100") => Self::DiskFull,
            // character_not_in_repertoire
            Some("22021") => Self::Unkeepable,
            _ if is_busy(&error) => Self::Overloaded,
            Some(code) if is_full(code) => Self::DiskFull,
            _ if is_leaving(&error) => Self::Away(error.to_string()),
            _ => match error {
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => Self::Away(error.to_string()),
                error => Self::Database(error),
            },
        }
    }
}

/// SQLite's low byte is the primary code, the rest says where it happened.
fn is_full(code: &str) -> bool {
    code.len() < SQLSTATE_CHARS && code.parse().is_ok_and(|code: i64| code & 0xff == SQLITE_FULL)
}

/// Whether another process was writing for longer than anybody waits.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    // PostgreSQL's lock_not_available, SQLite's SQLITE_BUSY.
    code(error).is_some_and(|code| code == "55P03" || code == "5")
}

/// What the database calls the error.
pub(crate) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}

/// Whether PostgreSQL ends the connection: it shuts down, starts, or was told to (classes 57P and 08), or we
/// were silent in a transaction for too long.
pub(crate) fn is_leaving(error: &sqlx::Error) -> bool {
    let is_leaving =
        |code: &str| code.starts_with("57P") || code.starts_with("08") || code == "25P03";
    code(error).is_some_and(|code| code.len() == SQLSTATE_CHARS && is_leaving(&code))
}

/// Why an edit or a confirmation was refused.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// No such ticket.
    #[error("there is no such ticket")]
    NotFound,
    /// Somebody else, or the machine, changed first what is to be edited or confirmed.
    #[error(
        "the ticket is at revision {current} by now: read it again and repeat the change if it still applies"
    )]
    StaleRevision {
        /// The revision to read.
        current: i64,
    },
    /// The ticket is confirmed: it is not changed any more.
    #[error("the ticket is confirmed and cannot be changed")]
    Confirmed,
    /// A value that the field cannot have.
    #[error("{}: {problem}", field.as_str())]
    Invalid {
        /// The field.
        field: Field,
        /// What is wrong and what would be right, in one sentence without the value.
        problem: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for EditError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
