//! What the servers on one PostgreSQL tell each other at once, by LISTEN and NOTIFY, and which of them is the
//! keeper: the one that holds the advisory lock of its listening connection.
//!
//! **Every message comes to each server that listens, whole and in its sender's order, or that server is told that
//! it lost the connection.** Nothing is kept: who was away asks the others. A keeper that is killed, or whose machine
//! falls silent, loses the lock with its connection.

use crate::error::StoreError;
use crate::place::Place;
use crate::{Store, database};
use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};
use sqlx::{Executor, PgPool};
use std::collections::{HashMap, VecDeque};

/// Name of the channel; channels are a database's own.
const CHANNEL: &str = "qingting";

/// Bytes of a message in one notification; PostgreSQL takes less than 8,000 with what stands before them.
const PART_BYTES_MAX: usize = 7_800;

/// Parts of one message; a longer one is not sent.
pub const BUS_PARTS_MAX: usize = 256;

/// Any number, as long as it is the same in all processes and no other lock's: whoever has this one keeps the queues.
const KEEPER_LOCK: i64 = 0x7169_6e67_6b65_6570;

/// Connections: one listens and holds the lock, one sends.
const CONNECTIONS: u32 = 2;

/// How PostgreSQL learns that a machine is gone without a word: in about 5 s.
const KEEPALIVE: &str =
    "SET tcp_keepalives_idle = 2; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = 5000; SET synchronous_commit = off; SET lock_timeout = 2000; SET client_min_messages = 'warning'";

/// A message of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusMessage {
    /// Who sent it: the name in its `server.id`.
    pub from: String,
    /// Whom it is for; everybody when `None`.
    pub to: Option<String>,
    /// What it says.
    pub text: String,
}

/// Sends to the other servers. One sender is one order.
pub struct BusSender {
    own: String,
    pool: PgPool,
    sent: u64,
}

/// Hears the other servers.
pub struct BusListener {
    own: String,
    listener: PgListener,
    parts: HashMap<String, Parts>,
    ready: VecDeque<BusMessage>,
}

/// What has come of a message in pieces.
struct Parts {
    number: u64,
    text: String,
    next: usize,
}

impl Store {
    /// Connects to the other servers on this database; `None` on SQLite, which has one server.
    pub async fn bus(&self) -> Result<Option<(BusSender, BusListener)>, StoreError> {
        let (Place::Server(url), Some(own)) = (self.place(), self.server()) else {
            return Ok(None);
        };
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(database::WAIT_MAX)
            .after_connect(|db, _| Box::pin(async move { db.execute(KEEPALIVE).await.map(drop) }))
            .connect_with(url.postgres_options()?)
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        let sender = BusSender { own: own.clone(), pool, sent: 0 };
        let listener = BusListener { own, listener, parts: HashMap::new(), ready: VecDeque::new() };
        Ok(Some((sender, listener)))
    }
}

impl BusSender {
    /// Sends these in their order, all or none; who is named gets it alone.
    pub async fn send(&mut self, messages: &[(Option<&str>, String)]) -> Result<(), StoreError> {
        let mut parts = Vec::new();
        for (to, text) in messages {
            self.sent += 1;
            let pieces = pieces(text, PART_BYTES_MAX);
            if pieces.len() > BUS_PARTS_MAX {
                tracing::error!(bytes = text.len(), "a message to the other servers is too long");
                continue;
            }
            for (at, piece) in pieces.iter().enumerate() {
                let (own, sent, to) = (&self.own, self.sent, to.unwrap_or("*"));
                parts.push(format!("{own} {sent} {at} {} {to} {piece}", pieces.len()));
            }
        }
        if parts.is_empty() {
            return Ok(());
        }
        let tell = "SELECT pg_notify($1, part) FROM unnest($2::text[]) AS part";
        sqlx::query(tell).bind(CHANNEL).bind(parts).execute(&self.pool).await?;
        Ok(())
    }
}

/// Milliseconds since 1970.
pub(crate) const TIME: &str = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint";

impl BusListener {
    /// The next message for this server; an error when the connection is lost, and with it the lock and what was said
    /// meanwhile. Dropping it before it is done loses nothing.
    pub async fn next(&mut self) -> Result<BusMessage, StoreError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            match self.listener.try_recv().await? {
                Some(notification) => self.take(&notification),
                None => {
                    let gone = std::io::ErrorKind::ConnectionAborted.into();
                    return Err(sqlx::Error::Io(gone).into());
                }
            }
        }
    }

    /// Takes the keeper's lock if nobody has it; whether it is ours. Of one that has it `already` only that the
    /// connection stands, whose the lock is.
    pub async fn claim(&mut self, already: bool) -> Result<bool, StoreError> {
        if already {
            self.listener.execute("SELECT 1").await?;
            return Ok(true);
        }
        let lock = "SELECT pg_try_advisory_lock($1)";
        Ok(sqlx::query_scalar(lock).bind(KEEPER_LOCK).fetch_one(&mut self.listener).await?)
    }

    /// Milliseconds since 1970 by the database's clock, which all servers share.
    pub async fn time(&mut self) -> Result<u64, StoreError> {
        let time: i64 = sqlx::query_scalar(TIME).fetch_one(&mut self.listener).await?;
        Ok(time.unsigned_abs())
    }

    fn take(&mut self, notification: &PgNotification) {
        let message = assembled(&mut self.parts, notification.payload());
        let is_ours = |message: &BusMessage| {
            message.from != self.own && message.to.as_ref().is_none_or(|to| *to == self.own)
        };
        self.ready.extend(message.filter(is_ours));
    }
}

/// A text in pieces of at most so many bytes, between characters.
fn pieces(text: &str, bytes_max: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > bytes_max {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(bytes_max));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Puts a piece to those before it; the message once it is whole. What is none of ours is nothing.
fn assembled(parts: &mut HashMap<String, Parts>, payload: &str) -> Option<BusMessage> {
    let mut fields = payload.splitn(6, ' ');
    let from = fields.next()?;
    let number: u64 = fields.next()?.parse().ok()?;
    let at: usize = fields.next()?.parse().ok()?;
    let count: usize = fields.next()?.parse().ok()?;
    let to = fields.next()?;
    let piece = fields.next()?;
    if at == 0 {
        parts.insert(from.to_owned(), Parts { number, text: String::new(), next: 0 });
    }
    let known = parts.get_mut(from).filter(|of| of.number == number && of.next == at)?;
    known.text.push_str(piece);
    known.next += 1;
    if known.next < count {
        return None;
    }
    let Parts { text, .. } = parts.remove(from)?;
    let to = (to != "*").then(|| to.to_owned());
    Some(BusMessage { from: from.to_owned(), to, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_whole_or_not_at_all() {
        let text = "市民".repeat(9);
        let cut = pieces(&text, 10);
        assert!(cut.iter().all(|piece| piece.len() <= 10) && cut.concat() == text);
        let part = |number: u64, at: usize| format!("a {number} {at} {} * {}", cut.len(), cut[at]);
        let mut parts = HashMap::new();
        let mut last = None;
        for at in 0..cut.len() {
            // Another's comes between.
            assert!(assembled(&mut parts, "b 7 0 2 c x").is_none());
            last = assembled(&mut parts, &part(1, at));
            assert_eq!(last.is_some(), at + 1 == cut.len());
        }
        assert_eq!(last, Some(BusMessage { from: "a".into(), to: None, text: text.clone() }));
        let whole = assembled(&mut parts, "b 7 1 2 c y z").unwrap();
        assert_eq!((whole.to.as_deref(), &*whole.text), (Some("c"), "xy z"));
        // A piece that is missing costs its message, no other.
        for broken in [part(2, 0), part(2, 2), part(3, 1), "nonsense".to_owned()] {
            assert!(assembled(&mut parts, &broken).is_none());
        }
        assert!(assembled(&mut parts, "a 4 0 1 * ok").is_some());
    }
}
