//! A person's word on a finding.

use super::query::{QualityFinding, read};
use super::{FindingState, REMARK_CHARS_MAX};
use crate::error::StoreError;
use crate::writer::Command;
use crate::{Store, audit, clock};
use qingting_common::{CallId, Pii, UnixMillis};
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is so.
    Confirm,
    /// It is not.
    Reject,
}

impl Verdict {
    const fn state(self) -> FindingState {
        match self {
            Self::Confirm => FindingState::Confirmed,
            Self::Reject => FindingState::Rejected,
        }
    }
}

/// Why a review was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// No such finding of that call: a later check may have replaced it.
    #[error("there is no such finding")]
    NotFound,
    /// Somebody else reviewed it first.
    #[error("the finding is at revision {current} by now: somebody else has reviewed it")]
    StaleRevision {
        /// The revision to read.
        current: i64,
    },
    /// The remark is too long, or cannot be kept.
    #[error("remark: at most {REMARK_CHARS_MAX} characters, none a control")]
    Remark,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ReviewError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Takes a person's word on a finding, which no later check changes; a later review may. Refused where
    /// it was reviewed since `seen`, if that is given.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn review_quality(
        &self,
        call: CallId,
        finding: Uuid,
        seen: Option<i64>,
        verdict: Verdict,
        remark: Pii<String>,
        by: &str,
    ) -> Result<QualityFinding, ReviewError> {
        let text = remark.expose();
        let is_control = |c: char| c.is_control() && c != '\n';
        if text.chars().count() > REMARK_CHARS_MAX || text.contains(is_control) {
            return Err(ReviewError::Remark);
        }
        let by = by.to_owned();
        self.write(Review { call, finding, seen, verdict, remark, by, at: clock::now() }).await
    }
}

struct Review {
    call: CallId,
    finding: Uuid,
    seen: Option<i64>,
    verdict: Verdict,
    remark: Pii<String>,
    by: String,
    at: UnixMillis,
}

impl Command for Review {
    type Output = QualityFinding;
    type Error = ReviewError;

    async fn run(&self, db: &mut AnyConnection) -> Result<QualityFinding, ReviewError> {
        let (id, call) = (self.finding.to_string(), self.call.to_string());
        let row =
            sqlx::query("SELECT revision FROM quality_findings WHERE id = $1 AND call_id = $2")
                .bind(&id)
                .bind(&call)
                .fetch_optional(&mut *db)
                .await?;
        let current: i64 = row.ok_or(ReviewError::NotFound)?.try_get("revision")?;
        if self.seen.is_some_and(|seen| seen != current) {
            return Err(ReviewError::StaleRevision { current });
        }
        let state = self.verdict.state().as_str();
        let row = sqlx::query(
            "UPDATE quality_findings SET state = $2, reviewed_by = $3, reviewed_at = $4, remark = $5,
                revision = revision + 1 WHERE id = $1 RETURNING *",
        )
        .bind(&id)
        .bind(state)
        .bind(&self.by)
        .bind(self.at.0)
        .bind(self.remark.expose())
        .fetch_one(&mut *db)
        .await?;
        let subject = format!("{call} {id} {state}");
        audit::insert(db, self.at, &self.by, "quality.review", &subject).await?;
        Ok(read(&row)?)
    }
}
