//! Reading columns into types; a value that does not parse is an error that names its column.

use crate::error::StoreError;
use qingting_common::ids::Party;
use qingting_common::{Pii, UnixMillis};
use serde::de::DeserializeOwned;
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{Row, ValueRef};
use std::fmt::Display;
use std::str::FromStr;

pub(crate) fn parsed<T: FromStr<Err: Display>>(
    row: &AnyRow,
    column: &'static str,
) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|cause: T::Err| unreadable(column, cause))
}

pub(crate) fn maybe_parsed<T: FromStr<Err: Display>>(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|cause: T::Err| unreadable(column, cause))).transpose()
}

pub(crate) fn json<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, StoreError> {
    // The position alone: serde's message may quote the value.
    serde_json::from_str(text).map_err(|error| {
        unreadable(column, format!("line {} column {}", error.line(), error.column()))
    })
}

pub(crate) fn to_json<T: serde::Serialize>(
    value: &T,
    column: &'static str,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| unreadable(column, error))
}

pub(crate) fn party(row: &AnyRow) -> Result<Party, StoreError> {
    named(row, "party", [Party::Caller, Party::Seat, Party::Expert], Party::as_str)
}

/// One of `all` by the name that the column holds.
pub(crate) fn named<T: Copy, const N: usize>(
    row: &AnyRow,
    column: &'static str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Result<T, StoreError> {
    let text: &str = row.try_get(column)?;
    all.into_iter().find(|known| name(*known) == text).ok_or_else(|| unreadable(column, text))
}

/// The same of a column that may be empty.
pub(crate) fn maybe_named<T: Copy, const N: usize>(
    row: &AnyRow,
    column: &'static str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Result<Option<T>, StoreError> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(|_| named(row, column, all, name)).transpose()
}

pub(crate) fn pii(row: &AnyRow, column: &'static str) -> Result<Pii<String>, StoreError> {
    Ok(Pii::new(row.try_get(column)?))
}

pub(crate) fn at(row: &AnyRow, column: &'static str) -> Result<UnixMillis, StoreError> {
    Ok(UnixMillis(row.try_get(column)?))
}

pub(crate) fn maybe_at(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<UnixMillis>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(UnixMillis))
}

/// Yes or no: BOOLEAN in PostgreSQL, a number in SQLite.
pub(crate) fn flag(row: &AnyRow, column: &'static str) -> Result<bool, StoreError> {
    maybe_flag(row, column)?.ok_or_else(|| unreadable(column, "NULL"))
}

pub(crate) fn maybe_flag(row: &AnyRow, column: &'static str) -> Result<Option<bool>, StoreError> {
    if row.try_get_raw(column)?.type_info().kind() == AnyTypeInfoKind::Bool {
        return Ok(row.try_get(column)?);
    }
    Ok(row.try_get::<Option<i64>, _>(column)?.map(|number| number != 0))
}

/// A number of a smaller type: the databases keep 64 signed bits.
pub(crate) fn number<T: TryFrom<i64, Error: Display>>(
    row: &AnyRow,
    column: &'static str,
) -> Result<T, StoreError> {
    T::try_from(row.try_get(column)?).map_err(|error| unreadable(column, error))
}

pub(crate) fn maybe_number<T: TryFrom<i64, Error: Display>>(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|value| T::try_from(value).map_err(|error| unreadable(column, error))).transpose()
}

/// A count or a duration: the databases keep signed integers, ours are never negative.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

/// Into a signed integer; saturates.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unreadable(what: &'static str, cause: impl Display) -> StoreError {
    StoreError::Unreadable { what, cause: cause.to_string() }
}
