//! The follow-up of a closed ticket: made with the closing, and its result taken.

use super::machine::{Heard, Step, StepKind};
use super::steps::{StepError, Taker, take};
use crate::callbacks::{self, CampaignState, FollowUp, NewFollowUp, Taken};
use crate::clock;
use crate::error::StoreError;
use crate::rows::pii;
use crate::sql::Sql;
use crate::tickets::{self, MACHINE, TicketRow};
use qingting_callbacks::attempt::Status;
use qingting_callbacks::intake::ClosedTicket;
use qingting_callbacks::result::Verdict;
use qingting_callbacks::script::AnswerName;
use qingting_common::UnixMillis;
use qingting_nlu::draft::Field;
use sqlx::AnyConnection;

/// Makes the follow-up of a ticket that has just been closed. Where nobody may be called the ticket stays closed, and
/// a person archives it.
pub(super) async fn ask(
    db: &mut AnyConnection,
    ticket: &mut TicketRow,
    name: &str,
) -> Result<(), StepError> {
    let campaign = callbacks::campaign_named(&mut *db, name).await?;
    let Some(campaign) = campaign.filter(|campaign| campaign.state != CampaignState::Stopped)
    else {
        tracing::warn!(
            campaign = name,
            "a closed ticket has no follow-up: the campaign is stopped or not there"
        );
        return Ok(());
    };
    let Ok(closed) = closed(db, ticket).await?.checked() else {
        tracing::info!(ticket = %ticket.id, "a closed ticket has no follow-up: no citizen's number");
        return Ok(());
    };
    let now = clock::now();
    let taken = callbacks::take(db, campaign.id, &NewFollowUp::from(closed), now).await?;
    let (Taken::New(id) | Taken::Released(id)) = taken else { return Ok(()) };
    ticket.follow_up = Some(id);
    let taker = Taker { by: MACHINE, at: now, is_ticket_system: false };
    take(db, ticket, &Step::of(StepKind::FollowUp), &taker).await
}

/// The ticket as campaigns take it.
async fn closed(db: &mut AnyConnection, ticket: &TicketRow) -> Result<ClosedTicket, StoreError> {
    let field = |field| ticket.draft.field(field).map(|value| value.value.clone());
    let call = sqlx::query("SELECT caller FROM calls WHERE id = $1")
        .bind(ticket.call.to_string())
        .fetch_one(db)
        .await?;
    let text = |of| field(of).map(|value| value.expose().clone()).unwrap_or_default();
    let citizen = match field(Field::Phone).filter(|phone| !phone.expose().is_empty()) {
        Some(phone) => phone,
        // The citizen's, whichever way the call went.
        None => pii(&call, "caller")?,
    };
    Ok(ClosedTicket {
        // A revision is closed once.
        event_id: format!("{}:{}", ticket.id, ticket.revision),
        ticket: ticket.number.clone(),
        title: text(Field::Title),
        unit: ticket.handling.unit.clone().unwrap_or_default(),
        opened_at: Some(ticket.created_at),
        closed_at: ticket.closed_at.unwrap_or(ticket.updated_at),
        citizen,
        confidential: text(Field::Confidential) == "true",
        earlier: serde_json::Value::Null,
        after_redo: ticket.follow_up.is_some(),
        priority: 0,
    })
}

/// Takes the result of a follow-up to its ticket, if it is one of ours and still waits for it.
pub(crate) async fn hear(
    db: &mut AnyConnection,
    follow_up: &FollowUp,
    verdict: &Verdict,
    now: UnixMillis,
) -> Result<(), StoreError> {
    // A second one may be called before the ticket is closed again (`redo_after_days`).
    let previous = follow_up.previous.filter(|_| verdict.status != Status::Cancelled);
    let mut sql = Sql::new(tickets::SELECT);
    let asked = [Some(follow_up.id), previous].into_iter().flatten().map(|id| id.to_string());
    sql.push(" WHERE follow_up_id IN (").push_list(asked).push(")");
    let row = sql.build().fetch_optional(&mut *db).await?;
    let Some(mut ticket) = row.as_ref().map(tickets::read).transpose()? else { return Ok(()) };
    ticket.follow_up = Some(follow_up.id);
    let taker = Taker { by: MACHINE, at: now, is_ticket_system: false };
    let step = Step::of(heard(verdict).step());
    match take(db, &mut ticket, &step, &taker).await {
        Err(StepError::Store(error)) => Err(error),
        // Not the result that it waits for, or the one that it has.
        _ => Ok(()),
    }
}

/// What a verdict says of the ticket.
fn heard(verdict: &Verdict) -> Heard {
    use AnswerName::{
        Dissatisfied, FairlySatisfied, No, Partly, Satisfied, VeryDissatisfied, VerySatisfied, Yes,
    };
    match (verdict.resolved, verdict.satisfied) {
        (_, Some(Dissatisfied | VeryDissatisfied)) | (Some(No | Partly), _) => Heard::Dissatisfied,
        (Some(Yes), Some(VerySatisfied | Satisfied | FairlySatisfied)) => Heard::Satisfied,
        _ => Heard::Unanswered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qingting_callbacks::result::Counted;
    use qingting_callbacks::result::Round;
    use qingting_common::Pii;
    use qingting_nlu::answers::Question;

    #[test]
    fn only_who_said_both_that_it_is_solved_and_that_it_is_well_is_satisfied() {
        let of = |answers: &[(Question, AnswerName)]| {
            let given = answers.iter().map(|(question, answer)| Counted {
                question: *question,
                answer: *answer,
                cause: None,
                text: Pii::default(),
            });
            heard(&Verdict::of(Status::Completed, Round::First, &given.collect::<Vec<_>>()))
        };
        let (resolved, satisfied) = (Question::Resolved, Question::Satisfied);
        let both = [(resolved, AnswerName::Yes), (satisfied, AnswerName::FairlySatisfied)];
        assert_eq!(of(&both), Heard::Satisfied);
        let unsolved = [(resolved, AnswerName::Partly), (satisfied, AnswerName::Satisfied)];
        assert_eq!(of(&unsolved), Heard::Dissatisfied);
        assert_eq!(of(&[(satisfied, AnswerName::VeryDissatisfied)]), Heard::Dissatisfied);
        assert_eq!(of(&[(satisfied, AnswerName::Satisfied)]), Heard::Unanswered);
        assert_eq!(of(&[(resolved, AnswerName::Yes)]), Heard::Unanswered);
        assert_eq!(of(&[]), Heard::Unanswered);
    }
}
