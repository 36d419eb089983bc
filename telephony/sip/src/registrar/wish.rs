//! What a REGISTER asks for.

use super::Refused;
use crate::message::{HeaderName, NameAddr, Request, SipUri};

/// How long a binding lives when the user does not say, in seconds.
pub const EXPIRES_S_DEFAULT: u32 = 300;

/// Shortest life of a binding; less is refused with 423.
pub const EXPIRES_S_MIN: u32 = 60;

/// Longest life of a binding; more is shortened. Bindings are in memory: so long a seat's telephone may not ring after the one
/// server of a hotline was started anew.
pub const EXPIRES_S_MAX: u32 = 300;

/// Longest User-Agent and instance that are kept.
const TEXT_BYTES_MAX: usize = 128;

/// A REGISTER, read.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    /// Tell the bindings.
    Tell,
    /// Forget all of them.
    ForgetAll,
    /// Keep and forget these.
    Contacts(Vec<WishedContact>),
}

#[derive(Debug, PartialEq)]
pub(super) struct WishedContact {
    pub(super) uri: SipUri,
    /// Seconds, within the limits; 0 forgets.
    pub(super) expires_s: u32,
    /// `+sip.instance` and `reg-id` (RFC 5626 §4.1): one telephone through restarts.
    pub(super) instance: Option<String>,
}

impl Wish {
    pub(super) fn read(request: &Request, contacts_max: usize) -> Result<Self, Refused> {
        let general = match request.headers.named("Expires").next() {
            // RFC 3261 §20.19: what is malformed counts as the default.
            Some(text) => text.trim().parse().unwrap_or(EXPIRES_S_DEFAULT),
            None => EXPIRES_S_DEFAULT,
        };
        let fields: Vec<&str> = request.headers.all(&HeaderName::Contact).collect();
        if fields.contains(&"*") {
            let alone = fields.len() == 1 && general == 0;
            return if alone { Ok(Self::ForgetAll) } else { Err(Refused::new(400)) };
        }
        if fields.is_empty() {
            return Ok(Self::Tell);
        }
        if fields.len() > contacts_max {
            return Err(Refused::new(403));
        }
        fields
            .into_iter()
            .map(|field| contact(field, general))
            .collect::<Result<_, _>>()
            .map(Self::Contacts)
    }
}

fn contact(field: &str, general: u32) -> Result<WishedContact, Refused> {
    let contact = NameAddr::parse(field).ok_or(Refused::new(400))?;
    let own = contact.params.value("expires").and_then(|text| text.parse().ok());
    let expires_s = own.unwrap_or(general).min(EXPIRES_S_MAX);
    if (1..EXPIRES_S_MIN).contains(&expires_s) {
        let least = HeaderName::Other("Min-Expires".to_owned());
        return Err(Refused { code: 423, header: Some((least, EXPIRES_S_MIN.to_string())) });
    }
    let param = |name| contact.params.value(name);
    let instance = param("+sip.instance").filter(|it| it.len() <= TEXT_BYTES_MAX);
    let number = param("reg-id").filter(|it| it.len() <= TEXT_BYTES_MAX).unwrap_or_default();
    let instance = instance.map(|it| format!("{it}\n{number}"));
    Ok(WishedContact { uri: contact.uri, expires_s, instance })
}

/// What the telephone calls itself.
pub(super) fn user_agent(request: &Request) -> Option<String> {
    let text = request.headers.first(&HeaderName::UserAgent)?;
    Some(text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned())
}
