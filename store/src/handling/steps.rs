//! Steps of handling: taken once, by one, and kept.

use super::follow_up;
use super::machine::{Handling, Said, Stage, Step, StepFault, StepKind};
use crate::callbacks;
use crate::error::StoreError;
use crate::rows::{at, maybe_at, named};
use crate::tickets::{self, TicketRow, TicketStatus};
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, clock, outbox};
use qingting_common::{Pii, TicketId, UnixMillis};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// Longest name of a unit, in characters; follow-ups take no longer one.
pub const UNIT_CHARS_MAX: usize = qingting_callbacks::intake::NAME_CHARS_MAX;
/// Longest note of a step, in characters.
pub const NOTE_CHARS_MAX: usize = 2_000;
/// Farthest deadline, in hours from now: a year, as in a profile.
pub const DEADLINE_HOURS_MAX: i64 = 8_784;

/// A step that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    /// The revision that it made.
    pub revision: i64,
    /// What was done.
    pub kind: StepKind,
    /// Where the ticket was after it.
    pub stage: Stage,
    /// Who had it, or had it until then.
    pub unit: Option<String>,
    /// The deadline that the step set.
    pub deadline: Option<UnixMillis>,
    /// Why, or what came of it.
    pub note: Pii<String>,
    /// When.
    pub at: UnixMillis,
    /// Who: a key's name, `admin`, an extension, `ticket-system` or `machine`.
    pub by: String,
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// No such ticket.
    #[error("there is no such ticket")]
    NotFound,
    /// Somebody else was first.
    #[error("the ticket is at revision {current} by now: read it again")]
    StaleRevision {
        /// The revision to read.
        current: i64,
    },
    /// A draft is not handled.
    #[error("the ticket is a draft: it is handled once it is confirmed")]
    Draft,
    /// The machine's word.
    #[error(transparent)]
    Fault(#[from] StepFault),
    /// A value that cannot be.
    #[error("{said}: {problem}")]
    Invalid {
        /// Which.
        said: Said,
        /// What would be right.
        problem: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for StepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Takes a step at exactly the revision that was seen. Where a campaign is named, a ticket that is closed gets
    /// its follow-up there, unless its citizen has no number or the campaign is stopped.
    pub async fn step_ticket(
        &self,
        id: TicketId,
        expected_revision: i64,
        step: Step,
        campaign: Option<&str>,
        by: &str,
    ) -> Result<TicketRow, StepError> {
        let now = clock::now();
        check(&step)?;
        if step.kind.sets_deadline() && step.deadline.is_some_and(|deadline| deadline <= now) {
            let problem = "it is over already".to_owned();
            return Err(StepError::Invalid { said: Said::Deadline, problem });
        }
        let campaign = campaign.map(str::to_owned);
        self.write(TakeStep { id, expected_revision, step, campaign, by: by.to_owned() }).await
    }

    /// Steps of a ticket, oldest first, at most [`PAGE_ROWS_MAX`]: the newest.
    pub async fn ticket_steps(&self, id: TicketId) -> Result<Vec<StepRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM ticket_steps WHERE ticket_id = $1 ORDER BY revision DESC LIMIT $2",
        )
        .bind(id.to_string())
        .bind(i64::from(PAGE_ROWS_MAX))
        .fetch_all(self.readers())
        .await?;
        rows.iter().rev().map(read).collect()
    }

    /// The step that made a revision.
    pub async fn ticket_step(
        &self,
        id: TicketId,
        revision: i64,
    ) -> Result<Option<StepRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM ticket_steps WHERE ticket_id = $1 AND revision = $2")
            .bind(id.to_string())
            .bind(revision)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(read).transpose()
    }
}

/// Lengths, characters and the far end of deadlines.
pub(super) fn check(step: &Step) -> Result<(), StepError> {
    let invalid = |said, problem: String| Err(StepError::Invalid { said, problem });
    let unit = step.unit.as_deref().unwrap_or_default();
    if unit.chars().count() > UNIT_CHARS_MAX {
        return invalid(Said::Unit, format!("it has more than {UNIT_CHARS_MAX} characters"));
    }
    if unit.contains(char::is_control) {
        return invalid(Said::Unit, "it holds a control character".into());
    }
    if step.note.expose().chars().count() > NOTE_CHARS_MAX {
        return invalid(Said::Note, format!("it has more than {NOTE_CHARS_MAX} characters"));
    }
    let is_line = |c: char| matches!(c, '\n' | '\r' | '\t');
    if step.note.expose().contains(|c: char| c.is_control() && !is_line(c)) {
        return invalid(Said::Note, "it holds a control character".into());
    }
    let farthest = clock::now().0.saturating_add(DEADLINE_HOURS_MAX * 3_600_000);
    if step.deadline.is_some_and(|deadline| !(0..=farthest).contains(&deadline.0)) {
        return invalid(Said::Deadline, format!("it is not within {DEADLINE_HOURS_MAX} hours"));
    }
    Ok(())
}

fn read(row: &AnyRow) -> Result<StepRow, StoreError> {
    Ok(StepRow {
        revision: row.try_get("revision")?,
        kind: named(row, "step", StepKind::ALL, StepKind::as_str)?,
        stage: named(row, "stage", Stage::ALL, Stage::as_str)?,
        unit: row.try_get("unit")?,
        deadline: maybe_at(row, "deadline")?,
        note: Pii::new(row.try_get("note")?),
        at: at(row, "at")?,
        by: row.try_get("by")?,
    })
}

/// Who took a step, and when.
pub(super) struct Taker<'a> {
    pub(super) by: &'a str,
    pub(super) at: UnixMillis,
    /// The ticket system said so itself: it is not told again.
    pub(super) is_ticket_system: bool,
}

/// Takes the step, and of one that closes the ticket makes the follow-up.
pub(super) async fn advance(
    db: &mut AnyConnection,
    ticket: &mut TicketRow,
    step: &Step,
    taker: &Taker<'_>,
    campaign: Option<&str>,
) -> Result<(), StepError> {
    take(db, ticket, step, taker).await?;
    match (step.kind, campaign) {
        (StepKind::Close, Some(campaign)) => follow_up::ask(db, ticket, campaign).await,
        _ => Ok(()),
    }
}

/// Takes the step if the machine lets it, in the transaction of the caller.
pub(super) async fn take(
    db: &mut AnyConnection,
    ticket: &mut TicketRow,
    step: &Step,
    taker: &Taker<'_>,
) -> Result<(), StepError> {
    if ticket.status != TicketStatus::Confirmed {
        return Err(StepError::Draft);
    }
    let after = ticket.handling.after(step)?;
    let before = std::mem::replace(&mut ticket.handling, after);
    write(db, ticket, &before, step, taker).await?;
    if step.kind == StepKind::Archive
        && let Some(asked) = ticket.follow_up
    {
        // Nobody is asked about what is in the archive.
        callbacks::unschedule_second(db, asked, taker.at).await?;
    }
    Ok(())
}

async fn write(
    db: &mut AnyConnection,
    ticket: &mut TicketRow,
    before: &Handling,
    step: &Step,
    taker: &Taker<'_>,
) -> Result<(), StoreError> {
    ticket.revision += 1;
    ticket.updated_at = clock::now();
    match step.kind {
        StepKind::Close => ticket.closed_at = Some(taker.at),
        StepKind::Redo => ticket.closed_at = None,
        _ => {}
    }
    let is = &ticket.handling;
    sqlx::query(
        "UPDATE tickets SET revision = $2, updated_at = $3, stage = $4, unit = $5, deadline = $6,
            supervised = $7, heard = $8, closed_at = $9, follow_up_id = $10 WHERE id = $1",
    )
    .bind(ticket.id.to_string())
    .bind(ticket.revision)
    .bind(ticket.updated_at.0)
    .bind(is.stage.as_str())
    .bind(&is.unit)
    .bind(is.deadline.map(|at| at.0))
    .bind(is.is_supervised)
    .bind(is.heard.map(|heard| heard.as_str()))
    .bind(ticket.closed_at.map(|at| at.0))
    .bind(ticket.follow_up.map(|id| id.to_string()))
    .execute(&mut *db)
    .await?;
    let deadline = is.deadline.filter(|_| step.kind.sets_deadline());
    sqlx::query(
        "INSERT INTO ticket_steps (ticket_id, revision, step, stage, unit, deadline, note, at, by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(ticket.id.to_string())
    .bind(ticket.revision)
    .bind(step.kind.as_str())
    .bind(is.stage.as_str())
    .bind(is.unit.as_ref().or(before.unit.as_ref()))
    .bind(deadline.map(|at| at.0))
    .bind(step.note.expose().trim())
    .bind(taker.at.0)
    .bind(taker.by)
    .execute(&mut *db)
    .await?;
    // Ids and states; the relay reads unit and note itself.
    let payload = serde_json::json!({
        "ticket": ticket.id,
        "call": ticket.call,
        "revision": ticket.revision,
        "step": step.kind,
        "stage": is.stage,
        "deadline": is.deadline,
        "supervised": is.is_supervised,
    });
    let stream = ticket.id.to_string();
    if taker.is_ticket_system {
        return outbox::note(db, KIND, &stream, &payload, ticket.updated_at).await;
    }
    let key = format!("{}:{}", ticket.id, ticket.revision);
    outbox::put(db, &key, KIND, &stream, &payload, ticket.updated_at).await
}

const KIND: &str = "ticket.handling";

struct TakeStep {
    id: TicketId,
    expected_revision: i64,
    step: Step,
    campaign: Option<String>,
    by: String,
}

impl Command for TakeStep {
    type Output = TicketRow;
    type Error = StepError;

    async fn run(&self, db: &mut AnyConnection) -> Result<TicketRow, StepError> {
        let mut ticket = tickets::by_id(&mut *db, self.id).await?.ok_or(StepError::NotFound)?;
        if ticket.revision != self.expected_revision {
            return Err(StepError::StaleRevision { current: ticket.revision });
        }
        let taker = Taker { by: &self.by, at: clock::now(), is_ticket_system: false };
        advance(db, &mut ticket, &self.step, &taker, self.campaign.as_deref()).await?;
        Ok(ticket)
    }
}
