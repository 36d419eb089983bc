//! What has been seen of one leg.

use qingting_core::call::{Cause, PromptId, Role};
use qingting_core::leg::LegEvent;

/// What has been seen of one leg.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) role: Role,
    pub(crate) opened: u8,
    pub(crate) closed: u8,
    /// Dialled by us, or called.
    pub(crate) is_dial: bool,
    pub(crate) dialled: bool,
    pub(crate) cancelled: bool,
    pub(crate) bye: bool,
    /// The dialog ended from its other side.
    pub(crate) gone: bool,
    pub(crate) finals: u8,
    pub(crate) answered: bool,
    pub(crate) acknowledged: bool,
    pub(crate) ended_row: bool,
    /// Why its last row says that it ended.
    pub(crate) ended_for: Option<Cause>,
    /// Early media of a dial, or 183 to a seat's telephone.
    pub(crate) early: bool,
    pub(crate) sends: bool,
    pub(crate) playing: Option<PromptId>,
    pub(crate) music: bool,
    pub(crate) ringback: bool,
    pub(crate) refers: i8,
    pub(crate) notified: bool,
    /// Our re-INVITE is open.
    pub(crate) reoffered: bool,
}

impl Seen {
    pub(crate) const fn new(role: Role, is_dial: bool) -> Self {
        Self {
            role,
            opened: 0,
            closed: 0,
            is_dial,
            dialled: false,
            cancelled: false,
            bye: false,
            gone: false,
            finals: 0,
            answered: false,
            acknowledged: false,
            ended_row: false,
            ended_for: None,
            early: false,
            sends: false,
            playing: None,
            music: false,
            ringback: false,
            refers: 0,
            notified: false,
            reoffered: false,
        }
    }

    /// What the driver reports.
    pub(crate) fn take(&mut self, event: &LegEvent) {
        match event {
            LegEvent::Bye | LegEvent::TransportLost => {
                // A caller who was not answered still gets its final response.
                let over = if self.is_dial { self.dialled } else { self.answered };
                self.gone |= over;
            }
            LegEvent::Cancel => self.gone |= self.answered && !self.acknowledged,
            LegEvent::Failed { code } if self.dialled => {
                self.gone |= !self.acknowledged;
                self.gone |= self.reoffered && matches!(code, 408 | 481);
                self.reoffered = false;
            }
            LegEvent::Answered { .. } if self.dialled => {
                self.answered = true;
                self.acknowledged |= !self.cancelled;
                self.reoffered = false;
            }
            LegEvent::Failed { .. } | LegEvent::Answered { .. } => self.reoffered = false,
            LegEvent::Ack { .. } | LegEvent::AckTimeout if !self.is_dial => {
                self.acknowledged |= self.answered;
            }
            LegEvent::Progress { body: Some(_), .. } => self.early |= self.dialled,
            _ => {}
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.acknowledged && !self.ended_row && !self.bye && !self.gone
    }

    /// Whether the driver still has something to say about this leg.
    pub(crate) const fn is_alive(&self) -> bool {
        !self.bye && !self.gone && (!self.ended_row || self.cancelled)
    }

    pub(crate) fn is_settled(&self) -> bool {
        let dialog = if self.is_dial {
            // Dial always ends in BYE, CANCEL or by itself.
            !self.dialled || self.bye || self.gone || self.cancelled
        } else {
            self.finals == 1
        };
        dialog && self.opened == self.closed && self.ended_row
    }
}
