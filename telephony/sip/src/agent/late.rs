//! The ACK of a 2xx that brings an offer: the owner gives the answer (RFC 3261 §13.2.2.4).

use super::Agent;
use super::asked::OWNER_ANSWERS_MAX;
use super::call::{CallKey, Offer};
use super::table::TxId;
use crate::dialog::DialogState;
use crate::transport::Flow;
use bytes::Bytes;
use qingting_common::Millis;

/// A 2xx whose ACK waits for the owner's answer.
pub(super) struct Late {
    id: TxId,
    dialog: DialogState,
    base: (Flow, bool),
    pub(super) until: Millis,
}

impl Agent {
    /// Keeps the ACK of a 2xx back for its answer.
    pub(super) fn hold_ack(
        &mut self,
        now: Millis,
        key: CallKey,
        id: TxId,
        base: (Flow, bool),
        dialog: DialogState,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let until = now + OWNER_ANSWERS_MAX;
        call.late = Some(Box::new(Late { id, dialog, base, until }));
        call.offer = Offer::Theirs;
        self.arm_call(key);
    }

    /// Sends the ACK that waits, if one does.
    pub(super) fn release_ack(&mut self, key: CallKey, answer: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(late) = call.late.take() else { return };
        call.offer = Offer::None;
        if answer.is_some() {
            call.described.clone_from(&answer);
        }
        self.send_late(*late, answer.as_ref());
    }

    pub(super) fn send_late(&mut self, late: Late, answer: Option<&Bytes>) {
        let Late { id, dialog, base, .. } = late;
        let ack = self.send_ack(id, base, &dialog, answer);
        let Some(tx) = self.clients.entry(id) else { return };
        let tag = dialog.remote_tag();
        if let Some((_, kept)) = tx.acks.iter_mut().find(|(known, _)| known == tag) {
            *kept = Some(ack);
        }
    }

    /// An owner who does not answer an offer has no use for the call.
    pub(super) fn fire_late(&mut self, now: Millis, key: CallKey) {
        let late = self.calls.get(&key).and_then(|call| call.late.as_ref());
        if late.is_some_and(|late| now >= late.until) {
            self.hang_up(now, key, None);
        }
    }
}
