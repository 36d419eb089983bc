//! What can happen.

use super::Published;
use crate::switchboard::{CallPhase, LegState};
use crate::{EntryView, IncidentView, RepeatView};
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, TicketId};
use qingting_nlu::draft::{Field, FieldValue, TicketDraft};
use qingting_store::{LegRole, MissedState};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What one repeat's title, place and reasons cost, about.
const REPEAT_BYTES: usize = 500;

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A call came in.
    CallStarted {
        /// The call.
        call: CallId,
        /// Its ticket.
        ticket: TicketId,
        /// The caller's number.
        caller: Pii<String>,
        /// The number that was called.
        called: String,
    },
    /// It was answered.
    CallAnswered {
        /// The call.
        call: CallId,
    },
    /// Words, while they are spoken and when they are final.
    Caption {
        /// The call.
        call: CallId,
        /// The segment; a later caption of the same segment replaces this one.
        segment: SegmentId,
        /// Who speaks.
        party: Party,
        /// Start, in milliseconds since the call was answered.
        start_ms: u64,
        /// End so far.
        end_ms: u64,
        /// The words as a seat reads them.
        text: Pii<String>,
        /// As they were heard.
        raw: Pii<String>,
        /// Whether the words stay.
        r#final: bool,
        /// 0 to 1.
        confidence: f32,
    },
    /// Nothing was transcribed for a while.
    CaptionGap {
        /// The call.
        call: CallId,
        /// Who may have spoken.
        party: Party,
        /// Start, in milliseconds since the call was answered.
        from_ms: u64,
        /// End.
        to_ms: u64,
    },
    /// The recogniser has said its last word of the call; tags follow no more.
    CaptionsEnded {
        /// The call.
        call: CallId,
    },
    /// What was left out while the call ran, or the whole recording where that was asked for, has been
    /// heard after it.
    TranscriptCompleted {
        /// The call.
        call: CallId,
    },
    /// Captions of all calls are late or missing, or as usual again.
    Recognition {
        /// What is left out: `full` (nothing), `no_partials`, `finals_only`, `incomplete`.
        level: Cow<'static, str>,
        /// Whether anything is recognised.
        up: bool,
        /// What a seat reads of it; empty when captions are as usual.
        notice: Cow<'static, str>,
    },
    /// The draft changed, by the machine or by a person.
    TicketUpdated {
        /// The ticket.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// Its revision now.
        revision: i64,
        /// The fields that changed.
        changed: Vec<Field>,
        /// Their values now, without the evidence, which is in the ticket; a cleared field is
        /// absent.
        draft: BTreeMap<Field, FieldValue>,
    },
    /// Earlier tickets that may be about the same matter are others than before.
    Repeats {
        /// The call.
        call: CallId,
        /// The likeliest first.
        repeats: Vec<RepeatView>,
    },
    /// Entries of the knowledge base that answer what the caller asks.
    Knowledge {
        /// The call.
        call: CallId,
        /// The likeliest first.
        entries: Vec<EntryView>,
    },
    /// Many calls seem to be about one thing, or one more is.
    Incident {
        /// What they are about.
        incident: IncidentView,
    },
    /// A person confirmed the ticket.
    TicketConfirmed {
        /// The ticket.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// Its revision now.
        revision: i64,
    },
    /// A ticket is at another revision than before: somebody wrote in it or took a step, here or on another server. Who
    /// may read it reads it anew.
    TicketChanged {
        /// The ticket.
        ticket: TicketId,
        /// Its call.
        call: CallId,
        /// Its revision now.
        revision: i64,
        /// Units that have or had it: whose experts hear of it.
        #[serde(skip)]
        units: Vec<String>,
    },
    /// A leg of a call began, was answered, held, muted, or ended.
    CallLeg {
        /// The call.
        call: CallId,
        /// The leg's slot.
        leg: u8,
        /// What it is in the call.
        role: LegRole,
        /// A number or an extension.
        target: Pii<String>,
        /// Where it is now.
        state: LegState,
        /// Whether nobody hears it.
        muted: bool,
        /// Why it ended or was not answered.
        cause: Option<String>,
    },
    /// What happens in a call is something else now, or the caller moved up in its queue.
    CallState {
        /// The call.
        call: CallId,
        /// What.
        phase: CallPhase,
        /// The queue that it waits in.
        queue: Option<String>,
        /// Its place there, from 1.
        position: Option<u32>,
        /// How long it may still wait, in milliseconds.
        expected_wait_ms: Option<u64>,
        /// Whether recording is paused.
        recording_paused: bool,
    },
    /// A seat does something else now.
    SeatState {
        /// The seat.
        extension: String,
        /// As in the list of seats.
        state: String,
        /// Why it is on a break or paused.
        reason: Option<String>,
        /// The call that it is rung for or in.
        seat_call: Option<CallId>,
        /// Whether its telephone can be reached.
        registered: bool,
    },
    /// A queue's numbers.
    Queue {
        /// The queue.
        queue: String,
        /// Calls that wait.
        waiting: u32,
        /// How long the first has waited.
        longest_wait_ms: u64,
        /// Seats that would take a call at once.
        seats_ready: u32,
        /// Seats at work.
        seats_at_work: u32,
    },
    /// A call is on the list of missed calls, or somebody did something about it.
    Missed {
        /// The call that was missed.
        missed: CallId,
        /// Where it is now.
        state: MissedState,
        /// Whether the citizen asked to be called back.
        wanted: bool,
    },
    /// The call is over.
    CallEnded {
        /// The call.
        call: CallId,
        /// Its ticket.
        ticket: TicketId,
        /// Who hung up.
        hung_up_by: String,
        /// Why.
        cause: String,
    },
}

impl Event {
    /// The draft changed. Takes from it only what the event is about: a description grows with
    /// every sentence, its evidence too, and events are kept.
    pub fn ticket_updated(
        ticket: TicketId,
        call: CallId,
        revision: i64,
        changed: Vec<Field>,
        draft: &TicketDraft,
    ) -> Self {
        let values = changed.iter().filter_map(|field| {
            let FieldValue { value, confidence, source, .. } = draft.field(*field)?.clone();
            Some((*field, FieldValue { value, confidence, source, evidence: Vec::new() }))
        });
        let draft = values.collect();
        Self::TicketUpdated { ticket, call, revision, changed, draft }
    }

    /// The call that it is about; none of news about seats, queues and the list of missed calls.
    pub(crate) fn call(&self) -> Option<CallId> {
        match self {
            Self::CallStarted { call, .. }
            | Self::CallAnswered { call }
            | Self::Caption { call, .. }
            | Self::CaptionGap { call, .. }
            | Self::CaptionsEnded { call }
            | Self::TranscriptCompleted { call }
            | Self::TicketUpdated { call, .. }
            | Self::TicketConfirmed { call, .. }
            | Self::TicketChanged { call, .. }
            | Self::Repeats { call, .. }
            | Self::Knowledge { call, .. }
            | Self::CallLeg { call, .. }
            | Self::CallState { call, .. }
            | Self::CallEnded { call, .. } => Some(*call),
            Self::SeatState { .. }
            | Self::Queue { .. }
            | Self::Missed { .. }
            | Self::Incident { .. }
            | Self::Recognition { .. } => None,
        }
    }

    /// Whether it is of interest at other servers of the same database, too.
    pub(super) const fn is_for_all(&self) -> bool {
        // How a server's own recogniser is says nothing about another's; the log of changes is followed by each.
        !matches!(self, Self::Recognition { .. } | Self::TicketChanged { .. })
    }

    /// What keeping it costs, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let text = match self {
            Self::Caption { text, raw, .. } => text.expose().len() + raw.expose().len(),
            Self::TicketUpdated { draft, .. } => draft
                .values()
                .map(|field| size_of::<FieldValue>() + field.value.expose().len())
                .sum(),
            Self::CallStarted { caller, called, .. } => caller.expose().len() + called.len(),
            Self::CallEnded { hung_up_by, cause, .. } => hung_up_by.len() + cause.len(),
            Self::CallLeg { target, cause, .. } => {
                target.expose().len() + cause.as_ref().map_or(0, String::len)
            }
            Self::CallState { queue, .. } => queue.as_ref().map_or(0, String::len),
            Self::SeatState { extension, state, reason, .. } => {
                extension.len() + state.len() + reason.as_ref().map_or(0, String::len)
            }
            Self::Queue { queue, .. } => queue.len(),
            Self::TicketChanged { units, .. } => units.iter().map(String::len).sum(),
            Self::Repeats { repeats, .. } => repeats.len() * REPEAT_BYTES,
            Self::Knowledge { entries, .. } => {
                entries.iter().map(|entry| entry.title.len() + entry.answer.len()).sum()
            }
            _ => 0,
        };
        size_of::<Published>() + text
    }
}
