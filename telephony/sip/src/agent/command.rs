//! What the owner of a call asks of the agent.

use super::Agent;
use super::call::CallKey;
use crate::handle::{OutgoingInvite, Reply};
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
            Command::Invite { call, invite, call_id, flow, others } => {
                self.invite(now, call, &invite, call_id, flow, others);
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
