//! A city's profile (城市配置): its categories, units, request types, places, words and
//! quality checks, as tables.
//!
//! **A profile is taken whole or not at all, and every mistake is told at once**, by file, row and
//! column. What a city does not give comes from the default profile, which knows nothing of any city.

mod build;
mod categories;
mod deadline;
mod kinds;
mod places;
mod quality;
mod units;
mod words;

pub use categories::Categories;
pub use deadline::EMERGENCY_HOURS;
pub use kinds::{KINDS, KindName};
pub use units::Unit;
pub use words::{Effect, Word};

use crate::quality::Rules;
use crate::reader::{Gazetteer, Place};
use crate::table::{Table, TableError};
use build::Build;
use std::fmt;

/// Most mistakes that are told.
pub const ERRORS_MAX: usize = 100;
/// Most rows of one of the tables.
pub const PROFILE_ROWS_MAX: usize = 200_000;

/// The tables of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// 事项分类.
    Categories,
    /// 承办单位.
    Units,
    /// 诉求类型.
    Kinds,
    /// 社区、道路、小区、地标.
    Places,
    /// 紧急词、敏感词.
    Words,
    /// 质检.
    Quality,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Categories, Self::Units, Self::Kinds, Self::Places, Self::Words, Self::Quality];

    /// Name of the table's file without its ending: `.csv` or `.xlsx`.
    pub const fn stem(self) -> &'static str {
        match self {
            Self::Categories => "categories",
            Self::Units => "units",
            Self::Kinds => "kinds",
            Self::Places => "places",
            Self::Words => "words",
            Self::Quality => "quality",
        }
    }

    /// The default profile's table: CSV in UTF-8.
    pub const fn default_csv(self) -> &'static str {
        match self {
            Self::Categories => include_str!("default/categories.csv"),
            Self::Units => include_str!("default/units.csv"),
            Self::Kinds => include_str!("default/kinds.csv"),
            Self::Places => include_str!("default/places.csv"),
            Self::Words => include_str!("default/words.csv"),
            Self::Quality => include_str!("default/quality.csv"),
        }
    }
}

/// What the product knows of a city. Its parts fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The tree of categories.
    pub categories: Categories,
    /// Units that handle tickets, each code once.
    pub units: Vec<Unit>,
    /// Request types under the city's names.
    pub kinds: Vec<KindName>,
    /// Places within divisions.
    pub places: Vec<Place>,
    /// The city's own words.
    pub words: Vec<Word>,
    /// What quality checks look for.
    pub quality: Rules,
}

/// Everything that is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileErrors {
    /// The first [`ERRORS_MAX`], in order of files and rows.
    pub errors: Vec<TableError>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for ProfileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if at > 0 { "\n" } else { "" })?;
        }
        if self.more > 0 {
            write!(f, "\n… and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for ProfileErrors {}

impl ProfileErrors {
    /// These, and no more.
    pub const fn of(errors: Vec<TableError>) -> Self {
        Self { errors, more: 0 }
    }
}

impl Profile {
    /// The profile that comes with the program.
    pub fn built_in() -> Self {
        // Its tables are part of the program, and a test reads them.
        Self::of_tables(|_| None, &Gazetteer::empty()).expect("the default profile is sound")
    }

    /// From a city's tables; those that `table` does not give are the default profile's. Codes of
    /// divisions are checked against `divisions` unless it is empty.
    ///
    /// # Errors
    /// [`ProfileErrors`] with all that is wrong.
    pub fn of_tables(
        table: impl Fn(Part) -> Option<Result<Table, TableError>>,
        divisions: &Gazetteer,
    ) -> Result<Self, ProfileErrors> {
        let mut build = Build::new(divisions);
        let mut tables = Part::ALL.map(|part| {
            let name = format!("{}.csv", part.stem());
            let given = table(part);
            let read =
                given.unwrap_or_else(|| Table::from_csv(&name, part.default_csv().as_bytes()));
            build.checked(read)
        });
        let mut next = |part: Part| tables[part as usize].take();
        let profile = Self {
            categories: build.part(next(Part::Categories), categories::read),
            units: build.part(next(Part::Units), units::read),
            kinds: build.part(next(Part::Kinds), kinds::read),
            places: build.part(next(Part::Places), places::read),
            words: build.part(next(Part::Words), words::read),
            quality: build.part(next(Part::Quality), quality::read),
        };
        build.finish(profile)
    }

    /// What the city calls a request type of the product; its own name where the city has none.
    pub fn kind_name<'a>(&'a self, kind: &'a str) -> &'a str {
        self.kinds.iter().find(|name| name.kind == kind).map_or(kind, |name| name.name.as_str())
    }
}

#[cfg(test)]
mod tests;
