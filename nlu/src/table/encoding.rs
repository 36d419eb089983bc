//! Bytes to text: UTF-8, UTF-16 with its mark, or GB18030, as spreadsheets of this country save it.

use super::TableError;
use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use std::borrow::Cow;

/// A file that is UTF-8 in so many characters for each byte that is not is broken UTF-8, and no other
/// encoding.
const UTF8_CHARS_PER_ERROR: usize = 4;

/// The text of a file, without a mark of its encoding. `file` is its name in errors.
///
/// # Errors
/// [`TableError::Encoding`].
pub fn decode<'a>(file: &str, bytes: &'a [u8]) -> Result<Cow<'a, str>, TableError> {
    let error =
        |at: usize, what| TableError::Encoding { file: file.into(), row: row_at(bytes, at), what };
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let bytes = &bytes[mark..];
        return whole(encoding, bytes).ok_or_else(|| match encoding.name() {
            "UTF-8" => error(mark + utf8_end(bytes), "broken UTF-8"),
            _ => error(0, "broken UTF-16"),
        });
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return match text.find('\0') {
            Some(at) => Err(error(at, "no text, or UTF-16 without its mark")),
            None => Ok(Cow::Borrowed(text)),
        };
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(error(at, "no text, or UTF-16 without its mark"));
    }
    let end = utf8_end(bytes);
    if is_broken_utf8(bytes) {
        return Err(error(end, "broken UTF-8"));
    }
    whole(GB18030, bytes).ok_or_else(|| error(end, "neither UTF-8 nor GB18030"))
}

fn whole<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    debug_assert!([UTF_8, UTF_16LE, UTF_16BE, GB18030].contains(&encoding));
    encoding.decode_without_bom_handling_and_without_replacement(bytes)
}

fn utf8_end(bytes: &[u8]) -> usize {
    std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len)
}

fn is_broken_utf8(bytes: &[u8]) -> bool {
    let (mut chars, mut errors) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        chars += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        errors += chunk.invalid().len();
    }
    chars >= errors * UTF8_CHARS_PER_ERROR
}

/// The row of a byte, in an encoding in which line ends are what they are in ASCII.
fn row_at(bytes: &[u8], at: usize) -> u64 {
    let (mut row, mut quoted, mut last) = (1, false, 0);
    for byte in &bytes[..at.min(bytes.len())] {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted && last != b'\r' => row += 1,
            b'\r' if !quoted => row += 1,
            _ => {}
        }
        last = *byte;
    }
    row
}
