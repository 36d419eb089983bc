//! REFERs of the peer: a transfer that it asks of us (RFC 3515, RFC 3892, RFC 4488).

use super::Agent;
use super::asked::AskedKind;
use super::call::{CallKey, Phase};
use super::table::{Purpose, TxId};
use crate::event::DialogEvent;
use crate::handle::Reply;
use crate::message::{HeaderName, Method, NameAddr, Replaces, Request, SipUri, unescape};
use crate::transport::Flow;
use qingting_common::Millis;
use std::collections::VecDeque;

/// Seconds that a referrer is to expect word within.
const SUBSCRIPTION_S: u32 = 180;

/// Words to the referrer that wait for the answer to the one before, at most: a later one that is
/// not final replaces an earlier one.
const NOTICES_MAX: usize = 4;

/// A transfer that the peer asked for.
pub(super) struct Referral {
    /// The REFER's number, which tells its subscription from an earlier one's.
    id: Option<u32>,
    /// `Refer-Sub: false` was asked for: nobody is told (RFC 4488).
    silent: bool,
    accepted: bool,
    pub(super) open: Option<TxId>,
    queue: VecDeque<Notice>,
    /// The last word is given.
    over: bool,
}

struct Notice {
    code: u16,
    reason: String,
    is_final: bool,
}

impl Agent {
    /// A REFER. One at a time.
    pub(super) fn referred(
        &mut self,
        now: Millis,
        way: (Flow, String),
        request: &Request,
        key: CallKey,
    ) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.phase != Phase::Leaving)
        else {
            return self.refuse(way.0, request, 481, Vec::new());
        };
        if call.phase != Phase::Talking || call.referral.as_ref().is_some_and(|r| !r.over) {
            return self.refuse_for_now(way.0, request);
        }
        let Some((target, replaces)) =
            request.headers.first(&HeaderName::ReferTo).and_then(refer_to)
        else {
            return self.refuse(way.0, request, 400, Vec::new());
        };
        let referred_by = request.headers.first(&HeaderName::ReferredBy);
        let referred_by = referred_by.and_then(NameAddr::parse).map(|by| Box::new(by.uri));
        let silent = request.headers.first(&HeaderName::ReferSub);
        let silent = silent.is_some_and(|wanted| wanted.trim().eq_ignore_ascii_case("false"));
        call.refers += 1;
        call.referral = Some(Box::new(Referral {
            id: (call.refers > 1).then_some(request.cseq.number),
            silent,
            accepted: false,
            open: None,
            queue: VecDeque::new(),
            over: false,
        }));
        self.ask(now, way, request, key, AskedKind::Refer);
        let (target, replaces) = (Box::new(target), replaces.map(Box::new));
        self.tell(key, DialogEvent::Refer { target, replaces, referred_by });
    }

    /// The owner will do it: 202, and 100 Trying as the first word.
    pub(super) fn accept_refer(&mut self, now: Millis, key: CallKey) {
        let Some(id) = self.take_asked(key, AskedKind::Refer) else { return };
        let Some(referral) = self.referral(key) else { return };
        referral.accepted = true;
        let mut reply = Reply::new(202);
        if referral.silent {
            reply.headers.push((HeaderName::ReferSub, "false".to_owned()));
        }
        self.respond_asked(now, id, &reply);
        self.notify_refer(now, key, 100, "Trying".to_owned(), false);
    }

    /// The owner will not do it.
    pub(super) fn reject_refer(&mut self, now: Millis, key: CallKey, code: u16) {
        let Some(id) = self.take_asked(key, AskedKind::Refer) else { return };
        if let Some(call) = self.calls.get_mut(&key) {
            call.referral = None;
        }
        let code = if (300..700).contains(&code) { code } else { 603 };
        self.respond_asked(now, id, &Reply::new(code));
    }

    /// Tells the referrer how the transfer goes.
    pub(super) fn notify_refer(
        &mut self,
        now: Millis,
        key: CallKey,
        code: u16,
        reason: String,
        is_final: bool,
    ) {
        let Some(referral) = self.referral(key).filter(|r| r.accepted && !r.over) else { return };
        referral.over = is_final;
        if referral.silent || !(100..700).contains(&code) {
            return;
        }
        referral.queue.truncate(NOTICES_MAX - 1);
        referral.queue.push_back(Notice { code, reason, is_final });
        self.send_notice(now, key);
    }

    fn referral(&mut self, key: CallKey) -> Option<&mut Referral> {
        self.calls.get_mut(&key)?.referral.as_deref_mut()
    }

    /// Sends the next word once the one before is answered, so that they come in order.
    fn send_notice(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.phase == Phase::Talking)
        else {
            return;
        };
        let Some(referral) = call.referral.as_mut().filter(|r| r.open.is_none()) else { return };
        let Some(notice) = referral.queue.pop_front() else { return };
        let event = match referral.id {
            Some(id) => format!("refer;id={id}"),
            None => "refer".to_owned(),
        };
        let state = if notice.is_final {
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={SUBSCRIPTION_S}")
        };
        let headers = [
            (HeaderName::Event, event),
            (HeaderName::SubscriptionState, state),
            (HeaderName::ContentType, "message/sipfrag;version=2.0".to_owned()),
        ];
        let reason = notice.reason.replace(['\r', '\n'], " ");
        let body = format!("SIP/2.0 {} {reason}\r\n", notice.code).into();
        let Some(dialog) = &mut call.dialog else { return };
        let outgoing = dialog.request(Method::Notify);
        let flow = call.flow_to(&outgoing.next_hop);
        let id = self.start(now, key, flow, outgoing, Purpose::Notify, &headers, Some(&body));
        if let Some(referral) = self.referral(key) {
            referral.open = Some(id);
        }
    }

    /// A word of ours is answered, or never will be: who refuses one wants no more of them.
    pub(super) fn notice_done(&mut self, now: Millis, key: CallKey, id: TxId, code: u16) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(referral) = call.referral.as_mut().filter(|r| r.open == Some(id)) else { return };
        referral.open = None;
        if code >= 300 {
            (referral.silent, referral.queue) = (true, VecDeque::new());
        }
        self.send_notice(now, key);
    }
}

/// The address and the dialog to be replaced (RFC 3891 §4); `None` when one is unreadable.
fn refer_to(value: &str) -> Option<(SipUri, Option<Replaces>)> {
    let mut target = NameAddr::parse(value)?.uri;
    let headers = target.headers.take().unwrap_or_default();
    let mut replaces = headers.split('&').filter_map(|header| {
        let (name, value) = header.split_once('=')?;
        name.eq_ignore_ascii_case("Replaces").then(|| Replaces::parse(&unescape(value)))
    });
    match (replaces.next(), replaces.next()) {
        (None, _) => Some((target, None)),
        (Some(Some(replaces)), None) => Some((target, Some(replaces))),
        _ => None,
    }
}
