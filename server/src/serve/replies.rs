//! What the call machine wants said, as SIP says it.

use qingting_core::call::{ByeReason, Cause, Rejection};
use qingting_sip::Reply;
use qingting_sip::message::HeaderName;

/// The agent of `Warning` headers.
const WARN_AGENT: &str = "qingting";

/// The Reason of a BYE (RFC 3326).
pub fn bye_reason(reason: ByeReason) -> String {
    let cause = match reason.sip_status {
        Some(status) => format!("SIP;cause={status}"),
        None => format!("Q.850;cause={}", reason.q850),
    };
    format!("{cause};text=\"{}\"", reason.text)
}

/// 200 with a session description.
pub fn ok(sdp: String) -> Reply {
    Reply { code: 200, phrase: None, headers: Vec::new(), body: Some(sdp.into()) }
}

/// 183 with a session description: early media.
pub fn progress(sdp: String) -> Reply {
    Reply { code: 183, phrase: None, headers: Vec::new(), body: Some(sdp.into()) }
}

/// 486: this number has all the lines that one number may have.
pub fn busy() -> Reply {
    let reason = "Q.850;cause=17;text=\"too many calls of this number at once\"";
    let headers = vec![(HeaderName::Reason, reason.to_owned())];
    Reply { code: 486, phrase: None, headers, body: None }
}

/// A refusal with its reasons: Warning (RFC 3261 §20.43), Retry-After, Reason (RFC 3326).
pub fn refusal(rejection: &Rejection, cause: Option<Cause>) -> Reply {
    let mut headers = Vec::new();
    if let Some(warning) = &rejection.warning {
        let value = format!("{} {WARN_AGENT} \"{}\"", warning.code, warning.text);
        headers.push((HeaderName::Other("Warning".to_owned()), value));
    }
    if let Some(after) = rejection.retry_after {
        headers.push((HeaderName::RetryAfter, after.as_secs().to_string()));
    }
    if let Some(cause) = cause {
        let value = format!("Q.850;cause={};text=\"{}\"", cause.q850(), cause.text());
        headers.push((HeaderName::Reason, value));
    }
    let phrase = Some(rejection.phrase.to_owned());
    Reply { code: rejection.status, phrase, headers, body: None }
}
