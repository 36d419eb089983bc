//! Hearings of recordings after their call: what gaps left out, or the whole call once more.
//!
//! **A gap and the sentences that fill it change places in one transaction**: the transcript says what
//! is missing until it is there.

use crate::error::StoreError;
use crate::rows::{at, named, number, parsed, signed};
use crate::transcript::{DraftUpdate, FinalSegment, Gap, prefill, put_segment};
use crate::writer::Command;
use crate::{Store, clock};
use qingting_common::{CallId, UnixMillis};
use qingting_nlu::draft::Tag;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// What a pass is to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassKind {
    /// What was not transcribed while the call ran; the sentences join the transcript and the draft.
    Gaps,
    /// All of the recording; its sentences stand beside the transcript.
    Whole,
}

impl PassKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Gaps, Self::Whole];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gaps => "gaps",
            Self::Whole => "whole",
        }
    }
}

/// Where a pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PassState {
    /// It is to come.
    Waiting,
    /// All was heard.
    Done,
    /// It was given up.
    Failed,
}

impl PassState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Done, Self::Failed];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// A pass of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The call.
    pub call: CallId,
    /// What is to be heard.
    pub kind: PassKind,
    /// Where it is.
    pub state: PassState,
    /// Since when it is wanted.
    pub asked_at: UnixMillis,
    /// Tries that failed.
    pub tries: u32,
    /// Why the last one did.
    pub error: Option<String>,
}

/// How a try of a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassEnd {
    /// It is done, unless new gaps came meanwhile.
    Done,
    /// To be tried again, not before then.
    Again(UnixMillis, String),
    /// Given up.
    Failed(String),
}

impl Store {
    /// Wants a pass; one that waits already goes on waiting, one that ended begins anew.
    pub async fn ask_pass(&self, call: CallId, kind: PassKind) -> Result<(), StoreError> {
        self.write(Ask { call, kind, at: clock::now() }).await
    }

    /// The pass of a call of this server that ended by `ended_by` which waits the longest; gaps come first.
    pub async fn next_pass(
        &self,
        now: UnixMillis,
        ended_by: UnixMillis,
    ) -> Result<Option<Pass>, StoreError> {
        let row = sqlx::query(
            "SELECT transcript_passes.* FROM transcript_passes
             JOIN calls ON calls.id = transcript_passes.call_id
             WHERE state = 'waiting' AND not_before <= $1 AND calls.ended_at <= $2
                AND ($3 IS NULL OR calls.server IS NULL OR calls.server = $3)
             ORDER BY kind, asked_at LIMIT 1",
        )
        .bind(now.0)
        .bind(ended_by.0)
        .bind(self.server())
        .fetch_optional(self.readers())
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// All passes of a call.
    pub async fn passes(&self, call: CallId) -> Result<Vec<Pass>, StoreError> {
        sqlx::query("SELECT * FROM transcript_passes WHERE call_id = $1 ORDER BY kind")
            .bind(call.to_string())
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Passes that wait.
    pub async fn passes_waiting(&self) -> Result<u64, StoreError> {
        let row =
            sqlx::query("SELECT count(*) AS n FROM transcript_passes WHERE state = 'waiting'")
                .fetch_one(self.readers())
                .await?;
        Ok(crate::rows::unsigned(row.try_get("n")?))
    }

    /// Puts what was heard into the place of a gap, and fills the draft with `tags`, as a sentence
    /// of the call itself does. Nothing happens where the gap is gone.
    pub async fn fill_gap(
        &self,
        call: CallId,
        gap: Gap,
        segments: Vec<FinalSegment>,
        tags: &[Tag],
    ) -> Result<Option<DraftUpdate>, StoreError> {
        self.write(Fill { call, gap, segments, tags: tags.to_vec() }).await
    }

    /// Puts what the whole recording says into the place of an earlier such hearing; nothing of one that was not
    /// asked for.
    pub async fn put_whole(
        &self,
        call: CallId,
        segments: Vec<FinalSegment>,
    ) -> Result<(), StoreError> {
        self.write(PutWhole { call, segments }).await
    }

    /// Calls of this server whose last words may still be missing.
    pub async fn open_captions(&self) -> Result<Vec<CallId>, StoreError> {
        sqlx::query(
            "SELECT call_id FROM open_captions JOIN calls ON calls.id = call_id
             WHERE $1 IS NULL OR server IS NULL OR server = $1 ORDER BY call_id",
        )
        .bind(self.server())
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| parsed(row, "call_id"))
        .collect()
    }

    /// Notes that the last words of a call are written, or are a gap.
    pub async fn captions_closed(&self, call: CallId) -> Result<(), StoreError> {
        self.write(CloseCaptions(call)).await
    }

    /// Notes how a try ended.
    pub async fn end_pass(
        &self,
        call: CallId,
        kind: PassKind,
        end: PassEnd,
    ) -> Result<(), StoreError> {
        self.write(End { call, kind, end }).await
    }
}

fn read(row: &AnyRow) -> Result<Pass, StoreError> {
    Ok(Pass {
        call: parsed(row, "call_id")?,
        kind: named(row, "kind", PassKind::ALL, PassKind::as_str)?,
        state: named(row, "state", PassState::ALL, PassState::as_str)?,
        asked_at: at(row, "asked_at")?,
        tries: number(row, "tries")?,
        error: row.try_get("error")?,
    })
}

/// Wants a pass, within a transaction.
pub(crate) async fn ask(
    db: &mut AnyConnection,
    call: CallId,
    kind: PassKind,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let asked = sqlx::query(
        "INSERT INTO transcript_passes (call_id, kind, state, asked_at, not_before)
         SELECT id, $2, 'waiting', $3, $3 FROM calls WHERE id = $1
         ON CONFLICT (call_id, kind) DO UPDATE SET state = 'waiting', tries = 0, error = NULL,
            asked_at = CASE WHEN transcript_passes.state = 'waiting'
                THEN transcript_passes.asked_at ELSE excluded.asked_at END,
            not_before = excluded.not_before",
    )
    .bind(call.to_string())
    .bind(kind.as_str())
    .bind(at.0)
    .execute(db)
    .await?;
    crate::calls::found(asked.rows_affected(), call)
}

struct Ask {
    call: CallId,
    kind: PassKind,
    at: UnixMillis,
}

impl Command for Ask {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        ask(db, self.call, self.kind, self.at).await
    }
}

struct Fill {
    call: CallId,
    gap: Gap,
    segments: Vec<FinalSegment>,
    tags: Vec<Tag>,
}

impl Command for Fill {
    type Output = Option<DraftUpdate>;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Option<DraftUpdate>, StoreError> {
        let gone = sqlx::query(
            "DELETE FROM caption_gaps WHERE call_id = $1 AND slot = $2 AND seq = $3
                AND from_ms = $4 AND to_ms = $5",
        )
        .bind(self.call.to_string())
        .bind(i64::from(self.gap.slot))
        .bind(i64::from(self.gap.seq))
        .bind(signed(self.gap.from_ms))
        .bind(signed(self.gap.to_ms))
        .execute(&mut *db)
        .await?;
        if gone.rows_affected() == 0 {
            return Ok(None);
        }
        for segment in &self.segments {
            put_segment(db, self.call, segment, "completed").await?;
        }
        prefill(db, self.call, &self.tags).await.map(Some)
    }
}

struct PutWhole {
    call: CallId,
    segments: Vec<FinalSegment>,
}

impl Command for PutWhole {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM segments WHERE call_id = $1 AND pass = 'whole'")
            .bind(self.call.to_string())
            .execute(&mut *db)
            .await?;
        // Of a citizen who was erased meanwhile nothing is wanted any more.
        let wanted = "SELECT 1 FROM transcript_passes WHERE call_id = $1 AND kind = 'whole'";
        let wanted = sqlx::query(wanted).bind(self.call.to_string());
        if wanted.fetch_optional(&mut *db).await?.is_none() {
            return Ok(());
        }
        for segment in &self.segments {
            put_segment(db, self.call, segment, "whole").await?;
        }
        Ok(())
    }
}

struct CloseCaptions(CallId);

impl Command for CloseCaptions {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM open_captions WHERE call_id = $1")
            .bind(self.0.to_string())
            .execute(db)
            .await?;
        Ok(())
    }
}

struct End {
    call: CallId,
    kind: PassKind,
    end: PassEnd,
}

impl Command for End {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let (state, not_before, error) = match &self.end {
            PassEnd::Done => ("done", None, None),
            PassEnd::Again(at, error) => ("waiting", Some(at.0), Some(error)),
            PassEnd::Failed(error) => ("failed", None, Some(error)),
        };
        sqlx::query(
            "UPDATE transcript_passes SET error = $4, not_before = coalesce($5, not_before),
                tries = tries + CASE WHEN $4 IS NULL THEN 0 ELSE 1 END,
                state = CASE WHEN $3 = 'done' AND kind = 'gaps' AND EXISTS
                    (SELECT 1 FROM caption_gaps WHERE call_id = $1) THEN 'waiting' ELSE $3 END
             WHERE call_id = $1 AND kind = $2",
        )
        .bind(self.call.to_string())
        .bind(self.kind.as_str())
        .bind(state)
        .bind(error)
        .bind(not_before)
        .execute(db)
        .await?;
        Ok(())
    }
}
