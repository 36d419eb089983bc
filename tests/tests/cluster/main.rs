//! Two servers behind Kamailio on one PostgreSQL, with the configuration of `deploy/cluster`.

#[path = "../../../store/tests/support/postgres.rs"]
#[allow(dead_code, unused_macros, unused_imports, reason = "shared with the store's tests")]
mod postgres;

mod campaign;
mod fall;
mod office;
mod seats;
mod upgrade;

use qingting_tests::house::{BROWSER_PASSWORD, NUMBER, QUEUE, music};
use qingting_tests::peers::desk::{Desk, Manner, says};
use qingting_tests::peers::kamailio::{EDGE, Kamailio};
use qingting_tests::ports::free_port;
use qingting_tests::server::{HTTP, Server, ServerPlan, wait_until};
use qingting_tests::tone::Hz;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Where the servers are, each at an address of its own.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 11), Ipv4Addr::new(127, 0, 0, 12)];

/// Longest that a call may be silent: a wait for another server, or for the database, would be seconds. What less it costs is
/// measured where nothing else runs (`benches/cluster.sh`).
const HOLE_MAX: Duration = Duration::from_secs(1);

/// A city's servers.
struct City {
    edge: Kamailio,
    servers: [Server; 2],
    _folder: tempfile::TempDir,
}

impl City {
    /// Two servers that know each other, one queue, and these settings besides.
    fn open(change: impl Fn(ServerPlan) -> ServerPlan) -> Self {
        Self::on(&postgres::database(), change)
    }

    /// The same on a database of one's own.
    fn on(address: &str, change: impl Fn(ServerPlan) -> ServerPlan) -> Self {
        Self::each(address, |_, plan| change(plan))
    }

    /// The same with settings of each server.
    fn each(address: &str, change: impl Fn(usize, ServerPlan) -> ServerPlan) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("database.url");
        std::fs::write(&database, address).expect("writable");
        let secret = folder.path().join("cluster.secret");
        std::fs::write(&secret, "0123456789abcdef".repeat(4)).expect("writable");
        let sip = ADDRESSES.map(|ip| SocketAddr::from((ip, free_port(0))));
        let edge = Kamailio::start(&sip);
        let plan = |at: usize| {
            let plan = ServerPlan::deaf()
                .with("data.database_url_file", format!("\"{}\"", database.display()))
                .with("cluster.http", format!("\"{HTTP}\""))
                .with("cluster.secret_file", format!("\"{}\"", secret.display()))
                .with("sip.listen_udp", format!("[\"{}\"]", sip[at]))
                .with("sip.listen_tcp", format!("[\"{}\"]", sip[at]))
                .with("sip.proxies", format!("[\"{EDGE}\"]"))
                .with("sip.browser_url", format!("\"ws://{}\"", edge.web()))
                .with("sip.md5_only", true)
                .with("seats.wrap_up_s", 0)
                .with("seats.music", format!("\"{}\"", music().display()))
                .and(NUMBER)
                .and(&format!("[[queues]]\nname = \"{QUEUE}\"\nskill = \"{QUEUE}\"\n"));
            change(at, plan)
        };
        let first = Server::start(&plan(0));
        let second = Server::start_joining(&first, &plan(1));
        let city = Self { edge, servers: [first, second], _folder: folder };
        city.wait_until_joined();
        city
    }

    /// They hear each other and one keeps the queues.
    fn wait_until_joined(&self) {
        wait_until("the servers know each other", || {
            let others = |server: &Server| server.metric("qingting_cluster_other_servers");
            let keepers: f64 = self.servers.iter().map(keeps).sum();
            (self.servers.iter().all(|server| others(server) == 1.0) && keepers == 1.0)
                .then_some(())
        });
    }

    /// The server that keeps the queues, and the other one.
    fn keeper(&self) -> (usize, usize) {
        if keeps(&self.servers[0]) == 1.0 { (0, 1) } else { (1, 0) }
    }

    /// A seat is hired.
    fn hire(&self, extension: &str) {
        let seat = json!({
            "extension": extension, "name": "王芳", "role": "seat", "skills": { QUEUE: 1 },
            "password": BROWSER_PASSWORD,
        });
        let (status, body) = self.servers[0].request("POST", "/api/v1/seats", Some(&seat));
        assert_eq!(status, 201, "{body}");
        // The other server reads it when it is told.
        wait_until("both servers know the seat", || {
            let known = |server: &Server| {
                let (status, _) =
                    server.request("GET", &format!("/api/v1/seats/{extension}"), None);
                status == 200
            };
            self.servers.iter().all(known).then_some(())
        });
        std::thread::sleep(Duration::from_millis(300));
    }

    /// A telephone that registers through the edge and waits for calls.
    fn seat(&self, extension: &str, hz: Hz, how: Manner) -> Desk {
        self.seat_for(extension, hz, how, Duration::from_secs(60))
    }

    /// The same, registered for a time of its choice.
    fn seat_for(&self, extension: &str, hz: Hz, how: Manner, time: Duration) -> Desk {
        self.hire(extension);
        let (edge, password) = (self.edge.sip(), BROWSER_PASSWORD);
        let desk = Desk::registered(edge, extension, password, says(hz), how, time);
        for server in &self.servers {
            wait_until("the seat is ready", || {
                let now = seat_now(server, extension);
                (now["state"] == "ready" && now["registered"] == true).then_some(())
            });
        }
        desk
    }
}

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

fn keeps(server: &Server) -> f64 {
    server.metric("qingting_cluster_keeps_queues")
}

fn seat_now(server: &Server, extension: &str) -> Value {
    let seats = server.api_get("/api/v1/seats");
    let seats = seats.as_array().cloned().unwrap_or_default();
    let seat = seats.into_iter().find(|seat| seat["extension"] == extension);
    seat.map(|seat| seat["now"].clone()).unwrap_or_default()
}
