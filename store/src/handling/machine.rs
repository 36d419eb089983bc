//! The handling of a ticket (办理): where it is, and what may be done there. Pure.
//!
//! **An open ticket is always somebody's, nothing is archived that was not closed, and an unsatisfied citizen sends
//! a ticket nowhere by itself**: a person decides on 重办 or 归档.

use qingting_common::{Pii, UnixMillis};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a confirmed ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// 受理: the hotline's, to be dispatched or answered at once.
    Accepted,
    /// 转办: a unit's, which has not signed for it.
    Dispatched,
    /// 承办: the unit works on it.
    InHandling,
    /// 办结.
    Closed,
    /// 回访: the citizen is asked, or was and a person decides what follows.
    FollowUp,
    /// 归档.
    Archived,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Dispatched,
        Self::InHandling,
        Self::Closed,
        Self::FollowUp,
        Self::Archived,
    ];
    /// Those in which the matter is not closed.
    pub const OPEN: [Self; 3] = [Self::Accepted, Self::Dispatched, Self::InHandling];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Dispatched => "dispatched",
            Self::InHandling => "in_handling",
            Self::Closed => "closed",
            Self::FollowUp => "follow_up",
            Self::Archived => "archived",
        }
    }
}

/// What is done to a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// 转办: to a unit, until a deadline.
    Dispatch,
    /// 签收: the unit takes it.
    Sign,
    /// 退回: the unit does not, and says why.
    Return,
    /// 延期: a later deadline, and why.
    Extend,
    /// 督办: somebody looks after it, and why. It stops nothing.
    Supervise,
    /// 办结: with what came of it. By the hotline itself (直接办结) where no unit has it.
    Close,
    /// 回访: a follow-up of a campaign was made.
    FollowUp,
    /// 回访满意: resolved and satisfied.
    Satisfied,
    /// 回访不满意: not resolved, or not satisfied.
    Dissatisfied,
    /// 未能回访: reached nobody, or nothing that counts was said.
    Unanswered,
    /// 重办: to the unit once more, or to another one, and why.
    Redo,
    /// 归档.
    Archive,
}

impl StepKind {
    /// Every step.
    pub const ALL: [Self; 12] = [
        Self::Dispatch,
        Self::Sign,
        Self::Return,
        Self::Extend,
        Self::Supervise,
        Self::Close,
        Self::FollowUp,
        Self::Satisfied,
        Self::Dissatisfied,
        Self::Unanswered,
        Self::Redo,
        Self::Archive,
    ];
    /// Those that people, or an outer ticket system, may take; the others follow from follow-ups.
    pub const BY_PEOPLE: [Self; 8] = [
        Self::Dispatch,
        Self::Sign,
        Self::Return,
        Self::Extend,
        Self::Supervise,
        Self::Close,
        Self::Redo,
        Self::Archive,
    ];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Sign => "sign",
            Self::Return => "return",
            Self::Extend => "extend",
            Self::Supervise => "supervise",
            Self::Close => "close",
            Self::FollowUp => "follow_up",
            Self::Satisfied => "satisfied",
            Self::Dissatisfied => "dissatisfied",
            Self::Unanswered => "unanswered",
            Self::Redo => "redo",
            Self::Archive => "archive",
        }
    }

    /// Whether it gives the ticket a new deadline.
    pub const fn sets_deadline(self) -> bool {
        matches!(self, Self::Dispatch | Self::Extend | Self::Redo)
    }

    const fn needs_note(self) -> bool {
        matches!(self, Self::Return | Self::Extend | Self::Supervise | Self::Close | Self::Redo)
    }
}

/// What a follow-up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// Resolved, and the citizen is satisfied.
    Satisfied,
    /// Not resolved, or not satisfied.
    Dissatisfied,
    /// Nothing that counts was heard.
    Unanswered,
}

impl Heard {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Satisfied, Self::Dissatisfied, Self::Unanswered];

    /// The name in the database and the API; also that of its step.
    pub const fn as_str(self) -> &'static str {
        self.step().as_str()
    }

    /// The step that says so.
    pub const fn step(self) -> StepKind {
        match self {
            Self::Satisfied => StepKind::Satisfied,
            Self::Dissatisfied => StepKind::Dissatisfied,
            Self::Unanswered => StepKind::Unanswered,
        }
    }
}

/// A step with what is said to it. What a step does not use counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub kind: StepKind,
    /// To whom, of `dispatch` and `redo`.
    pub unit: Option<String>,
    /// Until when, of `dispatch`, `extend` and `redo`.
    pub deadline: Option<UnixMillis>,
    /// Why, or of `close` what came of it.
    pub note: Pii<String>,
}

impl Step {
    /// One without more.
    pub const fn of(kind: StepKind) -> Self {
        Self { kind, unit: None, deadline: None, note: Pii::new(String::new()) }
    }
}

/// Where a ticket is, with whom and until when.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handling {
    /// Where.
    pub stage: Stage,
    /// 承办单位: who has it, or had it last; nobody before 转办 and after 退回.
    pub unit: Option<String>,
    /// 办理时限.
    pub deadline: Option<UnixMillis>,
    /// 督办.
    pub is_supervised: bool,
    /// What the last follow-up came to; nothing while it is under way.
    pub heard: Option<Heard>,
}

/// Why a step cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StepFault {
    /// Not at this stage.
    #[error("a ticket that is {} takes no step {}", stage.as_str(), step.as_str())]
    Stage {
        /// Where the ticket is.
        stage: Stage,
        /// What was to be done.
        step: StepKind,
    },
    /// The citizen is being asked.
    #[error("the follow-up is under way: its result comes first")]
    UnderWay,
    /// Something must be said.
    #[error("{0}: this step needs it")]
    Missing(Said),
    /// An extension that shortens.
    #[error("deadline: it is not later than the present one")]
    NotLater,
}

/// What may be said to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    /// To whom.
    Unit,
    /// Until when.
    Deadline,
    /// Why.
    Note,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unit => "unit",
            Self::Deadline => "deadline",
            Self::Note => "note",
        })
    }
}

impl Handling {
    /// As a ticket is when it is confirmed.
    pub const ACCEPTED: Self = Self {
        stage: Stage::Accepted,
        unit: None,
        deadline: None,
        is_supervised: false,
        heard: None,
    };

    /// Whether its time is over and the matter is not closed (超期).
    pub fn is_overdue(&self, now: UnixMillis) -> bool {
        Stage::OPEN.contains(&self.stage) && self.deadline.is_some_and(|deadline| deadline < now)
    }

    /// Steps that people may take now.
    pub fn open_steps(&self) -> impl Iterator<Item = StepKind> {
        StepKind::BY_PEOPLE.into_iter().filter(|kind| self.may(*kind).is_ok())
    }

    /// The ticket after the step.
    ///
    /// # Errors
    /// [`StepFault`]; the ticket stays as it is.
    pub fn after(&self, step: &Step) -> Result<Self, StepFault> {
        self.may(step.kind)?;
        let is_silent = step.note.expose().trim().is_empty();
        if step.kind.needs_note() && is_silent {
            return Err(StepFault::Missing(Said::Note));
        }
        let mut next = self.clone();
        match step.kind {
            StepKind::Dispatch | StepKind::Redo => {
                let kept = self.unit.clone().filter(|_| step.kind == StepKind::Redo);
                let named = step.unit.clone().filter(|unit| !unit.trim().is_empty());
                next.unit = Some(named.or(kept).ok_or(StepFault::Missing(Said::Unit))?);
                next.deadline = step.deadline;
                next.heard = None;
                next.stage = Stage::Dispatched;
            }
            StepKind::Sign => next.stage = Stage::InHandling,
            StepKind::Return => {
                (next.stage, next.unit, next.deadline) = (Stage::Accepted, None, None);
            }
            StepKind::Extend => {
                let deadline = step.deadline.ok_or(StepFault::Missing(Said::Deadline))?;
                if self.deadline.is_some_and(|present| deadline <= present) {
                    return Err(StepFault::NotLater);
                }
                next.deadline = Some(deadline);
            }
            StepKind::Supervise => next.is_supervised = true,
            StepKind::Close => next.stage = Stage::Closed,
            StepKind::FollowUp => next.stage = Stage::FollowUp,
            StepKind::Satisfied => {
                (next.stage, next.heard) = (Stage::Archived, Some(Heard::Satisfied));
            }
            StepKind::Dissatisfied => {
                (next.stage, next.heard) = (Stage::FollowUp, Some(Heard::Dissatisfied));
            }
            StepKind::Unanswered => {
                (next.stage, next.heard) = (Stage::FollowUp, Some(Heard::Unanswered));
            }
            StepKind::Archive => next.stage = Stage::Archived,
        }
        Ok(next)
    }

    /// Whether the step is one of this stage.
    fn may(&self, kind: StepKind) -> Result<(), StepFault> {
        use Stage::{Accepted, Archived, Closed, Dispatched, FollowUp, InHandling};
        let stage = self.stage;
        let fits = match kind {
            StepKind::Dispatch => stage == Accepted,
            StepKind::Sign => stage == Dispatched,
            StepKind::Return | StepKind::Extend => matches!(stage, Dispatched | InHandling),
            StepKind::Supervise => stage != Archived,
            StepKind::Close => matches!(stage, Accepted | InHandling),
            StepKind::FollowUp => stage == Closed,
            // A person may correct what was heard, also when the ticket is in the archive.
            StepKind::Satisfied | StepKind::Dissatisfied | StepKind::Unanswered => {
                let is_news = self.heard.map(Heard::step) != Some(kind);
                is_news && (stage == FollowUp || (stage == Archived && self.heard.is_some()))
            }
            StepKind::Redo | StepKind::Archive => match stage {
                FollowUp if self.heard.is_none() => return Err(StepFault::UnderWay),
                stage => matches!(stage, Closed | FollowUp),
            },
        };
        if fits { Ok(()) } else { Err(StepFault::Stage { stage, step: kind }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Steps of every test: more than any way needs that does not go in a circle.
    const STEPS_MAX: usize = 9;

    /// A step with all that it may need; deadlines become later with each step.
    fn whole(kind: StepKind, at: usize) -> Step {
        let deadline = Some(UnixMillis(1_000 + at as i64));
        Step { kind, unit: Some("城管局".into()), deadline, note: Pii::new("原因".into()) }
    }

    /// Without the deadline, which would make every state another one.
    fn bare(handling: &Handling) -> Handling {
        Handling { deadline: handling.deadline.map(|_| UnixMillis(0)), ..handling.clone() }
    }

    /// What holds of a ticket, whatever was done before.
    fn check(before: &Handling, kind: StepKind, after: &Handling) {
        let at_a_unit = matches!(after.stage, Stage::Dispatched | Stage::InHandling);
        assert!(!at_a_unit || after.unit.is_some(), "an open ticket is somebody's: {after:?}");
        let is_accepted = after.stage == Stage::Accepted;
        assert!(!is_accepted || (after.unit.is_none() && after.deadline.is_none()), "{after:?}");
        let may_be_heard = matches!(after.stage, Stage::FollowUp | Stage::Archived);
        assert!(after.heard.is_none() || may_be_heard, "{after:?}");
        assert!(!before.is_supervised || after.is_supervised, "督办 stays: {after:?}");
        if matches!(kind, StepKind::Supervise | StepKind::Extend) {
            assert_eq!(before.stage, after.stage, "{kind:?} moves nothing");
        }
        if after.stage == Stage::Archived {
            let from = [Stage::Closed, Stage::FollowUp, Stage::Archived];
            assert!(
                from.contains(&before.stage),
                "archived without having been closed: {before:?}"
            );
        }
        let is_asked = before.stage == Stage::FollowUp && before.heard.is_none();
        let results = Heard::ALL.map(Heard::step);
        if is_asked && after.stage != before.stage {
            assert!(results.contains(&kind), "{kind:?} has cut a follow-up off");
        }
        if before.stage == Stage::Archived {
            assert!(results.contains(&kind), "{kind:?} has changed the archive");
        }
        if after.stage == Stage::Dispatched && before.stage == Stage::FollowUp {
            assert_eq!(kind, StepKind::Redo, "a person decides");
        }
    }

    #[test]
    fn every_short_sequence_keeps_the_rules_and_none_leads_into_a_dead_end() {
        let mut ways: BTreeMap<Handling, BTreeSet<Handling>> = BTreeMap::new();
        let mut front = BTreeSet::from([Handling::ACCEPTED]);
        for at in 0..STEPS_MAX {
            let mut next = BTreeSet::new();
            for state in &front {
                for kind in StepKind::ALL {
                    let Ok(after) = state.after(&whole(kind, at)) else { continue };
                    check(state, kind, &after);
                    ways.entry(bare(state)).or_default().insert(bare(&after));
                    next.insert(after);
                }
            }
            front = next;
        }
        let states: BTreeSet<_> = ways.keys().chain(ways.values().flatten()).cloned().collect();
        let stages: BTreeSet<_> = states.iter().map(|state| state.stage).collect();
        assert_eq!(stages, Stage::ALL.into(), "every stage is reached");
        // Backwards from the archive: every state has a way there.
        let mut leads: BTreeSet<_> =
            states.iter().filter(|state| state.stage == Stage::Archived).cloned().collect();
        loop {
            let more: BTreeSet<_> = states
                .iter()
                .filter(|state| !leads.contains(state))
                .filter(|state| ways.get(state).is_some_and(|to| !to.is_disjoint(&leads)))
                .cloned()
                .collect();
            if more.is_empty() {
                break;
            }
            leads.extend(more);
        }
        let stuck: Vec<_> = states.difference(&leads).collect();
        assert!(stuck.is_empty(), "{stuck:?}");
    }

    #[test]
    fn each_stage_takes_its_steps_and_no_others() {
        let at = |stage| Handling { stage, unit: Some("城管局".into()), ..Handling::ACCEPTED };
        let heard = |heard| Handling { heard: Some(heard), ..at(Stage::FollowUp) };
        let archived = Handling { heard: Some(Heard::Satisfied), ..at(Stage::Archived) };
        let states = [
            ("accepted", Handling::ACCEPTED),
            ("dispatched", at(Stage::Dispatched)),
            ("in_handling", at(Stage::InHandling)),
            ("closed", at(Stage::Closed)),
            ("follow_up", at(Stage::FollowUp)),
            ("follow_up, dissatisfied", heard(Heard::Dissatisfied)),
            ("follow_up, unanswered", heard(Heard::Unanswered)),
            ("archived", at(Stage::Archived)),
            ("archived, satisfied", archived),
        ];
        let mut table = String::new();
        for (name, state) in states {
            table += name;
            table += ":";
            for kind in StepKind::ALL {
                if let Ok(after) = state.after(&whole(kind, 0)) {
                    table += &format!(" {}>{}", kind.as_str(), after.stage.as_str());
                }
            }
            table += "\n";
        }
        assert_eq!(
            table,
            "\
accepted: dispatch>dispatched supervise>accepted close>closed
dispatched: sign>in_handling return>accepted extend>dispatched supervise>dispatched
in_handling: return>accepted extend>in_handling supervise>in_handling close>closed
closed: supervise>closed follow_up>follow_up redo>dispatched archive>archived
follow_up: supervise>follow_up satisfied>archived dissatisfied>follow_up unanswered>follow_up
follow_up, dissatisfied: supervise>follow_up satisfied>archived unanswered>follow_up redo>dispatched archive>archived
follow_up, unanswered: supervise>follow_up satisfied>archived dissatisfied>follow_up redo>dispatched archive>archived
archived:
archived, satisfied: dissatisfied>follow_up unanswered>follow_up
"
        );
    }

    #[test]
    fn what_a_step_needs_is_asked_for_by_name() {
        let dispatched = Handling::ACCEPTED.after(&whole(StepKind::Dispatch, 0)).unwrap();
        let fault = |from: &Handling, kind, change: &dyn Fn(&mut Step)| {
            let mut step = whole(kind, 1);
            change(&mut step);
            from.after(&step).unwrap_err().to_string()
        };
        let accepted = Handling::ACCEPTED;
        let no_unit = fault(&accepted, StepKind::Dispatch, &|step| step.unit = Some(" ".into()));
        assert_eq!(no_unit, "unit: this step needs it");
        for kind in [StepKind::Return, StepKind::Extend, StepKind::Supervise] {
            let silent = fault(&dispatched, kind, &|step| step.note = Pii::new(" \n".into()));
            assert_eq!(silent, "note: this step needs it", "{kind:?}");
        }
        let endless = fault(&dispatched, StepKind::Extend, &|step| step.deadline = None);
        assert_eq!(endless, "deadline: this step needs it");
        let sooner =
            fault(&dispatched, StepKind::Extend, &|step| step.deadline = dispatched.deadline);
        assert_eq!(sooner, "deadline: it is not later than the present one");
        let early = fault(&dispatched, StepKind::Close, &|_| ());
        assert_eq!(early, "a ticket that is dispatched takes no step close");
        let asked = Handling { stage: Stage::FollowUp, ..dispatched };
        let cut = fault(&asked, StepKind::Archive, &|_| ());
        assert_eq!(cut, "the follow-up is under way: its result comes first");
    }

    #[test]
    fn a_redo_goes_to_the_unit_that_had_it_unless_another_one_is_named() {
        let closed =
            Handling { stage: Stage::Closed, unit: Some("城管局".into()), ..Handling::ACCEPTED };
        let redo = |unit: Option<&str>| {
            let unit = unit.map(str::to_owned);
            let note = Pii::new("仍未修好".to_owned());
            closed.after(&Step { unit, note, ..Step::of(StepKind::Redo) }).unwrap().unit.unwrap()
        };
        assert_eq!((redo(None), redo(Some("住建局"))), ("城管局".into(), "住建局".into()));
        let answered_at_once = Handling { unit: None, ..closed.clone() };
        let note = Pii::new("仍未修好".to_owned());
        let nobody = answered_at_once.after(&Step { note, ..Step::of(StepKind::Redo) });
        assert_eq!(nobody, Err(StepFault::Missing(Said::Unit)));
    }

    #[test]
    fn only_an_open_ticket_is_overdue() {
        for stage in Stage::ALL {
            let deadline = Some(UnixMillis(1_000));
            let handling = Handling { stage, deadline, ..Handling::ACCEPTED };
            assert!(!handling.is_overdue(UnixMillis(1_000)), "the last moment counts");
            assert_eq!(handling.is_overdue(UnixMillis(1_001)), Stage::OPEN.contains(&stage));
        }
    }
}
