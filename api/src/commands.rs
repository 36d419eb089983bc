//! What people do to calls: commands, click to dial, hanging up.

use crate::access::{self, forbidden, leads};
use crate::auth::Principal;
use crate::switchboard::{CallCommand, DialRequest, SuperviseMode};
use crate::{ApiState, Problem};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_common::Pii;
use serde::Serialize;
use utoipa::ToSchema;

/// Longest number or extension that is dialled, in characters: E.164 with an international prefix
/// and an extension.
const DIALLED_CHARS_MAX: usize = 24;
/// Longest name of a queue or a department, in characters.
const NAME_CHARS_MAX: usize = 50;

/// A call that was begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct Dialled {
    pub(crate) call: String,
}

/// Does something to a running call. Accepted is not done: events tell what came of it. A seat
/// commands calls in which it takes part; only supervisors supervise.
#[utoipa::path(post, path = "/api/v1/calls/{id}/commands", params(("id" = String, Path)),
    request_body = CallCommand, responses((status = 202), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn command(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    body: Result<Json<CallCommand>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(command) = body?;
    run(&state, &who, &id, command).await
}

/// Hangs up a running call.
#[utoipa::path(post, path = "/api/v1/calls/{id}/hangup", params(("id" = String, Path)),
    responses((status = 202), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn hang_up(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    run(&state, &who, &id, CallCommand::HangUp {}).await
}

/// Rings a seat's telephone and then the number. A seat uses its own telephone.
#[utoipa::path(post, path = "/api/v1/calls", request_body = DialRequest,
    responses((status = 201, body = Dialled), (status = 409, body = Problem),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn dial(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    body: Result<Json<DialRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<Dialled>), Problem> {
    let Json(request) = body?;
    dialable(&request.to)?;
    request.number_name.as_deref().map_or(Ok(()), |name| named("number_name", name))?;
    request.extension.as_deref().map_or(Ok(()), extension_like)?;
    let actor = access::actor_at_telephone(&who, request.extension.clone())?;
    let telephone = actor.extension.clone().unwrap_or_default();
    state.store.audit(&who.name, "call.dial", &telephone).await?;
    let call = state.switchboard.dial(actor, request).await?;
    Ok((StatusCode::CREATED, Json(Dialled { call: call.to_string() })))
}

async fn run(
    state: &ApiState,
    who: &Principal,
    id: &str,
    command: CallCommand,
) -> Result<StatusCode, Problem> {
    check(&command)?;
    let call = access::call(state, who, id).await?;
    access::may_command(state, who, call.id)?;
    let telephone = match &command {
        CallCommand::Supervise { .. } if !leads(who) => {
            return Err(forbidden("only supervisors supervise"));
        }
        CallCommand::Supervise { mode, extension } => {
            let end = *mode == SuperviseMode::End;
            let named = extension.clone();
            let at = if end { access::actor } else { access::actor_at_telephone };
            at(who, named)?
        }
        _ => access::actor(who, None)?,
    };
    let action = format!("call.{}", command.as_str());
    state.store.audit(&who.name, &action, &call.id.to_string()).await?;
    state.switchboard.command(call.id, telephone, command).await?;
    Ok(StatusCode::ACCEPTED)
}

fn check(command: &CallCommand) -> Result<(), Problem> {
    match command {
        CallCommand::Transfer { to, .. }
        | CallCommand::Consult { to }
        | CallCommand::Join { to } => dialable(to),
        CallCommand::Expert { department, .. } => named("department", department),
        CallCommand::ToQueue { queue } => named("queue", queue),
        CallCommand::Supervise { extension: Some(extension), .. } => extension_like(extension),
        _ => Ok(()),
    }
}

/// Nothing else ever comes into a SIP URI.
pub(crate) fn dialable(to: &Pii<String>) -> Result<(), Problem> {
    let text = to.expose();
    let (first, rest) = text.split_at(usize::from(text.starts_with('+')));
    let digits = rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'));
    if rest.is_empty() || !digits || first.len() + rest.len() > DIALLED_CHARS_MAX {
        let detail = format!(
            "to: a number or an extension of digits, * and #, at most {DIALLED_CHARS_MAX} of them"
        );
        return Err(Problem::invalid("to", detail));
    }
    Ok(())
}

pub(crate) fn extension_like(text: &str) -> Result<(), Problem> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() || !digits || text.len() > DIALLED_CHARS_MAX {
        return Err(Problem::invalid("extension", "extension: digits"));
    }
    Ok(())
}

fn named(field: &str, name: &str) -> Result<(), Problem> {
    let chars = name.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX || name.contains(char::is_control) {
        let detail = format!("{field}: a name of 1 to {NAME_CHARS_MAX} characters");
        return Err(Problem::invalid(field, detail));
    }
    Ok(())
}
