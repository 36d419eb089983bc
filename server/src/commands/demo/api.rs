//! The server's API, asked as any client asks it.

use crate::config::Config;
use crate::database;
use anyhow::{Context, Result};
use qingting_store::{Role, Store};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use uuid::Uuid;

const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The API with a key.
pub struct Api {
    base: SocketAddr,
    secret: String,
}

/// A key that lives as long as the demo.
pub struct OwnKey {
    store: Store,
    id: Uuid,
}

/// How the demo's keys are called, before an id.
const KEY_NAME: &str = "demo ";

/// Ends the keys of demos that were cut short. At a server's start no demo runs: it waits for the server.
pub async fn revoke_keys_left(store: &Store) -> Result<()> {
    for key in store.keys().await? {
        let is_demos =
            key.name.strip_prefix(KEY_NAME).is_some_and(|id| Uuid::parse_str(id).is_ok());
        if is_demos && key.revoked_at.is_none() {
            store.revoke_key(key.id, "demo").await?;
        }
    }
    Ok(())
}

impl OwnKey {
    /// Ends it.
    pub async fn revoke(self) -> Result<()> {
        self.store.revoke_key(self.id, "demo").await?;
        self.store.close().await;
        Ok(())
    }
}

impl Api {
    /// Makes a key in the server's database, which only the server's own user can do.
    pub async fn with_own_key(config: &Config) -> Result<(Self, OwnKey)> {
        let store = database::open(config).await?;
        let name = format!("{KEY_NAME}{}", Uuid::now_v7());
        // It knows its call by the caller's number, which other roles see masked.
        let key = store.create_key(&name, Role::Supervisor, "demo").await?;
        let own = OwnKey { store, id: key.info.id };
        Ok((Self { base: config.http.listen, secret: key.secret }, own))
    }

    /// A JSON resource.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let url = format!("http://{}{path}", self.base);
        let bearer = format!("Bearer {}", self.secret);
        let asked = tokio::task::spawn_blocking(move || {
            let mut response = agent().get(&url).header("Authorization", &bearer).call()?;
            response.body_mut().read_to_string()
        });
        let text = asked.await?.with_context(|| format!("the server does not answer {path}"))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Where the events are.
    pub fn events_url(&self) -> String {
        format!("ws://{}/api/v1/events", self.base)
    }

    /// The value of `Authorization`.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.secret)
    }
}

/// Whether a server at this address takes calls.
pub fn is_ready(address: SocketAddr) -> bool {
    agent().get(format!("http://{address}/readyz")).call().is_ok()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).build().into()
}
