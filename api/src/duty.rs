//! The duty list as a table that people keep in a spreadsheet.
//!
//! What a row means is the switchboard's to say ([`Switchboard::read_duty`]); this module takes the
//! CSV apart and writes it again.
//!
//! [`Switchboard::read_duty`]: crate::Switchboard::read_duty

use crate::auth::Principal;
use crate::calls::short;
use crate::revision::{Seen, known, stale, tag};
use crate::table::{self, Table};
use crate::{ApiState, Problem};
use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use qingting_common::Pii;
use qingting_core::duty::COLUMNS;
use qingting_nlu::table::unguarded;
use qingting_store::{Date, DutyError, DutyList, DutyTarget, Shift};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Every day, as bits.
const ALL_DAYS: u8 = 0b111_1111;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyRow {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Its fields: names and numbers of people.
    pub fields: Pii<Vec<String>>,
}

/// What is wrong in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DutyProblem {
    /// Its line in the file, from 1.
    pub line: usize,
    /// The column's name.
    pub field: String,
    /// What is wrong and what would be right, without the value.
    pub detail: String,
}

/// Somebody who is on duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OnDuty {
    /// The department's code.
    pub department: String,
    /// Its name.
    pub department_name: String,
    /// The expert.
    #[schema(value_type = String)]
    pub expert: Pii<String>,
    /// Numbers and extensions in the order in which they are tried.
    #[schema(value_type = Vec<String>)]
    pub numbers: Vec<Pii<String>>,
}

/// Whose experts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NowQuery {
    /// The department's code, its name or an alias, or a part of one: all that may be meant; absent: every
    /// department.
    department: Option<String>,
}

/// The whole list as a table; what `PUT` takes. `If-None-Match` with its `ETag` is answered with 304 while
/// nobody has replaced it.
#[utoipa::path(get, path = "/api/v1/duty-list",
    responses((status = 200, content_type = "text/csv", body = String),
    (status = 304, description = "The client has it")))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (list, revision) = state.store.duty_at_revision().await?;
    if let Some(known) = known(&headers, &tag(revision)) {
        return Ok(known);
    }
    state.store.audit(&who.name, "duty.read", "duty-list").await?;
    let mut table = Table::with_mark();
    table.row(COLUMNS)?;
    for shift in &list.shifts {
        table.row(fields(&list, shift))?;
    }
    let mut answer = table::answer("duty-list.csv", table.into_bytes()?.into());
    if let Ok(tag) = tag(revision).parse() {
        answer.headers_mut().insert(ETAG, tag);
    }
    Ok(answer)
}

/// Replaces the whole list at once by a table (CSV in UTF-8 or GB18030, or XLSX), one shift a row; the first row names the
/// columns: 部门代码,部门名称,别名,专家,电话,方式,星期,起始日期,结束日期,上班,下班,顺序. When
/// anything is wrong the list stays and `errors` says what, line by line. With `If-Match` only the list that
/// was seen is replaced: 412 when somebody else was first.
#[utoipa::path(put, path = "/api/v1/duty-list",
    request_body(content = String, content_type = "text/csv"),
    responses((status = 204), (status = 400, body = Problem), (status = 412, body = Problem),
    (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn replace(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let seen = Seen::read(&headers, None)?;
    let body = body?;
    let rows = rows(&body)?;
    let list = state.switchboard.read_duty(&rows).map_err(refused)?;
    let replaced = state.store.replace_duty(list, seen.map(|seen| seen.revision), &who.name).await;
    let revision = replaced.map_err(|error| match error {
        DutyError::Changed { current } => stale(seen, current, error.to_string()),
        DutyError::Store(error) => error.into(),
    })?;
    state.switchboard.duty_changed().await;
    Ok((StatusCode::NO_CONTENT, [(ETAG, tag(revision))]).into_response())
}

/// Who is on duty now, in the order of ringing.
#[utoipa::path(get, path = "/api/v1/duty-list/now", params(NowQuery),
    responses((status = 200, body = Vec<OnDuty>), (status = 400, body = Problem),
    (status = 404, body = Problem, description = "No department is called so.")))]
pub(crate) async fn now(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<NowQuery>, QueryRejection>,
) -> Result<Json<Vec<OnDuty>>, Problem> {
    let Query(query) = query?;
    let department = query.department.as_deref();
    department.map_or(Ok(()), |called| short("department", called))?;
    state.store.audit(&who.name, "duty.read", department.unwrap_or("all")).await?;
    let found = state.switchboard.on_duty(department);
    found
        .map(Json)
        .ok_or_else(|| Problem::not_found("department: none of the duty list is called so"))
}

/// The same reader as of the other tables: CSV in UTF-8, UTF-16 or GB18030, or a workbook.
fn rows(body: &[u8]) -> Result<Vec<DutyRow>, Problem> {
    let table = qingting_workbook::table("duty-list", body)
        .map_err(|error| Problem::invalid("body", error.to_string()))?;
    let width = table.header().len();
    let row = |number: u64, cells: Vec<&str>| {
        let mut fields: Vec<String> =
            cells.into_iter().map(|cell| unguarded(cell).to_owned()).collect();
        fields.resize(width, String::new());
        let line = usize::try_from(number).unwrap_or(usize::MAX);
        DutyRow { line, fields: Pii::new(fields) }
    };
    let header = row(1, table.header().iter().map(String::as_str).collect());
    let rows = table.rows().iter().map(|of| row(of.number(), of.cells().collect()));
    Ok(std::iter::once(header).chain(rows).collect())
}

fn refused(errors: Vec<DutyProblem>) -> Problem {
    let first = errors.first().map_or("body", |error| error.field.as_str()).to_owned();
    let detail = format!("the list stays as it was: {} errors, see each line", errors.len());
    Problem { errors: errors.into(), ..Problem::invalid(&first, detail) }
}

fn fields(list: &DutyList, shift: &Shift) -> [String; 12] {
    let department = list.departments.iter().find(|known| known.code == shift.department);
    let expert = list.experts.get(shift.expert);
    let targets = expert.map_or(&[][..], |expert| &expert.targets);
    let extensions = matches!(targets.first(), Some(DutyTarget::Extension(_)));
    let number = |target: &DutyTarget| match target {
        DutyTarget::Number(number) => number.expose().clone(),
        DutyTarget::Extension(extension) => extension.clone(),
    };
    let date = |date: Option<Date>| {
        date.map_or_else(String::new, |Date(day)| {
            format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100)
        })
    };
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    [
        shift.department.clone(),
        department.map(|department| department.name.clone()).unwrap_or_default(),
        department.map(|department| department.aliases.join(";")).unwrap_or_default(),
        expert.map(|expert| expert.name.expose().clone()).unwrap_or_default(),
        targets.iter().map(number).collect::<Vec<_>>().join(";"),
        if extensions { "分机" } else { "外线" }.to_owned(),
        weekdays(shift.weekdays.0),
        date(shift.first),
        date(shift.last),
        time(shift.from_minute),
        time(shift.to_minute),
        shift.order.to_string(),
    ]
}

fn weekdays(bits: u8) -> String {
    if bits & ALL_DAYS == ALL_DAYS || bits & ALL_DAYS == 0 {
        return "每天".to_owned();
    }
    let days = (0u8..7).filter(|day| bits & (1 << day) != 0);
    days.map(|day| (day + 1).to_string()).collect::<Vec<_>>().join(";")
}
