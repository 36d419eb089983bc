//! Log-in by the city's OpenID provider (统一身份认证; OpenID Connect Core 1.0 §3.1, with PKCE, RFC 7636).
//!
//! **What ties the provider's answer to the browser that asked lies in that browser's cookie**, which no page can
//! read: whoever is sent somebody else's answer cannot be logged in with it, and any server of several takes it.

use crate::{ApiState, Problem, sessions};
use axum::Json;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use qingting_common::Pii;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;
use utoipa::ToSchema;

/// How long somebody may take at the provider, in seconds.
const COOKIE_SECONDS: u32 = 600;
/// Longest code and state that are looked at, in characters.
const ANSWER_CHARS_MAX: usize = 4096;

/// What a provider says of somebody is asked for by the server.
pub type Asked<T> = Pin<Box<dyn Future<Output = Result<T, SignOnError>> + Send>>;

/// A way to the city's OpenID provider.
pub trait SignOn: Send + Sync {
    /// What the provider is called, on the page's button.
    fn name(&self) -> &str;
    /// Whether browsers come by https.
    fn is_encrypted(&self) -> bool;
    /// Where the browser has to go, and what its cookie keeps meanwhile.
    fn begin(&self) -> Asked<Begun>;
    /// Whom the provider vouches for: the subject.
    fn finish(&self, code: Pii<String>, kept: Kept) -> Asked<String>;
}

/// The beginning of a log-in.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The provider's address for this log-in.
    pub url: String,
    /// What goes into the cookie.
    pub kept: Kept,
}

/// What the answer must fit. Each is letters, digits, `-` and `_`.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Comes back with the answer.
    pub state: Pii<String>,
    /// Stands in the provider's word.
    pub nonce: Pii<String>,
    /// Proves that who asks for the word is who began.
    pub verifier: Pii<String>,
}

/// Why somebody was not vouched for. What it says goes into the log, and to nobody else.
#[derive(Debug, thiserror::Error)]
pub enum SignOnError {
    /// The provider does not answer, or not as OpenID Connect says.
    #[error("the OpenID provider: {0}")]
    Provider(String),
    /// The provider's word does not hold.
    #[error("the OpenID provider's word is not taken: {0}")]
    Word(String),
}

/// What the provider sent the browser back with; empty to begin.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderAnswer {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    code: Option<Pii<String>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    state: Option<Pii<String>>,
}

/// Where the provider is to be asked.
#[derive(Serialize, ToSchema)]
pub(crate) struct Elsewhere {
    /// Send the browser there.
    url: String,
}

pub(crate) async fn go_on(
    state: &ApiState,
    headers: &HeaderMap,
    answer: ProviderAnswer,
) -> Result<Response, Problem> {
    let Some(provider) = state.sign_on.clone() else {
        return Err(Problem::not_found("provider: [sign_on] is not set"));
    };
    let (code, answered) = match (answer.code, answer.state) {
        (Some(code), Some(state)) => (code, state),
        (None, None) => return begin(&*provider).await,
        _ => return Err(Problem::invalid("provider", "provider: code and state come together")),
    };
    if code.expose().len() > ANSWER_CHARS_MAX {
        return Err(Problem::invalid("provider", "provider: that is no code of one"));
    }
    let kept = headers.get(COOKIE).and_then(|cookie| cookie.to_str().ok());
    let kept = kept.and_then(|cookies| read(cookies, provider.is_encrypted()));
    let kept = kept.filter(|kept| kept.state.expose() == answered.expose());
    let Some(kept) = kept else {
        let detail =
            "this log-in was not begun in this browser, or more than 10 minutes ago: begin anew";
        return Err(Problem::invalid("provider", detail));
    };
    let subject = provider.finish(code, kept).await.map_err(|error| refused(&error))?;
    let Some(opened) = state.store.open_subject_session(&subject).await? else {
        tracing::warn!("the OpenID provider vouched for somebody who is not among the people here");
        let detail = "provider: nobody here is called that by it; the administrator lets people in";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail).of_field("provider"));
    };
    let view = sessions::of_session(opened);
    let forgotten = cookie("", 0, &*provider)?;
    Ok((StatusCode::CREATED, [(SET_COOKIE, forgotten)], Json(view)).into_response())
}

async fn begin(provider: &dyn SignOn) -> Result<Response, Problem> {
    let Begun { url, kept } = provider.begin().await.map_err(|error| refused(&error))?;
    let Kept { state: own, nonce, verifier } = &kept;
    let value = format!("{}.{}.{}", own.expose(), nonce.expose(), verifier.expose());
    let cookie = cookie(&value, COOKIE_SECONDS, provider)?;
    Ok(([(SET_COOKIE, cookie)], Json(Elsewhere { url })).into_response())
}

/// The prefix keeps a neighbouring host from setting it (RFC 6265bis §4.1.3.2); it wants https and the whole site.
const fn name_and_path(is_encrypted: bool) -> (&'static str, &'static str) {
    match is_encrypted {
        true => ("__Host-qingting_sign_on", "/"),
        false => ("qingting_sign_on", "/api/v1/session"),
    }
}

/// Not sent with what another site posts (`Lax`: the browser comes from the provider).
fn cookie(value: &str, seconds: u32, provider: &dyn SignOn) -> Result<HeaderValue, Problem> {
    let (name, path) = name_and_path(provider.is_encrypted());
    let secure = if provider.is_encrypted() { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).map_err(|_| {
        Problem::new(StatusCode::BAD_GATEWAY, "the OpenID provider's address cannot be kept")
    })
}

fn read(cookies: &str, is_encrypted: bool) -> Option<Kept> {
    let prefix = format!("{}=", name_and_path(is_encrypted).0);
    let mut given = cookies.split(';').map(str::trim);
    let mut parts = given.find_map(|one| one.strip_prefix(prefix.as_str()))?.split('.');
    let mut next = || {
        let part = parts.next().filter(|part| !part.is_empty())?;
        Some(Pii::new(part.to_owned()))
    };
    Some(Kept { state: next()?, nonce: next()?, verifier: next()? })
}

fn refused(error: &SignOnError) -> Problem {
    tracing::warn!(%error, "a log-in by the OpenID provider failed");
    match error {
        SignOnError::Provider(_) => Problem::new(
            StatusCode::BAD_GATEWAY,
            "the OpenID provider does not answer; see the log",
        ),
        SignOnError::Word(_) => {
            let detail = "provider: its word is not taken; begin anew";
            Problem::invalid("provider", detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_among_others_and_only_whole() {
        let read = |text: &str| {
            let kept = read(text, false)?;
            Some([kept.state, kept.nonce, kept.verifier].map(|part| part.expose().clone()))
        };
        let whole = Some(["s-1", "n_2", "v"].map(str::to_owned));
        assert_eq!(read("a=b; qingting_sign_on=s-1.n_2.v; c=d"), whole);
        for broken in
            ["", "qingting_sign_on=", "qingting_sign_on=s.n", "qingting_sign_on=s..v", "x=1"]
        {
            assert_eq!(read(broken), None, "{broken}");
        }
        assert!(
            super::read("qingting_sign_on=s.n.v", true).is_none(),
            "a neighbour may have set it"
        );
        assert!(super::read("__Host-qingting_sign_on=s.n.v", true).is_some());
    }
}
