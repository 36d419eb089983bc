//! Callbacks as they are shown.

use qingting_callbacks::campaign::Settings;
use qingting_callbacks::intake::last_digits;
use qingting_callbacks::result::{Round, Verdict};
use qingting_callbacks::script::{AnswerName, question_name};
use qingting_nlu::answers::Cause;
use qingting_store::{AttemptRow, Campaign, CampaignCounts, CorrectionRow, FollowUp, StoredAnswer};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A campaign.
#[derive(Serialize, ToSchema)]
pub(crate) struct CampaignView {
    id: String,
    name: String,
    /// `draft`, `running`, `paused` or `stopped`.
    state: &'static str,
    #[schema(value_type = Object)]
    settings: Settings,
    /// Counts its changes.
    revision: u64,
    created_at: i64,
    created_by: String,
    counts: CountsView,
    /// Why it cannot call here; empty when it can.
    faults: Vec<String>,
}

/// How many follow-ups are where.
#[derive(Serialize, ToSchema)]
pub(crate) struct CountsView {
    waiting: u64,
    calling: u64,
    awaiting_redo: u64,
    /// Ended, by status.
    ended: BTreeMap<String, u64>,
    /// Attempts, by outcome.
    outcomes: BTreeMap<String, u64>,
}

pub(crate) fn campaign(row: Campaign, counts: CampaignCounts, faults: Vec<String>) -> CampaignView {
    CampaignView {
        id: row.id.to_string(),
        name: row.name,
        state: row.state.as_str(),
        settings: row.settings,
        revision: row.revision,
        created_at: row.created_at.0,
        created_by: row.created_by,
        counts: CountsView {
            waiting: counts.waiting,
            calling: counts.calling,
            awaiting_redo: counts.awaiting_redo,
            ended: counts.ended.into_iter().collect(),
            outcomes: counts.outcomes.into_iter().collect(),
        },
        faults,
    }
}

/// A follow-up.
#[derive(Serialize, ToSchema)]
pub(crate) struct FollowUpView {
    id: String,
    campaign: String,
    ticket: String,
    title: String,
    unit: String,
    opened_at: Option<i64>,
    closed_at: i64,
    /// The citizen's number; of a confidential citizen its last four digits.
    citizen: String,
    confidential: bool,
    #[schema(value_type = Object)]
    earlier: Value,
    /// 1, or 2 after a redo.
    round: u8,
    previous: Option<String>,
    priority: i64,
    /// `awaiting_redo`, `waiting`, `calling` or `ended`.
    state: &'static str,
    not_before: i64,
    /// When the citizen wants to be called.
    wish: Option<i64>,
    attempts: u8,
    status: Option<&'static str>,
    ended_at: Option<i64>,
}

pub(crate) fn follow_up(row: FollowUp) -> FollowUpView {
    FollowUpView {
        id: row.id.to_string(),
        campaign: row.campaign.to_string(),
        citizen: match row.confidential {
            true => format!("****{}", last_digits(&row.citizen)),
            false => row.citizen.expose().clone(),
        },
        ticket: row.ticket,
        title: row.title,
        unit: row.unit,
        opened_at: row.opened_at.map(|at| at.0),
        closed_at: row.closed_at.0,
        confidential: row.confidential,
        earlier: row.earlier.expose().clone(),
        round: if row.round == Round::First { 1 } else { 2 },
        previous: row.previous.map(|id| id.to_string()),
        priority: row.priority,
        state: row.state.as_str(),
        not_before: row.not_before.0,
        wish: row.wish.map(|at| at.0),
        attempts: row.attempts,
        status: row.status.map(|status| status.as_str()),
        ended_at: row.ended_at.map(|at| at.0),
    }
}

/// An attempt.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptView {
    number: u32,
    /// The call: its recording and transcript are there.
    call: String,
    began_at: i64,
    answered_at: Option<i64>,
    /// When the recording notice had been heard.
    notified_at: Option<i64>,
    ended_at: Option<i64>,
    outcome: Option<&'static str>,
    sip_code: Option<u16>,
}

pub(crate) fn attempt(row: AttemptRow) -> AttemptView {
    AttemptView {
        number: row.number,
        call: row.call.to_string(),
        began_at: row.began_at.0,
        answered_at: row.answered_at.map(|at| at.0),
        notified_at: row.notified_at.map(|at| at.0),
        ended_at: row.ended_at.map(|at| at.0),
        outcome: row.outcome.map(|outcome| outcome.as_str()),
        sip_code: row.sip_code,
    }
}

/// An answer as the machine read it.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnswerView {
    attempt: u32,
    question: &'static str,
    answer: &'static str,
    /// The kind of a reason.
    cause: Option<&'static str>,
    /// The citizen's words, or the key.
    text: String,
    confidence: f32,
    /// `speech` or `key`.
    #[schema(value_type = String)]
    by: qingting_callbacks::dialogue::By,
    /// It was repeated to the citizen, who said that it is right.
    confirmed: bool,
    /// Where the words are in the recording, in ms.
    clip_from_ms: Option<u64>,
    clip_to_ms: Option<u64>,
    at: i64,
}

pub(crate) fn answer(row: StoredAnswer) -> AnswerView {
    let answered = row.answered;
    AnswerView {
        attempt: row.attempt,
        question: question_name(answered.question),
        answer: answered.answer.as_str(),
        cause: answered.cause.map(Cause::as_str),
        text: answered.text.expose().clone(),
        confidence: answered.confidence,
        by: answered.by,
        confirmed: answered.confirmed,
        clip_from_ms: answered.clip_ms.map(|(from, _)| from),
        clip_to_ms: answered.clip_ms.map(|(_, to)| to),
        at: row.at.0,
    }
}

/// What a person put in the place of the machine's reading.
#[derive(Serialize, ToSchema)]
pub(crate) struct CorrectionView {
    question: &'static str,
    answer: Option<&'static str>,
    cause: Option<&'static str>,
    note: String,
    by: String,
    at: i64,
}

pub(crate) fn correction(row: CorrectionRow) -> CorrectionView {
    CorrectionView {
        question: question_name(row.correction.question),
        answer: row.correction.answer.map(AnswerName::as_str),
        cause: row.correction.cause.map(Cause::as_str),
        note: row.correction.note,
        by: row.by,
        at: row.at.0,
    }
}

/// What a follow-up came to. An answer that is absent was not given: it counts neither for nor against.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerdictView {
    /// `completed`, `partial`, `handed_over`, `refused`, `wrong_number`, `unreached` or `cancelled`.
    status: &'static str,
    /// 响应.
    contacted: Option<&'static str>,
    /// 解决.
    resolved: Option<&'static str>,
    /// 满意.
    satisfied: Option<&'static str>,
    reason: Option<&'static str>,
    reason_text: String,
    /// The unit has to handle it again.
    redo: bool,
    r#final: bool,
}

pub(crate) fn verdict(verdict: &Verdict) -> VerdictView {
    VerdictView {
        status: verdict.status.as_str(),
        contacted: verdict.contacted.map(AnswerName::as_str),
        resolved: verdict.resolved.map(AnswerName::as_str),
        satisfied: verdict.satisfied.map(AnswerName::as_str),
        reason: verdict.reason.map(Cause::as_str),
        reason_text: verdict.reason_text.expose().clone(),
        redo: verdict.redo,
        r#final: verdict.is_final,
    }
}
