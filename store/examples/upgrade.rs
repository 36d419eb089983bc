//! How long the first start after an upgrade takes before calls are answered, and how long writes wait while the index is
//! made beside them. Takes a database of made tickets, takes them out of the index and adds lines of the audit without
//! hashes, as a version of before left them:
//!
//!     cargo run --release -p qingting-store --example insight -- 100000 /tmp/q/qingting.db
//!     cargo run --release -p qingting-store --example upgrade -- 1000000 /tmp/q/qingting.db
//!
//! or, in the place of the file, `postgres://…`. Never with a database that is somebody's.

#![allow(clippy::disallowed_methods, reason = "it measures")]

use qingting_store::{DatabaseUrl, Place, Store};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let lines: u64 = args.next().ok_or("how many lines of the audit?")?.parse()?;
    let place = args.next().ok_or("which database?")?;
    let is_server = place.starts_with("postgres");
    let url = if is_server { place.clone() } else { format!("sqlite:{place}") };
    let place: Place = match is_server {
        true => place.parse::<DatabaseUrl>()?.into(),
        false => PathBuf::from(place).as_path().into(),
    };
    // Nothing else waits then.
    let store = Store::open(place.clone()).await?;
    store.index_what_waits(|_| ()).await?;
    store.close().await;
    make_old(&url, is_server, lines).await?;

    let began = Instant::now();
    let store = Store::open(place).await?;
    println!("opened after {:.1} s: {lines} lines are chained", began.elapsed().as_secs_f64());
    let mut writing = JoinSet::new();
    let other = store.clone();
    writing.spawn(async move {
        let mut longest = Duration::ZERO;
        loop {
            let asked = Instant::now();
            if other.audit("801", "call.read", "x").await.is_err() {
                return longest;
            }
            longest = longest.max(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let began = Instant::now();
    store
        .index_what_waits(|left| {
            if left.is_multiple_of(20_000) {
                println!("{left} tickets are to be put into the index");
            }
        })
        .await?;
    println!("they are in it after {:.1} s", began.elapsed().as_secs_f64());
    store.close().await;
    let longest = writing.join_next().await.transpose()?.unwrap_or_default();
    println!("the longest wait of a write beside it was {} ms", longest.as_millis());
    Ok(())
}

async fn make_old(url: &str, is_server: bool, lines: u64) -> Result<(), sqlx::Error> {
    sqlx::any::install_default_drivers();
    let mut db = AnyConnection::connect(url).await?;
    let table = if is_server { " ON audit_unchained_up_to" } else { "" };
    for statement in [
        "DELETE FROM ticket_words".to_owned(),
        "DELETE FROM ticket_phones".to_owned(),
        "DELETE FROM ticket_docs".to_owned(),
        "INSERT INTO tickets_to_index SELECT id FROM tickets".to_owned(),
        format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {lines})
             INSERT INTO audit (at, by, action, subject)
             SELECT 1767196800000 + i, '801', 'call.read', '019b76da-a800-7000-8000-000000000001' FROM n"
        ),
        format!("DROP TRIGGER IF EXISTS audit_mark_stays{table}"),
        "UPDATE audit_unchained_up_to SET id = (SELECT max(id) FROM audit)".to_owned(),
    ] {
        db.execute(AssertSqlSafe(statement)).await?;
    }
    db.close().await
}
