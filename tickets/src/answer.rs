//! What an answer of the ticket system means.

use qingting_common::UnixMillis;
use std::time::{Duration, UNIX_EPOCH};

/// Whom a failure concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This event: others may be sent meanwhile.
    Event,
    /// The ticket system or the way to it: nothing else is worth a try yet.
    System,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has the event now.
    Accepted,
    /// It had the event already.
    AlreadyThere,
    /// It will never take it as it is.
    Refused,
    /// It may take it later.
    TryLater {
        /// Whom it concerns.
        scope: Scope,
        /// How long it asks to wait.
        after: Option<Duration>,
    },
}

impl Verdict {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AlreadyThere => "already_there",
            Self::Refused => "refused",
            Self::TryLater { .. } => "try_later",
        }
    }

    /// Reads a status and its `Retry-After` (RFC 9110 §10.2.3).
    ///
    /// 409 without `Retry-After` says that the key is known and done; with it, that the first request of
    /// that key still runs. A redirect and wrong credentials (401, 407) concern the connection, not the
    /// event: they are mended by an operator, after whom every event is as good as before.
    pub fn of(status: u16, retry_after: Option<&str>, now: UnixMillis) -> Self {
        let after = retry_after.and_then(|value| wait(value, now));
        let later = |scope| Self::TryLater { scope, after };
        match status {
            200..=299 => Self::Accepted,
            409 if after.is_none() => Self::AlreadyThere,
            409 | 425 | 500 => later(Scope::Event),
            300..=399 | 401 | 407 | 408 | 429 => later(Scope::System),
            400..=499 => Self::Refused,
            _ => later(Scope::System),
        }
    }
}

/// Seconds or a date.
fn wait(retry_after: &str, now: UnixMillis) -> Option<Duration> {
    let text = retry_after.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let now = Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
    Some(at.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_767_196_800_000);

    #[test]
    fn every_status_has_a_meaning() {
        let later = |scope| Verdict::TryLater { scope, after: None };
        for (statuses, verdict) in [
            (&[200, 201, 202, 204][..], Verdict::Accepted),
            (&[409], Verdict::AlreadyThere),
            (&[400, 403, 404, 410, 413, 422], Verdict::Refused),
            (&[425, 500], later(Scope::Event)),
            (&[301, 307, 401, 407, 408, 429, 502, 503, 504, 599, 700], later(Scope::System)),
        ] {
            for status in statuses {
                assert_eq!(Verdict::of(*status, None, NOW), verdict, "{status}");
            }
        }
    }

    #[test]
    fn a_receiver_says_how_long_to_wait_in_seconds_or_by_a_date() {
        for (text, seconds) in [
            ("120", Some(120)),
            ("Wed, 31 Dec 2025 16:01:30 GMT", Some(90)),
            ("Wed, 31 Dec 2025 15:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            let Verdict::TryLater { after, scope } = Verdict::of(503, Some(text), NOW) else {
                panic!("503 is no end");
            };
            assert_eq!((after, scope), (seconds.map(Duration::from_secs), Scope::System), "{text}");
        }
        let running =
            Verdict::TryLater { scope: Scope::Event, after: Some(Duration::from_secs(2)) };
        assert_eq!(Verdict::of(409, Some("2"), NOW), running);
    }
}
