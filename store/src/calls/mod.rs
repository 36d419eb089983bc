//! Calls: begun with a ticket draft, answered, ended once.

mod query;
mod write;

pub(crate) use query::{SELECT, list};
pub(crate) use write::{exists, found};

use crate::citizens::ERASED;
use crate::error::StoreError;
use crate::missed::MissedEnd;
use crate::recordings::{RecordingEnd, RecordingInfo};
use crate::sql::Sql;
use crate::{Store, tickets};
use qingting_common::{CallId, Pii, TicketId, UnixMillis};
use serde::{Deserialize, Serialize};

/// The cause of a call that was running when the server stopped.
pub const SERVER_RESTARTED: &str = "server_restarted";

/// Which way a call goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A citizen calls the hotline.
    #[default]
    Inbound,
    /// A seat calls somebody.
    Outbound,
    /// A seat calls back somebody who reached nobody.
    Callback,
}

impl Direction {
    /// Every direction.
    pub const ALL: [Self; 3] = [Self::Inbound, Self::Outbound, Self::Callback];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Callback => "callback",
        }
    }
}

/// A call that has just come in, or that a seat is about to make.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewCall {
    /// Its id, UUID version 7.
    pub id: CallId,
    /// Which way it goes.
    pub direction: Direction,
    /// The citizen's number, whichever way the call goes; of a caller, as the trunk gave it.
    pub caller: Pii<String>,
    /// The number of ours that was called, or that is shown to who is called.
    pub called: String,
    /// The entry of that number in the configuration.
    pub number_name: Option<String>,
    /// Whether that number is for enterprises.
    pub enterprise: bool,
    /// The caller's dialog; none for a call that we make, whose legs begin later.
    pub dialog: Option<CallerDialog>,
    /// When the INVITE came, or when the seat asked for the call.
    pub started_at: UnixMillis,
}

/// The dialog in which a call came in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallerDialog {
    /// `Call-ID` (RFC 3261 §20.8).
    pub sip_call_id: String,
    /// Transport address of the peer, e.g. `udp:192.0.2.1:5060`.
    pub remote: String,
}

/// What became known of a running call's way; none leaves what is stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CallRoute {
    /// The queue that it waits or waited in.
    pub queue: Option<String>,
    /// How long it waited until a seat took it or it left, in milliseconds.
    pub queue_wait_ms: Option<u64>,
    /// Whether it is an enterprise's.
    pub enterprise: Option<bool>,
}

/// A call that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallEnd {
    /// The call.
    pub id: CallId,
    /// When it ended.
    pub ended_at: UnixMillis,
    /// Who hung up: `caller`, `operator`, `system` or `network`.
    pub hung_up_by: String,
    /// Why: a name such as `caller_hung_up`, the same in metrics.
    pub cause: String,
    /// Final SIP response code where the call failed or was cancelled.
    pub sip_code: Option<u16>,
    /// Whether it had been answered. A caller may give up while the answer is on its way: then
    /// the answer that was noted is taken back.
    pub answered: bool,
    /// What became of the recording.
    pub recording: RecordingEnd,
    /// What the media path measured; absent when no media flowed.
    pub quality: Option<MediaQuality>,
    /// Set when the citizen reached nobody: the call is on the list of missed calls in the same
    /// transaction.
    pub missed: Option<MissedEnd>,
}

/// What the media path measured on one leg; of a call, on the citizen's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaQuality {
    /// RTP packets sent to the party.
    pub packets_sent: u64,
    /// RTP packets received from the party.
    pub packets_received: u64,
    /// RTP packets that the party sent and that never came (RFC 3550 §6.4.1).
    pub packets_lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1), in milliseconds.
    pub jitter_ms: f64,
    /// Round-trip time from RTCP, in milliseconds; absent without RTCP from the peer.
    pub rtt_ms: Option<f64>,
    /// Mean opinion score by the E-model (ITU-T G.107), 1 to 4.5.
    pub mos: Option<f64>,
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Not answered yet.
    Ringing,
    /// Answered and running.
    Active,
    /// Over.
    Ended,
}

impl CallState {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Active => "active",
            Self::Ended => "ended",
        }
    }
}

/// A call as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRow {
    /// Its id.
    pub id: CallId,
    /// Which way it goes.
    pub direction: Direction,
    /// The citizen's number.
    pub caller: Pii<String>,
    /// Its ticket says that the citizen wants to stay unknown (保密).
    pub confidential: bool,
    /// The number of ours that was called or shown.
    pub called: String,
    /// The entry of that number.
    pub number_name: Option<String>,
    /// Whether it is an enterprise's.
    pub enterprise: bool,
    /// The last queue that it waited in.
    pub queue: Option<String>,
    /// How long it waited.
    pub queue_wait_ms: Option<u64>,
    /// The extension of the first seat that talked.
    pub seat: Option<String>,
    /// Why the citizen reached nobody.
    pub missed: Option<String>,
    /// `Call-ID` of the caller's dialog.
    pub sip_call_id: Option<String>,
    /// Transport address of the peer.
    pub remote: Option<String>,
    /// When the INVITE came, or when a seat asked for the call.
    pub started_at: UnixMillis,
    /// When it was answered.
    pub answered_at: Option<UnixMillis>,
    /// When it ended.
    pub ended_at: Option<UnixMillis>,
    /// Who hung up.
    pub hung_up_by: Option<String>,
    /// Why it ended.
    pub cause: Option<String>,
    /// Final SIP response code where there is one.
    pub sip_code: Option<u16>,
    /// The recording of all legs together, unless it was deleted.
    pub recording: Option<RecordingInfo>,
    /// What the media path measured on the citizen's leg.
    pub quality: Option<MediaQuality>,
    /// The call's ticket; a machine's callback is about an older one and has none of its own.
    pub ticket: Option<TicketId>,
    /// Its number.
    pub ticket_number: Option<String>,
}

impl CallRow {
    /// Where the call is.
    pub fn state(&self) -> CallState {
        match (self.answered_at, self.ended_at) {
            (_, Some(_)) => CallState::Ended,
            (Some(_), None) => CallState::Active,
            (None, None) => CallState::Ringing,
        }
    }
}

/// Which calls, newest first: by their start, then by their id.
#[derive(Clone, Debug, Default)]
pub struct CallQuery {
    /// Only calls older than this one: the last of the page before.
    pub before: Option<CallId>,
    /// Rows, at most [`PAGE_ROWS_MAX`](crate::PAGE_ROWS_MAX).
    pub limit: u32,
    /// Only calls that started at this time or later.
    pub from: Option<UnixMillis>,
    /// Only calls that started before this time.
    pub to: Option<UnixMillis>,
    /// Only calls in this state.
    pub state: Option<CallState>,
    /// Only calls of this queue.
    pub queue: Option<String>,
    /// Only calls in which this extension took part.
    pub with_seat: Option<String>,
}

impl Store {
    /// Writes the call, the leg of a citizen who calls (slot 0) and revision 0 of its ticket's
    /// draft: a call that is answered always has a draft, however it ends.
    pub async fn begin_call(&self, call: NewCall) -> Result<TicketId, StoreError> {
        self.begin_call_as(call, Self::new_ticket()).await
    }

    /// The same with a ticket's id of [`Store::new_ticket`]: who does not know whether it was written may write it again
    /// and is told [`StoreError::Exists`] then.
    pub async fn begin_call_as(
        &self,
        call: NewCall,
        ticket: TicketId,
    ) -> Result<TicketId, StoreError> {
        self.write(write::BeginCall { call, ticket, server: self.server() }).await
    }

    /// The id of a ticket that is not written yet.
    pub fn new_ticket() -> TicketId {
        tickets::new_id()
    }

    /// Whether a call's citizen was erased; false of a call that is not there.
    pub async fn is_erased(&self, id: CallId) -> Result<bool, StoreError> {
        let sql = sqlx::query_scalar::<_, String>("SELECT caller FROM calls WHERE id = $1");
        let caller = sql.bind(id.to_string()).fetch_optional(self.readers()).await?;
        Ok(caller.is_some_and(|caller| caller == ERASED))
    }

    /// Notes that the call was answered, and where it is being recorded, so that a recording is
    /// found even when the server dies during the call; the file is relative to the recordings
    /// folder. The time of a first answer stays.
    pub async fn answer_call(
        &self,
        id: CallId,
        at: UnixMillis,
        recording: Option<String>,
    ) -> Result<(), StoreError> {
        self.write(write::AnswerCall { id, at, recording }).await
    }

    /// Notes what became known of the call's way.
    pub async fn route_call(&self, id: CallId, route: CallRoute) -> Result<(), StoreError> {
        self.write(write::RouteCall { id, route }).await
    }

    /// Ends the call and its legs and announces it in the outbox. A call that has ended already stays as it is.
    pub async fn end_call(&self, end: CallEnd) -> Result<(), StoreError> {
        self.write(write::EndCall(end)).await
    }

    /// At start: ends every call that the last run of this server left open, with its legs, with
    /// cause [`SERVER_RESTARTED`] and `now` as the end, which is later than the true one. Calls of
    /// other servers on the same database go on. Where there are seats, a caller who had reached none of them is on the list of missed calls.
    pub async fn close_orphans(&self, now: UnixMillis) -> Result<Vec<CallId>, StoreError> {
        self.write(write::CloseOrphans { now, server: self.server() }).await
    }

    /// Calls, newest first.
    pub async fn calls(&self, wanted: &CallQuery) -> Result<Vec<CallRow>, StoreError> {
        list(SELECT, wanted)
            .build()
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(query::read)
            .collect()
    }

    /// The name of the server that carries or carried a call; `None` where servers had none.
    pub async fn server_of(&self, id: CallId) -> Result<Option<String>, StoreError> {
        let sql = sqlx::query_scalar("SELECT server FROM calls WHERE id = $1").bind(id.to_string());
        Ok(sql.fetch_optional(self.readers()).await?.flatten())
    }

    /// One call.
    pub async fn call(&self, id: CallId) -> Result<Option<CallRow>, StoreError> {
        let mut sql = Sql::new(SELECT);
        sql.push(" WHERE calls.id = ").push_bind(id.to_string());
        sql.build().fetch_optional(self.readers()).await?.as_ref().map(query::read).transpose()
    }
}
