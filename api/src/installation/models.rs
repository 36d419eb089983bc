//! Models, and the recognisers that run on them.

use super::ask;
use crate::{ApiState, Problem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// Models that there are, and who recognises.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Models {
    /// As `qingting models list` has them.
    pub models: Vec<ModelInfo>,
    /// Recognisers of this machine and of others; none where nothing is recognised.
    pub recognisers: Vec<Recogniser>,
    /// What is left out because they are behind: `full`, `no_partials`, `finals_only` or `incomplete`.
    pub level: &'static str,
}

/// A model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// What it is for, in a line.
    pub what: String,
    /// Its licence.
    pub licence: String,
    /// What people should know before they rely on it.
    pub note: Option<String>,
    /// Profiles that it belongs to.
    pub profiles: Vec<String>,
    /// `installed`: whole, and each file as it was verified; `missing`, or `damaged`.
    pub state: &'static str,
    /// Where it came from, with its version; null where it is not installed.
    pub source: Option<String>,
    /// Its size: on disk where it is installed, else as the manifest says.
    pub bytes: Option<u64>,
    /// Files at fault, each with the reason.
    pub faults: Vec<String>,
}

/// A recogniser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Recogniser {
    /// `local`, or the address of another machine's.
    pub name: String,
    /// Whether it works.
    pub up: bool,
    /// Its decoding threads.
    pub threads: u16,
    /// Calls that it hears now.
    pub streams: u32,
    /// Most that it takes.
    pub capacity: u32,
    /// Age of the oldest sentence that it has still to finish.
    pub lag_ms: u64,
    /// What it leaves out, as above.
    pub level: &'static str,
    /// How often it was lost.
    pub restarts: u64,
    /// Sentences that it has given up since its start; they are heard after the call.
    pub finals_skipped: u64,
}

/// Models of this machine, whether each is installed and whole, and the recognisers with what they leave out now.
#[utoipa::path(get, path = "/api/v1/models", responses((status = 200, body = Models)))]
pub(crate) async fn read(State(state): State<ApiState>) -> Result<Json<Models>, Problem> {
    Ok(Json(ask(&state, |installation| installation.models()).await?))
}
