//! API keys, for the administrator.

use crate::auth::Principal;
use crate::problem::parameter;
use crate::{ApiState, Problem};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_store::{KeyInfo, Role, StoreError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const NAME_CHARS_MAX: usize = 100;

/// A key without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyView {
    id: String,
    name: String,
    /// `admin`, `operator`, `reader`, `metrics`, `supervisor` or `feed`.
    role: &'static str,
    created_at: i64,
    revoked_at: Option<i64>,
    /// Only in the answer to its making.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRequest {
    /// 1 to 100 characters.
    name: String,
    /// `admin`, `operator`, `reader`, `metrics`, `supervisor` or `feed`.
    role: String,
}

/// Every key, oldest first.
#[utoipa::path(get, path = "/api/v1/api-keys", responses((status = 200, body = Vec<KeyView>)))]
pub(crate) async fn list(State(state): State<ApiState>) -> Result<Json<Vec<KeyView>>, Problem> {
    Ok(Json(state.store.keys().await?.into_iter().map(view).collect()))
}

/// Makes a key; its secret is shown here and never again. Revisions and the audit carry its name, so
/// no other key, revoked ones included, may have it; `admin` and `machine` are taken, and digits alone
/// are a seat's.
#[utoipa::path(post, path = "/api/v1/api-keys", request_body = KeyRequest,
    responses((status = 201, body = KeyView), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    body: Result<Json<KeyRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<KeyView>), Problem> {
    let Json(body) = body?;
    let invalid = |field, detail: String| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).of_field(field)
    };
    let role: Role = body.role.parse().map_err(|problem| invalid("role", problem))?;
    let name = body.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control) {
        let detail = format!("name must have 1 to {NAME_CHARS_MAX} characters, none a control");
        return Err(invalid("name", detail));
    }
    let made = state.store.create_key(name, role, &who.name).await;
    let key = made.map_err(|error| match error {
        StoreError::Exists { .. } => {
            Problem::new(StatusCode::CONFLICT, "another key has or had this name").of_field("name")
        }
        StoreError::Reserved { .. } => invalid("name", error.to_string()),
        error => error.into(),
    })?;
    Ok((StatusCode::CREATED, Json(KeyView { secret: Some(key.secret), ..view(key.info) })))
}

/// Revokes a key; its event streams close.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn revoke(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: Uuid = parameter("id", &id)?;
    state.store.revoke_key(id, &who.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(key: KeyInfo) -> KeyView {
    KeyView {
        id: key.id.to_string(),
        name: key.name,
        role: key.role.as_str(),
        created_at: key.created_at.0,
        revoked_at: key.revoked_at.map(|at| at.0),
        secret: None,
    }
}
