//! The client of the city's OpenID provider (OpenID Connect Core 1.0 §3.1): discovery, code, ID token.
//!
//! The ID token comes straight from the provider's token endpoint, whose TLS certificate proves who it is of: the
//! standard lets that stand in the place of its signature (§3.1.3.7, 6). Plain http is refused but to this machine.

use crate::clock;
use crate::config::{SignOn as Config, is_proved};
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use form_urlencoded::{Serializer, byte_serialize};
use qingting_api::{Asked, Begun, Kept, SignOn, SignOnError};
use qingting_common::Pii;
use rand::RngCore;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use ureq::tls::{RootCerts, TlsConfig};

const CONNECT_MAX: Duration = Duration::from_secs(3);
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Of an answer so much is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// Log-ins that ask the provider at the same time; the next waits.
const ASKED_AT_ONCE_MAX: usize = 4;
/// Longest wait for a place among them.
const PLACE_MAX: Duration = Duration::from_secs(5);
/// How long what a provider says of itself is believed, in milliseconds.
const METADATA_MS: i64 = 5 * 60_000;
/// How far the provider's clock may be off, in seconds.
const SKEW_SECONDS: i64 = 60;
/// Of state, nonce and verifier.
const RANDOM_BYTES: usize = 32;

/// The city's OpenID provider.
pub struct Provider(Arc<Inner>);

struct Inner {
    agent: ureq::Agent,
    config: Config,
    secret: Option<Pii<String>>,
    places: Semaphore,
    /// What the provider said of itself last, and when (Unix, milliseconds).
    known: Mutex<Option<(i64, Metadata)>>,
}

/// What a provider says of itself (OpenID Connect Discovery 1.0 §3).
#[derive(Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Pii<String>,
}

/// What an ID token says (OpenID Connect Core 1.0 §2).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Provider {
    /// The configured one; none where there is none.
    pub fn new(config: &Config) -> anyhow::Result<Option<Self>> {
        if config.issuer.is_empty() {
            return Ok(None);
        }
        let has_secret = !config.secret_file.as_os_str().is_empty();
        let read = has_secret.then(|| std::fs::read_to_string(&config.secret_file)).transpose();
        let secret = read.with_context(|| {
            format!("cannot read sign_on.secret_file = {}", config.secret_file.display())
        })?;
        // The system's certificates: a city's own provider has one of its own.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_global(Some(ANSWER_MAX))
            .user_agent(concat!("qingting/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Some(Self(Arc::new(Inner {
            agent: agent.into(),
            config: config.clone(),
            secret: secret.map(|secret| Pii::new(secret.trim().to_owned())),
            places: Semaphore::new(ASKED_AT_ONCE_MAX),
            known: Mutex::default(),
        }))))
    }

    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, SignOnError> + Send + 'static,
    ) -> Asked<T> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let closed = |error: &dyn std::fmt::Display| SignOnError::Provider(error.to_string());
            let place = timeout(PLACE_MAX, inner.places.acquire()).await;
            let _place = place.map_err(|_| SignOnError::Provider("too many ask it".into()))?;
            let this = Arc::clone(&inner);
            let asked = tokio::task::spawn_blocking(move || work(&this)).await;
            asked.map_err(|error| closed(&error))?
        })
    }
}

impl SignOn for Provider {
    fn name(&self) -> &str {
        &self.0.config.name
    }

    fn is_encrypted(&self) -> bool {
        self.0.config.redirect_url.starts_with("https:")
    }

    fn begin(&self) -> Asked<Begun> {
        self.ask(Inner::begin)
    }

    fn finish(&self, code: Pii<String>, kept: Kept) -> Asked<String> {
        self.ask(move |inner| inner.finish(&code, &kept))
    }
}

impl Inner {
    fn begin(&self) -> Result<Begun, SignOnError> {
        let endpoint = self.metadata()?.authorization_endpoint;
        let kept = Kept { state: random(), nonce: random(), verifier: random() };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(kept.verifier.expose()));
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("scope", &self.config.scope)
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.config.redirect_url)
            .append_pair("state", kept.state.expose())
            .append_pair("nonce", kept.nonce.expose())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .finish();
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        Ok(Begun { url: format!("{endpoint}{joint}{query}"), kept })
    }

    fn finish(&self, code: &Pii<String>, kept: &Kept) -> Result<String, SignOnError> {
        let metadata = self.metadata()?;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code.expose())
            .append_pair("redirect_uri", &self.config.redirect_url)
            .append_pair("code_verifier", kept.verifier.expose());
        let mut request = self
            .agent
            .post(&metadata.token_endpoint)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Accept", "application/json");
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let has = |name: &str| methods.iter().any(|method| method == name);
        match &self.secret {
            None => {
                form.append_pair("client_id", &self.config.client_id);
            }
            Some(secret) if !has("client_secret_basic") && has("client_secret_post") => {
                form.append_pair("client_id", &self.config.client_id)
                    .append_pair("client_secret", secret.expose());
            }
            // RFC 6749 §2.3.1: both are form-encoded first.
            Some(secret) => {
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let (id, secret) = (encoded(&self.config.client_id), encoded(secret.expose()));
                let basic = STANDARD.encode(format!("{id}:{secret}"));
                request = request.header("Authorization", format!("Basic {basic}"));
            }
        }
        let response = request.send(form.finish()).map_err(|error| unreachable(&error))?;
        let status = response.status().as_u16();
        // What it says about a refused code is for who runs it; it may quote the code.
        if (400..500).contains(&status) {
            return Err(SignOnError::Word(format!("it refuses the code with status {status}")));
        }
        let answer: TokenAnswer = json(response, "token endpoint")?;
        let now = clock::unix_now().0 / 1_000;
        subject(answer.id_token.expose(), &self.config, kept.nonce.expose(), now)
            .map_err(SignOnError::Word)
    }

    /// What the provider says of itself, asked anew after a while: strangers who begin log-ins cost it little.
    fn metadata(&self) -> Result<Metadata, SignOnError> {
        let now = clock::unix_now().0;
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, metadata)) = known().as_ref()
            && (0..METADATA_MS).contains(&(now - at))
        {
            return Ok(metadata.clone());
        }
        let metadata = self.ask_metadata()?;
        *known() = Some((now, metadata.clone()));
        Ok(metadata)
    }

    fn ask_metadata(&self) -> Result<Metadata, SignOnError> {
        let issuer = &self.config.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let response = self.agent.get(&url).call().map_err(|error| unreachable(&error))?;
        let metadata: Metadata = json(response, "discovery")?;
        if metadata.issuer != *issuer {
            let other = &metadata.issuer;
            return Err(SignOnError::Provider(format!("it calls itself {other}, not {issuer}")));
        }
        for url in [&metadata.authorization_endpoint, &metadata.token_endpoint] {
            if !is_proved(url) {
                return Err(SignOnError::Provider(format!("{url} is not encrypted")));
            }
        }
        Ok(metadata)
    }
}

fn unreachable(error: &ureq::Error) -> SignOnError {
    SignOnError::Provider(error.to_string())
}

fn json<T: for<'a> Deserialize<'a>>(
    mut response: ureq::http::Response<ureq::Body>,
    of: &str,
) -> Result<T, SignOnError> {
    let status = response.status();
    if !status.is_success() {
        return Err(SignOnError::Provider(format!("{of}: status {}", status.as_u16())));
    }
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    let body = body.map_err(|error| SignOnError::Provider(format!("{of}: {error}")))?;
    // The position alone: serde's message may quote the value.
    serde_json::from_slice(&body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        SignOnError::Provider(format!("{of}: not understood at line {line} column {column}"))
    })
}

fn random() -> Pii<String> {
    let mut bytes = [0u8; RANDOM_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    Pii::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whom an ID token is about, if it holds (OpenID Connect Core 1.0 §3.1.3.7).
fn subject(token: &str, config: &Config, nonce: &str, now: i64) -> Result<String, String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, payload, _] = parts[..] else { return Err("it is no token".into()) };
    let payload =
        URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_| "it is no token")?;
    let claims: Claims = serde_json::from_slice(&payload)
        .map_err(|_| "it lacks one of iss, aud, exp, or they are of another kind")?;
    if claims.iss != config.issuer {
        return Err("it is another issuer's".into());
    }
    let audiences = match claims.aud {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    };
    if !audiences.contains(&config.client_id) {
        return Err("it is for another client".into());
    }
    // Of several audiences the one that it was given to must be told.
    if (audiences.len() > 1 || claims.azp.is_some())
        && claims.azp.as_ref() != Some(&config.client_id)
    {
        return Err("it was given to another client".into());
    }
    if claims.exp <= now.saturating_sub(SKEW_SECONDS) {
        return Err("it is over; are the clocks right?".into());
    }
    if claims.nonce.as_deref() != Some(nonce) {
        return Err("it is of another log-in".into());
    }
    match claims.rest.get(&config.claim) {
        Some(Value::String(subject)) if !subject.is_empty() => Ok(subject.clone()),
        _ => Err(format!("it has no {}", config.claim)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_767_196_800;

    fn config() -> Config {
        Config { issuer: "https://i.example".into(), client_id: "q".into(), ..Config::default() }
    }

    fn read(claims: &Value) -> Result<String, String> {
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        subject(&format!("e30.{payload}.c2ln"), &config(), "n", NOW)
    }

    #[test]
    fn an_id_token_holds_for_its_issuer_client_time_and_log_in() {
        let good = json!({"iss": "https://i.example", "aud": "q", "exp": NOW + 300, "nonce": "n", "sub": "s"});
        assert_eq!(read(&good), Ok("s".to_owned()));
        let with = |key: &str, value: Value| {
            let mut claims = good.clone();
            claims[key] = value;
            read(&claims)
        };
        assert_eq!(with("exp", json!(NOW - 59)), Ok("s".to_owned()), "clocks differ");
        assert_eq!(with("azp", json!("q")), Ok("s".to_owned()));
        for (key, value) in [
            ("iss", json!("https://i.example/")),
            ("iss", Value::Null),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("aud", json!(["q", "other"])),
            ("azp", json!("other")),
            ("exp", json!(NOW - 60)),
            ("exp", json!("never")),
            ("nonce", json!("m")),
            ("nonce", Value::Null),
            ("sub", json!("")),
            ("sub", json!(7)),
        ] {
            assert!(with(key, value.clone()).is_err(), "{key} {value}");
        }
        let mut several = good.clone();
        (several["aud"], several["azp"]) = (json!(["other", "q"]), json!("q"));
        assert_eq!(read(&several), Ok("s".to_owned()));
        for broken in ["", "a.b", "e30.e30.e30", "a.%.c", "e30.bm8.x.y"] {
            assert!(subject(broken, &config(), "n", NOW).is_err(), "{broken}");
        }
    }
}
