//! Answers every call and hangs up for nobody: a target for `sipp -sn uac 127.0.0.1:5070`.
//!
//! `cargo run --release -p qingting-sip --example answer -- 127.0.0.1:5070`

use qingting_sip::agent::SessionConfig;
use qingting_sip::{DialogEvent, Endpoint, EndpointConfig, IncomingCall, Reply};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;

const CALLS_MAX: usize = 20_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr =
        std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5070".to_owned()).parse()?;
    let config = EndpointConfig {
        udp: vec![address],
        tcp: vec![address],
        advertised_ip: None,
        product: "qingting-answer".to_owned(),
        calls_max: CALLS_MAX,
        session: SessionConfig::default(),
    };
    let (endpoint, mut calls) = Endpoint::bind(config).await?;
    println!("listening on {:?}", endpoint.bound());
    let mut running = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            Some(call) = calls.recv() => { running.spawn(answer(call)); }
            Some(_) = running.join_next() => {}
            _ = tick.tick() => println!("{:?}", endpoint.metrics()),
        }
    }
}

async fn answer(mut call: IncomingCall) {
    let ip = call.local.ip();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
    );
    call.dialog.respond(Reply::new(180));
    call.dialog.respond(Reply::with_body(200, sdp.clone()));
    while let Some(event) = call.events.recv().await {
        match event {
            DialogEvent::Reinvite { .. } => {
                call.dialog.respond_reinvite(Reply::with_body(200, sdp.clone()));
            }
            DialogEvent::AckTimeout => call.dialog.bye(None),
            _ => {}
        }
    }
}
