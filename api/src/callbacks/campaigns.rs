//! Campaigns.

use super::{conflict, find, view};
use crate::auth::Principal;
use crate::calls::page_limit;
use crate::problem::parameter;
use crate::revision::{Seen, stale, tag};
use crate::{ApiState, Problem, clock, once};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::intake::{ClosedTicket, IMPORT_MAX, last_digits};
use qingting_callbacks::preview;
use qingting_store::{
    Campaign, CampaignCounts, CampaignError, CampaignState, FollowUpResult, Imported, Once,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Longest name of a campaign, in characters.
const NAME_CHARS_MAX: usize = 60;
/// Follow-ups of one preview.
const PREVIEW_MAX: u32 = 500;

/// A new campaign.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCampaign {
    name: String,
    /// What is left out has its default.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Settings,
}

/// A change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CampaignChange {
    /// The revision that was seen; `If-Match` says the same. A campaign that was changed meanwhile stays as
    /// it is.
    #[serde(default)]
    revision: Option<u64>,
    /// All settings; what is left out has its default.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Option<Settings>,
    /// `running`, `paused` or `stopped`.
    #[serde(default)]
    #[schema(value_type = String)]
    state: Option<CampaignState>,
}

/// All campaigns.
#[derive(Serialize, ToSchema)]
pub(crate) struct Campaigns {
    campaigns: Vec<view::CampaignView>,
}

/// What came in.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportedView {
    /// Follow-ups that are new.
    new: u64,
    /// Second follow-ups that are due now.
    released: u64,
    /// Events that were known.
    known: u64,
    /// Those of them that other campaigns have, by the names of these; absent where there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    known_elsewhere: BTreeMap<String, u64>,
}

/// Who would be called, and when.
#[derive(Serialize, ToSchema)]
pub(crate) struct Preview {
    /// When the campaign is in its hours now.
    open_now: bool,
    planned: Vec<Planned>,
}

/// One of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Planned {
    follow_up: String,
    ticket: String,
    /// The last four digits of the number.
    citizen: String,
    round: u8,
    attempts: u8,
    /// Absent when there is no time within a year.
    at: Option<i64>,
}

/// Which results.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResultsQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
}

/// What a campaign came to, a page of its results.
#[derive(Serialize, ToSchema)]
pub(crate) struct Results {
    /// By name, as the city reckons them, over all results; on the first page alone.
    rates: BTreeMap<String, RateView>,
    /// Oldest first.
    results: Vec<ResultView>,
    /// `after` of the next page; absent on the last.
    next: Option<String>,
}

/// A rate.
#[derive(Serialize, ToSchema)]
pub(crate) struct RateView {
    /// 0 to 1; absent over nobody.
    value: Option<f64>,
    part: f64,
    whole: u64,
}

/// A follow-up and what it came to.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResultView {
    follow_up: view::FollowUpView,
    verdict: view::VerdictView,
}

async fn shown(state: &ApiState, row: Campaign) -> Result<view::CampaignView, Problem> {
    let counts = state.store.campaign_counts(row.id).await?;
    let faults = state.callbacks.faults(&row.settings);
    Ok(view::campaign(row, counts, faults))
}

/// All campaigns, the newest first.
#[utoipa::path(get, path = "/api/v1/campaigns", responses((status = 200, body = Campaigns)))]
pub(crate) async fn list(State(state): State<ApiState>) -> Result<Json<Campaigns>, Problem> {
    let mut campaigns = Vec::new();
    for row in state.store.campaigns().await? {
        campaigns.push(shown(&state, row).await?);
    }
    Ok(Json(Campaigns { campaigns }))
}

/// A campaign, by its id or its name. Its `ETag` is its revision, which counts changes of settings and state, not
/// calls.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}", params(("id" = String, Path)),
    responses((status = 200, body = view::CampaignView), (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&state, &id).await?;
    answer(&state, StatusCode::OK, row).await
}

async fn answer(state: &ApiState, status: StatusCode, row: Campaign) -> Result<Response, Problem> {
    let tag = tag(revision(&row));
    Ok((status, [(ETAG, tag)], Json(shown(state, row).await?)).into_response())
}

fn revision(row: &Campaign) -> i64 {
    i64::try_from(row.revision).unwrap_or(i64::MAX)
}

/// Makes a campaign, which calls nobody until it is started.
#[utoipa::path(post, path = "/api/v1/campaigns", request_body = NewCampaign,
    responses((status = 201, body = view::CampaignView), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    claimed: Option<Extension<once::Claimed>>,
    body: Result<Json<NewCampaign>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(NewCampaign { name, settings }) = body?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control) {
        let detail = format!("it has 1 to {NAME_CHARS_MAX} characters, none a control");
        return Err(Problem::invalid("name", detail));
    }
    good(&state, &settings, false)?;
    let faults = state.callbacks.faults(&settings);
    let kept = once::kept(claimed, move |made: &Campaign| {
        let view = view::campaign(made.clone(), CampaignCounts::default(), faults.clone());
        once::json(StatusCode::CREATED, &view)
    });
    let now = clock::now();
    let row = state.store.create_campaign_once(name, settings, &who.name, now, kept).await;
    answer(&state, StatusCode::CREATED, row.map_err(refused)?).await
}

/// Changes settings, starts, pauses or stops. Calls that run go on; a stopped campaign stays stopped. One that is
/// not at the revision of `If-Match` or of the body any more stays as it is (412, or 409).
#[utoipa::path(patch, path = "/api/v1/campaigns/{id}", params(("id" = String, Path)),
    request_body = CampaignChange, responses((status = 200, body = view::CampaignView),
    (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn change(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<CampaignChange>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(change) = body?;
    let said = change.revision.map(|seen| i64::try_from(seen).unwrap_or(i64::MAX));
    let seen = Seen::read(&headers, said)?;
    let row = find(&state, &id).await?;
    if change.state == Some(CampaignState::Draft) {
        return Err(Problem::invalid("state", "it is running, paused or stopped"));
    }
    let settings = change.settings.as_ref().unwrap_or(&row.settings);
    let starts = change.state == Some(CampaignState::Running);
    good(&state, settings, starts)?;
    let CampaignChange { settings, state: to, .. } = change;
    // A revision below 0 was never there.
    let at = seen.map(|seen| u64::try_from(seen.revision).unwrap_or(u64::MAX));
    let row = state.store.change_campaign(row.id, at, settings, to, &who.name, clock::now());
    let row = row.await.map_err(|error| match error {
        CampaignError::Changed { now } => {
            stale(seen, i64::try_from(now).unwrap_or(i64::MAX), error.to_string())
        }
        error => refused(error),
    })?;
    answer(&state, StatusCode::OK, row).await
}

/// What is wrong with settings is said when they are given; what this server lacks for them, such as a
/// trunk, when the campaign is to run.
fn good(state: &ApiState, settings: &Settings, starts: bool) -> Result<(), Problem> {
    let faults = if starts { state.callbacks.faults(settings) } else { settings.faults() };
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Problem::invalid("settings", faults.join("; "))),
    }
}

fn refused(error: CampaignError) -> Problem {
    match error {
        CampaignError::Store(error) => error.into(),
        error => conflict(error.to_string()),
    }
}

/// Takes closed tickets in: all or, when one is wrong, none. A campaign that is stopped, or that names hours, a
/// script or a queue that this server does not have, takes none.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/follow-ups", params(("id" = String, Path)),
    request_body = Vec<Object>, responses((status = 200, body = ImportedView),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn import(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    claimed: Option<Extension<once::Claimed>>,
    body: Result<Json<Vec<ClosedTicket>>, JsonRejection>,
) -> Result<Json<ImportedView>, Problem> {
    let Json(tickets) = body?;
    let row = find(&state, &id).await?;
    let kept = once::kept(claimed, |imported: &Imported| {
        once::json(StatusCode::OK, &ImportedView::of(imported.clone()))
    });
    take_in(&state, &row, tickets, &who.name, kept).await.map(Json)
}

impl ImportedView {
    fn of(Imported { new, released, known, known_elsewhere }: Imported) -> Self {
        Self { new, released, known, known_elsewhere }
    }
}

/// Clocks of other systems are off by less.
const AHEAD_MAX_MS: i64 = 24 * 3_600_000;

pub(super) async fn take_in(
    state: &ApiState,
    campaign: &Campaign,
    tickets: Vec<ClosedTicket>,
    by: &str,
    once: Option<Once<Imported>>,
) -> Result<ImportedView, Problem> {
    if tickets.len() > IMPORT_MAX {
        let detail =
            format!("{} tickets are more than {IMPORT_MAX}: send them in parts", tickets.len());
        return Err(Problem::invalid("", detail));
    }
    // An event is taken once, by whichever campaign: one that cannot run as it is set would keep it from the right one.
    let faults = state.callbacks.wrong_settings(&campaign.settings);
    if !faults.is_empty() {
        let name = &campaign.name;
        return Err(conflict(format!(
            "{name} cannot run: {}: nothing is taken",
            faults.join("; ")
        )));
    }
    let latest = clock::now().0 + AHEAD_MAX_MS;
    let mut checked = Vec::with_capacity(tickets.len());
    for (place, ticket) in tickets.into_iter().enumerate() {
        if ticket.closed_at.0 > latest {
            let detail = "it is more than a day ahead of this server's clock";
            return Err(Problem::invalid(&format!("/{place}/closed_at"), detail));
        }
        let ticket = ticket
            .checked()
            .map_err(|fault| Problem::invalid(&format!("/{place}/{}", fault.field), fault.what))?;
        checked.push(ticket.into());
    }
    let (id, now) = (campaign.id, clock::now());
    let imported = state.store.import_follow_ups_once(id, checked, by, now, once).await;
    imported.map(ImportedView::of).map_err(refused)
}

/// Who would be called and when, if everybody answered; the first 500.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/preview", params(("id" = String, Path)),
    responses((status = 200, body = Preview), (status = 404, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn preview(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Preview>, Problem> {
    let row = find(&state, &id).await?;
    let rules = state.callbacks.rules(&row.settings);
    let rules = rules.map_err(|fault| Problem::invalid("settings", fault))?;
    let now = clock::now();
    let waiting = state.store.waiting_follow_ups(row.id, PREVIEW_MAX).await?;
    let soonest = waiting.iter().map(|follow_up| follow_up.not_before);
    let times = preview::plan(&rules, &row.settings.caps(), now, soonest);
    let planned = waiting.into_iter().zip(times).map(|(follow_up, at)| Planned {
        follow_up: follow_up.id.to_string(),
        citizen: last_digits(&follow_up.citizen),
        round: if follow_up.round == qingting_callbacks::result::Round::First { 1 } else { 2 },
        attempts: follow_up.attempts,
        ticket: follow_up.ticket,
        at: at.map(|at| at.0),
    });
    Ok(Json(Preview { open_now: rules.is_open(now), planned: planned.collect() }))
}

/// What ended follow-ups came to, in pages, and the rates over all of them.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/results",
    params(("id" = String, Path), ResultsQuery), responses((status = 200, body = Results),
    (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn results(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    query: Result<Query<ResultsQuery>, QueryRejection>,
) -> Result<Json<Results>, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)?;
    let after = query.after.as_deref().map(|text| parameter("after", text)).transpose()?;
    let row = find(&state, &id).await?;
    state.store.audit(&who.name, "campaign.results", &row.id.to_string()).await?;
    let (rates, results) = match after {
        None => {
            let mut all = state.store.results(row.id).await?;
            let rates = rates(&state, &all);
            all.truncate(limit as usize);
            (rates, all)
        }
        after => (BTreeMap::new(), state.store.results_after(row.id, after, limit).await?),
    };
    let next = results.last().filter(|_| results.len() == limit as usize);
    let next = next.map(|last| last.follow_up.id.to_string());
    let results = results.into_iter().map(|result| ResultView {
        verdict: view::verdict(&result.verdict),
        follow_up: view::follow_up(result.follow_up),
    });
    Ok(Json(Results { rates, results: results.collect(), next }))
}

fn rates(state: &ApiState, results: &[FollowUpResult]) -> BTreeMap<String, RateView> {
    let rates = state.callbacks.rates().iter().map(|(name, formula)| {
        let rate = formula.over(results.iter().map(|result| &result.verdict));
        let view = RateView { value: rate.value(), part: rate.part, whole: rate.whole };
        (name.clone(), view)
    });
    rates.collect()
}
