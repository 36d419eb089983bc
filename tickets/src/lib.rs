//! The way to the city's ticket system and back: what is sent and in which shape ([`event`],
//! [`mapping`]; [`feed`] for those who follow everything), who it is from ([`signature`]), what an answer means ([`answer`]), when it is tried again
//! ([`retry`]), and the HTTP client that does it ([`connector`]).
//!
//! **The receiver learns each event by its idempotency key, and sees one event as often as it takes until
//! it says that it has it.** Addresses come from the configuration alone, redirects are not followed, and
//! answers are read up to a limit.
//!
//! All but [`connector`] and [`token`] is without I/O and clocks and is told the time. What is sent is personal data: it does not
//! print itself.

pub mod answer;
mod clock;
pub mod connector;
pub mod event;
pub mod feed;
pub mod mapping;
pub mod retry;
pub mod signature;
pub mod token;

pub use answer::{Scope, Verdict};
pub use connector::{Page, PollError, Reply, TicketSystem};
pub use event::{Event, Outgoing};
pub use feed::{Change, CloudEvent};
pub use mapping::{Mapping, MappingError, MappingFault};
pub use retry::{Circuit, Retry};
pub use signature::{Secrets, SignatureError, Signed};
pub use token::Client;
