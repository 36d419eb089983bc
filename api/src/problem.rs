//! Errors as `application/problem+json` (RFC 9457).

use crate::duty::DutyProblem;
use crate::revision::stale;
use crate::switchboard::{ControlCode, ControlError};
use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use qingting_store::{EditError, SeatError, StoreError};
use serde::Serialize;
use std::error::Error;
use std::str::FromStr;

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was refused. `detail` never holds personal data.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says which kind it is (RFC 9457 §4.2.1).
    pub r#type: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong and how to mend it.
    pub detail: String,
    /// The field, parameter or header that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The revision to read, when the given one is stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_revision: Option<i64>,
    /// Which kind of refusal, when the switchboard refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ControlCode>,
    /// What is wrong line by line, of a table.
    #[serde(skip_serializing_if = "is_empty")]
    #[schema(value_type = Vec<DutyProblem>)]
    pub errors: Box<[DutyProblem]>,
}

fn is_empty(errors: &[DutyProblem]) -> bool {
    errors.is_empty()
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            current_revision: None,
            code: None,
            errors: Box::default(),
        }
    }

    pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail).of_field(field)
    }

    pub(crate) fn of_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, .. } => Self::not_found(what),
            StoreError::TakenOver => Self::new(StatusCode::CONFLICT, error.to_string()),
            StoreError::Unkeepable => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            StoreError::DiskFull => {
                tracing::error!(%error, "a request failed");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "the server's disk is full")
            }
            StoreError::Overloaded | StoreError::Closed => {
                tracing::warn!(%error, "a request failed");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            // The cause is for the operator's log, not for strangers.
            StoreError::Away(_) => {
                tracing::error!(%error, "a request failed");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
            }
            StoreError::Unknown(_) => {
                tracing::error!(%error, "a request failed");
                let detail = "whether this was done is not known: look before you repeat it";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
            }
            error => {
                tracing::error!(%error, "a request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
            }
        }
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        let detail = error.to_string();
        match error {
            EditError::NotFound => Self::not_found("ticket"),
            EditError::StaleRevision { current } => stale(None, current, detail),
            EditError::Confirmed => Self::new(StatusCode::CONFLICT, detail),
            EditError::Invalid { field, .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail).of_field(field.as_str())
            }
            EditError::Store(error) => error.into(),
        }
    }
}

impl From<SeatError> for Problem {
    fn from(error: SeatError) -> Self {
        let detail = error.to_string();
        match error {
            SeatError::NotFound => Self::not_found("seat"),
            SeatError::Exists => Self::new(StatusCode::CONFLICT, detail).of_field("extension"),
            SeatError::Changed { current } => stale(None, current, detail),
            SeatError::Invalid { field, .. } => Self::invalid(field, detail),
            SeatError::Store(error) => error.into(),
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let status = match error.code {
            ControlCode::NotRunning | ControlCode::WrongState | ControlCode::Busy => {
                StatusCode::CONFLICT
            }
            ControlCode::NotAllowed => StatusCode::FORBIDDEN,
            ControlCode::NoTarget => StatusCode::UNPROCESSABLE_ENTITY,
            ControlCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { code: Some(error.code), ..Self::new(status, error.detail) }
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        type Wrong = serde_path_to_error::Error<serde_json::Error>;
        let status = rejection.status();
        match cause::<Wrong>(&rejection) {
            Some(wrong) if wrong.inner().is_data() => Self::of_value(
                status,
                &wrong.path().to_string(),
                &wrong.inner().to_string(),
                "body",
            ),
            _ => Self::new(status, rejection.body_text()).of_field("body"),
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text()).of_field("body")
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        type Wrong = serde_path_to_error::Error<serde::de::value::Error>;
        let status = rejection.status();
        match cause::<Wrong>(&rejection) {
            Some(wrong) => Self::of_value(
                status,
                &wrong.path().to_string(),
                &wrong.inner().to_string(),
                "query",
            ),
            None => Self::new(status, rejection.body_text()).of_field("query"),
        }
    }
}

impl Problem {
    /// A value that does not fit, named by its path, else by the name that serde says is unknown,
    /// missing or there twice, else as the whole.
    fn of_value(status: StatusCode, path: &str, message: &str, whole: &str) -> Self {
        let inside = Some(path).filter(|path| !path.contains('?') && *path != ".");
        let named = ["unknown field `", "missing field `", "duplicate field `"]
            .iter()
            .find_map(|start| message.strip_prefix(start)?.split('`').next());
        let field = match (inside, named) {
            (Some(path), Some(name)) if path.split('.').next_back() != Some(name) => {
                format!("{path}.{name}")
            }
            (Some(path), _) => path.to_owned(),
            (None, Some(name)) => name.to_owned(),
            (None, None) => whole.to_owned(),
        };
        // What comes before may quote the value, which may be somebody's number.
        let expected = message.find("expected ").map_or(message, |at| &message[at..]);
        Self::new(status, format!("{field}: {expected}")).of_field(&field)
    }
}

/// The first error of that type in the chain.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
}

/// Reads a typed value from a path or query parameter.
pub(crate) fn parameter<T: FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| {
        Problem::new(StatusCode::BAD_REQUEST, format!("{name}: {error}")).of_field(name)
    })
}
