//! Tickets that a call's ticket may repeat.

use crate::auth::Principal;
use crate::incidents::IncidentView;
use crate::{ApiState, Problem, access};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use qingting_nlu::draft::Field;
use qingting_store::{LikelyRepeat, TicketStatus};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use utoipa::ToSchema;

/// What a call's appeal may have to do with others.
#[derive(Serialize, ToSchema)]
pub(crate) struct RepeatsView {
    /// The likeliest first, at most five.
    repeats: Vec<RepeatView>,
    /// The incident that the call may belong to.
    incident: Option<IncidentView>,
}

/// An earlier ticket that may be about the same matter. `Debug` leaves out what was said.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepeatView {
    /// The ticket.
    pub ticket: String,
    /// 工单编号.
    pub number: String,
    /// The call that it came from.
    pub call: String,
    /// `draft` or `confirmed`.
    pub status: Cow<'static, str>,
    /// It says that its citizen wants to stay unknown.
    pub confidential: bool,
    /// Its title.
    pub title: Option<String>,
    /// Its place.
    pub place: Option<String>,
    /// When that call came in, in Unix milliseconds.
    pub created_at: i64,
    /// How likely it is the same matter, 0 to 1.
    pub score: f32,
    /// Why, as a seat reads it.
    pub reasons: Vec<String>,
}

impl fmt::Debug for RepeatView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepeatView").field("number", &self.number).finish_non_exhaustive()
    }
}

impl RepeatView {
    /// A repeat as it is shown.
    pub fn of(repeat: &LikelyRepeat) -> Self {
        let ticket = &repeat.ticket;
        let field = |field| {
            let value = ticket.draft.field(field)?.value.expose();
            (!value.is_empty()).then(|| value.clone())
        };
        Self {
            ticket: ticket.id.to_string(),
            number: ticket.number.clone(),
            call: ticket.call.to_string(),
            status: TicketStatus::as_str(ticket.status).into(),
            confidential: field(Field::Confidential).as_deref() == Some("true"),
            title: field(Field::Title),
            place: field(Field::Place),
            created_at: ticket.created_at.0,
            score: repeat.score,
            reasons: repeat.reasons.iter().map(|reason| reason.text_zh()).collect(),
        }
    }
}

/// Earlier tickets that may be about the same matter, with the reasons, and the incident that the call may
/// belong to. A person merges tickets; nothing is refused or merged by itself.
#[utoipa::path(get, path = "/api/v1/calls/{id}/repeats", params(("id" = String, Path)),
    responses((status = 200, body = RepeatsView), (status = 404, body = Problem)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<RepeatsView>, Problem> {
    let call = access::call(&state, &who, &id).await?;
    state.store.audit(&who.name, "repeats.read", &call.id.to_string()).await?;
    let found = state.store.repeats(call.id).await?;
    Ok(Json(RepeatsView {
        repeats: found.iter().map(RepeatView::of).collect(),
        incident: state.recent_calls.of_call(call.id),
    }))
}
