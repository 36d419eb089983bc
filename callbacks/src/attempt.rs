//! What became of one attempt to reach a citizen, and what follows from it.

use crate::detector::Announcement;
use crate::dialogue::Ending;
use crate::script::{AnswerName, EndingName};
use qingting_common::UnixMillis;
use qingting_core::call::Cause;
use serde::{Deserialize, Serialize};

/// What became of an attempt. Every attempt has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A person answered everything.
    Completed,
    /// A person said not to be called any more.
    StopCalling,
    /// Not the citizen.
    WrongPerson,
    /// The citizen named another time, or wants one.
    CallLater,
    /// The citizen could not talk.
    PersonBusy,
    /// Somebody answered and said nothing.
    Silent,
    /// Somebody was not understood, by keys either.
    Unclear,
    /// The call was handed to a seat.
    HandedOver,
    /// A person hung up in the middle.
    HungUp,
    /// A mailbox (语音信箱).
    Voicemail,
    /// The network's words after an answer.
    NetworkAnnouncement,
    /// Another machine: a menu, an assistant that screens calls.
    Automaton,
    /// The line is busy.
    LineBusy,
    /// It rang and nobody answered.
    NoAnswer,
    /// Somebody, or the telephone, declined.
    Rejected,
    /// The telephone is switched off.
    SwitchedOff,
    /// The telephone is out of reach.
    Unreachable,
    /// The number is out of use for a while (停机).
    Suspended,
    /// There is no such number (空号).
    NoSuchNumber,
    /// The network or the trunk failed; nothing rang as far as anybody knows.
    NetworkFault,
    /// Our own side failed or shut down.
    OwnFault,
    /// The server stopped in the middle of it: nobody knows whether it rang.
    Unknown,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 22] = [
        Self::Completed,
        Self::StopCalling,
        Self::WrongPerson,
        Self::CallLater,
        Self::PersonBusy,
        Self::Silent,
        Self::Unclear,
        Self::HandedOver,
        Self::HungUp,
        Self::Voicemail,
        Self::NetworkAnnouncement,
        Self::Automaton,
        Self::LineBusy,
        Self::NoAnswer,
        Self::Rejected,
        Self::SwitchedOff,
        Self::Unreachable,
        Self::Suspended,
        Self::NoSuchNumber,
        Self::NetworkFault,
        Self::OwnFault,
        Self::Unknown,
    ];

    /// The name in the database, the API and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::StopCalling => "stop_calling",
            Self::WrongPerson => "wrong_person",
            Self::CallLater => "call_later",
            Self::PersonBusy => "person_busy",
            Self::Silent => "silent",
            Self::Unclear => "unclear",
            Self::HandedOver => "handed_over",
            Self::HungUp => "hung_up",
            Self::Voicemail => "voicemail",
            Self::NetworkAnnouncement => "network_announcement",
            Self::Automaton => "automaton",
            Self::LineBusy => "line_busy",
            Self::NoAnswer => "no_answer",
            Self::Rejected => "rejected",
            Self::SwitchedOff => "switched_off",
            Self::Unreachable => "unreachable",
            Self::Suspended => "suspended",
            Self::NoSuchNumber => "no_such_number",
            Self::NetworkFault => "network_fault",
            Self::OwnFault => "own_fault",
            Self::Unknown => "unknown",
        }
    }

    /// The name for people.
    pub const fn spoken(self) -> &'static str {
        match self {
            Self::Completed => "完成",
            Self::StopCalling => "拒绝再访",
            Self::WrongPerson => "非本人",
            Self::CallLater => "约定再访",
            Self::PersonBusy => "不便接听",
            Self::Silent => "无人说话",
            Self::Unclear => "未听清",
            Self::HandedOver => "转人工",
            Self::HungUp => "中途挂断",
            Self::Voicemail => "语音信箱",
            Self::NetworkAnnouncement => "网络提示音",
            Self::Automaton => "自动应答",
            Self::LineBusy => "占线",
            Self::NoAnswer => "无人接听",
            Self::Rejected => "拒接",
            Self::SwitchedOff => "关机",
            Self::Unreachable => "无法接通",
            Self::Suspended => "停机",
            Self::NoSuchNumber => "空号",
            Self::NetworkFault => "线路故障",
            Self::OwnFault => "系统故障",
            Self::Unknown => "结果不明",
        }
    }

    /// A talk that ended by itself.
    pub const fn of_ending(ending: &Ending) -> Self {
        match ending {
            Ending::Script { name, .. } => match name {
                EndingName::Completed => Self::Completed,
                EndingName::WrongPerson => Self::WrongPerson,
                EndingName::StopCalling => Self::StopCalling,
                EndingName::CallLater => Self::CallLater,
                EndingName::Busy => Self::PersonBusy,
                EndingName::Silent => Self::Silent,
                EndingName::Unclear => Self::Unclear,
            },
            Ending::Seat => Self::HandedOver,
            Ending::Machine => Self::Automaton,
            Ending::Fault => Self::OwnFault,
        }
    }

    /// A call that nobody answered, from the final response (RFC 3261 §21), from the ISUP cause in its Reason
    /// header (RFC 3326, Q.850) and from what the network said before it. What it said counts most: many
    /// networks answer 480 to everything.
    pub const fn of_failure(code: u16, q850: Option<u8>, said: Option<Announcement>) -> Self {
        if let Some(said) = said {
            return Self::of_announcement(said);
        }
        match q850 {
            // Unallocated, changed, incomplete.
            Some(1 | 22 | 28) => return Self::NoSuchNumber,
            Some(17) => return Self::LineBusy,
            Some(18 | 19) => return Self::NoAnswer,
            Some(20 | 27) => return Self::Unreachable,
            Some(21) => return Self::Rejected,
            // No route, congestion, out of order.
            Some(2 | 3 | 34 | 38 | 41 | 42) => return Self::NetworkFault,
            _ => {}
        }
        match code {
            486 | 600 => Self::LineBusy,
            408 | 487 | 480 => Self::NoAnswer,
            603 | 607 | 608 => Self::Rejected,
            410 => Self::NoSuchNumber,
            // Trunks say so of numbers that do not exist, of mistyped ones, and when they have lost a route.
            404 | 484 | 604 => Self::Unreachable,
            // 403 among them: the trunk does not let us call.
            _ => Self::NetworkFault,
        }
    }

    /// What the network said.
    pub const fn of_announcement(said: Announcement) -> Self {
        match said {
            Announcement::Busy => Self::LineBusy,
            Announcement::NoAnswer => Self::NoAnswer,
            Announcement::Rejected => Self::Rejected,
            Announcement::SwitchedOff => Self::SwitchedOff,
            Announcement::Unreachable => Self::Unreachable,
            Announcement::Suspended => Self::Suspended,
            Announcement::NotInService => Self::NoSuchNumber,
            Announcement::Congestion => Self::NetworkFault,
            Announcement::Restricted => Self::Rejected,
            Announcement::Voicemail => Self::Voicemail,
        }
    }

    /// A call that nobody answered and that ended for this cause of ours.
    pub const fn of_cause(cause: Cause) -> Self {
        match cause {
            Cause::Busy => Self::LineBusy,
            Cause::NoAnswer => Self::NoAnswer,
            Cause::Unreachable | Cause::TransportLost => Self::NetworkFault,
            // It may have rung.
            Cause::Draining | Cause::OperatorHungUp => Self::Unknown,
            _ => Self::OwnFault,
        }
    }

    /// A call that ended before the talk with whoever had answered did.
    pub const fn of_interruption(cause: Cause) -> Self {
        match cause {
            Cause::CallerHungUp | Cause::MediaLost | Cause::TransportLost => Self::HungUp,
            _ => Self::Unknown,
        }
    }

    /// Whether the citizen's telephone may have rung: then it counts as an attempt.
    pub const fn counts(self) -> bool {
        !matches!(self, Self::NetworkFault | Self::OwnFault)
    }

    /// What it is with what the citizen has said, however the call broke off after that.
    pub const fn with(self, said: Option<AnswerName>) -> Self {
        if matches!(self, Self::Completed | Self::HandedOver | Self::StopCalling) {
            return self;
        }
        match said {
            Some(AnswerName::StopCalling) => Self::StopCalling,
            Some(AnswerName::WrongPerson) => Self::WrongPerson,
            Some(AnswerName::CallLater) => Self::CallLater,
            Some(AnswerName::Busy) => Self::PersonBusy,
            _ => self,
        }
    }

    /// What an attempt is whose server was not heard of, with what the citizen had said by then: what ends the follow-up
    /// counts, anything else stays unknown until the real end comes, with the time that was named perhaps.
    pub const fn given_up(said: Option<AnswerName>) -> Self {
        match said {
            Some(AnswerName::StopCalling | AnswerName::WrongPerson) => Self::Unknown.with(said),
            _ => Self::Unknown,
        }
    }

    /// What it is if the citizen's telephone rang: such an attempt counts, whatever failed then.
    pub const fn after_ringing(self) -> Self {
        if self.counts() { self } else { Self::Unknown }
    }
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nobody is called any more.
    Finish(Status),
    /// The citizen is called again, as soon as the rules allow, or at the time he named.
    Again {
        /// When he wants it.
        wish: Option<UnixMillis>,
    },
}

/// How a follow-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything was answered.
    Completed,
    /// Some of it was.
    Partial,
    /// A seat has taken over.
    HandedOver,
    /// The citizen does not want to be called.
    Refused,
    /// The number is not the citizen's, or nobody's.
    WrongNumber,
    /// Nobody was reached in as many attempts as there may be. **Not a kind of satisfied.**
    Unreached,
    /// A person took it out.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::Partial,
        Self::HandedOver,
        Self::Refused,
        Self::WrongNumber,
        Self::Unreached,
        Self::Cancelled,
    ];

    /// What a follow-up that ended is when the real end of an earlier attempt comes. What was decided otherwise stays: nobody is
    /// called for it.
    pub const fn after_late(self, outcome: Outcome, has_answers: bool) -> Self {
        match (self, outcome) {
            (Self::Unreached | Self::Partial, Outcome::Completed) => Self::Completed,
            (Self::Unreached | Self::Partial, Outcome::StopCalling) => Self::Refused,
            (Self::Unreached, _) if has_answers => Self::Partial,
            _ => self,
        }
    }

    /// The name in the database, the API and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::HandedOver => "handed_over",
            Self::Refused => "refused",
            Self::WrongNumber => "wrong_number",
            Self::Unreached => "unreached",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What was tried so far, the attempt that has just ended included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Attempts that count.
    pub attempts: u8,
    /// Attempts that do not.
    pub faults: u8,
    /// Times that the citizen wanted to be called later.
    pub wishes: u8,
    /// Whether one of the questions of the result was answered in any attempt.
    pub has_answers: bool,
}

/// The most of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Attempts that count.
    pub attempts: u8,
    /// Attempts that do not: after them the number or the trunk is somebody else's to mend.
    pub faults: u8,
    /// Calls at times that the citizen named, beyond the attempts.
    pub wishes: u8,
}

/// What follows from an outcome.
pub fn next(outcome: Outcome, wish: Option<UnixMillis>, tried: Tried, most: Most) -> Next {
    let unreached = if tried.has_answers { Status::Partial } else { Status::Unreached };
    let again = |wish| {
        let is_over = tried.attempts >= most.attempts || tried.faults >= most.faults;
        if is_over { Next::Finish(unreached) } else { Next::Again { wish } }
    };
    match outcome {
        Outcome::Completed => Next::Finish(Status::Completed),
        Outcome::StopCalling => Next::Finish(Status::Refused),
        Outcome::WrongPerson | Outcome::NoSuchNumber => Next::Finish(Status::WrongNumber),
        Outcome::HandedOver => Next::Finish(Status::HandedOver),
        Outcome::Unclear => Next::Finish(unreached),
        // What he has answered stands; he is not asked for the rest.
        Outcome::HungUp if tried.has_answers => Next::Finish(Status::Partial),
        Outcome::CallLater if tried.wishes <= most.wishes => Next::Again { wish },
        Outcome::CallLater
        | Outcome::HungUp
        | Outcome::PersonBusy
        | Outcome::Silent
        | Outcome::Voicemail
        | Outcome::NetworkAnnouncement
        | Outcome::Automaton
        | Outcome::LineBusy
        | Outcome::NoAnswer
        | Outcome::Rejected
        | Outcome::SwitchedOff
        | Outcome::Unreachable
        | Outcome::Suspended
        | Outcome::NetworkFault
        | Outcome::OwnFault
        | Outcome::Unknown => again(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most = Most { attempts: 3, faults: 5, wishes: 2 };

    fn after(outcome: Outcome, attempts: u8) -> Next {
        next(outcome, None, Tried { attempts, ..Tried::default() }, MOST)
    }

    #[test]
    fn nobody_is_tried_more_often_than_the_rules_allow_whatever_happens() {
        for outcome in Outcome::ALL {
            let tried = Tried { attempts: 3, faults: 5, wishes: 3, has_answers: false };
            let next = next(outcome, Some(UnixMillis(1)), tried, MOST);
            assert!(matches!(next, Next::Finish(_)), "{outcome:?}");
        }
    }

    #[test]
    fn refusal_and_a_wrong_number_end_it_at_once() {
        assert_eq!(after(Outcome::StopCalling, 1), Next::Finish(Status::Refused));
        assert_eq!(after(Outcome::WrongPerson, 1), Next::Finish(Status::WrongNumber));
        assert_eq!(after(Outcome::NoSuchNumber, 1), Next::Finish(Status::WrongNumber));
    }

    #[test]
    fn unreached_is_not_satisfied_and_an_interrupted_call_keeps_what_it_has() {
        assert_eq!(after(Outcome::NoAnswer, 3), Next::Finish(Status::Unreached));
        let tried = Tried { attempts: 1, has_answers: true, ..Tried::default() };
        assert_eq!(next(Outcome::HungUp, None, tried, MOST), Next::Finish(Status::Partial));
        assert_eq!(after(Outcome::HungUp, 1), Next::Again { wish: None });
    }

    #[test]
    fn what_the_citizen_said_counts_however_the_call_broke_off() {
        for broken in [Outcome::HungUp, Outcome::Unknown, Outcome::Automaton, Outcome::OwnFault] {
            assert_eq!(broken.with(Some(AnswerName::StopCalling)), Outcome::StopCalling);
            assert_eq!(broken.with(Some(AnswerName::WrongPerson)), Outcome::WrongPerson);
            assert_eq!(broken.with(None), broken);
        }
        assert_eq!(Outcome::OwnFault.after_ringing(), Outcome::Unknown);
        assert_eq!(Outcome::NoAnswer.after_ringing(), Outcome::NoAnswer);
    }

    #[test]
    fn what_the_network_says_counts_more_than_its_status() {
        assert_eq!(Outcome::of_failure(480, None, None), Outcome::NoAnswer);
        let said = Some(Announcement::SwitchedOff);
        assert_eq!(Outcome::of_failure(480, Some(18), said), Outcome::SwitchedOff);
        // 404 is what RFC 3398 makes of a lost route, too: one such answer ends nothing.
        assert_eq!(Outcome::of_failure(404, Some(1), None), Outcome::NoSuchNumber);
        assert_eq!(Outcome::of_failure(404, Some(3), None), Outcome::NetworkFault);
        for (code, outcome) in [
            (486, Outcome::LineBusy),
            (408, Outcome::NoAnswer),
            (603, Outcome::Rejected),
            (404, Outcome::Unreachable),
            (403, Outcome::NetworkFault),
            (503, Outcome::NetworkFault),
        ] {
            assert_eq!(Outcome::of_failure(code, None, None), outcome, "{code}");
        }
    }
}
