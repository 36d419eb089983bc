//! A newtype for every id, so that a call is never taken for a ticket.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Text that is not a valid id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a valid id: expected a UUID such as 0192f0c1-2b3c-7d4e-8f50-123456789abc")]
pub struct InvalidId {
    /// What was given.
    pub text: String,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// An id from its random or time-ordered UUID; the caller makes the UUID, so that pure
            /// code stays free of randomness.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text)
                    .map(Self)
                    .map_err(|_| InvalidId { text: text.chars().take(64).collect() })
            }
        }
    };
}

uuid_id!(
    /// One call as the hotline sees it, from INVITE to the last BYE. UUID version 7, so that ids
    /// sort by time.
    CallId
);
uuid_id!(
    /// One ticket (工单).
    TicketId
);
uuid_id!(
    /// One stretch of speech of one party. A final keeps the id of the partials that it replaces.
    SegmentId
);
uuid_id!(
    /// One campaign (回访任务) of callbacks.
    CampaignId
);
uuid_id!(
    /// One follow-up (回访): a closed ticket whose citizen is asked how it went.
    FollowUpId
);

/// Who is speaking in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The citizen who called.
    Caller,
    /// The person at the seat (座席).
    Seat,
    /// A department's expert in a three-party call.
    Expert,
}

impl Party {
    /// The name used in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Seat => "seat",
            Self::Expert => "expert",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = CallId::new(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn a_wrong_id_is_quoted_and_cut() {
        let err = "x".repeat(100).parse::<TicketId>().unwrap_err();
        assert_eq!(err.text.len(), 64);
        assert!(err.to_string().contains("expected a UUID"));
    }
}
