//! Tags, slots and the pre-filled draft. Pure.
