//! Kamailio before several servers, with the configuration that the product ships.

use super::process::Running;
use crate::clock::Deadline;
use crate::ports::free_port;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The edge has an address of its own, so that servers can tell it from telephones.
pub const EDGE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

/// Longest wait for it to answer.
const START_MAX: Duration = Duration::from_secs(20);

/// A running Kamailio; stopped when dropped.
#[derive(Debug)]
pub struct Kamailio {
    running: Option<Running>,
    home: TempDir,
    sip: SocketAddr,
    web: SocketAddr,
}

impl Kamailio {
    /// Spreads calls over these servers.
    pub fn start(servers: &[SocketAddr]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let (sip, web) = (free_port(0), free_port(0));
        let list: String = servers.iter().map(|of| format!("1 sip:{of}\n")).collect();
        std::fs::write(home.path().join("servers.list"), list).expect("writable");
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/cluster/kamailio.cfg");
        let shipped = std::fs::read_to_string(shipped).expect("it is shipped");
        let folder = home.path().display().to_string();
        let values = [
            ("EDGE_IP!127.0.0.1", format!("EDGE_IP!{EDGE}")),
            ("EDGE_PORT!5060", format!("EDGE_PORT!{sip}")),
            ("WS_PORT!8080", format!("WS_PORT!{web}")),
            (
                "SERVERS!/etc/kamailio/qingting-servers.list",
                format!("SERVERS!{folder}/servers.list"),
            ),
            ("RUN_DIR!/run/kamailio", format!("RUN_DIR!{folder}")),
        ];
        let config = values.iter().fold(shipped, |config, (usual, own)| {
            assert!(config.contains(usual), "{usual}");
            config.replacen(usual, own, 1)
        });
        let path = home.path().join("kamailio.cfg");
        std::fs::write(&path, config).expect("writable");
        let running = Running::start("kamailio", home.path(), |command| {
            command.args(["-DD", "-E", "-m", "64", "-M", "8", "-f"]).arg(&path);
            command.arg("-P").arg(home.path().join("pid")).arg("-Y").arg(home.path());
        });
        let mut kamailio =
            Self { running: Some(running), home, sip: (EDGE, sip).into(), web: (EDGE, web).into() };
        kamailio.wait_until_there();
        kamailio
    }

    /// For telephones and trunks.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// For browsers.
    pub fn web(&self) -> SocketAddr {
        self.web
    }

    /// Its folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn wait_until_there(&mut self) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
        let own = socket.local_addr().expect("bound");
        let ask = format!(
            "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKthere;rport\r\nMax-Forwards: 5\r\n\
             From: <sip:t@{own}>;tag=t\r\nTo: <sip:{0}>\r\nCall-ID: there-{own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            self.sip
        );
        let answered = Deadline::after(START_MAX).poll(|| {
            let running = self.running.as_mut().expect("it was started");
            assert!(running.status().is_none(), "{}", running.output());
            let _ = socket.send_to(ask.as_bytes(), self.sip);
            let mut answer = [0; 2_000];
            let length = socket.recv(&mut answer).ok()?;
            answer[..length].starts_with(b"SIP/2.0 200").then_some(())
        });
        assert!(answered.is_some(), "Kamailio does not answer");
    }
}

impl Drop for Kamailio {
    /// Its workers end when it is told to, not when it is killed.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.terminate(Deadline::after(START_MAX));
        }
    }
}
