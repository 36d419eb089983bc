//! What an erasure takes, and how: in parts, each of which is whole for the rows that it is given ([`super::order`]).

use super::find::{Found, of};
use super::{CitizenNumber, ERASED, scrub};
use crate::error::StoreError;
use crate::sql::{ROWS_AT_ONCE, Sql};
use crate::{callbacks, missed, outbox, rows, search};
use aho_corasick::AhoCorasick;
use qingting_common::{CallId, UnixMillis};
use qingting_nlu::draft::TicketDraft;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeSet;

/// Why a citizen's data must go: the grounds of the Personal Information Protection Law (个人信息保护法), article 47.
/// A choice and no text, which could name the citizen in the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseReason {
    /// The purpose is reached, cannot be reached, or needs the data no longer (no. 1).
    PurposeOver,
    /// The service ended, or the time of keeping is over (no. 2).
    KeepingOver,
    /// The citizen withdrew the consent (no. 3).
    ConsentWithdrawn,
    /// The data were processed against the law or what was agreed (no. 4).
    Unlawful,
    /// Another law or regulation demands it (no. 5).
    OtherLaw,
}

impl EraseReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::PurposeOver,
        Self::KeepingOver,
        Self::ConsentWithdrawn,
        Self::Unlawful,
        Self::OtherLaw,
    ];

    /// The name in the API and the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PurposeOver => "purpose_over",
            Self::KeepingOver => "keeping_over",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::Unlawful => "unlawful",
            Self::OtherLaw => "other_law",
        }
    }
}

/// What an erasure takes, or would take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Calls that lose the number or what was said.
    pub calls: u64,
    /// Of those, calls with other numbers, about tickets that name this one.
    pub calls_of_others: u64,
    /// Sentences of transcripts.
    pub segments: u64,
    /// Recordings whose files go.
    pub recordings: u64,
    /// Tickets that lose their fields, values of their history and notes.
    pub tickets: u64,
    /// Of those, tickets that somebody still handles.
    pub open_tickets: u64,
    /// Past tickets of another system.
    pub past_tickets: u64,
    /// Entries of the list of missed calls that lose the number.
    pub missed_calls: u64,
    /// Follow-ups that lose number and words.
    pub follow_ups: u64,
    /// Of those, follow-ups that were still to be made: they are cancelled.
    pub open_follow_ups: u64,
    /// Messages that the ticket system has not got: they are discarded.
    pub unsent_messages: u64,
    /// The wish not to be called stays: it protects the citizen.
    pub keeps_do_not_call: bool,
    /// There is more than one erasure takes: ask once more.
    pub more: bool,
}

/// What an erasure took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// How much.
    pub erasure: Erasure,
    /// From which calls, and from those of earlier erasures that were finished with it.
    pub calls: BTreeSet<CallId>,
}

/// Why nothing was erased, or not all.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// A call with the citizen runs, or its last words are still being written.
    #[error(
        "a call of this citizen runs, or is still being written down: ask again when it is over"
    )]
    UnderWay,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for EraseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

pub(super) async fn check(db: &mut AnyConnection, found: &Found) -> Result<(), EraseError> {
    let calls = || found.all_calls().cloned();
    let mut runs = of("SELECT 1 FROM calls WHERE ended_at IS NULL AND id", calls());
    runs.push(" LIMIT 1");
    let mut said = of("SELECT 1 FROM open_captions WHERE call_id", calls());
    said.push(" LIMIT 1");
    let follow_ups = found.follow_ups.iter().cloned();
    let mut rung = of("SELECT 1 FROM follow_ups WHERE state = 'calling' AND id", follow_ups);
    rung.push(" LIMIT 1");
    for sql in [runs, said, rung] {
        if sql.build().fetch_optional(&mut *db).await?.is_some() {
            return Err(EraseError::UnderWay);
        }
    }
    Ok(())
}

pub(super) async fn count(
    db: &mut AnyConnection,
    number: &CitizenNumber,
    found: &Found,
) -> Result<Erasure, EraseError> {
    let calls = || found.all_calls().cloned();
    let tickets = || found.tickets.iter().cloned();
    let follow_ups = || found.follow_ups.iter().cloned();
    let mut missed = of("SELECT count(*) FROM missed_calls WHERE caller", number.forms());
    missed.push(" OR call_id IN (").push_list(found.calls.iter().cloned()).push(")");
    let mut unsent = Sql::new("SELECT count(*) FROM outbox WHERE ");
    unsent_of(&mut unsent, found);
    Ok(Erasure {
        calls: calls().count() as u64,
        calls_of_others: found.others.len() as u64,
        segments: number_of(db, of("SELECT count(*) FROM segments WHERE call_id", calls())).await?,
        recordings: number_of(
            db,
            of("SELECT count(*) FROM recordings WHERE deleted_at IS NULL AND call_id", calls()),
        )
        .await?,
        tickets: found.tickets.len() as u64,
        open_tickets: number_of(
            db,
            of(
                "SELECT count(*) FROM tickets WHERE status = 'confirmed'
                    AND stage IN ('accepted', 'dispatched', 'in_handling') AND id",
                tickets(),
            ),
        )
        .await?,
        past_tickets: found.past.len() as u64,
        missed_calls: number_of(db, missed).await?,
        follow_ups: found.follow_ups.len() as u64,
        open_follow_ups: number_of(
            db,
            of("SELECT count(*) FROM follow_ups WHERE state <> 'ended' AND id", follow_ups()),
        )
        .await?,
        unsent_messages: number_of(db, unsent).await?,
        keeps_do_not_call: found.is_refused,
        more: found.more,
    })
}

async fn number_of(db: &mut AnyConnection, sql: Sql) -> Result<u64, StoreError> {
    Ok(rows::unsigned(sql.build().fetch_one(db).await?.try_get(0)?))
}

/// Messages whose content would be read when they are sent. Results of follow-ups go: no word of the citizen is
/// left in them.
fn unsent_of(sql: &mut Sql, found: &Found) {
    let streams = found.tickets.iter().chain(found.all_calls()).cloned();
    sql.push("state IN ('pending', 'parked') AND stream IN (").push_list(streams).push(")");
}

/// What one erasure writes.
pub(super) struct Erase {
    pub(super) number: CitizenNumber,
    /// Who ordered it, and when.
    pub(super) by: String,
    pub(super) at: UnixMillis,
}

impl Erase {
    /// Before any step: nobody is called any more, and no message goes that would be read when it is sent.
    pub(super) async fn hold(
        &self,
        db: &mut AnyConnection,
        found: &Found,
    ) -> Result<(), StoreError> {
        let all = found.follow_ups.iter().cloned();
        let waits = "SELECT id FROM follow_ups WHERE state NOT IN ('ended', 'calling') AND id";
        let open = of(waits, all).build();
        for row in open.fetch_all(&mut *db).await? {
            callbacks::cancel(db, rows::parsed(&row, "id")?, self.at).await?;
        }
        self.unsent(db, found).await
    }

    /// Everything that belongs to these rows.
    pub(super) async fn rows(
        &self,
        db: &mut AnyConnection,
        found: &Found,
    ) -> Result<(), StoreError> {
        self.follow_ups(db, found).await?;
        self.calls(db, found).await?;
        self.tickets(db, found).await?;
        self.past(db, found).await?;
        self.messages(db, found).await
    }

    /// After all of them: what is found by the number itself, and answers that are kept.
    pub(super) async fn rest(
        &self,
        db: &mut AnyConnection,
        found: &Found,
    ) -> Result<(), StoreError> {
        let forms = self.number.forms();
        // The citizen as a party, also where somebody else's call was passed on to the number.
        let mut legs = erased("legs SET name = NULL, target", "target", forms.clone());
        legs.push(" AND role IN ('citizen', 'other')");
        run(db, legs).await?;
        run(db, erased("missed_calls SET caller", "caller", forms.clone())).await?;
        // A ticket may have been closed between the steps, and have one more follow-up since.
        let mut late = of("SELECT id FROM follow_ups WHERE citizen", forms);
        late.push(" AND state <> 'calling' AND ticket IN (");
        late.push_list(found.numbers.iter().cloned()).push(")");
        let late = late.build().fetch_all(&mut *db).await?;
        let late = late.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
        let late = Found { follow_ups: late, ..Found::default() };
        self.hold(db, &late).await?;
        self.follow_ups(db, &late).await?;
        self.answers(db, found).await
    }

    async fn calls(&self, db: &mut AnyConnection, found: &Found) -> Result<(), StoreError> {
        let all = || found.all_calls().cloned();
        let forms = self.number.forms();
        let mut sql = Sql::new(
            "INSERT INTO recordings_to_erase (call_id, kind, slot, seq, file, by, asked_at)",
        );
        sql.push(" SELECT call_id, kind, slot, seq, file, ").push_bind(self.by.clone());
        sql.push(", CAST(").push_bind(self.at.0).push(" AS BIGINT)");
        sql.push(" FROM recordings WHERE deleted_at IS NULL AND call_id IN (");
        sql.push_list(all()).push(") ON CONFLICT (call_id, kind, slot, seq) DO NOTHING");
        run(db, sql).await?;
        let mut sql = Sql::new("UPDATE recordings SET deleted_at = ");
        sql.push_bind(self.at.0).push(" WHERE deleted_at IS NULL AND call_id IN (");
        sql.push_list(all()).push(")");
        run(db, sql).await?;
        for table in ["segments", "caption_gaps", "transcript_passes", "quality_due"] {
            run(db, of(&format!("DELETE FROM {table} WHERE call_id"), all())).await?;
        }
        // What was found counts; the words that it rests on, and what was written about them, go.
        for column in ["quote", "remark"] {
            let mut found = erased(&format!("quality_findings SET {column}"), "call_id", all());
            found.push(&format!(" AND {column} <> ''"));
            run(db, found).await?;
        }
        let events = of("SELECT id, detail FROM call_events WHERE call_id", all()).build();
        let mut told: Vec<(i64, String)> = Vec::new();
        for row in events.fetch_all(&mut *db).await? {
            let mut detail: Value = rows::json(row.try_get("detail")?, "call_events.detail")?;
            if scrub::numbers(&mut detail, &forms) {
                told.push((row.try_get("id")?, detail.to_string()));
            }
        }
        replace(db, "call_events", "detail", told).await?;
        let own = found.calls.iter().cloned();
        run(db, erased("missed_calls SET caller", "call_id", own)).await?;
        let own = found.calls.iter().cloned();
        let mut open = of("UPDATE missed_calls SET state = 'failed' WHERE call_id", own);
        open.push(" AND state = 'open' RETURNING call_id");
        let failed = open.build().fetch_all(&mut *db).await?;
        missed::tell_all(db, &failed, self.at).await?;
        run(db, erased("calls SET caller", "id", found.calls.iter().cloned())).await
    }

    async fn tickets(&self, db: &mut AnyConnection, found: &Found) -> Result<(), StoreError> {
        let all = || found.tickets.iter().cloned();
        self.history(db, found).await?;
        let drafts = of("SELECT id, call_id, revision, draft FROM tickets WHERE id", all()).build();
        let mut erased = Vec::new();
        let mut notes = Vec::new();
        for row in drafts.fetch_all(&mut *db).await? {
            let mut draft: Value = rows::json(row.try_get("draft")?, "tickets.draft")?;
            scrub::draft(&mut draft);
            // As everybody else writes it.
            let draft: TicketDraft = rows::json(&draft.to_string(), "tickets.draft")?;
            let (id, call): (String, String) = (row.try_get("id")?, row.try_get("call_id")?);
            // Who has seen it before has another one now.
            let revision = row.try_get::<i64, _>("revision")? + 1;
            let is = serde_json::json!({ "ticket": id, "call": call, "revision": revision });
            erased.push((id.clone(), revision, rows::to_json(&draft, "tickets.draft")?));
            notes.push((id, is));
        }
        for erased in erased.chunks(ROWS_AT_ONCE) {
            let mut sql = Sql::new("WITH new (id, revision, draft) AS (VALUES ");
            for (at, (id, revision, draft)) in erased.iter().enumerate() {
                sql.push(if at == 0 { "(" } else { ", (" }).push_bind(id.clone()).push(", ");
                sql.push_bind(*revision).push(", ").push_bind(draft.clone()).push(")");
            }
            sql.push(
                ") UPDATE tickets SET draft = new.draft, revision = new.revision, updated_at = ",
            );
            sql.push_bind(self.at.0).push(" FROM new WHERE tickets.id = new.id");
            run(db, sql).await?;
            let mut sql = Sql::new(
                "INSERT INTO ticket_revisions (ticket_id, revision, at, by, changes, erased) VALUES ",
            );
            for (at, (id, revision, _)) in erased.iter().enumerate() {
                sql.push(if at == 0 { "(" } else { ", (" }).push_bind(id.clone()).push(", ");
                sql.push_bind(*revision).push(", ").push_bind(self.at.0).push(", ");
                sql.push_bind(self.by.clone()).push(", '{}', true)");
            }
            run(db, sql).await?;
        }
        outbox::note_all(db, "ticket.erased", &notes, self.at).await?;
        let mut said = self::erased("ticket_steps SET note", "ticket_id", all());
        said.push(" AND note <> ''");
        run(db, said).await?;
        run(db, of("DELETE FROM ticket_places WHERE ticket_id", all())).await?;
        self.forget(db, all()).await
    }

    /// Takes tickets out of the index.
    async fn forget(
        &self,
        db: &mut AnyConnection,
        tickets: impl Iterator<Item = String>,
    ) -> Result<(), StoreError> {
        let docs = of("SELECT doc FROM ticket_docs WHERE ticket_id", tickets).build();
        let docs = docs.fetch_all(&mut *db).await?;
        let docs: Vec<i64> = docs.iter().map(|row| row.try_get("doc")).collect::<Result<_, _>>()?;
        search::forget(db, &docs).await
    }

    /// What the tickets' fields were before.
    async fn history(&self, db: &mut AnyConnection, found: &Found) -> Result<(), StoreError> {
        let all = found.tickets.iter().cloned();
        let changes =
            of("SELECT ticket_id, revision, changes FROM ticket_revisions WHERE ticket_id", all);
        let mut erased: Vec<(String, i64, String)> = Vec::new();
        for row in changes.build().fetch_all(&mut *db).await? {
            let before: &str = row.try_get("changes")?;
            let mut changes: Value = rows::json(before, "ticket_revisions.changes")?;
            scrub::changes(&mut changes);
            let after = changes.to_string();
            if after != before {
                erased.push((row.try_get("ticket_id")?, row.try_get("revision")?, after));
            }
        }
        for erased in erased.chunks(ROWS_AT_ONCE) {
            let mut sql = Sql::new("WITH new (ticket_id, revision, changes) AS (VALUES ");
            for (at, (id, revision, changes)) in erased.iter().enumerate() {
                sql.push(if at == 0 { "(" } else { ", (" }).push_bind(id.clone()).push(", ");
                sql.push_bind(*revision).push(", ").push_bind(changes.clone()).push(")");
            }
            sql.push(
                ") UPDATE ticket_revisions SET changes = new.changes FROM new
                 WHERE ticket_revisions.ticket_id = new.ticket_id
                    AND ticket_revisions.revision = new.revision",
            );
            run(db, sql).await?;
        }
        Ok(())
    }

    async fn past(&self, db: &mut AnyConnection, found: &Found) -> Result<(), StoreError> {
        let past = of("SELECT id, draft FROM past_tickets WHERE id", found.past.iter().cloned());
        let mut erased: Vec<(String, String)> = Vec::new();
        for row in past.build().fetch_all(&mut *db).await? {
            let mut draft: Value = rows::json(row.try_get("draft")?, "past_tickets.draft")?;
            scrub::draft(&mut draft);
            erased.push((row.try_get("id")?, draft.to_string()));
        }
        replace(db, "past_tickets", "draft", erased).await?;
        self.forget(db, found.past.iter().cloned()).await
    }

    async fn follow_ups(&self, db: &mut AnyConnection, found: &Found) -> Result<(), StoreError> {
        let all = || found.follow_ups.iter().cloned();
        let mut asked = Sql::new("UPDATE follow_ups SET earlier = 'null', title = ");
        asked.push_bind(ERASED).push(", citizen = ").push_bind(ERASED).push(" WHERE id IN (");
        asked.push_list(all()).push(")");
        run(db, asked).await?;
        run(db, erased("attempts SET citizen", "follow_up_id", all())).await?;
        let mut said = erased("follow_up_answers SET text", "follow_up_id", all());
        said.push(" AND text <> ''");
        run(db, said).await?;
        let mut noted = erased("answer_corrections SET note", "follow_up_id", all());
        noted.push(" AND note <> ''");
        run(db, noted).await
    }

    async fn unsent(&self, db: &mut AnyConnection, found: &Found) -> Result<(), StoreError> {
        let mut unsent = Sql::new("UPDATE outbox SET state = 'discarded' WHERE ");
        unsent_of(&mut unsent, found);
        run(db, unsent).await
    }

    async fn messages(&self, db: &mut AnyConnection, found: &Found) -> Result<(), StoreError> {
        self.unsent(db, found).await?;
        let of_tickets = found.numbers.iter().map(|number| format!("ticket:{number}"));
        let streams = found.tickets.iter().chain(found.all_calls()).cloned().chain(of_tickets);
        // What a receiver answered may quote what it was sent.
        let said = "UPDATE outbox SET last_error = NULL WHERE last_error IS NOT NULL AND stream";
        run(db, of(said, streams)).await?;
        let results = of(
            "SELECT id, payload FROM outbox WHERE kind = 'callback.result' AND stream",
            self.result_streams(db, found).await?,
        );
        let mut told: Vec<(i64, String)> = Vec::new();
        for row in results.build().fetch_all(&mut *db).await? {
            let mut payload: Value = rows::json(row.try_get("payload")?, "outbox.payload")?;
            scrub::result(&mut payload);
            told.push((row.try_get("id")?, payload.to_string()));
        }
        let ids = told.iter().map(|(id, _)| *id);
        let mut errors = Sql::new("UPDATE outbox SET last_error = NULL WHERE id IN (");
        errors.push_list(ids).push(")");
        run(db, errors).await?;
        replace(db, "outbox", "payload", told).await
    }

    async fn result_streams(
        &self,
        db: &mut AnyConnection,
        found: &Found,
    ) -> Result<Vec<String>, StoreError> {
        let ids = found.follow_ups.iter().cloned();
        let rows = of("SELECT DISTINCT ticket FROM follow_ups WHERE id", ids).build();
        let rows = rows.fetch_all(&mut *db).await?;
        let stream = |row: &AnyRow| Ok(format!("ticket:{}", row.try_get::<&str, _>("ticket")?));
        rows.iter().map(stream).collect()
    }

    /// Answers that are kept for a request that comes again: a citizen's become empty, and the request still counts
    /// once.
    async fn answers(&self, db: &mut AnyConnection, found: &Found) -> Result<(), StoreError> {
        let forms = self.number.forms();
        let ids = found.follow_ups.iter().chain(&found.tickets).chain(found.all_calls());
        let own = AhoCorasick::new(forms.iter().chain(ids));
        let own = own.expect("ids of a few thousand rows are far shorter than an automaton may be");
        let kept = "SELECT who, key, body FROM idempotency_keys WHERE status IS NOT NULL";
        for row in sqlx::query(kept).fetch_all(&mut *db).await? {
            let body: &str = row.try_get::<Option<&str>, _>("body")?.unwrap_or_default();
            if own.is_match(body) {
                sqlx::query("UPDATE idempotency_keys SET body = '{}' WHERE who = $1 AND key = $2")
                    .bind(row.try_get::<String, _>("who")?)
                    .bind(row.try_get::<String, _>("key")?)
                    .execute(&mut *db)
                    .await?;
            }
        }
        Ok(())
    }
}

/// Other texts in a column, by the rows' ids.
async fn replace<Id>(
    db: &mut AnyConnection,
    table: &str,
    column: &str,
    texts: Vec<(Id, String)>,
) -> Result<(), StoreError>
where
    Id: Clone + for<'v> sqlx::Encode<'v, sqlx::Any> + sqlx::Type<sqlx::Any>,
{
    for texts in texts.chunks(ROWS_AT_ONCE) {
        let mut sql = Sql::new("WITH new (id, text) AS (VALUES ");
        for (at, (id, text)) in texts.iter().enumerate() {
            sql.push(if at == 0 { "(" } else { ", (" }).push_bind(id.clone());
            sql.push(", ").push_bind(text.clone()).push(")");
        }
        sql.push(&format!(
            ") UPDATE {table} SET {column} = new.text FROM new WHERE {table}.id = new.id"
        ));
        run(db, sql).await?;
    }
    Ok(())
}

/// [`ERASED`] in a column, where another is one of the values.
fn erased(set: &str, whose: &str, values: impl IntoIterator<Item = String>) -> Sql {
    let mut sql = Sql::new(format!("UPDATE {set} = "));
    sql.push_bind(ERASED).push(&format!(" WHERE {whose} IN (")).push_list(values).push(")");
    sql
}

async fn run(db: &mut AnyConnection, sql: Sql) -> Result<(), StoreError> {
    sql.build().execute(db).await?;
    Ok(())
}
