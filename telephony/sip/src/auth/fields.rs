//! The parameters of a challenge and of credentials.

use crate::message::split_outside_quotes;

/// Longest field that is read.
const FIELD_BYTES_MAX: usize = 2_048;

/// Parameters of one field, at most.
const PARAMS_MAX: usize = 24;

/// `Digest name=value, name="value"`, quotes taken off.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// `None` for another scheme, for what is broken, and for a parameter that comes twice: two
    /// readers could take different ones.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") || text.len() > FIELD_BYTES_MAX {
            return None;
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for piece in split_outside_quotes(rest, b',')? {
            let (name, value) = piece.trim().split_once('=')?;
            let name = name.trim().to_ascii_lowercase();
            if fields.len() == PARAMS_MAX || fields.iter().any(|(known, _)| *known == name) {
                return None;
            }
            fields.push((name, unquote(value.trim())?));
        }
        Some(Self(fields))
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn unquote(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let inner = inner.strip_suffix('"')?;
    let (mut out, mut chars) = (String::with_capacity(inner.len()), inner.chars());
    while let Some(ch) = chars.next() {
        out.push(if ch == '\\' { chars.next()? } else { ch });
    }
    Some(out)
}

/// A value in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_case() {
        let fields = Fields::parse(r#"digest Realm="a,\"b\"" , nc=00000001,qop="auth""#).unwrap();
        assert_eq!(
            (fields.value("realm"), fields.value("nc")),
            (Some("a,\"b\""), Some("00000001"))
        );
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
    }

    #[test]
    fn what_two_readers_could_take_differently_is_not_read() {
        let long = format!("Digest a={}", "x".repeat(FIELD_BYTES_MAX));
        for text in ["Basic a=b", "Digest a=1, A=2", "Digest a=\"", "Digest a", "Digest", &long] {
            assert!(Fields::parse(text).is_none(), "{text}");
        }
    }
}
