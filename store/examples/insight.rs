//! How long the counts of a month take: makes calls with tickets, then counts them.
//!
//!     cargo run --release -p qingting-store --example insight -- 100000 [FILE | postgres://…]

#![allow(clippy::disallowed_methods, reason = "it measures")]

use qingting_common::{CallId, Pii, UnixMillis};
use qingting_nlu::draft::{Field, Tag};
use qingting_store::{
    CallRoute, CallerDialog, DatabaseUrl, Direction, FinalSegment, NewCall, Place, Store,
};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// 2026-10-01 in China.
const MONTH: i64 = 1_790_784_000_000;
const DAY_MS: i64 = 86_400_000;
const LIMIT: Duration = Duration::from_secs(1);
const DISTRICTS: [&str; 8] = ["西湖", "上城", "拱墅", "滨江", "萧山", "余杭", "临平", "钱塘"];
const MATTERS: [&str; 9] = ["停水", "停电", "噪声", "占道", "路灯", "井盖", "欠薪", "退费", "违建"];
const AREAS: [&str; 6] = ["公用事业", "城市管理", "生态环境", "住房建设", "劳动社保", "市场监管"];

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let rows: u64 = args.next().map(|rows| rows.parse()).transpose()?.unwrap_or(100_000);
    let folder = std::env::temp_dir().join(format!("qingting-insight-{}", std::process::id()));
    let place: Place = match args.next() {
        Some(url) if url.starts_with("postgres") => url.parse::<DatabaseUrl>()?.into(),
        Some(file) => PathBuf::from(file).as_path().into(),
        None => folder.join("qingting.db").as_path().into(),
    };
    println!("{place}, {rows} calls with tickets in one month");
    let store = Store::open(place).await?;
    let began = Instant::now();
    for chunk in (0..rows).collect::<Vec<_>>().chunks(64) {
        // At the same time, so that they share transactions.
        all(chunk.iter().map(|row| made(&store, *row, rows))).await?;
    }
    println!("made in {:.1} s", began.elapsed().as_secs_f64());
    let district_of = |place: &str| place.chars().take(2).collect::<String>();
    let began = Instant::now();
    store.read_facts(&district_of, u32::MAX).await?;
    println!("read for the counts in {:.1} s", began.elapsed().as_secs_f64());
    let (from, to) = (UnixMillis(MONTH), UnixMillis(MONTH + 31 * DAY_MS));
    let mut is_fast = true;
    for _ in 0..5 {
        let began = Instant::now();
        let calls = store.count_calls(from, to).await?;
        let for_calls = began.elapsed();
        let tickets = store.count_tickets(from, to).await?;
        let for_both = began.elapsed();
        let day = UnixMillis(to.0 - DAY_MS);
        store.counted_tickets(day, to, 50_000).await?;
        for week in 1..=8 {
            let back = |at: UnixMillis| UnixMillis(at.0 - week * 7 * DAY_MS);
            store.count_topics(back(day), back(to)).await?;
        }
        let for_topics = began.elapsed() - for_both;
        is_fast &= for_both < LIMIT && for_topics < LIMIT;
        println!(
            "calls {:.0} ms, tickets {:.0} ms, topics of a day {:.0} ms; {} and {}",
            ms(for_calls),
            ms(for_both - for_calls),
            ms(for_topics),
            calls.iter().map(|group| group.calls).sum::<u64>(),
            tickets.iter().map(|group| group.tickets).sum::<u64>(),
        );
    }
    store.close().await;
    // There is nothing of it where a place was given.
    let _ = std::fs::remove_dir_all(folder);
    Ok(if is_fast { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

async fn all<F>(all: impl Iterator<Item = F>) -> Result<(), qingting_store::StoreError>
where
    F: Future<Output = Result<(), qingting_store::StoreError>>,
{
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        let mut failed = None;
        all.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(Ok(())) => false,
            std::task::Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        match (failed, all.is_empty()) {
            (Some(error), _) => std::task::Poll::Ready(Err(error)),
            (None, true) => std::task::Poll::Ready(Ok(())),
            (None, false) => std::task::Poll::Pending,
        }
    })
    .await
}

async fn made(store: &Store, row: u64, rows: u64) -> Result<(), qingting_store::StoreError> {
    let at = MONTH + (u128::from(row) * (31 * DAY_MS) as u128 / u128::from(rows)) as i64;
    let id = CallId::new(Uuid::now_v7());
    let call = NewCall {
        id,
        direction: Direction::Inbound,
        caller: Pii::new(format!("139{:08}", row.wrapping_mul(48_271) % 100_000_000)),
        called: "12345".into(),
        number_name: None,
        enterprise: false,
        dialog: Some(CallerDialog {
            sip_call_id: row.to_string(),
            remote: "udp:192.0.2.1:5060".into(),
        }),
        started_at: UnixMillis(at),
    };
    store.begin_call(call).await?;
    let route = CallRoute {
        queue: Some("综合".into()),
        queue_wait_ms: Some(row % 30_000),
        enterprise: None,
    };
    store.route_call(id, route).await?;
    let pick = |of: &[&str], step: u64| of[(row / step) as usize % of.len()].to_owned();
    let (matter, area) = (pick(&MATTERS, 3), pick(&AREAS, 7));
    let place = format!("{}区{}路{}号", pick(&DISTRICTS, 1), pick(&MATTERS, 11), row % 500);
    let text = format!(
        "来电人反映{place}附近{matter}，已经持续{}天，多次反映没有结果，请尽快处理。",
        row % 90
    );
    let tag = |field, value: String| Tag { field, value, confidence: 0.9, evidence: Vec::new() };
    let tags = [
        tag(Field::Category, format!("{area}/{matter}/{}", row % 3)),
        tag(Field::HandlingUnit, format!("{}区{area}局", pick(&DISTRICTS, 1))),
        tag(Field::AppealKind, if row.is_multiple_of(4) { "咨询".into() } else { "投诉".into() }),
        tag(Field::Place, place),
        tag(Field::Title, matter.clone()),
        tag(Field::Description, text.clone()),
    ];
    let said = FinalSegment {
        id: qingting_common::SegmentId::new(Uuid::now_v7()),
        party: qingting_common::ids::Party::Caller,
        start_ms: 0,
        end_ms: 9_000,
        text: Pii::new(text.clone()),
        raw: Pii::new(text),
        confidence: 0.9,
    };
    store.record_final(id, said, &tags).await.map(|_| ())
}
