//! People who sign in without a telephone: experts of units, operators, auditors, administrators.

use crate::auth::Principal;
use crate::revision::{Seen, stale, tag};
use crate::{ApiState, Problem, once};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use qingting_common::Pii;
use qingting_store::{NewPerson, PersonChange, PersonError, PersonInfo, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Somebody who signs in without a telephone. Whoever has one is a seat.
#[derive(Serialize, ToSchema)]
pub(crate) struct PersonView {
    login: String,
    name: String,
    /// `admin`, `operator` (回访专员), `expert` (承办单位经办人) or `auditor` (审计员).
    role: &'static str,
    /// 承办单位, of an expert: whose tickets it handles.
    unit: Option<String>,
    /// Whether it has a password here.
    has_password: bool,
    /// What the city's OpenID provider calls the person.
    subject: Option<String>,
    /// Whether it may not log in.
    disabled: bool,
    /// Counts its changes; also the `ETag`.
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

/// Somebody to let in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonRequest {
    /// 2 to 32 small letters, digits, `.`, `_` and `-`, a letter first.
    login: String,
    /// 1 to 50 characters.
    name: String,
    /// `admin`, `operator`, `expert` or `auditor`.
    role: String,
    /// Of an expert, and of nobody else.
    #[serde(default)]
    unit: Option<String>,
    /// 8 to 128 characters; not stored. Without it the OpenID provider alone lets the person in.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    password: Option<Pii<String>>,
    /// What the city's OpenID provider calls the person.
    #[serde(default)]
    subject: Option<String>,
}

/// Changes of a person; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonEdit {
    /// The revision that was seen; `If-Match` says the same. A person that was changed meanwhile stays as it is.
    revision: Option<i64>,
    name: Option<String>,
    /// As at the making.
    role: Option<String>,
    unit: Option<String>,
    #[schema(value_type = Option<String>)]
    password: Option<Pii<String>>,
    /// An empty one takes it away.
    subject: Option<String>,
    disabled: Option<bool>,
}

/// Everybody who signs in without a telephone, by login.
#[utoipa::path(get, path = "/api/v1/people", responses((status = 200, body = Vec<PersonView>)))]
pub(crate) async fn list(State(state): State<ApiState>) -> Result<Json<Vec<PersonView>>, Problem> {
    Ok(Json(state.store.people().await?.into_iter().map(view).collect()))
}

/// Lets somebody in from now on.
#[utoipa::path(post, path = "/api/v1/people", request_body = PersonRequest,
    responses((status = 201, body = PersonView), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    claimed: Option<Extension<once::Claimed>>,
    body: Result<Json<PersonRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body?;
    let person = NewPerson {
        login: body.login,
        name: body.name,
        role: role(&body.role)?,
        unit: body.unit,
        password: body.password,
        subject: body.subject,
    };
    let kept = once::kept(claimed, |person: &PersonInfo| {
        once::json(StatusCode::CREATED, &view(person.clone()))
    });
    let made = state.store.create_person(person, &who.name, kept).await;
    let made = made.map_err(|error| refused(None, error))?;
    Ok((StatusCode::CREATED, answer(made)).into_response())
}

/// One person.
#[utoipa::path(get, path = "/api/v1/people/{login}", params(("login" = String, Path)),
    responses((status = 200, body = PersonView), (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Path(login): Path<String>,
) -> Result<Response, Problem> {
    let person = state.store.person(&login).await?;
    Ok(answer(person.ok_or_else(|| Problem::not_found("person"))?))
}

/// Changes a person. A new password, role, unit or subject and `disabled` end its sessions. A person that is not at
/// the revision of `If-Match` or of the body any more stays as it is (412, or 409).
#[utoipa::path(patch, path = "/api/v1/people/{login}", params(("login" = String, Path)),
    request_body = PersonEdit, responses((status = 200, body = PersonView), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn edit(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(login): Path<String>,
    headers: HeaderMap,
    body: Result<Json<PersonEdit>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body?;
    let seen = Seen::read(&headers, body.revision)?;
    let change = PersonChange {
        name: body.name,
        role: body.role.as_deref().map(role).transpose()?,
        unit: body.unit,
        password: body.password,
        subject: body.subject,
        disabled: body.disabled,
    };
    let revision = seen.map(|seen| seen.revision);
    let changed = state.store.change_person(&login, revision, change, &who.name).await;
    changed.map(answer).map_err(|error| refused(seen, error))
}

/// Removes a person; what it has done keeps its login. With `If-Match` only the person that was seen.
#[utoipa::path(delete, path = "/api/v1/people/{login}", params(("login" = String, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 412, body = Problem)))]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(login): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let seen = Seen::read(&headers, None)?;
    let revision = seen.map(|seen| seen.revision);
    let removed = state.store.delete_person(&login, revision, &who.name).await;
    removed.map_err(|error| refused(seen, error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn role(name: &str) -> Result<Role, Problem> {
    Role::OF_PEOPLE.into_iter().find(|role| role.of_person_str() == name).ok_or_else(|| {
        let names = Role::OF_PEOPLE.map(Role::of_person_str).join(", ");
        Problem::invalid("role", format!("role: one of {names}; a supervisor is a seat"))
    })
}

pub(crate) fn refused(seen: Option<Seen>, error: PersonError) -> Problem {
    let detail = error.to_string();
    let conflict = |field| Problem::new(StatusCode::CONFLICT, detail.clone()).of_field(field);
    match error {
        PersonError::NotFound => Problem::not_found("person"),
        PersonError::Exists => conflict("login"),
        PersonError::SubjectExists => conflict("subject"),
        PersonError::Changed { current } => stale(seen, current, detail),
        PersonError::Invalid { field, .. } => Problem::invalid(field, detail),
        PersonError::Store(error) => error.into(),
    }
}

fn answer(person: PersonInfo) -> Response {
    ([(ETAG, tag(person.revision))], Json(view(person))).into_response()
}

fn view(person: PersonInfo) -> PersonView {
    PersonView {
        login: person.login,
        name: person.name,
        role: person.role.of_person_str(),
        unit: person.unit,
        has_password: person.has_password,
        subject: person.subject,
        disabled: person.disabled,
        revision: person.revision,
        created_at: person.created_at.0,
        updated_at: person.updated_at.0,
    }
}
