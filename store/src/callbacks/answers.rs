//! Answers, one by one, and what people put in their place.

use super::{follow_ups, results};
use crate::citizens::ERASED;
use crate::error::StoreError;
use crate::rows::{at, flag, number, parsed, pii, unreadable};
use crate::sql::Sql;
use crate::writer::Command;
use crate::{Store, audit};
use qingting_callbacks::dialogue::{Answered, By};
use qingting_callbacks::result::Counted;
use qingting_callbacks::script::{AnswerName, question, question_name};
use qingting_common::{FollowUpId, UnixMillis};
use qingting_nlu::answers::{Cause, Question};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::HashMap;

/// An answer as the machine read it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAnswer {
    /// In which attempt.
    pub attempt: u32,
    /// What was answered, how, and where it is in the recording.
    pub answered: Answered,
    /// When.
    pub at: UnixMillis,
}

/// What a person puts in the place of the machine's reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// Of which question.
    pub question: Question,
    /// What the citizen really said; none: it is no answer.
    pub answer: Option<AnswerName>,
    /// The kind of a reason.
    pub cause: Option<Cause>,
    /// Why.
    pub note: String,
}

/// A correction with its author.
#[derive(Clone, Debug, PartialEq)]
pub struct CorrectionRow {
    /// What.
    pub correction: Correction,
    /// By whom.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

impl Store {
    /// Commits an answer; a later one of the same attempt to the same question replaces it.
    pub async fn put_answer(
        &self,
        of: FollowUpId,
        attempt: u32,
        answered: Answered,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.write(Put { of, attempt, answered, at: now }).await
    }

    /// The answers of a follow-up as the machine read them, in the order in which they were given.
    pub async fn answers(&self, of: FollowUpId) -> Result<Vec<StoredAnswer>, StoreError> {
        let rows = sqlx::query(READ).bind(of.to_string()).fetch_all(self.readers()).await?;
        rows.iter().map(read).collect()
    }

    /// What people put in their place, in order.
    pub async fn corrections(&self, of: FollowUpId) -> Result<Vec<CorrectionRow>, StoreError> {
        let rows = sqlx::query(CORRECTIONS).bind(of.to_string()).fetch_all(self.readers()).await?;
        rows.iter().map(read_correction).collect()
    }

    /// Puts a person's reading in the place of the machine's, notes it in the audit, and tells the ticket
    /// system. Whether the follow-up has ended: before, there is nothing to correct.
    pub async fn correct_answer(
        &self,
        of: FollowUpId,
        correction: Correction,
        by: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.write(Correct { of, correction, by: by.to_owned(), at: now }).await
    }
}

const READ: &str =
    "SELECT * FROM follow_up_answers WHERE follow_up_id = $1 ORDER BY attempt, at, rowid";
const CORRECTIONS: &str = "SELECT * FROM answer_corrections WHERE follow_up_id = $1 ORDER BY id";

/// The answers of a follow-up as they count.
pub(super) async fn counted(
    db: &mut AnyConnection,
    of: FollowUpId,
) -> Result<Vec<Counted>, StoreError> {
    Ok(counted_of(db, &[of]).await?.remove(&of).unwrap_or_default())
}

/// The answers of some follow-ups as they count: a person's reading in the place of the machine's.
pub(super) async fn counted_of(
    db: &mut AnyConnection,
    all: &[FollowUpId],
) -> Result<HashMap<FollowUpId, Vec<Counted>>, StoreError> {
    let of = |head: &str, order: &str| {
        let mut sql = Sql::new(head);
        sql.push_list(all.iter().map(FollowUpId::to_string)).push(order);
        sql.build()
    };
    let mut counted: HashMap<FollowUpId, Vec<Counted>> = HashMap::with_capacity(all.len());
    let given = of(
        "SELECT * FROM follow_up_answers WHERE follow_up_id IN (",
        ") ORDER BY follow_up_id, attempt, at, rowid",
    );
    for row in &given.fetch_all(&mut *db).await? {
        let Answered { question, answer, cause, text, .. } = read(row)?.answered;
        let counted = counted.entry(parsed(row, "follow_up_id")?).or_default();
        counted.push(Counted { question, answer, cause, text });
    }
    let corrected = of("SELECT * FROM answer_corrections WHERE follow_up_id IN (", ") ORDER BY id");
    for row in &corrected.fetch_all(&mut *db).await? {
        let Correction { question, answer, cause, .. } = read_correction(row)?.correction;
        let counted = counted.entry(parsed(row, "follow_up_id")?).or_default();
        let said = counted.iter().rfind(|given| given.question == question);
        let text = said.map(|given| given.text.clone()).unwrap_or_default();
        counted.retain(|given| given.question != question);
        if let Some(answer) = answer {
            counted.push(Counted { question, answer, cause, text });
        }
    }
    Ok(counted)
}

/// What the citizen said to a question of this attempt in the place of an answer: not to be called any more,
/// that he is another person.
pub(super) async fn exit_of(
    db: &mut AnyConnection,
    of: FollowUpId,
    attempt: u32,
) -> Result<Option<AnswerName>, StoreError> {
    let rows = sqlx::query(
        "SELECT answer FROM follow_up_answers WHERE follow_up_id = $1 AND attempt = $2
         ORDER BY at DESC, rowid DESC",
    )
    .bind(of.to_string())
    .bind(i64::from(attempt))
    .fetch_all(db)
    .await?;
    let given: Vec<Option<AnswerName>> = rows.iter().map(read_answer).collect::<Result<_, _>>()?;
    Ok(given.into_iter().flatten().find(|answer| AnswerName::EXITS.contains(answer)))
}

fn read(row: &AnyRow) -> Result<StoredAnswer, StoreError> {
    let clip = |column: &str| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?);
    let clip = clip("clip_from_ms")?.zip(clip("clip_to_ms")?);
    let by: &str = row.try_get("by")?;
    Ok(StoredAnswer {
        attempt: number(row, "attempt")?,
        answered: Answered {
            question: read_question(row)?,
            answer: read_answer(row)?.ok_or_else(|| unreadable("answer", "nothing"))?,
            cause: read_cause(row)?,
            text: pii(row, "text")?,
            confidence: row.try_get::<f64, _>("confidence")? as f32,
            by: if by == "key" { By::Key } else { By::Speech },
            confirmed: flag(row, "confirmed")?,
            clip_ms: clip
                .map(|(from, to)| (crate::rows::unsigned(from), crate::rows::unsigned(to))),
        },
        at: at(row, "at")?,
    })
}

fn read_correction(row: &AnyRow) -> Result<CorrectionRow, StoreError> {
    Ok(CorrectionRow {
        correction: Correction {
            question: read_question(row)?,
            answer: read_answer(row)?,
            cause: read_cause(row)?,
            note: row.try_get("note")?,
        },
        by: row.try_get("by")?,
        at: at(row, "at")?,
    })
}

fn read_question(row: &AnyRow) -> Result<Question, StoreError> {
    let name: &str = row.try_get("question")?;
    question(name).ok_or_else(|| unreadable("question", name))
}

fn read_answer(row: &AnyRow) -> Result<Option<AnswerName>, StoreError> {
    let name: Option<&str> = row.try_get("answer")?;
    let known = |name: &str| AnswerName::ALL.into_iter().find(|answer| answer.as_str() == name);
    name.map(|name| known(name).ok_or_else(|| unreadable("answer", name))).transpose()
}

fn read_cause(row: &AnyRow) -> Result<Option<Cause>, StoreError> {
    let name: Option<&str> = row.try_get("cause")?;
    name.map(|name| Cause::from_name(name).ok_or_else(|| unreadable("cause", name))).transpose()
}

struct Put {
    of: FollowUpId,
    attempt: u32,
    answered: Answered,
    at: UnixMillis,
}

impl Command for Put {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let answered = &self.answered;
        let clip = answered.clip_ms;
        let citizen = follow_ups::load(db, self.of).await?.citizen;
        if citizen.expose() == ERASED {
            // It waited on a server's disk while that was down.
            return Ok(());
        }
        if answered.answer == AnswerName::StopCalling {
            // At once: whatever becomes of the call, nobody is called again.
            super::refusals::put(db, citizen.expose(), "asked", "citizen", self.at).await?;
        }
        sqlx::query(
            "INSERT INTO follow_up_answers (follow_up_id, attempt, question, answer, cause, text,
                confidence, by, confirmed, clip_from_ms, clip_to_ms, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (follow_up_id, question, attempt) DO UPDATE SET answer = excluded.answer,
                cause = excluded.cause, text = excluded.text, confidence = excluded.confidence,
                by = excluded.by, confirmed = excluded.confirmed,
                clip_from_ms = excluded.clip_from_ms, clip_to_ms = excluded.clip_to_ms,
                at = excluded.at",
        )
        .bind(self.of.to_string())
        .bind(i64::from(self.attempt))
        .bind(question_name(answered.question))
        .bind(answered.answer.as_str())
        .bind(answered.cause.map(Cause::as_str))
        .bind(answered.text.expose())
        .bind(f64::from(answered.confidence))
        .bind(if answered.by == By::Key { "key" } else { "speech" })
        .bind(answered.confirmed)
        .bind(clip.map(|(from, _)| crate::rows::signed(from)))
        .bind(clip.map(|(_, to)| crate::rows::signed(to)))
        .bind(self.at.0)
        .execute(db)
        .await?;
        Ok(())
    }
}

struct Correct {
    of: FollowUpId,
    correction: Correction,
    by: String,
    at: UnixMillis,
}

impl Command for Correct {
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let follow_up = follow_ups::load(db, self.of).await?;
        if follow_up.status.is_none() {
            return Ok(false);
        }
        let Correction { question, answer, cause, note } = &self.correction;
        sqlx::query(
            "INSERT INTO answer_corrections (follow_up_id, question, answer, cause, note, by, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(self.of.to_string())
        .bind(question_name(*question))
        .bind(answer.map(AnswerName::as_str))
        .bind(cause.map(Cause::as_str))
        .bind(note)
        .bind(&self.by)
        .bind(self.at.0)
        .execute(&mut *db)
        .await?;
        audit::insert(db, self.at, &self.by, "follow_up.correct", &self.of.to_string()).await?;
        results::tell(db, self.of, self.at).await?;
        Ok(true)
    }
}
