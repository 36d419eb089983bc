//! What the owner of a call holds: a handle to command it and a stream of what happens to it.

use crate::agent::{CallKey, Command};
use crate::auth::Credentials;
use crate::event::DialogEvent;
use crate::message::{HeaderName, NameAddr, Replaces, Request, Response, SipUri};
use crate::request::{OutgoingRequest, RequestError};
use crate::transport::{Flow, Transport};
use bytes::Bytes;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A new call: an INVITE outside any dialog that was admitted and told 100.
#[derive(Debug)]
pub struct IncomingCall {
    /// The INVITE.
    pub request: Box<Request>,
    /// The user of the directory who proved to be the caller; `None` for anybody else.
    pub user: Option<String>,
    /// How it was sent.
    pub transport: Transport,
    /// From where; behind a proxy of ours from where that had it.
    pub source: SocketAddr,
    /// Our address as the peer should see it: its IP is the one for the session description.
    pub local: SocketAddr,
    /// The handle.
    pub dialog: Dialog,
    /// What happens next.
    pub events: mpsc::Receiver<DialogEvent>,
    /// The call of this endpoint that this one takes over once it is answered: answer this one,
    /// then hang up that one, or cancel it when it is not answered (RFC 3891 §3).
    pub replaces: Option<Replaced>,
}

/// A call that another one takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The call to be replaced, as its [`Dialog::key`] says.
    pub call: CallKey,
    /// The header.
    pub replaces: Replaces,
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct OutgoingInvite {
    /// Whom to call. Names are looked up as A and AAAA.
    pub target: SipUri,
    /// How.
    pub transport: Transport,
    /// Who calls; the tag is added.
    pub from: NameAddr,
    /// Our offer; without one the peer is to make it, see [`DialogEvent::Answered`].
    pub offer: Option<Bytes>,
    /// Further fields.
    pub headers: Vec<(HeaderName, String)>,
    /// Call-ID; a random one when `None`.
    pub call_id: Option<String>,
    /// For when the peer asks for a password: 401 and 407 are answered, also later in the dialog.
    pub credentials: Option<Credentials>,
    /// Proxies that it goes through, in this order (Route, RFC 3261 §16.12): the Path of a
    /// [`Binding`](crate::registrar::Binding).
    pub route: Vec<NameAddr>,
    /// By this way and no other, as of a [`Binding`](crate::registrar::Binding); `target` is only
    /// the Request-URI then.
    pub flow: Option<Flow>,
    /// How long nobody may say anything at all, not even 100, until the call fails with 408; 32 s
    /// when `None`. For who has another way to go.
    pub silence_max: Option<Duration>,
}

impl OutgoingInvite {
    /// A call without offer.
    pub fn new(target: SipUri, transport: Transport, from: NameAddr) -> Self {
        Self {
            target,
            transport,
            from,
            offer: None,
            headers: Vec::new(),
            call_id: None,
            credentials: None,
            route: Vec::new(),
            flow: None,
            silence_max: None,
        }
    }
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub code: u16,
    /// Reason phrase; the usual one when `None`.
    pub phrase: Option<String>,
    /// Further fields.
    pub headers: Vec<(HeaderName, String)>,
    /// A session description.
    pub body: Option<Bytes>,
}

impl Reply {
    /// A response with the usual phrase.
    pub fn new(code: u16) -> Self {
        Self { code, ..Self::default() }
    }

    /// The same with a session description.
    pub fn with_body(code: u16, body: impl Into<Bytes>) -> Self {
        Self { body: Some(body.into()), ..Self::new(code) }
    }
}

/// Commands one dialog. Cheap to clone; **dropping the last clone of a living dialog hangs up**:
/// 480 before the answer, CANCEL for a call of ours, else BYE.
///
/// Nothing here waits. Commands go through a queue of 8,192; what finds it full is dropped,
/// counted and logged, except hanging up by dropping the handle, which is never lost.
#[derive(Clone, Debug)]
pub struct Dialog(Arc<Inner>);

impl Dialog {
    pub(crate) fn new(key: CallKey, call_id: String, commands: Commands) -> Self {
        Self(Arc::new(Inner { key, call_id, commands }))
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.0.call_id
    }

    /// Responds to the INVITE that made this dialog; ignored after a final response. After
    /// [`DialogEvent::Cancel`], and after a BYE before the answer, every final response is sent as
    /// 487.
    pub fn respond(&self, reply: Reply) {
        self.send(Command::Respond { call: self.0.key, reply });
    }

    /// Responds to the re-INVITE that is open; ignored when none is.
    pub fn respond_reinvite(&self, reply: Reply) {
        self.send(Command::RespondReinvite { call: self.0.key, reply });
    }

    /// Hangs up, with a Reason header value (RFC 3326). A callee's BYE waits for the ACK of the
    /// 2xx (RFC 3261 §15); before the answer a callee sends 480 and a caller CANCEL.
    pub fn bye(&self, reason: Option<String>) {
        self.send(Command::Bye { call: self.0.key, reason });
    }

    /// Gives up a call of ours that is not answered: CANCEL as soon as it is allowed (§9.1), and
    /// BYE should the answer cross it.
    pub fn cancel(&self) {
        self.send(Command::Cancel { call: self.0.key });
    }

    /// Sends an INVITE in the dialog; comes back as [`DialogEvent::Answered`] or
    /// [`DialogEvent::Failed`], with 491 at once when another one or an offer is open. One that
    /// the peer answers with 491 is sent three times more, after a random wait (RFC 3261 §14.1).
    pub fn reinvite(&self, offer: Option<Bytes>) {
        self.send(Command::Reinvite { call: self.0.key, offer });
    }

    /// The call's number.
    pub fn key(&self) -> CallKey {
        self.0.key
    }

    /// What names this dialog to its peer's side, for [`Dialog::refer`] in another dialog: an
    /// attended transfer. `None` before the answer and after the end.
    pub fn replaces_value(&self) -> Option<Replaces> {
        self.0.commands.replaces_value(self.0.key)
    }

    /// The host that who is called answered from, where it is known: of our calls alone, between the first response
    /// above 100 and the end. Who called us is [`IncomingCall::source`].
    pub fn source(&self) -> Option<IpAddr> {
        self.0.commands.source(self.0.key)
    }

    pub(crate) fn send(&self, command: Command) {
        self.0.commands.send(command);
    }
}

#[derive(Debug)]
struct Inner {
    key: CallKey,
    call_id: String,
    commands: Commands,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commands.abandon(self.key);
    }
}

/// What reaches the driver through its queue.
#[derive(Debug)]
pub(crate) enum Order {
    /// For the agent.
    Command(Command),
    /// A call to make.
    Invite {
        call: CallKey,
        invite: Box<OutgoingInvite>,
        call_id: String,
        events: mpsc::Sender<DialogEvent>,
    },
    /// A request outside any call.
    Request {
        request: Box<OutgoingRequest>,
        done: oneshot::Sender<Result<Box<Response>, RequestError>>,
    },
    /// Finish what is open, then end and say so.
    Close { done: oneshot::Sender<()> },
}

/// The way from the handles to the driver.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    queue: mpsc::Sender<Order>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    /// Dialogs whose handle went while the queue was full; at most one entry for each dialog.
    abandoned: Mutex<Vec<CallKey>>,
    /// The names of dialogs that stand, see [`Dialog::replaces_value`].
    names: Mutex<HashMap<CallKey, Replaces>>,
    /// Where those whom we called answer from, see [`Dialog::source`].
    sources: Mutex<HashMap<CallKey, IpAddr>>,
}

impl Commands {
    pub(crate) fn new(queue: mpsc::Sender<Order>) -> Self {
        Self { queue, shared: Arc::default() }
    }

    pub(crate) fn send(&self, command: Command) {
        self.order(Order::Command(command));
    }

    pub(crate) fn order(&self, order: Order) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.queue.try_send(order) {
            self.count_dropped();
        }
    }

    /// Waits for a place in the queue and for the driver's end.
    pub(crate) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.queue.send(Order::Close { done }).await.is_ok() {
            // An error means that the driver ended without saying so; it has ended all the same.
            let _ = ended.await;
        }
    }

    fn abandon(&self, key: CallKey) {
        let sent = self.queue.try_send(Order::Command(Command::Abandon { call: key }));
        if let Err(mpsc::error::TrySendError::Full(_)) = sent {
            self.shared.abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        }
    }

    /// Commands that found the queue full.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// The dialogs that [`Dialog`]'s end could not report through the queue.
    pub(crate) fn take_abandoned(&self) -> Vec<CallKey> {
        std::mem::take(&mut self.shared.abandoned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn replaces_value(&self, key: CallKey) -> Option<Replaces> {
        self.shared.names.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Notes the name of a dialog, or that it is over.
    pub(crate) fn name(&self, key: CallKey, replaces: Option<Replaces>) {
        let mut names = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
        match replaces {
            Some(replaces) => drop(names.insert(key, replaces)),
            None => drop(names.remove(&key)),
        }
    }

    fn source(&self, key: CallKey) -> Option<IpAddr> {
        self.shared.sources.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    /// Notes where somebody answers from, or that it is not known, or that the dialog is over.
    pub(crate) fn heard_from(&self, key: CallKey, source: Option<IpAddr>) {
        let mut sources = self.shared.sources.lock().unwrap_or_else(PoisonError::into_inner);
        match source {
            Some(source) => drop(sources.insert(key, source)),
            None => drop(sources.remove(&key)),
        }
    }

    fn count_dropped(&self) {
        if self.shared.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!("SIP command queue is full: commands are being dropped");
        }
    }
}
