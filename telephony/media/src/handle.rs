//! A leg as its owner sees it.

use crate::codec::Coder;
use crate::config::RemoteMedia;
use crate::keying::Job;
use crate::leg::{Command, Shared, Spent};
use crate::player::PROMPTS_WAITING_MAX;
use crate::security::{Security, Transport};
use crate::tap::RecogniserTap;
use rtrb::{Consumer, Producer, RingBuffer};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Commands of one leg that wait for its next tick.
const COMMANDS_MAX: usize = 96;
/// What a leg can hold and give back: what waits in commands, prompts in the player, a loop.
const SPENT_MAX: usize = COMMANDS_MAX + PROMPTS_WAITING_MAX + 2;

/// Dropping it ends the leg within a tick.
#[derive(Debug)]
pub struct LegHandle {
    pub(crate) local: SocketAddr,
    pub(crate) key: u64,
    /// Its place in its room.
    pub(crate) slot: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) desk: Mutex<Desk>,
    pub(crate) tap: Option<RecogniserTap>,
    pub(crate) keying: Keying,
}

/// The way to the thread of the handshakes.
#[derive(Debug)]
pub(crate) struct Keying {
    pub(crate) jobs: SyncSender<Job>,
    pub(crate) socket: Weak<UdpSocket>,
}

/// What goes to the leg, and what comes back to be freed.
#[derive(Debug)]
pub(crate) struct Desk {
    commands: Producer<Command>,
    spent: Consumer<Spent>,
    /// The leg has what securing takes.
    secured: bool,
}

/// The media thread's ends of a [`Desk`].
pub(crate) struct Tray {
    pub(crate) commands: Consumer<Command>,
    pub(crate) spent: Producer<Spent>,
}

impl Desk {
    pub(crate) fn new() -> (Self, Tray) {
        let (commands, taken) = RingBuffer::new(COMMANDS_MAX);
        let (given_back, spent) = RingBuffer::new(SPENT_MAX);
        (Self { commands, spent, secured: false }, Tray { commands: taken, spent: given_back })
    }
}

impl LegHandle {
    /// The address that is bound for the peer's RTP; RTCP is on the next port.
    pub fn local_rtp(&self) -> SocketAddr {
        self.local
    }

    /// The leg's place in its room, which [`crate::Routes`] speak of.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Begins, or changes, the exchange with the peer, the codec too. Recording and taps begin with
    /// the first.
    pub fn connect(&self, remote: RemoteMedia) {
        if remote.security != Security::Plain {
            self.secure(remote.security);
        }
        let coder = Box::new(Coder::new(remote.codec));
        self.command(Command::Connect(remote, coder));
    }

    /// Gives the leg what securing takes, once, and asks for the handshake.
    fn secure(&self, security: Security) {
        let key = self.key;
        let first = {
            let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
            !std::mem::replace(&mut desk.secured, true)
        };
        if first {
            let (transport, far) = Transport::new();
            self.command(Command::Secure(transport));
            self.ask(Job::Open { key, far, socket: Weak::clone(&self.keying.socket) });
        }
        if let Security::Dtls { role, fingerprint, .. } = security {
            self.ask(Job::Begin { key, role, fingerprint });
        }
    }

    fn ask(&self, job: Job) {
        if self.keying.jobs.try_send(job).is_err() {
            tracing::warn!(port = self.local.port(), "handshakes are overloaded, one is lost");
        }
    }

    /// Queues a prompt, 8 kHz; its end is told as [`crate::MediaEvent::PromptDone`]. A loop rests
    /// meanwhile.
    pub fn play(&self, id: u32, samples: Arc<[i16]>) {
        self.command(Command::Play(id, samples));
    }

    /// Stops all prompts at once; their ends are not told.
    pub fn stop_prompts(&self) {
        self.command(Command::StopPrompts);
    }

    /// Plays samples, 8 kHz, over and over until [`LegHandle::stop_loop`]: music on hold.
    pub fn play_loop(&self, samples: Arc<[i16]>) {
        self.command(Command::PlayLoop(samples));
    }

    /// Stops the loop at once.
    pub fn stop_loop(&self) {
        self.command(Command::StopLoop);
    }

    /// Presses a key: `0`-`9`, `*`, `#`, `A`-`D`; others are ignored.
    /// [`crate::MediaEvent::KeysSent`] tells when all are sent.
    pub fn send_dtmf(&self, key: char) {
        self.command(Command::Press(key));
    }

    /// The received audio for a recogniser; once, and only when the leg was opened for it.
    pub fn take_recogniser_tap(&mut self) -> Option<RecogniserTap> {
        self.tap.take()
    }

    fn command(&self, command: Command) {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        while desk.spent.pop().is_ok() {}
        if desk.commands.push(command).is_err() {
            tracing::warn!(port = self.local.port(), "a leg's command queue is full, one is lost");
        }
    }
}

impl Drop for LegHandle {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
    }
}
