//! Departments, their experts and who is on duty.

use super::Shift;
use crate::hours::LocalDateTime;
use qingting_common::Pii;
use std::collections::BTreeMap;
use std::fmt;

/// A department (部门) that sends experts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Department {
    /// Its code, unique.
    pub code: String,
    /// Its name, as people are shown it.
    pub name: String,
    /// What it is called as well: 社保, 人社局.
    pub aliases: Vec<String>,
}

/// Somebody who knows the matters of a department.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expert {
    /// The name.
    pub name: Pii<String>,
    /// How to reach this person, in the order in which it is tried.
    pub targets: Vec<Target>,
}

/// A telephone of an expert.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A number, through the trunk.
    Number(Pii<String>),
    /// An extension of this server.
    Extension(String),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(_) => f.write_str("Number(<redacted>)"),
            Self::Extension(extension) => write!(f, "Extension({extension})"),
        }
    }
}

/// Departments, experts and shifts that fit together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DutyList {
    departments: BTreeMap<String, Department>,
    experts: Vec<Expert>,
    /// By order, then as listed.
    shifts: Vec<Shift>,
}

/// What does not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DutyError {
    /// Two departments share a code.
    #[error("department code {code} is used twice: give each its own")]
    CodeTwice {
        /// The code.
        code: String,
    },
    /// A shift of a department that there is not.
    #[error("shift {shift}: there is no department {code}")]
    NoDepartment {
        /// Which shift, from 1.
        shift: usize,
        /// The code.
        code: String,
    },
    /// A shift of an expert that there is not.
    #[error("shift {shift}: there is no such expert")]
    NoExpert {
        /// Which shift, from 1.
        shift: usize,
    },
    /// A shift that never holds.
    #[error("shift {shift}: its last date is before its first")]
    Backwards {
        /// Which shift, from 1.
        shift: usize,
    },
    /// An expert who cannot be reached.
    #[error("expert {expert} has no number: give one")]
    NoTarget {
        /// Which expert, from 1.
        expert: usize,
    },
}

impl DutyList {
    /// A list from its parts; everything that does not fit otherwise. Shifts may overlap: then
    /// several experts are rung one after another.
    pub fn new(
        departments: Vec<Department>,
        experts: Vec<Expert>,
        mut shifts: Vec<Shift>,
    ) -> Result<Self, Vec<DutyError>> {
        let mut errors = Vec::new();
        let mut known = BTreeMap::new();
        for department in departments {
            let code = department.code.clone();
            if known.insert(code.clone(), department).is_some() {
                errors.push(DutyError::CodeTwice { code });
            }
        }
        for (number, _) in (1..).zip(&experts).filter(|(_, expert)| expert.targets.is_empty()) {
            errors.push(DutyError::NoTarget { expert: number });
        }
        for (number, shift) in (1..).zip(&shifts) {
            if !known.contains_key(&shift.department) {
                let code = shift.department.clone();
                errors.push(DutyError::NoDepartment { shift: number, code });
            }
            if shift.expert >= experts.len() {
                errors.push(DutyError::NoExpert { shift: number });
            }
            if shift.first.zip(shift.last).is_some_and(|(first, last)| last < first) {
                errors.push(DutyError::Backwards { shift: number });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        shifts.sort_by_key(|shift| shift.order);
        Ok(Self { departments: known, experts, shifts })
    }

    /// The departments by code.
    pub fn departments(&self) -> impl Iterator<Item = &Department> {
        self.departments.values()
    }

    /// The experts; shifts name them by their place here.
    pub fn experts(&self) -> &[Expert] {
        &self.experts
    }

    /// The shifts by their order.
    pub fn shifts(&self) -> &[Shift] {
        &self.shifts
    }

    /// Whom to ring for a department, in this order, each once; nobody for an unknown code.
    pub fn whom_to_ring(&self, code: &str, at: LocalDateTime) -> Vec<&Expert> {
        let on_duty = self.shifts_of(code).filter(|shift| shift.holds(at));
        let mut numbers: Vec<usize> = Vec::new();
        for shift in on_duty {
            if !numbers.contains(&shift.expert) {
                numbers.push(shift.expert);
            }
        }
        numbers.into_iter().filter_map(|number| self.experts.get(number)).collect()
    }

    /// The departments that somebody may mean: those of exactly this code, name or alias; else those
    /// where one begins with it; else those where a name or alias contains it or is contained in it.
    pub fn find_department(&self, text: &str) -> Vec<&Department> {
        let text = plain(text);
        if text.is_empty() {
            return Vec::new();
        }
        let names: [fn(&str, &str) -> bool; 3] = [
            |name, text| name == text,
            |name, text| name.starts_with(text),
            |name, text| name.contains(text) || text.contains(name),
        ];
        let found = |(place, matches): (usize, fn(&str, &str) -> bool)| -> Vec<&Department> {
            let matches = |name: &String| {
                let name = plain(name);
                !name.is_empty() && matches(&name, &text)
            };
            let called = |department: &&Department| {
                // A piece of a code is another department's, or nobody's.
                let code = Some(&department.code).filter(|_| place < 2);
                let names = std::iter::once(&department.name).chain(&department.aliases);
                names.chain(code).any(matches)
            };
            self.departments.values().filter(called).collect()
        };
        names.into_iter().enumerate().map(found).find(|found| !found.is_empty()).unwrap_or_default()
    }

    fn shifts_of(&self, code: &str) -> impl Iterator<Item = &Shift> {
        self.shifts.iter().filter(move |shift| shift.department == code)
    }
}

/// Without spaces and case, which nobody hears.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}
