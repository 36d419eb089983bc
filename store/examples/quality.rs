//! How long checks take: of one call of an hour, and of many that were there before an update.
//!
//!     cargo run --release -p qingting-store --example quality -- 10000 [FILE | postgres://…]

#![allow(clippy::disallowed_methods, reason = "it measures")]

use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, UnixMillis};
use qingting_nlu::profile::Profile;
use qingting_nlu::quality;
use qingting_store::{
    CallEnd, CheckedCall, DatabaseUrl, Direction, FinalSegment, LegBegin, LegRef, LegRole, NewCall,
    Place, QualityQuery, RecordingEnd, Store, StoreError,
};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

const START: i64 = 1_790_784_000_000;
const AT_ONCE: u32 = 50;
/// Of a call of three minutes; the last but one is not as it should be.
const SENTENCES: [(Party, &str); 8] = [
    (Party::Seat, "您好，12345热线，请问有什么可以帮您？"),
    (Party::Caller, "我们小区门口的路灯坏了一个星期了，晚上很黑，老人摔了一跤"),
    (Party::Seat, "好的，请问您说的是哪个小区，具体在什么位置？"),
    (Party::Caller, "翠湖小区三号楼旁边那一盏，上个月就坏过一次"),
    (Party::Seat, "我已经帮您记录下来，会转给城管局，五个工作日内给您答复。"),
    (Party::Caller, "你们上次也是这么说的，到底什么时候能修好"),
    (Party::Seat, "这个不归我们管，您再等等。"),
    (Party::Seat, "感谢您的来电，再见。"),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let calls: u32 = args.next().map(|calls| calls.parse()).transpose()?.unwrap_or(10_000);
    let folder = std::env::temp_dir().join(format!("qingting-quality-{}", std::process::id()));
    let place: Place = match args.next() {
        Some(url) if url.starts_with("postgres") => url.parse::<DatabaseUrl>()?.into(),
        Some(file) => PathBuf::from(file).as_path().into(),
        None => folder.join("qingting.db").as_path().into(),
    };
    println!("{place}, {calls} calls of 24 sentences");
    let store = Store::open(place).await?;
    let began = Instant::now();
    for first in (0..calls).step_by(64) {
        let mut all = JoinSet::new();
        for call in first..calls.min(first + 64) {
            all.spawn(made(store.clone(), call, 3));
        }
        while let Some(made) = all.join_next().await {
            made??;
        }
    }
    println!("made in {:.1} s", began.elapsed().as_secs_f64());

    let rules = Profile::built_in().quality;
    let began = Instant::now();
    let mut done = 0;
    loop {
        let claimed = store.claim_quality(AT_ONCE, Duration::from_secs(600)).await?;
        if claimed.is_empty() {
            break;
        }
        done += claimed.len();
        let mut checked = Vec::new();
        for of in claimed {
            let call = store.call_for_quality(of.call).await?.ok_or("a call is gone")?;
            checked.push(CheckedCall { of, checked: quality::check(&call, &rules) });
        }
        store.put_quality(checked).await?;
    }
    println!("{done} calls checked in {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let seats = store.quality_summary(&QualityQuery::default()).await?;
    let findings: u64 = seats.values().flat_map(|seat| seat.findings.values()).sum();
    println!("{findings} findings summed up in {:?}", began.elapsed());
    let began = Instant::now();
    store.quality(&QualityQuery { limit: 50, ..QualityQuery::default() }).await?;
    println!("the first page in {:?}", began.elapsed());

    let hour = made(store.clone(), calls, 60).await?;
    let mut times = Vec::new();
    for _ in 0..9 {
        let began = Instant::now();
        let call = store.call_for_quality(hour).await?.ok_or("the call is gone")?;
        let read = began.elapsed();
        let found = quality::check(&call, &rules).findings.len();
        times.push((began.elapsed(), read, found, call.said.len()));
    }
    times.sort();
    let (all, read, found, said) = times[times.len() / 2];
    println!(
        "an hour, {said} sentences: read in {read:?}, checked in {:?}, {found} findings",
        all - read
    );
    store.close().await;
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

async fn made(store: Store, number: u32, minutes: u64) -> Result<CallId, StoreError> {
    let id = CallId::new(Uuid::now_v7());
    let started_at = UnixMillis(START + i64::from(number) * 60_000);
    let call = NewCall {
        id,
        direction: Direction::Inbound,
        caller: Pii::new("13800138000".into()),
        called: "12345".into(),
        number_name: None,
        enterprise: false,
        dialog: Some(qingting_store::CallerDialog { sip_call_id: "a".into(), remote: "b".into() }),
        started_at,
    };
    store.begin_call(call).await?;
    store.answer_call(id, started_at, None).await?;
    let leg = LegRef { call: id, slot: 1, seq: 0 };
    let begin = LegBegin {
        leg,
        role: LegRole::Seat,
        target: Pii::new(format!("{}", 801 + number % 40)),
        name: None,
        sip_call_id: None,
        remote: None,
        at: started_at,
    };
    store.leg_began(begin).await?;
    store.leg_answered(leg, started_at, None).await?;
    for minute in 0..minutes {
        for (at, (party, text)) in (0u64..).zip(SENTENCES) {
            let start_ms = minute * 60_000 + at * 7_500;
            let segment = FinalSegment {
                id: SegmentId::new(Uuid::now_v7()),
                party,
                start_ms,
                end_ms: start_ms + text.chars().count() as u64 * 220,
                text: Pii::new(text.into()),
                raw: Pii::new(text.into()),
                confidence: 0.9,
            };
            store.record_final(id, segment, &[]).await?;
        }
    }
    let end = CallEnd {
        id,
        ended_at: UnixMillis(started_at.0 + i64::try_from(minutes * 60_000).unwrap_or_default()),
        hung_up_by: "caller".into(),
        cause: "caller_hung_up".into(),
        sip_code: None,
        answered: true,
        recording: RecordingEnd::Nothing,
        quality: None,
        missed: None,
    };
    store.end_call(end).await?;
    store.captions_closed(id).await?;
    Ok(id)
}
