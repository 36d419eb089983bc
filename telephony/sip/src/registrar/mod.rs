//! Where users are (RFC 3261 §10.3), without I/O.
//!
//! **A binding is a way, not only an address**: it keeps the socket or connection that it came by
//! (after RFC 5626), and a binding of a connection is gone with it. So a browser behind WSS and a
//! telephone behind NAT are reached, or known to be gone.

mod binding;
mod table;
mod wish;

pub use binding::{Binding, RegistrationEvent};
pub use table::{BINDINGS_PER_USER_MAX, Registrar};
pub use wish::{EXPIRES_S_DEFAULT, EXPIRES_S_MAX, EXPIRES_S_MIN};

use crate::message::HeaderName;

/// Why a REGISTER is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Status code.
    pub code: u16,
    /// A field that explains it.
    pub header: Option<(HeaderName, String)>,
}

impl Refused {
    const fn new(code: u16) -> Self {
        Self { code, header: None }
    }
}
