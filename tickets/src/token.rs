//! Access tokens for ticket systems behind OAuth 2.0 (client credentials, RFC 6749 §4.4).
//!
//! **A token is fetched once and used until shortly before it expires, however many events leave at once.** The
//! secret is read from its file with every fetch, so that a new one counts without a restart.

use crate::clock::Deadline;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qingting_common::{Pii, UnixMillis};
use serde::Deserialize;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// So long before its end a token is not used any more: the request is still to travel.
const EARLY_MS: i64 = 30_000;
/// How long a token counts whose server does not say it (RFC 6749 §5.1 only recommends it).
const UNTOLD_S: u64 = 300;
/// Longest that a token is kept, whatever its server says.
const KEPT_S_MAX: u64 = 86_400;
/// Largest answer of a token server, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Who we are to the token server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address of the token endpoint.
    pub token_url: String,
    /// Our id there.
    pub id: String,
    /// The file with our secret.
    pub secret_file: PathBuf,
    /// What the token shall be good for; empty: what the server gives by itself.
    pub scope: String,
}

/// Why there is no token; may stand in a log.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("the OAuth secret {0} cannot be read: {1}")]
    Secret(PathBuf, std::io::Error),
    /// Nothing came.
    #[error("the token server cannot be asked: {0}")]
    Unreachable(String),
    /// It refused.
    #[error("the token server answered with status {0}")]
    Status(u16),
    /// The time that an answer may take was over before there was one.
    #[error("the token server took too long")]
    Late,
    /// What came is no token that can be used.
    #[error("the token server's answer is no bearer token")]
    Shape,
}

/// The tokens of one client.
#[derive(Debug)]
pub(crate) struct Tokens {
    client: Client,
    kept: Mutex<Kept>,
    /// A fetch is over.
    fetched: Condvar,
}

#[derive(Debug)]
struct Kept {
    token: Option<Token>,
    is_fetched: bool,
}

/// A fetch that runs; others may begin theirs when it is dropped.
struct Fetching<'a>(&'a Tokens);

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.kept().is_fetched = false;
        self.0.fetched.notify_all();
    }
}

#[derive(Clone, Debug)]
struct Token {
    value: Pii<String>,
    /// Until when it is used.
    until: UnixMillis,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Pii<String>,
    token_type: String,
    expires_in: Option<u64>,
}

impl Tokens {
    pub(crate) const fn new(client: Client) -> Self {
        let kept = Kept { token: None, is_fetched: false };
        Self { client, kept: Mutex::new(kept), fetched: Condvar::new() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token that counts, fetched where there is none. Others wait for the same fetch, none longer than `until`.
    pub(crate) fn token(
        &self,
        agent: &ureq::Agent,
        now: UnixMillis,
        until: Deadline,
    ) -> Result<Pii<String>, TokenError> {
        let mut kept = self.kept();
        loop {
            if let Some(token) = kept.token.as_ref().filter(|token| now.0 < token.until.0) {
                return Ok(token.value.clone());
            }
            let left = until.left().ok_or(TokenError::Late)?;
            if !kept.is_fetched {
                break;
            }
            let waited = self.fetched.wait_timeout(kept, left);
            kept = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        kept.is_fetched = true;
        drop(kept);
        let fetching = Fetching(self);
        let token = self.fetch(agent, now, until)?;
        let value = token.value.clone();
        self.kept().token = Some(token);
        drop(fetching);
        Ok(value)
    }

    /// Forgets a token that was refused, unless another one is there already.
    pub(crate) fn forget(&self, refused: &Pii<String>) {
        let mut kept = self.kept();
        if kept.token.as_ref().is_some_and(|token| token.value == *refused) {
            kept.token = None;
        }
    }

    fn fetch(
        &self,
        agent: &ureq::Agent,
        now: UnixMillis,
        until: Deadline,
    ) -> Result<Token, TokenError> {
        let Client { token_url, id, secret_file, scope } = &self.client;
        let secret = std::fs::read_to_string(secret_file)
            .map_err(|error| TokenError::Secret(secret_file.clone(), error))?;
        let proof = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.trim())));
        let mut form = vec![("grant_type", "client_credentials")];
        if !scope.is_empty() {
            form.push(("scope", scope));
        }
        let unreachable = |error: ureq::Error| TokenError::Unreachable(error.to_string());
        let left = until.left().ok_or(TokenError::Late)?;
        let request = agent.post(token_url).config().timeout_global(Some(left)).build();
        let request = request.header("Accept", "application/json");
        let request = request.header("Authorization", format!("Basic {proof}"));
        let mut response = request.send_form(form).map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(TokenError::Status(response.status().as_u16()));
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let body = body.read_to_vec().map_err(unreachable)?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| TokenError::Shape)?;
        let value = answer.access_token;
        // What a header can carry (RFC 6750 §2.1); types ignore case (RFC 6749 §5.1).
        let is_usable = !value.expose().is_empty()
            && value.expose().bytes().all(|byte| byte.is_ascii_graphic())
            && answer.token_type.eq_ignore_ascii_case("bearer");
        if !is_usable {
            return Err(TokenError::Shape);
        }
        let lasts = answer.expires_in.unwrap_or(UNTOLD_S).min(KEPT_S_MAX);
        let lasts_ms = i64::try_from(lasts).unwrap_or(i64::MAX).saturating_mul(1_000);
        // One that lasts hardly longer than that is used for half its time.
        let used_ms = (lasts_ms - EARLY_MS).max(lasts_ms / 2);
        Ok(Token { value, until: UnixMillis(now.0.saturating_add(used_ms)) })
    }
}

/// `application/x-www-form-urlencoded`, which id and secret are before they are joined (RFC 6749 §2.3.1).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            // Writing into a string does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn id_and_secret_are_written_as_a_form_writes_them() {
        assert_eq!(encoded("a-b_c.1*"), "a-b_c.1*");
        assert_eq!(encoded("p w:%+/市"), "p+w%3A%25%2B%2F%E5%B8%82");
    }
}
