//! A call's SIP messages as they went over the wire: for whoever looks why it failed.

use crate::auth::Principal;
use crate::{ApiState, Problem, access};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The messages of all legs of a call.
#[derive(Serialize, ToSchema)]
pub(crate) struct SipMessagesView {
    /// In the order of their times; empty where the call is none of the last 1,000, or of another server.
    messages: Vec<SipMessageView>,
}

/// A SIP message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SipMessageView {
    /// When.
    pub at: i64,
    /// Whether it was ours.
    pub is_ours: bool,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// Our end.
    pub local: String,
    /// The other end.
    pub remote: String,
    /// The message. Of passwords' proofs and of keys there is `…`; it is cut off after 8 KiB.
    pub text: String,
}

/// The SIP messages of a call, with all its legs: kept in memory for the last 1,000 calls of this server.
#[utoipa::path(get, path = "/api/v1/calls/{id}/sip-messages", params(("id" = String, Path)),
    responses((status = 200, body = SipMessagesView), (status = 404, body = Problem)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<SipMessagesView>, Problem> {
    let call = access::call(&state, &who, &id).await?;
    let legs = state.store.legs(call.id).await?;
    let ids: BTreeSet<String> =
        legs.into_iter().filter_map(|leg| leg.sip_call_id).chain(call.sip_call_id).collect();
    let mut messages = (state.sip_messages)(call.id, ids);
    messages.sort_by_key(|message| message.at);
    state.store.audit(&who.name, "call.sip_messages", &call.id.to_string()).await?;
    Ok(Json(SipMessagesView { messages }))
}
