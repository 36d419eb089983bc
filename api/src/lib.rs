//! The only crate with axum: routes, keys, events over WebSocket, OpenAPI.
