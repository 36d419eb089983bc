//! The profile as it is read.

use super::{Kept, Source};
use crate::calls::page_limit;
use crate::revision::{known, tag};
use crate::table as csv;
use crate::{ApiState, Problem};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use qingting_nlu::profile::Part;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::{IntoParams, ToSchema};

/// Longest text that is looked for, in characters.
const TEXT_CHARS_MAX: usize = 100;

/// The city's profile, without its rows.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileView {
    /// Counts what was saved and taken back, from 1; also the `ETag`.
    revision: i64,
    /// All six.
    tables: Vec<ProfileTable>,
    divisions: DivisionsView,
    duty: DutyView,
}

/// A table of the profile.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileTable {
    /// `categories`, `units`, `kinds`, `places`, `words` or `quality`.
    part: &'static str,
    rows: usize,
    /// Where it comes from: `default`, `folder` (`nlu.profile`) or `saved` here.
    source: &'static str,
    /// When it was saved here, in Unix milliseconds.
    saved_at: Option<i64>,
    saved_by: Option<String>,
}

/// Administrative divisions (区划), as they are installed.
#[derive(Serialize, ToSchema)]
pub(crate) struct DivisionsView {
    /// All that are known, of the country.
    known: usize,
    /// The own city (`nlu.city`).
    city: Option<String>,
    /// Its districts.
    districts: Vec<DistrictView>,
}

/// A district.
#[derive(Serialize, ToSchema)]
pub(crate) struct DistrictView {
    code: String,
    name: String,
}

/// What the duty list has.
#[derive(Serialize, ToSchema)]
pub(crate) struct DutyView {
    departments: usize,
    experts: usize,
    shifts: usize,
    /// Codes of departments that are no units: calls would reach nobody's expert.
    unknown: Vec<String>,
}

/// A page of a table.
#[derive(Serialize, ToSchema)]
pub(crate) struct RowsView {
    /// Of the profile; also the `ETag`.
    revision: i64,
    /// As they are called in the table.
    columns: Vec<String>,
    /// Cells in the order of the columns.
    rows: Vec<Vec<String>>,
    /// Rows in all that have the text.
    total: usize,
}

/// Which rows.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RowsQuery {
    /// What is in one of the cells; all when absent.
    text: Option<String>,
    /// So many rows are left out; none when absent.
    after: Option<usize>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
}

/// The table of that name.
pub(super) fn part_of(name: &str) -> Result<Part, Problem> {
    let part = Part::ALL.into_iter().find(|part| part.stem() == name);
    part.ok_or_else(|| Problem::not_found("table of a profile"))
}

/// What the city's profile has, and where it comes from.
#[utoipa::path(get, path = "/api/v1/profile", responses((status = 200, body = ProfileView)))]
pub(crate) async fn overview(State(state): State<ApiState>) -> Result<Response, Problem> {
    let now = state.city.now();
    let duty = state.store.duty().await?;
    let units: BTreeSet<&str> = now.profile.units.iter().map(|unit| unit.code.as_str()).collect();
    let codes = duty.departments.iter().map(|department| &department.code);
    let unknown = codes.filter(|code| !units.contains(code.as_str())).cloned().collect();
    let divisions = state.city.divisions();
    let districts = divisions
        .districts()
        .map(|(code, name)| DistrictView { code: code.to_owned(), name: name.to_owned() });
    let view = ProfileView {
        revision: now.revision,
        tables: Part::ALL.into_iter().map(|part| told(part, &now.tables[part as usize])).collect(),
        divisions: DivisionsView {
            known: divisions.len(),
            city: divisions.home().map(str::to_owned),
            districts: districts.collect(),
        },
        duty: DutyView {
            departments: duty.departments.len(),
            experts: duty.experts.len(),
            shifts: duty.shifts.len(),
            unknown,
        },
    };
    Ok(([(ETAG, tag(now.revision))], Json(view)).into_response())
}

fn told(part: Part, kept: &Kept) -> ProfileTable {
    ProfileTable {
        part: part.stem(),
        rows: kept.table.rows().len(),
        source: match kept.source {
            Source::Default => "default",
            Source::Folder => "folder",
            Source::Saved => "saved",
        },
        saved_at: kept.saved.as_ref().map(|(at, _)| at.0),
        saved_by: kept.saved.as_ref().map(|(_, by)| by.clone()),
    }
}

/// Rows of a table, in its order.
#[utoipa::path(get, path = "/api/v1/profile/{part}", params(("part" = String, Path), RowsQuery),
    responses((status = 200, body = RowsView), (status = 400, body = Problem),
    (status = 404, body = Problem)))]
pub(crate) async fn rows(
    State(state): State<ApiState>,
    Path(part): Path<String>,
    query: Result<Query<RowsQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)? as usize;
    let text = query.text.as_deref().unwrap_or_default().trim();
    if text.chars().count() > TEXT_CHARS_MAX {
        let detail = format!("text: more than {TEXT_CHARS_MAX} characters");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("text"));
    }
    let part = part_of(&part)?;
    let now = state.city.now();
    let table = &now.tables[part as usize].table;
    let width = table.header().len();
    let found: Vec<_> = table
        .rows()
        .iter()
        .filter(|row| text.is_empty() || row.cells().any(|cell| cell.contains(text)))
        .collect();
    let cells = |row: &&qingting_nlu::table::Row| {
        let mut cells: Vec<String> = row.cells().map(str::to_owned).collect();
        cells.resize(width, String::new());
        cells
    };
    let total = found.len();
    let page = found.iter().skip(query.after.unwrap_or_default()).take(limit);
    let rows = page.map(cells).collect();
    let view = RowsView { revision: now.revision, columns: table.header().to_vec(), rows, total };
    Ok(([(ETAG, tag(now.revision))], Json(view)).into_response())
}

/// A whole table as a spreadsheet opens it; what `PUT` takes. `If-None-Match` with its `ETag` is answered with 304
/// while the profile is the same.
#[utoipa::path(get, path = "/api/v1/profile/{part}/table", params(("part" = String, Path)),
    responses((status = 200, content_type = "text/csv", body = String),
    (status = 304, description = "The client has it"), (status = 404, body = Problem)))]
pub(crate) async fn table(
    State(state): State<ApiState>,
    Path(part): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let part = part_of(&part)?;
    let now = state.city.now();
    if let Some(known) = known(&headers, &tag(now.revision)) {
        return Ok(known);
    }
    let kept = &now.tables[part as usize].table;
    let mut out = csv::Table::with_mark();
    out.row(kept.header())?;
    for row in kept.rows() {
        out.row(row.cells())?;
    }
    let name = match part {
        Part::Categories => "categories.csv",
        Part::Units => "units.csv",
        Part::Kinds => "kinds.csv",
        Part::Places => "places.csv",
        Part::Words => "words.csv",
        Part::Quality => "quality.csv",
    };
    let mut answer = csv::answer(name, out.into_bytes()?.into());
    if let Ok(tag) = tag(now.revision).parse() {
        answer.headers_mut().insert(ETAG, tag);
    }
    Ok(answer)
}
