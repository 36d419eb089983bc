//! What every crate shares: ids, personal data that cannot be logged by accident, limits, time.
//!
//! Pure: nothing here reads a clock, opens a socket or knows a runtime.

pub mod histogram;
pub mod ids;
pub mod limits;
pub mod pii;
pub mod time;

pub use histogram::Histogram;
pub use ids::{CallId, CampaignId, FollowUpId, SegmentId, TicketId};
pub use pii::Pii;
pub use time::{Millis, UnixMillis};
