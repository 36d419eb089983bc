//! Tables of the city's profile (城市配置) that were saved on the page, for all servers of the database.
//!
//! **What tickets name never goes**: a table without a unit or category that any ticket of ours names is refused, and
//! one that calls it otherwise is, while an open ticket or a person names it. It is looked in the transaction that saves.

use crate::error::StoreError;
use crate::rows::at;
use crate::sql::Sql;
use crate::writer::Command;
use crate::{Store, audit, clock};
use qingting_common::UnixMillis;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeMap;

/// Names that one refusal tells.
const NAMES_TOLD_MAX: usize = 100;
/// Names that are looked for at once.
const NAMES_AT_ONCE: usize = 500;

/// A table as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedTable {
    /// Which table, such as `units`.
    pub part: String,
    /// Its rows under their header: CSV in UTF-8.
    pub csv: String,
    /// When.
    pub saved_at: UnixMillis,
    /// By whom.
    pub saved_by: String,
}

/// Names that a table has no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoneNames {
    /// 承办单位 whose rows are gone.
    pub units: Vec<String>,
    /// Those that are called otherwise now.
    pub renamed_units: Vec<String>,
    /// 事项分类, as paths, whose rows are gone.
    pub categories: Vec<String>,
    /// Those that are called otherwise now, or lie elsewhere.
    pub renamed_categories: Vec<String>,
}

/// A name that has to stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedYet {
    /// The unit, or the category's path.
    pub name: String,
    /// Tickets that name it; of a new name the open ones.
    pub tickets: u64,
    /// People who are of that unit.
    pub people: u64,
    /// Whether it was to be called otherwise.
    pub is_rename: bool,
}

/// Why a table was not saved.
#[derive(Debug, thiserror::Error)]
pub enum ProfileSaveError {
    /// Somebody else has changed the profile meanwhile.
    #[error("the profile was changed meanwhile: it is at revision {current}")]
    Changed {
        /// Its revision.
        current: i64,
    },
    /// Names have to stay; the first `NAMES_TOLD_MAX`.
    #[error("tickets or people name what would be gone: retire it instead")]
    Named(Vec<NamedYet>),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ProfileSaveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// What was saved, with the revision of all.
    pub async fn profile_tables(&self) -> Result<(Vec<SavedTable>, i64), StoreError> {
        // Before the tables: what is newer than its revision is only read once too often.
        let revision = self.profile_revision().await?;
        let rows = sqlx::query("SELECT * FROM profile_tables ORDER BY part");
        let rows = rows.fetch_all(self.readers()).await?;
        let tables = rows.iter().map(|row| {
            Ok(SavedTable {
                part: row.try_get("part")?,
                csv: row.try_get("csv")?,
                saved_at: at(row, "saved_at")?,
                saved_by: row.try_get("saved_by")?,
            })
        });
        Ok((tables.collect::<Result<_, StoreError>>()?, revision))
    }

    /// Counts changes of the profile, from 1.
    pub async fn profile_revision(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT revision FROM profile_revision");
        Ok(row.fetch_one(self.readers()).await?.try_get("revision")?)
    }

    /// Saves a table, or without one takes the saved one back, where the profile is at `revision` and no name has to
    /// stay; notes in the audit that `by` did. Gives the new revision.
    pub async fn save_profile_table(
        &self,
        part: &str,
        csv: Option<String>,
        gone: GoneNames,
        revision: Option<i64>,
        by: &str,
    ) -> Result<i64, ProfileSaveError> {
        let (part, by, now) = (part.to_owned(), by.to_owned(), clock::now());
        self.write(Save { part, csv, gone, revision, by, now }).await
    }

    /// Names that have to stay, without saving anything.
    pub async fn names_that_stay(&self, gone: &GoneNames) -> Result<Vec<NamedYet>, StoreError> {
        let mut db = self.readers().acquire().await?;
        stay(&mut db, gone).await
    }
}

struct Save {
    part: String,
    csv: Option<String>,
    gone: GoneNames,
    revision: Option<i64>,
    by: String,
    now: UnixMillis,
}

impl Command for Save {
    type Output = i64;
    type Error = ProfileSaveError;

    async fn run(&self, db: &mut AnyConnection) -> Result<i64, ProfileSaveError> {
        let current = sqlx::query("SELECT revision FROM profile_revision");
        let current: i64 = current.fetch_one(&mut *db).await?.try_get("revision")?;
        if self.revision.is_some_and(|seen| seen != current) {
            return Err(ProfileSaveError::Changed { current });
        }
        let named = stay(&mut *db, &self.gone).await?;
        if !named.is_empty() {
            return Err(ProfileSaveError::Named(named));
        }
        match &self.csv {
            Some(csv) => {
                sqlx::query(
                    "INSERT INTO profile_tables (part, csv, saved_at, saved_by) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (part) DO UPDATE SET csv = excluded.csv,
                        saved_at = excluded.saved_at, saved_by = excluded.saved_by",
                )
                .bind(&self.part)
                .bind(csv)
                .bind(self.now.0)
                .bind(&self.by)
                .execute(&mut *db)
                .await?;
            }
            None => {
                sqlx::query("DELETE FROM profile_tables WHERE part = $1")
                    .bind(&self.part)
                    .execute(&mut *db)
                    .await?;
            }
        }
        sqlx::query("UPDATE profile_revision SET revision = revision + 1")
            .execute(&mut *db)
            .await?;
        let action = if self.csv.is_some() { "profile.save" } else { "profile.reset" };
        audit::insert(db, self.now, &self.by, action, &self.part).await?;
        Ok(current + 1)
    }
}

/// Of tickets that are not closed.
const OPEN: &str = "tickets.stage IN ('accepted', 'dispatched', 'in_handling')";

async fn stay(db: &mut AnyConnection, gone: &GoneNames) -> Result<Vec<NamedYet>, StoreError> {
    let mut all = Vec::new();
    for (names, is_unit, is_rename) in [
        (&gone.units, true, false),
        (&gone.renamed_units, true, true),
        (&gone.categories, false, false),
        (&gone.renamed_categories, false, true),
    ] {
        for names in names.chunks(NAMES_AT_ONCE) {
            let open = if is_rename { format!("AND {OPEN}") } else { String::new() };
            let column = if is_unit { "unit" } else { "category" };
            let of_drafts = format!(
                "SELECT facts.{column} AS name, tickets.id AS id FROM ticket_facts AS facts
                 JOIN tickets ON tickets.id = facts.ticket_id
                 WHERE true {open} AND facts.{column} IN ("
            );
            // What units have is known beside what was filled in.
            let of_units = format!(
                ") UNION SELECT tickets.unit AS name, tickets.id AS id FROM tickets
                 WHERE true {open} AND tickets.unit IN ("
            );
            let mut tickets = Sql::new("SELECT name, count(*) AS n FROM (");
            tickets.push(&of_drafts).push_list(names.iter().cloned());
            if is_unit {
                tickets.push(&of_units).push_list(names.iter().cloned());
            }
            tickets.push(")) AS named GROUP BY name");
            let mut named: BTreeMap<String, (i64, i64)> = BTreeMap::new();
            for row in tickets.build().fetch_all(&mut *db).await? {
                named.entry(row.try_get("name")?).or_default().0 = row.try_get("n")?;
            }
            if is_unit {
                let mut people =
                    Sql::new("SELECT unit AS name, count(*) AS n FROM people WHERE unit IN (");
                people.push_list(names.iter().cloned()).push(") GROUP BY unit");
                for row in people.build().fetch_all(&mut *db).await? {
                    named.entry(row.try_get("name")?).or_default().1 = row.try_get("n")?;
                }
            }
            all.extend(named.into_iter().map(|(name, (tickets, people))| NamedYet {
                name,
                tickets: tickets.cast_unsigned(),
                people: people.cast_unsigned(),
                is_rename,
            }));
        }
    }
    all.truncate(NAMES_TOLD_MAX);
    Ok(all)
}
