//! The thread that makes DTLS handshakes, for all legs: they allocate and compute, which a media
//! thread must not. A leg's media thread passes it the peer's datagrams and gets keys back; what it
//! sends it sends itself, through the leg's socket.

use crate::clock;
use crate::dtls::{Certificate, DtlsError, Handshake, Role, Step};
use crate::srtp::Keys;
use rtrb::{Consumer, Producer, RingBuffer};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Longest datagram of a handshake that is read, in bytes.
const DATAGRAM_BYTES_MAX: usize = 1_500;
/// Datagrams of one leg that wait for the thread; more are lost, and repeated by the peer.
const FLIGHTS_MAX: usize = 8;
/// Outcomes of one leg that wait for its tick.
const OUTCOMES_MAX: usize = 4;
/// Work that waits for the thread.
pub(crate) const JOBS_MAX: usize = 4_096;
/// How often datagrams of the peers are looked for.
const PACE: Duration = Duration::from_millis(5);

/// What a leg's owner asks for.
pub(crate) enum Job {
    /// A leg that may need handshakes.
    Open { key: u64, far: Far, socket: Weak<UdpSocket> },
    /// A handshake with who has this certificate. The one that is asked for already goes on.
    Begin { key: u64, role: Role, fingerprint: [u8; 32] },
    /// The engine ends.
    Stop,
}

/// What a media thread passes on.
#[allow(clippy::large_enum_variant, reason = "it lies in a ring, which has room for all of them")]
pub(crate) enum Flight {
    /// What the peer sent.
    Datagram { from: SocketAddr, length: u16, bytes: [u8; DATAGRAM_BYTES_MAX] },
    /// Where the peer is to be found from now on.
    To(SocketAddr),
}

/// What a handshake came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Keys { send: Keys, receive: Keys },
    Failed(DtlsError),
}

/// The media thread's end.
pub(crate) struct Near {
    flights: Producer<Flight>,
    outcomes: Consumer<Outcome>,
}

/// The handshakes' end.
pub(crate) struct Far {
    flights: Consumer<Flight>,
    outcomes: Producer<Outcome>,
}

pub(crate) fn wires() -> (Near, Far) {
    let (flights, taken) = RingBuffer::new(FLIGHTS_MAX);
    let (told, outcomes) = RingBuffer::new(OUTCOMES_MAX);
    (Near { flights, outcomes }, Far { flights: taken, outcomes: told })
}

impl Near {
    pub(crate) fn outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop().ok()
    }

    /// Passes on what there is room for.
    pub(crate) fn send(&mut self, flight: Flight) {
        // The peer repeats what is lost, and every nomination comes with further checks.
        let _ = self.flights.push(flight);
    }

    pub(crate) fn send_datagram(&mut self, from: SocketAddr, datagram: &[u8]) {
        let mut bytes = [0; DATAGRAM_BYTES_MAX];
        let Some(room) = bytes.get_mut(..datagram.len()) else { return };
        room.copy_from_slice(datagram);
        self.send(Flight::Datagram { from, length: datagram.len() as u16, bytes });
    }
}

/// A leg as the thread sees it.
struct Entry {
    key: u64,
    far: Far,
    socket: Weak<UdpSocket>,
    asked: Option<(Role, [u8; 32])>,
    handshake: Option<Handshake>,
    /// The handshake gave keys.
    keyed: bool,
    to: Option<SocketAddr>,
}

/// Runs until told to stop.
pub(crate) fn run(certificate: &Certificate, jobs: &Receiver<Job>) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut out = Vec::new();
    loop {
        let next = if entries.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(PACE)
        };
        match next {
            Ok(Job::Open { key, far, socket }) => {
                let (asked, handshake, keyed, to) = (None, None, false, None);
                entries.push(Entry { key, far, socket, asked, handshake, keyed, to });
            }
            Ok(Job::Begin { key, role, fingerprint }) => {
                let entry = entries.iter_mut().find(|entry| entry.key == key);
                entry.into_iter().for_each(|entry| entry.begin(certificate, role, fingerprint));
            }
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now_ns = clock::monotonic_ns();
        entries.retain(|entry| !entry.far.flights.is_abandoned());
        entries.iter_mut().for_each(|entry| entry.pass(now_ns, &mut out));
    }
}

impl Entry {
    fn begin(&mut self, certificate: &Certificate, role: Role, fingerprint: [u8; 32]) {
        if self.asked.replace((role, fingerprint)) != Some((role, fingerprint)) {
            let start = (clock::monotonic_ns(), clock::instant());
            self.handshake = Some(Handshake::new(certificate, role, fingerprint, start));
            self.keyed = false;
        }
    }

    fn pass(&mut self, now_ns: u64, out: &mut Vec<u8>) {
        while let Ok(flight) = self.far.flights.pop() {
            match flight {
                Flight::To(to) => self.to = Some(to),
                Flight::Datagram { from, length, bytes } => {
                    self.to = self.to.or(Some(from));
                    if let Some(handshake) = &mut self.handshake {
                        handshake.handle_datagram(now_ns, &bytes[..usize::from(length)]);
                    }
                }
            }
        }
        // Nothing is sent, and no time runs, before the peer is found.
        let (Some(handshake), Some(to)) = (&mut self.handshake, self.to) else { return };
        handshake.handle_timeout(now_ns);
        let outcome = loop {
            match handshake.poll(out) {
                Step::Transmit(bytes) => {
                    let socket = self.socket.upgrade();
                    // What is lost is repeated.
                    let _ = socket.map(|socket| socket.send_to(bytes, to));
                }
                Step::Keys { send, receive } => {
                    self.keyed = true;
                    let _ = self.far.outcomes.push(Outcome::Keys { send, receive });
                }
                Step::Failed(error) => break error,
                Step::Wait { .. } => return,
            }
        };
        self.handshake = None;
        // What ends behind the keys, as when the peer says goodbye, is no failure of theirs.
        if !self.keyed {
            let _ = self.far.outcomes.push(Outcome::Failed(outcome));
        }
    }
}
