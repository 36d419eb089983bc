//! What of a call is written: all that belongs to its record, each so that it may be written twice.

use qingting_callbacks::dialogue::Answered;
use qingting_common::{CallId, FollowUpId, TicketId, UnixMillis};
use qingting_nlu::draft::Tag;
use qingting_store::{
    AttemptEnd, CallEnd, CallEvent, CallRoute, DraftUpdate, FinalSegment, Gap, LegBegin, LegEnd,
    LegRef, NewCall, PassKind, Store, StoreError,
};
use serde::{Deserialize, Serialize};

/// One write of a call. As JSON it is what a spool file holds: a variant is never renamed, and no field of one taken
/// away.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// The call and its ticket draft.
    Begin {
        /// The call.
        call: NewCall,
        /// Its ticket.
        ticket: TicketId,
    },
    /// It was answered then, and is being recorded to this file.
    Answered {
        /// When.
        at: UnixMillis,
        /// Below the folder of recordings.
        file: Option<String>,
    },
    /// A leg began.
    LegBegan(LegBegin),
    /// It was answered then, and its voice is being recorded to this file.
    LegAnswered {
        /// Which.
        leg: LegRef,
        /// When.
        at: UnixMillis,
        /// Below the folder of recordings.
        track: Option<String>,
    },
    /// Its first sample lies there in the call's time.
    LegHeard {
        /// Which.
        leg: LegRef,
        /// In ms.
        shift_ms: i64,
    },
    /// It is over.
    LegEnded(Box<LegEnd>),
    /// The way of the call through the house.
    Route(CallRoute),
    /// A line of its timeline.
    Event(CallEvent),
    /// It is over.
    Ended(Box<CallEnd>),
    /// Its recording is to be heard.
    AskPass(PassKind),
    /// A sentence, and the machine's reading of all that was said by then.
    Sentence {
        /// What was said.
        segment: FinalSegment,
        /// What was read.
        tags: Vec<Tag>,
    },
    /// Another reading of what was said.
    Reading {
        /// What was read.
        tags: Vec<Tag>,
    },
    /// Nothing was recognised for a while.
    Gap(Gap),
    /// Nothing more is said.
    CaptionsClosed,
    /// This call called somebody back who had reached nobody.
    CalledBack {
        /// The missed call.
        missed: CallId,
        /// Whether the citizen was reached.
        reached: bool,
    },
    /// Whom this call calls back has answered.
    AttemptAnswered {
        /// When.
        at: UnixMillis,
    },
    /// And has heard that the call is recorded, and stayed.
    AttemptNotified {
        /// When.
        at: UnixMillis,
    },
    /// What the citizen answered to one question.
    Answer {
        /// Of which follow-up.
        follow_up: FollowUpId,
        /// In which attempt.
        attempt: u32,
        /// What.
        answered: Answered,
        /// When.
        at: UnixMillis,
    },
    /// What became of the attempt.
    AttemptEnded(Box<AttemptEnd>),
    /// A callback is no new matter: its draft goes, unless somebody touched it.
    DropDraft,
}

impl Write {
    /// Writes it into the database; gives what it did to the draft, where it may do something.
    pub async fn apply(
        &self,
        store: &Store,
        call: CallId,
    ) -> Result<Option<DraftUpdate>, StoreError> {
        match self.clone() {
            Self::Begin { call, ticket } => {
                once(store.begin_call_as(call, ticket).await.map(|_| ()))
            }
            Self::Answered { at, file } => store.answer_call(call, at, file).await,
            Self::LegBegan(leg) => once(store.leg_began(leg).await),
            Self::LegAnswered { leg, at, track } => store.leg_answered(leg, at, track).await,
            Self::LegHeard { leg, shift_ms } => store.leg_is_heard(leg, shift_ms).await,
            Self::LegEnded(end) => store.leg_ended(*end).await,
            Self::Route(route) => store.route_call(call, route).await,
            Self::Event(event) => store.call_event(call, event).await,
            Self::Ended(end) => store.end_call(*end).await,
            Self::AskPass(kind) => store.ask_pass(call, kind).await,
            Self::Sentence { segment, tags } => {
                return store.record_final(call, segment, &tags).await.map(Some);
            }
            Self::Reading { tags } => return store.refill(call, &tags).await.map(Some),
            Self::Gap(gap) => store.record_gap(call, gap).await,
            Self::CaptionsClosed => store.captions_closed(call).await,
            Self::CalledBack { missed, reached } => store.called_back(missed, reached).await,
            Self::AttemptAnswered { at } => store.attempt_answered(call, at).await,
            Self::AttemptNotified { at } => store.attempt_notified(call, at).await,
            Self::Answer { follow_up, attempt, answered, at } => {
                store.put_answer(follow_up, attempt, answered, at).await
            }
            Self::AttemptEnded(end) => store.end_attempt(*end).await.map(drop),
            Self::DropDraft => store.drop_untouched_draft(call).await,
        }
        .map(|()| None)
    }
}

/// Ids are the server's own: what is there already was written by the try before.
fn once(outcome: Result<(), StoreError>) -> Result<(), StoreError> {
    match outcome {
        Err(StoreError::Exists { .. }) => Ok(()),
        outcome => outcome,
    }
}
