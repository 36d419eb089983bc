//! What was said: final segments, the gaps between them, and the draft that they fill.

use crate::error::StoreError;
use crate::rows::{parsed, party, pii, signed, unsigned};
use crate::writer::Command;
use crate::{Store, calls, clock, tickets};
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, TicketId};
use qingting_nlu::draft::{Field, Tag, TicketDraft};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

/// A recognised sentence of one party. Times are milliseconds since the call was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalSegment {
    /// Its id; the partials before it had the same.
    pub id: SegmentId,
    /// Who spoke.
    pub party: Party,
    /// Where speech starts.
    pub start_ms: u64,
    /// Where speech ends.
    pub end_ms: u64,
    /// What a seat reads; evidence points into it.
    pub text: Pii<String>,
    /// What was heard, before fillers went and numbers were written.
    pub raw: Pii<String>,
    /// 0 to 1.
    pub confidence: f32,
}

/// A stored segment: the same as what was recognised.
pub type Segment = FinalSegment;

/// A stretch of the call that nobody transcribed, e.g. because the recogniser restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its start, in milliseconds since the call was answered.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
}

/// What is known of a call's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// Segments by start.
    pub segments: Vec<Segment>,
    /// Gaps by start.
    pub gaps: Vec<Gap>,
}

/// What a sentence did to the draft.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftUpdate {
    /// The call's ticket.
    pub ticket: TicketId,
    /// Its revision now.
    pub revision: i64,
    /// The fields that changed; empty when the revision is the old one.
    pub changed: Vec<Field>,
    /// The draft now.
    pub draft: TicketDraft,
}

impl Store {
    /// Writes a sentence, fills the draft with `tags` (the machine's reading of the whole transcript
    /// so far), and announces the new revision, all in one transaction. A field that a person set
    /// and a confirmed ticket stay as they are. The same segment again replaces its text.
    pub async fn record_final(
        &self,
        call: CallId,
        segment: FinalSegment,
        tags: &[Tag],
    ) -> Result<DraftUpdate, StoreError> {
        self.write(RecordFinal { call, segment, tags: tags.to_vec() }).await
    }

    /// Notes that nothing was transcribed between two times of the call.
    pub async fn record_gap(
        &self,
        call: CallId,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<(), StoreError> {
        self.write(RecordGap { call, gap: Gap { from_ms, to_ms } }).await
    }

    /// The call's words so far; empty for an unknown call.
    pub async fn transcript(&self, call: CallId) -> Result<Transcript, StoreError> {
        let segments = sqlx::query(
            "SELECT id, party, start_ms, end_ms, text, raw, confidence FROM segments
             WHERE call_id = ?1 ORDER BY start_ms, id",
        )
        .bind(call.to_string())
        .fetch_all(self.readers())
        .await?;
        let gaps = sqlx::query(
            "SELECT from_ms, to_ms FROM caption_gaps WHERE call_id = ?1 ORDER BY from_ms",
        )
        .bind(call.to_string())
        .fetch_all(self.readers())
        .await?;
        let segment = |row| {
            Ok::<_, StoreError>(Segment {
                id: parsed(row, "id")?,
                party: party(row)?,
                start_ms: unsigned(row.try_get("start_ms")?),
                end_ms: unsigned(row.try_get("end_ms")?),
                text: pii(row, "text")?,
                raw: pii(row, "raw")?,
                confidence: row.try_get("confidence")?,
            })
        };
        let gap = |row: &sqlx::sqlite::SqliteRow| {
            Ok::<_, StoreError>(Gap {
                from_ms: unsigned(row.try_get("from_ms")?),
                to_ms: unsigned(row.try_get("to_ms")?),
            })
        };
        Ok(Transcript {
            segments: segments.iter().map(segment).collect::<Result<_, _>>()?,
            gaps: gaps.iter().map(gap).collect::<Result<_, _>>()?,
        })
    }
}

struct RecordFinal {
    call: CallId,
    segment: FinalSegment,
    tags: Vec<Tag>,
}

impl Command for RecordFinal {
    type Output = DraftUpdate;
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<DraftUpdate, StoreError> {
        let mut ticket = tickets::of_call(&mut *db, self.call)
            .await?
            .ok_or_else(|| StoreError::NotFound { what: "call", id: self.call.to_string() })?;
        sqlx::query(
            "INSERT INTO segments (id, call_id, party, start_ms, end_ms, text, confidence, raw)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO UPDATE SET start_ms = excluded.start_ms,
                end_ms = excluded.end_ms, text = excluded.text, raw = excluded.raw,
                confidence = excluded.confidence",
        )
        .bind(self.segment.id.to_string())
        .bind(self.call.to_string())
        .bind(self.segment.party.as_str())
        .bind(signed(self.segment.start_ms))
        .bind(signed(self.segment.end_ms))
        .bind(self.segment.text.expose())
        .bind(f64::from(self.segment.confidence))
        .bind(self.segment.raw.expose())
        .execute(&mut *db)
        .await?;
        let before = ticket.draft.clone();
        let changed = match ticket.status {
            tickets::TicketStatus::Draft => ticket.draft.prefill(&self.tags),
            tickets::TicketStatus::Confirmed => Vec::new(),
        };
        if !changed.is_empty() {
            let now = clock::now();
            tickets::revise(db, &mut ticket, &before, &changed, tickets::MACHINE, now).await?;
        }
        Ok(DraftUpdate {
            ticket: ticket.id,
            revision: ticket.revision,
            changed,
            draft: ticket.draft,
        })
    }
}

struct RecordGap {
    call: CallId,
    gap: Gap,
}

impl Command for RecordGap {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO caption_gaps (call_id, from_ms, to_ms)
             SELECT id, ?2, ?3 FROM calls WHERE id = ?1
             ON CONFLICT (call_id, from_ms) DO UPDATE SET to_ms = max(to_ms, excluded.to_ms)",
        )
        .bind(self.call.to_string())
        .bind(signed(self.gap.from_ms))
        .bind(signed(self.gap.to_ms))
        .execute(db)
        .await?;
        calls::found(inserted.rows_affected(), self.call)
    }
}
