//! What the operator reads when the server is up.

use crate::config::Config;
use crate::route;
use anyhow::Result;
use qingting_sip::Transport;
use qingting_store::Store;
use rand::seq::IndexedRandom;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Letters of a password that is read off a screen: none looks like another.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS: usize = 4;
const GROUP_LETTERS: usize = 5;

/// What there is to say.
pub struct Announcement<'a> {
    pub config: &'a Config,
    pub file: &'a Path,
    pub sip: &'a [(Transport, SocketAddr)],
    pub http: SocketAddr,
    /// A password that was made just now.
    pub password: Option<&'a str>,
    /// Whether calls wait for seats and nobody is one yet.
    pub lacks_seats: bool,
    /// Who recognises; none when that is switched off, an empty text when nobody is up.
    pub captions: Option<String>,
    pub took: Duration,
}

/// Sets an administrator's password at the first start and gives it, once.
pub async fn admin_password(store: &Store) -> Result<Option<String>> {
    if store.has_admin_password().await? {
        return Ok(None);
    }
    new_admin_password(store).await.map(Some)
}

/// Sets a new administrator's password.
pub async fn new_admin_password(store: &Store) -> Result<String> {
    let mut random = rand::rng();
    let letter = |_| char::from(*LETTERS.choose(&mut random).expect("there are letters"));
    let letters: Vec<char> = (0..GROUPS * GROUP_LETTERS).map(letter).collect();
    let groups: Vec<String> = letters.chunks(GROUP_LETTERS).map(|g| g.iter().collect()).collect();
    let password = groups.join("-");
    store.set_admin_password(&password).await?;
    Ok(password)
}

/// Prints where to call and where to look.
pub fn announce(said: &Announcement<'_>) {
    let seconds = said.took.as_secs_f64();
    println!("\n倾听 Qingting is ready ({seconds:.1} s).\n");
    for (transport, address) in said.sip {
        let reachable = SocketAddr::new(reachable(address.ip()), address.port());
        match transport {
            Transport::Udp => println!("  Call       sip:12345@{reachable}"),
            Transport::Tcp => println!("  Call       sip:12345@{reachable};transport=tcp"),
            Transport::Tls => println!("  Call       sip:12345@{reachable};transport=tls"),
            Transport::Ws => println!("  Browsers   ws://{reachable}"),
            Transport::Wss => println!("  Browsers   wss://{reachable}"),
        }
    }
    println!("  Console    http://{}/console/", said.http);
    println!("  HTTP       http://{}/api/v1  (description: /api/v1/openapi.json)", said.http);
    match said.password {
        Some(password) => {
            println!(
                "  Password   {password}  (user admin; shown once, `qingting admin-password` makes a new one)"
            );
        }
        None => println!(
            "  Password   as before (user admin; `qingting admin-password` makes a new one)"
        ),
    }
    if said.lacks_seats {
        println!(
            "  Seats      none yet. One is made by (the password is for its telephone and page):"
        );
        println!(
            "             curl -u admin http://{}/api/v1/seats -H 'Content-Type: application/json' \\",
            said.http
        );
        println!(
            "               -d '{{\"extension\":\"801\",\"name\":\"张三\",\"skills\":{{\"{}\":1}},\"password\":\"…\"}}'",
            said.config.queues.first().map_or("综合", |queue| queue.skill.as_str())
        );
    }
    println!("  Data       {}", said.config.data.dir.display());
    println!("  Settings   {}", said.file.display());
    match said.captions.as_deref() {
        Some("") => println!("  Captions   not yet: the recogniser does not start, see the log"),
        Some(capacity) => println!("  Captions   {capacity}"),
        None => println!("  Captions   off (asr.enabled)"),
    }
    println!("\n  Try        `make demo` in another terminal.  Stop with Ctrl-C.\n");
}

/// An address that somebody can call: of a wildcard, the one of this machine's main interface.
fn reachable(ip: IpAddr) -> IpAddr {
    if !ip.is_unspecified() {
        return ip;
    }
    route::towards(route::ANYWHERE).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
