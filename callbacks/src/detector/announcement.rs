//! What the network says.

/// Why the called party was not reached, as the network announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "replaced by the detector")]
pub enum Announcement {
    NotInService,
    Suspended,
    SwitchedOff,
    Unreachable,
    Restricted,
    Rejected,
    Busy,
    NoAnswer,
    Congestion,
    Voicemail,
}
