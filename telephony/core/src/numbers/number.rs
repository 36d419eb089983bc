//! One number, whatever way it was written.

use super::Emergency;
use qingting_common::Pii;
use std::fmt;

/// Longest text that is read as a number, in bytes.
const TEXT_BYTES_MAX: usize = 128;

/// Longest number (ITU-T E.164 §6), in digits.
const E164_DIGITS_MAX: usize = 15;

/// An area code (区号) with its 0: `010`, `0571`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AreaCode(String);

impl AreaCode {
    /// Reads an area code.
    pub fn new(text: &str) -> Option<Self> {
        let whole = text.bytes().all(|byte| byte.is_ascii_digit());
        (whole && area_of(text) == Some(text)).then(|| Self(text.into()))
    }

    /// The digits, with the 0.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number that can be dialled in China. **Two ways to write one number read as equal.**
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number {
    kind: NumberKind,
    /// As dialled within China; for an international one the country code and what follows.
    digits: Pii<String>,
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NumberKind {
    /// 110, 119, 120 or 122.
    Emergency(Emergency),
    /// A short code: 12345, 10086, 95588, 96xxx; with the area code when it is another city's.
    Short,
    /// A mobile telephone.
    Mobile,
    /// A line with an area code.
    Landline,
    /// 400 or 800.
    Service,
    /// In another country or region.
    International,
}

/// Text that is no number one could dial. Does not repeat the text, which may be a citizen's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NumberError {
    /// No digits, as with a hidden caller.
    #[error("no number")]
    Empty,
    /// Characters that no number has.
    #[error("not a number: expected digits, optionally with +, spaces, dashes or brackets")]
    NotDigits,
    /// Digits that lead nowhere.
    #[error(
        "no such number in China: expected a mobile, a landline with area code or a short code"
    )]
    Unknown,
    /// A local number, and it is not known of which city.
    #[error("a local number: expected the area code before it")]
    NoArea,
}

impl Number {
    /// Reads a number: national, E.164, with 00, with separators, full-width, or a `tel:` URI
    /// (RFC 3966) with or without `phone-context`. A number without area code is of `home`.
    pub fn read(text: &str, home: Option<&AreaCode>) -> Result<Self, NumberError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(NumberError::NotDigits);
        }
        let text = text.trim();
        let scheme = text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"));
        let text = if scheme { &text[4..] } else { text };
        let (number, parameters) = text.split_once(';').unwrap_or((text, ""));
        let context = context_of(parameters)?;
        let number = digits(number)?;
        let number = match &context {
            // A short code has no area; what has one needs no more of the context than the country.
            Some(context) if !number.starts_with(['+', '0']) => joined(context, &number),
            _ => number,
        };
        Self::of_digits(&number, home)
    }

    /// What it is.
    pub const fn kind(&self) -> NumberKind {
        self.kind
    }

    /// As dialled within China: `13800138000`, `01012345678`, `12345`, `0044…`.
    pub fn national(&self) -> String {
        match self.kind {
            NumberKind::International => format!("00{}", self.digits.expose()),
            _ => self.digits.expose().clone(),
        }
    }

    /// With `+` and country code; `None` for what has no such form: emergencies, short codes
    /// without area, and those of Beijing that would read as another short code (010 and 110 as 10110).
    pub fn e164(&self) -> Option<String> {
        let digits = self.digits.expose();
        match self.kind {
            NumberKind::Emergency(_) => None,
            NumberKind::Short => digits
                .strip_prefix('0')
                .filter(|rest| kind_of(rest).is_none())
                .map(|rest| format!("+86{rest}")),
            NumberKind::Mobile | NumberKind::Landline | NumberKind::Service => {
                Some(format!("+86{}", digits.strip_prefix('0').unwrap_or(digits)))
            }
            NumberKind::International => Some(format!("+{digits}")),
        }
    }

    /// The area code, where the number has one.
    pub fn area(&self) -> Option<AreaCode> {
        match self.kind {
            NumberKind::Landline | NumberKind::Short => {
                area_of(self.digits.expose()).map(|area| AreaCode(area.into()))
            }
            _ => None,
        }
    }

    fn of_digits(text: &str, home: Option<&AreaCode>) -> Result<Self, NumberError> {
        if let Some(abroad) = text.strip_prefix('+').or_else(|| text.strip_prefix("00")) {
            return match abroad.strip_prefix("86") {
                Some(rest) => Self::without_trunk_zero(rest),
                None if (7..=E164_DIGITS_MAX).contains(&abroad.len())
                    && !abroad.starts_with('0') =>
                {
                    Ok(Self::new(NumberKind::International, abroad))
                }
                None => Err(NumberError::Unknown),
            }
            .map(|number| number.at_home(home));
        }
        let bare = text.strip_prefix("86").filter(|rest| rest.len() >= 10);
        Self::dialled(text, home)
            .or_else(|error| bare.map_or(Err(error), Self::without_trunk_zero))
            .map(|number| number.at_home(home))
    }

    /// What stands behind 86: a landline lacks its 0 there, and some exchanges write it all the same.
    fn without_trunk_zero(rest: &str) -> Result<Self, NumberError> {
        Self::dialled(rest, None).or_else(|_| Self::dialled(&format!("0{rest}"), None))
    }

    fn dialled(text: &str, home: Option<&AreaCode>) -> Result<Self, NumberError> {
        if let Some(kind) = kind_of(text) {
            return Ok(Self::new(kind, text));
        }
        // A mobile telephone of another city used to be dialled with a 0.
        if let Some(mobile) = text.strip_prefix('0').filter(|rest| is_mobile(rest)) {
            return Ok(Self::new(NumberKind::Mobile, mobile));
        }
        if let Some(area) = area_of(text) {
            let local = &text[area.len()..];
            return if is_local(local) {
                Ok(Self::new(NumberKind::Landline, text))
            } else if kind_of(local).is_some_and(|kind| kind.is_short()) {
                Ok(Self::new(NumberKind::Short, text))
            } else {
                Err(NumberError::Unknown)
            };
        }
        match home {
            _ if !is_local(text) => Err(NumberError::Unknown),
            None => Err(NumberError::NoArea),
            Some(home) => Ok(Self::new(NumberKind::Landline, &format!("{}{text}", home.0))),
        }
    }

    /// A short code of one's own city is the bare short code.
    fn at_home(self, home: Option<&AreaCode>) -> Self {
        if self.kind != NumberKind::Short {
            return self;
        }
        let bare = home.and_then(|home| self.digits.expose().strip_prefix(home.as_str()));
        match bare.and_then(|bare| kind_of(bare).map(|kind| Self::new(kind, bare))) {
            Some(number) => number,
            None => self,
        }
    }

    fn new(kind: NumberKind, digits: &str) -> Self {
        Self { kind, digits: Pii::new(digits.into()) }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({:?}, {})", self.kind, self.digits)
    }
}

impl NumberKind {
    const fn is_short(self) -> bool {
        matches!(self, Self::Emergency(_) | Self::Short)
    }
}

/// The digits of a number, a leading `+` among them.
fn digits(text: &str) -> Result<String, NumberError> {
    let mut digits = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '０'..='９' => digits.extend(char::from_digit(u32::from(c) - u32::from('０'), 10)),
            '+' | '＋' if digits.is_empty() => digits.push('+'),
            ' ' | '-' | '.' | '(' | ')' | '/' | '（' | '）' | '－' | '–' | '\u{a0}' => {}
            _ => return Err(NumberError::NotDigits),
        }
    }
    match digits.as_str() {
        "" | "+" => Err(NumberError::Empty),
        _ => Ok(digits),
    }
}

/// The `phone-context` of a `tel:` URI, where it is a number; a domain says nothing.
fn context_of(parameters: &str) -> Result<Option<String>, NumberError> {
    let context = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("phone-context").then_some(value.trim())
    });
    context.filter(|context| context.starts_with('+')).map(digits).transpose()
}

/// A local number behind the context that it is local to. In `+86` that is the national form, which
/// stands as it is.
fn joined(context: &str, number: &str) -> String {
    match context.strip_prefix("+86") {
        Some("") => number.into(),
        Some(area) if is_local(number) || kind_of(number).is_some_and(NumberKind::is_short) => {
            format!("0{area}{number}")
        }
        Some(_) => number.into(),
        None => format!("{context}{number}"),
    }
}

/// The kind of what is dialled without area code.
fn kind_of(text: &str) -> Option<NumberKind> {
    if let Some(service) = Emergency::of(text) {
        return Some(NumberKind::Emergency(service));
    }
    let short = match text.as_bytes() {
        [b'1', ..] => (3..=6).contains(&text.len()),
        [b'9', b'5', ..] => (5..=8).contains(&text.len()),
        [b'9', b'6', ..] => (5..=6).contains(&text.len()),
        _ => false,
    };
    let service = text.len() == 10 && (text.starts_with("400") || text.starts_with("800"));
    match text {
        _ if short => Some(NumberKind::Short),
        _ if service => Some(NumberKind::Service),
        _ if is_mobile(text) => Some(NumberKind::Mobile),
        _ => None,
    }
}

fn is_mobile(text: &str) -> bool {
    text.len() == 11 && matches!(text.as_bytes(), [b'1', b'3'..=b'9', ..])
}

/// Seven or eight digits that do not begin as a long-distance call, a short code or a service.
fn is_local(text: &str) -> bool {
    (7..=8).contains(&text.len()) && matches!(text.as_bytes(), [b'2'..=b'9', ..])
}

/// The area code with which a national number begins: two digits for 010 and 02x, else three. No area has
/// two zeros behind its first digit: 0400 and 0800 would make a line of a service.
fn area_of(text: &str) -> Option<&str> {
    match text.as_bytes() {
        [b'0', _, b'0', b'0', ..] => None,
        [b'0', b'1', b'0', ..] | [b'0', b'2', _, ..] => text.get(..3),
        [b'0', b'3'..=b'9', _, _, ..] => text.get(..4),
        _ => None,
    }
}
