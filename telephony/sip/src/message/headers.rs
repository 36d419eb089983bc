//! Header fields in their order, known ones by name.

use super::text::push_text;
use std::fmt;

/// A header field's name, long and compact form alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the names are the header fields of RFC 3261 §20 and its extensions"
)]
pub enum HeaderName {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    MaxForwards,
    Route,
    RecordRoute,
    Path,
    ContentType,
    ContentLength,
    ContentEncoding,
    ContentDisposition,
    Require,
    ProxyRequire,
    Supported,
    Unsupported,
    Allow,
    Accept,
    Reason,
    RetryAfter,
    Timestamp,
    Server,
    UserAgent,
    Subject,
    Diversion,
    PAssertedIdentity,
    RSeq,
    RAck,
    SessionExpires,
    MinSe,
    Replaces,
    ReferTo,
    ReferredBy,
    ReferSub,
    Event,
    SubscriptionState,
    InfoPackage,
    /// Any other field, its name as written.
    Other(String),
}

/// Long name, compact form, value.
const NAMES: [(&str, &str, HeaderName); 39] = [
    ("Via", "v", HeaderName::Via),
    ("From", "f", HeaderName::From),
    ("To", "t", HeaderName::To),
    ("Call-ID", "i", HeaderName::CallId),
    ("CSeq", "", HeaderName::CSeq),
    ("Contact", "m", HeaderName::Contact),
    ("Max-Forwards", "", HeaderName::MaxForwards),
    ("Route", "", HeaderName::Route),
    ("Record-Route", "", HeaderName::RecordRoute),
    ("Path", "", HeaderName::Path),
    ("Content-Type", "c", HeaderName::ContentType),
    ("Content-Length", "l", HeaderName::ContentLength),
    ("Content-Encoding", "e", HeaderName::ContentEncoding),
    ("Content-Disposition", "", HeaderName::ContentDisposition),
    ("Require", "", HeaderName::Require),
    ("Proxy-Require", "", HeaderName::ProxyRequire),
    ("Supported", "k", HeaderName::Supported),
    ("Unsupported", "", HeaderName::Unsupported),
    ("Allow", "", HeaderName::Allow),
    ("Accept", "", HeaderName::Accept),
    ("Reason", "", HeaderName::Reason),
    ("Retry-After", "", HeaderName::RetryAfter),
    ("Timestamp", "", HeaderName::Timestamp),
    ("Server", "", HeaderName::Server),
    ("User-Agent", "", HeaderName::UserAgent),
    ("Subject", "s", HeaderName::Subject),
    ("Diversion", "", HeaderName::Diversion),
    ("P-Asserted-Identity", "", HeaderName::PAssertedIdentity),
    ("RSeq", "", HeaderName::RSeq),
    ("RAck", "", HeaderName::RAck),
    ("Session-Expires", "x", HeaderName::SessionExpires),
    ("Min-SE", "", HeaderName::MinSe),
    ("Replaces", "", HeaderName::Replaces),
    ("Refer-To", "r", HeaderName::ReferTo),
    ("Referred-By", "b", HeaderName::ReferredBy),
    ("Refer-Sub", "", HeaderName::ReferSub),
    ("Event", "o", HeaderName::Event),
    ("Subscription-State", "", HeaderName::SubscriptionState),
    ("Info-Package", "", HeaderName::InfoPackage),
];

impl HeaderName {
    /// The name for a field; case does not matter.
    pub fn parse(text: &str) -> Self {
        NAMES
            .iter()
            .find(|(long, compact, _)| {
                long.eq_ignore_ascii_case(text)
                    || (!compact.is_empty() && compact.eq_ignore_ascii_case(text))
            })
            .map_or_else(|| Self::Other(text.to_owned()), |(_, _, name)| name.clone())
    }

    /// The long form.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => NAMES.iter().find(|(_, _, n)| n == known).map_or("", |(long, _, _)| long),
        }
    }

    /// Fields whose commas separate values that we must tell apart (RFC 3261 §7.3.1).
    pub(crate) fn is_list(&self) -> bool {
        matches!(
            self,
            Self::Via
                | Self::Contact
                | Self::Route
                | Self::RecordRoute
                | Self::Path
                | Self::Diversion
                | Self::PAssertedIdentity
        )
    }

    /// Fields of which a message has at most one.
    pub(crate) fn is_single(&self) -> bool {
        matches!(
            self,
            Self::From
                | Self::To
                | Self::CallId
                | Self::CSeq
                | Self::MaxForwards
                | Self::ContentType
                | Self::RetryAfter
                | Self::RSeq
                | Self::RAck
                | Self::SessionExpires
                | Self::MinSe
                | Self::Replaces
                | Self::ReferTo
                | Self::ReferredBy
                | Self::Event
        )
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromIterator<(HeaderName, String)> for Headers {
    fn from_iter<T: IntoIterator<Item = (HeaderName, String)>>(fields: T) -> Self {
        let mut headers = Self::default();
        fields.into_iter().for_each(|(name, value)| headers.push(name, value));
        headers
    }
}

/// The header fields of a message. Content-Length is not among them: it follows from the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(HeaderName, String)>);

impl Headers {
    /// Appends a field. Line ends in the value become spaces: no caller can smuggle in a field.
    pub fn push(&mut self, name: HeaderName, value: impl Into<String>) {
        let value = value.into();
        let value =
            if value.contains(['\r', '\n']) { value.replace(['\r', '\n'], " ") } else { value };
        self.0.push((name, value));
    }

    /// The first value of a field.
    pub fn first(&self, name: &HeaderName) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All values of a field in order; list fields are already split.
    pub fn all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All values of a field by its name, in whatever case; for fields without a name of their own.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name =
            move |field: &&(HeaderName, String)| field.0.as_str().eq_ignore_ascii_case(name);
        self.0.iter().filter(of_name).map(|(_, value)| value.as_str())
    }

    /// Every field in order.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, String)> {
        self.0.iter()
    }

    /// The option tags of a comma-separated field.
    pub fn tags<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|t| !t.is_empty())
    }

    /// Bytes that the fields take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(|field| size_of_val(field) + field.1.len()).sum()
    }

    /// Writes the fields, Content-Length, the empty line and the body.
    pub(crate) fn write(&self, out: &mut Vec<u8>, body: &[u8]) {
        for (name, value) in &self.0 {
            push_text(out, name.as_str());
            out.extend_from_slice(b": ");
            push_text(out, value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        out.extend_from_slice(body);
    }
}
