//! Erasure.

use super::{files, number};
use crate::auth::Principal;
use crate::insight::READ_AT_ONCE_MAX;
use crate::{ApiState, Problem};
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_store::{EraseError, EraseReason, Erasure};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whom to erase.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EraseRequest {
    /// The citizen's whole number.
    phone: String,
    /// The ground of article 47: `purpose_over`, `keeping_over`, `consent_withdrawn`, `unlawful` or `other_law`.
    #[schema(value_type = String)]
    reason: EraseReason,
    /// `true`: only counts what would go.
    #[serde(default)]
    dry_run: bool,
}

/// What goes, or would go.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasureView {
    /// Whether nothing was erased, only counted.
    dry_run: bool,
    /// Calls that lose the number and what was said.
    calls: u64,
    /// Of those, calls of other numbers about tickets that name this one.
    calls_of_others: u64,
    /// Sentences of transcripts.
    segments: u64,
    /// Recordings whose files go.
    recordings: u64,
    /// Files of erased citizens that could not be deleted yet: it is tried again. Another server deletes its own.
    recordings_left: u64,
    /// Tickets that lose their fields, values of their history and notes.
    tickets: u64,
    /// Of those, tickets that somebody still handles.
    open_tickets: u64,
    /// Past tickets of another system.
    past_tickets: u64,
    /// Entries of the list of missed calls that lose the number.
    missed_calls: u64,
    /// Follow-ups that lose number and words.
    follow_ups: u64,
    /// Of those, follow-ups that were still to be made: they are cancelled.
    open_follow_ups: u64,
    /// Messages that the ticket system has not got: they are discarded.
    unsent_messages: u64,
    /// The wish not to be called stays: it protects the citizen.
    keeps_do_not_call: bool,
    /// There is more than one erasure takes: ask once more.
    more: bool,
}

impl ErasureView {
    const fn of(erasure: Erasure, dry_run: bool, recordings_left: u64) -> Self {
        let Erasure {
            calls,
            calls_of_others,
            segments,
            recordings,
            tickets,
            open_tickets,
            past_tickets,
            missed_calls,
            follow_ups,
            open_follow_ups,
            unsent_messages,
            keeps_do_not_call,
            more,
        } = erasure;
        Self {
            dry_run,
            calls,
            calls_of_others,
            segments,
            recordings,
            recordings_left,
            tickets,
            open_tickets,
            past_tickets,
            missed_calls,
            follow_ups,
            open_follow_ups,
            unsent_messages,
            keeps_do_not_call,
            more,
        }
    }
}

/// Erases what is known of one citizen (PIPL article 47): what was said, written and recorded, and the number
/// itself. Times, states, ids and counts stay. At most 2,000 calls and as many tickets at once; refused (409) while a
/// call with the citizen runs, or while writes of calls wait for the database. The order is stored first and carried out in steps: what an error or a crash leaves is
/// finished by itself.
#[utoipa::path(post, path = "/api/v1/citizens/erase", request_body = EraseRequest,
    responses((status = 200, body = ErasureView), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn erase(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    body: Result<Json<EraseRequest>, JsonRejection>,
) -> Result<Json<ErasureView>, Problem> {
    let Json(EraseRequest { phone, reason, dry_run }) = body?;
    let number = number(&phone)?;
    if dry_run {
        let subject = format!("{} {}", number.told(), reason.as_str());
        state.store.audit(&who.name, "citizen.erase_preview", &subject).await?;
        let planned = state.store.would_erase(&number).await.map_err(refused)?;
        return Ok(Json(ErasureView::of(planned, true, 0)));
    }
    // What waits would come back behind the erasure; it is written within seconds once the database answers.
    if (state.waiting)().entries > 0 {
        let detail = "writes of calls wait for the database, maybe of this citizen: order it once qingting_spool_entries is 0";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let running = async move {
        // The district that their places lie in stays counted.
        let district_of = state.district_of();
        state.store.read_facts(&*district_of, READ_AT_ONCE_MAX).await?;
        let erased = state.store.erase_citizen(number, reason, &who.name).await.map_err(refused)?;
        // What was told to listeners is kept for those who come back; calls' messages have the number, too.
        (state.forget_calls)(&erased.calls);
        let left = files::erase(&state.store, &state.recordings).await?;
        Ok(Json(ErasureView::of(erased.erasure, false, left)))
    };
    #[allow(
        clippy::disallowed_methods,
        reason = "it is waited for below; when the sender has gone it still runs to its end"
    )]
    let running = tokio::spawn(running);
    running.await.unwrap_or_else(|error| {
        tracing::error!(%error, "an erasure failed");
        let detail = "the server failed; see its log";
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail))
    })
}

fn refused(error: EraseError) -> Problem {
    match error {
        EraseError::UnderWay => Problem::new(StatusCode::CONFLICT, error.to_string()),
        EraseError::Store(error) => error.into(),
    }
}
