//! What one write costs: sentences of a call, one after the other and many at once.
//!
//!     cargo run --release -p qingting-store --example commit -- FILE|postgres://...

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, UnixMillis};
use qingting_nlu::draft::{Field, Tag};
use qingting_store::{DatabaseUrl, Direction, FinalSegment, NewCall, Place, Store, StoreError};
use std::time::Instant;
use tokio::task::JoinSet;
use uuid::Uuid;

const WRITES: u32 = 5_000;
const AT_ONCE: u32 = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args().nth(1).ok_or("the database is missing")?;
    let place: Place = match place.contains("://") {
        true => place.parse::<DatabaseUrl>()?.into(),
        false => Place::File(place.into()),
    };
    let store = Store::open(place).await?;
    let call = begin(&store).await?;
    let mut each = Vec::new();
    let began = Instant::now();
    for number in 0..WRITES {
        let start = Instant::now();
        say(store.clone(), call, number).await?;
        each.push(start.elapsed());
    }
    let one_by_one = began.elapsed() / WRITES;
    each.sort();
    let began = Instant::now();
    for _ in 0..WRITES / AT_ONCE {
        let mut all = JoinSet::new();
        for number in 0..AT_ONCE {
            all.spawn(say(store.clone(), call, number));
        }
        while let Some(done) = all.join_next().await {
            done??;
        }
    }
    let together = began.elapsed() / WRITES;
    let at = |percent: usize| each[each.len() * percent / 100];
    let (p50, p99) = (at(50), at(99));
    println!(
        "one by one: {one_by_one:?} a write (p50 {p50:?}, p99 {p99:?}); {AT_ONCE} at once: {together:?}"
    );
    store.close().await;
    Ok(())
}

async fn begin(store: &Store) -> Result<CallId, StoreError> {
    let id = CallId::new(Uuid::now_v7());
    let call = NewCall {
        id,
        direction: Direction::Inbound,
        caller: Pii::new("13800138000".into()),
        called: "12345".into(),
        number_name: None,
        enterprise: false,
        dialog: None,
        started_at: UnixMillis(1_767_196_800_000),
    };
    store.begin_call(call).await?;
    Ok(id)
}

/// A sentence that changes the draft: it writes a segment, a revision, a ticket and an outbox row.
async fn say(store: Store, call: CallId, number: u32) -> Result<(), StoreError> {
    let text = format!("我要投诉三栋楼下的路灯第{number}盏不亮");
    let segment = FinalSegment {
        id: SegmentId::new(Uuid::now_v7()),
        party: Party::Caller,
        start_ms: 100,
        end_ms: 900,
        text: Pii::new(text.clone()),
        raw: Pii::new(text.clone()),
        confidence: 0.9,
    };
    let tag = Tag { field: Field::Title, value: text, confidence: 0.7, evidence: Vec::new() };
    store.record_final(call, segment, &[tag]).await.map(drop)
}
