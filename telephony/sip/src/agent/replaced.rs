//! INVITEs that take over a dialog (RFC 3891 §3).

use super::Agent;
use super::call::{Call, CallKey, Phase};
use super::receive::dialog_index;
use crate::handle::Replaced;
use crate::message::{HeaderName, Replaces, Request};
use qingting_common::Millis;
use std::collections::VecDeque;
use std::time::Duration;

/// Ended dialogs that are remembered, at most.
const ENDED_MAX: usize = 1_024;

/// How long an ended dialog is remembered: whoever replaces it later is told that it never was.
const ENDED_FOR: Duration = Duration::from_secs(32);

/// Dialogs that ended lately: when, Call-ID with our tag, and the peer's tag.
#[derive(Default)]
pub(super) struct Ended(VecDeque<(Millis, String, String)>);

impl Ended {
    pub(super) fn note(&mut self, now: Millis, call: Call) {
        let Some(dialog) = &call.dialog else { return };
        if self.0.len() >= ENDED_MAX {
            self.0.pop_front();
        }
        let tag = dialog.remote_tag().to_owned();
        self.0.push_back((now, call.index, tag));
    }

    fn has(&self, now: Millis, index: &str, tag: &str) -> bool {
        let recent = self.0.iter().rev().take_while(|(at, ..)| now - *at < ENDED_FOR);
        recent.into_iter().any(|(_, known, remote)| known == index && same_tag(remote, tag))
    }
}

impl Agent {
    /// The dialog that a new INVITE replaces, or the status that refuses it.
    pub(super) fn replaced(&self, now: Millis, request: &Request) -> Result<Option<Replaced>, u16> {
        let Some(value) = request.headers.first(&HeaderName::Replaces) else { return Ok(None) };
        let replaces = Replaces::parse(value).ok_or(400u16)?;
        let index = dialog_index(&replaces.call_id, &replaces.to_tag);
        let Some((key, call)) =
            self.dialogs.get(&index).and_then(|key| Some((*key, self.calls.get(key)?)))
        else {
            let ended = self.ended.has(now, &index, &replaces.from_tag);
            return Err(if ended { 603 } else { 481 });
        };
        let early = || call.early.iter().map(|early| &early.dialog);
        let known = call.dialog.iter().chain(early());
        if !known.into_iter().any(|dialog| same_tag(dialog.remote_tag(), &replaces.from_tag)) {
            return Err(481);
        }
        match call.phase {
            Phase::Leaving => Err(603),
            // Only whoever made a call may have it replaced before its answer.
            Phase::Incoming => Err(481),
            Phase::Talking if replaces.early_only => Err(486),
            Phase::Talking | Phase::Calling => Ok(Some(Replaced { call: key, replaces })),
        }
    }

    /// The value that names a call's dialog to its peer.
    pub(super) fn replaces_value(&self, key: CallKey) -> Option<Replaces> {
        let call = self.calls.get(&key)?;
        let dialog = call.dialog.as_ref()?;
        let (call_id, our_tag) = call.index.rsplit_once('\n')?;
        let tag = dialog.remote_tag();
        Some(Replaces {
            call_id: call_id.to_owned(),
            to_tag: if tag.is_empty() { "0" } else { tag }.to_owned(),
            from_tag: our_tag.to_owned(),
            early_only: false,
        })
    }
}

/// A peer of RFC 2543 has no tag, which a Replaces writes as `0`.
fn same_tag(tag: &str, named: &str) -> bool {
    tag == named || tag.is_empty() && named == "0"
}
