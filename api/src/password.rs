//! A person's or a seat's own password.

use crate::auth::{Principal, address, too_many_passwords};
use crate::{ApiState, Problem, clock};
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_common::Pii;
use qingting_store::{Credential, OwnPassword};
use serde::Deserialize;
use std::net::SocketAddr;
use utoipa::ToSchema;

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// The one that counts: who has stolen a session must not have it changed.
    #[schema(value_type = String)]
    current: Pii<String>,
    /// 8 to 128 characters; not stored.
    #[schema(value_type = String)]
    new: Pii<String>,
}

/// Changes the own password and ends all other sessions. A seat's telephone has the same one: it registers with the new
/// one from then on. Wrong ones are answered as late as at the log-in. A key has no password, the administrator's is
/// set by `qingting admin-password`, and whom the OpenID provider alone lets in has none here (409).
#[utoipa::path(put, path = "/api/v1/me/password", request_body = NewPassword,
    responses((status = 204), (status = 409, body = Problem), (status = 422, body = Problem),
    (status = 429, body = Problem)))]
pub(crate) async fn change(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    body: Result<Json<NewPassword>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(NewPassword { current, new }) = body?;
    let conflict = |detail: &str| Problem::new(StatusCode::CONFLICT, detail);
    if who.person.as_ref().is_some_and(|person| !person.has_password) {
        return Err(conflict("the OpenID provider has this person's password"));
    }
    let address = address(peer.as_deref());
    let now = clock::now().0;
    let Some(turn) = state.failures.turn(&address, now) else {
        return Err(too_many_passwords());
    };
    tokio::time::sleep(turn.delay.max(state.logins.delay(&who.name, now))).await;
    let outcome = match who.credential {
        Credential::Session(session) => {
            let (store, realm) = (&state.store, state.realm.as_str());
            store.change_own_seat_password(&who.name, session, realm, &current, &new).await?
        }
        Credential::PersonSession(session) => {
            let changed = state.store.change_own_password(&who.name, session, &current, &new);
            changed.await.map_err(|error| crate::people::refused(None, error))?
        }
        Credential::Key(_) => return Err(conflict("a key has no password: make another key")),
        Credential::Password(_) => {
            return Err(conflict("the administrator's is set by `qingting admin-password`"));
        }
    };
    drop(turn);
    match outcome {
        OwnPassword::Changed => {
            if who.extension().is_some() {
                state.switchboard.seats_changed().await;
            }
            Ok(StatusCode::NO_CONTENT)
        }
        OwnPassword::Same => Err(Problem::invalid("new", "new: it is the current one")),
        OwnPassword::Wrong => {
            let now = clock::now().0;
            state.failures.count(&address, now);
            state.logins.count(&who.name, now);
            Err(Problem::invalid("current", "current: it is not the password"))
        }
    }
}
