//! Tickets: read, edit at the revision that was seen, confirm.

mod masked_search;

use crate::auth::Principal;
use crate::calls::page_limit;
use crate::problem::parameter;
use crate::revision::{Seen, known, stale, tag};
use crate::sight::{Sight, is_mask, masks_of};
use crate::{ApiState, Event, Problem, access, clock};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use qingting_common::{TicketId, UnixMillis};
use qingting_nlu::draft::{Field, FieldValue, Source, TicketDraft};
use qingting_nlu::history::NUMBER_CHARS_MAX;
use qingting_store::handling::UNIT_CHARS_MAX;
use qingting_store::{
    EditError, FoundStatus, FoundTicket, HandlingFilter, Heard, PastRow, PhoneEnd, Stage, StepKind,
    TicketQuery, TicketRow, TicketSearch, TicketStatus, Words,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Which tickets.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The `next` of the page before.
    before: Option<String>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// `draft`, `confirmed` or, of another system, `imported`.
    status: Option<String>,
    /// 工单编号, whole; of our own also its digits alone.
    number: Option<String>,
    /// The number that called or that the ticket names: whole, or its last 4 digits or more. Of a role that sees masks
    /// exactly the last 4 digits, or the whole number, at most 60 of those an hour.
    phone: Option<String>,
    /// Words of title, description or party complained of, each of 2 characters or more, with blanks
    /// between them. Marks, width and case do not count. A role that sees masks finds what it is shown alone.
    text: Option<String>,
    /// Words of the place, likewise.
    place: Option<String>,
    /// Where its handling is: `accepted`, `dispatched`, `in_handling`, `closed`, `follow_up` or `archived`.
    stage: Option<String>,
    /// 承办单位, its whole name.
    unit: Option<String>,
    /// Not closed, and due before this moment.
    due_before: Option<i64>,
    /// `true`: not closed, and its time is over (超期).
    overdue: Option<bool>,
    /// 督办, or not.
    supervised: Option<bool>,
}

/// A page of tickets, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TicketPage {
    tickets: Vec<TicketView>,
    /// `before` of the next page; absent on the last.
    next: Option<String>,
}

/// A ticket (工单).
#[derive(Serialize, ToSchema)]
pub(crate) struct TicketView {
    id: String,
    /// 工单编号.
    number: String,
    /// The call that it came from; none of an imported one.
    call: Option<String>,
    /// The number that called, of the ticket alone (not of lists): the citizen may have named no other. Empty where it
    /// is erased, `anonymous` where it was withheld.
    caller: Option<String>,
    /// `draft`, `confirmed` or `imported`: of another system, to be read alone.
    status: &'static str,
    /// Also the `ETag`.
    revision: i64,
    /// By field name: title, description, appeal_kind, category, handling_unit, emergency,
    /// enterprise, tourism, confidential, caller_name, phone, occurred_at, place, respondent, amount,
    /// plate, earlier_ticket, callback_time, deadline.
    fields: BTreeMap<&'static str, FieldView>,
    created_at: i64,
    updated_at: i64,
    confirmed_at: Option<i64>,
    confirmed_by: Option<String>,
    /// When it was closed.
    closed_at: Option<i64>,
    /// Where its handling is, once it is confirmed here.
    handling: Option<HandlingView>,
}

/// Handling of a ticket (办理).
#[derive(Serialize, ToSchema)]
pub(crate) struct HandlingView {
    /// `accepted` 受理, `dispatched` 转办, `in_handling` 承办, `closed` 办结, `follow_up` 回访 or `archived` 归档.
    stage: &'static str,
    /// 承办单位: who has it, or had it last.
    unit: Option<String>,
    /// 办理时限.
    deadline: Option<i64>,
    /// 超期: its time is over, and it is not closed.
    overdue: bool,
    /// 督办.
    supervised: bool,
    /// What the follow-up came to: `satisfied`, `dissatisfied` or `unanswered`; null while it is under way.
    heard: Option<&'static str>,
    /// The follow-up of the last closing.
    follow_up: Option<String>,
    /// Steps that `POST /api/v1/tickets/{id}/steps` takes now.
    steps: Vec<&'static str>,
}

/// One field's value.
#[derive(Serialize, ToSchema)]
pub(crate) struct FieldView {
    value: String,
    /// 0 to 1; a person's value has 1.
    confidence: f32,
    /// `machine` or `person`.
    source: &'static str,
    evidence: Vec<EvidenceView>,
}

/// Where in the transcript a value comes from; positions count characters.
#[derive(Serialize, ToSchema)]
pub(crate) struct EvidenceView {
    segment: String,
    start: u32,
    end: u32,
    quote: String,
}

/// A person's changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    /// The revision that the person saw; `If-Match` says the same.
    revision: Option<i64>,
    /// New values by field name; an empty one keeps the field empty.
    fields: BTreeMap<String, String>,
}

/// A confirmation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmation {
    /// The revision that the person saw; `If-Match` says the same.
    revision: Option<i64>,
}

/// Tickets, newest first; all of what is given must be true. Imported ones come where something is looked
/// for, and by `status=imported`.
#[utoipa::path(get, path = "/api/v1/tickets", params(ListQuery),
    responses((status = 200, body = TicketPage), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<TicketPage>, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)?;
    let before = query.before.as_deref().map(|text| parameter("before", text)).transpose()?;
    let status = query.status.as_deref().map(status).transpose()?;
    let looked_for = LookedFor::read(&query)?;
    let mut handling = handled(&query)?;
    // An expert's list is its unit's, whichever it asks for.
    if let Some(unit) = who.unit_alone() {
        handling.unit = Some(unit.to_owned());
    }
    let rows = match status {
        Some(FoundStatus::Own(status)) if looked_for.is_nothing() => {
            own_page(&state, TicketQuery { before, limit, status: Some(status), handling }).await?
        }
        None if looked_for.is_nothing() => {
            own_page(&state, TicketQuery { before, limit, status: None, handling }).await?
        }
        status => {
            let LookedFor { number, phone, text, place } = looked_for.clone();
            let is_masked = Sight::of(who.role) != Sight::Whole;
            let search = TicketSearch {
                number,
                phone,
                is_masked,
                text,
                place,
                status,
                handling,
                before,
                limit,
            };
            match is_masked {
                true => masked_search::find(&state, &who, search).await?,
                false => state.store.find_tickets(&search).await?,
            }
        }
    };
    let page = match (rows.first(), rows.last()) {
        (Some(newest), Some(oldest)) => Some(format!("{}..{}", newest.id(), oldest.id())),
        _ => None,
    };
    match (looked_for.told(), page) {
        (None, None) => {}
        (None, Some(page)) => state.store.audit(&who.name, "ticket.list", &page).await?,
        // What was looked for in vain was looked for.
        (Some(told), page) => {
            let subject = format!("{told}: {}", page.as_deref().unwrap_or("nothing"));
            state.store.audit(&who.name, "ticket.search", &subject).await?;
        }
    }
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id().to_string()));
    Ok(Json(TicketPage { tickets: rows.iter().map(found).collect(), next: next.flatten() }))
}

async fn own_page(state: &ApiState, query: TicketQuery) -> Result<Vec<FoundTicket>, Problem> {
    Ok(state.store.tickets(&query).await?.into_iter().map(FoundTicket::Own).collect())
}

/// What is looked for in tickets.
#[derive(Clone)]
struct LookedFor {
    number: Option<String>,
    phone: Option<PhoneEnd>,
    text: Option<Words>,
    place: Option<Words>,
}

impl LookedFor {
    fn read(query: &ListQuery) -> Result<Self, Problem> {
        fn given<T: std::str::FromStr<Err: std::fmt::Display>>(
            name: &str,
            text: Option<&String>,
        ) -> Result<Option<T>, Problem> {
            let text = text.filter(|text| !text.trim().is_empty());
            text.map(|text| parameter(name, text)).transpose()
        }
        if let Some(number) = query.number.as_deref() {
            let chars = number.chars().count();
            if chars > NUMBER_CHARS_MAX {
                let detail = format!("number: {chars} characters are more than {NUMBER_CHARS_MAX}");
                return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("number"));
            }
        }
        Ok(Self {
            number: given("number", query.number.as_ref())?,
            phone: given("phone", query.phone.as_ref())?,
            text: given("text", query.text.as_ref())?,
            place: given("place", query.place.as_ref())?,
        })
    }

    fn is_nothing(&self) -> bool {
        self.told().is_none()
    }

    /// For the audit: of a citizen's number its end, and no words, which may name one.
    fn told(&self) -> Option<String> {
        let mut told = Vec::new();
        // A telephone number that was typed into the wrong field is told by its end, too.
        let end = |number: &String| {
            let chars: Vec<char> = number.trim().chars().collect();
            chars[chars.len().saturating_sub(NUMBER_TOLD_CHARS)..].iter().collect::<String>()
        };
        told.extend(self.number.as_ref().map(|number| format!("number …{}", end(number))));
        told.extend(self.phone.as_ref().map(|phone| format!("phone …{}", phone.last_digits())));
        told.extend(self.text.as_ref().map(|_| "text".to_owned()));
        told.extend(self.place.as_ref().map(|_| "place".to_owned()));
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// One ticket. `If-None-Match` with its `ETag` is answered with 304 while nothing has changed.
#[utoipa::path(get, path = "/api/v1/tickets/{id}", params(("id" = String, Path)),
    responses((status = 200, body = TicketView), (status = 304, description = "The client has it"),
    (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: TicketId = parameter("id", &id)?;
    let Some(row) = state.store.ticket(id).await? else {
        let past = state.store.past_ticket(id).await?;
        let past = past.filter(|_| who.seat_alone().is_none() && who.unit_alone().is_none());
        let past = past.ok_or_else(|| Problem::not_found("ticket"))?;
        state.store.audit(&who.name, "ticket.read", &past.id.to_string()).await?;
        return Ok(Json(past_view(&past)).into_response());
    };
    access::may_read_ticket(&state, &who, &row).await?;
    if let Some(known) = known(&headers, &tag(row.revision)) {
        return Ok(known);
    }
    state.store.audit(&who.name, "ticket.read", &row.id.to_string()).await?;
    answer(&state, &row).await
}

/// Changes fields, all or none. `revision`, or `If-Match`, says what the person saw: an edited field
/// whose value anybody, the machine included, changed since then is a conflict (409, or 412 with
/// `If-Match`), and nothing is written. Changes of other fields are none: the machine revises a ticket
/// with every sentence of the call.
#[utoipa::path(patch, path = "/api/v1/tickets/{id}", params(("id" = String, Path)),
    request_body = Edit, responses((status = 200, body = TicketView), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem),
    (status = 428, body = Problem)))]
pub(crate) async fn edit(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Edit>, JsonRejection>,
) -> Result<Response, Problem> {
    let id: TicketId = parameter("id", &id)?;
    let Json(body) = body?;
    let seen = Seen::required(&headers, body.revision)?;
    own(&state, &who, id).await?;
    let mut edits = Vec::with_capacity(body.fields.len());
    for (name, value) in body.fields {
        let field = Field::from_name(&name).ok_or_else(|| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a ticket has no such field")
                .of_field(&name)
        })?;
        edits.push((field, value));
    }
    // Who got it masked must not write the mask over it.
    let is_masked = |(field, value): &&(Field, String)| {
        matches!(field, Field::CallerName | Field::Phone) && is_mask(value)
    };
    if let Some((field, _)) = edits.iter().find(is_masked) {
        let detail = "it is masked: leave it out, or write it whole";
        return Err(Problem::invalid(&format!("fields.{}", field.as_str()), detail));
    }
    if Sight::of(who.role) == Sight::Masked {
        whole(&state, id, &edits).await?;
    }
    let changed: Vec<Field> = edits.iter().map(|(field, _)| *field).collect();
    let outcome = state.store.edit_ticket(id, seen.revision, edits, &who.name).await;
    let row = outcome.map_err(|error| refused(seen, error))?;
    if !changed.is_empty() {
        let (id, call, revision) = (row.id, row.call, row.revision);
        state.events.publish(Event::ticket_updated(id, call, revision, changed, &row.draft));
    }
    answer(&state, &row).await
}

/// Refuses texts that hold a mask of what the ticket has whole: they were read masked, and would take it away.
async fn whole(state: &ApiState, id: TicketId, edits: &[(Field, String)]) -> Result<(), Problem> {
    let row = state.store.ticket(id).await?.ok_or_else(|| Problem::not_found("ticket"))?;
    let masks = masks_of(serde_json::to_value(view(&row)).unwrap_or_default());
    for (field, text) in edits {
        let stored = row.draft.field(*field).map_or("", |value| value.value.expose().as_str());
        // Somebody may have typed it so before.
        let is_written =
            |mask: &&String| text.contains(mask.as_str()) && !stored.contains(mask.as_str());
        let Some(mask) = masks.iter().find(is_written) else { continue };
        let detail = format!(
            "{mask} stands for what is hidden from this role: leave the field out, or write the text without it"
        );
        return Err(Problem::invalid(&format!("fields.{}", field.as_str()), detail));
    }
    Ok(())
}

/// Confirms a ticket at exactly the revision that the person saw; again is fine.
#[utoipa::path(post, path = "/api/v1/tickets/{id}/confirm", params(("id" = String, Path)),
    request_body = Confirmation, responses((status = 200, body = TicketView),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem),
    (status = 428, body = Problem)))]
pub(crate) async fn confirm(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Confirmation>, JsonRejection>,
) -> Result<Response, Problem> {
    let id: TicketId = parameter("id", &id)?;
    let Json(body) = body?;
    let seen = Seen::required(&headers, body.revision)?;
    own(&state, &who, id).await?;
    let outcome = state.store.confirm_ticket(id, seen.revision, &who.name).await;
    let confirmed = outcome.map_err(|error| refused(seen, error))?;
    let row = confirmed.ticket;
    if confirmed.is_new {
        state.events.publish(Event::TicketConfirmed {
            ticket: row.id,
            call: row.call,
            revision: row.revision,
        });
    }
    answer(&state, &row).await
}

/// A seat writes tickets of calls that it may read, no others.
async fn own(state: &ApiState, who: &Principal, id: TicketId) -> Result<(), Problem> {
    if who.seat_alone().is_none() {
        return Ok(());
    }
    let row = state.store.ticket(id).await?.ok_or_else(|| Problem::not_found("ticket"))?;
    access::may_read(state, who, row.call).await
}

/// 412 answers a header, 409 a body.
fn refused(seen: Seen, error: EditError) -> Problem {
    match error {
        EditError::StaleRevision { current } => stale(Some(seen), current, error.to_string()),
        error => error.into(),
    }
}

/// So much of a number that was looked for stands in the audit.
const NUMBER_TOLD_CHARS: usize = 6;
/// The status of past tickets of another system.
const IMPORTED: &str = "imported";

fn status(name: &str) -> Result<FoundStatus, Problem> {
    if name == IMPORTED {
        return Ok(FoundStatus::Past);
    }
    let mut own = [TicketStatus::Draft, TicketStatus::Confirmed].into_iter();
    own.find(|status| status.as_str() == name).map(FoundStatus::Own).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "status must be draft, confirmed or imported")
            .of_field("status")
    })
}

/// What is asked of the handling.
fn handled(query: &ListQuery) -> Result<HandlingFilter, Problem> {
    let of_field =
        |detail: String, field| Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field(field));
    let stage = match query.stage.as_deref().filter(|stage| !stage.is_empty()) {
        None => None,
        Some(name) => match Stage::ALL.into_iter().find(|stage| stage.as_str() == name) {
            Some(stage) => Some(stage),
            None => {
                let names = Stage::ALL.map(Stage::as_str).join(", ");
                return of_field(format!("stage must be one of {names}"), "stage");
            }
        },
    };
    let unit = query.unit.clone().filter(|unit| !unit.trim().is_empty());
    if unit.as_ref().is_some_and(|unit| unit.chars().count() > UNIT_CHARS_MAX) {
        return of_field(format!("unit: more than {UNIT_CHARS_MAX} characters"), "unit");
    }
    let overdue = query.overdue.unwrap_or_default().then(|| clock::now().0);
    let due_before = overdue.into_iter().chain(query.due_before).min().map(UnixMillis);
    Ok(HandlingFilter { stage, unit, due_before, supervised: query.supervised })
}

pub(crate) async fn answer(state: &ApiState, row: &TicketRow) -> Result<Response, Problem> {
    let call = state.store.call(row.call).await?;
    let caller = call.map(|call| call.caller.expose().clone());
    let view = TicketView { caller, ..view(row) };
    Ok(([(ETAG, tag(row.revision))], Json(view)).into_response())
}

fn found(ticket: &FoundTicket) -> TicketView {
    match ticket {
        FoundTicket::Own(row) => view(row),
        FoundTicket::Past(row) => past_view(row),
    }
}

fn view(row: &TicketRow) -> TicketView {
    TicketView {
        id: row.id.to_string(),
        number: row.number.clone(),
        call: Some(row.call.to_string()),
        caller: None,
        status: row.status.as_str(),
        revision: row.revision,
        fields: fields(&row.draft),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        confirmed_at: row.confirmed_at.map(|at| at.0),
        confirmed_by: row.confirmed_by.clone(),
        closed_at: row.closed_at.map(|at| at.0),
        handling: (row.status == TicketStatus::Confirmed).then(|| handling(row)),
    }
}

fn past_view(row: &PastRow) -> TicketView {
    TicketView {
        id: row.id.to_string(),
        number: row.number.clone(),
        call: None,
        caller: None,
        status: IMPORTED,
        revision: 0,
        fields: fields(&row.draft),
        created_at: row.received_at.0,
        updated_at: row.closed_at.unwrap_or(row.received_at).0,
        confirmed_at: None,
        confirmed_by: None,
        closed_at: row.closed_at.map(|at| at.0),
        handling: None,
    }
}

fn handling(row: &TicketRow) -> HandlingView {
    let is = &row.handling;
    HandlingView {
        stage: is.stage.as_str(),
        unit: is.unit.clone(),
        deadline: is.deadline.map(|at| at.0),
        overdue: is.is_overdue(clock::now()),
        supervised: is.is_supervised,
        heard: is.heard.map(Heard::as_str),
        follow_up: row.follow_up.map(|id| id.to_string()),
        steps: is.open_steps().map(StepKind::as_str).collect(),
    }
}

fn fields(draft: &TicketDraft) -> BTreeMap<&'static str, FieldView> {
    draft.fields().map(|(field, value)| (field.as_str(), shown(value))).collect()
}

fn shown(value: &FieldValue) -> FieldView {
    FieldView {
        value: value.value.expose().clone(),
        confidence: value.confidence,
        source: match value.source {
            Source::Machine => "machine",
            Source::Person => "person",
        },
        evidence: value
            .evidence
            .iter()
            .map(|evidence| EvidenceView {
                segment: evidence.segment.to_string(),
                start: evidence.start,
                end: evidence.end,
                quote: evidence.quote.expose().clone(),
            })
            .collect(),
    }
}
