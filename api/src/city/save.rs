//! A table of the profile is replaced, or what was saved is taken back: with every mistake told, and nothing changed
//! when there is one.

use super::view::part_of;
use super::{file_of, mistake};
use crate::auth::Principal;
use crate::duty::DutyProblem;
use crate::insight::READ_AT_ONCE_MAX;
use crate::revision::{Seen, stale, tag};
use crate::{ApiState, Problem};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use qingting_nlu::profile::{Part, Profile, ProfileErrors};
use qingting_nlu::table::Table;
use qingting_store::{GoneNames, NamedYet, ProfileSaveError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::{IntoParams, ToSchema};

/// Rounds of reading what is not counted yet before names are looked for.
const FACTS_ROUNDS_MAX: u32 = 100;

/// How.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SaveQuery {
    /// Only tells what it would come to.
    #[serde(default)]
    dry_run: bool,
}

/// What a table comes to.
#[derive(Serialize, ToSchema)]
pub(crate) struct SavedView {
    /// Of the profile, before a dry run and after a change; also the `ETag`.
    revision: i64,
    /// Whether nothing was changed.
    dry_run: bool,
    rows: usize,
    /// Rows that are new, of categories and units by their code, of the others whole.
    added: usize,
    /// Rows of categories and units that say something else.
    changed: usize,
    /// Rows that are gone.
    removed: usize,
}

/// Replaces a table by CSV or XLSX, as `qingting profile check` reads it. When anything is wrong nothing is changed and
/// `errors` says what, by row and column, the first hundred. What tickets name is not removed, and not called
/// otherwise while open tickets or people name it (409, `errors` says which): retire it (停用). With `If-Match` only the
/// profile that was seen is changed.
#[utoipa::path(put, path = "/api/v1/profile/{part}/table", params(("part" = String, Path), SaveQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = SavedView), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn replace(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(part): Path<String>,
    query: Result<Query<SaveQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let part = part_of(&part)?;
    let Query(query) = query?;
    let seen = Seen::read(&headers, None)?;
    let body = body?;
    let city = std::sync::Arc::clone(&state.city);
    let read = tokio::task::spawn_blocking(move || {
        let table = qingting_workbook::table(&file_of(part), &body);
        let table = table.map_err(|error| ProfileErrors::of(vec![error]))?;
        let profile = city.with(part, Some(&table))?;
        Ok((table, profile))
    });
    let read = read.await.map_err(|error| {
        tracing::error!(%error, "a table of the profile could not be read");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
    })?;
    let (table, profile) = read.map_err(|errors: ProfileErrors| wrong(&errors))?;
    save(&state, &who, part, Some(table), &profile, seen, query.dry_run).await
}

/// Takes what was saved back: the table of the folder counts, or the default one.
#[utoipa::path(delete, path = "/api/v1/profile/{part}/table", params(("part" = String, Path), SaveQuery),
    responses((status = 200, body = SavedView), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn reset(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(part): Path<String>,
    query: Result<Query<SaveQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let part = part_of(&part)?;
    let Query(query) = query?;
    let seen = Seen::read(&headers, None)?;
    let profile = state.city.with(part, None).map_err(|errors| wrong(&errors))?;
    save(&state, &who, part, None, &profile, seen, query.dry_run).await
}

async fn save(
    state: &ApiState,
    who: &Principal,
    part: Part,
    table: Option<Table>,
    profile: &Profile,
    seen: Option<Seen>,
    dry_run: bool,
) -> Result<Response, Problem> {
    let now = state.city.now();
    let gone = gone(&now.profile, profile);
    if gone != GoneNames::default() {
        // What was written last is not among the facts yet.
        let district_of = state.district_of();
        for _ in 0..FACTS_ROUNDS_MAX {
            if state.store.read_facts(&*district_of, READ_AT_ONCE_MAX).await? == 0 {
                break;
            }
        }
    }
    let base = state.city.folder_table(part);
    let after = table.as_ref().unwrap_or(&base);
    let mut view = compared(part, &now.tables[part as usize].table, after);
    view.revision = now.revision;
    if dry_run {
        let named = state.store.names_that_stay(&gone).await?;
        if !named.is_empty() {
            return Err(named_yet(&named));
        }
        view.dry_run = true;
        return Ok(answer(view));
    }
    let csv = table.map(|table| table.to_csv());
    if csv.as_ref().is_some_and(|csv| csv.contains('\0')) {
        return Err(Problem::invalid("body", "body: the table holds the character NUL"));
    }
    let revision = seen.map(|seen| seen.revision);
    let saved = state.store.save_profile_table(part.stem(), csv, gone, revision, &who.name).await;
    view.revision = saved.map_err(|error| match error {
        ProfileSaveError::Changed { current } => stale(seen, current, error.to_string()),
        ProfileSaveError::Named(named) => named_yet(&named),
        ProfileSaveError::Store(error) => error.into(),
    })?;
    state.city.refresh(&state.store).await.map_err(|error| {
        tracing::error!(%error, "a saved table of the profile is not in use");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
    })?;
    Ok(answer(view))
}

fn answer(view: SavedView) -> Response {
    ([(ETAG, tag(view.revision))], Json(view)).into_response()
}

fn wrong(errors: &ProfileErrors) -> Problem {
    let all = errors.errors.len() + errors.more;
    let detail = format!("the profile stays as it was: {all} mistakes, see each row");
    let told: Vec<DutyProblem> = errors.errors.iter().map(mistake).collect();
    Problem { errors: told.into(), ..Problem::invalid("body", detail) }
}

fn named_yet(named: &[NamedYet]) -> Problem {
    let told = named.iter().map(|of| {
        let what = if of.is_rename { "件未办结工单" } else { "件工单" };
        let mut uses = Vec::new();
        uses.extend((of.tickets > 0).then(|| format!("{} {what}", of.tickets)));
        uses.extend((of.people > 0).then(|| format!("{} 位经办人", of.people)));
        let advice =
            if of.is_rename { "暂不能改名" } else { "不能删除，请改为停用" };
        let detail = format!("{}在用，{advice}", uses.join("、"));
        DutyProblem { line: 0, field: of.name.clone(), detail }
    });
    let told: Vec<DutyProblem> = told.collect();
    let detail = format!("有 {} 个名称还在使用，没有改动", told.len());
    Problem { errors: told.into(), ..Problem::new(StatusCode::CONFLICT, detail) }
}

/// Names that the new profile has no more.
fn gone(before: &Profile, after: &Profile) -> GoneNames {
    let mut gone = GoneNames::default();
    let names: BTreeSet<&str> = after.units.iter().map(|unit| unit.name.as_str()).collect();
    let codes: BTreeSet<&str> = after.units.iter().map(|unit| unit.code.as_str()).collect();
    for unit in before.units.iter().filter(|unit| !names.contains(unit.name.as_str())) {
        match codes.contains(unit.code.as_str()) {
            true => gone.renamed_units.push(unit.name.clone()),
            false => gone.units.push(unit.name.clone()),
        }
    }
    let path = |of: &Profile, code: &str| of.categories.path(code).unwrap_or_default().join("/");
    let paths: BTreeSet<String> = after.categories.codes().map(|code| path(after, code)).collect();
    for code in before.categories.codes() {
        let was = path(before, code);
        if paths.contains(&was) {
            continue;
        }
        match after.categories.path(code) {
            Some(_) => gone.renamed_categories.push(was),
            None => gone.categories.push(was),
        }
    }
    gone
}

/// Rows that differ.
fn compared(part: Part, before: &Table, after: &Table) -> SavedView {
    let has_code = matches!(part, Part::Categories | Part::Units);
    let by_key = |table: &Table| -> BTreeMap<String, String> {
        let code =
            ["code", "编码"].into_iter().find_map(|name| table.optional_column(name).ok()?);
        let columns: Vec<_> =
            table.header().iter().filter_map(|name| table.optional_column(name).ok()?).collect();
        let rows = table.rows().iter().map(|row| {
            // The order of the columns says nothing, nor does a column without a value.
            let cells = columns.iter().map(|column| (column.name(), row.cell(column)));
            let mut cells: Vec<_> = cells.filter(|(_, cell)| !cell.is_empty()).collect();
            cells.sort_unstable();
            let whole = format!("{cells:?}");
            let key = code.as_ref().filter(|_| has_code).map(|code| row.cell(code).to_owned());
            (key.unwrap_or_else(|| whole.clone()), whole)
        });
        rows.collect()
    };
    let (was, is) = (by_key(before), by_key(after));
    let changed = is.iter().filter(|(key, row)| was.get(*key).is_some_and(|was| was != *row));
    SavedView {
        revision: 0,
        dry_run: false,
        rows: after.rows().len(),
        added: is.keys().filter(|key| !was.contains_key(*key)).count(),
        changed: changed.count(),
        removed: was.keys().filter(|key| !is.contains_key(*key)).count(),
    }
}
