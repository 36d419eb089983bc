//! Telephones as parties of calls: each stays, says a tone of its own and is asked what it hears now.

use super::baresip::{Next, Phone, heard};
use crate::audio::{Wav, samples_in};
use crate::clock::{Deadline, Stopwatch};
use crate::discretion;
use crate::ports::free_port;
use crate::tone::{self, Hz};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// How long a party speaks: a telephone whose file ends hangs up.
const TONE: Duration = Duration::from_secs(240);
/// The stretch of what is heard that is looked at: the newest.
const STRETCH: Duration = Duration::from_millis(300);
/// Longest wait for what a telephone does or hears.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Largest sample of silence, with the least noise of A-law.
const SILENT: u16 = 64;
/// Of what it hears: 8,000 samples of two bytes.
const BYTES_PER_S: f64 = 16_000.0;
/// Of a WAV file; the samples follow and grow as they come.
const HEADER_BYTES: usize = 44;

/// Where the operator's trunk ends: an address of its own, so that the server tells its calls from
/// those of seats.
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What a telephone does when it rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Takes the call at once.
    Answers,
    /// Rings until it is told.
    Waits,
}

impl Manner {
    const fn mode(self) -> &'static str {
        match self {
            Self::Answers => "auto",
            Self::Waits => "manual",
        }
    }
}

/// A telephone whose hearing is watched ([`Desk::listens`]).
#[derive(Debug)]
pub struct Listening {
    path: PathBuf,
    /// Samples heard before.
    from: usize,
    is_over: Arc<AtomicBool>,
    /// Gives the longest time in which nothing came.
    watching: JoinHandle<Duration>,
}

/// A telephone.
#[derive(Debug)]
pub struct Desk {
    // Dropped in this order: the program first, then its folder.
    phone: Phone,
    home: TempDir,
    name: String,
    sip: SocketAddr,
    /// Events that nobody has waited for yet, oldest first.
    events: Vec<(String, String)>,
}

impl Desk {
    /// A seat's telephone, registered, that says this. Its number is its extension.
    pub fn seat(
        server: SocketAddr,
        extension: &str,
        password: &str,
        says: Vec<i16>,
        how: Manner,
    ) -> Self {
        Self::registered(server, extension, password, says, how, Duration::from_secs(60))
    }

    /// The same, registered for a time of its choice.
    pub fn registered(
        server: SocketAddr,
        extension: &str,
        password: &str,
        says: Vec<i16>,
        how: Manner,
        time: Duration,
    ) -> Self {
        let regint = time.as_secs();
        let account = format!(
            "<sip:{extension}@{server}>;auth_user={extension};auth_pass={password};regint={regint};\
             answermode={};audio_codecs=PCMA/8000/1\n",
            how.mode()
        );
        let mut desk = Self::start(extension, Ipv4Addr::LOCALHOST, free_port(0), says, &account);
        // Its control port may be too late to tell of it.
        let registered = |output: &str| output.contains("200 OK (").then_some(());
        let seen = desk.phone.running.wait_for(Deadline::after(WAIT_MAX), registered);
        assert!(seen.is_some(), "not registered: {}", desk.phone.running.output());
        desk
    }

    /// A citizen's telephone, which calls and says this.
    pub fn citizen(number: &str, says: Vec<i16>) -> Self {
        discretion::dialled(number);
        let ip = Ipv4Addr::LOCALHOST;
        let account = account(number, ip, Manner::Waits);
        Self::start(number, ip, free_port(0), says, &account)
    }

    /// All those whom the trunk at this port reaches, each by its number.
    pub fn outside(port: u16, numbers: &[&str], hz: Hz, how: Manner) -> Self {
        numbers.iter().for_each(|number| discretion::dialled(number));
        let accounts: String = numbers.iter().map(|of| account(of, OUTSIDE, how)).collect();
        Self::start("outside", OUTSIDE, port, says(hz), &accounts)
    }

    fn start(name: &str, ip: Ipv4Addr, port: u16, says: Vec<i16>, accounts: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("tone.wav");
        Wav::mono(says).write(&path);
        let phone = Phone::start_at(ip, port, home.path(), &path, accounts);
        let sip = (ip, phone.sip_port).into();
        Self { phone, home, name: name.to_owned(), sip, events: Vec::new() }
    }

    /// Where it listens.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Calls somebody: a URI, or of a seat's telephone a number or an extension too. Does not wait.
    pub fn dial(&mut self, target: &str) {
        discretion::dialled(
            target.trim_start_matches("sip:").split('@').next().unwrap_or_default(),
        );
        self.command("dial", target);
    }

    /// Takes the call that rings.
    pub fn answer(&mut self) {
        self.wait_for("CALL_INCOMING");
        self.command("accept", "");
    }

    /// Ends its call, or refuses the one that rings with 486.
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Puts the far end on hold by a re-INVITE.
    pub fn hold(&mut self) {
        self.command("hold", "");
    }

    /// Ends [`Desk::hold`].
    pub fn resume(&mut self) {
        self.command("resume", "");
    }

    /// Sends its call on to a URI (REFER) and does not ask there first.
    pub fn transfer(&mut self, target: &str) {
        self.command("transfer", target);
    }

    /// Presses a key (RFC 4733).
    pub fn press(&mut self, key: char) {
        self.command("sndcode", &key.to_string());
    }

    /// Waits until its call is answered.
    #[track_caller]
    pub fn wait_until_talking(&mut self) {
        self.wait_for("CALL_ESTABLISHED");
    }

    /// Waits until it rings.
    #[track_caller]
    pub fn wait_until_ringing(&mut self) {
        self.wait_for("CALL_INCOMING");
    }

    /// Waits until its call is over.
    #[track_caller]
    pub fn wait_until_over(&mut self) {
        self.wait_for("CALL_CLOSED");
    }

    /// The same within a time; why, as the telephone says it.
    #[track_caller]
    pub fn over_within(&mut self, wait: Duration) -> String {
        self.event_within("CALL_CLOSED", wait)
    }

    /// Whether it has been rung since that was last waited for.
    pub fn has_rung(&mut self) -> bool {
        self.read(Deadline::after(Duration::from_millis(1)));
        self.events.iter().any(|(name, _)| name == "CALL_INCOMING")
    }

    /// Waits until it hears these tones and no other for a while.
    #[track_caller]
    pub fn hears(&mut self, tones: &[Hz]) {
        let mut wanted = tones.to_vec();
        wanted.sort_unstable();
        let mut last = None;
        let seen = Deadline::after(WAIT_MAX).poll(|| {
            last = self.hears_now();
            (last.as_ref() == Some(&wanted)).then_some(())
        });
        let name = &self.name;
        assert!(seen.is_some(), "{name} should hear {wanted:?} and hears {last:?}");
    }

    /// What it heard in the newest stretch; `None` while that is not clear or too short.
    pub fn hears_now(&self) -> Option<Vec<Hz>> {
        tone::heard(&newest(self.home.path(), STRETCH)?)
    }

    /// Watches from now on whether what it hears has holes.
    pub fn listens(&self) -> Listening {
        let path = heard(self.home.path()).expect("it hears something");
        let (from, watched) = (samples_of(&path).len(), path.clone());
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let watching = std::thread::spawn(move || {
            let size = || std::fs::metadata(&watched).map_or(0, |file| file.len());
            let (mut known, mut grown, mut longest) = (size(), Stopwatch::start(), Duration::ZERO);
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
                let now = size();
                // What has come meanwhile was no hole: a busy machine may not look for a while.
                let came = Duration::from_secs_f64((now - known) as f64 / BYTES_PER_S);
                longest = longest.max(grown.elapsed().saturating_sub(came));
                if now > known {
                    (known, grown) = (now, Stopwatch::start());
                }
            }
            longest
        });
        Listening { path, from, is_over, watching }
    }

    /// The longest hole since then: silence, or a time in which nothing came at all. Of that its file has nothing, because it
    /// writes what comes.
    pub fn longest_hole(&self, since: Listening) -> Duration {
        since.is_over.store(true, Ordering::Relaxed);
        let nothing = since.watching.join().expect("no panic");
        let heard = samples_of(&since.path);
        let step = Duration::from_millis(10);
        let mut longest = (0, 0);
        for frame in heard[since.from..].chunks(samples_in(step)) {
            let is_silent = frame.iter().all(|sample| sample.unsigned_abs() < SILENT);
            longest.0 = if is_silent { longest.0 + 1 } else { 0 };
            longest.1 = longest.1.max(longest.0);
        }
        nothing.max(step * longest.1)
    }

    #[track_caller]
    fn wait_for(&mut self, event: &str) {
        self.event_within(event, WAIT_MAX);
    }

    #[track_caller]
    fn event_within(&mut self, event: &str, wait: Duration) -> String {
        let deadline = Deadline::after(wait);
        loop {
            if let Some(place) = self.events.iter().position(|(name, _)| name == event) {
                return self.events.drain(..=place).next_back().expect("it is there").1;
            }
            assert!(
                self.read(deadline),
                "{}: no {event} within {wait:?}, but {:?}:\n{}",
                self.name,
                self.events,
                self.phone.running.output()
            );
        }
    }

    /// Reads what the telephone tells, at least one message; false when none comes in time.
    fn read(&mut self, deadline: Deadline) -> bool {
        match self.phone.control.next(deadline) {
            Next::Message(message) => {
                self.events.extend(event(&message));
                true
            }
            Next::Nothing | Next::Gone => false,
        }
    }

    fn command(&mut self, command: &str, params: &str) {
        self.phone.control.command(command, params);
    }
}

/// A tone for longer than any test.
pub fn says(hz: Hz) -> Vec<i16> {
    tone::of(hz, TONE)
}

/// `regint=0`: no registrar.
fn account(user: &str, ip: Ipv4Addr, how: Manner) -> String {
    let mode = how.mode();
    format!("<sip:{user}@{ip}>;regint=0;answermode={mode};audio_codecs=PCMA/8000/1\n")
}

fn event(message: &Value) -> Option<(String, String)> {
    let text = |name: &str| message[name].as_str().map(str::to_owned);
    Some((text("type")?, text("param").unwrap_or_default()))
}

/// The end of the newest recording.
fn newest(home: &Path, time: Duration) -> Option<Vec<i16>> {
    let samples = samples_heard(home);
    let from = samples.len().checked_sub(samples_in(time))?;
    Some(samples[from..].to_vec())
}

/// The newest recording, which is still being written; nothing before the first sample.
fn samples_heard(home: &Path) -> Vec<i16> {
    heard(home).map(|path| samples_of(&path)).unwrap_or_default()
}

fn samples_of(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let samples = bytes.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(2);
    samples.map(|of| i16::from_le_bytes([of[0], of[1]])).collect()
}
