//! SIP messages: parsed strictly where readers could disagree, tolerantly where RFC 4475 says so.

pub mod message;
