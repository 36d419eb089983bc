//! Requests outside a dialog, before the agent takes them: admission, digest, REGISTER.

use super::Agent;
use super::edge::Edge;
use super::output::Output;
use crate::admission::{Asks, Caller, Verdict as Admission};
use crate::auth::{Algorithm, Verdict};
use crate::message::{HeaderName, Headers, Method, Request};
use crate::transport::{Flow, Link};
use qingting_common::Millis;
use std::net::SocketAddr;

/// What becomes of a request after the guard has looked at it.
pub(super) enum Guarded {
    /// It goes on, as this user's or as anybody's.
    Pass(Option<String>),
    /// It is answered already, or never will be.
    Done,
}

impl Agent {
    /// Whether a request outside dialogs is heard; if not, it is refused or dropped here.
    pub(super) fn is_heard(&mut self, now: Millis, flow: Flow, request: &Request) -> bool {
        if self.edge.config.is_unsigned(flow, &request.headers) {
            self.refuse(flow, request, 400, Vec::new());
            return false;
        }
        let asks = match request.method {
            Method::Invite => Asks::Invite,
            Method::Register => Asks::Register,
            _ => Asks::Other,
        };
        match self.admission(now, flow, Some(&request.headers), asks) {
            Admission::Pass => true,
            Admission::Reject => {
                self.not_admitted(flow, request);
                false
            }
            Admission::Silence => false,
        }
    }

    /// What the source of a message has left of its share.
    pub(super) fn admission(
        &mut self,
        now: Millis,
        flow: Flow,
        headers: Option<&Headers>,
        asks: Asks,
    ) -> Admission {
        let is_known = self.knows(flow, headers);
        let edge = &mut self.edge;
        let Some(gate) = &mut edge.gate else { return Admission::Pass };
        let source = match headers {
            Some(headers) => edge.config.sender(flow, headers).addr,
            // What a proxy of ours passed on in pieces is not held against all who are behind it.
            None if edge.config.is_proxy(flow.remote) => return Admission::Pass,
            None => flow.remote,
        };
        // What it asks by itself: whether we are there.
        if edge.config.is_proxy(flow.remote) && source == flow.remote {
            return Admission::Pass;
        }
        if edge.config.trusts(source.ip()) || is_known {
            return Admission::Pass;
        }
        gate.source(now, source.ip(), asks)
    }

    /// Whether a registered user is reached by the way that this came by.
    pub(super) fn knows(&self, flow: Flow, headers: Option<&Headers>) -> bool {
        let Edge { config, registrar, .. } = &self.edge;
        match headers {
            Some(headers) if config.is_proxy(flow.remote) => {
                registrar.knows_behind_proxy(config.sender(flow, headers).addr)
            }
            _ => registrar.knows(flow),
        }
    }

    /// Whether a registered user is reached by a connection.
    pub fn reaches(&self, flow: Flow) -> bool {
        self.edge.registrar.knows(flow)
    }

    /// The address that a request was sent from.
    pub(super) fn source(&self, flow: Flow, request: &Request) -> SocketAddr {
        self.edge.config.sender(flow, &request.headers).addr
    }

    /// Who sends a request without To tag, and whether there is room for its call. What belongs into a dialog is
    /// none of anybody's without one, whoever asks: nobody is asked for a password only to be told 481.
    pub(super) fn guard(&mut self, now: Millis, flow: Flow, request: &Request) -> Guarded {
        if request.method != Method::Invite {
            return Guarded::Pass(None);
        }
        let user = match self.identified(now, flow, request) {
            Guarded::Pass(user) => user,
            Guarded::Done => return Guarded::Done,
        };
        if !self.has_room(now, flow, request, user.is_some()) {
            self.not_admitted(flow, request);
            return Guarded::Done;
        }
        Guarded::Pass(user)
    }

    fn has_room(&mut self, now: Millis, flow: Flow, request: &Request, is_user: bool) -> bool {
        let is_stranger = self.is_strangers(flow, request, is_user);
        let matters = is_user || self.is_emergency(request);
        let Some(gate) = &mut self.edge.gate else { return true };
        gate.call(now, if is_stranger { Caller::Stranger } else { Caller::Known }, matters)
    }

    /// Whether one more call of a stranger may run.
    pub(super) fn has_room_for_stranger(&mut self, request: &Request) -> bool {
        let (strangers, emergency) = (self.strangers, self.is_emergency(request));
        self.edge.gate.as_mut().is_none_or(|gate| gate.has_room(strangers, emergency))
    }

    fn is_emergency(&self, request: &Request) -> bool {
        let called = request.uri.user_name();
        called.is_some_and(|called| self.edge.config.emergency_users.contains(&called))
    }

    /// Whether a call comes from nobody whom we know: no user, trunk, proxy or other peer of ours.
    pub(super) fn is_strangers(&self, flow: Flow, request: &Request, is_user: bool) -> bool {
        let source = self.source(flow, request);
        let config = &self.edge.config;
        !is_user && !config.trusts(source.ip()) && !config.is_proxy(source)
    }

    /// Asks for a password whoever calls from our place or by a registered user's way, **known or not: the answer must not tell which names exist**.
    /// A trunk's callers are never asked, though a number of theirs may look like a user's.
    fn identified(&mut self, now: Millis, flow: Flow, request: &Request) -> Guarded {
        let config = &self.edge.config;
        let source = self.source(flow, request).ip();
        let asked = !config.trusts(source);
        let Some(directory) = config.directory.clone().filter(|_| asked) else {
            return self.stranger(flow, request, asked);
        };
        let name = request.from.uri.user_name().unwrap_or_default();
        // Only who has proved to be a user is told by that which names there are.
        let is_registered = self.knows(flow, Some(&request.headers));
        let is_closed = self.edge.config.authenticate_all_but.is_some();
        let claims = is_registered && (is_closed || directory.ha1(&name).is_some());
        if !claims && !self.is_our_place(request, flow) {
            return self.stranger(flow, request, true);
        }
        let target = (&request.method, &request.uri);
        match self.edge.verifier.verify(now, &*directory, target, &request.headers, source) {
            Verdict::Authenticated(user) if user == name => Guarded::Pass(Some(user)),
            Verdict::Authenticated(_) => self.forbidden(flow, request),
            Verdict::Challenge { stale } => self.challenge(now, flow, request, stale),
        }
    }

    /// Whether a caller claims to be at our place: by our realm, our address, or the name that it
    /// calls us by. Where strangers may call, one that names the address that it sends from is at its own, were it
    /// this machine's.
    fn is_our_place(&self, request: &Request, flow: Flow) -> bool {
        let (host, ip) = (&request.from.uri.host, request.from.uri.ip());
        let is_open = self.edge.config.authenticate_all_but.is_none();
        if is_open && ip == Some(self.source(flow, request).ip().to_canonical()) {
            return false;
        }
        host.eq_ignore_ascii_case(&self.edge.config.realm)
            || host.eq_ignore_ascii_case(&request.uri.host)
            || ip == Some(flow.local.ip())
    }

    /// A call of nobody whom we know.
    fn stranger(&mut self, flow: Flow, request: &Request, untrusted: bool) -> Guarded {
        if self.edge.config.authenticate_all_but.is_some() && untrusted {
            return self.forbidden(flow, request);
        }
        Guarded::Pass(None)
    }

    fn forbidden(&mut self, flow: Flow, request: &Request) -> Guarded {
        self.stats.forbidden += 1;
        self.refuse(flow, request, 403, Vec::new());
        Guarded::Done
    }

    fn challenge(&mut self, now: Millis, flow: Flow, request: &Request, stale: bool) -> Guarded {
        self.stats.challenged += 1;
        // A browser computes SHA-256 and nothing else.
        let transport = self.edge.config.sender(flow, &request.headers).transport;
        let is_old = self.edge.config.md5_only && !transport.is_web();
        let algorithms: &[Algorithm] =
            if is_old { &[Algorithm::Md5] } else { &Algorithm::STRONGEST_FIRST };
        let fields = self.edge.verifier.challenge(now, stale, algorithms);
        self.reply_stateless(flow, request, 401, fields);
        Guarded::Done
    }

    /// A REGISTER, when there are users at all (RFC 3261 §10.3).
    pub(super) fn register(&mut self, now: Millis, flow: Flow, key: String, request: &Request) {
        let Some(directory) = self.edge.config.directory.clone() else { return };
        if let Some(tag) = request.headers.tags(&HeaderName::Require).next() {
            let unsupported = vec![(HeaderName::Unsupported, tag.chars().take(64).collect())];
            return self.refuse(flow, request, 420, unsupported);
        }
        let target = (&request.method, &request.uri);
        let source = self.source(flow, request).ip();
        match self.edge.verifier.verify(now, &*directory, target, &request.headers, source) {
            Verdict::Challenge { stale } => {
                self.challenge(now, flow, request, stale);
            }
            // Nobody registers for another.
            Verdict::Authenticated(user) if request.to.uri.user_name().as_ref() != Some(&user) => {
                self.forbidden(flow, request);
            }
            Verdict::Authenticated(user) => self.register_user(now, flow, key, request, &user),
        }
    }

    fn register_user(
        &mut self,
        now: Millis,
        flow: Flow,
        key: String,
        request: &Request,
        user: &str,
    ) {
        let tag = self.ids.tag();
        let edge = &mut self.edge;
        let proxied = edge.config.is_proxy(flow.remote);
        let sender = proxied.then(|| edge.config.sender(flow, &request.headers));
        match edge.registrar.register(now, user, request, flow, sender) {
            Ok(contacts) => {
                self.stats.registered += 1;
                self.answer_with(now, flow, key, request, 200, &tag, contacts);
            }
            Err(refused) => {
                let fields = refused.header.into_iter().collect();
                self.answer_with(now, flow, key, request, refused.code, &tag, fields);
            }
        }
        self.tell_registrations();
    }

    /// A connection is gone, and with it the users who were reached by it.
    pub fn link_closed(&mut self, link: Link) {
        self.edge.registrar.link_closed(link);
        self.tell_registrations();
    }

    /// Drops bindings that are over.
    pub(super) fn fire_registrar(&mut self, now: Millis) {
        if self.edge.registrar.deadline().is_some_and(|at| at <= now) {
            self.edge.registrar.fire(now);
            self.tell_registrations();
        }
    }

    /// Drops the bindings of users who have left the directory.
    pub(super) fn recheck_users(&mut self) {
        let Some(directory) = self.edge.config.directory.clone() else { return };
        self.edge.registrar.forget_unless(|user| directory.ha1(user).is_some());
        self.tell_registrations();
    }

    fn tell_registrations(&mut self) {
        for user in self.edge.registrar.take_changed() {
            let bindings = self.edge.registrar.bindings(&user);
            self.outputs.push_back(Output::Registration { user, bindings });
        }
    }
}
