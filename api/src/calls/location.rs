//! Where the place of a call's ticket is: its levels, and the divisions in which it may lie.

use crate::auth::Principal;
use crate::{ApiState, Problem, access};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use qingting_nlu::draft::Field;
use qingting_nlu::reader::{LocationPart, Resolved};
use serde::Serialize;
use utoipa::ToSchema;

/// A place as an address. It is worked out anew from the ticket's words, so that it follows what a seat edits.
#[derive(Serialize, ToSchema)]
pub(crate) struct LocationView {
    /// 事发地点 as the ticket has it.
    place: Option<String>,
    /// Its parts in the order in which they were said.
    parts: Vec<LocationPartView>,
    /// Where it may lie, the likeliest first, at most five: **more than one means that the place is
    /// ambiguous** and the seat should ask. Empty where it names no known division or place.
    divisions: Vec<ResolvedView>,
}

/// A part of a place.
#[derive(Serialize, ToSchema)]
struct LocationPartView {
    /// `province`, `city`, `district`, `town`, `community`, `road`, `road_number`, `estate`, `building`,
    /// `unit`, `floor` or `room`.
    level: &'static str,
    /// The words.
    text: String,
    /// First character, counted in characters of the place.
    start: usize,
    /// One past the last.
    end: usize,
}

/// Divisions in which a place may lie.
#[derive(Serialize, ToSchema)]
struct ResolvedView {
    /// Code of the deepest division that is certain: 2, 4, 6 or 9 digits.
    code: String,
    /// Names from the province down to it.
    names: Vec<String>,
    /// Share among the candidates, 0 to 1.
    share: f32,
}

impl LocationPartView {
    fn of(part: LocationPart) -> Self {
        let LocationPart { level, range, text } = part;
        Self { level: level.as_str(), text, start: range.start, end: range.end }
    }
}

impl ResolvedView {
    fn of(resolved: Resolved) -> Self {
        let code = resolved.code().to_owned();
        let names = resolved.path.into_iter().map(|division| division.name).collect();
        Self { code, names, share: resolved.share }
    }
}

/// Levels of the place in the call's ticket and the divisions in which it may lie.
#[utoipa::path(get, path = "/api/v1/calls/{id}/location", params(("id" = String, Path)),
    responses((status = 200, body = LocationView), (status = 404, body = Problem)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<LocationView>, Problem> {
    let call = access::call(&state, &who, &id).await?;
    state.store.audit(&who.name, "location.read", &call.id.to_string()).await?;
    let ticket = state.store.ticket_of_call(call.id).await?;
    let place = ticket.and_then(|ticket| {
        let value = ticket.draft.field(Field::Place)?.value.expose();
        (!value.is_empty()).then(|| value.clone())
    });
    let location = place.as_deref().map(|place| (state.locate)(place)).unwrap_or_default();
    Ok(Json(LocationView {
        place,
        parts: location.parts.into_iter().map(LocationPartView::of).collect(),
        divisions: location.divisions.into_iter().map(ResolvedView::of).collect(),
    }))
}
