//! A call as a vCon, the IETF's container for conversations: draft-ietf-vcon-vcon-core-02 (January
//! 2026), whose syntax calls itself "0.4.0"; party roles of draft-ietf-vcon-cc-extension-01.
//!
//! The audio stays outside and is named by its URL and the SHA-512 of what the URL gives (§2.4).

use crate::auth::Principal;
use crate::recording::Audio;
use crate::{ApiState, Problem, access, clock, sight};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use qingting_common::{Pii, UnixMillis};
use qingting_store::{
    CallEvent, CallRow, CallState, LegRole, LegRow, RecordingKind, RecordingRow, Transcript, china,
};
use serde_json::{Value, json};

/// The version of the syntax (§4.1.1).
const VCON_SYNTAX: &str = "0.4.0";
/// The media type of the unsigned form (§6.1).
const VCON_TYPE: &str = "application/vcon";
/// The extension that defines `role` of a party.
const CONTACT_CENTER: &str = "CC";
/// Who made the analysis.
const VENDOR: &str = "Qingting";

/// A call that is over as a vCon, unsigned form: draft-ietf-vcon-vcon-core-02, syntax 0.4.0. The
/// recordings are referenced by URL and SHA-512, the transcript is an analysis, the timeline an
/// attachment with purpose `events`. Of a confidential citizen neither number nor name is in it.
#[utoipa::path(get, path = "/api/v1/calls/{id}/vcon", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/vcon", body = Object),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let call = access::call(&state, &who, &id).await?;
    if call.state() != CallState::Ended {
        return Err(Problem::new(StatusCode::CONFLICT, "the call still runs"));
    }
    state.store.audit(&who.name, "call.vcon", &call.id.to_string()).await?;
    let parts = Parts::of(&state, call).await?;
    let mut audio = Vec::new();
    for row in &parts.recordings {
        if row.deleted_at.is_none() {
            audio.extend(digest(&state, row).await?);
        }
    }
    let mut vcon = parts.vcon(&audio);
    if parts.call.confidential {
        sight::conceal(&mut vcon);
    }
    let mut response = vcon.to_string().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(VCON_TYPE));
    Ok(response)
}

/// A recording whose audio can be read.
struct Digest<'a> {
    row: &'a RecordingRow,
    url: String,
    sha512: String,
    channels: u16,
}

/// None for a file that is lost: the record of the call is still worth having.
async fn digest<'a>(
    state: &ApiState,
    row: &'a RecordingRow,
) -> Result<Option<Digest<'a>>, Problem> {
    let audio = match Audio::open(state, &row.info).await {
        Ok(audio) => audio,
        Err(problem) if problem.status == StatusCode::NOT_FOUND.as_u16() => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let (sha512, channels) = audio.digest().await?;
    let track = match row.key.kind {
        RecordingKind::Mix => String::new(),
        RecordingKind::Track => format!("?track={}.{}", row.key.slot, row.key.seq),
    };
    let base = state.public_url.as_deref().unwrap_or_default();
    let url = format!("{base}/api/v1/calls/{}/recording{track}", row.key.call);
    Ok(Some(Digest { row, url, sha512, channels }))
}

struct Parts {
    call: CallRow,
    /// Legs that were answered or, when none was, all.
    legs: Vec<LegRow>,
    events: Vec<CallEvent>,
    recordings: Vec<RecordingRow>,
    transcript: Transcript,
    /// Names of seats, by extension.
    names: Vec<(String, String)>,
}

impl Parts {
    async fn of(state: &ApiState, call: CallRow) -> Result<Self, Problem> {
        let store = &state.store;
        let mut legs = store.legs(call.id).await?;
        if legs.iter().any(|leg| leg.answered_at.is_some()) {
            legs.retain(|leg| leg.answered_at.is_some());
        }
        let seats = store.seats().await?;
        Ok(Self {
            legs,
            events: store.call_events(call.id).await?,
            recordings: store.recordings(call.id).await?,
            transcript: store.transcript(call.id).await?,
            names: seats.into_iter().map(|seat| (seat.extension, seat.name)).collect(),
            call,
        })
    }

    fn vcon(&self, audio: &[Digest<'_>]) -> Value {
        let dialog: Vec<Value> = match audio {
            [] => vec![self.without_audio()],
            audio => audio.iter().map(|audio| self.recording(audio)).collect(),
        };
        json!({
            "vcon": VCON_SYNTAX,
            "uuid": self.call.id,
            "extensions": [CONTACT_CENTER],
            "created_at": time(self.call.started_at),
            "updated_at": time(clock::now()),
            "subject": self.call.ticket_number,
            "parties": self.legs.iter().map(|leg| self.party(leg)).collect::<Vec<_>>(),
            "dialog": dialog,
            "analysis": self.analysis(),
            "attachments": [self.timeline()],
        })
    }

    fn party(&self, leg: &LegRow) -> Value {
        let target = leg.target.expose();
        let seat = || self.names.iter().find(|(extension, _)| extension == target);
        let name = leg.name.as_ref().map(Pii::expose).or_else(|| Some(&seat()?.1));
        let role = match leg.role {
            LegRole::Citizen => "customer",
            LegRole::Seat | LegRole::SeatSecondLine => "agent",
            LegRole::Supervisor => "supervisor",
            LegRole::Expert => "sme",
            LegRole::Emergency | LegRole::Other => "thirdparty",
        };
        let mut party = json!({ "tel": target, "role": role });
        if let Some(name) = name {
            party["name"] = json!(name);
        }
        party
    }

    fn recording(&self, audio: &Digest<'_>) -> Value {
        let key = audio.row.key;
        let place = |leg: &LegRow| (leg.slot, leg.seq) == (key.slot, key.seq);
        let (parties, start, history) = match key.kind {
            RecordingKind::Track => {
                let at = self.legs.iter().position(place);
                let start = at.and_then(|at| self.legs[at].answered_at);
                (json!(at), start, None)
            }
            RecordingKind::Mix => (self.mixed(audio.channels), None, Some(self.history())),
        };
        let start = start.or(self.call.answered_at).unwrap_or(self.call.started_at);
        let mut dialog = json!({
            "type": "recording",
            "start": time(start),
            "parties": parties,
            "mediatype": "audio/x-wav",
            "url": audio.url,
            "content_hash": audio.sha512,
        });
        if let Some(ms) = audio.row.info.duration_ms {
            dialog["duration"] = json!(ms as f64 / 1_000.0);
        }
        if let Some(history) = history {
            dialog["party_history"] = history;
        }
        dialog
    }

    /// Who is on which channel (§4.3.4): of two, the citizen is left and all others right.
    fn mixed(&self, channels: u16) -> Value {
        let all = 0..self.legs.len();
        let is_citizen = |at: &usize| self.legs[*at].role == LegRole::Citizen;
        if channels != 2 {
            return json!(all.collect::<Vec<_>>());
        }
        let (left, right): (Vec<_>, Vec<_>) = all.partition(is_citizen);
        json!([left, right])
    }

    fn history(&self) -> Value {
        let mut steps = Vec::new();
        for (party, leg) in self.legs.iter().enumerate() {
            let times = [(leg.answered_at, "join"), (leg.ended_at, "drop")];
            steps.extend(times.into_iter().filter_map(|(at, event)| Some((at?, party, event))));
        }
        steps.sort();
        let step = |(at, party, event)| json!({ "party": party, "time": time(at), "event": event });
        json!(steps.into_iter().map(step).collect::<Vec<_>>())
    }

    /// A conversation of which there is no audio (§4.3.1): nobody answered, or it was deleted.
    fn without_audio(&self) -> Value {
        if self.call.answered_at.is_some() {
            return json!({});
        }
        let disposition = match self.call.cause.as_deref() {
            Some("caller_cancelled" | "caller_hung_up") => "hung-up",
            Some("busy") => "busy",
            Some("store_unavailable" | "media_unavailable" | "draining") => "congestion",
            _ if self.call.missed.is_some() => "no-answer",
            _ => "failed",
        };
        json!({
            "type": "incomplete",
            "start": time(self.call.started_at),
            "parties": (0..self.legs.len()).collect::<Vec<_>>(),
            "disposition": disposition,
        })
    }

    fn analysis(&self) -> Vec<Value> {
        if self.transcript.segments.is_empty() {
            return Vec::new();
        }
        let segments = self.transcript.segments.iter().map(|segment| {
            json!({
                "party": segment.party.as_str(),
                "start_ms": segment.start_ms,
                "end_ms": segment.end_ms,
                "text": segment.text,
                "raw": segment.raw,
                "confidence": segment.confidence,
            })
        });
        let gap = |gap: &qingting_store::Gap| json!({ "party": gap.party.as_str(), "from_ms": gap.from_ms, "to_ms": gap.to_ms });
        let gaps: Vec<_> = self.transcript.gaps.iter().map(gap).collect();
        let segments: Vec<_> = segments.collect();
        vec![json!({
            "type": "transcript",
            "dialog": 0,
            "vendor": VENDOR,
            "mediatype": "application/json",
            "encoding": "json",
            "body": json!({ "segments": segments, "gaps": gaps }).to_string(),
        })]
    }

    fn timeline(&self) -> Value {
        let event = |event: &CallEvent| json!({ "at": time(event.at), "kind": event.kind, "detail": event.detail });
        let events: Vec<_> = self.events.iter().map(event).collect();
        json!({
            "purpose": "events",
            "start": time(self.call.started_at),
            "party": 0,
            "dialog": 0,
            "mediatype": "application/json",
            "encoding": "json",
            "body": json!({ "events": events }).to_string(),
        })
    }
}

fn time(at: UnixMillis) -> String {
    china::of(at).rfc3339()
}
