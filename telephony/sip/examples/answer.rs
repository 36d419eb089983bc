//! Answers every call and hangs up for nobody, then says what a call costs: a target for sipp.
//!
//! ```text
//! cargo run --release -p qingting-sip --example answer -- 127.0.0.1:5070
//! sipp -sf benches/signalling.xml -r 1000 -m 20000 -l 20000 127.0.0.1:5070
//! ```
//!
//! SIGINT ends it.

use qingting_sip::{DialogEvent, Endpoint, EndpointConfig, IncomingCall, Reply};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;

const CALLS_MAX: usize = 20_000;

/// Clock ticks in a second, as Linux shows them to programs.
const TICKS_PER_S: u64 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr =
        std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5070".to_owned()).parse()?;
    let config = EndpointConfig {
        udp: vec![address],
        tcp: vec![address],
        product: "qingting-answer".to_owned(),
        calls_max: CALLS_MAX,
        ..EndpointConfig::default()
    };
    let (endpoint, mut calls) = Endpoint::bind(config).await?;
    println!("listening on {:?}", endpoint.bound());
    let (mut running, mut answered, begin) = (JoinSet::new(), 0u64, cpu_time());
    loop {
        tokio::select! {
            Some(call) = calls.recv() => { running.spawn(answer(call)); }
            Some(ended) = running.join_next() => answered += u64::from(ended?),
            interrupted = tokio::signal::ctrl_c() => break interrupted?,
        }
    }
    println!("{:?}", endpoint.metrics());
    if let (Some(begin), Some(end)) = (begin, cpu_time()) {
        let each = (end - begin).as_micros() / u128::from(answered.max(1));
        println!("{answered} calls were answered and ended: {each} us of CPU time each");
    }
    Ok(())
}

/// Whether the call was answered and acknowledged.
async fn answer(mut call: IncomingCall) -> bool {
    let (ip, mut acknowledged) = (call.local.ip(), false);
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
    );
    let with_sdp = || Reply::with_body(200, sdp.clone());
    call.dialog.respond(Reply::new(180));
    call.dialog.respond(with_sdp());
    while let Some(event) = call.events.recv().await {
        match event {
            DialogEvent::Ack { .. } => acknowledged = true,
            DialogEvent::Reinvite { .. } => call.dialog.respond_reinvite(with_sdp()),
            DialogEvent::Update { .. } => call.dialog.respond_update(with_sdp()),
            DialogEvent::Prack { .. } => call.dialog.respond_prack(with_sdp()),
            DialogEvent::Refer { .. } => call.dialog.reject_refer(603),
            DialogEvent::AckTimeout => call.dialog.bye(None),
            _ => {}
        }
    }
    acknowledged
}

/// User and system time of this process; `None` where there is no Linux /proc.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS_PER_S))
}
