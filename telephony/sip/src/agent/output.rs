//! What an agent asks its driver to do.

use super::call::CallKey;
use crate::event::DialogEvent;
use crate::handle::Replaced;
use crate::message::{Replaces, Request, Response};
use crate::registrar::Binding;
use crate::request::RequestError;
use crate::transport::{Flow, Sender};
use bytes::Bytes;
use std::net::IpAddr;

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a message.
    Send(Outbound),
    /// Hand a new call to whoever takes calls. If nobody can, refuse it with
    /// [`Command::Respond`](super::Command::Respond).
    Incoming {
        /// The call.
        call: CallKey,
        /// Its INVITE.
        request: Box<Request>,
        /// How it came.
        flow: Flow,
        /// Who sent it: the peer of the flow, or whom our proxy had it from.
        sender: Sender,
        /// The user who proved to be its caller.
        user: Option<String>,
        /// The call that it takes over.
        replaces: Option<Replaced>,
    },
    /// A call has its dialog: its Replaces value for [`Dialog::replaces_value`].
    ///
    /// [`Dialog::replaces_value`]: crate::Dialog::replaces_value
    Confirmed {
        /// The call.
        call: CallKey,
        /// What names it to its peer.
        replaces: Replaces,
    },
    /// Who is called answers from there, for [`Dialog::source`].
    ///
    /// [`Dialog::source`]: crate::Dialog::source
    Heard {
        /// The call.
        call: CallKey,
        /// The host that the last response to our INVITE came from; behind a proxy of ours nobody knows.
        source: Option<IpAddr>,
    },
    /// Tell the owner of a call.
    Event {
        /// The call.
        call: CallKey,
        /// What happened.
        event: DialogEvent,
    },
    /// The call is over: close its channel. No command for it has an effect any more.
    Over {
        /// The call.
        call: CallKey,
    },
    /// The end of [`Command::Request`](super::Command::Request).
    Responded {
        /// Its number.
        number: u64,
        /// The final response.
        result: Result<Box<Response>, RequestError>,
    },
    /// A user is reached elsewhere from now on.
    Registration {
        /// The user.
        user: String,
        /// All bindings; none when the user cannot be reached any more.
        bindings: Vec<Binding>,
    },
    /// Look up a name and report [`Command::Resolved`](super::Command::Resolved). Until then
    /// requests go where the dialog's messages came from.
    Resolve {
        /// The call that needs it.
        call: CallKey,
        /// Host name.
        host: String,
        /// Port.
        port: u16,
    },
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// By which socket and where to.
    pub flow: Flow,
    /// The message.
    pub bytes: Bytes,
    /// Whom to tell with [`Agent::send_failed`](super::Agent::send_failed) when it cannot be sent.
    pub origin: Origin,
    /// Whether a connection may be made for it: requests yes, responses no.
    pub dial: bool,
}

/// Whose message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Nobody's: its loss is like any loss in the network.
    Nobody,
    /// A client transaction's.
    Client(u64),
    /// A server transaction's.
    Server(u64),
}
