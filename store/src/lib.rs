//! The only crate with sqlx: calls, transcripts, tickets with revisions, outbox.
