//! Responses to our requests.

use super::Agent;
use super::Origin;
use super::call::{CallKey, Phase};
use super::output::{Outbound, Output};
use super::table::{ClientMachine, Other, Purpose, TxId};
use crate::event::DialogEvent;
use crate::message::{HeaderName, Response};
use crate::transaction::{OnResponse, client_key};
use crate::transport::Flow;
use qingting_common::Millis;

impl Agent {
    /// A response. One with a second Via was not meant for us (RFC 3261 §8.1.3.3).
    pub(super) fn response(&mut self, now: Millis, flow: Flow, response: Response) {
        let id = client_key(&response).and_then(|key| self.clients.find(&key));
        let Some(id) = id.filter(|_| response.headers.all(&HeaderName::Via).count() == 1) else {
            self.stats.stray += 1;
            return;
        };
        let Some(tx) = self.clients.entry(id) else { return };
        match &mut tx.machine {
            ClientMachine::Other(machine) => {
                let done = machine.response(now, response.code);
                let (kind, call) = (tx.purpose.kind(), tx.call);
                if done && !self.goes_on(now, id, &response) {
                    self.other_answered(now, id, call, kind, response);
                }
                self.arm_client(id);
            }
            ClientMachine::Invite(machine) => {
                let meaning = machine.response(now, response.code);
                let is_first = matches!(tx.purpose, Purpose::Invite);
                let is_wanted = is_first && self.calls.contains_key(&tx.call);
                if is_wanted && (101..300).contains(&response.code) {
                    let source = (!self.edge.config.is_proxy(flow.remote))
                        .then(|| flow.remote.ip().to_canonical());
                    self.outputs.push_back(Output::Heard { call: tx.call, source });
                }
                self.invite_answered(now, id, meaning, &response);
            }
        }
    }

    /// Whether a request that was refused is sent once more.
    fn goes_on(&mut self, now: Millis, id: TxId, response: &Response) -> bool {
        self.authenticate(now, id, response) || response.code == 503 && self.fail_over(now, id)
    }

    fn invite_answered(&mut self, now: Millis, id: TxId, meaning: OnResponse, response: &Response) {
        match meaning {
            OnResponse::Ignored => self.stats.retransmissions_in += 1,
            OnResponse::Reacknowledge(bytes) => {
                self.stats.retransmissions_in += 1;
                let Some(tx) = self.clients.entry(id) else { return };
                let outbound =
                    Outbound { flow: tx.flow, bytes, origin: Origin::Nobody, dial: true };
                self.resend(outbound);
            }
            OnResponse::Pass if response.code < 200 => self.progress(now, id, response),
            OnResponse::Pass => {
                self.arm_client(id);
                self.accepted(now, id, response);
            }
            OnResponse::Refused => {
                self.acknowledge_refusal(id, response);
                if !self.goes_on(now, id, response) {
                    self.refused(now, id, response);
                }
                self.arm_client(id);
            }
        }
    }

    /// The final response to a request that is no INVITE.
    fn other_answered(
        &mut self,
        now: Millis,
        id: TxId,
        key: CallKey,
        kind: Other,
        response: Response,
    ) {
        match kind {
            Other::Quiet => {}
            Other::Bye => self.bye_done(now, key),
            Other::Update => {
                self.update_done(now, key, id, Some(&response), failure(&response));
            }
            Other::Refer => self.refer_done(key, id, Some(&response)),
            Other::Outside(number) => self.responded(number, Ok(Box::new(response))),
            Other::Notify => self.notice_done(now, key, id, response.code),
        }
    }

    fn refused(&mut self, now: Millis, id: TxId, response: &Response) {
        let Some(key) = self.clients.entry(id).map(|tx| tx.call) else { return };
        let current = self.calls.get(&key).filter(|call| call.invite_out == Some(id));
        let again = match current.map(|call| call.phase) {
            Some(Phase::Calling) => self.invites_again(now, key, id, response),
            Some(Phase::Talking) => self.changes_again(now, key, response),
            _ => false,
        };
        if again {
            return;
        }
        let event = failure(response);
        self.failed(now, key, id, event, matches!(response.code, 408 | 481));
    }

    /// An INVITE of ours failed: the call is over, or after a re-INVITE only when the peer has
    /// lost the dialog (RFC 3261 §12.2.1.2).
    pub(super) fn failed(
        &mut self,
        now: Millis,
        key: CallKey,
        id: TxId,
        event: DialogEvent,
        dialog_lost: bool,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.invite_out != Some(id) {
            return;
        }
        call.invite_out = None;
        match call.phase {
            Phase::Calling => {
                self.tell(key, event);
                self.end_call(now, key);
            }
            Phase::Talking => {
                self.change_failed(now, key, event, dialog_lost);
                if dialog_lost {
                    self.start_bye(now, key, None);
                }
            }
            Phase::Incoming | Phase::Leaving => {}
        }
    }
}

fn failure(response: &Response) -> DialogEvent {
    DialogEvent::Failed {
        code: response.code,
        reason: response.reason.clone(),
        retry_after_s: response.retry_after_s(),
        warning: warning(response),
        q850: q850(response),
    }
}

/// `Q.850;cause=16;text="…"`, among others of other protocols.
fn q850(response: &Response) -> Option<u8> {
    let reasons = response.headers.named("Reason").flat_map(|value| value.split(','));
    reasons.into_iter().find_map(|reason| {
        let mut parts = reason.split(';').map(str::trim);
        parts.next().filter(|protocol| protocol.eq_ignore_ascii_case("Q.850"))?;
        parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("cause").then(|| value.trim().parse().ok())?
        })
    })
}

fn warning(response: &Response) -> Option<String> {
    response.headers.named("Warning").next().map(str::to_owned)
}
