//! Campaigns.

use super::{conflict, find, view};
use crate::auth::Principal;
use crate::{ApiState, Problem, clock};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::intake::{ClosedTicket, IMPORT_MAX, last_digits};
use qingting_callbacks::preview;
use qingting_store::{Campaign, CampaignError, CampaignState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

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
    /// The revision that was seen; a campaign that was changed meanwhile stays as it is.
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

/// What a campaign came to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Results {
    /// By name, as the city reckons them.
    rates: BTreeMap<String, RateView>,
    results: Vec<ResultView>,
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

/// A campaign, by its id or its name.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}", params(("id" = String, Path)),
    responses((status = 200, body = view::CampaignView), (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<view::CampaignView>, Problem> {
    let row = find(&state, &id).await?;
    shown(&state, row).await.map(Json)
}

/// Makes a campaign, which calls nobody until it is started.
#[utoipa::path(post, path = "/api/v1/campaigns", request_body = NewCampaign,
    responses((status = 201, body = view::CampaignView), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    body: Result<Json<NewCampaign>, JsonRejection>,
) -> Result<(StatusCode, Json<view::CampaignView>), Problem> {
    let Json(NewCampaign { name, settings }) = body?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Problem::invalid("name", format!("it has 1 to {NAME_CHARS_MAX} characters")));
    }
    good(&state, &settings, false)?;
    let row = state.store.create_campaign(name, settings, &who.name, clock::now()).await;
    let view = shown(&state, row.map_err(refused)?).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Changes settings, starts, pauses or stops. Calls that run go on; a stopped campaign stays stopped.
#[utoipa::path(patch, path = "/api/v1/campaigns/{id}", params(("id" = String, Path)),
    request_body = CampaignChange, responses((status = 200, body = view::CampaignView),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn change(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    body: Result<Json<CampaignChange>, JsonRejection>,
) -> Result<Json<view::CampaignView>, Problem> {
    let Json(change) = body?;
    let row = find(&state, &id).await?;
    if change.state == Some(CampaignState::Draft) {
        return Err(Problem::invalid("state", "it is running, paused or stopped"));
    }
    let settings = change.settings.as_ref().unwrap_or(&row.settings);
    let starts = change.state == Some(CampaignState::Running);
    good(&state, settings, starts)?;
    let CampaignChange { revision, settings, state: to } = change;
    let row = state.store.change_campaign(row.id, revision, settings, to, &who.name, clock::now());
    let row = row.await.map_err(refused)?;
    shown(&state, row).await.map(Json)
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

/// Takes closed tickets in: all or, when one is wrong, none. A stopped campaign takes none.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/follow-ups", params(("id" = String, Path)),
    request_body = Vec<Object>, responses((status = 200, body = ImportedView),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn import(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    body: Result<Json<Vec<ClosedTicket>>, JsonRejection>,
) -> Result<Json<ImportedView>, Problem> {
    let Json(tickets) = body?;
    let row = find(&state, &id).await?;
    take_in(&state, &row, tickets, &who.name).await.map(Json)
}

pub(super) async fn take_in(
    state: &ApiState,
    campaign: &Campaign,
    tickets: Vec<ClosedTicket>,
    by: &str,
) -> Result<ImportedView, Problem> {
    if tickets.len() > IMPORT_MAX {
        let detail =
            format!("{} tickets are more than {IMPORT_MAX}: send them in parts", tickets.len());
        return Err(Problem::invalid("", detail));
    }
    let mut checked = Vec::with_capacity(tickets.len());
    for (place, ticket) in tickets.into_iter().enumerate() {
        let ticket = ticket
            .checked()
            .map_err(|fault| Problem::invalid(&format!("/{place}/{}", fault.field), fault.what))?;
        checked.push(ticket.into());
    }
    let imported = state.store.import_follow_ups(campaign.id, checked, by, clock::now()).await;
    let imported = imported.map_err(refused)?;
    let qingting_store::Imported { new, released, known } = imported;
    Ok(ImportedView { new, released, known })
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

/// What every ended follow-up came to, and the rates over all of them.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/results", params(("id" = String, Path)),
    responses((status = 200, body = Results), (status = 404, body = Problem)))]
pub(crate) async fn results(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<Results>, Problem> {
    let row = find(&state, &id).await?;
    state.store.audit(&who.name, "campaign.results", &row.id.to_string()).await?;
    let results = state.store.results(row.id).await?;
    let rates = state.callbacks.rates().iter().map(|(name, formula)| {
        let rate = formula.over(results.iter().map(|result| &result.verdict));
        let view = RateView { value: rate.value(), part: rate.part, whole: rate.whole };
        (name.clone(), view)
    });
    let rates = rates.collect();
    let results = results.into_iter().map(|result| ResultView {
        verdict: view::verdict(&result.verdict),
        follow_up: view::follow_up(result.follow_up),
    });
    Ok(Json(Results { rates, results: results.collect() }))
}
