//! Lexical pieces shared by headers: tokens, parameters, lists, and bytes that are not UTF-8.

use std::fmt;

/// One `;name=value` parameter. The value keeps its quotes, so that it is written as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name as written; compared without case.
    pub name: String,
    /// Value as written, quotes included.
    pub value: Option<String>,
}

/// Parameters in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub Vec<Param>);

impl Params {
    /// The value of a parameter; `Some("")` when it is present without a value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|p| p.name.eq_ignore_ascii_case(name))
            .map(|p| p.value.as_deref().unwrap_or(""))
    }

    /// Replaces a parameter or appends it.
    pub fn put(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|p| p.name.eq_ignore_ascii_case(name)) {
            Some(param) => param.value = Some(value),
            None => self.0.push(Param { name: name.to_owned(), value: Some(value) }),
        }
    }

    /// Reads `a=b;c` (the text after the first semicolon). An empty parameter is an error: two
    /// readers may disagree about `;;,`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut params = Vec::new();
        for piece in split_outside_quotes(text, b';')? {
            let (name, value) = match piece.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (piece.trim(), None),
            };
            if !is_param_name(name)
                || value.is_some_and(|v| v.is_empty() || v.contains(',') && !v.starts_with('"'))
            {
                return None;
            }
            params.push(Param { name: name.to_owned(), value: value.map(str::to_owned) });
        }
        Some(Self(params))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for param in &self.0 {
            write!(f, ";{}", param.name)?;
            if let Some(value) = &param.value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// RFC 3261 §25.1 `token`.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

/// URI parameters allow more than tokens (RFC 3261 §25.1 `paramchar`).
fn is_param_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~[]/:&$()".contains(&b))
}

/// Splits at a separator outside quoted strings and outside `<>`; `None` when a quote stays open.
pub(crate) fn split_outside_quotes(text: &str, separator: u8) -> Option<Vec<&str>> {
    let (mut pieces, mut start, mut quoted, mut angle, mut escaped) =
        (Vec::new(), 0, false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            escaped = byte == b'\\';
            quoted = byte != b'"';
        } else {
            match byte {
                b'"' => quoted = true,
                b'<' => angle = true,
                b'>' => angle = false,
                b if b == separator && !angle => {
                    pieces.push(&text[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    pieces.push(&text[start..]);
    (!quoted).then_some(pieces)
}

/// First private-use character that stands for a byte that is not UTF-8. Exchanges send GBK
/// display names; such a call must be answered, and its From returned byte for byte.
const RAW_BYTE: u32 = 0xF700;

/// Header bytes as text; what is not UTF-8 becomes private-use characters, one per byte.
pub(crate) fn text_from_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let push_raw = |out: &mut String, raw: &[u8]| {
        out.extend(raw.iter().filter_map(|b| char::from_u32(RAW_BYTE + u32::from(*b))));
    };
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().is_ascii() {
            out.push_str(chunk.valid());
        } else {
            for ch in chunk.valid().chars() {
                // A genuine character of that range is escaped too, or it would come back as a byte.
                if is_raw_byte(ch) {
                    push_raw(&mut out, ch.encode_utf8(&mut [0; 4]).as_bytes());
                } else {
                    out.push(ch);
                }
            }
        }
        push_raw(&mut out, chunk.invalid());
    }
    out
}

/// The reverse of [`text_from_bytes`].
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    if text.is_ascii() {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for ch in text.chars() {
        if is_raw_byte(ch) {
            out.push((u32::from(ch) - RAW_BYTE) as u8);
        } else {
            out.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

fn is_raw_byte(ch: char) -> bool {
    (RAW_BYTE + 0x80..=RAW_BYTE + 0xFF).contains(&u32::from(ch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_come_back_as_they_were() {
        for bytes in [&b"\xd5\xc5\xc8\xfd <sip:1@a>"[..], "\u{F780}张三".as_bytes(), b"plain"] {
            let mut back = Vec::new();
            push_text(&mut back, &text_from_bytes(bytes));
            assert_eq!(back, bytes);
        }
    }

    #[test]
    fn separators_in_quotes_and_angles_do_not_split() {
        let pieces = split_outside_quotes(r#""a,\"b" <sip:x,y@z>, c"#, b',').unwrap();
        assert_eq!(pieces, [r#""a,\"b" <sip:x,y@z>"#, " c"]);
        assert!(split_outside_quotes("\"open", b',').is_none());
    }

    #[test]
    fn an_empty_parameter_is_refused() {
        assert!(Params::parse("a=1;;b").is_none());
        assert_eq!(Params::parse(" lr ; q = 0.3").unwrap().to_string(), ";lr;q=0.3");
    }
}
