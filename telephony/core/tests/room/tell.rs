//! Outputs in a word or two.

use qingting_core::call::{News, Output, QueueRequest, Record, Response, Target};

/// `None` for what most tests do not look at: openings, rows of single legs, news.
pub(crate) fn tell(output: &Output) -> Option<String> {
    Some(match output {
        Output::Persist(record) => return row(record),
        Output::OpenMedia { leg, .. } => format!("open {}", leg.0),
        Output::ConnectMedia { leg, remote } => {
            format!("connect {} {}", leg.0, remote.direction.as_str())
        }
        Output::CloseMedia { leg } => format!("close {}", leg.0),
        Output::Respond { leg, response } => match response {
            Response::Ringing => format!("180 {}", leg.0),
            Response::Progress { .. } => format!("183 {}", leg.0),
            Response::Answer { .. } => format!("200 {}", leg.0),
            Response::Reject(rejection) => format!("{} {}", rejection.status, leg.0),
        },
        Output::Unusable { .. } => return None,
        Output::AnswerReinvite { leg, .. } => format!("re-200 {}", leg.0),
        Output::RejectReinvite { leg, rejection } => format!("re-{} {}", rejection.status, leg.0),
        Output::AnswerUpdate { leg, .. } => format!("up-200 {}", leg.0),
        Output::RejectUpdate { leg, rejection } => format!("up-{} {}", rejection.status, leg.0),
        Output::Dial { leg, target, offer } => {
            let late = if offer.is_none() { " late" } else { "" };
            format!("dial {} {}{late}", leg.0, whom(target))
        }
        Output::AckAnswer { leg, .. } => format!("ack {}", leg.0),
        Output::CancelDial { leg } => format!("cancel {}", leg.0),
        Output::SendBye { leg, reason } => format!("bye {} {}", leg.0, reason.q850),
        Output::Reoffer { leg, .. } => format!("reoffer {}", leg.0),
        Output::Route(_) => "route".into(),
        Output::Play { leg, prompt, .. } => format!("play {} {prompt:?}", leg.0),
        Output::StopPrompts { leg } => format!("stop {}", leg.0),
        Output::Music { leg, on } => format!("music {} {}", leg.0, switch(*on)),
        Output::Ringback { leg, on } => format!("ringback {} {}", leg.0, switch(*on)),
        Output::StartRecognition { leg } => format!("recognise {}", leg.0),
        Output::PauseRecording => "pause".into(),
        Output::ResumeRecording => "resume".into(),
        Output::Queue(request) => match request {
            QueueRequest::Enqueue { queue, front } => {
                format!("enqueue {}{}", queue.0, if *front { " front" } else { "" })
            }
            QueueRequest::Accepted { seat } => format!("accepted {}", seat.0),
            QueueRequest::OfferFailed { seat, why } => format!("offer failed {} {why:?}", seat.0),
            QueueRequest::Abandon => "abandon".into(),
            QueueRequest::Ended { seat } => format!("seat ended {}", seat.0),
            QueueRequest::CallbackWanted => "callback wanted".into(),
        },
        Output::MenuStart => "menu".into(),
        Output::MenuKey { digit } => format!("menu {digit}"),
        Output::AcceptRefer { leg } => format!("refer-202 {}", leg.0),
        Output::RejectRefer { leg, code } => format!("refer-{code} {}", leg.0),
        Output::NotifyRefer { leg, code, is_final } => {
            format!("notify {} {code}{}", leg.0, if *is_final { " final" } else { "" })
        }
        Output::CommandResult { result, .. } => match result {
            Ok(()) => "ok".into(),
            Err(refused) => format!("refused {refused:?}"),
        },
        Output::Tell(News::NobodyCame) => "nobody came".into(),
        Output::Tell(_) => return None,
        Output::Finished => "finished".into(),
    })
}

fn row(record: &Record) -> Option<String> {
    Some(match record {
        Record::Begin => "store begin".into(),
        Record::Answered => "store answered".into(),
        Record::LegBegan { .. } | Record::LegAnswered { .. } | Record::LegEnded { .. } => {
            return None;
        }
        Record::Queued { queue } => format!("store queued {}", queue.0),
        Record::SeatAnswered { seat, wait, .. } => {
            format!("store seat {} after {}", seat.0, wait.as_secs())
        }
        Record::Transferred { from, to, blind } => {
            let to = to.map_or("?".to_owned(), |to| to.0.to_string());
            format!("store transferred {}>{to}{}", from.0, if *blind { " blind" } else { "" })
        }
        Record::Supervised { mode, .. } => format!("store {}", mode.as_str()),
        Record::RecordingPaused => "store paused".into(),
        Record::RecordingResumed => "store resumed".into(),
        Record::Missed { why } => format!("store missed {}", why.as_str()),
        Record::Ended(cause) => format!("store ended {}", cause.as_str()),
    })
}

fn whom(target: &Target) -> String {
    match target {
        Target::Seat(seat) => format!("seat {}", seat.0),
        Target::Extension(name) => name.clone(),
        Target::Number(number) => number.expose().clone(),
    }
}

const fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
