//! Every cap that more than one crate must agree on, with its unit in its name.

/// Samples per second of telephone audio (G.711, RFC 3551 §4.5.14).
pub const TELEPHONE_RATE_HZ: u32 = 8_000;

/// Length of one media tick and one RTP packet, in milliseconds (RFC 3551 §4.2 default).
pub const TICK_MS: u32 = 20;

/// Samples in one tick at [`TELEPHONE_RATE_HZ`].
pub const SAMPLES_PER_TICK: usize = (TELEPHONE_RATE_HZ * TICK_MS / 1_000) as usize;

/// Longest text of one ticket field, in characters.
pub const TICKET_FIELD_CHARS_MAX: usize = 4_000;

/// Longest HTTP request body, in bytes.
pub const HTTP_BODY_BYTES_MAX: usize = 1 << 20;

/// Largest list of closed tickets, in bytes: 20,000 of them with 1 KiB each.
pub const IMPORT_BYTES_MAX: usize = 20 << 20;

/// Largest SIP message accepted, in bytes (a UDP datagram cannot be larger; TCP is held to the same).
pub const SIP_MESSAGE_BYTES_MAX: usize = 65_535;

/// Requests that one key, session or password may make per second, on average.
pub const REQUESTS_PER_SECOND: u32 = 50;

/// Requests that it may make at once, after it was quiet.
pub const REQUESTS_AT_ONCE: u32 = 200;

/// Requests per second, on average, of one address that are open to everyone or were refused with 401. A city's
/// seats may come through one proxy, and log in when their shift begins.
pub const STRANGERS_REQUESTS_PER_SECOND: u32 = 10;

/// Such requests at once.
pub const STRANGERS_REQUESTS_AT_ONCE: u32 = 200;

/// Whole numbers that one key which sees numbers masked may look for in an hour, and at once: with the seven digits that
/// a mask shows, all of ten thousand would be tried within minutes otherwise.
pub const MASKED_NUMBERS_PER_HOUR: u32 = 60;
