//! Past tickets of another system: imported to be found, never changed.
//!
//! **An import is in every answer or in none.** Its tickets come in many small transactions, between which calls
//! write theirs; they count from the moment on that the last one ends the import. What an interrupted import has
//! left is removed by the next.

use crate::error::StoreError;
use crate::rows::{at, maybe_at, parsed};
use crate::search::{self, Entry};
use crate::sql::Sql;
use crate::writer::Command;
use crate::{Store, audit, clock, rows};
use qingting_common::{TicketId, UnixMillis};
use qingting_nlu::draft::TicketDraft;
use qingting_nlu::history::PastTicket;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

/// Tickets of one transaction: calls wait for it.
const PIECE_ROWS: usize = 500;
/// An import that was not heard of for so long is over.
const SILENCE_MAX_MS: i64 = 60_000;

/// A past ticket as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRow {
    /// Its id here.
    pub id: TicketId,
    /// Its number in the other system.
    pub number: String,
    /// Its fields.
    pub draft: TicketDraft,
    /// When it came in there.
    pub received_at: UnixMillis,
    /// When it was closed there.
    pub closed_at: Option<UnixMillis>,
}

/// What is imported.
#[derive(Clone, Debug)]
pub struct PastImport {
    /// The name of its file, for the audit.
    pub file: String,
    /// Who imports.
    pub by: String,
    /// The tickets, the earliest first; no number twice.
    pub tickets: Vec<PastTicket>,
}

/// What became of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PastImported {
    /// Tickets that are found from now on.
    pub new: u64,
    /// Those whose number was known: they stay as they are.
    pub known: u64,
}

/// Why an import did not come about; nothing of it is kept then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Two would remove each other's.
    #[error("another import is under way: wait until it is over")]
    UnderWay,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ImportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Takes past tickets, all or none; a number that is known already makes nothing. `told` hears how many are
    /// done, again and again.
    pub async fn import_past_tickets(
        &self,
        import: PastImport,
        mut told: impl FnMut(usize),
    ) -> Result<PastImported, ImportError> {
        let PastImport { file, by, tickets } = import;
        // What is known is told by the index.
        self.index_what_waits(|_| ()).await?;
        let id = Uuid::now_v7().to_string();
        let begin = Begin { id: id.clone(), file: file.clone(), by: by.clone(), at: clock::now() };
        self.write(begin).await?;
        while self.write(Sweep { but: id.clone() }).await? {}
        let mut imported = PastImported::default();
        let mut tickets = tickets.into_iter();
        loop {
            let piece: Vec<PastTicket> = tickets.by_ref().take(PIECE_ROWS).collect();
            if piece.is_empty() {
                break;
            }
            let rows = piece.len();
            let piece = Piece { import: id.clone(), tickets: Arc::new(piece), at: clock::now() };
            let new = self.write(piece).await?;
            imported.new += new;
            imported.known += rows as u64 - new;
            told(rows);
        }
        let (at, new) = (clock::now(), imported.new);
        self.write(Finish { id, file, by, at, new }).await?;
        self.write(Refreshed).await?;
        Ok(imported)
    }

    /// How many of these tickets have numbers that are known: an import would leave them out.
    pub async fn known_tickets(&self, tickets: &[PastTicket]) -> Result<u64, StoreError> {
        let mut db = self.readers().acquire().await?;
        let mut known = 0;
        for piece in tickets.chunks(PIECE_ROWS) {
            known += known_numbers(&mut db, piece).await?.len() as u64;
        }
        Ok(known)
    }

    /// One past ticket; none of an import that is not over.
    pub async fn past_ticket(&self, id: TicketId) -> Result<Option<PastRow>, StoreError> {
        let row = sqlx::query(
            "SELECT past_tickets.* FROM past_tickets JOIN past_imports ON past_imports.id = import_id
             WHERE past_tickets.id = $1 AND finished_at IS NOT NULL",
        );
        let row = row.bind(id.to_string()).fetch_optional(self.readers()).await?;
        row.as_ref().map(read).transpose()
    }
}

pub(crate) const SELECT: &str = "SELECT * FROM past_tickets";

pub(crate) fn read(row: &AnyRow) -> Result<PastRow, StoreError> {
    Ok(PastRow {
        id: parsed(row, "id")?,
        number: row.try_get("number")?,
        draft: rows::json(row.try_get("draft")?, "past_tickets.draft")?,
        received_at: at(row, "received_at")?,
        closed_at: maybe_at(row, "closed_at")?,
    })
}

/// An id that is in the order of the ticket's time, as those of our own are.
fn id_at(at: UnixMillis) -> TicketId {
    let millis = u64::try_from(at.0).unwrap_or_default();
    TicketId::new(uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid())
}

/// The smallest id of that time.
pub(crate) fn first_id(at: UnixMillis) -> Uuid {
    let millis = u64::try_from(at.0).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

struct Begin {
    id: String,
    file: String,
    by: String,
    at: UnixMillis,
}

impl Command for Begin {
    type Output = ();
    type Error = ImportError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), ImportError> {
        let running =
            "SELECT count(*) FROM past_imports WHERE finished_at IS NULL AND alive_at > $1";
        let running: i64 = sqlx::query_scalar(running)
            .bind(self.at.0 - SILENCE_MAX_MS)
            .fetch_one(&mut *db)
            .await?;
        if running > 0 {
            return Err(ImportError::UnderWay);
        }
        sqlx::query(
            "INSERT INTO past_imports (id, file, by, began_at, alive_at) VALUES ($1, $2, $3, $4, $4)",
        )
        .bind(&self.id)
        .bind(&self.file)
        .bind(&self.by)
        .bind(self.at.0)
        .execute(&mut *db)
        .await?;
        Ok(())
    }
}

/// Removes some of what interrupted imports have left; whether there was any.
struct Sweep {
    but: String,
}

impl Command for Sweep {
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let left = sqlx::query(
            "SELECT past_tickets.id, doc FROM past_tickets
             JOIN past_imports ON past_imports.id = past_tickets.import_id
             JOIN ticket_docs ON ticket_id = past_tickets.id
             WHERE finished_at IS NULL AND past_imports.id <> $1 LIMIT $2",
        )
        .bind(&self.but)
        .bind(PIECE_ROWS as i64)
        .fetch_all(&mut *db)
        .await?;
        if left.is_empty() {
            sqlx::query("DELETE FROM past_imports WHERE finished_at IS NULL AND id <> $1")
                .bind(&self.but)
                .execute(db)
                .await?;
            return Ok(false);
        }
        let docs = left.iter().map(|row| row.try_get("doc")).collect::<Result<Vec<i64>, _>>()?;
        search::remove(db, &docs).await?;
        let ids = left.iter().map(|row| row.try_get("id")).collect::<Result<Vec<String>, _>>()?;
        let mut sql = Sql::new("DELETE FROM past_tickets WHERE id IN (");
        sql.push_list(ids).push(")");
        sql.build().execute(db).await?;
        Ok(true)
    }
}

/// Some of an import's tickets; how many of them are new.
struct Piece {
    import: String,
    tickets: Arc<Vec<PastTicket>>,
    at: UnixMillis,
}

impl Command for Piece {
    type Output = u64;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<u64, StoreError> {
        let alive = sqlx::query("UPDATE past_imports SET alive_at = $2 WHERE id = $1")
            .bind(&self.import)
            .bind(self.at.0)
            .execute(&mut *db)
            .await?;
        if alive.rows_affected() == 0 {
            // It was silent for too long, and another one has swept it away.
            return Err(StoreError::NotFound { what: "import", id: self.import.clone() });
        }
        let known = known_numbers(db, &self.tickets).await?;
        let new = self.tickets.iter().filter(|ticket| !known.contains(&ticket.number));
        let drafts: Vec<_> =
            new.map(|ticket| (ticket, id_at(ticket.received_at), draft(ticket))).collect();
        if drafts.is_empty() {
            return Ok(0);
        }
        let mut sql = Sql::new(
            "INSERT INTO past_tickets (id, number, import_id, draft, received_at, closed_at) VALUES ",
        );
        for (row, (ticket, id, draft)) in drafts.iter().enumerate() {
            sql.push(if row == 0 { "(" } else { ", (" }).push_bind(id.to_string());
            sql.push(", ").push_bind(ticket.number.clone());
            sql.push(", ").push_bind(self.import.clone());
            sql.push(", ").push_bind(rows::to_json(draft, "past_tickets.draft")?);
            sql.push(", ").push_bind(ticket.received_at.0);
            sql.push(", ").push_bind(ticket.closed_at.map(|at| at.0)).push(")");
        }
        sql.build().execute(&mut *db).await?;
        let entries: Vec<Entry<'_>> = drafts
            .iter()
            .map(|(ticket, id, draft)| Entry {
                id: *id,
                number: &ticket.number,
                import: Some(&self.import),
                at: ticket.received_at,
                caller: "",
                draft,
            })
            .collect();
        search::insert(db, &entries).await?;
        Ok(drafts.len() as u64)
    }
}

async fn known_numbers(
    db: &mut AnyConnection,
    tickets: &[PastTicket],
) -> Result<HashSet<String>, StoreError> {
    let mut sql = Sql::new("SELECT number FROM ticket_docs WHERE number IN (");
    sql.push_list(tickets.iter().map(|ticket| ticket.number.clone())).push(")");
    let rows = sql.build().fetch_all(db).await?;
    Ok(rows.iter().map(|row| row.try_get("number")).collect::<Result<_, _>>()?)
}

fn draft(ticket: &PastTicket) -> TicketDraft {
    let mut draft = TicketDraft::default();
    for (field, value) in &ticket.fields {
        draft.edit(*field, value.expose().clone());
    }
    draft
}

/// From now on its tickets count.
struct Finish {
    id: String,
    file: String,
    by: String,
    at: UnixMillis,
    new: u64,
}

impl Command for Finish {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE past_imports SET finished_at = $2 WHERE id = $1")
            .bind(&self.id)
            .bind(self.at.0)
            .execute(&mut *db)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "import", id: self.id.clone() });
        }
        let subject = format!("{}: {} new", self.file, self.new);
        audit::insert(db, self.at, &self.by, "ticket.import", &subject).await
    }
}

/// The planner hears how much there is now.
struct Refreshed;

impl Command for Refreshed {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        // SQLite's plans are made for the text of a statement alone.
        if db.backend_name() != "SQLite" {
            sqlx::query("ANALYZE ticket_docs, ticket_phones, ticket_words, past_tickets")
                .execute(db)
                .await?;
        }
        Ok(())
    }
}
