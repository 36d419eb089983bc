//! Callbacks: campaigns, follow-ups, attempts, answers, results.
//!
//! **An attempt is committed before anybody is dialled, and of any number of servers one gets it**
//! ([`begin_attempt`](crate::Store::begin_attempt)). **Each attempt ends once**
//! ([`end_attempt`](crate::Store::end_attempt)), and the end of a follow-up is one transaction with the
//! message that tells the ticket system.

mod answers;
mod attempts;
mod campaigns;
mod follow_ups;
mod refusals;
mod results;

pub use answers::{Correction, CorrectionRow, StoredAnswer};
pub(crate) use attempts::unschedule_second;
pub use attempts::{AttemptEnd, AttemptRow, BeginAttempt, Begun, Ended};
pub(crate) use campaigns::by_name as campaign_named;
pub use campaigns::{Campaign, CampaignCounts, CampaignError, CampaignState};
pub use follow_ups::{FollowUp, FollowUpQuery, FollowUpState, Imported, NewFollowUp, Polled};
pub(crate) use follow_ups::{Taken, cancel, take};
pub use refusals::{Refusal, RefusalWhy};
pub use results::FollowUpResult;
