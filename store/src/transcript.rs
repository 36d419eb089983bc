//! What was said: final segments, the gaps between them, and the draft that they fill.
//!
//! A recording can be heard again after the call ([`crate::passes`]); the gaps are for that.

use crate::error::StoreError;
use crate::passes::{self, PassKind};
use crate::rows::{number, parsed, party, pii, signed, unsigned};
use crate::writer::Command;
use crate::{Store, TicketRow, calls, clock, tickets};
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, TicketId, UnixMillis};
use qingting_nlu::draft::{Field, Tag, TicketDraft};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A recognised sentence of one party. Times are milliseconds since the call was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// A stretch of a leg that nobody transcribed, e.g. because the recogniser restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The leg's place in the call.
    pub slot: u8,
    /// Which use of the slot.
    pub seq: u32,
    /// Who may have spoken.
    pub party: Party,
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

    /// Fills the draft with another reading of what was said so far, as [`Store::record_final`] does with
    /// that of a sentence.
    pub async fn refill(&self, call: CallId, tags: &[Tag]) -> Result<DraftUpdate, StoreError> {
        self.write(Refill { call, tags: tags.to_vec() }).await
    }

    /// Notes that nothing was transcribed between two times of the call; its recording is to be
    /// heard once it is over.
    pub async fn record_gap(&self, call: CallId, gap: Gap) -> Result<(), StoreError> {
        self.write(RecordGap { call, gap, at: clock::now() }).await
    }

    /// The call's words so far, as they were heard while it ran and where gaps were filled later;
    /// empty for an unknown call.
    pub async fn transcript(&self, call: CallId) -> Result<Transcript, StoreError> {
        let segments = self.segments(call, &["live", "completed"]).await?;
        let gaps = sqlx::query(
            "SELECT slot, seq, party, from_ms, to_ms FROM caption_gaps
             WHERE call_id = $1 ORDER BY from_ms, slot, seq",
        )
        .bind(call.to_string())
        .fetch_all(self.readers())
        .await?;
        let gap = |row: &AnyRow| {
            Ok::<_, StoreError>(Gap {
                slot: number(row, "slot")?,
                seq: number(row, "seq")?,
                party: party(row)?,
                from_ms: unsigned(row.try_get("from_ms")?),
                to_ms: unsigned(row.try_get("to_ms")?),
            })
        };
        Ok(Transcript { segments, gaps: gaps.iter().map(gap).collect::<Result<_, _>>()? })
    }

    /// The call's words as the whole recording was heard after it; empty where it was not.
    pub async fn whole_transcript(&self, call: CallId) -> Result<Vec<Segment>, StoreError> {
        self.segments(call, &["whole"]).await
    }

    async fn segments(&self, call: CallId, passes: &[&str]) -> Result<Vec<Segment>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, party, start_ms, end_ms, text, raw, confidence, pass FROM segments
             WHERE call_id = $1 ORDER BY start_ms, id",
        )
        .bind(call.to_string())
        .fetch_all(self.readers())
        .await?;
        let segment = |row: &AnyRow| {
            Ok::<_, StoreError>(Segment {
                id: parsed(row, "id")?,
                party: party(row)?,
                start_ms: unsigned(row.try_get("start_ms")?),
                end_ms: unsigned(row.try_get("end_ms")?),
                text: pii(row, "text")?,
                raw: pii(row, "raw")?,
                confidence: row.try_get::<f64, _>("confidence")? as f32,
            })
        };
        let is_wanted = |row: &&AnyRow| {
            row.try_get::<String, _>("pass").map_or(true, |pass| passes.contains(&&*pass))
        };
        rows.iter().filter(is_wanted).map(segment).collect()
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

    async fn run(&self, db: &mut AnyConnection) -> Result<DraftUpdate, StoreError> {
        // A call without a ticket is no call: nothing of it is kept.
        let ticket = ticket(&mut *db, self.call).await?;
        // Written once more, it was read already, and what came after it as well.
        if is_kept(&mut *db, &self.segment).await? {
            let TicketRow { id, revision, draft, .. } = ticket;
            return Ok(DraftUpdate { ticket: id, revision, changed: Vec::new(), draft });
        }
        put_segment(&mut *db, self.call, &self.segment, "live").await?;
        prefill(db, self.call, &self.tags).await
    }
}

struct Refill {
    call: CallId,
    tags: Vec<Tag>,
}

impl Command for Refill {
    type Output = DraftUpdate;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<DraftUpdate, StoreError> {
        prefill(db, self.call, &self.tags).await
    }
}

async fn ticket(db: &mut AnyConnection, call: CallId) -> Result<TicketRow, StoreError> {
    let ticket = tickets::of_call(db, call).await?;
    ticket.ok_or_else(|| StoreError::NotFound { what: "call", id: call.to_string() })
}

/// Whether a sentence is there with these very words.
async fn is_kept(db: &mut AnyConnection, segment: &FinalSegment) -> Result<bool, StoreError> {
    let kept = sqlx::query("SELECT 1 FROM segments WHERE id = $1 AND text = $2 AND raw = $3")
        .bind(segment.id.to_string())
        .bind(segment.text.expose())
        .bind(segment.raw.expose())
        .fetch_optional(db)
        .await?;
    Ok(kept.is_some())
}

/// Writes a sentence of a call; the same again replaces it.
pub(crate) async fn put_segment(
    db: &mut AnyConnection,
    call: CallId,
    segment: &FinalSegment,
    pass: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO segments (id, call_id, party, start_ms, end_ms, text, confidence, raw, pass)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET start_ms = excluded.start_ms,
            end_ms = excluded.end_ms, text = excluded.text, raw = excluded.raw,
            confidence = excluded.confidence",
    )
    .bind(segment.id.to_string())
    .bind(call.to_string())
    .bind(segment.party.as_str())
    .bind(signed(segment.start_ms))
    .bind(signed(segment.end_ms))
    .bind(segment.text.expose())
    .bind(f64::from(segment.confidence))
    .bind(segment.raw.expose())
    .bind(pass)
    .execute(db)
    .await?;
    Ok(())
}

/// Fills the call's draft; what a person set and a confirmed ticket stay as they are.
pub(crate) async fn prefill(
    db: &mut AnyConnection,
    call: CallId,
    tags: &[Tag],
) -> Result<DraftUpdate, StoreError> {
    let mut ticket = ticket(&mut *db, call).await?;
    let before = ticket.draft.clone();
    let changed = match ticket.status {
        tickets::TicketStatus::Draft => ticket.draft.prefill(tags),
        tickets::TicketStatus::Confirmed => Vec::new(),
    };
    if !changed.is_empty() {
        let now = clock::now();
        tickets::revise(db, &mut ticket, &before, &changed, tickets::MACHINE, now).await?;
    }
    Ok(DraftUpdate { ticket: ticket.id, revision: ticket.revision, changed, draft: ticket.draft })
}

struct RecordGap {
    call: CallId,
    gap: Gap,
    at: UnixMillis,
}

impl RecordGap {
    /// The gap with those of its leg that it overlaps, which are taken away: what lies in two gaps would
    /// be heard twice.
    async fn united(&self, db: &mut AnyConnection) -> Result<(i64, i64), StoreError> {
        let (from_ms, to_ms) = (signed(self.gap.from_ms), signed(self.gap.to_ms));
        let overlapped = sqlx::query(
            "DELETE FROM caption_gaps WHERE call_id = $1 AND slot = $2 AND seq = $3
                AND from_ms < $5 AND to_ms > $4 RETURNING from_ms, to_ms",
        )
        .bind(self.call.to_string())
        .bind(i64::from(self.gap.slot))
        .bind(i64::from(self.gap.seq))
        .bind(from_ms)
        .bind(to_ms)
        .fetch_all(db)
        .await?;
        let mut all = (from_ms, to_ms);
        for row in &overlapped {
            all = (all.0.min(row.try_get("from_ms")?), all.1.max(row.try_get("to_ms")?));
        }
        Ok(all)
    }
}

impl Command for RecordGap {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let (from_ms, to_ms) = self.united(&mut *db).await?;
        let inserted = sqlx::query(
            "INSERT INTO caption_gaps (call_id, slot, seq, party, from_ms, to_ms)
             SELECT id, $2, $3, $4, $5, $6 FROM calls WHERE id = $1
             ON CONFLICT (call_id, slot, seq, from_ms)
                DO UPDATE SET to_ms = CASE WHEN excluded.to_ms > caption_gaps.to_ms
                    THEN excluded.to_ms ELSE caption_gaps.to_ms END",
        )
        .bind(self.call.to_string())
        .bind(i64::from(self.gap.slot))
        .bind(i64::from(self.gap.seq))
        .bind(self.gap.party.as_str())
        .bind(from_ms)
        .bind(to_ms)
        .execute(&mut *db)
        .await?;
        calls::found(inserted.rows_affected(), self.call)?;
        passes::ask(db, self.call, PassKind::Gaps, self.at).await
    }
}
