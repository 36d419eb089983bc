//! How much of a citizen a role sees. **One place decides, and what is not let through is masked**: every answer and
//! every event to a role without whole sight passes here after it was made, whichever view made it, so that a view
//! cannot forget it. What is no JSON is given to such a role only where it is listed.
//!
//! Masked are: numbers wherever they stand, in digits, full-width ones or numerals; the citizen's name wherever it
//! stands in an answer that also has it as a name; both are left out whole where the ticket is confidential (保密).
//! Words of a conversation stay: a name that is only spoken is in them.

mod mask;
mod numbers;

use crate::auth::Principal;
use crate::problem::{PROBLEM_JSON, Problem};
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use qingting_store::Role;
use qingting_store::citizens::ERASED;
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands in the place of a confidential citizen's number and name.
pub(crate) const CONFIDENTIAL: &str = "保密";

/// What stands in the place of a number and is none.
const NO_NUMBERS: [&str; 2] = ["anonymous", ERASED];

/// Largest answer that is masked: the results of a campaign of a hundred thousand.
const MASKED_BYTES_MAX: usize = 128 << 20;

/// Larger answers are masked on a thread of their own, in bytes: masking so many takes about 2 ms.
const MASKED_AT_ONCE_BYTES_MAX: usize = 64 << 10;

/// What is given to a role without whole sight and is no JSON: the recordings that it may hear, and metrics.
const OTHER_TYPES: [&str; 2] = ["audio/wav", "text/plain"];
const JSON_TYPES: [&str; 3] = ["application/json", PROBLEM_JSON, "application/vcon"];

/// What is told of who works here is no citizen's.
const OF_COLLEAGUES: [&str; 3] = ["/api/v1/me", "/api/v1/people", "/api/v1/people/{login}"];

/// Digits of a number that stay at its beginning and its end.
const SHOWN_FIRST: usize = 3;
const SHOWN_LAST: usize = 4;
/// Fewest digits to guess; a number that is too short for it is hidden whole.
const HIDDEN_MIN: usize = 4;

/// How much somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Who talks to citizens or answers for those who do.
    Whole,
    /// Units (承办单位), which call citizens back: all but who wants to stay unknown.
    Unit,
    /// Machines and analysts.
    Masked,
}

impl Sight {
    pub(crate) const fn of(role: Role) -> Self {
        match role {
            Role::Admin | Role::Supervisor | Role::Seat => Self::Whole,
            Role::Expert => Self::Unit,
            Role::Operator
            | Role::Interviewer
            | Role::Reader
            | Role::Feed
            | Role::Metrics
            | Role::Auditor => Self::Masked,
        }
    }

    /// What of an answer or an event is shown.
    pub(crate) fn see(self, value: &mut Value) {
        self.look(value);
    }

    /// The same; whether anything is not shown.
    fn look(self, value: &mut Value) -> bool {
        match self {
            Self::Whole => false,
            Self::Unit => mask::conceal_confidential(value),
            Self::Masked => mask::mask(value, false, None),
        }
    }
}

/// Leaves number and name out of what is told of a confidential citizen, whoever gets it.
pub(crate) fn conceal(value: &mut Value) {
    mask::mask(value, true, None);
}

/// Every mask that a masked answer with this would show, longer than a star.
pub(crate) fn masks_of(mut value: Value) -> BTreeSet<String> {
    let mut masks = BTreeSet::new();
    mask::mask(&mut value, false, Some(&mut masks));
    masks.retain(|mask| mask.chars().count() > 1);
    masks
}

/// Masks what a role may not see whole.
pub(crate) async fn veil(request: Request, next: Next) -> Response {
    let sight = request.extensions().get::<Principal>().map(|who| Sight::of(who.role));
    let is_head = request.method() == Method::HEAD;
    let path = request.extensions().get::<MatchedPath>().cloned();
    let is_of_colleagues = path.is_some_and(|path| OF_COLLEAGUES.contains(&path.as_str()));
    let response = next.run(request).await;
    let Some(sight) = sight.filter(|sight| *sight != Sight::Whole) else { return response };
    if is_head || is_of_colleagues {
        return response;
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_owned());
    match kind.as_deref() {
        None => response,
        Some(kind) if JSON_TYPES.contains(&kind) => masked_answer(sight, response).await,
        Some(kind) if OTHER_TYPES.contains(&kind) => response,
        Some(_) => {
            let detail = "this role sees no whole numbers, and what was asked for cannot be masked";
            Problem::new(StatusCode::FORBIDDEN, detail).into_response()
        }
    }
}

async fn masked_answer(sight: Sight, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let failed = || {
        tracing::error!("an answer could not be masked and is not given");
        let detail = "the server failed; see its log";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
    };
    let Ok(body) = to_bytes(body, MASKED_BYTES_MAX).await else { return failed() };
    if body.is_empty() {
        return Response::from_parts(parts, Body::empty());
    }
    let masked = match body.len() <= MASKED_AT_ONCE_BYTES_MAX {
        true => masked_json(sight, &body),
        false => {
            let bytes = body.clone();
            let work = tokio::task::spawn_blocking(move || masked_json(sight, &bytes));
            work.await.unwrap_or(Err(()))
        }
    };
    match masked {
        Err(()) => failed(),
        // Byte for byte: it may be signed.
        Ok(None) => Response::from_parts(parts, Body::from(body)),
        Ok(Some(masked)) => {
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(masked))
        }
    }
}

/// An answer as it is masked; none where nothing in it is.
fn masked_json(sight: Sight, body: &[u8]) -> Result<Option<String>, ()> {
    let mut value = serde_json::from_slice::<Value>(body).map_err(drop)?;
    Ok(sight.look(&mut value).then(|| value.to_string()))
}

/// A number that nobody can call, but who knows it recognises: `138****8000`.
pub(crate) fn masked_number(number: &str) -> String {
    let chars: Vec<char> = number.chars().collect();
    let hidden = chars.len().saturating_sub(SHOWN_FIRST + SHOWN_LAST);
    // Of a landline's eight digits one would be left to guess.
    if hidden < HIDDEN_MIN {
        return "*".repeat(chars.len());
    }
    let (first, last) = (&chars[..SHOWN_FIRST], &chars[SHOWN_FIRST + hidden..]);
    let stars = std::iter::repeat_n('*', hidden);
    first.iter().copied().chain(stars).chain(last.iter().copied()).collect()
}

/// The family name, and a star for each other character.
fn masked_name(name: &str) -> String {
    let mut chars = name.chars();
    let first: String = chars.next().into_iter().collect();
    first + &"*".repeat(chars.count())
}

/// Whether a text is what a masked answer showed: it must not be written back.
pub(crate) fn is_mask(text: &str) -> bool {
    text == CONFIDENTIAL || text.contains('*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_masked_number_cannot_be_called() {
        assert_eq!(masked_number("13800138000"), "138****8000");
        assert_eq!(masked_number("+8613800138000"), "+86*******8000");
        assert_eq!(masked_number("8880001"), "*******");
        assert_eq!(masked_number("88881234"), "********");
        assert_eq!(masked_number("01012345678"), "010****5678");
        assert_eq!(masked_number("110"), "***");
        assert_eq!(masked_number(""), "");
    }

    #[test]
    fn who_showed_no_number_or_was_erased_is_told_so() {
        let mut call = json!({"caller": "anonymous", "fields": {"phone": {"value": ERASED}}});
        let before = call.clone();
        Sight::Masked.see(&mut call);
        assert_eq!(call, before);
    }

    #[test]
    fn name_and_number_are_masked_wherever_an_answer_has_them() {
        let mut ticket = json!({
            "number": "20260101-000001",
            "fields": {
                "title": {"value": "王建国反映噪音"},
                "caller_name": {"value": "王建国", "evidence": [{"quote": "我叫王建国"}]},
                "phone": {"value": "88881234", "evidence": [{"quote": "八八八八一二三四"}]},
                "description": {"value": "回电88881234"},
            },
            "legs": [{"role": "seat", "target": "8001", "name": "李芳"},
                {"role": "citizen", "target": "88881234"}],
        });
        let mut hidden = ticket.clone();
        Sight::Whole.see(&mut hidden);
        assert_eq!(hidden, ticket);
        Sight::Masked.see(&mut ticket);
        let text = ticket.to_string();
        for word in ["王建国", "88881234", "八八八八一二三四"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        assert_eq!(ticket["fields"]["title"]["value"], "王**反映噪音");
        assert_eq!(
            (&ticket["legs"][0]["target"], &ticket["legs"][0]["name"]),
            (&json!("8001"), &json!("李芳"))
        );
        hidden["fields"]["confidential"] = json!({"value": "true"});
        Sight::Masked.see(&mut hidden);
        assert_eq!(hidden["fields"]["phone"]["value"], CONFIDENTIAL);
        assert_eq!(hidden["fields"]["title"]["value"], "保密反映噪音");
        assert!(!hidden.to_string().contains('王'), "{hidden}");
    }
}
