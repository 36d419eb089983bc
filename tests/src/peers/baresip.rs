//! baresip 1.0: driven and watched through its JSON control port (module ctrl_tcp), so nothing is
//! guessed from what it prints.

use super::process::Running;
use super::{CallPlan, Called, Codec, Ended, HangUp};
use crate::audio::Wav;
use crate::clock::{Deadline, Stopwatch};
use crate::ports::free_port;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Where Debian puts the modules.
const MODULES: &str = "/usr/lib/baresip/modules";
/// How long it gets for starting and for ending.
const GRACE: Duration = Duration::from_secs(5);

/// Places a call.
pub fn call(plan: &CallPlan) -> Called {
    let deadline = Deadline::after(plan.deadline);
    let home = tempfile::tempdir().expect("a folder");
    let speech = plan.write_speech(home.path());
    let account = account("caller", &[plan.codec], "");
    let mut phone = Phone::start(home.path(), &speech, &account);
    phone.control.command("dial", &plan.uri());
    let (mut ended, mut answered, mut connected) = (None, None::<Stopwatch>, Duration::ZERO);
    while ended.is_none() && !deadline.passed() {
        match phone.control.event(deadline.left().min(time_to_hang_up(plan, answered))) {
            Heard::Event("CALL_ESTABLISHED", _) => {
                answered = Some(Stopwatch::start());
                for key in plan.keys.chars() {
                    phone.control.command("sndcode", &key.to_string());
                }
            }
            Heard::Event("CALL_CLOSED", reason) => {
                connected = answered.map_or(Duration::ZERO, Stopwatch::elapsed);
                ended = Some(answered.map_or(Ended::Refused(reason), |_| Ended::HungUp));
            }
            Heard::Event(..) => {}
            Heard::Nothing if time_to_hang_up(plan, answered).is_zero() => {
                connected = answered.map_or(Duration::ZERO, Stopwatch::elapsed);
                ended = Some(Ended::HungUp);
                phone.control.command("hangup", "");
            }
            Heard::Nothing => {}
            Heard::Gone => ended = Some(Ended::Lost("baresip ended".to_owned())),
        }
    }
    let state = if answered.is_some() { "in the call" } else { "before an answer" };
    let ended = ended.unwrap_or_else(|| Ended::Lost(state.to_owned()));
    phone.control.command("quit", "");
    let (status, output) = phone.running.finish(Deadline::after(GRACE));
    Called { ended, connected, heard: heard(home.path()), status, output, home }
}

/// Zero when the caller should hang up now, far away when it should not.
fn time_to_hang_up(plan: &CallPlan, answered: Option<Stopwatch>) -> Duration {
    match (plan.hang_up, answered) {
        (HangUp::After(time), Some(answered)) => time.saturating_sub(answered.elapsed()),
        // The end of the file ends the call: baresip's own rule.
        _ => Duration::MAX,
    }
}

/// What an answering baresip does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Takes it at once, speaks, and hangs up when all is said.
    AtOnce,
    /// Rings and never takes it.
    Never,
}

/// A far end for trying other telephones without a server: SIP over UDP and TCP, A-law and µ-law.
#[derive(Debug)]
pub struct Answering {
    sip: SocketAddr,
    // Dropped in this order: the program first, then its folder.
    phone: Phone,
    home: TempDir,
}

impl Answering {
    /// Waits for calls, and says `speech` in each.
    pub fn start(answer: Answer, speech: Vec<i16>) -> Self {
        Self::start_as("12345", answer, speech)
    }

    /// The same under another number.
    pub fn start_as(number: &str, answer: Answer, speech: Vec<i16>) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("speech.wav");
        Wav::mono(speech).write(&path);
        let mode = match answer {
            Answer::AtOnce => ";answermode=auto",
            Answer::Never => ";answermode=manual",
        };
        let account = account(number, &[Codec::Alaw, Codec::Ulaw], mode);
        let phone = Phone::start(home.path(), &path, &account);
        Self { sip: (Ipv4Addr::LOCALHOST, phone.sip_port).into(), phone, home }
    }

    /// Where it listens, UDP and TCP.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Ends it: what it heard in its last call.
    pub fn heard(mut self) -> Option<Wav> {
        self.phone.control.command("quit", "");
        self.phone.running.finish(Deadline::after(GRACE));
        heard(self.home.path()).map(|path| Wav::read(&path))
    }
}

/// A running baresip and its control port.
#[derive(Debug)]
pub(super) struct Phone {
    pub(super) running: Running,
    pub(super) control: Control,
    pub(super) sip_port: u16,
}

impl Phone {
    fn start(home: &Path, speech: &Path, account: &str) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, free_port(0), home, speech, account)
    }

    /// At this address, which must be one of this machine's.
    pub(super) fn start_at(
        ip: Ipv4Addr,
        sip_port: u16,
        home: &Path,
        speech: &Path,
        account: &str,
    ) -> Self {
        let control_port = free_port(0);
        let write = |name: &str, text: &str| {
            std::fs::write(home.join(name), text).expect("a test folder is writable");
        };
        write("config", &config(ip, home, speech, sip_port, control_port));
        write("accounts", account);
        let mut running = Running::start("baresip", home, |command| {
            command.args(["-4", "-f"]).arg(home);
        });
        let connect = || match TcpStream::connect((Ipv4Addr::LOCALHOST, control_port)) {
            Ok(stream) => Some(Some(stream)),
            Err(_) => running.status().map(|_| None),
        };
        let stream = Deadline::after(GRACE).poll(connect).flatten();
        let stream = stream.unwrap_or_else(|| panic!("baresip: {}", running.output()));
        Self { running, control: Control { stream, buffer: Vec::new() }, sip_port }
    }
}

/// `regint=0`: no registrar.
fn account(user: &str, codecs: &[Codec], more: &str) -> String {
    let codecs: Vec<String> =
        codecs.iter().map(|codec| format!("{}/8000/1", codec.name())).collect();
    format!("<sip:{user}@127.0.0.1>;regint=0;audio_codecs={}{more}\n", codecs.join(","))
}

/// `net_interface` takes an address, not `lo`. `aubridge` swallows what is heard without a sound
/// card, `sndfile` writes it down first.
fn config(ip: Ipv4Addr, home: &Path, speech: &Path, sip_port: u16, control_port: u16) -> String {
    let rtp_port = free_port(3);
    let (home, speech) = (home.display(), speech.display());
    format!(
        "sip_listen {ip}:{sip_port}\n\
         net_interface {ip}\n\
         rtp_ports {rtp_port}-{}\n\
         call_max_calls 4\n\
         audio_source aufile,{speech}\n\
         audio_player aubridge,nil\n\
         audio_alert aubridge,nil\n\
         audio_srate 8000\n\
         audio_channels 1\n\
         module_path {MODULES}\n\
         module g711.so\n\
         module aufile.so\n\
         module aubridge.so\n\
         module sndfile.so\n\
         module_tmp account.so\n\
         module_app menu.so\n\
         module_app ctrl_tcp.so\n\
         ctrl_tcp_listen 127.0.0.1:{control_port}\n\
         snd_path {home}\n",
        rtp_port + 3
    )
}

/// The newest recording of the module sndfile.
pub(super) fn heard(home: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(home).expect("a test folder is readable");
    let mut files: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with("-dec.wav"));
    files.into_iter().max()
}

/// What came from the control port: the names used here, and the event's parameter.
enum Heard {
    Event(&'static str, String),
    Nothing,
    Gone,
}

/// What came from the control port as it is.
pub(super) enum Next {
    Message(Value),
    Nothing,
    Gone,
}

/// JSON in netstrings, both ways.
#[derive(Debug)]
pub(super) struct Control {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Control {
    pub(super) fn command(&mut self, command: &str, params: &str) {
        let text = json!({ "command": command, "params": params }).to_string();
        // A telephone that is gone is noticed by whoever waits for its events.
        let _ = self.stream.write_all(format!("{}:{text},", text.len()).as_bytes());
    }

    /// The next event of those used here, waiting that long.
    fn event(&mut self, wait: Duration) -> Heard {
        let deadline = Deadline::after(wait.min(Duration::from_secs(3_600)));
        loop {
            match self.next(deadline) {
                Next::Message(message) => {
                    if let Some(event) = event(&message) {
                        return event;
                    }
                }
                Next::Nothing => return Heard::Nothing,
                Next::Gone => return Heard::Gone,
            }
        }
    }

    /// The next event or answer, until the deadline.
    pub(super) fn next(&mut self, deadline: Deadline) -> Next {
        loop {
            if let Some(message) = self.message() {
                return Next::Message(message);
            }
            if deadline.passed() {
                return Next::Nothing;
            }
            let wait = deadline.left().max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(wait)).expect("a wait above zero");
            let mut bytes = [0; 4_096];
            match self.stream.read(&mut bytes) {
                Ok(size @ 1..) => self.buffer.extend(&bytes[..size]),
                Err(e) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&e.kind()) => {}
                _ => return Next::Gone,
            }
        }
    }

    /// Takes one whole netstring out of the buffer.
    fn message(&mut self) -> Option<Value> {
        let colon = self.buffer.iter().position(|&byte| byte == b':')?;
        let length: usize = std::str::from_utf8(&self.buffer[..colon]).ok()?.parse().ok()?;
        let end = colon + 1 + length;
        let message = serde_json::from_slice(self.buffer.get(colon + 1..end)?).ok()?;
        self.buffer.drain(..=end.min(self.buffer.len() - 1));
        Some(message)
    }
}

fn event(message: &Value) -> Option<Heard> {
    let name = match message["type"].as_str()? {
        "CALL_ESTABLISHED" => "CALL_ESTABLISHED",
        "CALL_CLOSED" => "CALL_CLOSED",
        _ => return None,
    };
    Some(Heard::Event(name, message["param"].as_str().unwrap_or_default().to_owned()))
}
