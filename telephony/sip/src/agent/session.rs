//! Session timers (RFC 4028): a call whose peer has gone without a word ends all the same.

use super::Agent;
use super::call::{CallKey, Offer, Phase};
use super::change::Change;
use crate::event::DialogEvent;
use crate::handle::Reply;
use crate::message::{HeaderName, Headers, Refresher, Request, Response, SessionExpires, min_se_s};
use crate::transport::Flow;
use qingting_common::Millis;
use std::time::Duration;

/// Least interval of any session (RFC 4028 §4).
const INTERVAL_S_FLOOR: u32 = 90;

/// Longest interval that is asked of us and kept: a day.
const INTERVAL_S_MAX: u32 = 86_400;

/// A session ends this long before its interval, or a third of it (§10).
const END_EARLY_S_MAX: u32 = 32;

/// A refresh that meets other business of the call waits this long.
const REFRESH_RETRY: Duration = Duration::from_secs(4);

/// Why the BYE of an expired session is sent (RFC 3326).
const REASON: &str = "SIP;cause=408;text=\"Session expired\"";

/// The session timer of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The interval that we ask for, in seconds; 0 asks for none, and only the peer's counts.
    pub expires_s: u32,
    /// The least interval that we accept, in seconds; never below 90.
    pub min_se_s: u32,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { expires_s: 1_800, min_se_s: INTERVAL_S_FLOOR }
    }
}

/// What a request of the peer says about the timer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TimerAsk {
    expires: Option<SessionExpires>,
    min_se_s: u32,
    supported: bool,
}

impl TimerAsk {
    pub(super) fn of(headers: &Headers) -> Self {
        let names = [HeaderName::Supported, HeaderName::Require];
        let mut tags = names.iter().flat_map(|name| headers.tags(name));
        Self {
            expires: SessionExpires::of(headers),
            min_se_s: min_se_s(headers).unwrap_or(0).min(INTERVAL_S_MAX),
            supported: tags.any(|tag| tag.eq_ignore_ascii_case("timer")),
        }
    }
}

/// A running timer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    interval_s: u32,
    we_refresh: bool,
    /// The peer keeps the timer too; else it is ours alone, and any answer shows that it lives.
    mutual: bool,
    refresh_at: Option<Millis>,
    ends_at: Millis,
}

impl Session {
    fn start(now: Millis, interval_s: u32, we_refresh: bool, mutual: bool) -> Self {
        let interval = Duration::from_secs(u64::from(interval_s));
        let early = Duration::from_secs(u64::from(END_EARLY_S_MAX.min(interval_s / 3)));
        Self {
            interval_s,
            we_refresh,
            mutual,
            refresh_at: we_refresh.then(|| now + interval / 2),
            ends_at: now + (interval - early),
        }
    }

    pub(super) fn deadline(&self) -> Millis {
        self.refresh_at.map_or(self.ends_at, |at| at.min(self.ends_at))
    }
}

impl Agent {
    /// Refuses a request whose session would be refreshed too often (§9); says whether it did.
    pub(super) fn refuses_interval(&mut self, flow: Flow, request: &Request) -> bool {
        let (ask, least) = (TimerAsk::of(&request.headers), self.least_s(0));
        let small = ask.expires.is_some_and(|expires| expires.interval_s < least);
        if small && ask.supported {
            let extra = vec![(HeaderName::MinSe, least.to_string())];
            self.refuse(flow, request, 422, extra);
        }
        small && ask.supported
    }

    fn least_s(&self, asked_s: u32) -> u32 {
        self.config.session.min_se_s.max(INTERVAL_S_FLOOR).max(asked_s)
    }

    /// A 2xx of ours with what it says of the timer, which starts now (§9, table 2).
    pub(super) fn with_session(
        &mut self,
        now: Millis,
        key: CallKey,
        ask: TimerAsk,
        mut reply: Reply,
        to_invite: bool,
    ) -> Reply {
        let (ours_s, least_s) = (self.config.session.expires_s, self.least_s(ask.min_se_s));
        let Some(call) = self.calls.get_mut(&key) else { return reply };
        // Until the 2xx to the INVITE there is no session to time.
        if call.phase == Phase::Calling || call.phase == Phase::Incoming && !to_invite {
            return reply;
        }
        let interval_s = match (ask.expires, ours_s) {
            (Some(expires), 0) => expires.interval_s.min(INTERVAL_S_MAX),
            (Some(expires), _) => expires.interval_s.min(ours_s.max(least_s)),
            (None, 0) => {
                call.session = None;
                return reply;
            }
            (None, _) => ours_s,
        };
        let interval_s = interval_s.max(least_s);
        let refresher = match ask.expires.and_then(|expires| expires.refresher) {
            _ if !ask.supported => Refresher::Uas,
            asked => asked.unwrap_or(Refresher::Uac),
        };
        let we_refresh = refresher == Refresher::Uas;
        call.session = Some(Session::start(now, interval_s, we_refresh, ask.supported));
        let value = SessionExpires { interval_s, refresher: Some(refresher) };
        reply.headers.push((HeaderName::SessionExpires, value.to_string()));
        if ask.supported {
            reply.headers.push((HeaderName::Require, "timer".to_owned()));
        }
        self.arm_call(key);
        reply
    }

    /// What a request of ours says of the timer (§7.1, §7.4): the roles stay as they are.
    pub(super) fn session_request(&self, key: CallKey) -> Vec<(HeaderName, String)> {
        let Some(call) = self.calls.get(&key) else { return Vec::new() };
        let (interval_s, refresher) = match &call.session {
            Some(session) if session.we_refresh => (session.interval_s, Some(Refresher::Uac)),
            Some(session) => (session.interval_s, Some(Refresher::Uas)),
            None if self.config.session.expires_s == 0 => return Vec::new(),
            None => (self.config.session.expires_s, None),
        };
        let interval_s = interval_s.max(self.least_s(call.min_se_s));
        let value = SessionExpires { interval_s, refresher };
        let mut headers = vec![(HeaderName::SessionExpires, value.to_string())];
        if call.min_se_s > 0 {
            headers.push((HeaderName::MinSe, call.min_se_s.to_string()));
        }
        headers
    }

    /// A 2xx to a request of ours: without Session-Expires there is no timer (§7.2), but one of
    /// ours alone goes on.
    pub(super) fn session_granted(&mut self, now: Millis, key: CallKey, response: &Response) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.session = match (SessionExpires::of(&response.headers), call.session) {
            (Some(granted), _) => {
                let interval_s = granted.interval_s.clamp(INTERVAL_S_FLOOR, INTERVAL_S_MAX);
                let we_refresh = granted.refresher != Some(Refresher::Uas);
                Some(Session::start(now, interval_s, we_refresh, true))
            }
            (None, Some(Session { mutual: false, interval_s, .. })) => {
                Some(Session::start(now, interval_s, true, false))
            }
            (None, _) => None,
        };
        self.arm_call(key);
    }

    /// A refresh that was refused or not answered. A peer without the timer has shown by any
    /// answer that it lives; else the session ends in its time, or is refreshed once more before.
    pub(super) fn refresh_failed(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(session) = &mut call.session else { return };
        if session.mutual {
            let left = (session.ends_at - now) / 2;
            session.refresh_at = (left > REFRESH_RETRY).then(|| now + left);
        } else {
            *session = Session::start(now, session.interval_s, true, false);
        }
        self.arm_call(key);
    }

    /// Refreshes, or ends what was not refreshed (§10).
    pub(super) fn fire_session(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(session) = &mut call.session else { return };
        if now >= session.ends_at {
            call.session = None;
            self.tell(key, DialogEvent::SessionExpired);
            return self.hang_up(now, key, Some(REASON.to_owned()));
        }
        if session.refresh_at.is_none_or(|at| now < at) {
            return;
        }
        session.refresh_at = Some(now + REFRESH_RETRY);
        if call.is_negotiating() || !call.unacked.is_empty() || call.offer != Offer::None {
            return;
        }
        session_sent(call);
        let update = call.peer.update || call.described.is_none();
        let offer = if update { None } else { call.described.clone() };
        call.change = Some(Change::new(update, offer, true));
        self.send_change(now, key);
    }
}

/// Nothing more is to be refreshed until the answer.
fn session_sent(call: &mut super::call::Call) {
    if let Some(session) = &mut call.session {
        session.refresh_at = None;
    }
}
