//! Counts of calls and tickets over a span of time.
//!
//! **Every call and every ticket of the span is counted once**, whatever is missing of it: the groups of one answer
//! always sum to what the lists of calls and tickets give for that span. What a ticket is counted by is worked out
//! after it was written ([`Store::read_facts`]); until then it is in the groups of what is missing.

use crate::citizens::ERASED;
use crate::error::StoreError;
use crate::rows::{at, named, number, parsed, unsigned};
use crate::sql::Sql;
use crate::tickets::{self, TicketRow, TicketStatus};
use crate::writer::Command;
use crate::{Direction, Store};
use qingting_common::{CallId, TicketId, UnixMillis};
use qingting_nlu::draft::Field;
use sqlx::{AnyConnection, Row};

/// Tickets whose facts are written in one transaction.
const BATCH_ROWS: u32 = 500;
/// Callers are to reach a person within this time.
pub const WITHIN_MS: i64 = 15_000;
/// China's clock before UTC's, in milliseconds; `hour` counts its hours since 1970.
const HOUR: &str = "(started_at + 28800000) / 3600000";

/// Calls of one hour and one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallGroup {
    /// Hours since 1970-01-01 00:00 in China.
    pub hour: i64,
    /// Which way they went.
    pub direction: Direction,
    /// How many.
    pub calls: u64,
    /// Those that a seat talked in.
    pub taken: u64,
    /// Those whose citizen reached nobody, and no seat talked in.
    pub missed: u64,
    /// Those of a queue that are over or were taken.
    pub queued: u64,
    /// Of those, taken within [`WITHIN_MS`].
    pub in_time: u64,
    /// Those that were answered, by a person or a machine; of calls back those that the citizen answered.
    pub answered: u64,
}

/// Tickets that have all of it in common; empty where it is not filled or not certain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketKind {
    /// The division in which the place lies.
    pub district: String,
    /// The path of the category, levels joined by `/`.
    pub category: String,
    /// The unit that it was dispatched to, else the one in its draft.
    pub unit: String,
    /// 诉求类型.
    pub kind: String,
}

/// How many tickets are of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketGroup {
    /// What they have in common.
    pub of: TicketKind,
    /// Whether a person confirmed them.
    pub status: TicketStatus,
    /// How many.
    pub tickets: u64,
}

/// A ticket by what it is counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedTicket {
    /// The ticket.
    pub id: TicketId,
    /// Its number.
    pub number: String,
    /// Its call.
    pub call: CallId,
    /// When it was made.
    pub created_at: UnixMillis,
    /// What it is counted by.
    pub of: TicketKind,
}

/// How many tickets of a topic a span has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCount {
    /// The path of the category.
    pub category: String,
    /// The district; empty where it is not certain.
    pub district: String,
    /// How many.
    pub tickets: u64,
}

impl Store {
    /// Calls that started from `from` until before `to`, by hour and direction.
    pub async fn count_calls(
        &self,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<CallGroup>, StoreError> {
        let mut sql = Sql::new(format!("SELECT {HOUR} AS hour, direction, count(*) AS calls,
            count(CASE WHEN direction <> 'callback' OR EXISTS (SELECT 1 FROM legs
                WHERE legs.call_id = calls.id AND legs.role = 'citizen' AND legs.answered_at IS NOT NULL)
                THEN answered_at END) AS answered, count(seat) AS taken,
            count(CASE WHEN seat IS NULL THEN missed END) AS missed,
            count(CASE WHEN seat IS NOT NULL OR ended_at IS NOT NULL THEN queue END) AS queued,
            count(CASE WHEN seat IS NOT NULL AND queue IS NOT NULL AND queue_wait_ms <= {WITHIN_MS} THEN 1 END)
                AS in_time
            FROM calls WHERE started_at >= "));
        sql.push_bind(from.0).push(" AND started_at < ").push_bind(to.0);
        sql.push(&format!(" GROUP BY {HOUR}, direction ORDER BY 1, 2"));
        let rows = sql.build().fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                let count = |column| row.try_get(column).map(unsigned);
                Ok(CallGroup {
                    hour: row.try_get("hour")?,
                    direction: named(row, "direction", Direction::ALL, Direction::as_str)?,
                    calls: count("calls")?,
                    taken: count("taken")?,
                    missed: count("missed")?,
                    queued: count("queued")?,
                    in_time: count("in_time")?,
                    answered: count("answered")?,
                })
            })
            .collect()
    }

    /// Our own tickets that were made from `from` until before `to`, by all that they are counted by.
    pub async fn count_tickets(
        &self,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<TicketGroup>, StoreError> {
        let mut sql = Sql::new(
            "SELECT district, category, coalesce(tickets.unit, ticket_facts.unit) AS unit, kind, status,
                count(*) AS tickets FROM tickets
             LEFT JOIN ticket_facts ON ticket_id = tickets.id WHERE created_at >= ",
        );
        sql.push_bind(from.0).push(" AND created_at < ").push_bind(to.0);
        sql.push(
            " GROUP BY district, category, coalesce(tickets.unit, ticket_facts.unit), kind, status",
        );
        let rows = sql.build().fetch_all(self.readers()).await?;
        let status = [TicketStatus::Draft, TicketStatus::Confirmed];
        rows.iter()
            .map(|row| {
                Ok(TicketGroup {
                    of: kind(row)?,
                    status: named(row, "status", status, TicketStatus::as_str)?,
                    tickets: number(row, "tickets")?,
                })
            })
            .collect()
    }

    /// Tickets of a span that have a category, oldest first, by what they are counted by; at most `limit`.
    pub async fn counted_tickets(
        &self,
        from: UnixMillis,
        to: UnixMillis,
        limit: u32,
    ) -> Result<Vec<CountedTicket>, StoreError> {
        let mut sql = Sql::new(
            "SELECT id, number, call_id, created_at, district, category,
                coalesce(tickets.unit, ticket_facts.unit) AS unit, kind FROM tickets
             JOIN ticket_facts ON ticket_id = tickets.id WHERE category <> '' AND created_at >= ",
        );
        sql.push_bind(from.0).push(" AND created_at < ").push_bind(to.0);
        sql.push(" ORDER BY created_at, id LIMIT ").push_bind(i64::from(limit));
        let rows = sql.build().fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                Ok(CountedTicket {
                    id: parsed(row, "id")?,
                    number: row.try_get("number")?,
                    call: parsed(row, "call_id")?,
                    created_at: at(row, "created_at")?,
                    of: kind(row)?,
                })
            })
            .collect()
    }

    /// How many tickets of each topic a span has.
    pub async fn count_topics(
        &self,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<TopicCount>, StoreError> {
        let mut sql = Sql::new(
            "SELECT category, district, count(*) AS tickets FROM tickets
             JOIN ticket_facts ON ticket_id = tickets.id WHERE category <> '' AND created_at >= ",
        );
        sql.push_bind(from.0).push(" AND created_at < ").push_bind(to.0);
        sql.push(" GROUP BY category, district");
        let rows = sql.build().fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                Ok(TopicCount {
                    category: row.try_get("category")?,
                    district: row.try_get("district")?,
                    tickets: number(row, "tickets")?,
                })
            })
            .collect()
    }

    /// When the first ticket was made; none without tickets.
    pub async fn first_ticket_at(&self) -> Result<Option<UnixMillis>, StoreError> {
        let first = sqlx::query_scalar("SELECT min(created_at) FROM tickets");
        let first: Option<i64> = first.fetch_one(self.readers()).await?;
        Ok(first.map(UnixMillis))
    }

    /// Works out what tickets are counted by that were written since, the newest first and at most about `max`;
    /// `district_of` gives the district of a place, or an empty text. Returns how many still wait.
    pub async fn read_facts(
        &self,
        district_of: &(dyn Fn(&str) -> String + Send + Sync),
        max: u32,
    ) -> Result<u64, StoreError> {
        let mut done = 0;
        while done < max {
            let mut sql = Sql::new(
                "SELECT tickets.*, ticket_facts.district FROM tickets_to_count
                 JOIN tickets ON tickets.id = tickets_to_count.ticket_id
                 LEFT JOIN ticket_facts ON ticket_facts.ticket_id = tickets.id
                 ORDER BY tickets.id DESC LIMIT ",
            );
            sql.push_bind(i64::from(BATCH_ROWS.min(max - done)));
            let rows = sql.build().fetch_all(self.readers()).await?;
            if rows.is_empty() {
                return Ok(0);
            }
            let mut facts = Vec::with_capacity(rows.len());
            for row in &rows {
                let mut of = Facts::of(&tickets::read(row)?, district_of);
                // Of an erased citizen the place is gone; the district, which is nobody's, stays counted.
                if of.is_erased {
                    of.of.district =
                        row.try_get::<Option<String>, _>("district")?.unwrap_or_default();
                }
                facts.push(of);
            }
            self.write(WriteFacts(facts)).await?;
            done += BATCH_ROWS;
        }
        let waiting = sqlx::query_scalar("SELECT count(*) FROM tickets_to_count");
        Ok(unsigned(waiting.fetch_one(self.readers()).await?))
    }
}

fn kind(row: &sqlx::any::AnyRow) -> Result<TicketKind, StoreError> {
    let text = |column| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
    Ok(TicketKind {
        district: text("district")?,
        category: text("category")?,
        unit: text("unit")?,
        kind: text("kind")?,
    })
}

struct Facts {
    ticket: TicketId,
    revision: i64,
    of: TicketKind,
    is_erased: bool,
}

impl Facts {
    fn of(ticket: &TicketRow, district_of: &(dyn Fn(&str) -> String + Send + Sync)) -> Self {
        let value = |field| {
            let value = ticket.draft.field(field).map(|value| value.value.expose().trim());
            value.unwrap_or_default().to_owned()
        };
        let place = value(Field::Place);
        let is_erased = place == ERASED;
        let is_there = !place.is_empty() && !is_erased;
        let district = if is_there { district_of(&place) } else { String::new() };
        let (category, unit) = (value(Field::Category), value(Field::HandlingUnit));
        let of = TicketKind { district, category, unit, kind: value(Field::AppealKind) };
        Self { ticket: ticket.id, revision: ticket.revision, of, is_erased }
    }
}

struct WriteFacts(Vec<Facts>);

impl Command for WriteFacts {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        for Facts { ticket, revision, of, .. } in &self.0 {
            // Another server may have read a later revision meanwhile.
            sqlx::query(
                "INSERT INTO ticket_facts (ticket_id, revision, category, unit, kind, district)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (ticket_id) DO UPDATE SET revision = excluded.revision,
                    category = excluded.category, unit = excluded.unit, kind = excluded.kind,
                    district = excluded.district
                 WHERE ticket_facts.revision <= excluded.revision",
            )
            .bind(ticket.to_string())
            .bind(revision)
            .bind(&of.category)
            .bind(&of.unit)
            .bind(&of.kind)
            .bind(&of.district)
            .execute(&mut *db)
            .await?;
            sqlx::query(
                "DELETE FROM tickets_to_count WHERE ticket_id = $1
                    AND (SELECT revision FROM tickets WHERE id = $1) = $2",
            )
            .bind(ticket.to_string())
            .bind(revision)
            .execute(&mut *db)
            .await?;
        }
        Ok(())
    }
}
