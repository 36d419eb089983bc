//! The knowledge base: searched by what a caller asks.

use crate::{ApiState, Problem, clock};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use qingting_nlu::LocalTime;
use qingting_nlu::knowledge::{Day, Hit, Index, QUERY_CHARS_MAX};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError, RwLock};
use utoipa::{IntoParams, ToSchema};

const HITS_MAX: usize = 20;
const HITS_DEFAULT: usize = 5;

/// The entries that are in use; others may take their place while calls run. Clones share it.
#[derive(Clone, Default)]
pub struct Knowledge(Arc<RwLock<Option<Arc<Index>>>>);

impl Knowledge {
    /// The entries of now; none before there are any.
    pub fn index(&self) -> Option<Arc<Index>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other entries in their place.
    pub fn replace(&self, index: Index) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
    }
}

/// What is looked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// The question as a caller asks it; of more than 200 characters the last ones count.
    q: String,
    /// Entries, 1 to 20; 5 when absent.
    limit: Option<usize>,
}

/// Entries that answer, the likeliest first; none when nothing fits.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchView {
    entries: Vec<EntryView>,
}

/// An entry that is valid today.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// Its id.
    pub id: String,
    /// The question in official words.
    pub title: String,
    /// The answer.
    pub answer: String,
    /// The rule or the unit that says so.
    pub source: String,
    /// The first day on which it is right, `YYYY-MM-DD`.
    pub valid_from: String,
    /// The last day, where that is known.
    pub valid_to: Option<String>,
    /// The unit that is responsible.
    pub unit: Option<String>,
    /// How likely it is the one wanted, 0 to 1.
    pub score: f32,
}

impl EntryView {
    /// A hit as it is shown.
    pub fn of(hit: &Hit<'_>) -> Self {
        let entry = hit.entry;
        Self {
            id: entry.id.clone(),
            title: entry.title.clone(),
            answer: entry.answer.clone(),
            source: entry.source.clone(),
            valid_from: entry.valid_from.to_string(),
            valid_to: entry.valid_to.map(|day| day.to_string()),
            unit: entry.unit.clone(),
            score: hit.score,
        }
    }
}

/// Entries that answer a question and are valid today. The question is not kept.
#[utoipa::path(get, path = "/api/v1/knowledge", params(SearchQuery),
    responses((status = 200, body = SearchView), (status = 400, body = Problem)))]
pub(crate) async fn search(
    State(state): State<ApiState>,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<SearchView>, Problem> {
    let Query(SearchQuery { q, limit }) = query?;
    let limit = limit.unwrap_or(HITS_DEFAULT);
    if !(1..=HITS_MAX).contains(&limit) {
        let detail = format!("limit must be 1 to {HITS_MAX}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("limit"));
    }
    if q.trim().is_empty() {
        let detail =
            format!("q: the question, of which the last {QUERY_CHARS_MAX} characters count");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("q"));
    }
    let today = Day::of(LocalTime::from_unix_ms(clock::now()));
    let index = state.knowledge.index();
    let hits = index.as_ref().map(|index| index.search(&q, today, limit)).unwrap_or_default();
    Ok(Json(SearchView { entries: hits.iter().map(EntryView::of).collect() }))
}
