//! Tickets (工单): a draft with revisions, edited by people, confirmed once.

use crate::check;
use crate::error::{EditError, StoreError};
use crate::handling::{Handling, HandlingFilter, Heard, Stage};
use crate::rows::{at, flag, maybe_at, maybe_named, maybe_parsed, named, parsed, unreadable};
use crate::sql::Sql;
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, china, clock, lookups, outbox, repeats, rows, search};
use qingting_common::{CallId, FollowUpId, Pii, TicketId, UnixMillis};
use qingting_nlu::draft::{Field, TicketDraft};
use serde::{Deserialize, Serialize};
use sqlx::any::{AnyExecutor, AnyRow};
use sqlx::{AnyConnection, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Who wrote a revision that no person wrote.
pub(crate) const MACHINE: &str = "machine";

/// Where a ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketStatus {
    /// The machine and people still fill it.
    Draft,
    /// A person confirmed it; it does not change any more.
    Confirmed,
}

impl TicketStatus {
    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Confirmed => "confirmed",
        }
    }
}

/// A ticket as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct TicketRow {
    /// Its id.
    pub id: TicketId,
    /// 工单编号: `YYYYMMDD-NNNNNN`, the day in China and a count within the day.
    pub number: String,
    /// The call that it came from.
    pub call: CallId,
    /// Where it is.
    pub status: TicketStatus,
    /// Counts every change, from 0.
    pub revision: i64,
    /// The fields.
    pub draft: TicketDraft,
    /// When the call came in.
    pub created_at: UnixMillis,
    /// When it last changed.
    pub updated_at: UnixMillis,
    /// When it was confirmed.
    pub confirmed_at: Option<UnixMillis>,
    /// Who confirmed it.
    pub confirmed_by: Option<String>,
    /// Where its handling is, once it is confirmed.
    pub handling: Handling,
    /// When it was closed.
    pub closed_at: Option<UnixMillis>,
    /// The follow-up of the last closing.
    pub follow_up: Option<FollowUpId>,
}

/// A ticket after somebody confirmed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmed {
    /// The ticket.
    pub ticket: TicketRow,
    /// False when it was confirmed before.
    pub is_new: bool,
}

/// What one revision changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Its number.
    pub revision: i64,
    /// When.
    pub at: UnixMillis,
    /// Who: a key's name, `admin` or `machine`.
    pub by: String,
    /// Whether it is the erasure of the citizen.
    pub erased: bool,
    /// The new values; none where the field was cleared. What a person wrote is here also when the
    /// machine had written the same.
    pub changes: BTreeMap<Field, Option<Pii<String>>>,
}

/// A new value as a revision's row holds it; characters, not bytes.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Change {
    Cleared,
    Value(String),
    /// The first `keep` characters of the value before, and then `add`.
    Tail {
        keep: usize,
        add: String,
    },
}

/// The values of a draft's fields as its history gives them.
type Values = BTreeMap<Field, String>;

/// Shorter beginnings are written again: it reads better than a count.
const KEEP_CHARS_MIN: usize = 32;

/// Which tickets, newest first.
#[derive(Clone, Debug, Default)]
pub struct TicketQuery {
    /// Only tickets older than this one: the last of the page before.
    pub before: Option<TicketId>,
    /// Rows, at most [`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Only tickets in this status.
    pub status: Option<TicketStatus>,
    /// Only tickets whose handling is so.
    pub handling: HandlingFilter,
}

impl Store {
    /// One ticket.
    pub async fn ticket(&self, id: TicketId) -> Result<Option<TicketRow>, StoreError> {
        by_id(self.readers(), id).await
    }

    /// One of our own by its number.
    pub async fn ticket_numbered(&self, number: &str) -> Result<Option<TicketRow>, StoreError> {
        by_number(self.readers(), number).await
    }

    /// The ticket of a call.
    pub async fn ticket_of_call(&self, call: CallId) -> Result<Option<TicketRow>, StoreError> {
        of_call(self.readers(), call).await
    }

    /// The last ticket before a call that the same citizen called about and a person confirmed. None where the
    /// number was not shown.
    pub async fn last_confirmed_of_caller(
        &self,
        call: CallId,
    ) -> Result<Option<TicketRow>, StoreError> {
        let row = sqlx::query(
            "SELECT tickets.*, before.caller FROM calls AS now
             JOIN calls AS before ON before.caller = now.caller AND before.started_at < now.started_at
             JOIN tickets ON tickets.call_id = before.id AND tickets.status = 'confirmed'
             WHERE now.id = $1 AND now.direction = 'inbound' AND before.direction = 'inbound'
             ORDER BY before.started_at DESC LIMIT 1",
        )
        .bind(call.to_string())
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let is_hidden = lookups::is_anonymous(row.try_get("caller")?);
        if is_hidden { Ok(None) } else { read(&row).map(Some) }
    }

    /// Tickets, newest first.
    pub async fn tickets(&self, query: &TicketQuery) -> Result<Vec<TicketRow>, StoreError> {
        list(SELECT, query).build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// The history of a ticket, oldest first; empty for an unknown ticket.
    pub async fn revisions(&self, id: TicketId) -> Result<Vec<Revision>, StoreError> {
        let mut values = Values::new();
        sqlx::query(
            "SELECT revision, at, by, changes, erased FROM ticket_revisions WHERE ticket_id = $1
             ORDER BY revision",
        )
        .bind(id.to_string())
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| {
            let changed = replay(&mut values, row.try_get("changes")?)?;
            let new = |field| (field, values.get(&field).cloned().map(Pii::new));
            Ok(Revision {
                revision: row.try_get("revision")?,
                at: at(row, "at")?,
                by: row.try_get("by")?,
                erased: flag(row, "erased")?,
                changes: changed.into_iter().map(new).collect(),
            })
        })
        .collect()
    }

    /// Sets fields as a person decided, if each of them still has the value that the person saw at
    /// `expected_revision`: the machine revises the ticket with every sentence, and other fields
    /// are no conflict. All edits or none; no edits leave the revision as it is.
    pub async fn edit_ticket(
        &self,
        id: TicketId,
        expected_revision: i64,
        edits: Vec<(Field, String)>,
        by: &str,
    ) -> Result<TicketRow, EditError> {
        for (field, value) in &edits {
            check::value(*field, value, &self.kinds())
                .map_err(|problem| EditError::Invalid { field: *field, problem })?;
        }
        self.write(EditTicket { id, expected_revision, edits, by: by.to_owned() }).await
    }

    /// Confirms the ticket at exactly the revision that the person saw. Confirming a confirmed ticket
    /// again, with the revision before or after its confirmation, changes nothing and succeeds.
    pub async fn confirm_ticket(
        &self,
        id: TicketId,
        expected_revision: i64,
        by: &str,
    ) -> Result<Confirmed, EditError> {
        self.write(ConfirmTicket { id, expected_revision, by: by.to_owned() }).await
    }
}

pub(crate) const SELECT: &str = "SELECT * FROM tickets";

/// Only the filters that are used: a plan is made for the text, not for the values.
pub(crate) fn list(select: &str, query: &TicketQuery) -> Sql {
    let mut sql = Sql::new(select);
    sql.push(" WHERE true");
    if let Some(status) = query.status {
        sql.push(" AND status = ").push_bind(status.as_str());
    }
    query.handling.push(&mut sql);
    if let Some(before) = query.before {
        sql.push(" AND id < ").push_bind(before.to_string());
    }
    sql.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(query.limit.min(PAGE_ROWS_MAX)));
    sql
}

pub(crate) fn new_id() -> TicketId {
    TicketId::new(Uuid::now_v7())
}

/// Writes an empty draft as revision 0 and gives it the day's next number.
pub(crate) async fn create(
    db: &mut AnyConnection,
    id: TicketId,
    call: CallId,
    caller: &str,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let day = china::of(now).day_digits();
    let row = sqlx::query(
        "INSERT INTO ticket_numbers (day, last) VALUES ($1, 1)
         ON CONFLICT (day) DO UPDATE SET last = ticket_numbers.last + 1 RETURNING last",
    )
    .bind(&day)
    .fetch_one(&mut *db)
    .await?;
    let number = format!("{day}-{:06}", row.try_get::<i64, _>("last")?);
    sqlx::query(
        "INSERT INTO tickets (id, number, call_id, status, revision, draft, created_at, updated_at)
         VALUES ($1, $2, $3, 'draft', 0, '{}', $4, $4)",
    )
    .bind(id.to_string())
    .bind(&number)
    .bind(call.to_string())
    .bind(now.0)
    .execute(&mut *db)
    .await?;
    let (draft, number) = (TicketDraft::default(), number.as_str());
    let entry = search::Entry { id, number, import: None, at: now, caller, draft: &draft };
    search::insert(db, &[entry]).await?;
    insert_revision(db, id, 0, now, MACHINE, "{}").await?;
    let created = serde_json::json!({ "ticket": id, "call": call, "revision": 0 });
    outbox::note(db, "ticket.created", &id.to_string(), &created, now).await
}

/// Writes the ticket as the next revision and announces it. `before` is its draft as it was.
pub(crate) async fn revise(
    db: &mut AnyConnection,
    ticket: &mut TicketRow,
    before: &TicketDraft,
    changed: &[Field],
    by: &str,
    now: UnixMillis,
) -> Result<(), StoreError> {
    ticket.revision += 1;
    ticket.updated_at = now;
    let changes: BTreeMap<Field, Change> = changed
        .iter()
        .map(|field| (*field, text(before, *field), text(&ticket.draft, *field)))
        // New evidence for the same value is in the draft; that a person wrote it is history.
        .filter(|(_, was, is)| was != is || by != MACHINE)
        .map(|(field, was, is)| (field, Change::between(was, is)))
        .collect();
    let changes = rows::to_json(&changes, "ticket_revisions.changes")?;
    sqlx::query(
        "UPDATE tickets SET revision = $2, draft = $3, updated_at = $4, status = $5,
            confirmed_at = $6, confirmed_by = $7 WHERE id = $1",
    )
    .bind(ticket.id.to_string())
    .bind(ticket.revision)
    .bind(rows::to_json(&ticket.draft, "tickets.draft")?)
    .bind(now.0)
    .bind(ticket.status.as_str())
    .bind(ticket.confirmed_at.map(|at| at.0))
    .bind(&ticket.confirmed_by)
    .execute(&mut *db)
    .await?;
    insert_revision(db, ticket.id, ticket.revision, now, by, &changes).await?;
    if changed.contains(&Field::Place) {
        repeats::index_place(db, ticket).await?;
    }
    search::refresh(db, ticket, changed).await?;
    let kind = match ticket.status {
        TicketStatus::Draft => "ticket.updated",
        TicketStatus::Confirmed => "ticket.confirmed",
    };
    // The relay reads the ticket itself: the outbox holds no personal data.
    let payload = serde_json::json!({
        "ticket": ticket.id, "call": ticket.call, "revision": ticket.revision, "changed": changed,
    });
    let (key, stream) = (format!("{}:{}", ticket.id, ticket.revision), ticket.id.to_string());
    outbox::put(db, &key, kind, &stream, &payload, now).await
}

pub(crate) async fn of_call(
    db: impl AnyExecutor<'_>,
    call: CallId,
) -> Result<Option<TicketRow>, StoreError> {
    sqlx::query("SELECT * FROM tickets WHERE call_id = $1")
        .bind(call.to_string())
        .fetch_optional(db)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

pub(crate) async fn by_id(
    db: impl AnyExecutor<'_>,
    id: TicketId,
) -> Result<Option<TicketRow>, StoreError> {
    sqlx::query("SELECT * FROM tickets WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

pub(crate) async fn by_number(
    db: impl AnyExecutor<'_>,
    number: &str,
) -> Result<Option<TicketRow>, StoreError> {
    sqlx::query("SELECT * FROM tickets WHERE number = $1")
        .bind(number)
        .fetch_optional(db)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

pub(crate) fn read(row: &AnyRow) -> Result<TicketRow, StoreError> {
    let status: String = row.try_get("status")?;
    Ok(TicketRow {
        id: parsed(row, "id")?,
        number: row.try_get("number")?,
        call: parsed(row, "call_id")?,
        status: [TicketStatus::Draft, TicketStatus::Confirmed]
            .into_iter()
            .find(|known| known.as_str() == status)
            .ok_or_else(|| unreadable("tickets.status", &status))?,
        revision: row.try_get("revision")?,
        draft: rows::json(row.try_get("draft")?, "tickets.draft")?,
        created_at: at(row, "created_at")?,
        updated_at: at(row, "updated_at")?,
        confirmed_at: maybe_at(row, "confirmed_at")?,
        confirmed_by: row.try_get("confirmed_by")?,
        handling: Handling {
            stage: named(row, "stage", Stage::ALL, Stage::as_str)?,
            unit: row.try_get("unit")?,
            deadline: maybe_at(row, "deadline")?,
            is_supervised: flag(row, "supervised")?,
            heard: maybe_named(row, "heard", Heard::ALL, Heard::as_str)?,
        },
        closed_at: maybe_at(row, "closed_at")?,
        follow_up: maybe_parsed(row, "follow_up_id")?,
    })
}

fn text(draft: &TicketDraft, field: Field) -> Option<&str> {
    draft.field(field).map(|value| value.value.expose().as_str())
}

impl Change {
    fn between(was: Option<&str>, is: Option<&str>) -> Self {
        let Some(is) = is else { return Self::Cleared };
        let pairs = was.unwrap_or_default().chars().zip(is.chars());
        let keep = pairs.take_while(|(was, is)| was == is).count();
        if keep < KEEP_CHARS_MIN {
            return Self::Value(is.to_owned());
        }
        Self::Tail { keep, add: is.chars().skip(keep).collect() }
    }
}

/// Applies one revision's row and returns the fields that it names.
fn replay(values: &mut Values, changes: &str) -> Result<Vec<Field>, StoreError> {
    let changes: BTreeMap<Field, Change> = rows::json(changes, "ticket_revisions.changes")?;
    let fields = changes.keys().copied().collect();
    for (field, change) in changes {
        match change {
            Change::Cleared => values.remove(&field),
            Change::Value(value) => values.insert(field, value),
            Change::Tail { keep, add } => {
                let was = values.remove(&field).unwrap_or_default();
                values.insert(field, was.chars().take(keep).chain(add.chars()).collect())
            }
        };
    }
    Ok(fields)
}

/// The values that a person saw at a revision.
async fn values_at(
    db: &mut AnyConnection,
    id: TicketId,
    revision: i64,
) -> Result<Values, StoreError> {
    let rows = sqlx::query(
        "SELECT changes FROM ticket_revisions WHERE ticket_id = $1 AND revision <= $2
         ORDER BY revision",
    )
    .bind(id.to_string())
    .bind(revision)
    .fetch_all(db)
    .await?;
    let mut values = Values::new();
    for row in &rows {
        replay(&mut values, row.try_get("changes")?)?;
    }
    Ok(values)
}

async fn insert_revision(
    db: &mut AnyConnection,
    id: TicketId,
    revision: i64,
    now: UnixMillis,
    by: &str,
    changes: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO ticket_revisions (ticket_id, revision, at, by, changes)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id.to_string())
    .bind(revision)
    .bind(now.0)
    .bind(by)
    .bind(changes)
    .execute(db)
    .await?;
    Ok(())
}

struct EditTicket {
    id: TicketId,
    expected_revision: i64,
    edits: Vec<(Field, String)>,
    by: String,
}

impl Command for EditTicket {
    type Output = TicketRow;
    type Error = EditError;

    async fn run(&self, db: &mut AnyConnection) -> Result<TicketRow, EditError> {
        let mut ticket = by_id(&mut *db, self.id).await?.ok_or(EditError::NotFound)?;
        if ticket.status == TicketStatus::Confirmed {
            return Err(EditError::Confirmed);
        }
        let stale = EditError::StaleRevision { current: ticket.revision };
        if !(0..=ticket.revision).contains(&self.expected_revision) {
            return Err(stale);
        }
        if self.expected_revision < ticket.revision {
            let seen = values_at(db, self.id, self.expected_revision).await?;
            let is_as_seen =
                |field: Field| text(&ticket.draft, field) == seen.get(&field).map(String::as_str);
            if !self.edits.iter().all(|(field, _)| is_as_seen(*field)) {
                return Err(stale);
            }
        }
        if self.edits.is_empty() {
            return Ok(ticket);
        }
        let before = ticket.draft.clone();
        let mut changed = Vec::with_capacity(self.edits.len());
        for (field, value) in &self.edits {
            ticket.draft.edit(*field, value.clone());
            changed.push(*field);
        }
        revise(db, &mut ticket, &before, &changed, &self.by, clock::now()).await?;
        Ok(ticket)
    }
}

/// The last revision of the fields; those after it are steps of handling.
async fn revision_of_confirmation(db: &mut AnyConnection, id: TicketId) -> Result<i64, StoreError> {
    let last =
        sqlx::query_scalar("SELECT max(revision) FROM ticket_revisions WHERE ticket_id = $1");
    Ok(last.bind(id.to_string()).fetch_one(db).await?)
}

struct ConfirmTicket {
    id: TicketId,
    expected_revision: i64,
    by: String,
}

impl Command for ConfirmTicket {
    type Output = Confirmed;
    type Error = EditError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Confirmed, EditError> {
        let mut ticket = by_id(&mut *db, self.id).await?.ok_or(EditError::NotFound)?;
        if ticket.status == TicketStatus::Confirmed {
            let confirmed = revision_of_confirmation(db, self.id).await?;
            let seen = [confirmed - 1, confirmed];
            return match seen.contains(&self.expected_revision) {
                true => Ok(Confirmed { ticket, is_new: false }),
                false => Err(EditError::StaleRevision { current: ticket.revision }),
            };
        }
        if ticket.revision != self.expected_revision {
            return Err(EditError::StaleRevision { current: ticket.revision });
        }
        let now = clock::now();
        ticket.status = TicketStatus::Confirmed;
        ticket.confirmed_at = Some(now);
        ticket.confirmed_by = Some(self.by.clone());
        let before = ticket.draft.clone();
        revise(db, &mut ticket, &before, &[], &self.by, now).await?;
        Ok(Confirmed { ticket, is_new: true })
    }
}
