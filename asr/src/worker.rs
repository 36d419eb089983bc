//! The recognition process: a Unix socket, streams, and threads that decode.
//!
//! A thread per connection reads audio and detects voice; decode threads turn whole segments into
//! text, live threads hear segments while they are spoken; a thread per connection writes. A client
//! that does not read its results is disconnected.

mod front;
mod lanes;
mod neighbours;

use crate::clock::{Clock, process_cpu_ms};
use crate::degradation::Level;
use crate::error::{AsrError, Result};
use crate::live::{Heard, Lane};
use crate::noise::NoiseSuppression;
use crate::recognizer::{Decoded, Decoder, Effort, Interrupt, Recognizer};
use crate::scheduler::{Job, Key, Queue, Verdict};
use crate::segmenter::{SAMPLES_PER_MS, Utterance};
use crate::stream::{Action, Piece, Stream};
use crate::wire::{self, Event, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use lanes::{HEARD_WAITING_MAX, Lanes};
use neighbours::Neighbours;

pub use front::Front;

/// Streams that one worker takes; audio of more is refused at opening.
pub const STREAMS_MAX: u32 = 1_000;
/// Where the recogniser stands behind calls when processors are short.
const NICE: i32 = 10;
/// Of 1,000: this process before the server, whatever their sizes.
const OOM_SCORE: &str = "500";
/// Connections at a time.
const CONNECTIONS_MAX: usize = 8;
/// Events waiting for a client to read them.
const EVENTS_WAITING_MAX: usize = 4_096;
/// Finals waiting; beyond it the worker stops reading audio, and clients see a gap.
const FINALS_WAITING_MAX: usize = 64;
const STATS_EVERY: Duration = Duration::from_secs(1);
/// How often the lag is looked at.
const LAG_LOOK_EVERY: Duration = Duration::from_millis(100);
const PARENT_WATCH_EVERY: Duration = Duration::from_millis(500);

/// How a worker runs.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Where it listens. An old socket file there is replaced.
    pub socket: PathBuf,
    /// Threads of each kind of engine that the recogniser has: one a core.
    pub threads: usize,
    /// Most streams it takes over all connections.
    pub streams_max: u32,
    /// Where it listens for other machines, too; it then stays when its parent process ends.
    pub front: Option<Front>,
    /// What takes noise out of every stream before it is recognised.
    pub noise_suppression: NoiseSuppression,
}

impl WorkerConfig {
    /// For this machine alone, with as many streams as there may be, heard as they come.
    pub fn new(socket: impl Into<PathBuf>, threads: usize) -> Self {
        Self {
            socket: socket.into(),
            threads,
            streams_max: STREAMS_MAX,
            front: None,
            noise_suppression: NoiseSuppression::Off,
        }
    }
}

/// Lets calls go first: a caption may be late, a packet may not; and where memory is short it is this process that ends, which
/// is started again. The worker is one process among those of the machine, so this is a wish and its refusal no fault.
pub fn step_back() {
    let now = rustix::process::getpriority_process(None).unwrap_or(0);
    let _ = rustix::process::setpriority_process(None, now.max(NICE));
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
}

/// Serves until the parent process is gone.
///
/// # Errors
/// When an engine cannot be made, the recogniser has none, or the socket cannot be bound; later faults
/// of a client end its connection only.
pub fn serve(config: &WorkerConfig, recognizer: Arc<dyn Recognizer>) -> Result<()> {
    end_at_any_panic();
    if config.front.is_none() {
        watch_parent();
    }
    let (decoders, lanes, waiting) = engines(&*recognizer, config.threads.max(1))?;
    let shared = Arc::new(Shared {
        recognizer,
        streams_max: config.streams_max,
        noise_suppression: config.noise_suppression,
        threads: config.threads.try_into().unwrap_or(u16::MAX),
        has_decoders: !decoders.is_empty(),
        lanes,
        clock: Clock::start(),
        board: Mutex::new(Board { queue: Queue::new(decoders.len()), ..Board::default() }),
        work: Condvar::new(),
        room: Condvar::new(),
    });
    for decoder in decoders {
        let shared = shared.clone();
        std::thread::spawn(move || shared.decode_forever(decoder));
    }
    for (lane, heard) in waiting {
        let shared = shared.clone();
        std::thread::spawn(move || shared.hear_forever(lane, &heard));
    }
    let socket = &config.socket;
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).map_err(AsrError::io(socket))?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))
        .map_err(AsrError::io(socket))?;
    if let Some(front) = &config.front {
        front.open(socket)?;
    }
    let ticker = shared.clone();
    std::thread::spawn(move || ticker.report_forever());
    let watcher = shared.clone();
    std::thread::spawn(move || watcher.watch_lag_forever());
    for (number, connection) in (0u64..).zip(listener.incoming()) {
        let connection = connection.map_err(AsrError::io(socket))?;
        let shared = shared.clone();
        if shared.board().clients.len() >= CONNECTIONS_MAX {
            tracing::warn!(connections = CONNECTIONS_MAX, "recognition connection refused");
            continue;
        }
        std::thread::spawn(move || {
            if let Err(error) = shared.converse(number, connection) {
                tracing::warn!(%error, "recognition connection ended");
            }
            shared.forget(number);
        });
    }
    Ok(())
}

/// A thread that is gone would leave a worker that reports and does not work; a process that is gone is
/// replaced.
fn end_at_any_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::abort();
    }));
}

/// Ends the process when its parent does. The kernel's parent-death signal follows the thread
/// that forked, which in an async server may end long before its process: so this looks instead.
fn watch_parent() {
    let parent = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(PARENT_WATCH_EVERY);
        }
        std::process::exit(0);
    });
}

type Engines = (Vec<Box<dyn Decoder>>, Lanes, Vec<(Lane, Receiver<Heard>)>);

/// The engines that this recogniser has, `threads` of each kind.
fn engines(recognizer: &dyn Recognizer, threads: usize) -> Result<Engines> {
    let (mut decoders, mut lanes, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..threads {
        decoders.extend(recognizer.decoder()?);
        if let Some(engine) = recognizer.live()? {
            let (lane, heard) = sync_channel(HEARD_WAITING_MAX);
            lanes.push(lane);
            waiting.push((Lane::new(engine), heard));
        }
    }
    if decoders.is_empty() && lanes.is_empty() {
        let reason = "it has neither a decoder nor a live engine".to_owned();
        return Err(AsrError::Engine { engine: "recogniser", reason });
    }
    Ok((decoders, Lanes(lanes), waiting))
}

struct Shared {
    recognizer: Arc<dyn Recognizer>,
    streams_max: u32,
    noise_suppression: NoiseSuppression,
    threads: u16,
    /// Finals are decoded from whole segments; otherwise a lane's last text is the final one.
    has_decoders: bool,
    lanes: Lanes,
    clock: Clock,
    board: Mutex<Board>,
    /// A decode may be waiting.
    work: Condvar,
    /// A final has left the queue.
    room: Condvar,
}

#[derive(Default)]
struct Board {
    queue: Queue,
    /// Decodes under way, by number.
    running: BTreeMap<u64, Interrupt>,
    clients: BTreeMap<u64, Client>,
    /// Open segments whose speaker has come to an end, as a live engine hears it.
    endpoints: BTreeSet<Key>,
    /// Closed streams whose finals are still to come.
    closing: BTreeSet<(u64, u64)>,
    streams: u32,
}

/// A stream of a client.
struct Open {
    stream: Stream,
    is_offline: bool,
    /// What its next decodes may say.
    expected: Arc<str>,
}

struct Client {
    events: SyncSender<Event>,
    socket: UnixStream,
}

impl Board {
    /// Queues an event; a client that lets its queue run full is cut off.
    fn send(&mut self, connection: u64, event: Event) {
        let Some(client) = self.clients.get(&connection) else { return };
        if client.events.try_send(event).is_err() {
            let _ = client.socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Ends decodes that nobody wants any more.
    fn interrupt(&mut self) {
        for number in self.queue.interrupt() {
            self.running.get(&number).into_iter().for_each(Interrupt::set);
        }
    }

    fn end_if_done(&mut self, connection: u64, stream: u64) {
        let id = (connection, stream);
        if self.closing.contains(&id) && !self.queue.has_finals(connection, stream) {
            self.closing.remove(&id);
            self.send(connection, Event::Ended { stream });
        }
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn converse(&self, connection: u64, socket: UnixStream) -> Result<()> {
        let failed = |error: std::io::Error| AsrError::Wire(error.into());
        let mut writing = socket.try_clone().map_err(failed)?;
        let hello = Message::Hello {
            version: wire::VERSION,
            capacity: self.streams_max,
            threads: self.threads,
        };
        wire::write_message(&mut writing, &hello)?;
        let (events, waiting) = sync_channel(EVENTS_WAITING_MAX);
        std::thread::spawn(move || write_events(&waiting, writing));
        let client = Client { events, socket: socket.try_clone().map_err(failed)? };
        self.board().clients.insert(connection, client);
        let mut streams = BTreeMap::new();
        let result = self.read_audio(connection, socket, &mut streams);
        self.board().streams -= streams.len() as u32;
        result
    }

    fn read_audio(
        &self,
        connection: u64,
        socket: UnixStream,
        streams: &mut BTreeMap<u64, Open>,
    ) -> Result<()> {
        let mut reader = BufReader::new(socket);
        while let Some(message) = wire::read_message(&mut reader)? {
            match message {
                Message::Open { stream, rate_hz, start_sample, first_segment, is_offline } => {
                    let is_refused = self.board().streams >= self.streams_max
                        || streams.contains_key(&stream)
                        || !matches!(rate_hz, 8_000 | 16_000);
                    if is_refused {
                        self.board().send(connection, Event::Ended { stream });
                        continue;
                    }
                    let detector = self.recognizer.detector()?;
                    self.board().streams += 1;
                    let is_live = self.is_live(is_offline);
                    let opened =
                        Stream::new(detector, rate_hz, start_sample, first_segment, is_live)
                            .suppressing(self.noise_suppression);
                    // Longer segments help a decoder; a live engine hears a recording as a call.
                    let is_longer = is_offline && self.has_decoders;
                    let opened = if is_longer { opened.offline() } else { opened };
                    let opened =
                        if self.recognizer.is_equalised() { opened.equalised() } else { opened };
                    let expected = Arc::default();
                    streams.insert(stream, Open { stream: opened, is_offline, expected });
                }
                Message::Audio { stream, start_sample, samples } => {
                    if let Some(open) = streams.get_mut(&stream) {
                        let segment = open.stream.segment();
                        if self.takes_endpoint(Key { connection, stream, segment }) {
                            let ended = open.stream.flush();
                            self.act(connection, stream, open, ended);
                        }
                        let actions = open.stream.push(start_sample, &samples)?;
                        self.act(connection, stream, open, actions);
                    }
                }
                Message::Expect { stream, words } => {
                    if let Some(open) = streams.get_mut(&stream) {
                        open.expected = words.into();
                    }
                }
                Message::Close { stream } => {
                    if let Some(mut open) = streams.remove(&stream) {
                        let ended = open.stream.flush();
                        self.act(connection, stream, &open, ended);
                        let mut board = self.board();
                        board.streams -= 1;
                        board
                            .endpoints
                            .retain(|k| (k.connection, k.stream) != (connection, stream));
                        board.closing.insert((connection, stream));
                        board.end_if_done(connection, stream);
                    }
                }
                Message::Hello { .. } | Message::Event(_) | Message::Token(_) => {
                    return Err(wire::WireError::Malformed(0).into());
                }
            }
        }
        Ok(())
    }

    fn act(
        &self,
        connection: u64,
        stream: u64,
        open: &Open,
        actions: impl IntoIterator<Item = Action>,
    ) {
        let is_offline = open.is_offline;
        let mut board = self.board();
        for action in actions {
            let key = |segment| Key { connection, stream, segment };
            let job = |piece: Piece, effort| Job {
                key: key(piece.segment),
                utterance: piece.utterance,
                samples: piece.samples,
                expected: Arc::clone(&open.expected),
                effort,
                is_partial: effort == Effort::Partial,
                is_offline,
                asked_ms: self.clock.elapsed_ms(),
                cores: 0,
                number: 0,
            };
            match action {
                Action::Started { segment, at_ms } => {
                    board.send(connection, Event::Started { stream, segment, at_ms });
                }
                Action::Heard { segment, speech_from, start, samples } => {
                    let is_shed = self.has_decoders && board.queue.level() >= Level::NoPartials;
                    if !is_shed {
                        drop(board);
                        let key = key(segment);
                        self.lanes.tell(key, Heard::Audio { key, speech_from, start, samples });
                        board = self.board();
                    }
                }
                Action::Partial(piece) => board.queue.partial(job(piece, Effort::Partial)),
                Action::Speculate(piece) if self.has_decoders => {
                    board.queue.speculate(job(piece, Effort::Final));
                }
                // A live engine has all of it already.
                Action::Speculate(_) => {}
                Action::Resumed { segment } => board.queue.resume(key(segment)),
                Action::Ended(piece) => {
                    while board.queue.finals() >= FINALS_WAITING_MAX {
                        board = self.room.wait(board).unwrap_or_else(|e| e.into_inner());
                    }
                    // Nothing interrupts a recording's decode: with one thread a careful one would hold up calls.
                    let is_careful = is_offline && self.threads > 1;
                    let effort = if is_careful { Effort::Offline } else { Effort::Final };
                    let job = job(piece, effort);
                    if !self.has_decoders {
                        board.queue.await_live(&job);
                    } else if let Some(decoded) = board.queue.commit(job.clone()) {
                        board.send(connection, result(&job, decoded, true));
                    }
                    drop(board);
                    self.lanes.end(job, !self.has_decoders);
                    board = self.board();
                }
            }
            board.interrupt();
            self.work.notify_all();
        }
    }

    fn decode_forever(&self, mut decoder: Box<dyn Decoder>) {
        let interrupt = decoder.interrupt();
        loop {
            let job = self.wait_for_job(&interrupt);
            decoder.use_cores(job.cores);
            decoder.expect(&job.expected);
            let began_ms = self.clock.elapsed_ms();
            let outcome = decoder.decode(&job.samples, job.effort);
            let took_ms = self.clock.elapsed_ms().saturating_sub(began_ms);
            let is_failed = outcome.is_err();
            let mut decoded = outcome.unwrap_or_else(|error| {
                tracing::error!(%error, "a segment could not be decoded");
                Decoded::default()
            });
            decoded.took_ms = u32::try_from(took_ms).unwrap_or(u32::MAX);
            let mut board = self.board();
            board.running.remove(&job.number);
            let (connection, stream) = (job.key.connection, job.key.stream);
            match board.queue.finish(&job, &decoded) {
                Verdict::Drop => {}
                Verdict::Partial if decoded.text.is_empty() => {}
                Verdict::Partial => board.send(connection, result(&job, decoded, false)),
                Verdict::Final => {
                    let event = if is_failed {
                        skipped(job.key, &job.utterance)
                    } else {
                        result(&job, decoded, true)
                    };
                    board.send(connection, event);
                    board.end_if_done(connection, stream);
                    self.room.notify_all();
                }
            }
            self.work.notify_all();
        }
    }

    fn wait_for_job(&self, interrupt: &Interrupt) -> Job {
        let mut board = self.board();
        loop {
            if let Some(job) = board.queue.take_next() {
                interrupt.clear();
                board.running.insert(job.number, interrupt.clone());
                return job;
            }
            board = self.work.wait(board).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn report_forever(&self) {
        loop {
            std::thread::sleep(STATS_EVERY);
            let mut board = self.board();
            let lag_ms = board.queue.lag_ms(self.clock.elapsed_ms());
            let (streams, partials_skipped) = (board.streams, board.queue.partials_skipped);
            let (level, finals_skipped) = (board.queue.level(), board.queue.finals_skipped);
            let cpu_ms = process_cpu_ms();
            let stats =
                Event::Stats { lag_ms, streams, cpu_ms, partials_skipped, level, finals_skipped };
            let clients: Vec<u64> = board.clients.keys().copied().collect();
            clients.into_iter().for_each(|client| board.send(client, stats.clone()));
        }
    }

    fn watch_lag_forever(&self) {
        let mut neighbours = Neighbours::default();
        loop {
            std::thread::sleep(LAG_LOOK_EVERY);
            let are_busy = neighbours.are_busy(self.clock.elapsed_ms());
            let mut board = self.board();
            are_busy.into_iter().for_each(|are_busy| board.queue.keep_to_one_core(are_busy));
            let given_up = board.queue.look(self.clock.elapsed_ms());
            // Recordings may have waited for the calls to be as usual.
            self.work.notify_all();
            for (key, utterance) in &given_up {
                board.send(key.connection, skipped(*key, utterance));
                board.end_if_done(key.connection, key.stream);
            }
            drop(board);
            if !given_up.is_empty() {
                self.room.notify_all();
            }
            given_up.iter().for_each(|(key, _)| self.lanes.tell(*key, Heard::Forgotten(*key)));
        }
    }

    fn forget(&self, connection: u64) {
        let mut board = self.board();
        board.clients.remove(&connection);
        board.queue.forget(connection);
        board.closing.retain(|(owner, _)| *owner != connection);
        board.endpoints.retain(|key| key.connection != connection);
        drop(board);
        self.room.notify_all();
        self.lanes.tell_all(&Heard::Gone(connection));
    }
}

fn write_events(events: &Receiver<Event>, mut socket: UnixStream) {
    for event in events {
        if wire::write_message(&mut socket, &Message::Event(event)).is_err() {
            let _ = socket.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// Where its speech begins and ends.
fn times(utterance: &Utterance) -> (u64, u64) {
    (utterance.speech.start / SAMPLES_PER_MS, utterance.speech.end / SAMPLES_PER_MS)
}

fn skipped(key: Key, utterance: &Utterance) -> Event {
    let (start_ms, end_ms) = times(utterance);
    Event::Skipped { stream: key.stream, segment: key.segment, start_ms, end_ms }
}

fn result(job: &Job, decoded: Decoded, is_final: bool) -> Event {
    let text = decoded.text.later(job.utterance.audio.start / SAMPLES_PER_MS);
    said(job.key, &job.utterance, Decoded { text, ..decoded }, is_final)
}

/// Text whose times are of the stream.
fn said(key: Key, utterance: &Utterance, decoded: Decoded, is_final: bool) -> Event {
    let (start_ms, end_ms) = times(utterance);
    Event::Result {
        stream: key.stream,
        segment: key.segment,
        is_final,
        start_ms,
        end_ms,
        text: decoded.text,
        confidence: decoded.confidence,
        expected: decoded.expected,
        took_ms: decoded.took_ms,
    }
}
