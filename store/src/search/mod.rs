//! Finding tickets: by number, telephone, words and place; our own and past ones of another system.
//!
//! **The index is written in the transaction of its ticket.** What is found is as new as what is read. Tickets of before it
//! come into it beside the calls of a running server; what must not miss one (an erasure, a copy, an import) waits for that.

mod phone;
mod query;
mod words;

pub use phone::{PhoneEnd, PhoneEndError};
pub use words::{WORDS_CHARS_MAX, Words, WordsError};

use crate::error::StoreError;
use crate::handling::HandlingFilter;
use crate::past::{self, PastRow};
use crate::rows::unsigned;
use crate::sql::Sql;
use crate::tickets::{self, TicketRow, TicketStatus};
use crate::writer::Command;
use crate::{Store, clock};
use qingting_common::{CallId, TicketId, UnixMillis};
use qingting_nlu::draft::{Field, TicketDraft};
pub(crate) use query::Reach;
#[cfg(test)]
pub(crate) use query::docs;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::{BTreeSet, HashMap};
use words::Index;

/// Tickets in one millisecond whose order is kept.
const DOCS_PER_MS: i64 = 1 << 21;
/// How long servers of two versions may run on one database.
const LOOKED_BACK_MS: i64 = 3 * 86_400_000;
/// Tickets that are put into the index in one transaction.
const BATCH_ROWS: u32 = 100;
/// Fields whose words are found as text.
const TEXT: [Field; 3] = [Field::Title, Field::Description, Field::Respondent];

/// Which tickets, newest first; what is given must all be true.
#[derive(Clone, Debug, Default)]
pub struct TicketSearch {
    /// Its number; of our own also the digits alone.
    pub number: Option<String>,
    /// The number that called or that the ticket names, or its end.
    pub phone: Option<PhoneEnd>,
    /// The last four digits find numbers whose mask shows them, and a whole number itself alone, so that nobody who
    /// sees masks finds out what they hide.
    pub is_masked: bool,
    /// Words of title, description or party complained of.
    pub text: Option<Words>,
    /// Words of the place.
    pub place: Option<Words>,
    /// Only those.
    pub status: Option<FoundStatus>,
    /// Only our own whose handling is so.
    pub handling: HandlingFilter,
    /// Only tickets older than this one: the last of the page before.
    pub before: Option<TicketId>,
    /// Rows, at most [`crate::PAGE_ROWS_MAX`].
    pub limit: u32,
}

/// Where a ticket is that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundStatus {
    /// One of our own.
    Own(TicketStatus),
    /// An imported one of another system.
    Past,
}

/// A ticket that was found.
#[derive(Clone, Debug, PartialEq)]
pub enum FoundTicket {
    /// Our own.
    Own(TicketRow),
    /// An imported one of another system.
    Past(PastRow),
}

impl FoundTicket {
    /// Its id.
    pub const fn id(&self) -> TicketId {
        match self {
            Self::Own(ticket) => ticket.id,
            Self::Past(ticket) => ticket.id,
        }
    }
}

impl Store {
    /// Tickets that answer to all that is asked, newest first.
    pub async fn find_tickets(
        &self,
        search: &TicketSearch,
    ) -> Result<Vec<FoundTicket>, StoreError> {
        let before = match search.before {
            None => None,
            Some(before) => match self.doc_of(before).await? {
                None => return Ok(Vec::new()),
                doc => doc,
            },
        };
        let mut rows = self.docs(search, before, Reach::Newest).await?;
        // A page that is not full may have more behind what was looked through.
        if query::may_reach_further(search, self.index()) && rows.len() < search.limit as usize {
            rows = self.docs(search, before, Reach::All).await?;
        }
        let mut ids = Vec::with_capacity(rows.len());
        let (mut own, mut past) = (Vec::new(), Vec::new());
        for row in &rows {
            let id: String = row.try_get("ticket_id")?;
            let import: Option<String> = row.try_get("import_id")?;
            if import.is_some() { &mut past } else { &mut own }.push(id.clone());
            ids.push(id);
        }
        let mut found: HashMap<String, FoundTicket> = HashMap::with_capacity(ids.len());
        for row in self.by_ids(tickets::SELECT, own).await? {
            let ticket = tickets::read(&row)?;
            found.insert(ticket.id.to_string(), FoundTicket::Own(ticket));
        }
        for row in self.by_ids(past::SELECT, past).await? {
            let ticket = past::read(&row)?;
            found.insert(ticket.id.to_string(), FoundTicket::Past(ticket));
        }
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    async fn docs(
        &self,
        search: &TicketSearch,
        before: Option<i64>,
        reach: Reach,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let sql = query::docs("", search, before, self.index(), reach);
        Ok(sql.build().fetch_all(self.readers()).await?)
    }

    async fn by_ids(&self, select: &str, ids: Vec<String>) -> Result<Vec<AnyRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new(select);
        sql.push(" WHERE id IN (").push_list(ids).push(")");
        Ok(sql.build().fetch_all(self.readers()).await?)
    }

    async fn doc_of(&self, id: TicketId) -> Result<Option<i64>, StoreError> {
        let doc = sqlx::query_scalar("SELECT doc FROM ticket_docs WHERE ticket_id = $1");
        Ok(doc.bind(id.to_string()).fetch_optional(self.readers()).await?)
    }

    pub(crate) fn index(&self) -> Index {
        match self.place() {
            crate::Place::File(_) => Index::Fts5,
            crate::Place::Server(_) => Index::Tsvector,
        }
    }

    /// Puts tickets into the index that were there before it, and those that a server of an older version has
    /// written beside us; some at a time, so that calls write between them. `told` hears how many are left.
    pub async fn index_what_waits(&self, told: impl Fn(u64)) -> Result<(), StoreError> {
        let since = past::first_id(UnixMillis(clock::now().0 - LOOKED_BACK_MS)).to_string();
        let waiting: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM tickets_to_index) + (SELECT count(*) FROM tickets
                WHERE id >= $1 AND NOT EXISTS (SELECT 1 FROM ticket_docs WHERE ticket_id = tickets.id)
                    AND NOT EXISTS (SELECT 1 FROM tickets_to_index WHERE ticket_id = tickets.id))",
        )
        .bind(&since)
        .fetch_one(self.readers())
        .await?;
        let mut left = unsigned(waiting);
        told(left);
        if left == 0 {
            return Ok(());
        }
        self.write(Overlooked { since }).await?;
        loop {
            let done = self.write(IndexWaiting).await?;
            left = left.saturating_sub(done);
            if done == 0 {
                told(0);
                return Ok(());
            }
            told(left);
        }
    }
}

/// A ticket as the index takes it.
pub(crate) struct Entry<'a> {
    pub(crate) id: TicketId,
    pub(crate) number: &'a str,
    /// The import of a past ticket.
    pub(crate) import: Option<&'a str>,
    pub(crate) at: UnixMillis,
    /// Who called.
    pub(crate) caller: &'a str,
    pub(crate) draft: &'a TicketDraft,
}

impl<'a> Entry<'a> {
    /// Of one of our own.
    pub(crate) fn own(ticket: &'a TicketRow, caller: &'a str) -> Self {
        let TicketRow { id, number, created_at, draft, .. } = ticket;
        Self { id: *id, number, import: None, at: *created_at, caller, draft }
    }
}

/// Puts tickets into the index that are not in it.
pub(crate) async fn insert(
    db: &mut AnyConnection,
    entries: &[Entry<'_>],
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let docs = free_docs(db, entries).await?;
    let mut sql = Sql::new("INSERT INTO ticket_docs (doc, ticket_id, number, import_id) VALUES ");
    for (row, (entry, doc)) in entries.iter().zip(&docs).enumerate() {
        sql.push(if row == 0 { "(" } else { ", (" }).push_bind(*doc);
        sql.push(", ")
            .push_bind(entry.id.to_string())
            .push(", ")
            .push_bind(entry.number.to_owned());
        sql.push(", ").push_bind(entry.import.map(str::to_owned)).push(")");
    }
    sql.build().execute(&mut *db).await?;
    let phones: Vec<(i64, BTreeSet<String>)> =
        entries.iter().zip(&docs).map(|(of, doc)| (*doc, phones(of.caller, of.draft))).collect();
    insert_phones(db, &phones).await?;
    let drafts: Vec<_> = entries.iter().zip(&docs).map(|(of, doc)| (*doc, of.draft)).collect();
    insert_words(db, &drafts).await
}

/// A document's number for each: in the order of their time, behind those of the same millisecond.
async fn free_docs(db: &mut AnyConnection, entries: &[Entry<'_>]) -> Result<Vec<i64>, StoreError> {
    let first = |entry: &Entry<'_>| entry.at.0.saturating_mul(DOCS_PER_MS);
    let from = entries.iter().map(first).min().unwrap_or_default();
    let to = entries.iter().map(first).max().unwrap_or_default().saturating_add(DOCS_PER_MS);
    let last = sqlx::query(
        "SELECT max(doc) AS last FROM ticket_docs WHERE doc >= $1 AND doc < $2 GROUP BY doc >> 21",
    );
    let mut next: HashMap<i64, i64> = HashMap::new();
    for row in last.bind(from).bind(to).fetch_all(db).await? {
        let last: i64 = row.try_get("last")?;
        next.insert(last & !(DOCS_PER_MS - 1), last + 1);
    }
    let mut doc = |entry: &Entry<'_>| {
        let next = next.entry(first(entry)).or_insert(first(entry));
        *next += 1;
        *next - 1
    };
    Ok(entries.iter().map(&mut doc).collect())
}

/// Follows a ticket's change.
pub(crate) async fn refresh(
    db: &mut AnyConnection,
    ticket: &TicketRow,
    changed: &[Field],
) -> Result<(), StoreError> {
    let has_words = changed.iter().any(|field| TEXT.contains(field) || *field == Field::Place);
    let has_phone = changed.contains(&Field::Phone);
    if !has_words && !has_phone {
        return Ok(());
    }
    let doc = sqlx::query_scalar("SELECT doc FROM ticket_docs WHERE ticket_id = $1");
    let doc: Option<i64> = doc.bind(ticket.id.to_string()).fetch_optional(&mut *db).await?;
    // One of before the index comes into it as it is then.
    let Some(doc) = doc else { return Ok(()) };
    if has_phone {
        let caller = caller(db, ticket.call).await?;
        sqlx::query("DELETE FROM ticket_phones WHERE doc = $1").bind(doc).execute(&mut *db).await?;
        insert_phones(db, &[(doc, phones(&caller, &ticket.draft))]).await?;
    }
    if has_words {
        remove_words(db, &[doc]).await?;
        insert_words(db, &[(doc, &ticket.draft)]).await?;
    }
    Ok(())
}

/// Leaves of documents their number alone: nothing else finds them any more.
pub(crate) async fn forget(db: &mut AnyConnection, docs: &[i64]) -> Result<(), StoreError> {
    if docs.is_empty() {
        return Ok(());
    }
    remove_words(db, docs).await?;
    let mut sql = Sql::new("DELETE FROM ticket_phones WHERE doc IN (");
    sql.push_list(docs.iter().copied()).push(")");
    sql.build().execute(db).await?;
    Ok(())
}

/// Takes documents out of the index.
pub(crate) async fn remove(db: &mut AnyConnection, docs: &[i64]) -> Result<(), StoreError> {
    remove_words(db, docs).await?;
    for table in ["ticket_phones", "ticket_docs"] {
        let mut sql = Sql::new(format!("DELETE FROM {table} WHERE doc IN ("));
        sql.push_list(docs.iter().copied()).push(")");
        sql.build().execute(&mut *db).await?;
    }
    Ok(())
}

async fn caller(db: &mut AnyConnection, call: CallId) -> Result<String, StoreError> {
    let caller = sqlx::query_scalar("SELECT caller FROM calls WHERE id = $1");
    Ok(caller.bind(call.to_string()).fetch_one(db).await?)
}

fn phones(caller: &str, draft: &TicketDraft) -> BTreeSet<String> {
    let named = draft.field(Field::Phone).map(|value| value.value.expose().as_str());
    [caller, named.unwrap_or_default()].into_iter().flat_map(phone::reversed).collect()
}

async fn insert_phones(
    db: &mut AnyConnection,
    phones: &[(i64, BTreeSet<String>)],
) -> Result<(), StoreError> {
    let mut sql = Sql::new("INSERT INTO ticket_phones (reversed, doc) VALUES ");
    let mut is_first = true;
    for (doc, numbers) in phones {
        for number in numbers {
            sql.push(if is_first { "(" } else { ", (" }).push_bind(number.clone());
            sql.push(", ").push_bind(*doc).push(")");
            is_first = false;
        }
    }
    if !is_first {
        sql.build().execute(db).await?;
    }
    Ok(())
}

async fn insert_words(
    db: &mut AnyConnection,
    drafts: &[(i64, &TicketDraft)],
) -> Result<(), StoreError> {
    let index = index_of(db);
    let (into, cast) = match index {
        Index::Fts5 => ("INSERT INTO ticket_words (rowid, words, place) VALUES ", ""),
        Index::Tsvector => ("INSERT INTO ticket_words (doc, words, place) VALUES ", " AS tsvector"),
    };
    let mut sql = Sql::new(into);
    let mut is_first = true;
    for (doc, draft) in drafts {
        let texts = |fields: &[Field]| {
            let value =
                |field: &Field| draft.field(*field).map(|value| value.value.expose().as_str());
            words::indexed(fields.iter().filter_map(value), index)
        };
        let (words, place) = (texts(&TEXT), texts(&[Field::Place]));
        if words.is_empty() && place.is_empty() {
            continue;
        }
        sql.push(if is_first { "(" } else { ", (" }).push_bind(*doc);
        for text in [words, place] {
            match cast {
                "" => sql.push(", ").push_bind(text),
                cast => sql.push(", CAST(").push_bind(text).push(cast).push(")"),
            };
        }
        sql.push(")");
        is_first = false;
    }
    if !is_first {
        sql.build().execute(db).await?;
    }
    Ok(())
}

async fn remove_words(db: &mut AnyConnection, docs: &[i64]) -> Result<(), StoreError> {
    let column = if index_of(db) == Index::Fts5 { "rowid" } else { "doc" };
    let mut sql = Sql::new(format!("DELETE FROM ticket_words WHERE {column} IN ("));
    sql.push_list(docs.iter().copied()).push(")");
    sql.build().execute(db).await?;
    Ok(())
}

fn index_of(db: &AnyConnection) -> Index {
    if db.backend_name() == "SQLite" { Index::Fts5 } else { Index::Tsvector }
}

/// Tickets since then that are not in the index.
struct Overlooked {
    since: String,
}

impl Command for Overlooked {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO tickets_to_index SELECT id FROM tickets
             WHERE id >= $1 AND NOT EXISTS (SELECT 1 FROM ticket_docs WHERE ticket_id = tickets.id)
                AND NOT EXISTS (SELECT 1 FROM tickets_to_index WHERE ticket_id = tickets.id)",
        )
        .bind(&self.since)
        .execute(db)
        .await?;
        Ok(())
    }
}

/// Some tickets of before the index; how many.
struct IndexWaiting;

impl Command for IndexWaiting {
    type Output = u64;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<u64, StoreError> {
        let rows = sqlx::query(
            "SELECT tickets.*, calls.caller FROM tickets_to_index
             JOIN tickets ON tickets.id = ticket_id JOIN calls ON calls.id = call_id
             ORDER BY ticket_id LIMIT $1",
        )
        .bind(i64::from(BATCH_ROWS))
        .fetch_all(&mut *db)
        .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.push((tickets::read(row)?, row.try_get::<String, _>("caller")?));
        }
        let entries: Vec<Entry<'_>> =
            found.iter().map(|(ticket, caller)| Entry::own(ticket, caller)).collect();
        insert(db, &entries).await?;
        let mut sql = Sql::new("DELETE FROM tickets_to_index WHERE ticket_id IN (");
        sql.push_list(entries.iter().map(|entry| entry.id.to_string())).push(")");
        sql.build().execute(db).await?;
        Ok(entries.len() as u64)
    }
}
