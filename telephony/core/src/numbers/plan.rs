//! What each called number is for.

use super::{AreaCode, Number};
use crate::hours::HoursName;
use crate::menu::{MenuName, PromptName};
use crate::queue::{Overflow, QueueName};
use std::collections::{BTreeMap, BTreeSet};

/// Shortest suffix: fewer digits would match anything.
const SUFFIX_DIGITS_MIN: usize = 3;

/// Which called numbers an entry is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Called {
    /// This number, in any way of writing; or exactly these digits where they are no number of the
    /// public network (an internal code of the trunk).
    Exact(String),
    /// Whatever ends in these digits; of several the longest.
    Suffix(String),
}

/// What happens to calls to a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What people are shown: 市民热线, 企业专线.
    pub name: String,
    /// The greeting.
    pub greeting: PromptName,
    /// When people answer; `None` for day and night.
    pub hours: Option<HoursName>,
    /// Where its calls wait.
    pub queue: QueueName,
    /// Added to the queue's priority.
    pub priority: i32,
    /// The voice menu; `None` goes straight to the queue.
    pub menu: Option<MenuName>,
    /// Where calls go that nobody takes; `None` for the queue's own.
    pub overflow: Option<Overflow>,
    /// Where its calls may be transferred to. Nowhere else.
    pub transfers: BTreeSet<String>,
    /// Its callers are enterprises.
    pub enterprise: bool,
}

impl Entry {
    /// Whether its calls may be transferred to this target.
    pub fn may_transfer_to(&self, target: &str) -> bool {
        self.transfers.contains(target)
    }
}

/// The entries of all called numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPlan {
    home: Option<AreaCode>,
    exact: BTreeMap<String, Entry>,
    suffixes: BTreeMap<String, Entry>,
    otherwise: Option<Entry>,
}

/// Entries of which one would never be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two entries for a number.
    #[error("{number} has two entries ({first} and {second}): keep one")]
    Twice {
        /// The number, as it reads.
        number: String,
        /// The entry that stands.
        first: String,
        /// The entry that would not be used.
        second: String,
    },
    /// A number without digits.
    #[error("entry {name}: {number:?} has no digits")]
    NoDigits {
        /// The entry.
        name: String,
        /// As given.
        number: String,
    },
    /// A suffix that would match anything.
    #[error("entry {name}: suffix {suffix:?} must be at least {SUFFIX_DIGITS_MIN} digits")]
    ShortSuffix {
        /// The entry.
        name: String,
        /// As given.
        suffix: String,
    },
}

/// What a called number is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// The number as the trunk gave it, for the books: it stays with the call wherever that goes.
    pub called: String,
    /// What happens to the call.
    pub entry: &'a Entry,
}

impl NumberPlan {
    /// A plan; all that is wrong with it otherwise. `otherwise` is for numbers without an entry.
    pub fn new(
        home: Option<AreaCode>,
        entries: Vec<(Called, Entry)>,
        otherwise: Option<Entry>,
    ) -> Result<Self, Vec<PlanError>> {
        let mut plan = Self { home, exact: BTreeMap::new(), suffixes: BTreeMap::new(), otherwise };
        let mut errors = Vec::new();
        for (called, entry) in entries {
            if let Err(error) = plan.add(called, entry) {
                errors.push(error);
            }
        }
        if errors.is_empty() { Ok(plan) } else { Err(errors) }
    }

    /// What a called number is for: its own entry, else that of its longest suffix, else the rest's.
    pub fn route(&self, called: &str) -> Option<Route<'_>> {
        let key = self.key(called);
        let suffixes = || {
            let fits = self.suffixes.iter().filter(|(suffix, _)| key.ends_with(*suffix));
            fits.max_by_key(|(suffix, _)| suffix.len()).map(|(_, entry)| entry)
        };
        let entry = self.exact.get(&key).or_else(suffixes).or(self.otherwise.as_ref())?;
        Some(Route { called: called.into(), entry })
    }

    /// All entries, with the number or suffix that they are for; the rest's without.
    pub fn entries(&self) -> impl Iterator<Item = (Option<&str>, &Entry)> {
        let numbered = self.exact.iter().chain(&self.suffixes);
        let numbered = numbered.map(|(number, entry)| (Some(number.as_str()), entry));
        numbered.chain(self.otherwise.iter().map(|entry| (None, entry)))
    }

    fn add(&mut self, called: Called, entry: Entry) -> Result<(), PlanError> {
        let (entries, key) = match called {
            Called::Exact(number) => {
                let key = self.key(&number);
                if key.is_empty() {
                    return Err(PlanError::NoDigits { name: entry.name, number });
                }
                (&mut self.exact, key)
            }
            Called::Suffix(suffix) => {
                let digits = suffix.bytes().all(|byte| byte.is_ascii_digit());
                if !digits || suffix.len() < SUFFIX_DIGITS_MIN {
                    return Err(PlanError::ShortSuffix { name: entry.name, suffix });
                }
                (&mut self.suffixes, suffix)
            }
        };
        if let Some(first) = entries.get(&key) {
            let (first, second) = (first.name.clone(), entry.name);
            return Err(PlanError::Twice { number: key, first, second });
        }
        entries.insert(key, entry);
        Ok(())
    }

    /// The national form, or the bare digits of what is no public number.
    fn key(&self, called: &str) -> String {
        match Number::read(called, self.home.as_ref()) {
            Ok(number) => number.national(),
            Err(_) => called.chars().filter(char::is_ascii_digit).collect(),
        }
    }
}
