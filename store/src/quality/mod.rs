//! Quality checks of calls that a seat answered: what they came to, and what people say to it.
//!
//! **Every such call is checked, and of several servers one does it.** Triggers note a call when it ends, when its last
//! words are written and when what was missing has been heard, whichever version of the program wrote it. **What a
//! person reviewed stays**: a later check replaces proposals alone. Of an erased citizen nothing is checked any more.

mod call;
mod check;
mod query;
mod review;

pub use check::{CallToCheck, CheckedCall};
pub use query::{
    QualityCheck, QualityCursor, QualityCursorError, QualityFinding, QualityQuery, SeatQuality,
    score_of,
};
pub use review::{ReviewError, Verdict};

/// Longest remark of a review, in characters.
pub const REMARK_CHARS_MAX: usize = 500;

/// Where a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingState {
    /// 待复核: the machine's word.
    Proposed,
    /// 确认.
    Confirmed,
    /// 驳回: it takes nothing from the score.
    Rejected,
}

impl FindingState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Confirmed, Self::Rejected];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
        }
    }
}
