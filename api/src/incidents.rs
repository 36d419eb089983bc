//! Hints that many calls are about one thing.

use crate::{ApiState, clock};
use axum::Json;
use axum::extract::State;
use qingting_common::CallId;
use qingting_nlu::incidents::{Incident, Incidents, Report};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use utoipa::ToSchema;

/// What recent calls were about. Clones share it.
#[derive(Clone, Default)]
pub struct RecentCalls(Arc<Mutex<Incidents>>);

impl RecentCalls {
    /// Takes what is known of a call now; gives the incident that it belongs to if that is news.
    pub fn observe(&self, report: &Report<'_>) -> Option<Incident> {
        self.lock().observe(report)
    }

    fn lock(&self) -> MutexGuard<'_, Incidents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The incident that a call belongs to.
    pub(crate) fn of_call(&self, call: CallId) -> Option<IncidentView> {
        let running = self.lock().running(clock::now());
        running.iter().find(|incident| incident.calls.contains(&call)).map(IncidentView::of)
    }
}

/// Many calls about one thing. `Debug` leaves out what was said.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct IncidentView {
    /// The place, without doors.
    pub place: String,
    /// Words that the calls have in common.
    pub words: Vec<String>,
    /// How many callers there were within an hour.
    pub callers: usize,
    /// Calls that the place usually has in an hour.
    pub usual: f32,
    /// When the first of them called, in Unix milliseconds.
    pub since: i64,
    /// When the last did.
    pub last: i64,
}

impl IncidentView {
    /// An incident as it is shown.
    pub fn of(incident: &Incident) -> Self {
        Self {
            place: incident.place.clone(),
            words: incident.words.clone(),
            callers: incident.calls.len(),
            usual: incident.usual,
            since: incident.since.0,
            last: incident.last.0,
        }
    }
}

impl fmt::Debug for IncidentView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncidentView").field("callers", &self.callers).finish_non_exhaustive()
    }
}

/// Incidents, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct IncidentList {
    incidents: Vec<IncidentView>,
}

/// Places from which at least five callers called about one matter within an hour, and far more than
/// usual. A hint for people: it refuses no call and merges no ticket.
#[utoipa::path(get, path = "/api/v1/incidents", responses((status = 200, body = IncidentList)))]
pub(crate) async fn list(State(state): State<ApiState>) -> Json<IncidentList> {
    let running = state.recent_calls.lock().running(clock::now());
    Json(IncidentList { incidents: running.iter().map(IncidentView::of).collect() })
}
