//! Keys that were pressed, as INFO carries them: the de facto `application/dtmf-relay` and
//! `application/dtmf`.

/// What INFO may carry to us.
pub(crate) const INFO_ACCEPT: &str = "application/dtmf-relay, application/dtmf";

/// Longest press that is told as such.
const DURATION_MS_MAX: u32 = 10_000;

/// A key and how long it was pressed, in ms. `None` in front for a body of another type, `Err` for
/// one that names no key.
pub(crate) fn dtmf(kind: &str, body: &[u8]) -> Option<Result<(char, Option<u32>), ()>> {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let text = std::str::from_utf8(body).unwrap_or_default();
    if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        return Some(relay(text).ok_or(()));
    }
    // A bare key; some write it as the other type does.
    kind.eq_ignore_ascii_case("application/dtmf")
        .then(|| key(text.trim()).map(|key| (key, None)).or_else(|| relay(text)).ok_or(()))
}

fn relay(text: &str) -> Option<(char, Option<u32>)> {
    let field = |wanted: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let duration = field("Duration").and_then(|value| value.parse::<u32>().ok());
    Some((key(field("Signal")?)?, duration.map(|ms| ms.min(DURATION_MS_MAX))))
}

/// `0`–`9`, `*`, `#`, `A`–`D`; RFC 2833's numbers 10 and 11 stand for `*` and `#`.
fn key(text: &str) -> Option<char> {
    let mut chars = text.chars();
    match (text, chars.next()?.to_ascii_uppercase(), chars.next()) {
        ("10", ..) => Some('*'),
        ("11", ..) => Some('#'),
        (_, key @ ('0'..='9' | '*' | '#' | 'A'..='D'), None) => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_by_both_types() {
        let relay = |body: &str| dtmf("application/dtmf-relay", body.as_bytes());
        assert_eq!(relay("Signal=5\r\nDuration=160\r\n"), Some(Ok(('5', Some(160)))));
        assert_eq!(relay("signal = d\n"), Some(Ok(('D', None))));
        assert_eq!(relay("Signal=11"), Some(Ok(('#', None))));
        assert_eq!((relay("Signal=12"), relay("")), (Some(Err(())), Some(Err(()))));
        assert_eq!(dtmf("Application/DTMF;x=y", b"*\r\n"), Some(Ok(('*', None))));
        assert_eq!(dtmf("text/plain", b"5"), None);
    }
}
