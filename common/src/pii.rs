//! Personal data that does not print itself.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Personal data: a telephone number, a name, an address, words that were spoken.
///
/// `Debug` and `Display` print `<redacted>`; code that must see the value says so with
/// [`Pii::expose`], which is easy to search for. It serialises as the bare value, because the
/// store and the API are where the value belongs.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Never pass the result to a log line at INFO or above.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value, unwrapped.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl<T> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_never_shows_the_value() {
        let number = Pii::new("13800138000".to_owned());
        assert_eq!(format!("{number} {number:?}"), "<redacted> <redacted>");
        assert_eq!(number.expose(), "13800138000");
    }
}
