//! What can go wrong between the product and its database, and how to mend it.

use qingting_nlu::draft::Field;
use std::path::PathBuf;

/// SQLite's primary result code for a full disk or a reached `max_page_count`.
const SQLITE_FULL: i64 = 13;

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
    /// The file was written by a later version of the product.
    #[error(
        "the database {path:?} has schema version {found}, this program knows up to {known}. Run the newer program, or restore the backup made before the upgrade"
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// The unknown schema version.
        found: i64,
        /// The latest version that this program has.
        known: i64,
    },
    /// Bringing the schema up to date failed; the file is as before.
    #[error("cannot bring the schema of {path:?} up to date: {source}. The file is unchanged")]
    Migrate {
        /// The database file.
        path: PathBuf,
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
    /// A stored value does not read back.
    #[error("the database holds an unreadable {what}: {cause}. Restore a backup")]
    Unreadable {
        /// Table and column.
        what: &'static str,
        /// Why it does not parse; never the value.
        cause: String,
    },
    /// The write queue stayed full for as long as a caller waits.
    #[error("the database does not keep up: its write queue is full. Check the disk's speed")]
    Overloaded,
    /// The writer has stopped.
    #[error("the store is closed")]
    Closed,
    /// Anything else that SQLite reports.
    #[error("the database failed: {0}. Check the disk and the system log")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let full = error
            .as_database_error()
            .and_then(|db| db.code())
            .and_then(|code| code.parse::<i64>().ok())
            // The low byte is the primary code, the rest says where it happened.
            .is_some_and(|code| code & 0xff == SQLITE_FULL);
        if full { Self::DiskFull } else { Self::Database(error) }
    }
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
