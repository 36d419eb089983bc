//! A call as checks look at it.

use crate::Store;
use crate::error::StoreError;
use crate::legs::{LegRole, LegRow};
use qingting_common::{CallId, UnixMillis};
use qingting_nlu::quality::{Call, Present, Said, Who, holds};

impl Store {
    /// What is known of a call, for its check; none where there is no such call.
    pub async fn call_for_quality(&self, id: CallId) -> Result<Option<Call>, StoreError> {
        let Some(row) = self.call(id).await? else { return Ok(None) };
        let began = row.answered_at.unwrap_or(row.started_at);
        let since = |at: UnixMillis| u64::try_from(at.0 - began.0).unwrap_or_default();
        let end = row.ended_at.map_or(0, since);
        let legs = self.legs(id).await?;
        let present = legs.iter().filter_map(|leg| present(leg, since, end)).collect();
        let events = self.call_events(id).await?;
        let holds = holds(events.iter().map(|event| (since(event.at), &*event.kind)), end);
        let transcript = self.transcript(id).await?;
        let said = transcript.segments.into_iter().map(|segment| Said {
            party: segment.party,
            when: segment.start_ms..segment.end_ms,
            text: segment.text,
            confidence: segment.confidence,
        });
        let gaps = transcript.gaps.iter().map(|gap| (gap.party, gap.from_ms..gap.to_ms));
        Ok(Some(Call {
            present,
            holds,
            said: said.collect(),
            gaps: gaps.collect(),
            citizen_hung_up: row.hung_up_by.as_deref() == Some("caller"),
        }))
    }
}

/// A supervisor listens, and an expert is transcribed: neither excuses a silence.
fn present(leg: &LegRow, since: impl Fn(UnixMillis) -> u64, end: u64) -> Option<Present> {
    let who = match leg.role {
        LegRole::Citizen => Who::Citizen,
        LegRole::Seat => Who::Seat(leg.target.expose().clone()),
        LegRole::SeatSecondLine | LegRole::Emergency | LegRole::Other => Who::Unheard,
        LegRole::Supervisor | LegRole::Expert => return None,
    };
    let from = since(leg.answered_at?);
    let to = leg.ended_at.map_or(end, &since);
    (from < to).then_some(Present { who, when: from..to })
}
