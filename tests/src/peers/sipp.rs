//! sipp 3.6: what a telephone would not do, from the scenario files in `tests/peers`.

use super::process::Running;
use super::{Transport, scenarios};
use crate::audio::to_alaw;
use crate::clock::Deadline;
use crate::ports::free_port;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tempfile::TempDir;

/// How long it gets to end by itself once its own timeout has passed.
const GRACE: Duration = Duration::from_secs(5);

/// A run of one scenario file.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// File name in `tests/peers` without `.xml`.
    pub name: &'static str,
    /// How SIP is carried.
    pub transport: Transport,
    /// What `rtp_stream` plays: `speech.al` in the folder it runs in.
    pub speech: Vec<i16>,
    /// How long a `<pause/>` without a time lasts.
    pub pause: Duration,
    /// Values of the scenario's own keywords.
    pub keys: Vec<(&'static str, String)>,
    /// It fails when it has not ended after that long.
    pub deadline: Duration,
}

impl Scenario {
    /// Over UDP, half a second of pause, 10 s to end.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            transport: Transport::Udp,
            speech: vec![0; 160],
            pause: Duration::from_millis(500),
            keys: Vec::new(),
            deadline: Duration::from_secs(10),
        }
    }

    /// Over that transport.
    pub fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Says this, and pauses for as long.
    pub fn speech(self, speech: Vec<i16>) -> Self {
        let pause = crate::audio::Wav::mono(speech.clone()).duration();
        Self { speech, pause, deadline: self.deadline + pause, ..self }
    }

    /// Gives one of the scenario's keywords a value.
    pub fn key(mut self, name: &'static str, value: impl ToString) -> Self {
        self.keys.push((name, value.to_string()));
        self
    }

    /// Fails after that long.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }
}

/// A run that is over.
#[derive(Debug)]
pub struct Ran {
    /// 0: every step came as written. 1: a call failed. `None`: killed.
    pub status: Option<i32>,
    /// Its errors first (the unexpected message in full), then its screens.
    pub output: String,
    /// Every SIP message, sent and received.
    pub messages: String,
}

impl Ran {
    /// Panics with sipp's own words unless every step came as written.
    pub fn expect_success(&self) {
        assert!(
            self.status == Some(0),
            "sipp ended with {:?}:\n{}\n{}",
            self.status,
            self.output,
            self.messages
        );
    }
}

/// Calls 12345 at `to` once.
pub fn call(to: SocketAddr, scenario: &Scenario) -> Ran {
    Sipp::start(Some(to), scenario).finish()
}

/// A running sipp.
#[derive(Debug)]
pub struct Sipp {
    running: Running,
    sip: SocketAddr,
    deadline: Deadline,
    home: TempDir,
}

impl Sipp {
    /// Starts calling `to`.
    pub fn call(to: SocketAddr, scenario: &Scenario) -> Self {
        Self::start(Some(to), scenario)
    }

    /// Waits for one call.
    pub fn answer(scenario: &Scenario) -> Self {
        Self::start(None, scenario)
    }

    /// Its own address.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Waits for its end.
    pub fn finish(self) -> Ran {
        let (status, screens) = self.running.finish(self.deadline);
        let log = |name| std::fs::read_to_string(self.home.path().join(name)).unwrap_or_default();
        Ran { status, output: log("errors.log") + &screens, messages: log("messages.log") }
    }

    fn start(to: Option<SocketAddr>, scenario: &Scenario) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let speech: Vec<u8> = scenario.speech.iter().map(|&sample| to_alaw(sample)).collect();
        std::fs::write(home.path().join("speech.al"), speech).expect("writable");
        let sip: SocketAddr = (Ipv4Addr::LOCALHOST, free_port(0)).into();
        let args = arguments(to, scenario, sip.port());
        let file = scenarios().join(scenario.name).with_extension("xml");
        let running = Running::start("sipp", home.path(), |command| {
            command.arg("-sf").arg(&file).args(&args);
        });
        let deadline = Deadline::after(scenario.deadline + GRACE);
        let sipp = Self { running, sip, deadline, home };
        if to.is_none() {
            sipp.wait_until_bound(scenario.transport);
        }
        sipp
    }

    /// sipp says nothing when it is ready: its port is in use then.
    fn wait_until_bound(&self, transport: Transport) {
        let taken = || bound(transport, self.sip.port()).then_some(());
        assert!(
            Deadline::after(GRACE).poll(taken).is_some(),
            "sipp does not listen:\n{}",
            self.running.output()
        );
    }
}

/// Whether somebody has the port, without connecting, which sipp would count, and without trying to
/// bind it, which could take it away from sipp at the wrong moment.
fn bound(transport: Transport, port: u16) -> bool {
    // The states of an open UDP socket and of a TCP listener.
    let (table, state) = match transport {
        Transport::Udp => ("/proc/net/udp", "07"),
        Transport::Tcp => ("/proc/net/tcp", "0A"),
    };
    let table = std::fs::read_to_string(table).unwrap_or_default();
    ["0100007F", "00000000"]
        .iter()
        .any(|ip| table.contains(&format!("{ip}:{port:04X} 00000000:0000 {state}")))
}

fn arguments(to: Option<SocketAddr>, scenario: &Scenario, port: u16) -> Vec<String> {
    let transport = match scenario.transport {
        Transport::Udp => "u1",
        Transport::Tcp => "t1",
    };
    let pause_ms = scenario.pause.as_millis().to_string();
    let timeout = format!("{}s", scenario.deadline.as_secs().max(1));
    let (port, media_port) = (port.to_string(), free_port(8).to_string());
    let mut args = Vec::new();
    args.extend(to.map(|to| to.to_string()));
    let fixed = [
        ["-t", transport],
        ["-i", "127.0.0.1"],
        ["-p", &port],
        ["-mi", "127.0.0.1"],
        ["-mp", &media_port],
        ["-s", "12345"],
        ["-m", "1"],
        ["-d", &pause_ms],
        ["-timeout", &timeout],
        ["-error_file", "errors.log"],
        ["-message_file", "messages.log"],
    ];
    args.extend(fixed.iter().flatten().map(|&arg| arg.to_owned()));
    for flag in ["-timeout_error", "-trace_err", "-trace_msg", "-nostdin"] {
        args.push(flag.to_owned());
    }
    for (name, value) in &scenario.keys {
        args.extend(["-key".to_owned(), (*name).to_owned(), value.clone()]);
    }
    args
}
