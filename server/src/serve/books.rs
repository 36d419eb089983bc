//! What of one call goes to the database, in order: there, or to the disk while it is away ([`super::spool`]).

use super::Hotline;
use super::spool::Write;
use super::traces::Writes;
use crate::clock;
use qingting_api::Event;
use qingting_common::{CallId, Pii, TicketId, UnixMillis};
use qingting_store::{
    CallEnd, CallEvent, CallRoute, LegBegin, LegEnd, LegRef, NewCall, PassKind, RecordingEnd, Store,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Entries of one call that wait to be written; a plain call has five, one that many seats were rung
/// for some dozens. When they are full the call waits with them: nothing is left out.
const ENTRIES_WAITING_MAX: usize = 256;
/// Tries of a write that neither the database nor the disk takes, because the disk is full: with the waits below about
/// five minutes. What is lost after that is mended at the next start, which ends calls without an end.
const TRIES_MAX: u32 = 64;
const WAIT_FIRST: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// One thing to write.
pub enum Entry {
    /// The call and its ticket draft; tried once, because the caller waits for it.
    Begin(NewCall, oneshot::Sender<bool>),
    /// It was answered then, and is being recorded to this file.
    Answered(UnixMillis, Option<String>),
    /// A leg began.
    LegBegan(LegBegin),
    /// It was answered then, and its voice is being recorded to this file.
    LegAnswered(LegRef, UnixMillis, Option<String>),
    /// Its first sample lies there in the call's time, in ms.
    LegHeard(LegRef, i64),
    /// It is over.
    LegEnded(Box<LegEnd>),
    /// The way of the call through the house.
    Route(CallRoute),
    /// A line of its timeline.
    Event(CallEvent),
    /// It is over.
    Ended(Box<CallEnd>),
}

/// What stands as cause when a call's task ended without saying why.
const FAULT: &str = "server_fault";

/// A call's books, with the loop that writes them. They run apart from the call, so that a fault
/// in the call's task still leaves an end in the database.
pub struct Books {
    hotline: Arc<Hotline>,
    call: CallId,
    ticket: Option<TicketId>,
    is_ended: bool,
    entries: mpsc::Receiver<Entry>,
    trace: Writes,
}

impl Books {
    /// The books and the way into them.
    pub fn open(hotline: Arc<Hotline>, call: CallId) -> (mpsc::Sender<Entry>, Self) {
        let (sender, entries) = mpsc::channel(ENTRIES_WAITING_MAX);
        let trace = Writes::new(&hotline.traces, call);
        (sender, Self { hotline, call, ticket: None, is_ended: false, entries, trace })
    }

    /// Writes until every sender is gone. A call whose beginning could not be stored has no rows,
    /// so nothing more of it is written.
    pub async fn run(mut self) {
        while let Some(entry) = self.entries.recv().await {
            self.trace.begin(&entry);
            match entry {
                Entry::Begin(call, done) => self.begin(call, done).await,
                _ if self.ticket.is_none() => {}
                Entry::Answered(at, file) => {
                    if self.keep_trying(Write::Answered { at, file }).await {
                        self.hotline.events.publish(Event::CallAnswered { call: self.call });
                    }
                }
                Entry::Ended(end) => self.end(*end).await,
                other => self.note(other).await,
            }
            self.trace.end();
        }
        if self.ticket.is_some() && !self.is_ended {
            tracing::error!(call = %self.call, "a call's task ended without an end of the call");
            self.end(CallEnd {
                id: self.call,
                ended_at: clock::unix_now(),
                hung_up_by: "system".to_owned(),
                cause: FAULT.to_owned(),
                sip_code: None,
                answered: true,
                recording: RecordingEnd::Unknown,
                quality: None,
                missed: None,
            })
            .await;
        }
    }

    /// What nobody waits for.
    async fn note(&self, entry: Entry) {
        let write = match entry {
            Entry::LegBegan(leg) => Write::LegBegan(leg),
            Entry::LegAnswered(leg, at, track) => Write::LegAnswered { leg, at, track },
            Entry::LegHeard(leg, shift_ms) => Write::LegHeard { leg, shift_ms },
            Entry::LegEnded(end) => Write::LegEnded(end),
            Entry::Route(route) => Write::Route(route),
            Entry::Event(event) => Write::Event(event),
            Entry::Begin(..) | Entry::Answered(..) | Entry::Ended(_) => return,
        };
        self.keep_trying(write).await;
    }

    async fn begin(&mut self, call: NewCall, done: oneshot::Sender<bool>) {
        let (caller, called): (Pii<String>, String) = (call.caller.clone(), call.called.clone());
        let ticket = Store::new_ticket();
        match self.hotline.spool.keep(self.call, Write::Begin { call, ticket }).await {
            Ok(_) => {
                self.ticket = Some(ticket);
                self.hotline.events.publish(Event::CallStarted {
                    call: self.call,
                    ticket,
                    caller,
                    called,
                });
            }
            Err(error) => {
                tracing::error!(call = %self.call, %error, "a call could not be stored and is refused");
            }
        }
        self.trace.wrote(self.ticket.is_some());
        // The call may be over already.
        let _ = done.send(self.ticket.is_some());
    }

    async fn end(&mut self, end: CallEnd) {
        let Some(ticket) = self.ticket else { return };
        self.is_ended = true;
        let (hung_up_by, cause) = (end.hung_up_by.clone(), end.cause.clone());
        let is_heard_whole = self.hotline.config.asr.whole_pass && end.answered;
        if self.keep_trying(Write::Ended(Box::new(end))).await {
            let call = self.call;
            if is_heard_whole {
                self.keep_trying(Write::AskPass(PassKind::Whole)).await;
            }
            self.hotline.events.publish(Event::CallEnded { call, ticket, hung_up_by, cause });
        }
    }

    /// False when the write was given up: then nobody is told of it either.
    async fn keep_trying(&self, write: Write) -> bool {
        let mut wait = WAIT_FIRST;
        for attempt in 1..=TRIES_MAX {
            match self.hotline.spool.keep(self.call, write.clone()).await {
                Ok(_) => {
                    self.trace.wrote(true);
                    return true;
                }
                Err(error) if !error.may_pass() => {
                    tracing::error!(call = %self.call, %error, "a write of a call was refused");
                    self.trace.wrote(false);
                    return false;
                }
                Err(error) if attempt == 1 => {
                    tracing::warn!(call = %self.call, %error, "a write of a call failed and is tried again");
                }
                Err(_) => {}
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
        self.trace.wrote(false);
        tracing::error!(call = %self.call, "a write of a call was given up");
        false
    }
}

/// The end of a call as the store wants it; who and why come from the call machine.
pub fn end_of(
    id: CallId,
    (cause, ended_at): (qingting_core::call::Cause, UnixMillis),
    answered: bool,
    refused: Option<u16>,
) -> CallEnd {
    use qingting_core::call::HungUpBy;
    let hung_up_by = match cause.by() {
        HungUpBy::Caller => "caller",
        HungUpBy::System => "system",
        HungUpBy::Operator => "operator",
        HungUpBy::Network => "network",
    };
    CallEnd {
        id,
        ended_at,
        hung_up_by: hung_up_by.to_owned(),
        cause: cause.as_str().to_owned(),
        sip_code: refused.or_else(|| (!answered).then(|| cause.sip_status())),
        answered,
        recording: RecordingEnd::Unknown,
        quality: None,
        missed: None,
    }
}
