//! The Replaces header (RFC 3891 §6.1): which dialog a new call takes over.

use super::text::Params;
use std::fmt;

/// A dialog as its replacer names it. **The tags are those of the receiver's view**: `to_tag` is
/// the tag of whoever reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Call-ID.
    pub call_id: String,
    /// The receiver's own tag.
    pub to_tag: String,
    /// The tag of the receiver's peer.
    pub from_tag: String,
    /// Only a dialog that is not answered yet may be replaced.
    pub early_only: bool,
}

impl Replaces {
    /// Reads one value; `None` when a tag is missing or doubled.
    pub fn parse(text: &str) -> Option<Self> {
        let (call_id, params) = text.split_once(';')?;
        let (call_id, params) = (call_id.trim(), Params::parse(params)?);
        let tag = |name: &str| {
            let mut found = params.0.iter().filter(|p| p.name.eq_ignore_ascii_case(name));
            let value = found.next()?.value.clone().filter(|value| !value.contains('"'))?;
            found.next().is_none().then_some(value)
        };
        let readable = !call_id.is_empty() && !call_id.contains([' ', '\t', ',']);
        readable.then_some(())?;
        Some(Self {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.value("early-only").is_some(),
        })
    }

    /// The value as the header of a URI (RFC 3261 §19.1.1), as Refer-To carries it.
    pub fn escaped(&self) -> String {
        let mut out = String::new();
        for byte in self.to_string().bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        f.write_str(if self.early_only { ";early-only" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_it_was_read() {
        for text in ["a@b;to-tag=1;from-tag=2", "c;to-tag=1;from-tag=2;early-only"] {
            assert_eq!(Replaces::parse(text).unwrap().to_string(), text);
        }
        let escaped = Replaces::parse("a@b;to-tag=1;from-tag=2").unwrap().escaped();
        assert_eq!(escaped, "a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2");
    }

    #[test]
    fn what_names_no_dialog_is_refused() {
        for text in [
            "",
            "a@b",
            "a@b;to-tag=1",
            "a;from-tag=1",
            ";to-tag=1;from-tag=2",
            "a;to-tag=1;to-tag=3;from-tag=2",
            "a;to-tag=1;from-tag=2, b;to-tag=1;from-tag=2",
            "a b;to-tag=1;from-tag=2",
            "a;to-tag;from-tag=2",
        ] {
            assert_eq!(Replaces::parse(text), None, "{text}");
        }
    }
}
