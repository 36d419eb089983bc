//! Statements that are put together, in the one notation of values that both databases understand.
//! `sqlx::QueryBuilder` writes `?` for a driver that is chosen at run time, which PostgreSQL does not.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, Arguments, AssertSqlSafe, Encode, Type};
use std::fmt::Write;

/// Rows that one statement writes: a row of ten values stays far below what SQLite binds (32,766).
pub(crate) const ROWS_AT_ONCE: usize = 500;

/// A statement that grows: text that the program wrote, and values as `$1`, `$2` and so on.
pub(crate) struct Sql {
    text: String,
    values: AnyArguments,
}

impl Sql {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: AnyArguments::default() }
    }

    /// Adds text, never a value that came from outside.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn push_bind<'v, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'v, Any> + Type<Any>,
    {
        self.values.add(value).expect("numbers, flags and text can always be encoded");
        let written = write!(self.text, "${}", self.values.len());
        written.expect("a string takes everything");
        self
    }

    /// Adds values with commas between them; without values `NULL`, which is in no list.
    pub(crate) fn push_list<'v, T>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self
    where
        T: Encode<'v, Any> + Type<Any>,
    {
        let start = self.values.len();
        for value in values {
            self.push(if self.values.len() == start { "" } else { ", " }).push_bind(value);
        }
        if self.values.len() == start { self.push("NULL") } else { self }
    }

    pub(crate) fn build(self) -> Query<'static, Any, AnyArguments> {
        sqlx::query_with(AssertSqlSafe(self.text), self.values)
    }
}
