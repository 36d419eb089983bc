//! Whose call it is. The policy table says which roles may try; a seat then has what is its own.

use crate::auth::Principal;
use crate::problem::parameter;
use crate::switchboard::Actor;
use crate::{ApiState, Problem, clock};
use axum::http::StatusCode;
use qingting_common::CallId;
use qingting_store::{CallRow, Role, TicketRow, china};

/// The call of that id, for somebody who may read it.
pub(crate) async fn call(state: &ApiState, who: &Principal, id: &str) -> Result<CallRow, Problem> {
    let id: CallId = parameter("id", id)?;
    may_read(state, who, id).await?;
    state.store.call(id).await?.ok_or_else(|| Problem::not_found("call"))
}

/// A seat reads calls in which it takes part or took part today (in China), an interviewer those of follow-ups.
pub(crate) async fn may_read(
    state: &ApiState,
    who: &Principal,
    call: CallId,
) -> Result<(), Problem> {
    if who.role == Role::Interviewer {
        return match state.store.follow_up_of_call(call).await? {
            Some(_) => Ok(()),
            None => Err(forbidden("a 回访专员 reads the calls of follow-ups, no others")),
        };
    }
    let Some(extension) = who.seat_alone() else { return Ok(()) };
    let today = china::midnight_before(clock::now());
    if state.switchboard.takes_part(extension, call)
        || state.store.took_part(extension, call, today).await?
    {
        return Ok(());
    }
    Err(forbidden("a seat sees the calls in which it takes part or took part today"))
}

/// A ticket: a seat reads those of the calls that it may read, an expert those that its unit has (承办单位).
pub(crate) async fn may_read_ticket(
    state: &ApiState,
    who: &Principal,
    ticket: &TicketRow,
) -> Result<(), Problem> {
    let Some(unit) = who.unit_alone() else { return may_read(state, who, ticket.call).await };
    if ticket.handling.unit.as_deref() == Some(unit) {
        return Ok(());
    }
    Err(forbidden("an expert sees the tickets that its unit has"))
}

/// A seat commands calls in which it takes part: who has left one has no say in it any more.
pub(crate) fn may_command(state: &ApiState, who: &Principal, call: CallId) -> Result<(), Problem> {
    match who.seat_alone() {
        Some(extension) if !state.switchboard.takes_part(extension, call) => {
            Err(forbidden("a seat commands the calls in which it takes part"))
        }
        _ => Ok(()),
    }
}

/// Who asks, at the own telephone or at the one that the request names; a seat has its own alone.
pub(crate) fn actor(who: &Principal, named: Option<String>) -> Result<Actor, Problem> {
    if let (Some(own), Some(named)) = (who.seat_alone(), &named)
        && own != named
    {
        return Err(forbidden("a seat uses its own telephone").of_field("extension"));
    }
    let extension = named.or_else(|| who.extension().map(str::to_owned));
    Ok(Actor { name: who.name.clone(), role: who.role, extension })
}

/// The same, where there must be a telephone.
pub(crate) fn actor_at_telephone(who: &Principal, named: Option<String>) -> Result<Actor, Problem> {
    let actor = actor(who, named)?;
    if actor.extension.is_none() {
        let detail = "extension: say whose telephone is to ring";
        return Err(Problem::invalid("extension", detail));
    }
    Ok(actor)
}

/// Whether what leads seats may be done.
pub(crate) fn leads(who: &Principal) -> bool {
    matches!(who.role, Role::Admin | Role::Supervisor)
}

pub(crate) fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}
