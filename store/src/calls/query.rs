//! Reading calls.

use super::{CallQuery, CallRow, CallState, Direction};
use crate::error::StoreError;
use crate::rows::{
    at, flag, maybe_at, maybe_flag, maybe_number, maybe_parsed, named, parsed, pii, unsigned,
};
use crate::sql::Sql;
use crate::{PAGE_ROWS_MAX, recordings, rows};
use sqlx::Row;
use sqlx::any::AnyRow;

/// A callback has no ticket of its own. A draft is stored as it is serialized: a field begins with its value, and a
/// quotation mark within one is escaped. With its filters and its order SQLite starts at the calls and follows an
/// index (`tests::lists_follow_…`).
pub(crate) const SELECT: &str = "SELECT calls.*, legs.sip_call_id, legs.remote, recordings.file,
        recordings.key_id, recordings.chain_head, recordings.duration_ms, recordings.bytes,
        recordings.sha256, recordings.pauses, recordings.incomplete, recordings.missing_ms,
        tickets.id AS ticket_id, tickets.number AS ticket_number,
        tickets.draft LIKE '%\"confidential\":{\"value\":\"true\"%' AS confidential
     FROM calls
     LEFT JOIN tickets ON tickets.call_id = calls.id
     LEFT JOIN legs ON legs.call_id = calls.id AND legs.slot = 0 AND legs.seq = 0
     LEFT JOIN recordings ON recordings.call_id = calls.id AND recordings.kind = 'mix'
        AND recordings.slot = 0 AND recordings.seq = 0 AND recordings.deleted_at IS NULL";

/// Only the filters that are used: a plan is made for the text, not for the values.
pub(crate) fn list(select: &str, query: &CallQuery) -> Sql {
    let mut sql = Sql::new(select);
    sql.push(match query.state {
        None => " WHERE true",
        Some(CallState::Ended) => " WHERE calls.ended_at IS NOT NULL",
        Some(CallState::Active) => {
            " WHERE calls.ended_at IS NULL AND calls.answered_at IS NOT NULL"
        }
        Some(CallState::Ringing) => " WHERE calls.ended_at IS NULL AND calls.answered_at IS NULL",
    });
    if let Some(before) = query.before {
        sql.push(
            " AND (calls.started_at, calls.id) < (SELECT started_at, id FROM calls WHERE id = ",
        );
        sql.push_bind(before.to_string()).push(")");
    }
    if let Some(from) = query.from {
        sql.push(" AND calls.started_at >= ").push_bind(from.0);
    }
    if let Some(to) = query.to {
        sql.push(" AND calls.started_at < ").push_bind(to.0);
    }
    if let Some(queue) = &query.queue {
        sql.push(" AND calls.queue = ").push_bind(queue.clone());
    }
    if let Some(extension) = &query.with_seat {
        sql.push(
            " AND EXISTS (SELECT 1 FROM legs AS own WHERE own.call_id = calls.id
                AND own.role IN ('seat', 'seat_second_line', 'supervisor') AND own.target = ",
        );
        sql.push_bind(extension.clone()).push(")");
    }
    sql.push(" ORDER BY calls.started_at DESC, calls.id DESC LIMIT ");
    sql.push_bind(i64::from(query.limit.min(PAGE_ROWS_MAX)));
    sql
}

pub(super) fn read(row: &AnyRow) -> Result<CallRow, StoreError> {
    let quality: Option<String> = row.try_get("quality")?;
    let has_recording = row.try_get::<Option<&str>, _>("file")?.is_some();
    Ok(CallRow {
        id: parsed(row, "id")?,
        direction: named(row, "direction", Direction::ALL, Direction::as_str)?,
        caller: pii(row, "caller")?,
        confidential: maybe_flag(row, "confidential")?.unwrap_or_default(),
        called: row.try_get("called")?,
        number_name: row.try_get("number_name")?,
        enterprise: flag(row, "enterprise")?,
        queue: row.try_get("queue")?,
        queue_wait_ms: row.try_get::<Option<i64>, _>("queue_wait_ms")?.map(unsigned),
        seat: row.try_get("seat")?,
        missed: row.try_get("missed")?,
        sip_call_id: row.try_get("sip_call_id")?,
        remote: row.try_get("remote")?,
        started_at: at(row, "started_at")?,
        answered_at: maybe_at(row, "answered_at")?,
        ended_at: maybe_at(row, "ended_at")?,
        hung_up_by: row.try_get("hung_up_by")?,
        cause: row.try_get("cause")?,
        sip_code: maybe_number(row, "sip_code")?,
        recording: has_recording.then(|| recordings::read_info(row)).transpose()?,
        quality: quality.map(|text| rows::json(&text, "quality")).transpose()?,
        ticket: maybe_parsed(row, "ticket_id")?,
        ticket_number: row.try_get("ticket_number")?,
    })
}
