//! Our REFERs and the peer's NOTIFYs about them (RFC 3515 §2.4).

use super::Agent;
use super::call::{CallKey, Phase};
use super::table::{Purpose, TxId};
use crate::event::DialogEvent;
use crate::handle::Reply;
use crate::message::{HeaderName, Method, NameAddr, Replaces, Request, Response, SipUri};
use crate::transport::Flow;
use qingting_common::Millis;
use std::time::Duration;

/// How long we wait for the next word about a transfer.
const SILENCE_MAX: Duration = Duration::from_secs(180);

/// A transfer that we asked for.
pub(super) struct Referring {
    /// Our REFER until its final response.
    pub(super) id: Option<TxId>,
    until: Millis,
}

impl Referring {
    pub(super) const fn deadline(&self) -> Millis {
        self.until
    }
}

impl Agent {
    /// Sends a REFER. One at a time.
    pub(super) fn refer(
        &mut self,
        now: Millis,
        key: CallKey,
        target: &SipUri,
        replaces: Option<&Replaces>,
    ) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.phase == Phase::Talking)
        else {
            return;
        };
        if call.referring.is_some() {
            return self.tell(key, progress(491, "Request Pending", true));
        }
        let Some(dialog) = &mut call.dialog else { return };
        let mut target = target.clone();
        if let Some(replaces) = replaces {
            target.headers = Some(format!("Replaces={}", replaces.escaped()));
        }
        let mut headers = vec![(HeaderName::ReferTo, format!("<{target}>"))];
        let us = NameAddr::parse(dialog.local()).map(|us| format!("<{}>", us.uri));
        headers.extend(us.map(|us| (HeaderName::ReferredBy, us)));
        let outgoing = dialog.request(Method::Refer);
        let flow = call.flow_to(&outgoing.next_hop);
        call.referring = Some(Referring { id: None, until: now + SILENCE_MAX });
        let id = self.start(now, key, flow, outgoing, Purpose::Refer, &headers, None);
        if let Some(referring) = self.calls.get_mut(&key).and_then(|c| c.referring.as_mut()) {
            referring.id = Some(id);
        }
        self.arm_call(key);
    }

    /// The final response to our REFER, or none. A 2xx without a subscription is the last word.
    pub(super) fn refer_done(&mut self, key: CallKey, id: TxId, response: Option<&Response>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(referring) = call.referring.as_mut().filter(|r| r.id == Some(id)) else { return };
        referring.id = None;
        let Some(response) = response else {
            call.referring = None;
            return self.tell(key, progress(408, "Request Timeout", true));
        };
        let silent = response.headers.first(&HeaderName::ReferSub);
        let silent = silent.is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        if response.code >= 300 || silent {
            call.referring = None;
            self.tell(key, progress(response.code, &response.reason, true));
        }
    }

    /// A NOTIFY: about our REFER, or 481; another event is 489.
    pub(super) fn notified(
        &mut self,
        now: Millis,
        way: (Flow, String),
        request: &Request,
        key: CallKey,
    ) {
        let event = request.headers.first(&HeaderName::Event).unwrap_or_default();
        let package = event.split(';').next().unwrap_or_default().trim();
        if !package.eq_ignore_ascii_case("refer") {
            let allowed = HeaderName::Other("Allow-Events".to_owned());
            return self.refuse(way.0, request, 489, vec![(allowed, "refer".to_owned())]);
        }
        let Some(referring) = self.calls.get_mut(&key).and_then(|call| call.referring.as_mut())
        else {
            return self.refuse(way.0, request, 481, Vec::new());
        };
        let state = request.headers.first(&HeaderName::SubscriptionState).unwrap_or_default();
        let state = state.split(';').next().unwrap_or_default().trim();
        let ended = state.eq_ignore_ascii_case("terminated");
        let Some((code, reason)) =
            status(request).or_else(|| ended.then(|| (500, "Subscription Terminated".to_owned())))
        else {
            return self.refuse(way.0, request, 400, Vec::new());
        };
        let is_final = ended || code >= 200;
        referring.until = now + SILENCE_MAX;
        if is_final && let Some(call) = self.calls.get_mut(&key) {
            call.referring = None;
        }
        self.answer_within(now, way, request, key, &Reply::new(200));
        self.tell(key, progress(code, &reason, is_final));
    }

    /// Gives up waiting for word.
    pub(super) fn fire_referring(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.referring.take_if(|referring| now >= referring.until).is_some() {
            self.tell(key, progress(408, "Request Timeout", true));
        }
    }
}

/// The status line that a NOTIFY carries (RFC 3420).
fn status(request: &Request) -> Option<(u16, String)> {
    let kind = request.headers.first(&HeaderName::ContentType)?;
    let kind = kind.split(';').next()?.trim();
    let text = std::str::from_utf8(&request.body).ok()?;
    let line = text.lines().next()?.strip_prefix("SIP/2.0 ")?;
    let (code, reason) = line.split_once(' ').unwrap_or((line, ""));
    let code = code.parse::<u16>().ok().filter(|code| (100..700).contains(code))?;
    kind.eq_ignore_ascii_case("message/sipfrag").then(|| (code, reason.trim().to_owned()))
}

fn progress(code: u16, reason: &str, is_final: bool) -> DialogEvent {
    DialogEvent::ReferProgress { code, reason: reason.to_owned(), is_final }
}
