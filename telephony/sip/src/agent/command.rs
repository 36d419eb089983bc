//! What the owner of a call asks of the agent.

use super::Agent;
use super::call::CallKey;
use crate::handle::{OutgoingInvite, Reply};
use crate::message::{Replaces, SipUri};
use crate::request::OutgoingRequest;
use crate::transport::Flow;
use bytes::Bytes;
use qingting_common::Millis;
use std::net::SocketAddr;

/// One wish. Commands for calls that are over have no effect.
#[derive(Clone, Debug)]
pub enum Command {
    /// See [`Dialog::respond`](crate::Dialog::respond).
    Respond {
        /// The call.
        call: CallKey,
        /// The response.
        reply: Reply,
    },
    /// See [`Dialog::respond_reinvite`](crate::Dialog::respond_reinvite).
    RespondReinvite {
        /// The call.
        call: CallKey,
        /// The response.
        reply: Reply,
    },
    /// See [`Dialog::bye`](crate::Dialog::bye).
    Bye {
        /// The call.
        call: CallKey,
        /// Reason header value.
        reason: Option<String>,
    },
    /// See [`Dialog::cancel`](crate::Dialog::cancel).
    Cancel {
        /// The call.
        call: CallKey,
    },
    /// See [`Dialog::reinvite`](crate::Dialog::reinvite).
    Reinvite {
        /// The call.
        call: CallKey,
        /// Our offer.
        offer: Option<Bytes>,
    },
    /// See [`Dialog::update`](crate::Dialog::update).
    Update {
        /// The call.
        call: CallKey,
        /// Our offer.
        offer: Bytes,
    },
    /// See [`Dialog::respond_update`](crate::Dialog::respond_update).
    RespondUpdate {
        /// The call.
        call: CallKey,
        /// The response.
        reply: Reply,
    },
    /// See [`Dialog::respond_prack`](crate::Dialog::respond_prack).
    RespondPrack {
        /// The call.
        call: CallKey,
        /// The response.
        reply: Reply,
    },
    /// See [`Dialog::prack`](crate::Dialog::prack).
    Prack {
        /// The call.
        call: CallKey,
        /// Our answer.
        answer: Bytes,
    },
    /// See [`Dialog::ack`](crate::Dialog::ack).
    Ack {
        /// The call.
        call: CallKey,
        /// Our answer.
        answer: Bytes,
    },
    /// See [`Dialog::accept_refer`](crate::Dialog::accept_refer).
    AcceptRefer {
        /// The call.
        call: CallKey,
    },
    /// See [`Dialog::reject_refer`](crate::Dialog::reject_refer).
    RejectRefer {
        /// The call.
        call: CallKey,
        /// Status code.
        code: u16,
    },
    /// See [`Dialog::notify_refer`](crate::Dialog::notify_refer).
    NotifyRefer {
        /// The call.
        call: CallKey,
        /// Status code of the new call.
        code: u16,
        /// Its reason phrase.
        reason: String,
        /// Whether it is the last word.
        is_final: bool,
    },
    /// See [`Dialog::refer`](crate::Dialog::refer).
    Refer {
        /// The call.
        call: CallKey,
        /// Whom the peer shall call.
        target: Box<SipUri>,
        /// The dialog that the new call takes over.
        replaces: Option<Replaces>,
    },
    /// See [`Dialog::info`](crate::Dialog::info).
    Info {
        /// The call.
        call: CallKey,
        /// Type of the body.
        content_type: String,
        /// The body.
        body: Bytes,
    },
    /// The last handle is gone.
    Abandon {
        /// The call.
        call: CallKey,
    },
    /// Make a call; its key is an odd number that was not used before.
    Invite {
        /// The call.
        call: CallKey,
        /// What to send.
        invite: Box<OutgoingInvite>,
        /// Its Call-ID.
        call_id: String,
        /// By which socket and where to; `None` when the target's name has no address.
        flow: Option<Flow>,
        /// Where to when nobody answers there, or with 503, the best first.
        others: Vec<Flow>,
    },
    /// Send a request outside any dialog.
    Request {
        /// A number that was not used before.
        number: u64,
        /// What to send.
        request: Box<OutgoingRequest>,
        /// By which ways, the best first.
        ways: Vec<Flow>,
    },
    /// The answer to [`Output::Resolve`](super::Output::Resolve).
    Resolved {
        /// The call.
        call: CallKey,
        /// The name that was looked up.
        host: String,
        /// Its address.
        addr: SocketAddr,
    },
    /// Drop the bindings of users who have left the directory.
    RecheckUsers,
    /// Refuse new calls from now on.
    Drain,
}

impl Agent {
    /// Carries out one wish.
    pub fn command(&mut self, now: Millis, command: Command) {
        match command {
            Command::Respond { call, reply } => self.respond(now, call, &reply),
            Command::RespondReinvite { call, reply } => self.respond_reinvite(now, call, &reply),
            Command::Bye { call, reason } => self.hang_up(now, call, reason),
            Command::Abandon { call } => self.hang_up(now, call, None),
            Command::Cancel { call } => self.cancel(now, call),
            Command::Reinvite { call, offer } => self.reinvite(now, call, offer),
            Command::Update { call, offer } => self.update(now, call, offer),
            Command::RespondUpdate { call, reply } => self.respond_update(now, call, &reply),
            Command::RespondPrack { call, reply } => self.respond_prack(now, call, &reply),
            Command::Prack { call, answer } => self.prack(now, call, Some(answer)),
            Command::Ack { call, answer } => self.release_ack(call, Some(answer)),
            Command::AcceptRefer { call } => self.accept_refer(now, call),
            Command::RejectRefer { call, code } => self.reject_refer(now, call, code),
            Command::NotifyRefer { call, code, reason, is_final } => {
                self.notify_refer(now, call, code, reason, is_final);
            }
            Command::Refer { call, target, replaces } => {
                self.refer(now, call, &target, replaces.as_ref());
            }
            Command::Info { call, content_type, body } => {
                self.info(now, call, content_type, &body);
            }
            Command::Invite { call, invite, call_id, flow, others } => {
                self.invite(now, call, invite, call_id, flow, others);
            }
            Command::Request { number, request, ways } => {
                self.request_outside(now, number, &request, ways);
            }
            Command::Resolved { call, host, addr } => {
                if let Some(call) = self.calls.get_mut(&call) {
                    call.resolved = Some((host, addr));
                }
            }
            Command::RecheckUsers => self.recheck_users(),
            Command::Drain => self.draining = true,
        }
    }
}
