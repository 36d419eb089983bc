//! Model manifest, fetching through package registries, verification and conversion.
