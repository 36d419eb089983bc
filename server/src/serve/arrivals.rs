//! A new dialog: whose it is, and which call it belongs to.

use super::identity::Identity;
use super::replies::busy;
use super::switchboard::Letter;
use super::{Hotline, call};
use crate::clock;
use qingting_common::CallId;
use qingting_core::queue::SeatId;
use qingting_sip::{IncomingCall, Reply};
use std::sync::Arc;
use uuid::Uuid;

/// Stays with what becomes a call of its own until that is over.
pub async fn take(hotline: Arc<Hotline>, incoming: IncomingCall) {
    if incoming.replaces.is_some() {
        return replace(&hotline, incoming);
    }
    match incoming.user.clone() {
        Some(extension) => from_seat(hotline, SeatId::new(&extension), incoming).await,
        None => from_citizen(hotline, incoming).await,
    }
}

/// It takes the place of a dialog in a call that runs.
fn replace(hotline: &Hotline, incoming: IncomingCall) {
    let calls = &hotline.switchboard.calls;
    let named = incoming.replaces.as_ref().map(|of| of.replaces.call_id.as_str());
    let call = named.and_then(|call_id| calls.of_dialog(call_id));
    // Only who belongs to the house may take a call over.
    let Some(call) = call.filter(|_| incoming.user.is_some()) else {
        return incoming.dialog.respond(Reply::new(481));
    };
    let refused = calls.post(call, Letter::Replace { incoming: Box::new(incoming) });
    if let Err(letter) = refused
        && let Letter::Replace { incoming } = *letter
    {
        incoming.dialog.respond(Reply::new(481));
    }
}

/// A seat's telephone calls: from within a call it asks somebody, else it begins one.
async fn from_seat(hotline: Arc<Hotline>, seat: SeatId, incoming: IncomingCall) {
    let switchboard = &hotline.switchboard;
    if let Some(call) = switchboard.calls.of_seat(&seat) {
        let letter = Letter::SecondLine { seat, incoming: Box::new(incoming) };
        if let Err(letter) = switchboard.calls.post(call, letter)
            && let Letter::SecondLine { incoming, .. } = *letter
        {
            incoming.dialog.respond(Reply::new(486));
        }
        return;
    }
    let Some(beginning) = switchboard.seat_calls(&seat, &incoming) else {
        return incoming.dialog.respond(Reply::new(404));
    };
    let id = CallId::new(Uuid::now_v7());
    let Some(letters) = switchboard.calls.admit(id, None, 0) else { return };
    tracing::info!(call = %id, seat = seat.as_str(), "a seat calls");
    call::run(Arc::clone(&hotline), id, beginning, Some(incoming), letters).await;
}

async fn from_citizen(hotline: Arc<Hotline>, incoming: IncomingCall) {
    let id = CallId::new(Uuid::now_v7());
    let sip = &hotline.config.sip;
    let source = incoming.source.ip();
    let is_trusted =
        sip.trusted_peers.contains(&source) || hotline.switchboard.trunks.peers().contains(&source);
    let identity = Identity::of(&incoming.request, is_trusted);
    // With its source: nobody else can make a number look busy by claiming it.
    let caller = identity.caller_digits().map(|digits| format!("{digits}@{source}"));
    let calls = &hotline.switchboard.calls;
    let Some(letters) = calls.admit(id, caller.as_deref(), sip.calls_per_caller_max) else {
        hotline.counters.refused(486);
        tracing::debug!(call = %id, "refused: this number has too many calls at once");
        return incoming.dialog.respond(busy());
    };
    let called = identity.called_told();
    tracing::info!(call = %id, called, from = %incoming.source, "call");
    let _line = hotline.switchboard.trunks.line_of_peer(source);
    let beginning = hotline.switchboard.citizen_calls(&incoming, &identity, clock::unix_now());
    call::run(Arc::clone(&hotline), id, beginning, Some(incoming), letters).await;
}
