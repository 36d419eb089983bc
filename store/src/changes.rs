//! Which tickets changed, for pages that show one: the log ([`crate::feed`]) read on from a place, whichever server wrote
//! it. No content: who may read a ticket reads it.

use crate::error::StoreError;
use crate::rows::parsed;
use crate::sql::Sql;
use crate::{PAGE_ROWS_MAX, Store};
use qingting_common::{CallId, TicketId};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// A ticket that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketChange {
    /// The ticket.
    pub ticket: TicketId,
    /// Its call.
    pub call: CallId,
    /// Its revision now.
    pub revision: i64,
    /// Units that have or had it (承办单位).
    pub units: BTreeSet<String>,
}

impl Store {
    /// The place at the end of the log.
    pub async fn log_end(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT coalesce(max(id), 0) AS id FROM outbox");
        let last: i64 = row.fetch_one(self.readers()).await?.try_get("id")?;
        // Of an empty log the place is behind what was deleted.
        Ok(last.max(self.log_deleted().await?))
    }

    /// Tickets that changed behind that place, each once, and the place to go on from.
    pub async fn ticket_changes(&self, after: i64) -> Result<(Vec<TicketChange>, i64), StoreError> {
        let rows = "SELECT id, kind, stream FROM outbox WHERE id > $1 ORDER BY id LIMIT $2";
        let rows = sqlx::query(rows).bind(after).bind(i64::from(PAGE_ROWS_MAX));
        let rows = rows.fetch_all(self.readers()).await?;
        let (mut next, mut changed) = (after, BTreeSet::new());
        for row in &rows {
            next = row.try_get("id")?;
            if row.try_get::<String, _>("kind")?.starts_with("ticket.") {
                changed.insert(row.try_get::<String, _>("stream")?);
            }
        }
        if changed.is_empty() {
            return Ok((Vec::new(), next));
        }
        let mut had: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut steps = Sql::new(
            "SELECT DISTINCT ticket_id, unit FROM ticket_steps WHERE unit IS NOT NULL AND ticket_id IN (",
        );
        steps.push_list(changed.iter().cloned()).push(")");
        for row in steps.build().fetch_all(self.readers()).await? {
            had.entry(row.try_get("ticket_id")?).or_default().insert(row.try_get("unit")?);
        }
        let mut tickets = Sql::new("SELECT id, call_id, revision, unit FROM tickets WHERE id IN (");
        tickets.push_list(changed.iter().cloned()).push(")");
        let rows = tickets.build().fetch_all(self.readers()).await?;
        let changes = rows.iter().map(|row| {
            let mut units = had.remove(&row.try_get::<String, _>("id")?).unwrap_or_default();
            units.extend(row.try_get::<Option<String>, _>("unit")?);
            Ok(TicketChange {
                ticket: parsed(row, "id")?,
                call: parsed(row, "call_id")?,
                revision: row.try_get("revision")?,
                units,
            })
        });
        Ok((changes.collect::<Result<_, StoreError>>()?, next))
    }
}
