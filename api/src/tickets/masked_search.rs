//! What a role that sees masks may find: **nothing that it is not shown**. Otherwise longer and longer ends of a number,
//! or names, would tell what the masks hide.

use super::TicketView;
use crate::auth::Principal;
use crate::sight::Sight;
use crate::{ApiState, Problem, clock};
use axum::http::StatusCode;
use qingting_common::limits::MASKED_NUMBERS_PER_HOUR;
use qingting_nlu::draft::Field;
use qingting_store::{FoundTicket, PAGE_ROWS_MAX, TicketSearch, Words};
use serde_json::Value;

/// Tickets that are looked through for one page; the next page goes on behind them.
const LOOKED_THROUGH_MAX: u32 = 10_000;

/// Fields whose words are found as text.
const TEXT: [Field; 3] = [Field::Title, Field::Description, Field::Respondent];

/// A page of what may be found.
///
/// # Errors
/// 400 for an end of a number that a mask does not show, 429 for too many whole numbers.
pub(super) async fn find(
    state: &ApiState,
    who: &Principal,
    mut search: TicketSearch,
) -> Result<Vec<FoundTicket>, Problem> {
    check(state, who, &search)?;
    let limit = search.limit;
    if search.phone.is_none() && search.text.is_none() && search.place.is_none() {
        return Ok(state.store.find_tickets(&search).await?);
    }
    let mut found = Vec::new();
    let mut looked_through = 0;
    // A page is full or the last one: how many were left out would tell that there are some.
    loop {
        let rows = state.store.find_tickets(&search).await?;
        let is_last = rows.len() < search.limit as usize;
        looked_through += search.limit;
        search.before = rows.last().map(FoundTicket::id);
        for row in rows {
            if found.len() < limit as usize && is_shown(&search, &row) {
                found.push(row);
            }
        }
        if is_last || found.len() == limit as usize || looked_through >= LOOKED_THROUGH_MAX {
            return Ok(found);
        }
        search.limit = PAGE_ROWS_MAX;
    }
}

fn check(state: &ApiState, who: &Principal, search: &TicketSearch) -> Result<(), Problem> {
    let Some(phone) = search.phone.as_ref().filter(|phone| !phone.is_shown_end()) else {
        return Ok(());
    };
    if phone.whole().is_none() {
        let detail = "phone: this role sees numbers masked: give exactly the last 4 digits, or the whole number";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("phone"));
    }
    state.rates.masked_number(&who.name, clock::now()).map_err(|wait| {
        let seconds = wait.as_secs().max(1);
        let detail = format!(
            "phone: this role sees numbers masked and may look for {MASKED_NUMBERS_PER_HOUR} whole ones an hour: wait {seconds} s"
        );
        Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).of_field("phone")
    })
}

fn is_shown(search: &TicketSearch, row: &FoundTicket) -> bool {
    let view = super::found(row);
    let is_confidential = view.fields.get(Field::Confidential.as_str());
    let is_confidential = is_confidential.is_some_and(|field| field.value == "true");
    if is_confidential && (search.phone.is_some() || search.text.is_some()) {
        return false;
    }
    if search.text.is_none() && search.place.is_none() {
        return true;
    }
    let shown = masked(&view);
    let value = |field: Field| shown["fields"][field.as_str()]["value"].as_str();
    let has = |words: &Option<Words>, fields: &[Field]| {
        let texts = fields.iter().filter_map(|field| value(*field));
        words.as_ref().is_none_or(|words| words.are_in(texts))
    };
    has(&search.text, &TEXT) && has(&search.place, &[Field::Place])
}

fn masked(view: &TicketView) -> Value {
    let mut value = serde_json::to_value(view).unwrap_or_default();
    Sight::Masked.see(&mut value);
    value
}
