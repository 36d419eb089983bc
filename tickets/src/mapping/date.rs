//! Times as ticket systems write them: China's civil time, which has one zone and no summer time.

use qingting_common::UnixMillis;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::format_description::{OwnedFormatItem, parse_strftime_owned};
use time::{OffsetDateTime, UtcOffset};

const CHINA_HOURS: i8 = 8;

/// How a time is written.
#[derive(Clone, Debug)]
pub(super) enum DateFormat {
    Rfc3339,
    UnixSeconds,
    UnixMillis,
    Pattern(OwnedFormatItem),
}

impl DateFormat {
    /// `rfc3339`, `unix_s`, `unix_ms`, or a pattern of strftime.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "rfc3339" => Self::Rfc3339,
            "unix_s" => Self::UnixSeconds,
            "unix_ms" => Self::UnixMillis,
            pattern if pattern.contains('%') => Self::Pattern(
                parse_strftime_owned(pattern).map_err(|error| format!("{pattern:?}: {error}"))?,
            ),
            other => {
                return Err(format!(
                    "{other:?} is no date format: give rfc3339, unix_s, unix_ms or a pattern such as \"%Y-%m-%d %H:%M:%S\""
                ));
            }
        })
    }

    /// None of a time that this calendar does not have.
    pub(super) fn write(&self, at: UnixMillis) -> Option<Value> {
        Some(match self {
            Self::Rfc3339 => Value::from(rfc3339(at)),
            Self::UnixSeconds => Value::from(at.0.div_euclid(1_000)),
            Self::UnixMillis => Value::from(at.0),
            Self::Pattern(pattern) => Value::from(civil(at)?.format(pattern).ok()?),
        })
    }
}

/// With the offset of China; of a time beyond the year 9999, its milliseconds.
pub(crate) fn rfc3339(at: UnixMillis) -> String {
    civil(at).and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| at.0.to_string())
}

fn civil(at: UnixMillis) -> Option<OffsetDateTime> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000).ok()?;
    at.checked_to_offset(UtcOffset::from_hms(CHINA_HOURS, 0, 0).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_written_as_clocks_in_china_show_them() {
        let at = UnixMillis(1_767_196_805_250);
        let write = |format: &str| DateFormat::parse(format).unwrap().write(at).unwrap();
        assert_eq!(write("%Y-%m-%d %H:%M:%S"), json!("2026-01-01 00:00:05"));
        assert_eq!(write("%Y%m%d"), json!("20260101"));
        assert_eq!(write("%Y年%m月%d日"), json!("2026年01月01日"));
        assert_eq!(write("rfc3339"), json!("2026-01-01T00:00:05.25+08:00"));
        assert_eq!(write("unix_s"), json!(1_767_196_805));
        assert_eq!(write("unix_ms"), json!(1_767_196_805_250_i64));
    }

    #[test]
    fn a_wrong_format_is_found_before_it_is_used() {
        for format in ["", "iso", "%Q", "%"] {
            assert!(DateFormat::parse(format).is_err(), "{format}");
        }
    }
}
