//! End-to-end, fault, conformance and load tests that drive the real binary.
