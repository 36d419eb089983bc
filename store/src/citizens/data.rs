//! All that is known of a citizen, as it is stored.

use super::CitizenNumber;
use super::find::{Found, find, of};
use crate::error::StoreError;
use crate::recordings::RecordingRow;
use crate::sql::Sql;
use crate::{Store, recordings};
use serde_json::{Map, Value, json};
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{AnyConnection, Column, Row, ValueRef};

/// What is known of a citizen. `Debug` leaves out what it holds.
pub struct CitizenData {
    /// Rows by table, oldest first: names and shapes of `docs/privacy.md`.
    pub data: Value,
    /// Recordings of the citizen's own calls that were not deleted.
    pub recordings: Vec<RecordingRow>,
    /// There is more than is given here.
    pub more: bool,
}

impl std::fmt::Debug for CitizenData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CitizenData").field("more", &self.more).finish_non_exhaustive()
    }
}

/// Columns of text that hold JSON.
const JSON: [&str; 6] = ["draft", "changes", "earlier", "detail", "quality", "pauses"];

impl Store {
    /// What is known of a citizen, at most [`super::CITIZEN_ROWS_MAX`] calls and as many tickets. Of others who were
    /// on the telephone only their part in the call is given, of calls that others made about the citizen's tickets
    /// nothing but the ticket.
    pub async fn citizen_data(&self, number: &CitizenNumber) -> Result<CitizenData, StoreError> {
        // Who is named by a ticket is found by the index.
        self.index_what_waits(|_| ()).await?;
        // All of one moment.
        let mut db = self.readers().begin().await?;
        let found = find(&mut db, number).await?;
        let data = data(&mut db, number, &found).await?;
        let own = found.calls.iter().cloned();
        let mut kept = of("SELECT * FROM recordings WHERE deleted_at IS NULL AND call_id", own);
        kept.push(" ORDER BY call_id, kind, slot, seq");
        let rows = kept.build().fetch_all(&mut *db).await?;
        let recordings = rows.iter().map(recordings::read).collect::<Result<_, _>>()?;
        Ok(CitizenData { data, recordings, more: found.more })
    }
}

async fn data(
    db: &mut AnyConnection,
    number: &CitizenNumber,
    found: &Found,
) -> Result<Value, StoreError> {
    let calls = || found.calls.iter().cloned();
    let tickets = || found.tickets.iter().cloned();
    let follow_ups = || found.follow_ups.iter().cloned();
    let tables = [
        ("calls", of("SELECT * FROM calls WHERE id", calls()), " ORDER BY id"),
        (
            "legs",
            // Another's number and name are another's.
            of(
                "SELECT call_id, slot, seq, role,
                    CASE WHEN role = 'citizen' THEN target ELSE NULL END AS target,
                    CASE WHEN role = 'citizen' THEN name ELSE NULL END AS name,
                    started_at, answered_at, ended_at, hung_up_by, cause
                 FROM legs WHERE call_id",
                calls(),
            ),
            " ORDER BY call_id, slot, seq",
        ),
        (
            "call_events",
            of("SELECT call_id, at, kind, detail FROM call_events WHERE call_id", calls()),
            " ORDER BY id",
        ),
        (
            "transcripts",
            of("SELECT * FROM segments WHERE call_id", calls()),
            " ORDER BY call_id, start_ms, id",
        ),
        (
            "recordings",
            of(
                "SELECT call_id, kind, slot, seq, duration_ms, incomplete, missing_ms, pauses,
                    delete_after, deleted_at FROM recordings WHERE call_id",
                calls(),
            ),
            " ORDER BY call_id, kind, slot, seq",
        ),
        ("missed_calls", of("SELECT * FROM missed_calls WHERE call_id", calls()), " ORDER BY at"),
        ("tickets", of("SELECT * FROM tickets WHERE id", tickets()), " ORDER BY id"),
        (
            "ticket_revisions",
            of("SELECT * FROM ticket_revisions WHERE ticket_id", tickets()),
            " ORDER BY ticket_id, revision",
        ),
        (
            "ticket_steps",
            of("SELECT * FROM ticket_steps WHERE ticket_id", tickets()),
            " ORDER BY ticket_id, revision",
        ),
        (
            "past_tickets",
            of(
                "SELECT id, number, draft, received_at, closed_at FROM past_tickets WHERE id",
                found.past.iter().cloned(),
            ),
            " ORDER BY id",
        ),
        ("follow_ups", of("SELECT * FROM follow_ups WHERE id", follow_ups()), " ORDER BY id"),
        (
            "attempts",
            of(
                "SELECT follow_up_id, number, call_id, citizen, began_at, answered_at, notified_at,
                    ended_at, outcome, sip_code FROM attempts WHERE follow_up_id",
                follow_ups(),
            ),
            " ORDER BY follow_up_id, number",
        ),
        (
            "follow_up_answers",
            of("SELECT * FROM follow_up_answers WHERE follow_up_id", follow_ups()),
            " ORDER BY follow_up_id, attempt, question",
        ),
        (
            "answer_corrections",
            of("SELECT * FROM answer_corrections WHERE follow_up_id", follow_ups()),
            " ORDER BY id",
        ),
        (
            "do_not_call",
            of("SELECT number, why, at FROM do_not_call WHERE number", number.forms()),
            "",
        ),
    ];
    let mut all = Map::new();
    for (name, sql, order) in tables {
        all.insert(name.to_owned(), rows(db, sql, order).await?);
    }
    Ok(all.into())
}

async fn rows(db: &mut AnyConnection, mut sql: Sql, order: &str) -> Result<Value, StoreError> {
    sql.push(order);
    let rows = sql.build().fetch_all(db).await?;
    Ok(rows.iter().map(object).collect::<Result<Vec<_>, _>>()?.into())
}

fn object(row: &AnyRow) -> Result<Value, StoreError> {
    let mut is = Map::new();
    for column in row.columns() {
        let name = column.name();
        is.insert(name.to_owned(), value(row, name)?);
    }
    Ok(is.into())
}

fn value(row: &AnyRow, name: &str) -> Result<Value, StoreError> {
    let raw = row.try_get_raw(name)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    Ok(match raw.type_info().kind() {
        AnyTypeInfoKind::Null | AnyTypeInfoKind::Blob => Value::Null,
        AnyTypeInfoKind::Bool => row.try_get::<bool, _>(name)?.into(),
        AnyTypeInfoKind::SmallInt | AnyTypeInfoKind::Integer | AnyTypeInfoKind::BigInt => {
            row.try_get::<i64, _>(name)?.into()
        }
        AnyTypeInfoKind::Real | AnyTypeInfoKind::Double => json!(row.try_get::<f64, _>(name)?),
        AnyTypeInfoKind::Text => {
            let text: String = row.try_get(name)?;
            match JSON.contains(&name) {
                true => serde_json::from_str(&text).unwrap_or(Value::String(text)),
                false => text.into(),
            }
        }
    })
}
