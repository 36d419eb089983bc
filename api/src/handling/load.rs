//! How many tickets each unit has to do.

use crate::{ApiState, Problem, clock};
use axum::Json;
use axum::extract::State;
use qingting_store::UnitLoad;
use serde::Serialize;
use utoipa::ToSchema;

/// Tickets that are not closed, by unit.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoadsView {
    /// Those with the most overdue ones first, at most 500.
    units: Vec<LoadView>,
}

/// What a unit has to do.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoadView {
    /// Null: the hotline itself, of tickets that are not dispatched.
    unit: Option<String>,
    /// 在办.
    open: u64,
    /// 超期.
    overdue: u64,
    /// 督办.
    supervised: u64,
}

/// How many tickets each unit has that are not closed, and how many of them are overdue or supervised.
#[utoipa::path(get, path = "/api/v1/tickets/open-by-unit",
    responses((status = 200, body = LoadsView)))]
pub(crate) async fn read(State(state): State<ApiState>) -> Result<Json<LoadsView>, Problem> {
    let view =
        |UnitLoad { unit, open, overdue, supervised }| LoadView { unit, open, overdue, supervised };
    let units = state.store.open_by_unit(clock::now()).await?;
    Ok(Json(LoadsView { units: units.into_iter().map(view).collect() }))
}
