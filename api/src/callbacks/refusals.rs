//! Numbers that no campaign calls.

use crate::auth::Principal;
use crate::{ApiState, Problem, clock};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_common::Pii;
use qingting_core::numbers::Number;
use qingting_store::RefusalWhy;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most numbers of one request.
const NUMBERS_MAX: usize = 10_000;

/// Where the page begins.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Rows to leave out; 0 when absent.
    offset: Option<u32>,
}

/// Numbers to put on the list, or to take off it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numbers {
    numbers: Vec<String>,
}

/// At most 500 numbers, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusalPage {
    numbers: Vec<RefusalView>,
}

/// A number that is not called.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusalView {
    number: String,
    /// `asked`: the citizen said so; `listed`: a person put it there.
    why: &'static str,
    by: String,
    at: i64,
}

/// Numbers that no campaign calls.
#[utoipa::path(get, path = "/api/v1/do-not-call", params(ListQuery),
    responses((status = 200, body = RefusalPage), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<RefusalPage>, Problem> {
    let Query(query) = query?;
    state.store.audit(&who.name, "do_not_call.list", "").await?;
    let rows = state.store.refusals(query.offset.unwrap_or_default()).await?;
    let numbers = rows.into_iter().map(|row| RefusalView {
        number: row.number.expose().clone(),
        why: if row.why == RefusalWhy::Asked { "asked" } else { "listed" },
        by: row.by,
        at: row.at.0,
    });
    Ok(Json(RefusalPage { numbers: numbers.collect() }))
}

/// Puts numbers on the list. Who waits to be called ends as refused when his turn comes.
#[utoipa::path(post, path = "/api/v1/do-not-call", request_body = Numbers,
    responses((status = 204), (status = 422, body = Problem)))]
pub(crate) async fn add(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    body: Result<Json<Numbers>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(body) = body?;
    state.store.refuse_numbers(numbers(body)?, &who.name, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes numbers off the list.
#[utoipa::path(delete, path = "/api/v1/do-not-call", request_body = Numbers,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    body: Result<Json<Numbers>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(body) = body?;
    let mut removed = false;
    for number in numbers(body)? {
        removed |= state.store.unrefuse_number(number, &who.name, clock::now()).await?;
    }
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("such number")) }
}

fn numbers(body: Numbers) -> Result<Vec<Pii<String>>, Problem> {
    if body.numbers.is_empty() || body.numbers.len() > NUMBERS_MAX {
        return Err(Problem::invalid("numbers", format!("give 1 to {NUMBERS_MAX} numbers")));
    }
    let read = |(place, text): (usize, &String)| {
        let number = Number::read(text, None);
        number
            .map(|number| Pii::new(number.national()))
            .map_err(|_| Problem::invalid(&format!("numbers/{place}"), "it is no telephone number"))
    };
    body.numbers.iter().enumerate().map(read).collect()
}
