//! Past tickets of another system out of a table, as `qingting tickets import` takes them: to be found, never changed.
//!
//! **All rows or none, in pieces between which calls write theirs.** What an import comes to is kept in this server's
//! memory; one that was interrupted has left nothing that is found.

use crate::auth::Principal;
use crate::city::mistake;
use crate::duty::DutyProblem;
use crate::problem::parameter;
use crate::{ApiState, Problem, clock};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_nlu::history::{self, PastTicket};
use qingting_nlu::table::TableFaults;
use qingting_store::{ImportError, PastImport, Store};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Imports that are remembered, those of dry runs too.
const KEPT_MAX: usize = 20;
/// Mistakes that are told; the rest is counted.
pub(crate) const MISTAKES_MAX: usize = 1_000;
/// Longest name of a file, in characters: it goes into the audit.
const FILE_CHARS_MAX: usize = 100;
/// Longest list of columns, in characters.
const MAP_CHARS_MAX: usize = 2_000;

/// What is imported.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// The file's name, for mistakes and the audit.
    file: String,
    /// Which column fills which field, as `number=编号,received_at=登记日期`; the others by their usual names.
    map: Option<String>,
    /// Only tells what it would come to.
    #[serde(default)]
    dry_run: bool,
}

/// Where an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImportState {
    /// The table is read.
    Reading,
    /// Its rows are good and being written.
    Importing,
    /// All are there; of a dry run they would be.
    Done,
    /// Rows are wrong: nothing is imported. `mistakes` says which.
    Refused,
    /// The database failed, or another import is under way: nothing is imported.
    Failed,
}

/// An import of past tickets.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ImportView {
    #[schema(value_type = String)]
    id: Uuid,
    file: String,
    by: String,
    dry_run: bool,
    state: ImportState,
    began_at: i64,
    ended_at: Option<i64>,
    /// Rows of the table, once it is read.
    rows: Option<u64>,
    /// Rows that are written so far.
    done: u64,
    /// Tickets that are found from now on; of a dry run that would be.
    new: Option<u64>,
    /// Those whose number was known: they stay as they are.
    known: Option<u64>,
    /// What is wrong, the first thousand.
    #[schema(value_type = Vec<DutyProblem>)]
    mistakes: Arc<[DutyProblem]>,
    /// So many more are wrong.
    more_mistakes: usize,
    /// Why it failed.
    failure: Option<String>,
}

/// Imports of this server.
#[derive(Default)]
pub(crate) struct Imports {
    /// The newest first.
    known: Mutex<VecDeque<ImportView>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Imports {
    fn lock(&self) -> MutexGuard<'_, VecDeque<ImportView>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a new one, unless another runs.
    fn begin(&self, import: ImportView) -> bool {
        let mut known = self.lock();
        if known.iter().any(|other| other.ended_at.is_none()) {
            return false;
        }
        known.push_front(import);
        known.truncate(KEPT_MAX);
        true
    }

    fn change(&self, id: Uuid, change: impl FnOnce(&mut ImportView)) {
        let mut known = self.lock();
        let Some(import) = known.iter_mut().find(|import| import.id == id) else { return };
        change(import);
        if !matches!(import.state, ImportState::Reading | ImportState::Importing) {
            import.ended_at = Some(clock::now().0);
        }
    }
}

/// Begins to take the tickets of another system out of CSV or XLSX, to be found beside our own; a number that is known
/// makes nothing. All rows or none. One import runs at a time (409).
#[utoipa::path(post, path = "/api/v1/past-tickets/imports", params(ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 202, body = ImportView), (status = 400, body = Problem), (status = 409, body = Problem),
    (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn begin(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<ImportQuery>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ImportView>), Problem> {
    let Query(ImportQuery { file, map, dry_run }) = query?;
    check_name(&file)?;
    let map = columns(map.as_deref().unwrap_or_default(), &history::fields().collect::<Vec<_>>())?;
    let body = body?;
    let import = ImportView {
        id: Uuid::now_v7(),
        file,
        by: who.name.clone(),
        dry_run,
        state: ImportState::Reading,
        began_at: clock::now().0,
        ended_at: None,
        rows: None,
        done: 0,
        new: None,
        known: None,
        mistakes: Arc::default(),
        more_mistakes: 0,
        failure: None,
    };
    if !state.imports.begin(import.clone()) {
        let detail = "another import is under way: wait until it is over";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let running = run(state.store.clone(), Arc::clone(&state.imports), import.clone(), map, body);
    let mut tasks = state.imports.tasks.lock().unwrap_or_else(PoisonError::into_inner);
    while tasks.try_join_next().is_some() {}
    // It goes on when its sender hangs up, and ends with the server.
    tasks.spawn(running);
    drop(tasks);
    Ok((StatusCode::ACCEPTED, Json(import)))
}

/// Imports of this server that run or ran since its start, the newest first: twenty at most.
#[utoipa::path(get, path = "/api/v1/past-tickets/imports", responses((status = 200, body = Vec<ImportView>)))]
pub(crate) async fn list(State(state): State<ApiState>) -> Json<Vec<ImportView>> {
    Json(state.imports.lock().iter().cloned().collect())
}

/// One import.
#[utoipa::path(get, path = "/api/v1/past-tickets/imports/{id}", params(("id" = String, Path)),
    responses((status = 200, body = ImportView), (status = 400, body = Problem),
    (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<ImportView>, Problem> {
    let id: Uuid = parameter("id", &id)?;
    let found = state.imports.lock().iter().find(|import| import.id == id).cloned();
    found.map(Json).ok_or_else(|| Problem::not_found("import"))
}

/// Whether a file is called as one may be.
pub(crate) fn check_name(file: &str) -> Result<(), Problem> {
    let chars = file.trim().chars().count();
    if chars == 0 || chars > FILE_CHARS_MAX || file.contains(char::is_control) {
        let detail = format!("file: a name of 1 to {FILE_CHARS_MAX} characters");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("file"));
    }
    Ok(())
}

/// `field=column` pairs, of these fields.
pub(crate) fn columns(map: &str, known: &[&str]) -> Result<Vec<(String, String)>, Problem> {
    let wrong = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail).of_field("map");
    if map.chars().count() > MAP_CHARS_MAX {
        return Err(wrong(format!("map: more than {MAP_CHARS_MAX} characters")));
    }
    let pairs = map.split([',', '，']).map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let names = || known.join(", ");
            let (field, column) = pair
                .split_once(['=', '＝'])
                .ok_or_else(|| wrong(format!("map: write FIELD=COLUMN; fields are {}", names())))?;
            let (field, column) = (field.trim(), column.trim());
            if !known.contains(&field) || column.is_empty() {
                return Err(wrong(format!("map: FIELD=COLUMN with one of {}", names())));
            }
            Ok((field.to_owned(), column.to_owned()))
        })
        .collect()
}

async fn run(
    store: Store,
    imports: Arc<Imports>,
    import: ImportView,
    map: Vec<(String, String)>,
    body: Bytes,
) {
    let file = import.file.clone();
    let read = tokio::task::spawn_blocking(move || read(&file, &body, &map)).await;
    let id = import.id;
    let failed = |why: String| {
        imports.change(id, |import| {
            (import.state, import.failure) = (ImportState::Failed, Some(why));
        });
    };
    let tickets = match read {
        Ok(Ok(tickets)) => tickets,
        Ok(Err(TableFaults(faults))) => {
            let told = faults.iter().take(MISTAKES_MAX).map(mistake).collect();
            return imports.change(id, |import| {
                import.state = ImportState::Refused;
                import.mistakes = told;
                import.more_mistakes = faults.len().saturating_sub(MISTAKES_MAX);
            });
        }
        Err(error) => {
            tracing::error!(%error, "past tickets could not be read");
            return failed("the server failed; see its log".to_owned());
        }
    };
    let rows = tickets.len() as u64;
    if import.dry_run {
        return match store.known_tickets(&tickets).await {
            Ok(known) => imports.change(id, |import| {
                (import.state, import.rows) = (ImportState::Done, Some(rows));
                (import.new, import.known) = (Some(rows - known), Some(known));
            }),
            Err(error) => failed(Problem::from(error).detail),
        };
    }
    imports.change(id, |import| {
        (import.state, import.rows) = (ImportState::Importing, Some(rows));
    });
    let told = Arc::clone(&imports);
    let wanted = PastImport { file: import.file, by: import.by, tickets };
    let done = store.import_past_tickets(wanted, move |rows| {
        told.change(id, |import| import.done += rows as u64);
    });
    match done.await {
        Ok(done) => imports.change(id, |import| {
            import.state = ImportState::Done;
            (import.new, import.known) = (Some(done.new), Some(done.known));
        }),
        Err(error @ ImportError::UnderWay) => failed(error.to_string()),
        Err(ImportError::Store(error)) => failed(Problem::from(error).detail),
    }
}

fn read(
    file: &str,
    bytes: &[u8],
    map: &[(String, String)],
) -> Result<Vec<PastTicket>, TableFaults> {
    let table = qingting_workbook::table(file, bytes).map_err(|fault| TableFaults(vec![fault]))?;
    history::from_table(&table, map, clock::now())
}
