//! The city's profile (城市配置) as it counts now: tables of the folder, and in their place those that were saved on the
//! page.
//!
//! **A profile is taken whole or not at all**: who asks for it gets all its tables of one moment, and a table with a
//! mistake changes nothing. What is saved counts when the answer comes, on other servers of the database within seconds.

pub(crate) mod save;
pub(crate) mod view;

use crate::duty::DutyProblem;
use qingting_common::UnixMillis;
use qingting_nlu::Gazetteer;
use qingting_nlu::profile::{Part, Profile, ProfileErrors};
use qingting_nlu::table::{Table, TableError};
use qingting_store::{SavedTable, Store, StoreError};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// Tables by their part; those that are absent are the default ones.
type Tables = [Option<Table>; Part::ALL.len()];

/// The profile, and what it is made of.
pub struct City {
    /// As the folder has them.
    folder: Tables,
    divisions: Gazetteer,
    now: RwLock<Arc<InUse>>,
    changes: watch::Sender<i64>,
}

/// The profile of one moment.
pub struct InUse {
    /// Counts what was saved and taken back, from 1.
    pub revision: i64,
    /// What is known of the city.
    pub profile: Profile,
    tables: Vec<Kept>,
}

/// A table and where it comes from.
struct Kept {
    table: Table,
    source: Source,
    /// When it was saved on the page, and by whom.
    saved: Option<(UnixMillis, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Default,
    Folder,
    Saved,
}

/// Why what was saved is not used.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    /// The tables have mistakes, such as a division that is known no more.
    #[error("the saved tables of the profile are not used:\n{0}")]
    Profile(#[from] ProfileErrors),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl City {
    /// The profile of these tables, nothing saved. Codes of divisions are checked unless `divisions` is empty.
    pub fn new(
        folder: impl IntoIterator<Item = (Part, Table)>,
        divisions: Gazetteer,
    ) -> Result<Self, ProfileErrors> {
        let mut tables: Tables = Default::default();
        for (part, table) in folder {
            tables[part as usize] = Some(table);
        }
        let in_use = in_use(&tables, &divisions, 0, &Default::default(), &[])?;
        let (changes, _) = watch::channel(0);
        Ok(Self { folder: tables, divisions, now: RwLock::new(Arc::new(in_use)), changes })
    }

    /// The profile that comes with the program.
    pub fn built_in() -> Self {
        Self::new([], Gazetteer::empty()).expect("the default profile is sound")
    }

    /// The profile of now.
    pub fn now(&self) -> Arc<InUse> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The country's divisions, the city made the own one.
    pub fn divisions(&self) -> &Gazetteer {
        &self.divisions
    }

    /// Tells the revision whenever another profile is in use.
    pub fn changes(&self) -> watch::Receiver<i64> {
        self.changes.subscribe()
    }

    /// Takes what is saved, if it is not in use already.
    pub async fn refresh(&self, store: &Store) -> Result<(), CityError> {
        if store.profile_revision().await? == self.now().revision {
            return Ok(());
        }
        let (saved, revision) = store.profile_tables().await?;
        let (mut tables, mut known) = (Tables::default(), Vec::new());
        for of in saved {
            // A part that a newer server knows.
            let Some(part) = Part::ALL.into_iter().find(|part| part.stem() == of.part) else {
                continue;
            };
            let table = Table::from_csv(&file_of(part), of.csv.as_bytes());
            tables[part as usize] = Some(table.map_err(|error| ProfileErrors::of(vec![error]))?);
            known.push((part, of));
        }
        let in_use = in_use(&self.folder, &self.divisions, revision, &tables, &known)?;
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        // Of two that refresh at once the later one counts.
        if now.revision < revision {
            *now = Arc::new(in_use);
            drop(now);
            self.changes.send_replace(revision);
        }
        Ok(())
    }

    /// The folder's table, or the default one.
    fn folder_table(&self, part: Part) -> Table {
        self.folder[part as usize].clone().unwrap_or_else(|| default_table(part))
    }

    /// The profile with one table in the place of its own; without it that of the folder.
    fn with(&self, part: Part, table: Option<&Table>) -> Result<Profile, ProfileErrors> {
        let now = self.now();
        let table = |of: Part| {
            let own = (of == part).then_some(table.or(self.folder[of as usize].as_ref()));
            // The default one, where there is neither.
            own.unwrap_or(Some(&now.tables[of as usize].table)).cloned().map(Ok)
        };
        Profile::of_tables(table, &self.divisions)
    }
}

impl Default for City {
    fn default() -> Self {
        Self::built_in()
    }
}

fn in_use(
    folder: &Tables,
    divisions: &Gazetteer,
    revision: i64,
    saved: &Tables,
    known: &[(Part, SavedTable)],
) -> Result<InUse, ProfileErrors> {
    let tables = Part::ALL.map(|part| {
        let at = part as usize;
        let own = saved[at].clone().map(|table| (table, Source::Saved));
        let own = own.or_else(|| folder[at].clone().map(|table| (table, Source::Folder)));
        let (table, source) = own.unwrap_or_else(|| (default_table(part), Source::Default));
        let saved = known.iter().find(|(of, _)| *of == part);
        let saved = saved.map(|(_, saved)| (saved.saved_at, saved.saved_by.clone()));
        Kept { table, source, saved }
    });
    let table = |part: Part| Some(Ok(tables[part as usize].table.clone()));
    let profile = Profile::of_tables(table, divisions)?;
    Ok(InUse { revision, profile, tables: tables.into() })
}

fn default_table(part: Part) -> Table {
    let table = Table::from_csv(&file_of(part), part.default_csv().as_bytes());
    table.expect("the default tables are sound")
}

fn file_of(part: Part) -> String {
    format!("{}.csv", part.stem())
}

/// A mistake of a table as it is told, with its row and column where it has some.
pub(crate) fn mistake(error: &TableError) -> DutyProblem {
    let (line, field, detail) = match error {
        TableError::Cell { row, column, what, .. } => (*row, column.clone(), what.clone()),
        TableError::NoColumn { row, name, .. } | TableError::TwoColumns { row, name, .. } => {
            (*row, name.clone(), error.to_string())
        }
        TableError::Width { row, .. } | TableError::Encoding { row, .. } => {
            (*row, String::new(), error.to_string())
        }
        _ => (0, String::new(), error.to_string()),
    };
    DutyProblem { line: usize::try_from(line).unwrap_or(usize::MAX), field, detail }
}
