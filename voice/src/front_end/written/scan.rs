//! Taking numbers off a text.

/// Signs that stand for 到 between two numbers.
const TO: &str = "-~—";

/// A number as it is written.
#[derive(Clone, Debug)]
pub(super) struct Number {
    /// Digits before the point, without the commas of 1,234,567.
    pub(super) whole: String,
    /// Digits after it; empty when there is none.
    pub(super) fraction: String,
    /// Where it ends.
    pub(super) end: usize,
}

/// The digits at `at` and where they end.
pub(super) fn digits(text: &[char], at: usize) -> (String, usize) {
    let rest = text.get(at..).unwrap_or_default();
    let found: String = rest.iter().take_while(|c| c.is_ascii_digit()).collect();
    let end = at + found.len();
    (found, end)
}

/// The number at `at`, which has a digit.
pub(super) fn number(text: &[char], at: usize) -> Number {
    let (mut whole, mut end) = digits(text, at);
    while (1..=3).contains(&(whole.len() % 3 + usize::from(whole.len() % 3 == 0) * 3))
        && text.get(end) == Some(&',')
    {
        let (group, next) = digits(text, end + 1);
        if group.len() != 3 {
            break;
        }
        whole.push_str(&group);
        end = next;
    }
    let mut fraction = String::new();
    if text.get(end) == Some(&'.') && is_digit(text, end + 1) {
        (fraction, end) = digits(text, end + 1);
    }
    Number { whole, fraction, end }
}

/// Groups of digits with `between` between them, at least one.
pub(super) fn groups(text: &[char], at: usize, between: char) -> (Vec<String>, usize) {
    let (first, mut end) = digits(text, at);
    let mut groups = vec![first];
    while text.get(end) == Some(&between) && is_digit(text, end + 1) {
        let (group, next) = digits(text, end + 1);
        groups.push(group);
        end = next;
    }
    (groups, end)
}

/// Whether there is a digit at `at`.
pub(super) fn is_digit(text: &[char], at: usize) -> bool {
    text.get(at).is_some_and(char::is_ascii_digit)
}

/// Whether a sign for 到 is at `at`.
pub(super) fn is_to(text: &[char], at: usize) -> bool {
    text.get(at).is_some_and(|c| TO.contains(*c))
}

/// What the number that ends at `end` counts: what follows it or, in 3-5天, the range's other end.
pub(super) fn counted(text: &[char], end: usize) -> &[char] {
    if (is_to(text, end) || matches!(text.get(end), Some('至' | '到'))) && is_digit(text, end + 1)
    {
        return &text[number(text, end + 1).end..];
    }
    &text[end.min(text.len())..]
}

/// Whether `text` begins with `start`.
pub(super) fn starts(text: &[char], start: &str) -> bool {
    start
        .chars()
        .zip(text.iter().map(Some).chain(std::iter::repeat(None)))
        .all(|(a, b)| Some(&a) == b)
}
