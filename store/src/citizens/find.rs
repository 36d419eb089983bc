//! Which rows are a citizen's.

use super::{CITIZEN_ROWS_MAX, CitizenNumber};
use crate::error::StoreError;
use crate::sql::Sql;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeSet;

/// Ids of a citizen's rows.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    /// Calls with the number and, in `others`, those that other numbers made about its tickets.
    pub(super) calls: BTreeSet<String>,
    /// Calls with another number that are about a ticket that names this one.
    pub(super) others: BTreeSet<String>,
    pub(super) tickets: BTreeSet<String>,
    /// 工单编号 of those and of past ones.
    pub(super) numbers: BTreeSet<String>,
    pub(super) past: BTreeSet<String>,
    pub(super) follow_ups: BTreeSet<String>,
    /// A number that was noted as not to be called.
    pub(super) is_refused: bool,
    /// There are more than these.
    pub(super) more: bool,
}

impl Found {
    /// All calls.
    pub(super) fn all_calls(&self) -> impl Iterator<Item = &String> {
        self.calls.iter().chain(&self.others)
    }

    /// The same in parts, with at most so many rows of each kind.
    pub(super) fn parts(&self, rows: usize) -> Vec<Self> {
        let sets = self.sets();
        let count = sets.iter().map(|set| set.len().div_ceil(rows)).max().unwrap_or_default();
        let part = |number: usize| {
            let [calls, others, tickets, numbers, past, follow_ups] =
                sets.map(|set| set.iter().skip(number * rows).take(rows).cloned().collect());
            Self { calls, others, tickets, numbers, past, follow_ups, ..Self::default() }
        };
        (0..count).map(part).collect()
    }

    const fn sets(&self) -> [&BTreeSet<String>; 6] {
        let Self { calls, others, tickets, numbers, past, follow_ups, .. } = self;
        [calls, others, tickets, numbers, past, follow_ups]
    }
}

/// Rows where a column is one of the values.
pub(super) fn of(head: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Sql {
    let mut sql = Sql::new(head);
    sql.push(" IN (").push_list(values.into_iter().map(Into::<String>::into)).push(")");
    sql
}

pub(super) async fn find(
    db: &mut AnyConnection,
    number: &CitizenNumber,
) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let limit = i64::from(CITIZEN_ROWS_MAX);

    let mut calls = of("SELECT id FROM calls WHERE caller", number.forms());
    calls.push(" ORDER BY id LIMIT ").push_bind(limit + 1);
    let mut ids = texts(&calls.build().fetch_all(&mut *db).await?, "id")?;
    found.more |= ids.len() > limit as usize;
    ids.truncate(limit as usize);
    found.calls.extend(ids);

    let mut docs = of(
        "SELECT DISTINCT ticket_docs.doc, ticket_docs.ticket_id FROM ticket_docs
         JOIN ticket_phones ON ticket_phones.doc = ticket_docs.doc WHERE ticket_phones.reversed",
        number.reversed(),
    );
    docs.push(" ORDER BY ticket_docs.doc LIMIT ").push_bind(limit + 1);
    let rows = docs.build().fetch_all(&mut *db).await?;
    found.more |= rows.len() > limit as usize;
    let named = texts(&rows[..rows.len().min(limit as usize)], "ticket_id")?;

    let mut own = of("SELECT id, number, call_id FROM tickets WHERE id", named.clone());
    own.push(" OR call_id IN (").push_list(found.calls.iter().cloned()).push(")");
    let rows = own.build().fetch_all(&mut *db).await?;
    found.tickets.extend(texts(&rows, "id")?);
    found.numbers.extend(texts(&rows, "number")?);
    let others: Vec<String> = texts(&rows, "call_id")?;
    found.others.extend(others.into_iter().filter(|call| !found.calls.contains(call)));
    // A call with the number beyond the limit is its own, too.
    let mut own = of("SELECT id FROM calls WHERE id", found.others.iter().cloned());
    own.push(" AND caller IN (").push_list(number.forms()).push(")");
    for id in texts(&own.build().fetch_all(&mut *db).await?, "id")? {
        found.others.remove(&id);
        found.calls.insert(id);
    }

    let rows = of("SELECT id, number FROM past_tickets WHERE id", named).build();
    let rows = rows.fetch_all(&mut *db).await?;
    found.past.extend(texts(&rows, "id")?);
    found.numbers.extend(texts(&rows, "number")?);

    let mut asked = of("SELECT id FROM follow_ups WHERE citizen", number.forms());
    asked.push(" OR ticket IN (").push_list(found.numbers.iter().cloned()).push(")");
    found.follow_ups.extend(texts(&asked.build().fetch_all(&mut *db).await?, "id")?);
    // What it said to the machine may have been said at another number.
    let attempts = of(
        "SELECT calls.id, calls.caller FROM attempts JOIN calls ON calls.id = attempts.call_id
         WHERE attempts.follow_up_id",
        found.follow_ups.iter().cloned(),
    );
    for row in attempts.build().fetch_all(&mut *db).await? {
        let (id, caller): (String, String) = (row.try_get("id")?, row.try_get("caller")?);
        match number.forms().contains(&caller) {
            true => found.calls.insert(id),
            false => found.others.insert(id),
        };
    }

    let refused = of("SELECT number FROM do_not_call WHERE number", number.forms()).build();
    found.is_refused = refused.fetch_optional(&mut *db).await?.is_some();
    Ok(found)
}

fn texts(rows: &[AnyRow], column: &str) -> Result<Vec<String>, StoreError> {
    rows.iter().map(|row| row.try_get(column).map_err(StoreError::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        let ids = |count: usize| (0..count).map(|id| format!("{id:04}")).collect();
        let found = Found { calls: ids(201), tickets: ids(100), past: ids(1), ..Found::default() };
        let parts = found.parts(100);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| part.sets().iter().all(|set| set.len() <= 100)));
        let calls: BTreeSet<String> = parts.iter().flat_map(|part| part.calls.clone()).collect();
        assert_eq!((calls, parts[0].past.len()), (found.calls, 1));
        assert!(Found::default().parts(100).is_empty());
    }
}
