//! Findings as a list, of one call, and summed up: the same filters give the same findings.

use super::FindingState;
use crate::error::StoreError;
use crate::rows::{at, flag, maybe_at, maybe_number, named, number, parsed, pii, unsigned};
use crate::sql::Sql;
use crate::{PAGE_ROWS_MAX, Store};
use qingting_common::{CallId, Pii, UnixMillis};
use qingting_nlu::quality::{Kind, Measures, SCORE_MAX, score};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

pub(super) const SELECT: &str = "SELECT * FROM quality_findings";

/// A finding as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct QualityFinding {
    /// Its id.
    pub id: Uuid,
    /// The call.
    pub call: CallId,
    /// When the call began.
    pub started_at: UnixMillis,
    /// Whose it is.
    pub seat: String,
    /// The call's queue.
    pub queue: Option<String>,
    /// What.
    pub kind: Kind,
    /// From when on, in milliseconds since the answer.
    pub from_ms: u64,
    /// Until when.
    pub to_ms: u64,
    /// How much: milliseconds; of the pace, syllables a minute.
    pub measured: u64,
    /// The phrase of the rules.
    pub phrase: String,
    /// What was said.
    pub quote: Pii<String>,
    /// From 0 to 1.
    pub confidence: f32,
    /// What it takes from the score.
    pub points: u32,
    /// Where it is.
    pub state: FindingState,
    /// Who reviewed it last.
    pub reviewed_by: Option<String>,
    /// When.
    pub reviewed_at: Option<UnixMillis>,
    /// What they say to it.
    pub remark: Pii<String>,
    /// Counts reviews.
    pub revision: i64,
}

impl QualityFinding {
    /// Where the next page begins behind it.
    pub const fn cursor(&self) -> QualityCursor {
        QualityCursor { started_at: self.started_at, id: self.id }
    }
}

/// A place in the list. It is one also when the finding that stood there is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QualityCursor {
    started_at: UnixMillis,
    id: Uuid,
}

/// Why a text is no such place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give the next of the page before")]
pub struct QualityCursorError;

impl fmt::Display for QualityCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.started_at.0, self.id)
    }
}

impl FromStr for QualityCursor {
    type Err = QualityCursorError;

    fn from_str(text: &str) -> Result<Self, QualityCursorError> {
        let (at, id) = text.split_once('.').ok_or(QualityCursorError)?;
        let started_at = UnixMillis(at.parse().map_err(|_| QualityCursorError)?);
        Ok(Self { started_at, id: Uuid::parse_str(id).map_err(|_| QualityCursorError)? })
    }
}

/// Which findings, newest calls first.
#[derive(Clone, Debug, Default)]
pub struct QualityQuery {
    /// Behind this one.
    pub before: Option<QualityCursor>,
    /// Rows, at most [`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Of calls that started at this time or later.
    pub from: Option<UnixMillis>,
    /// Of calls that started before this time.
    pub to: Option<UnixMillis>,
    /// Of this seat.
    pub seat: Option<String>,
    /// Of calls of this queue.
    pub queue: Option<String>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// In this state.
    pub state: Option<FindingState>,
}

/// What a check of a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QualityCheck {
    /// When.
    pub checked_at: UnixMillis,
    /// What was measured.
    pub measures: Measures,
}

/// What a seat's findings sum up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeatQuality {
    /// Checked calls that it answered first, whatever kinds and states are asked for.
    pub calls: u64,
    /// Of those, calls whose words were transcribed: they have a score.
    pub heard: u64,
    /// The sum of their scores.
    pub scores: u64,
    /// Findings by kind and state.
    pub findings: BTreeMap<(Kind, FindingState), u64>,
    /// Points of findings that were not rejected.
    pub points: u64,
}

impl Store {
    /// Findings, those of the newest calls first.
    pub async fn quality(&self, query: &QualityQuery) -> Result<Vec<QualityFinding>, StoreError> {
        let mut sql = Sql::new(SELECT);
        filter(&mut sql, query);
        if let Some(before) = query.before {
            sql.push(" AND (started_at, id) < (").push_bind(before.started_at.0).push(", ");
            sql.push_bind(before.id.to_string()).push(")");
        }
        sql.push(" ORDER BY started_at DESC, id DESC LIMIT ");
        sql.push_bind(i64::from(query.limit.min(PAGE_ROWS_MAX)));
        sql.build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// Findings of a call by time, and its check; none where it was not checked yet.
    pub async fn quality_of(
        &self,
        call: CallId,
    ) -> Result<(Option<QualityCheck>, Vec<QualityFinding>), StoreError> {
        let check = sqlx::query("SELECT * FROM quality_checks WHERE call_id = $1")
            .bind(call.to_string())
            .fetch_optional(self.readers())
            .await?;
        let mut sql = Sql::new(SELECT);
        sql.push(" WHERE call_id = ").push_bind(call.to_string());
        sql.push(" ORDER BY from_ms, kind, id");
        let findings = sql.build().fetch_all(self.readers()).await?;
        let findings = findings.iter().map(read).collect::<Result<_, _>>()?;
        Ok((check.as_ref().map(read_check).transpose()?, findings))
    }

    /// The same findings summed up by seat. Calls and scores are by the seat that answered first.
    pub async fn quality_summary(
        &self,
        query: &QualityQuery,
    ) -> Result<BTreeMap<String, SeatQuality>, StoreError> {
        let mut seats: BTreeMap<String, SeatQuality> = BTreeMap::new();
        // Both of one moment.
        let mut db = self.readers().begin().await?;
        let mut sql = Sql::new(
            "SELECT seat, kind, state, count(*) AS findings, CAST(sum(points) AS BIGINT) AS points
             FROM quality_findings",
        );
        filter(&mut sql, query);
        sql.push(" GROUP BY seat, kind, state");
        for row in sql.build().fetch_all(&mut *db).await? {
            let seat = seats.entry(row.try_get("seat")?).or_default();
            let state = named(&row, "state", FindingState::ALL, FindingState::as_str)?;
            let kind = named(&row, "kind", Kind::ALL, Kind::as_str)?;
            seat.findings.insert((kind, state), unsigned(row.try_get("findings")?));
            if state != FindingState::Rejected {
                seat.points += unsigned(row.try_get("points")?);
            }
        }
        let mut sql = Sql::new(format!(
            "SELECT seat, count(*) AS calls, count(score) AS heard,
                CAST(coalesce(sum(score), 0) AS BIGINT) AS scores
             FROM (SELECT seat, CASE WHEN heard THEN CASE WHEN points >= {SCORE_MAX} THEN 0
                    ELSE {SCORE_MAX} - points END END AS score
                FROM (SELECT seat, heard, (SELECT coalesce(sum(points), 0) FROM quality_findings
                        WHERE quality_findings.call_id = quality_checks.call_id
                            AND state <> 'rejected') AS points
                    FROM quality_checks",
        ));
        let of_calls = QualityQuery { kind: None, state: None, ..query.clone() };
        filter(&mut sql, &of_calls);
        sql.push(") AS taken) AS scored GROUP BY seat");
        for row in sql.build().fetch_all(&mut *db).await? {
            let seat = seats.entry(row.try_get("seat")?).or_default();
            seat.calls = unsigned(row.try_get("calls")?);
            seat.heard = unsigned(row.try_get("heard")?);
            seat.scores = unsigned(row.try_get("scores")?);
        }
        Ok(seats)
    }
}

/// The score of a call with these findings.
pub fn score_of(findings: &[QualityFinding]) -> u32 {
    let counts = findings.iter().filter(|finding| finding.state != FindingState::Rejected);
    score(counts.map(|finding| finding.points).sum())
}

/// Conditions that findings and checks share, but for kind and state.
fn filter(sql: &mut Sql, query: &QualityQuery) {
    sql.push(" WHERE true");
    if let Some(from) = query.from {
        sql.push(" AND started_at >= ").push_bind(from.0);
    }
    if let Some(to) = query.to {
        sql.push(" AND started_at < ").push_bind(to.0);
    }
    for (column, value) in [
        (" AND seat = ", query.seat.clone()),
        (" AND queue = ", query.queue.clone()),
        (" AND kind = ", query.kind.map(|kind| kind.as_str().to_owned())),
        (" AND state = ", query.state.map(|state| state.as_str().to_owned())),
    ] {
        if let Some(value) = value {
            sql.push(column).push_bind(value);
        }
    }
}

pub(super) fn read(row: &AnyRow) -> Result<QualityFinding, StoreError> {
    Ok(QualityFinding {
        id: parsed(row, "id")?,
        call: parsed(row, "call_id")?,
        started_at: at(row, "started_at")?,
        seat: row.try_get("seat")?,
        queue: row.try_get("queue")?,
        kind: named(row, "kind", Kind::ALL, Kind::as_str)?,
        from_ms: unsigned(row.try_get("from_ms")?),
        to_ms: unsigned(row.try_get("to_ms")?),
        measured: unsigned(row.try_get("measured")?),
        phrase: row.try_get("phrase")?,
        quote: pii(row, "quote")?,
        confidence: row.try_get::<f64, _>("confidence")? as f32,
        points: number(row, "points")?,
        state: named(row, "state", FindingState::ALL, FindingState::as_str)?,
        reviewed_by: row.try_get("reviewed_by")?,
        reviewed_at: maybe_at(row, "reviewed_at")?,
        remark: pii(row, "remark")?,
        revision: row.try_get("revision")?,
    })
}

fn read_check(row: &AnyRow) -> Result<QualityCheck, StoreError> {
    let ms = |column| row.try_get(column).map(unsigned);
    Ok(QualityCheck {
        checked_at: at(row, "checked_at")?,
        measures: Measures {
            heard: flag(row, "heard")?,
            talk_ms: ms("talk_ms")?,
            silence_ms: ms("silence_ms")?,
            silence_longest_ms: ms("silence_longest_ms")?,
            talk_overs: number(row, "talk_overs")?,
            talk_over_ms: ms("talk_over_ms")?,
            pace: maybe_number(row, "pace")?,
            hold_ms: ms("hold_ms")?,
            hold_longest_ms: ms("hold_longest_ms")?,
        },
    })
}
