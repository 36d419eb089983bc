//! Callbacks about closed tickets: campaigns, follow-ups, results, and numbers that are not called.

pub(crate) mod campaigns;
pub(crate) mod closed;
pub(crate) mod follow_ups;
pub(crate) mod refusals;
pub(crate) mod view;
pub(crate) mod webhook;

use crate::{ApiState, Problem};
use axum::http::StatusCode;
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::rates::Formula;
use qingting_callbacks::schedule::Rules;
use qingting_store::Campaign;
use qingting_tickets::signature::Secrets;
use std::collections::BTreeMap;

/// What the interface must know of the server's callbacks.
pub trait Callbacks: Send + Sync {
    /// All that is wrong with the settings of a campaign here, each with its remedy.
    fn faults(&self, settings: &Settings) -> Vec<String>;
    /// What of it is wrong with the settings themselves: what a trunk or a line would not mend.
    fn wrong_settings(&self, settings: &Settings) -> Vec<String> {
        settings.faults()
    }
    /// When such a campaign may call.
    fn rules(&self, settings: &Settings) -> Result<Rules, String>;
    /// The rates that the city reckons.
    fn rates(&self) -> &BTreeMap<String, Formula>;
    /// Who may send closed tickets, and into which campaign they go; none when nobody may.
    fn webhook(&self) -> Option<(&Secrets, &str)>;
}

/// A server without callbacks.
pub(crate) struct NoCallbacks(pub(crate) BTreeMap<String, Formula>);

impl Callbacks for NoCallbacks {
    fn faults(&self, settings: &Settings) -> Vec<String> {
        settings.faults()
    }

    fn rules(&self, settings: &Settings) -> Result<Rules, String> {
        Ok(settings.rules(Rules::default_hours()))
    }

    fn rates(&self) -> &BTreeMap<String, Formula> {
        &self.0
    }

    fn webhook(&self) -> Option<(&Secrets, &str)> {
        None
    }
}

/// A campaign by its id or name.
async fn find(state: &ApiState, which: &str) -> Result<Campaign, Problem> {
    state.store.campaign(which).await?.ok_or_else(|| Problem::not_found("campaign"))
}

fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, detail)
}
