//! Numbers as they are said.
